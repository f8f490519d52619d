//! Redis through its driver alone: pipelines of `SET` and `XADD`, on as many connections as there are calls under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use darkages_store::redis::{Bare, bare};
use darkages_store::url::{Node, RedisUrl};
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, cmd};

use super::super::load::Series;
use super::super::pace::{Done, timed};
use super::Shape;

/// Connections, at most. More calls share them.
const MAX_CONNECTIONS: usize = 64;

/// Entries that a stream keeps, about: no run fills a server's memory.
const STREAM_ENTRIES: usize = 10_000;

pub struct RedisLoop {
    node: Node,
    base: String,
    connections: Vec<MultiplexedConnection>,
    next: AtomicUsize,
    shape: Shape,
}

impl RedisLoop {
    pub async fn begin(url: &RedisUrl, world: &str, shape: Shape) -> anyhow::Result<Self> {
        let Bare { node, connection, base } = bare(url.clone(), world).await?;
        let mut connections = vec![connection];
        while connections.len() < shape.in_flight.min(MAX_CONNECTIONS) {
            connections.push(bare(url.clone(), world).await?.connection);
        }
        Ok(Self { node, base: format!("{base}:bench"), connections, next: AtomicUsize::new(0), shape })
    }

    pub fn node(&self) -> &Node {
        &self.node
    }

    /// How keys of the bare loops start.
    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn name(&self, series: Series) -> String {
        let (clients, batch) = (self.connections.len(), self.shape.rows(series));
        format!("redis crate, {clients} connections, pipelines of {batch}: {}", word(series))
    }

    pub async fn write(self: Arc<Self>, series: Series) -> anyhow::Result<Done> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (rows, value) = (self.shape.rows(series), vec![b'x'; self.shape.bytes(series)]);
        let mut pipeline = Pipeline::with_capacity(rows);
        for row in 0..rows {
            let key = (number * rows + row) % self.shape.players;
            let command = match series {
                Series::Checkpoints | Series::Handoffs => cmd("SET").arg(format!("{}:{key:012}", self.base)).to_owned(),
                Series::Transactions | Series::Log => {
                    let mut command = cmd("XADD");
                    command
                        .arg(format!("{}:log", self.base))
                        .arg("MAXLEN")
                        .arg("~")
                        .arg(STREAM_ENTRIES)
                        .arg("*")
                        .arg("e");
                    command
                }
            };
            pipeline.add_command(command).arg(&value);
        }
        let mut connection = self.connections[number % self.connections.len()].clone();
        timed(rows, async {
            connection.send_packed_commands(&pipeline, 0, rows).await.context("writing to Redis, bare")?;
            Ok(())
        })
        .await
    }

    /// Removes what this, or `redis-benchmark`, has written.
    pub async fn end(&self) -> anyhow::Result<()> {
        let mut connection = self.connections[0].clone();
        let mut pipeline = Pipeline::new();
        for key in 0..self.shape.players {
            pipeline.add_command(cmd("UNLINK").arg(format!("{}:{key:012}", self.base)).to_owned());
        }
        pipeline.add_command(cmd("UNLINK").arg(format!("{}:log", self.base)).to_owned());
        let removed = connection.send_packed_commands(&pipeline, 0, pipeline.len()).await;
        removed.context("removing what was written to Redis, bare").map(drop)
    }
}

/// What is sent for a row.
pub const fn word(series: Series) -> &'static str {
    match series {
        Series::Checkpoints | Series::Handoffs => "SET",
        Series::Transactions | Series::Log => "XADD",
    }
}

/// The words before the value, for a client that takes a command as text.
pub fn words(base: &str, series: Series) -> Vec<String> {
    match series {
        Series::Checkpoints | Series::Handoffs => vec!["SET".to_owned(), format!("{base}:__rand_int__")],
        Series::Transactions | Series::Log => {
            let (log, entries) = (format!("{base}:log"), STREAM_ENTRIES.to_string());
            ["XADD", &log, "MAXLEN", "~", &entries, "*", "e"].map(str::to_owned).to_vec()
        }
    }
}
