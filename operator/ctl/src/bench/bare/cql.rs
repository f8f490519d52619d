//! CQL through its driver alone: prepared inserts side by side, and compare-and-swaps where owners change.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, ensure};
use darkages_store::cql::{CqlOptions, Quorum, bare};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use scylla::client::session::Session;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};

use super::super::load::Series;
use super::super::pace::{Done, timed};
use super::Shape;

/// Rows of one partition of the log, as the store has them.
const PARTITION: u64 = 4_096;

/// Inserts of one call side by side, at most.
const WIDTH: usize = 256;

/// The tables, which go when all is done.
const TABLES: [(&str, &str); 3] = [
    ("bench_states", "(player bigint PRIMARY KEY, record blob)"),
    ("bench_log", "(part bigint, seq bigint, entry blob, PRIMARY KEY (part, seq))"),
    ("bench_owners", "(player bigint PRIMARY KEY, record blob)"),
];

pub struct CqlLoop {
    session: Session,
    keyspace: String,
    state: PreparedStatement,
    entry: PreparedStatement,
    owner: PreparedStatement,
    next: AtomicU64,
    first: u64,
    shape: Shape,
}

impl CqlLoop {
    /// The keyspace must be there: opening the store has made it.
    pub async fn begin(options: &CqlOptions, shape: Shape) -> anyhow::Result<Self> {
        let session = bare(options).await?;
        let keyspace = options.keyspace.clone();
        for (name, columns) in TABLES {
            let made =
                session.query_unpaged(format!("CREATE TABLE IF NOT EXISTS {keyspace}.{name} {columns}"), ()).await;
            made.with_context(|| format!("making the table {name}"))?;
        }
        session.await_schema_agreement().await.context("waiting for the tables")?;
        let prepare = async |text: String| {
            let mut statement = session.prepare(text).await.context("preparing a bare statement")?;
            statement.set_consistency(match options.consistency {
                Quorum::Local => Consistency::LocalQuorum,
                Quorum::Global => Consistency::Quorum,
            });
            statement.set_serial_consistency(Some(match options.serial {
                Quorum::Local => SerialConsistency::LocalSerial,
                Quorum::Global => SerialConsistency::Serial,
            }));
            anyhow::Ok(statement)
        };
        let state = prepare(format!("INSERT INTO {keyspace}.bench_states (player, record) VALUES (?, ?)")).await?;
        let entry = prepare(format!("INSERT INTO {keyspace}.bench_log (part, seq, entry) VALUES (?, ?, ?)")).await?;
        let owner = format!("INSERT INTO {keyspace}.bench_owners (player, record) VALUES (?, ?) IF NOT EXISTS");
        let owner = prepare(owner).await?;
        // Rows of an earlier run that was broken off may be there; swaps must find none.
        let first = rand::random::<u64>() >> 2;
        Ok(Self { session, keyspace, state, entry, owner, next: AtomicU64::new(0), first, shape })
    }

    pub fn name(&self, series: Series) -> String {
        let what = match series {
            Series::Handoffs => "INSERT IF NOT EXISTS",
            _ => "prepared INSERT",
        };
        format!("scylla crate, {} rows in flight: {what}", self.shape.in_flight * self.shape.rows(series))
    }

    pub async fn write(self: Arc<Self>, series: Series) -> anyhow::Result<Done> {
        let (rows, value) = (self.shape.rows(series), vec![b'x'; self.shape.bytes(series)]);
        let first = self.next.fetch_add(rows as u64, Ordering::Relaxed);
        timed(rows, async {
            let writes: Vec<_> = (first..).take(rows).map(|number| self.row(series, number, &value)).collect();
            stream::iter(writes).buffer_unordered(WIDTH).try_collect().await
        })
        .await
    }

    async fn row(&self, series: Series, number: u64, value: &[u8]) -> anyhow::Result<()> {
        const WHAT: &str = "writing to CQL, bare";
        match series {
            Series::Checkpoints => {
                let player = (number % self.shape.players as u64) as i64;
                self.session.execute_unpaged(&self.state, (player, value)).await.context(WHAT)?;
            }
            Series::Transactions | Series::Log => {
                let key = ((number / PARTITION) as i64, number as i64);
                self.session.execute_unpaged(&self.entry, (key.0, key.1, value)).await.context(WHAT)?;
            }
            Series::Handoffs => {
                let player = (self.first + number) as i64;
                let result = self.session.execute_unpaged(&self.owner, (player, value)).await.context(WHAT)?;
                let rows = result.into_rows_result().context(WHAT)?;
                let row: scylla::value::Row = rows.first_row().context(WHAT)?;
                let done = matches!(row.columns.first(), Some(Some(scylla::value::CqlValue::Boolean(true))));
                ensure!(done, "a row that was not there could not be made");
            }
        }
        Ok(())
    }

    /// Removes the tables.
    pub async fn end(&self) -> anyhow::Result<()> {
        for (name, _) in TABLES {
            let gone = self.session.query_unpaged(format!("DROP TABLE IF EXISTS {}.{name}", self.keyspace), ()).await;
            gone.with_context(|| format!("removing the table {name}"))?;
        }
        Ok(())
    }
}
