//! Transactions and the log.

use std::time::Duration;

use darkages_topology::{PlayerId, ShardId};
use redis::{Value, cmd};

use super::answer::{bytes, int, list, maybe_bytes, next, number, text};
use super::checkpoints::{fence_bytes, saved, write_checkpoint};
use super::lane::unavailable;
use super::owners::{fence_arguments, record};
use super::scripts::{Request, Script};
use super::trouble::Trouble;
use super::{RedisStore, keys};
use crate::codec::{self, Answered};
use crate::error::StoreError;
use crate::journal::{Checkpoint, Committed, Event, Kept, LogEntry, LogSeq, LogState, RequestId, Transaction};
use crate::lease::Fence;
use crate::limits::REQUESTS_KEPT_PER_PLAYER;
use crate::owner::PlayerData;

/// Entries of a shard's log that are kept, the newest.
pub const LOG_KEPT_PER_SHARD: u64 = 100_000;

/// Bytes of a shard's log that are kept, the newest: an hour of a busy shard whose players have states of 400 bytes. Backups
/// that shall have every transaction must come more often than that.
pub const LOG_KEPT_BYTES_PER_SHARD: u64 = 64 * 1024 * 1024;

/// Entries that one script appends, at most.
const MAX_CHUNK: usize = 256;

/// The field of the world's marker that has the number of the history.
pub(super) const HISTORY: &str = "history";

impl RedisStore {
    pub(super) async fn commit_transaction(
        &self,
        fence: Fence,
        transaction: &Transaction,
    ) -> Result<Committed, StoreError> {
        let request = Request::Script(Script::Commit, arguments(fence, transaction));
        let answer =
            self.ask("committing a transaction", request, |answer| read_committed(answer, transaction)).await?;
        answer.ok_or(StoreError::Fenced { fence })
    }

    pub(super) async fn append_events(&self, fence: Fence, events: Vec<Event>) -> Result<LogSeq, StoreError> {
        let action = "appending to the log";
        let entries: Vec<Vec<u8>> = events.into_iter().map(|event| entry(fence, None, event, Vec::new())).collect();
        let requests = entries.chunks(MAX_CHUNK).map(|chunk| {
            let mut arguments = fence_arguments(fence);
            arguments.extend(log_bounds());
            arguments.extend_from_slice(chunk);
            Request::Script(Script::Append, arguments)
        });
        let answers = self.quick.call(action, requests.collect()).await?;
        let mut place = LogSeq::default();
        for (chunk, answer) in answers.into_iter().enumerate() {
            match read_place(answer).map_err(|trouble| unavailable(action, trouble))? {
                Some(last) => place = last,
                None if chunk == 0 => return Err(StoreError::Fenced { fence }),
                None => return Err(unavailable(action, Trouble::EndedMeanwhile)),
            }
        }
        Ok(place)
    }

    pub(super) async fn log_from(
        &self,
        shard: ShardId,
        from: LogSeq,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let mut command = cmd("XRANGE");
        command.arg(self.key(&format!(":log:{}", shard.0))).arg(format!("0-{}", from.0)).arg("+");
        command.arg("COUNT").arg(limit);
        self.ask("reading the log", Request::Command(command), |answer| {
            list(answer)?.into_iter().map(|row| read_entry(shard, row)).collect()
        })
        .await
    }

    /// What can be said of the log. Entries are stamped by the step that shows them, so all are there up to the millisecond
    /// that is not over.
    pub(super) async fn look_at_log(&self) -> Result<LogState, StoreError> {
        let action = "looking at the log";
        let history = cmd("HGET").arg(self.key(":meta")).arg(HISTORY).to_owned();
        let requests = [cmd("TIME").to_owned(), history].map(Request::Command);
        let mut answers = self.durable.call(action, requests.to_vec()).await?.into_iter();
        let mut read = || {
            let mut time = list(next(&mut answers)?)?.into_iter();
            let (seconds, micros): (u64, u64) = (number(next(&mut time)?)?, number(next(&mut time)?)?);
            let history = maybe_bytes(next(&mut answers)?)?;
            let now = Duration::from_millis(seconds.saturating_mul(1_000) + micros / 1_000);
            let settled = now.saturating_sub(Duration::from_millis(1));
            Ok(LogState { history: history_of(history)?, now, settled, kept: Kept::Newest })
        };
        read().map_err(|trouble| unavailable(action, trouble))
    }
}

/// The number of a history; 0 in a world that was made before there were any.
fn history_of(found: Option<Vec<u8>>) -> Result<u64, Trouble> {
    let Some(digits) = found else { return Ok(0) };
    let number = std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| Trouble::Damaged { what: "the number of the history".to_owned() })
}

/// How much of a log is kept, as the scripts take it.
fn log_bounds() -> [Vec<u8>; 2] {
    [LOG_KEPT_PER_SHARD, LOG_KEPT_BYTES_PER_SHARD].map(|bound| bound.to_string().into_bytes())
}

/// An entry as it is stored, but for its time, which the server writes into it.
fn entry(fence: Fence, request: Option<RequestId>, event: Event, states: Vec<Checkpoint>) -> Vec<u8> {
    let entry = LogEntry { seq: LogSeq::default(), epoch: fence.epoch, at: Duration::ZERO, request, event, states };
    codec::encode_entry(&entry)
}

fn arguments(fence: Fence, transaction: &Transaction) -> Vec<Vec<u8>> {
    let Transaction { request, states, event, answer } = transaction;
    let answered =
        Answered { number: request.number, shard: fence.shard, seq: LogSeq::default(), answer: answer.clone() };
    let mut arguments = fence_arguments(fence);
    arguments.push(fence_bytes(fence));
    arguments.extend(log_bounds());
    arguments.push(REQUESTS_KEPT_PER_PLAYER.to_string().into_bytes());
    arguments.push(keys::player(request.player).into_bytes());
    arguments.push(request.number.to_le_bytes().to_vec());
    let after = states.iter().map(raised).collect();
    arguments.push(entry(fence, Some(*request), event.clone(), after));
    arguments.push(codec::encode_answered(&answered));
    for state in states {
        write_checkpoint(state, codec::encode_data(&raised(state).data), &mut arguments);
    }
    arguments
}

/// A party's state with the version that the transaction raises.
fn raised(state: &Checkpoint) -> Checkpoint {
    let data = PlayerData { version: state.data.version.next(), ..state.data.clone() };
    Checkpoint { data, ..*state }
}

/// What became of a transaction; `None` when the incarnation is over.
fn read_committed(answer: Value, transaction: &Transaction) -> Result<Option<Committed>, Trouble> {
    let mut parts = list(answer)?.into_iter();
    match int(&next(&mut parts)?)? {
        0 => Ok(None),
        1 => Ok(Some(Committed::Done { seq: LogSeq(number(next(&mut parts)?)?) })),
        2 => {
            let remembered = bytes(next(&mut parts)?)?;
            let damaged = |_| Trouble::Damaged { what: format!("the requests of {}", transaction.request.player) };
            let Answered { number: _, shard, seq, answer } = codec::decode_answered(&remembered).map_err(damaged)?;
            Ok(Some(Committed::Repeated { shard, seq, answer }))
        }
        3 => {
            let place = int(&next(&mut parts)?)?;
            let state = usize::try_from(place).ok().and_then(|place| transaction.states.get(place));
            let odd = || Trouble::Odd { what: format!("state {place} of a transaction") };
            let player: PlayerId = state.ok_or_else(odd)?.player;
            let why = saved(&next(&mut parts)?)?;
            let current = record(player, parts.next().unwrap_or(Value::Nil))?;
            Ok(Some(Committed::Refused { player, why, current }))
        }
        other => Err(Trouble::Odd { what: format!("{other} to a transaction") }),
    }
}

/// Where the last entry is; `None` when the incarnation is over.
fn read_place(answer: Value) -> Result<Option<LogSeq>, Trouble> {
    let mut parts = list(answer)?.into_iter();
    if int(&next(&mut parts)?)? == 0 {
        return Ok(None);
    }
    Ok(Some(LogSeq(number(next(&mut parts)?)?)))
}

/// An entry of the stream: its name is `0-PLACE`, its only field the entry.
pub(super) fn read_entry(shard: ShardId, row: Value) -> Result<LogEntry, Trouble> {
    let mut row = list(row)?.into_iter();
    let name = text(next(&mut row)?)?;
    let damaged = || Trouble::Damaged { what: format!("entry {name} in the log of shard {shard}") };
    let seq = name.strip_prefix("0-").and_then(|place| place.parse().ok()).map(LogSeq).ok_or_else(damaged)?;
    let mut fields = list(next(&mut row)?)?.into_iter().skip(1);
    let bytes = bytes(fields.next().unwrap_or(Value::Nil))?;
    codec::decode_entry(seq, &bytes).map_err(|_| damaged())
}
