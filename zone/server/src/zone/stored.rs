//! What the store answered.

use darkages_store::{Committed, Saved, StoreError};

use super::Zone;
use crate::handoff::{CrashPoint, Event, StoreAnswer};
use crate::metrics::{Label, ReasonLabel};
use crate::play::Play;
use crate::storage::Answer;

impl<G: Play> Zone<G> {
    /// Handles one answer.
    pub(super) fn stored(&mut self, answer: Answer) {
        match answer {
            Answer::Acquired { shard, result } => self.acquired(shard, result),
            Answer::Renewed { fence, result } => self.renewed(fence, result),
            Answer::Released { fence, result } => self.released_lease(fence, result),
            Answer::Swapped { fence, calls, result } => {
                let answers = each(result, calls.len(), StoreAnswer::Swapped);
                for ((call, player), answer) in calls.into_iter().zip(answers) {
                    let taker = self.taker_of_commit(player, &answer);
                    self.reached(taker.map(|_| CrashPoint::CommitDone), taker);
                    self.step_of(fence, Event::Stored { call, player, answer });
                    self.reached(taker.map(|_| CrashPoint::Committed), taker);
                }
            }
            Answer::Owners { fence, calls, result } => {
                let answers = each(result, calls.len(), StoreAnswer::Looked);
                for ((call, player), answer) in calls.into_iter().zip(answers) {
                    let (point, giver) = self.commit_in(player, &answer).unzip();
                    self.step_of(fence, Event::Stored { call, player, answer });
                    self.reached(point, giver);
                }
            }
            Answer::Saved { fence, players, result } => {
                let saved = match result {
                    Ok(saved) => saved,
                    Err(StoreError::Fenced { .. }) => return self.step_of(fence, Event::WriteFenced),
                    Err(error) => return tracing::debug!(%error, "checkpoints were not saved"),
                };
                for ((player, owner_epoch), saved) in players.into_iter().zip(saved) {
                    // Another version is a transaction that was under way meanwhile; the next checkpoint has it.
                    if matches!(saved, Saved::Absent | Saved::NotOwner) {
                        self.step_of(fence, Event::WriteRefused { player, owner_epoch });
                    }
                }
            }
            Answer::Committed { fence, transaction, result } => {
                let label = match &result {
                    Ok(Committed::Done { .. }) => "done",
                    Ok(Committed::Repeated { .. }) => "repeated",
                    Ok(Committed::Refused { .. }) => "refused",
                    Err(_) => "unavailable",
                };
                self.metrics.transactions.get_or_create(&ReasonLabel { reason: Label(label) }).inc();
                self.committed(fence, *transaction, result);
            }
            Answer::Appended { result } => {
                if let Err(error) = result {
                    tracing::debug!(%error, "events were not logged");
                }
            }
        }
    }
}

/// One answer for each call, also when there was none.
fn each<T>(result: Result<Vec<T>, StoreError>, count: usize, wrap: impl Fn(T) -> StoreAnswer) -> Vec<StoreAnswer> {
    match result {
        Ok(answers) => answers.into_iter().map(wrap).collect(),
        Err(error) => {
            tracing::warn!(%error, count, "the store did not answer");
            vec![StoreAnswer::Unavailable; count]
        }
    }
}
