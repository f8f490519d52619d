//! Checkpoints beside the owner record: a player's data, the record that it was taken under, and a stamp that says which of
//! two is the newer.
//!
//! Pure. An owner record is named exactly by its *head*: owner, owner epoch, handoff and version. Who may write checkpoints
//! under a head is one shard's incarnations, one after the other. So data with the head of the record was taken after the
//! record came to be, and is what the player is; data with any other head is of another time and never looked at. The same
//! bytes are kept in CQL and in Redis: the record's before its data (`prefix`), then data, stamp and a sum of both (`body`).

use darkages_topology::{PlayerId, ShardEpoch};

use crate::codec::{self, CodecError};
use crate::owner::{OwnerRecord, PlayerData};

/// Bytes behind the data: the writer's epoch, the time, and a sum of everything from the data on.
const TAIL: usize = 24;

/// Bytes of the sum, the last of them.
const SUM: usize = 8;

/// Bytes of a version, with which data begins and a head ends.
const VERSION: usize = 8;

/// Which of two with the same head is the newer: the higher one. The lowest is that of data which the record itself has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    /// The incarnation that wrote it. Clocks do not matter between two of them.
    pub epoch: ShardEpoch,
    /// When, in microseconds since the Unix epoch by the clocks that judge leases; rises within an incarnation.
    pub micros: u64,
}

/// A record with the newest data that is known, and the stamp of those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamped {
    pub record: OwnerRecord,
    pub stamp: Stamp,
}

/// Data on its way to where it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub player: PlayerId,
    pub prefix: Vec<u8>,
    pub body: Vec<u8>,
    pub stamp: Stamp,
}

impl Entry {
    /// The data of this record.
    pub fn new(player: PlayerId, record: &OwnerRecord, stamp: Stamp) -> Self {
        Self { player, prefix: prefix(record), body: body(&record.data, stamp), stamp }
    }

    /// Its bytes where it is kept.
    pub fn bytes(&self) -> Vec<u8> {
        [self.prefix.as_slice(), &self.body].concat()
    }
}

/// What names a record exactly, checkpoints apart.
pub(crate) fn head(record: &OwnerRecord) -> Vec<u8> {
    codec::owner_start(record)
}

/// The bytes of a record before its data.
fn prefix(record: &OwnerRecord) -> Vec<u8> {
    let mut bytes = head(record);
    bytes.truncate(bytes.len() - VERSION);
    bytes
}

/// Data with its stamp and their sum.
pub(crate) fn body(data: &PlayerData, stamp: Stamp) -> Vec<u8> {
    let Stamp { epoch, micros } = stamp;
    let mut bytes = codec::encode_data(data);
    bytes.extend_from_slice(&epoch.0.to_le_bytes());
    bytes.extend_from_slice(&micros.to_le_bytes());
    let sum = sum(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// What is in these bytes.
///
/// # Errors
/// When they were cut or changed, or never were a snapshot.
pub(crate) fn decode(bytes: &[u8]) -> Result<Stamped, CodecError> {
    let end = bytes.len().checked_sub(TAIL).ok_or(CodecError::Short)?;
    let record = codec::decode_owner(&bytes[..end])?;
    let body = &bytes[prefix(&record).len()..];
    let (signed, sum_of_it) = body.split_last_chunk::<SUM>().ok_or(CodecError::Short)?;
    if sum(signed).to_le_bytes() != *sum_of_it {
        return Err(CodecError::Field);
    }
    let (_, stamp) = signed.split_last_chunk::<{ TAIL - SUM }>().ok_or(CodecError::Short)?;
    let number = |from: usize| u64::from_le_bytes(std::array::from_fn(|place| stamp[from + place]));
    Ok(Stamped { record, stamp: Stamp { epoch: ShardEpoch(number(0)), micros: number(8) } })
}

/// Whether two records of a player are the same, checkpoints apart.
pub(crate) fn same_head(one: &OwnerRecord, other: &OwnerRecord) -> bool {
    let name = |record: &OwnerRecord| (record.owner, record.owner_epoch, record.open, record.data.version);
    name(one) == name(other)
}

/// A sum that a changed or missing byte changes (FNV-1a); no protection against malice, which could write a right one.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use darkages_topology::{HandoffId, InputSeq, Position, ShardId, Tick};

    use super::*;
    use crate::lease::Fence;
    use crate::owner::StateVersion;

    fn records() -> [OwnerRecord; 3] {
        let data = PlayerData {
            state: b"some state".to_vec(),
            version: StateVersion(3),
            last_input: InputSeq(9),
            position: Position { x: 4, y: -5 },
        };
        let by = Fence { shard: ShardId(1), epoch: ShardEpoch(7) };
        let id = HandoffId { from: by.shard, from_epoch: by.epoch, number: 2 };
        let made = OwnerRecord::created(ShardId(1), data.clone());
        let open = made.committed(ShardId(2), id, by, Tick(5), data.clone());
        let released = open.released(data).expect("open");
        [made, open, released]
    }

    const STAMP: Stamp = Stamp { epoch: ShardEpoch(7), micros: 1_700_000_000_000_000 };

    #[test]
    fn snapshots_come_back_and_changed_ones_do_not() {
        for record in records() {
            let entry = Entry::new(PlayerId(1), &record, STAMP);
            let bytes = entry.bytes();
            assert!(bytes.starts_with(&head(&record)), "they start as the record does");
            assert_eq!(decode(&bytes), Ok(Stamped { record: record.clone(), stamp: STAMP }));
            for cut in 0..bytes.len() {
                assert!(decode(&bytes[..cut]).is_err(), "cut after {cut}");
            }
            for place in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[place] ^= 1;
                // A head may become another one, which no record of the player has.
                let read = decode(&changed);
                assert!(read.is_err() || read.is_ok_and(|read| !same_head(&read.record, &record)), "{place}");
            }
        }
    }

    #[test]
    fn bytes_of_snapshots_never_change() {
        let [made, ..] = records();
        let hex: String =
            Entry::new(PlayerId(1), &made, STAMP).bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "01\
             0100000001000000000000000003000000000000000900000004000000fbffffff736f6d65207374617465\
             070000000000000000401e18240a0600374c90d5bf79063c"
        );
    }

    #[test]
    fn each_step_makes_another_head() {
        let [made, open, released] = records();
        let traded = PlayerData { version: StateVersion(4), ..released.data.clone() };
        let history = [made, open, released.clone(), released.closed(released.data.clone()), released.closed(traded)];
        assert!(history.windows(2).all(|pair| !same_head(&pair[0], &pair[1]) && head(&pair[0]) != head(&pair[1])));
    }
}
