//! The same number of rows of the same size, with nothing between them and the servers: what a store is measured against.

mod cql;
mod redb;
mod redis;
mod redis_benchmark;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use darkages_store::StoreUrl;

use self::cql::CqlLoop;
use self::redb::RedbLoop;
use self::redis::RedisLoop;
use self::redis_benchmark::RedisBenchmark;
use super::figures::Sample;
use super::load::{Series, Sizes};
use super::options::Plan;
use super::pace::{self, Done};

/// What one measurement writes.
#[derive(Clone, Copy, Debug)]
struct Shape {
    sizes: Sizes,
    /// Keys that are written to.
    players: usize,
    /// Rows of one call of a series that goes in batches.
    batch: usize,
    in_flight: usize,
}

impl Shape {
    /// Rows of one call.
    const fn rows(self, series: Series) -> usize {
        match series {
            Series::Checkpoints | Series::Log => self.batch,
            Series::Transactions | Series::Handoffs => 1,
        }
    }

    /// Bytes of a row.
    const fn bytes(self, series: Series) -> usize {
        match series {
            Series::Checkpoints | Series::Handoffs => self.sizes.record,
            Series::Transactions => self.sizes.trade,
            Series::Log => self.sizes.event,
        }
    }
}

/// A server or a file, bare. One store may stand on two.
pub struct Bare {
    shape: Shape,
    redis: Option<Arc<RedisLoop>>,
    benchmark: Option<Arc<RedisBenchmark>>,
    cql: Option<Arc<CqlLoop>>,
    redb: Option<Arc<RedbLoop>>,
}

/// Which of them a series is measured against.
enum Chosen {
    Redis(Arc<RedisLoop>),
    Cql(Arc<CqlLoop>),
    Redb(Arc<RedbLoop>),
}

impl Bare {
    /// Connects to what the plan's store stands on.
    ///
    /// # Errors
    /// When that cannot be reached.
    pub async fn begin(plan: &Plan, world: &str) -> anyhow::Result<Self> {
        let shape = Shape {
            sizes: Sizes::of(plan.state_bytes),
            players: plan.players,
            batch: plan.batch,
            in_flight: plan.in_flight,
        };
        let mut bare = Self { shape, redis: None, benchmark: None, cql: None, redb: None };
        let (redis, cql) = match &plan.url {
            StoreUrl::Embedded(file) => {
                bare.redb = Some(Arc::new(RedbLoop::begin(file, shape)?));
                (None, None)
            }
            StoreUrl::Redis(redis) => (Some(redis), None),
            StoreUrl::Cql(cql) => (None, Some(cql)),
            StoreUrl::Layered(redis, cql) => (Some(redis), Some(cql)),
        };
        if let Some(url) = redis {
            let redis = RedisLoop::begin(url, world, shape).await?;
            bare.benchmark = RedisBenchmark::find(url, redis.node(), redis.base(), shape).map(Arc::new);
            bare.redis = Some(Arc::new(redis));
        }
        if let Some(options) = cql {
            bare.cql = Some(Arc::new(CqlLoop::begin(options, shape).await?));
        }
        Ok(bare)
    }

    /// What a series is measured against: where CQL keeps the world, Redis has but the checkpoints.
    fn chosen(&self, series: Series) -> anyhow::Result<Chosen> {
        let redis = self.redis.clone().map(Chosen::Redis);
        let cql = self.cql.clone().map(Chosen::Cql);
        let redb = self.redb.clone().map(Chosen::Redb);
        let kept = cql.or(redb);
        let chosen = if series == Series::Checkpoints { redis.or(kept) } else { kept.or(redis) };
        chosen.context("a store stands on something")
    }

    /// What that is, in words, at full speed.
    ///
    /// # Errors
    /// When there is none.
    pub fn name(&self, series: Series) -> anyhow::Result<String> {
        Ok(match (self.chosen(series)?, &self.benchmark) {
            (Chosen::Redis(_), Some(benchmark)) => benchmark.name(series),
            (Chosen::Redis(redis), None) => redis.name(series),
            (Chosen::Cql(cql), _) => cql.name(series),
            (Chosen::Redb(redb), _) => redb.name(series),
        })
    }

    /// As fast as it goes.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn full_speed(&self, series: Series, time: Duration) -> anyhow::Result<Sample> {
        let in_flight = self.shape.in_flight;
        match (self.chosen(series)?, &self.benchmark) {
            (Chosen::Redis(_), Some(benchmark)) => {
                let benchmark = Arc::clone(benchmark);
                let ran = tokio::task::spawn_blocking(move || benchmark.full_speed(series, time)).await;
                ran.context("running redis-benchmark")?
            }
            // One transaction at a time is all that a file takes, so what is under way side by side goes together.
            (Chosen::Redb(redb), _) => {
                pace::full_speed(1, time, move |_| Arc::clone(&redb).write(series, in_flight)).await
            }
            (chosen, _) => pace::full_speed(in_flight, time, move |_| call(&chosen, series)).await,
        }
    }

    /// At the pace of ticks, by the driver.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn at_ticks(&self, series: Series, time: Duration) -> anyhow::Result<Sample> {
        let chosen = self.chosen(series)?;
        pace::at_ticks(series.calls_in_a_tick(), time, move |_| call(&chosen, series)).await
    }

    /// Removes what was written.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn end(self) -> anyhow::Result<()> {
        // A file goes by itself.
        let Self { shape: _, redis, benchmark: _, cql, redb: _ } = self;
        if let Some(redis) = redis {
            redis.end().await?;
        }
        if let Some(cql) = cql {
            cql.end().await?;
        }
        Ok(())
    }
}

/// One call, as long as the caller likes to keep it.
fn call(chosen: &Chosen, series: Series) -> futures_util::future::BoxFuture<'static, anyhow::Result<Done>> {
    match chosen {
        Chosen::Redis(redis) => Box::pin(Arc::clone(redis).write(series)),
        Chosen::Cql(cql) => Box::pin(Arc::clone(cql).write(series)),
        Chosen::Redb(redb) => Box::pin(Arc::clone(redb).write(series, 1)),
    }
}
