//! Swaps: batches whose players are served side by side, and those of one player in their order.
//!
//! All records are read, then the writer's lease is asked once, then all are swapped; whoever loses a swap starts again with
//! both. See [`owners`](super::owners) for why this order fences.

use std::collections::BTreeMap;

use darkages_topology::PlayerId;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Inner;
use super::owners::Free;
use super::wire::unavailable;
use crate::error::StoreError;
use crate::judge;
use crate::lease::Fence;
use crate::owner::{OwnerRecord, Swap, Swapped};

/// Players of one batch who are served at a time.
pub(super) const BATCH_WIDTH: usize = 64;

/// Times that one write starts again because somebody else has changed the record meanwhile.
const ROUNDS: u32 = 32;

/// What the next write of a player builds on: the record as read or remembered, and whether the writer's lease was live *after*
/// that.
struct Ground {
    found: Option<Free>,
    live: bool,
    /// It is remembered: somebody else may have written since. Enough to swap, not to refuse.
    is_known: bool,
}

/// The swaps of a batch by player, each with its place in the batch.
fn by_player(batch: Vec<Swap>) -> BTreeMap<PlayerId, Vec<(usize, Swap)>> {
    let mut players: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (place, swap) in batch.into_iter().enumerate() {
        players.entry(swap.player).or_default().push((place, swap));
    }
    players
}

/// Answers in the order of the batch. Every place has one.
fn in_order(answers: Vec<Vec<(usize, Swapped)>>) -> Vec<Swapped> {
    let mut answers: Vec<_> = answers.into_iter().flatten().collect();
    answers.sort_unstable_by_key(|(place, _)| *place);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn contended(action: &'static str) -> StoreError {
    unavailable(action, "others change the same record all the time")
}

impl Inner {
    pub async fn swap(&self, fence: Fence, swaps: Vec<Swap>) -> Result<Vec<Swapped>, StoreError> {
        const ACTION: &str = "swapping owner records";
        let players = by_player(swaps);
        let (mut found, live) = self.grounds(ACTION, fence, players.keys().copied()).await?;
        let served = players.into_iter().map(|(player, swaps)| {
            let (is_known, found) = found.remove(&player).unwrap_or_default();
            let ground = Ground { found, live, is_known };
            self.swap_player(ACTION, fence, player, ground, swaps)
        });
        let served: Vec<_> = served.collect();
        Ok(in_order(stream::iter(served).buffer_unordered(BATCH_WIDTH).try_collect().await?))
    }

    /// The records of `players`, each with whether it is remembered; then the lease of the writer is read.
    async fn grounds(
        &self,
        action: &'static str,
        fence: Fence,
        players: impl Iterator<Item = PlayerId>,
    ) -> Result<(BTreeMap<PlayerId, (bool, Option<Free>)>, bool), StoreError> {
        let reads: Vec<_> = players
            .map(|player| async move {
                Ok::<_, StoreError>(match self.known.of(fence, player) {
                    Some(known) => (player, (true, Some(known))),
                    None => (player, (false, self.free(action, player).await?)),
                })
            })
            .collect();
        let found = stream::iter(reads).buffer_unordered(BATCH_WIDTH).try_collect().await?;
        Ok((found, self.is_live(action, fence).await?))
    }

    async fn ground(&self, action: &'static str, fence: Fence, player: PlayerId) -> Result<Ground, StoreError> {
        let found = self.free(action, player).await?;
        Ok(Ground { found, live: self.is_live(action, fence).await?, is_known: false })
    }

    async fn swap_player(
        &self,
        action: &'static str,
        fence: Fence,
        player: PlayerId,
        mut ground: Ground,
        swaps: Vec<(usize, Swap)>,
    ) -> Result<Vec<(usize, Swapped)>, StoreError> {
        let mut answers = Vec::with_capacity(swaps.len());
        for (place, swap) in swaps {
            let mut rounds = 0;
            let answer = loop {
                if let Some(answer) = self.refused(action, fence, &ground, &swap).await? {
                    if !ground.is_known {
                        break answer;
                    }
                    ground = self.ground(action, fence, player).await?;
                    continue;
                }
                let owner = ground.found.as_ref().map(|free| free.record.owner);
                self.list_owner(action, player, owner, &swap.next).await?;
                self.known.forget(player);
                if let Some(written) = self.write(action, player, ground.found.as_ref(), &swap.next).await? {
                    self.known.learn(fence, player, written.clone());
                    self.unlist_owner(action, player, owner, &swap.next).await;
                    ground.found = Some(written);
                    break Swapped::Done;
                }
                rounds += 1;
                if rounds == ROUNDS {
                    return Err(contended(action));
                }
                ground = self.ground(action, fence, player).await?;
            };
            answers.push((place, answer));
        }
        Ok(answers)
    }

    /// Why a swap is not made on this ground; `None` when it may be.
    async fn refused(
        &self,
        action: &'static str,
        fence: Fence,
        ground: &Ground,
        swap: &Swap,
    ) -> Result<Option<Swapped>, StoreError> {
        let current = ground.found.as_ref().map(|free| &free.record);
        let step = match judge::swap(current, swap, fence, ground.live) {
            Ok(step) => step,
            Err(answer) => return Ok(Some(answer)),
        };
        for lease in step.must_be_over(current) {
            if let Some((shard, left)) = self.blocks(action, lease).await? {
                return Ok(Some(Swapped::Held { shard, left }));
            }
        }
        Ok(None)
    }

    /// Writes `next` if the record is still what was found; what was written then.
    async fn write(
        &self,
        action: &'static str,
        player: PlayerId,
        found: Option<&Free>,
        next: &OwnerRecord,
    ) -> Result<Option<Free>, StoreError> {
        let (done, revision) = match found {
            None => (self.create(action, player, next).await?, 1),
            Some(free) => (self.replace(action, player, free, next, None).await?, free.revision + 1),
        };
        Ok(done.then(|| Free { revision, record: next.clone() }))
    }
}
