//! Durable transactions over any number of players, decided in one place.
//!
//! In this order, each step acknowledged before the next: the request's row is opened for this attempt, and the journal has
//! the entry; every party's record is marked with what would become of it; the lease is asked; the row is decided, by
//! compare-and-swap; the new records take the places of the marks. Before the decision nothing has changed, after it
//! everything has, see [`marks`](super::marks). A crash in between leaves marks, which the next writer removes.
//!
//! The decision is as good as made when the lease was asked: from then on until the decision no marked record can change
//! without calling the transaction off first, and then the decision fails.

use futures_util::{StreamExt, TryStreamExt, stream};

use darkages_topology::PlayerId;

use super::Inner;
use super::fresh::Carried;
use super::keys;
use super::log::Place;
use super::marks::{self, CALLED_OFF, DECIDED, Mark, OPEN};
use super::owners::Free;
use super::swaps::BATCH_WIDTH;
use super::wire::{jittered, unavailable};
use crate::error::StoreError;
use crate::journal::{Checkpoint, Committed, LogEntry, LogSeq, RequestId, Saved, Transaction};
use crate::judge;
use crate::lease::Fence;
use crate::limits::REQUESTS_KEPT_PER_PLAYER;
use crate::owner::OwnerRecord;

/// Times that a transaction starts again because others were in its way.
const ROUNDS: u32 = 16;

/// The pause before it does.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

/// One commit in so many forgets the player's old requests. A player has at most a few times as many beyond those that
/// must be kept.
const TIDY_EVERY: u128 = 16;

const ACTION: &str = "committing a transaction";

/// A party with its record as it is and as it would be.
struct Party {
    player: PlayerId,
    found: Free,
    next: OwnerRecord,
}

impl Party {
    /// Its state after the transaction.
    fn after(&self) -> Checkpoint {
        let Self { player, found: _, next } = self;
        Checkpoint { player: *player, owner_epoch: next.owner_epoch, data: next.data.clone() }
    }
}

/// What became of one attempt.
enum Outcome {
    Done(LogSeq, Vec<Party>),
    /// Nothing was changed.
    Answer(Committed),
    /// Somebody else was first, at the request or at a party.
    Again,
}

impl Inner {
    /// What became of a transaction, and the records that it made.
    pub async fn commit(&self, fence: Fence, transaction: Transaction) -> Result<Carried, StoreError> {
        for _ in 0..ROUNDS {
            match self.attempt(fence, &transaction).await? {
                Outcome::Done(seq, parties) => {
                    let made = parties.into_iter().map(|party| (party.player, party.next)).collect();
                    return Ok((Committed::Done { seq }, made));
                }
                Outcome::Answer(answer) => return Ok((answer, Vec::new())),
                Outcome::Again => tokio::time::sleep(jittered(PAUSE)).await,
            }
        }
        Err(unavailable(ACTION, "others change the same players all the time"))
    }

    async fn attempt(&self, fence: Fence, transaction: &Transaction) -> Result<Outcome, StoreError> {
        let Transaction { request, states, event, answer } = transaction;
        let parties = self.parties(states);
        let (found, lease, row) =
            futures_util::try_join!(parties, self.check_live(ACTION, fence), self.read_request(ACTION, *request))?;
        let before = match row {
            Some(row) if row.state == DECIDED => {
                let (shard, seq) = (row.by.shard, row.seq);
                return Ok(Outcome::Answer(Committed::Repeated { shard, seq, answer: row.answer }));
            }
            Some(row) if row.state == OPEN => {
                let other = Mark { request: *request, attempt: row.attempt, by: row.by };
                self.settle(ACTION, &other).await?;
                return Ok(Outcome::Again);
            }
            row => row.map(|row| row.attempt),
        };
        let parties = match judged(states, found, fence) {
            Ok(parties) => parties,
            Err(refused) => return Ok(Outcome::Answer(*refused)),
        };
        let seq = self.places(ACTION, fence, 1).await?;
        let mark = Mark { request: *request, attempt: rand::random(), by: fence };
        let entry = LogEntry {
            seq,
            epoch: fence.epoch,
            at: std::time::Duration::from_millis(lease.now.unsigned_abs()),
            request: Some(*request),
            event: event.clone(),
            states: parties.iter().map(Party::after).collect(),
        };
        let (opened, ()) = futures_util::try_join!(
            self.open_request(&mark, before, seq, lease.now, answer, states),
            self.write_journal(ACTION, fence.shard, &entry, mark.attempt)
        )?;
        if !opened {
            return Ok(Outcome::Again);
        }
        if !self.decide(&mark, &parties, lease.now).await? {
            return Ok(Outcome::Again);
        }
        self.carry_out(&parties, Place::of(fence.shard, seq)).await;
        if mark.attempt.is_multiple_of(TIDY_EVERY) {
            self.tidy(request.player).await;
        }
        Ok(Outcome::Done(seq, parties))
    }

    /// The parties' records, in the order of `states`.
    async fn parties(&self, states: &[Checkpoint]) -> Result<Vec<Option<Free>>, StoreError> {
        let reads: Vec<_> = states.iter().map(|state| self.free(ACTION, state.player)).collect();
        stream::iter(reads).buffered(BATCH_WIDTH).try_collect().await
    }

    /// Makes the request's row this attempt's; whether nobody else was first.
    async fn open_request(
        &self,
        mark: &Mark,
        before: Option<u128>,
        seq: LogSeq,
        now: i64,
        answer: &[u8],
        states: &[Checkpoint],
    ) -> Result<bool, StoreError> {
        let Mark { request, attempt, by } = mark;
        let (player, number) = (keys::of_player(request.player), request.number as i64);
        let attempt = attempt.to_be_bytes().to_vec();
        let (shard, epoch, seq) = (keys::of_shard(by.shard), by.epoch.0 as i64, seq.0 as i64);
        let parties: Vec<u8> = states.iter().flat_map(|state| state.player.0.to_le_bytes()).collect();
        match before {
            None => {
                let values = (player, number, attempt, shard, epoch, seq, now, answer, parties);
                self.wire.cas(ACTION, &self.statements.new_request, values).await
            }
            Some(before) => {
                let before = before.to_be_bytes().to_vec();
                let values = (attempt, shard, epoch, seq, now, answer, parties, player, number, before);
                self.wire.cas(ACTION, &self.statements.again_request, values).await
            }
        }
    }

    /// Marks all parties, asks the lease and decides; whether it is decided. If it is not, it is called off.
    async fn decide(&self, mark: &Mark, parties: &[Party], now: i64) -> Result<bool, StoreError> {
        let prepared = self.prepare(mark, parties).await;
        if let Ok(true) = prepared {
            let RequestId { player, number } = mark.request;
            let values = (now, keys::of_player(player), number as i64, mark.attempt.to_be_bytes().to_vec());
            // When the answer to this is lost, it may be decided; so nothing is called off here.
            if self.wire.cas(ACTION, &self.statements.decide_request, values).await? {
                return Ok(true);
            }
        } else if let Err(error) = self.call_off(ACTION, mark.request, mark.attempt).await {
            tracing::debug!(%error, "a transaction is left for others to call off");
            return prepared;
        }
        // The marks go at once instead of when somebody meets them. Whoever does looks at the row, so failing is harmless.
        let removals: Vec<_> = parties.iter().map(|party| self.free(ACTION, party.player)).collect();
        let removed: Vec<_> = stream::iter(removals).buffer_unordered(BATCH_WIDTH).collect().await;
        if let Some(error) = removed.into_iter().find_map(Result::err) {
            tracing::debug!(%error, "a mark is left for others to remove");
        }
        prepared.map(|_| false)
    }

    /// Marks all parties, then asks the lease; whether all are marked.
    async fn prepare(&self, mark: &Mark, parties: &[Party]) -> Result<bool, StoreError> {
        let marks: Vec<_> = parties
            .iter()
            .map(|party| self.replace(ACTION, party.player, &party.found, &party.next, Some(mark)))
            .collect();
        let marked: Vec<bool> = stream::iter(marks).buffer_unordered(BATCH_WIDTH).try_collect().await?;
        if !marked.into_iter().all(|marked| marked) {
            return Ok(false);
        }
        self.check_live(ACTION, mark.by).await?;
        Ok(true)
    }

    /// Puts the new records where the marks are. It is decided, so what goes wrong here is left to whoever comes next.
    async fn carry_out(&self, parties: &[Party], place: Place) {
        let writes: Vec<_> = parties
            .iter()
            .map(|Party { player, found, next }| async move {
                let marked = Free { revision: found.revision + 1, record: found.record.clone() };
                self.replace(ACTION, *player, &marked, next, None).await.map(drop)
            })
            .collect();
        let writes = stream::iter(writes).buffer_unordered(BATCH_WIDTH).collect::<Vec<_>>();
        let (written, listed) = futures_util::join!(writes, self.decide_journal(ACTION, place));
        if let Some(error) = written.into_iter().chain([listed]).find_map(Result::err) {
            tracing::debug!(%error, "a decided transaction is left for others to carry out");
        }
    }

    /// Forgets old requests of a player, as far as it can.
    async fn tidy(&self, player: PlayerId) {
        if let Err(error) = self.forget_old_requests(player).await {
            tracing::debug!(%error, "old requests are forgotten later");
        }
    }

    async fn forget_old_requests(&self, player: PlayerId) -> Result<(), StoreError> {
        type Columns = (i64, Vec<u8>, i32, i64, i64, i64, Vec<u8>);
        let rows = self.wire.rows(ACTION, &self.statements.requests, (keys::of_player(player),)).await?;
        let rows = rows.rows::<Columns>().map_err(|error| unavailable(ACTION, error))?;
        let rows: Result<Vec<Columns>, _> = rows.collect();
        let mut rows = rows.map_err(|error| unavailable(ACTION, error))?;
        rows.sort_unstable_by_key(|(_, _, state, _, _, at, _)| (*state == DECIDED, *at));
        let surplus = rows.len().saturating_sub(REQUESTS_KEPT_PER_PLAYER);
        for (number, attempt, state, shard, seq, _, parties) in rows.into_iter().take(surplus) {
            if state == OPEN {
                continue;
            }
            if state != CALLED_OFF {
                // Marks and entries look at this row: they must not need it any more when it goes.
                let request = RequestId { player, number: number as u64 };
                self.decide_journal(ACTION, Place::of(keys::shard(shard), LogSeq(seq.unsigned_abs()))).await?;
                for party in parties.chunks(8) {
                    let party = party.try_into().map_err(|_| marks::damaged_request(request, "its parties are cut"))?;
                    self.free(ACTION, PlayerId(u64::from_le_bytes(party))).await?;
                }
            }
            let values = (keys::of_player(player), number, attempt, state);
            self.wire.cas(ACTION, &self.statements.forget_request, values).await?;
        }
        Ok(())
    }
}

/// All parties, or the answer for the first that cannot take part.
fn judged(states: &[Checkpoint], found: Vec<Option<Free>>, fence: Fence) -> Result<Vec<Party>, Box<Committed>> {
    let judge = |(state, found): (&Checkpoint, Option<Free>)| {
        let player = state.player;
        match (judge::fits(found.as_ref().map(|free| &free.record), state, fence), found) {
            (Saved::Done, Some(found)) => {
                let mut next = OwnerRecord { data: state.data.clone(), ..found.record.clone() };
                next.data.version = next.data.version.next();
                Ok(Party { player, found, next })
            }
            (why, found) => {
                let current = found.map(|free| free.record);
                Err(Box::new(Committed::Refused { player, why, current }))
            }
        }
    };
    states.iter().zip(found).map(judge).collect()
}
