//! Marks of transactions on owner records: what they say, and how one is removed.
//!
//! A transaction over several players first marks each record with what would become of it, then decides in one place, the
//! row of its request, and then puts the new records where the marks are. Whoever meets a mark looks at that row: decided
//! means that the new record stands; anything else, a row of another attempt or none at all means that the old one does.
//! So all records of a transaction change at the one moment of its decision, whoever dies when.
//!
//! Who only reads leaves marks alone. Who wants to write removes them first ([`Inner::free`]): a transaction that is not
//! decided is given [`PATIENCE`] while its writer's lease is live, and none afterwards; then it is called off, which is a
//! compare-and-swap of the same row, so that it and the decision exclude each other.

use std::time::Duration;

use darkages_topology::{PlayerId, ShardEpoch, ShardId};
use tokio::time::Instant;

use super::Inner;
use super::keys;
use super::owners::{Free, Stored};
use super::wire::{jittered, unavailable};
use crate::codec::CodecError;
use crate::error::StoreError;
use crate::journal::{LogSeq, RequestId};
use crate::lease::Fence;
use crate::transition::MustBeOver;

/// How long a writer waits for somebody else's transaction before it calls it off: many times what one takes.
const PATIENCE: Duration = Duration::from_millis(400);

/// Between two looks at a transaction that is not decided.
const PAUSE: Duration = Duration::from_millis(10);

/// Times that marks are removed from one record because there is always another.
const ROUNDS: u32 = 64;

/// Version of the bytes of a mark.
const VERSION: u8 = 1;

/// States of a request's row. Only from [`OPEN`] does a way lead to another state and to [`DECIDED`]; the latter is final.
pub(super) const CALLED_OFF: i32 = 0;
pub(super) const OPEN: i32 = 1;
pub(super) const DECIDED: i32 = 2;

/// Which transaction has marked a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The request whose row decides.
    pub request: RequestId,
    /// The attempt at it, drawn at random: a request whose transaction was called off may be tried again.
    pub attempt: u128,
    /// Who made it.
    pub by: Fence,
}

/// Bytes of a mark: version, player, number, attempt, shard, epoch, little-endian.
pub(super) fn encode(mark: &Mark) -> Vec<u8> {
    let Mark { request: RequestId { player, number }, attempt, by: Fence { shard, epoch } } = mark;
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&player.0.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&attempt.to_le_bytes());
    bytes.extend_from_slice(&shard.0.to_le_bytes());
    bytes.extend_from_slice(&epoch.0.to_le_bytes());
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Result<Mark, CodecError> {
    fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], CodecError> {
        let (head, tail) = bytes.split_first_chunk().ok_or(CodecError::Short)?;
        *bytes = tail;
        Ok(*head)
    }
    let mut rest = bytes;
    if take::<1>(&mut rest)? != [VERSION] {
        return Err(CodecError::Version);
    }
    let mark = Mark {
        request: RequestId {
            player: PlayerId(u64::from_le_bytes(take(&mut rest)?)),
            number: u64::from_le_bytes(take(&mut rest)?),
        },
        attempt: u128::from_le_bytes(take(&mut rest)?),
        by: Fence {
            shard: ShardId(u32::from_le_bytes(take(&mut rest)?)),
            epoch: ShardEpoch(u64::from_le_bytes(take(&mut rest)?)),
        },
    };
    if rest.is_empty() { Ok(mark) } else { Err(CodecError::Long) }
}

/// The row of a request.
pub(super) struct RequestRow {
    pub attempt: u128,
    pub state: i32,
    pub by: Fence,
    pub seq: LogSeq,
    pub answer: Vec<u8>,
}

type Columns = (Vec<u8>, i32, i64, i64, i64, Vec<u8>);

pub(super) fn damaged_request(request: RequestId, reason: &'static str) -> StoreError {
    StoreError::Corrupt { what: format!("request {} of player {}", request.number, request.player), reason }
}

/// The attempt in these bytes.
pub(super) fn attempt(request: RequestId, bytes: &[u8]) -> Result<u128, StoreError> {
    let bytes = bytes.try_into().map_err(|_| damaged_request(request, "its attempt is no number"))?;
    Ok(u128::from_be_bytes(bytes))
}

impl Inner {
    pub(super) async fn read_request(
        &self,
        action: &'static str,
        request: RequestId,
    ) -> Result<Option<RequestRow>, StoreError> {
        let key = (keys::of_player(request.player), request.number as i64);
        let rows = self.wire.rows(action, &self.statements.read_request, key).await?;
        let columns: Option<Columns> = rows.maybe_first_row().map_err(|error| unavailable(action, error))?;
        let Some((bytes, state, shard, epoch, seq, answer)) = columns else { return Ok(None) };
        let by = Fence { shard: keys::shard(shard), epoch: ShardEpoch(epoch.unsigned_abs()) };
        let attempt = attempt(request, &bytes)?;
        Ok(Some(RequestRow { attempt, state, by, seq: LogSeq(seq.unsigned_abs()), answer }))
    }

    /// Whether the transaction of a mark is decided.
    pub(super) async fn is_committed(&self, action: &'static str, mark: &Mark) -> Result<bool, StoreError> {
        let row = self.read_request(action, mark.request).await?;
        Ok(row.is_some_and(|row| row.attempt == mark.attempt && row.state == DECIDED))
    }

    /// Calls a transaction off unless it is decided.
    pub(super) async fn call_off(
        &self,
        action: &'static str,
        request: RequestId,
        attempt: u128,
    ) -> Result<(), StoreError> {
        let values = (keys::of_player(request.player), request.number as i64, attempt.to_be_bytes().to_vec());
        self.wire.cas(action, &self.statements.abort_request, values).await?;
        Ok(())
    }

    /// Waits until a transaction is decided or called off, or calls it off; whether it is decided.
    pub(super) async fn settle(&self, action: &'static str, mark: &Mark) -> Result<bool, StoreError> {
        let begun = Instant::now();
        loop {
            let row = self.read_request(action, mark.request).await?.filter(|row| row.attempt == mark.attempt);
            match row.map_or(CALLED_OFF, |row| row.state) {
                DECIDED => return Ok(true),
                OPEN => {}
                _ => return Ok(false),
            }
            let over = self.blocks(action, MustBeOver::Incarnation(mark.by)).await?.is_none();
            // One that was begun here and given up is not waited for, nor is one that is given up meanwhile.
            if over || self.abandoned.has(mark) || begun.elapsed() >= PATIENCE {
                self.call_off(action, mark.request, mark.attempt).await?;
            } else {
                tokio::time::sleep(jittered(PAUSE)).await;
            }
        }
    }

    /// The record of a player without a mark, ready to be written.
    pub(super) async fn free(&self, action: &'static str, player: PlayerId) -> Result<Option<Free>, StoreError> {
        for _ in 0..ROUNDS {
            let Some(Stored { revision, record, mark }) = self.read_owner(action, player).await? else {
                return Ok(None);
            };
            let Some((mark, marked)) = mark else { return Ok(Some(Free { revision, record })) };
            let next = if self.settle(action, &mark).await? { &marked } else { &record };
            let from = Free { revision, record: record.clone() };
            if self.replace(action, player, &from, next, None).await? {
                return Ok(Some(Free { revision: revision + 1, record: next.clone() }));
            }
        }
        Err(unavailable(action, "transactions of others follow each other on the same player"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back_and_damaged_ones_do_not() {
        let mark = Mark {
            request: RequestId { player: PlayerId(u64::MAX), number: 7 },
            attempt: u128::MAX - 1,
            by: Fence { shard: ShardId(3), epoch: ShardEpoch(9) },
        };
        let bytes = encode(&mark);
        assert_eq!(decode(&bytes), Ok(mark));
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), Err(CodecError::Short), "{cut}");
        }
        assert_eq!(decode(&[&bytes[..], &[0]].concat()), Err(CodecError::Long));
        assert_eq!(decode(&[&[2], &bytes[1..]].concat()), Err(CodecError::Version));
    }
}
