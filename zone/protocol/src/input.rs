//! The inputs of a client: one datagram 60 times a second that repeats everything not yet acknowledged.
//!
//! What flows in are runs of equal values, newest first, as the client's ring has them; what flows out at the zone are
//! numbered inputs, oldest first. A usual datagram has 5 bytes, 7 with an acknowledgement. Only the low 14 bits of a number
//! travel; the rest follows from the newest input that the zone knows, within [`FUTURE_WINDOW`].

use darkages_topology::InputSeq;
use prost::Message;

use crate::snapshot::SnapshotNumber;
use crate::wire;

/// Inputs that one datagram can carry, at most: a little over two seconds. As many as a zone queues.
pub const MAX_INPUTS: u32 = 128;
/// Bytes of an input datagram, at most: runs of one input each, with room for fields of later versions.
pub const MAX_INPUT_BYTES: usize = 512;
/// How far beyond the newest known input a datagram may reach. Farther is no accident of the network.
pub const FUTURE_WINDOW: u32 = 1_024;
/// How far behind the newest known input a datagram may end; such a datagram was overtaken and holds nothing new.
pub const PAST_WINDOW: u32 = 4_096;
/// How far back an acknowledgement can name a snapshot, in snapshot numbers.
pub const ACK_WINDOW: u32 = 64;
/// Snapshots before the newest decoded one that an acknowledgement can name.
pub const ACK_OLDER_BITS: u32 = 14;

const SEQ_BITS: u32 = 14;
const SEQ_MASK: u32 = (1 << SEQ_BITS) - 1;
const VALUE_BITS: u32 = 10;
const VALUE_MASK: u32 = (1 << VALUE_BITS) - 1;
const ACK_BITS: u32 = 7;
const ACK_MASK: u32 = (1 << ACK_BITS) - 1;

/// What a player wants for one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct InputValue {
    /// Where the player looks and walks, in 1/256 turn: 0 is east, 64 north.
    pub heading: u8,
    /// Whether the player walks.
    pub moving: bool,
    /// Whether the player sprints; nothing without `moving`.
    pub sprinting: bool,
}

impl InputValue {
    const fn to_bits(self) -> u32 {
        (self.moving as u32) | (self.sprinting as u32) << 1 | (self.heading as u32) << 2
    }

    const fn from_bits(bits: u32) -> Self {
        Self { heading: (bits >> 2) as u8, moving: bits & 1 != 0, sprinting: bits & 2 != 0 }
    }
}

/// Which snapshots a client has decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotAck {
    newest: u8,
    older: u16,
}

impl SnapshotAck {
    /// `newest` was decoded, and for each set bit `i` of `older` (0 to 13) also the snapshot `i + 1` before it.
    #[must_use]
    pub const fn new(newest: SnapshotNumber, older: u16) -> Self {
        Self { newest: (newest.0 & ACK_MASK) as u8, older: older & ((1 << ACK_OLDER_BITS) - 1) }
    }

    /// The numbers, newest first, given the newest snapshot that was sent to this client. Nothing when the acknowledgement
    /// names a snapshot older than [`ACK_WINDOW`] or one that was never sent.
    pub fn numbers(self, newest_sent: SnapshotNumber) -> impl Iterator<Item = SnapshotNumber> {
        let back = (newest_sent.0 as u8).wrapping_sub(self.newest) & ACK_MASK as u8;
        let newest = newest_sent.0.checked_sub(u32::from(back)).filter(|number| *number > 0);
        let newest = newest.filter(|_| u32::from(back) < ACK_WINDOW);
        newest.into_iter().flat_map(move |newest| {
            let older = (0..ACK_OLDER_BITS).filter(move |bit| self.older & (1 << bit) != 0);
            let older = older.filter_map(move |bit| newest.checked_sub(bit + 1).filter(|number| *number > 0));
            std::iter::once(newest).chain(older).map(SnapshotNumber)
        })
    }

    const fn to_bits(self) -> u32 {
        self.newest as u32 | (self.older as u32) << ACK_BITS
    }

    const fn from_bits(bits: u32) -> Option<Self> {
        if bits >> (ACK_BITS + ACK_OLDER_BITS) != 0 {
            return None;
        }
        Some(Self { newest: (bits & ACK_MASK) as u8, older: (bits >> ACK_BITS) as u16 })
    }
}

/// Why an input datagram is ignored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// More than [`MAX_INPUT_BYTES`].
    #[error("an input datagram of {0} bytes, at most {MAX_INPUT_BYTES} are allowed")]
    TooLong(usize),
    /// No valid protobuf.
    #[error("an input datagram that is no protobuf message")]
    NotProtobuf(#[source] prost::DecodeError),
    /// A word with bits that have no meaning, or runs after an empty one.
    #[error("an input datagram with impossible runs")]
    BadRun,
    /// More than [`MAX_INPUTS`].
    #[error("an input datagram with more than {MAX_INPUTS} inputs")]
    TooMany,
    /// An acknowledgement with bits that have no meaning.
    #[error("an input datagram with an impossible acknowledgement")]
    BadAck,
    /// The newest input is farther ahead than [`FUTURE_WINDOW`].
    #[error("an input datagram from too far in the future")]
    Future,
    /// The newest input is farther behind than [`PAST_WINDOW`].
    #[error("an input datagram from too far in the past")]
    Stale,
}

impl InputError {
    /// Every label, for counters that start at zero.
    pub const LABELS: [&'static str; 7] = [
        "input_too_long",
        "input_not_protobuf",
        "input_bad_run",
        "input_too_many",
        "input_bad_ack",
        "input_future",
        "input_stale",
    ];

    /// The reason code.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "input_too_long",
            Self::NotProtobuf(_) => "input_not_protobuf",
            Self::BadRun => "input_bad_run",
            Self::TooMany => "input_too_many",
            Self::BadAck => "input_bad_ack",
            Self::Future => "input_future",
            Self::Stale => "input_stale",
        }
    }
}

/// A decoded input datagram: runs of equal inputs that end with the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputDatagram {
    /// The newest input that the client has made, known by the reader or not.
    pub newest: InputSeq,
    /// What the client says about snapshots; `None` when it says nothing new.
    pub ack: Option<SnapshotAck>,
    value: InputValue,
    count: u32,
    earlier: Vec<u32>,
    known: InputSeq,
}

impl InputDatagram {
    /// Appends a datagram to `out`. `runs` are the values that are not yet acknowledged with how many in a row have each,
    /// newest first. What is older than [`MAX_INPUTS`] is left out: a client never holds that many.
    pub fn encode(
        newest: InputSeq,
        runs: impl IntoIterator<Item = (InputValue, u32)>,
        ack: Option<SnapshotAck>,
        out: &mut Vec<u8>,
    ) {
        let mut left = MAX_INPUTS;
        let mut runs = runs.into_iter().map_while(|(value, count)| {
            let count = count.min(left);
            left -= count;
            (count > 0).then_some((value, count))
        });
        let (value, count) = runs.next().unwrap_or_default();
        let message = wire::ClientInput {
            newest: newest.0 & SEQ_MASK | value.to_bits() << SEQ_BITS | count << (SEQ_BITS + VALUE_BITS),
            earlier: runs.map(|(value, count)| value.to_bits() | (count - 1) << VALUE_BITS).collect(),
            snapshot_ack: ack.map(SnapshotAck::to_bits),
        };
        message.encode_raw(out);
    }

    /// Decodes a datagram. `known` is the newest input that the reader already has: it completes the number and decides
    /// what is new.
    ///
    /// # Errors
    /// When the bytes are no input datagram, break a bound, or lie outside the window around `known`.
    pub fn decode(bytes: &[u8], known: InputSeq) -> Result<Self, InputError> {
        if bytes.len() > MAX_INPUT_BYTES {
            return Err(InputError::TooLong(bytes.len()));
        }
        let wire::ClientInput { newest: word, earlier, snapshot_ack } =
            wire::ClientInput::decode(bytes).map_err(InputError::NotProtobuf)?;
        let count = word >> (SEQ_BITS + VALUE_BITS);
        check_runs(count, &earlier)?;
        let ack = match snapshot_ack {
            None => None,
            Some(bits) => Some(SnapshotAck::from_bits(bits).ok_or(InputError::BadAck)?),
        };
        Ok(Self {
            newest: complete(word & SEQ_MASK, known)?,
            ack,
            value: InputValue::from_bits(word >> SEQ_BITS & VALUE_MASK),
            count,
            earlier,
            known,
        })
    }

    /// The oldest input that the client holds, or the next one that it will make when it holds none: every input before it was
    /// acknowledged to the client.
    #[must_use]
    pub fn oldest(&self) -> InputSeq {
        InputSeq(self.newest.0.wrapping_sub(self.held()).wrapping_add(1))
    }

    /// How many inputs it carries.
    fn held(&self) -> u32 {
        self.count + self.earlier.iter().map(|run| run_length(*run)).sum::<u32>()
    }

    /// The inputs after the known one, oldest first. When the first is not the very next, inputs between are missing; the
    /// client repeats all that it holds, so they were acknowledged by another zone or the client is broken.
    pub fn iter(&self) -> impl Iterator<Item = (InputSeq, InputValue)> + '_ {
        let ahead = self.newest.0.wrapping_sub(self.known.0) as i32;
        let mut total = self.held();
        let wanted = ahead.max(0) as u32;
        // Runs are stored newest first; from the oldest on, each begins where the one before it ended.
        let oldest_first = self.earlier.iter().rev().map(|run| (run_value(*run), run_length(*run)));
        oldest_first.chain(std::iter::once((self.value, self.count))).flat_map(move |(value, count)| {
            let (from, until) = (total, total - count);
            total = until;
            let skip = from.saturating_sub(wanted).min(count);
            (until..from - skip).rev().map(move |back| (InputSeq(self.newest.0.wrapping_sub(back)), value))
        })
    }
}

const fn run_value(run: u32) -> InputValue {
    InputValue::from_bits(run & VALUE_MASK)
}

const fn run_length(run: u32) -> u32 {
    (run >> VALUE_BITS) + 1
}

fn check_runs(count: u32, earlier: &[u32]) -> Result<(), InputError> {
    if count == 0 && !earlier.is_empty() {
        return Err(InputError::BadRun);
    }
    let mut total = count;
    for run in earlier {
        if run >> (VALUE_BITS + 8) != 0 {
            return Err(InputError::BadRun);
        }
        // Bytes bound how many runs there are, and eight bits each of them, so that this cannot overflow.
        total += run_length(*run);
    }
    if total > MAX_INPUTS { Err(InputError::TooMany) } else { Ok(()) }
}

/// The number nearest to `known` whose low bits are `low`.
fn complete(low: u32, known: InputSeq) -> Result<InputSeq, InputError> {
    let ahead = low.wrapping_sub(known.0) & SEQ_MASK;
    if ahead <= FUTURE_WINDOW {
        return Ok(InputSeq(known.0.wrapping_add(ahead)));
    }
    let behind = (1 << SEQ_BITS) - ahead;
    if behind <= PAST_WINDOW {
        return Ok(InputSeq(known.0.wrapping_sub(behind)));
    }
    // Half-way round the circle it cannot be told which of the two it is.
    if ahead < 1 << (SEQ_BITS - 1) { Err(InputError::Future) } else { Err(InputError::Stale) }
}

#[cfg(test)]
mod tests;
