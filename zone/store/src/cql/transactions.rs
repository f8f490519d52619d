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
    /// Somebody else was first at a party.
    Again,
    /// Somebody has asked for the request before.
    AskedBefore,
}

/// What became of a request so far.
enum Before {
    /// Nobody has asked for it.
    Nothing,
    /// Its last attempt was this one, and changed nothing.
    CalledOff(u128),
    /// It was carried out.
    Done(Committed),
}

impl Inner {
    /// What became of a transaction, and the records that it made.
    pub async fn commit(&self, fence: Fence, transaction: Transaction) -> Result<Carried, StoreError> {
        let carried = self.commit_in_rounds(fence, &transaction).await?;
        self.abandoned.forget(transaction.request);
        Ok(carried)
    }

    async fn commit_in_rounds(&self, fence: Fence, transaction: &Transaction) -> Result<Carried, StoreError> {
        // Nearly every request is asked for once. So its row is made as if nobody had asked before, and read when it is there.
        let mut look = self.abandoned.has_request(transaction.request);
        let mut before = None;
        for _ in 0..ROUNDS {
            if look {
                match self.asked_before(transaction.request).await? {
                    Before::Nothing => before = None,
                    Before::CalledOff(attempt) => before = Some(attempt),
                    Before::Done(answer) => return Ok((answer, Vec::new())),
                }
            }
            look = true;
            match self.attempt(fence, transaction, before).await? {
                Outcome::Done(seq, parties) => {
                    let made = parties.into_iter().map(|party| (party.player, party.next)).collect();
                    return Ok((Committed::Done { seq }, made));
                }
                Outcome::Answer(answer) => return Ok((answer, Vec::new())),
                Outcome::Again => tokio::time::sleep(jittered(PAUSE)).await,
                Outcome::AskedBefore => {}
            }
        }
        Err(unavailable(ACTION, "others change the same players all the time"))
    }

    /// What became of the request so far. One that is under way is waited for, or called off.
    async fn asked_before(&self, request: RequestId) -> Result<Before, StoreError> {
        loop {
            let Some(row) = self.read_request(ACTION, request).await? else { return Ok(Before::Nothing) };
            match row.state {
                DECIDED => {
                    let (shard, seq, answer) = (row.by.shard, row.seq, row.answer);
                    return Ok(Before::Done(Committed::Repeated { shard, seq, answer }));
                }
                OPEN => {
                    self.settle(ACTION, &Mark { request, attempt: row.attempt, by: row.by }).await?;
                }
                _ => return Ok(Before::CalledOff(row.attempt)),
            }
        }
    }

    /// One attempt, at a request whose attempt `before` was called off, or that nobody has asked for.
    async fn attempt(
        &self,
        fence: Fence,
        transaction: &Transaction,
        before: Option<u128>,
    ) -> Result<Outcome, StoreError> {
        let Transaction { request, states, event, answer } = transaction;
        let (known, mut found): (Vec<bool>, Vec<_>) = self.parties(fence, states).await?.into_iter().unzip();
        // After the records: what is remembered counts only then.
        let lease = self.check_live(ACTION, fence).await?;
        if known.contains(&true) && judged(states, found.clone(), fence).is_err() {
            // Somebody else may have written since.
            states.iter().for_each(|state| self.known.forget(state.player));
            found = self.parties(fence, states).await?.into_iter().map(|(_, found)| found).collect();
        }
        let parties = match judged(states, found, fence) {
            Ok(parties) => parties,
            // A request that was carried out before gets the answer of then, whatever its parties are like now.
            Err(refused) => match self.asked_before(*request).await? {
                Before::Done(answer) => return Ok(Outcome::Answer(answer)),
                _ => return Ok(Outcome::Answer(*refused)),
            },
        };
        let seq = self.places(ACTION, fence, 1).await?;
        let mark = Mark { request: *request, attempt: rand::random(), by: fence };
        let under_way = self.abandoned.begin(mark);
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
            under_way.over();
            return Ok(Outcome::AskedBefore);
        }
        states.iter().for_each(|state| self.known.forget(state.player));
        if !self.decide(&mark, &parties, lease.now).await? {
            under_way.over();
            return Ok(Outcome::Again);
        }
        under_way.over();
        self.carry_out(fence, &parties, Place::of(fence.shard, seq)).await;
        if mark.attempt.is_multiple_of(TIDY_EVERY) {
            self.tidy(request.player).await;
        }
        Ok(Outcome::Done(seq, parties))
    }

    /// The parties' records, in the order of `states`, each with whether it is remembered, not read.
    async fn parties(&self, fence: Fence, states: &[Checkpoint]) -> Result<Vec<(bool, Option<Free>)>, StoreError> {
        let reads: Vec<_> = states
            .iter()
            .map(|state| async move {
                match self.known.of(fence, state.player) {
                    Some(known) => Ok((true, Some(known))),
                    None => Ok((false, self.free(ACTION, state.player).await?)),
                }
            })
            .collect();
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
    async fn carry_out(&self, fence: Fence, parties: &[Party], place: Place) {
        let writes: Vec<_> = parties
            .iter()
            .map(|Party { player, found, next }| async move {
                let marked = Free { revision: found.revision + 1, record: found.record.clone() };
                if self.replace(ACTION, *player, &marked, next, None).await? {
                    self.known.learn(fence, *player, Free { revision: marked.revision + 1, record: next.clone() });
                }
                Ok(())
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
