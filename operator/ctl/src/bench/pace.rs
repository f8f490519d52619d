//! Letting calls go on for a while: as fast as they go, or at the pace of ticks.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::figures::{Latencies, Sample};

/// Ticks of a world.
const TICKS_PER_S: u32 = 60;

/// Calls under way at the pace of ticks, at most: what a zone may have. A store that falls further behind cannot keep a world.
const MAX_UNDER_WAY: usize = darkages_server::storage::MAX_CALLS;

/// What one call did.
pub struct Done {
    /// Rows that it wrote.
    pub writes: usize,
    /// How long that part of it took that is looked at.
    pub took: Duration,
}

/// Times a call that writes so many rows.
pub async fn timed(writes: usize, call: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<Done> {
    let start = Instant::now();
    call.await?;
    Ok(Done { writes, took: start.elapsed() })
}

/// Lets `in_flight` calls go on side by side, each as soon as the one before in its place is over. A call is told its place.
pub async fn full_speed<F, C>(in_flight: usize, time: Duration, call: F) -> anyhow::Result<Sample>
where
    F: Fn(usize) -> C + Send + Sync + 'static,
    C: Future<Output = anyhow::Result<Done>> + Send,
{
    let (call, start) = (Arc::new(call), Instant::now());
    let mut places = JoinSet::new();
    for place in 0..in_flight {
        let call = Arc::clone(&call);
        places.spawn(async move {
            let (mut latencies, mut writes) = (Latencies::new(), 0);
            while start.elapsed() < time {
                let done = call(place).await?;
                latencies.add(done.took);
                writes += done.writes;
            }
            anyhow::Ok((latencies, writes))
        });
    }
    let (mut latencies, mut writes) = (Latencies::new(), 0);
    while let Some(place) = places.join_next().await {
        let (own, wrote) = place.context("a measuring task")??;
        latencies.join(&own);
        writes += wrote;
    }
    Ok(Sample::of(writes, start.elapsed(), &latencies))
}

/// Makes `calls` calls in each tick, without waiting for those before, as zones do. A call is told its number.
pub async fn at_ticks<F, C>(calls: usize, time: Duration, call: F) -> anyhow::Result<Sample>
where
    F: Fn(usize) -> C + Send + Sync + 'static,
    C: Future<Output = anyhow::Result<Done>> + Send + 'static,
{
    let (start, mut number) = (Instant::now(), 0);
    let mut ticks = interval(Duration::from_secs(1) / TICKS_PER_S);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut latencies, mut writes) = (Latencies::new(), 0);
    let mut under_way = JoinSet::new();
    let mut take = |done: Result<anyhow::Result<Done>, tokio::task::JoinError>| {
        let done = done.context("a measuring task")??;
        latencies.add(done.took);
        writes += done.writes;
        anyhow::Ok(())
    };
    while start.elapsed() < time {
        ticks.tick().await;
        for _ in 0..calls {
            under_way.spawn(call(number));
            number += 1;
        }
        while let Some(done) = under_way.try_join_next() {
            take(done)?;
        }
        anyhow::ensure!(
            under_way.len() <= MAX_UNDER_WAY,
            "the store does not keep up with {TICKS_PER_S} ticks a second: {MAX_UNDER_WAY} calls wait for it; try fewer --players"
        );
    }
    while let Some(done) = under_way.join_next().await {
        take(done)?;
    }
    Ok(Sample::of(writes, start.elapsed(), &latencies))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rests(time: Duration) -> anyhow::Result<()> {
        tokio::time::sleep(time).await;
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_calls_are_under_way_as_were_asked_for() {
        let call = |_| timed(2, rests(Duration::from_millis(10)));
        let sample = full_speed(8, Duration::from_secs(1), call).await.expect("nothing fails");
        assert!((sample.writes_per_s - 1_600.0).abs() < 1.0, "{sample:?}");
        assert!((sample.p50_ms - 10.0).abs() < 1.1, "{sample:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn ticks_do_not_wait_for_slow_calls() {
        let call = |_| timed(1, rests(Duration::from_millis(500)));
        let sample = at_ticks(2, Duration::from_secs(2), call).await.expect("nothing fails");
        // The last ones end half a second after the last tick.
        assert!(sample.writes_per_s > 90.0 && sample.writes_per_s < 121.0, "{sample:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_falls_behind_and_a_call_that_fails_are_told() {
        let call = |_| timed(1, rests(Duration::from_secs(3_600)));
        let error = at_ticks(100, Duration::from_secs(2), call).await.expect_err("it falls behind");
        assert!(error.to_string().contains("does not keep up"), "{error}");
        let call = |_| timed(1, async { anyhow::bail!("broken") });
        assert!(full_speed(3, Duration::from_secs(1), call).await.is_err());
        let call = |_| timed(1, async { anyhow::bail!("broken") });
        assert!(at_ticks(3, Duration::from_secs(1), call).await.is_err());
    }
}
