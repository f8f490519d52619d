//! Bytes of stored records, the same in every driver that keeps bytes.
//!
//! Little-endian, one version byte first, every byte accounted for. What flows in from a file or a server is never trusted:
//! a record that is cut, too long or of an unknown version is an error, not a panic. A field is added by a new version that
//! still reads the old ones.

use std::time::Duration;

use darkages_topology::{
    HandoffId, InputSeq, OwnerEpoch, PlayerId, Position, Revision, ShardEpoch, ShardId, Tick, ZoneId,
};

use crate::document::TopologyDocument;
use crate::journal::{Checkpoint, Event, LogEntry, LogSeq, RequestId};
use crate::lease::Fence;
use crate::limits::MAX_TRANSACTION_PLAYERS;
use crate::owner::{OpenHandoff, OwnerRecord, PlayerData, StateVersion};
use crate::session::Session;

/// Version of every record that this code writes, unless it says otherwise.
const VERSION: u8 = 1;

/// Version of a log entry that has states. One without states is still written as it always was.
const VERSION_WITH_STATES: u8 = 2;

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// They end too early.
    #[error("it is cut short")]
    Short,
    /// They go on after the end.
    #[error("it is too long")]
    Long,
    /// Their version is unknown.
    #[error("its version is unknown")]
    Version,
    /// A field has a value that none was ever written with.
    #[error("a field is out of range")]
    Field,
}

impl CodecError {
    /// A static label for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Long => "long",
            Self::Version => "version",
            Self::Field => "field",
        }
    }

    /// What is wrong, for [`StoreError::Corrupt`](crate::StoreError::Corrupt).
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Short => "it is cut short",
            Self::Long => "it is too long",
            Self::Version => "its version is unknown",
            Self::Field => "a field is out of range",
        }
    }
}

/// Bytes that are being written.
struct Out(Vec<u8>);

impl Out {
    fn new(capacity: usize) -> Self {
        Self::of_version(VERSION, capacity)
    }

    fn of_version(version: u8, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity + 1);
        bytes.push(version);
        Self(bytes)
    }

    fn put<const N: usize>(mut self, bytes: [u8; N]) -> Self {
        self.0.extend_from_slice(&bytes);
        self
    }

    /// A field that is not the last, behind its length.
    fn sized(mut self, bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).expect("the store's bounds keep fields far below 4 GiB");
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// The last field, which needs no length.
    fn rest(mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.extend_from_slice(bytes);
        self.0
    }
}

/// Bytes that are being read.
struct In<'a>(&'a [u8]);

impl<'a> In<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let mut input = Self(bytes);
        match input.u8()? {
            VERSION => Ok(input),
            _ => Err(CodecError::Version),
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (head, tail) = self.0.split_first_chunk().ok_or(CodecError::Short)?;
        self.0 = tail;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, CodecError> {
        self.take().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, CodecError> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, CodecError> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, CodecError> {
        self.take().map(u64::from_le_bytes)
    }

    /// A field behind its length.
    fn sized(&mut self) -> Result<&'a [u8], CodecError> {
        let length = self.u32()? as usize;
        let (head, tail) = self.0.split_at_checked(length).ok_or(CodecError::Short)?;
        self.0 = tail;
        Ok(head)
    }

    fn rest(self) -> Vec<u8> {
        self.0.to_vec()
    }

    fn end(self) -> Result<(), CodecError> {
        if self.0.is_empty() { Ok(()) } else { Err(CodecError::Long) }
    }
}

/// Bytes of an owner record.
#[must_use]
pub fn encode_owner(record: &OwnerRecord) -> Vec<u8> {
    let OwnerRecord { owner, owner_epoch, open, data } = record;
    let mut out = Out::new(80 + data.state.len()).put(owner.0.to_le_bytes()).put(owner_epoch.0.to_le_bytes());
    out = match open {
        None => out.put([0]),
        Some(OpenHandoff { id, by, cut_tick, released }) => out
            .put([1 + u8::from(*released)])
            .put(id.from.0.to_le_bytes())
            .put(id.from_epoch.0.to_le_bytes())
            .put(id.number.to_le_bytes())
            .put(by.shard.0.to_le_bytes())
            .put(by.epoch.0.to_le_bytes())
            .put(cut_tick.0.to_le_bytes()),
    };
    put_data(&mut out.0, data);
    out.0
}

/// Bytes of the owner record of a player whom `owner` owns and nobody hands over.
#[must_use]
pub fn encode_closed(owner: ShardId, owner_epoch: OwnerEpoch, data: &PlayerData) -> Vec<u8> {
    let out = Out::new(80 + data.state.len()).put(owner.0.to_le_bytes()).put(owner_epoch.0.to_le_bytes());
    let mut bytes = out.put([0]).0;
    put_data(&mut bytes, data);
    bytes
}

/// Bytes of a record's data that follow its version: last input and position.
const AFTER_VERSION: usize = 12;

/// How the bytes of an owner record start while nothing but checkpoints changes it: everything up to and with the version of
/// its data. Two records of a player that start alike are judged alike.
#[must_use]
pub fn owner_start(record: &OwnerRecord) -> Vec<u8> {
    let OwnerRecord { owner, owner_epoch, open, data } = record;
    let data = PlayerData { state: Vec::new(), ..*data };
    let mut bytes = encode_owner(&OwnerRecord { owner: *owner, owner_epoch: *owner_epoch, open: *open, data });
    bytes.truncate(bytes.len() - AFTER_VERSION);
    bytes
}

/// The end of an owner record's bytes: its data, from the version on.
#[must_use]
pub fn encode_data(data: &PlayerData) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(20 + data.state.len());
    put_data(&mut bytes, data);
    bytes
}

fn put_data(bytes: &mut Vec<u8>, data: &PlayerData) {
    let PlayerData { state, version, last_input, position } = data;
    bytes.extend_from_slice(&version.0.to_le_bytes());
    bytes.extend_from_slice(&last_input.0.to_le_bytes());
    bytes.extend_from_slice(&position.x.to_le_bytes());
    bytes.extend_from_slice(&position.y.to_le_bytes());
    bytes.extend_from_slice(state);
}

/// The owner record in these bytes.
///
/// # Errors
/// When they are none.
pub fn decode_owner(bytes: &[u8]) -> Result<OwnerRecord, CodecError> {
    let mut input = In::new(bytes)?;
    let owner = ShardId(input.u32()?);
    let owner_epoch = OwnerEpoch(input.u64()?);
    let open = match input.u8()? {
        0 => None,
        phase @ (1 | 2) => Some(OpenHandoff {
            id: HandoffId { from: ShardId(input.u32()?), from_epoch: ShardEpoch(input.u64()?), number: input.u64()? },
            by: Fence { shard: ShardId(input.u32()?), epoch: ShardEpoch(input.u64()?) },
            cut_tick: Tick(input.u64()?),
            released: phase == 2,
        }),
        _ => return Err(CodecError::Field),
    };
    Ok(OwnerRecord { owner, owner_epoch, open, data: decode_data(input)? })
}

/// The data in the rest of these bytes, from the version on.
fn decode_data(mut input: In<'_>) -> Result<PlayerData, CodecError> {
    let version = StateVersion(input.u64()?);
    let last_input = InputSeq(input.u32()?);
    let position = Position { x: input.take().map(i32::from_le_bytes)?, y: input.take().map(i32::from_le_bytes)? };
    Ok(PlayerData { version, last_input, position, state: input.rest() })
}

/// Bytes of the newest incarnation of a shard. Its end is not in them: a driver keeps it where its clock is.
#[must_use]
pub fn encode_lease(epoch: ShardEpoch, zone: &ZoneId) -> Vec<u8> {
    Out::new(8 + zone.0.len()).put(epoch.0.to_le_bytes()).rest(zone.0.as_bytes())
}

/// The incarnation in these bytes.
///
/// # Errors
/// When they are none.
pub fn decode_lease(bytes: &[u8]) -> Result<(ShardEpoch, ZoneId), CodecError> {
    let mut input = In::new(bytes)?;
    let epoch = ShardEpoch(input.u64()?);
    let zone = String::from_utf8(input.rest()).map_err(|_| CodecError::Field)?;
    Ok((epoch, ZoneId(zone)))
}

/// Bytes of the shard map.
#[must_use]
pub fn encode_topology(document: &TopologyDocument) -> Vec<u8> {
    let TopologyDocument { revision, bytes } = document;
    Out::new(8 + bytes.len()).put(revision.0.to_le_bytes()).rest(bytes)
}

/// The shard map in these bytes.
///
/// # Errors
/// When they are none.
pub fn decode_topology(bytes: &[u8]) -> Result<TopologyDocument, CodecError> {
    let mut input = In::new(bytes)?;
    Ok(TopologyDocument { revision: Revision(input.u64()?), bytes: input.rest() })
}

/// Bytes of a log entry; its place is its key.
#[must_use]
pub fn encode_entry(entry: &LogEntry) -> Vec<u8> {
    let LogEntry { seq: _, epoch, at, request, event, states } = entry;
    let Event { kind, tick, payload } = event;
    let version = if states.is_empty() { VERSION } else { VERSION_WITH_STATES };
    let length = payload.len() + states.iter().map(|state| 40 + state.data.state.len()).sum::<usize>();
    let out = Out::of_version(version, 52 + length).put(epoch.0.to_le_bytes()).put(millis(*at).to_le_bytes());
    let out = match request {
        None => out.put([0]),
        Some(RequestId { player, number }) => out.put([1]).put(player.0.to_le_bytes()).put(number.to_le_bytes()),
    };
    let out = out.put(kind.to_le_bytes()).put(tick.0.to_le_bytes());
    if states.is_empty() {
        return out.rest(payload);
    }
    let out = states.iter().fold(out.sized(payload), |out, state| {
        let Checkpoint { player, owner_epoch, data } = state;
        out.put(player.0.to_le_bytes()).put(owner_epoch.0.to_le_bytes()).sized(&encode_data(data))
    });
    out.rest(&[])
}

/// The log entry in these bytes, at place `seq`.
///
/// # Errors
/// When they are none.
pub fn decode_entry(seq: LogSeq, bytes: &[u8]) -> Result<LogEntry, CodecError> {
    let mut input = In(bytes);
    let version = input.u8()?;
    if !(VERSION..=VERSION_WITH_STATES).contains(&version) {
        return Err(CodecError::Version);
    }
    let epoch = ShardEpoch(input.u64()?);
    let at = Duration::from_millis(input.u64()?);
    let request = match input.u8()? {
        0 => None,
        1 => Some(RequestId { player: PlayerId(input.u64()?), number: input.u64()? }),
        _ => return Err(CodecError::Field),
    };
    let kind = input.u16()?;
    let tick = Tick(input.u64()?);
    if version == VERSION {
        let event = Event { kind, tick, payload: input.rest() };
        return Ok(LogEntry { seq, epoch, at, request, event, states: Vec::new() });
    }
    let event = Event { kind, tick, payload: input.sized()?.to_vec() };
    let states = decode_states(input)?;
    Ok(LogEntry { seq, epoch, at, request, event, states })
}

/// The states of a log entry, at least one, to the end of its bytes.
fn decode_states(mut input: In<'_>) -> Result<Vec<Checkpoint>, CodecError> {
    let mut states = Vec::new();
    loop {
        if states.len() == MAX_TRANSACTION_PLAYERS {
            return Err(CodecError::Field);
        }
        let (player, owner_epoch) = (PlayerId(input.u64()?), OwnerEpoch(input.u64()?));
        states.push(Checkpoint { player, owner_epoch, data: decode_data(In(input.sized()?))? });
        if input.0.is_empty() {
            return Ok(states);
        }
    }
}

/// A transaction that a player's request led to, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The client's number of the request.
    pub number: u64,
    /// The shard whose log has it.
    pub shard: ShardId,
    /// Its place there.
    pub seq: LogSeq,
    /// What the client was told.
    pub answer: Vec<u8>,
}

/// Bytes of a remembered request.
#[must_use]
pub fn encode_answered(answered: &Answered) -> Vec<u8> {
    let Answered { number, shard, seq, answer } = answered;
    Out::new(20 + answer.len())
        .put(number.to_le_bytes())
        .put(shard.0.to_le_bytes())
        .put(seq.0.to_le_bytes())
        .rest(answer)
}

/// The remembered request in these bytes.
///
/// # Errors
/// When they are none.
pub fn decode_answered(bytes: &[u8]) -> Result<Answered, CodecError> {
    let mut input = In::new(bytes)?;
    let number = input.u64()?;
    let shard = ShardId(input.u32()?);
    Ok(Answered { number, shard, seq: LogSeq(input.u64()?), answer: input.rest() })
}

/// Bytes of a session; its player is its key.
#[must_use]
pub fn encode_session(session: &Session) -> Vec<u8> {
    let Session { player: _, id, data, expires } = session;
    Out::new(24 + data.len()).put(id.to_le_bytes()).put(millis(*expires).to_le_bytes()).rest(data)
}

/// The session in these bytes, of `player`.
///
/// # Errors
/// When they are none.
pub fn decode_session(player: PlayerId, bytes: &[u8]) -> Result<Session, CodecError> {
    let mut input = In::new(bytes)?;
    let id = input.take().map(u128::from_le_bytes)?;
    let expires = Duration::from_millis(input.u64()?);
    Ok(Session { player, id, expires, data: input.rest() })
}

/// Bytes of a number that stands alone.
#[must_use]
pub fn encode_number(number: u32) -> Vec<u8> {
    Out::new(4).put(number.to_le_bytes()).rest(&[])
}

/// The number that stands alone in these bytes.
///
/// # Errors
/// When they are none.
pub fn decode_number(bytes: &[u8]) -> Result<u32, CodecError> {
    let mut input = In::new(bytes)?;
    let number = input.u32()?;
    input.end().map(|()| number)
}

/// Whole milliseconds, as stored.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
