//! Writing to CQL what so far only Redis has: each player once in a round of less than a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::unsaved::{SLICES, Unsaved};
use crate::cql::Cql;
use crate::error::StoreError;

/// From one slice to the next. A round takes 800 ms, which leaves the last player of a slice 200 ms to be written in until CQL is
/// a second behind.
pub(super) const STEP: Duration = Duration::from_millis(100);

/// Writes one slice; what is not written waits for the next round, unless a newer one comes.
pub(super) async fn write(cql: &Cql, unsaved: &Unsaved, slice: usize) -> Result<(), StoreError> {
    let entries = unsaved.take(slice);
    let written = cql.write_snapshots(&entries.iter().map(AsRef::as_ref).collect::<Vec<_>>()).await;
    unsaved.settle(slice, written.is_ok());
    written
}

/// Writes round after round.
pub(super) async fn run(cql: Arc<Cql>, unsaved: Arc<Unsaved>) {
    let mut steps = tokio::time::interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    for slice in (0..SLICES).cycle() {
        steps.tick().await;
        match write(&cql, &unsaved, slice).await {
            Ok(()) if failing => tracing::info!("checkpoints are written to CQL again"),
            Err(error) if !failing => tracing::warn!(%error, "checkpoints wait to be written to CQL"),
            written => {
                tracing::trace!(slice, is_written = written.is_ok(), "a slice of checkpoints");
                continue;
            }
        }
        failing = !failing;
    }
}
