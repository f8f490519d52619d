//! Checkpoints: into Redis where it can take them, into CQL at once where it cannot.
//!
//! The writer's lease is read in CQL, once for a call. Redis then judges each checkpoint by the head of its copy. For those that
//! it has no fitting copy of, the record is read in CQL and judged here, and Redis gets a copy with the new data. What neither
//! way brings into Redis is written to CQL before it is answered. So an acknowledged checkpoint is in Redis and on its way to
//! CQL, or in CQL.

use super::Layered;
use crate::error::StoreError;
use crate::journal::{Checkpoint, Saved};
use crate::lease::Fence;
use crate::redis::Copied;
use crate::snapshot::{self, Entry, Stamp};

/// A checkpoint that no copy fitted.
struct Missed {
    /// Its place in the batch.
    place: usize,
    /// How the copy starts that is there.
    found: Vec<u8>,
}

impl Layered {
    pub(super) async fn save(&self, fence: Fence, checkpoints: &[Checkpoint]) -> Result<Vec<Saved>, StoreError> {
        let closed = self.closed.read().await;
        if *closed {
            return Err(StoreError::Closed);
        }
        let stamps = self.cql.stamps(fence, checkpoints.len()).await?;
        let bodies: Vec<_> = checkpoints
            .iter()
            .zip(&stamps)
            .map(|(checkpoint, stamp)| snapshot::body(&checkpoint.data, *stamp))
            .collect();
        let copied = self.copies.save(fence, checkpoints, &bodies).await;
        let copied = copied.unwrap_or_else(|| vec![Copied::Other(Vec::new()); checkpoints.len()]);
        let (mut taken, mut missed) = (Vec::new(), Vec::new());
        for (place, (copied, body)) in copied.into_iter().zip(bodies).enumerate() {
            match copied {
                Copied::Taken(prefix) => {
                    taken.push(Entry { player: checkpoints[place].player, prefix, body, stamp: stamps[place] });
                }
                Copied::Other(found) => missed.push(Missed { place, found }),
            }
        }
        self.count(taken.len(), missed.len());
        let mut answers = vec![Saved::Done; checkpoints.len()];
        let mut unkept = self.unsaved.keep(taken);
        unkept.extend(self.judge_missed(fence, checkpoints, &stamps, missed, &mut answers).await?);
        self.cql.write_snapshots(&unkept.iter().collect::<Vec<_>>()).await?;
        Ok(answers)
    }

    /// Judges checkpoints by CQL's records and gives Redis those that fit, with their records. Returns what has to go to CQL at
    /// once.
    async fn judge_missed(
        &self,
        fence: Fence,
        checkpoints: &[Checkpoint],
        stamps: &[Stamp],
        missed: Vec<Missed>,
        answers: &mut [Saved],
    ) -> Result<Vec<Entry>, StoreError> {
        if missed.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<_> = missed.iter().map(|missed| &checkpoints[missed.place]).collect();
        let judged = self.cql.judged(fence, &asked).await?;
        let mut fitting = Vec::new();
        for (Missed { place, found }, judged) in missed.into_iter().zip(judged) {
            match judged {
                // The copy was there before the record was read, and CQL has every record before Redis has it. So a copy that
                // starts in another way is of the past, or not ours: whatever it says, it is replaced.
                Ok(record) => fitting.push((Entry::new(checkpoints[place].player, &record, stamps[place]), found)),
                Err(why) => answers[place] = why,
            }
        }
        let put = self.copies.put(&fitting).await.unwrap_or_default();
        let (mut copied, mut rest) = (Vec::new(), Vec::new());
        for (place, (entry, _)) in fitting.into_iter().enumerate() {
            let is_put = put.get(place).is_some_and(|put| *put);
            if is_put { copied.push(entry) } else { rest.push(entry) }
        }
        rest.extend(self.unsaved.keep(copied));
        Ok(rest)
    }
}
