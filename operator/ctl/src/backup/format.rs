//! The bytes of data files before compression.
//!
//! A file starts with its magic and kind. Records follow, each behind its length in four little-endian bytes. A record
//! starts with its key; what comes after the key is written by the store's codec and begins with a version of its own. What
//! flows in from a file is never trusted: whatever is no file that this code could have written is an error, and a length
//! never leads beyond the bytes that are there.

use darkages_store::codec::{self, CodecError};
use darkages_store::{LogEntry, LogSeq, OwnerRecord, TopologyDocument};
use darkages_topology::{PlayerId, ShardEpoch, ShardId, ZoneId};
use serde::{Deserialize, Serialize};

use super::digest::SHORT;
use super::limits::MAX_FILE_BYTES;

/// First bytes of every data file; the last one is the version of the framing.
const MAGIC: [u8; 8] = *b"DARKBAK\x01";

/// Bytes before the first record.
const HEADER: usize = MAGIC.len() + 1;

/// Bytes of a record's length.
const LENGTH: usize = 4;

/// What the records of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Owner records, in order of player: all of them in a full backup, those that changed in an incremental one.
    Owners,
    /// Every player of the world with the digest of the record, in order of player.
    Index,
    /// Entries of the shards' logs since the parent, in order of shard and place.
    Journal,
    /// The newest incarnation of every shard, in order of shard.
    Leases,
    /// The shard map; one record.
    Map,
}

impl Kind {
    /// All kinds, in the order in which a manifest lists their files.
    pub const ALL: [Self; 5] = [Self::Owners, Self::Index, Self::Journal, Self::Leases, Self::Map];

    /// Its name, which file names start with.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owners => "owners",
            Self::Index => "index",
            Self::Journal => "journal",
            Self::Leases => "leases",
            Self::Map => "map",
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Owners => 1,
            Self::Index => 2,
            Self::Journal => 3,
            Self::Leases => 4,
            Self::Map => 5,
        }
    }
}

/// Why bytes are no data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// They start otherwise.
    #[error("it is no data file of a backup, or one of a newer version")]
    Magic,
    /// They are another kind's.
    #[error("it holds records of another kind than its name says")]
    Kind,
    /// They end within a record.
    #[error("it ends in the middle of a record")]
    Short,
    /// A record is not what its kind has.
    #[error("a record in it cannot be read")]
    Record(#[source] CodecError),
    /// A record has no place for its key.
    #[error("a record in it is too short")]
    Key,
    /// Records come in another order than they were written in.
    #[error("its records are out of order")]
    Order,
}

/// A data file that is being filled.
#[derive(Debug)]
pub struct Filling {
    bytes: Vec<u8>,
    records: u64,
}

impl Filling {
    /// An empty file of this kind.
    pub fn new(kind: Kind) -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.push(kind.byte());
        Self { bytes, records: 0 }
    }

    /// Whether there is room for a record of `length` bytes. An empty file takes any, so that the largest record (a shard
    /// map) has a place.
    pub fn has_room(&self, length: usize) -> bool {
        self.records == 0 || self.bytes.len() + LENGTH + length <= MAX_FILE_BYTES
    }

    /// Adds a record.
    pub fn push(&mut self, record: &[u8]) {
        let length = u32::try_from(record.len()).expect("the store's bounds keep records far below 4 GiB");
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(record);
        self.records += 1;
    }

    /// How many records it has.
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// The file.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// A data file that is being read, record by record.
#[derive(Debug)]
pub struct Reading {
    bytes: Vec<u8>,
    at: usize,
}

impl Reading {
    /// Starts reading a file of this kind.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(kind: Kind, bytes: Vec<u8>) -> Result<Self, FormatError> {
        if bytes.len() < HEADER || bytes[..MAGIC.len()] != MAGIC {
            return Err(FormatError::Magic);
        }
        if bytes[MAGIC.len()] != kind.byte() {
            return Err(FormatError::Kind);
        }
        Ok(Self { bytes, at: HEADER })
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// When the file ends within it.
    pub fn next(&mut self) -> Result<Option<&[u8]>, FormatError> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        let (length, rest) = rest.split_first_chunk::<LENGTH>().ok_or(FormatError::Short)?;
        let length = u32::from_le_bytes(*length) as usize;
        let record = rest.get(..length).ok_or(FormatError::Short)?;
        self.at += LENGTH + length;
        Ok(Some(record))
    }
}

fn split<const N: usize>(record: &[u8]) -> Result<([u8; N], &[u8]), FormatError> {
    let (key, rest) = record.split_first_chunk().ok_or(FormatError::Key)?;
    Ok((*key, rest))
}

/// An owner record and whose it is. Its bytes stay as the store's codec wrote them, so that digests are of those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Whose.
    pub player: PlayerId,
    /// The record, encoded.
    pub bytes: Vec<u8>,
}

impl Owner {
    /// The owner record of `player`.
    pub fn new(player: PlayerId, record: &OwnerRecord) -> Self {
        Self { player, bytes: codec::encode_owner(record) }
    }

    /// Its record in a file.
    pub fn encode(&self) -> Vec<u8> {
        [&self.player.0.to_le_bytes()[..], &self.bytes].concat()
    }

    /// The owner record in a file's record. Its bytes are checked.
    pub fn decode(record: &[u8]) -> Result<Self, FormatError> {
        let (player, bytes) = split(record)?;
        let owner = Self { player: PlayerId(u64::from_le_bytes(player)), bytes: bytes.to_vec() };
        owner.record().map(|_| owner)
    }

    /// The record.
    pub fn record(&self) -> Result<OwnerRecord, FormatError> {
        codec::decode_owner(&self.bytes).map_err(FormatError::Record)
    }
}

/// What the index says of a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indexed {
    /// Who.
    pub player: PlayerId,
    /// The start of the digest of the encoded owner record.
    pub digest: [u8; SHORT],
}

impl Indexed {
    /// Its record in a file.
    pub fn encode(&self) -> Vec<u8> {
        [&self.player.0.to_le_bytes()[..], &self.digest].concat()
    }

    /// The one in a file's record.
    pub fn decode(record: &[u8]) -> Result<Self, FormatError> {
        let (player, rest) = split(record)?;
        match split(rest)? {
            (digest, []) => Ok(Self { player: PlayerId(u64::from_le_bytes(player)), digest }),
            _ => Err(FormatError::Record(CodecError::Long)),
        }
    }
}

/// An entry of a shard's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Whose log.
    pub shard: ShardId,
    /// The entry.
    pub entry: LogEntry,
}

impl Logged {
    /// Its record in a file.
    pub fn encode(&self) -> Vec<u8> {
        let Self { shard, entry } = self;
        [&shard.0.to_le_bytes()[..], &entry.seq.0.to_le_bytes(), &codec::encode_entry(entry)].concat()
    }

    /// The one in a file's record.
    pub fn decode(record: &[u8]) -> Result<Self, FormatError> {
        let (shard, rest) = split(record)?;
        let (seq, rest) = split(rest)?;
        let entry = codec::decode_entry(LogSeq(u64::from_le_bytes(seq)), rest).map_err(FormatError::Record)?;
        Ok(Self { shard: ShardId(u32::from_le_bytes(shard)), entry })
    }
}

/// The newest incarnation of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incarnation {
    /// The shard.
    pub shard: ShardId,
    /// The epoch under which its lease was acquired last.
    pub epoch: ShardEpoch,
    /// Who acquired it.
    pub zone: ZoneId,
}

impl Incarnation {
    /// Its record in a file.
    pub fn encode(&self) -> Vec<u8> {
        [&self.shard.0.to_le_bytes()[..], &codec::encode_lease(self.epoch, &self.zone)].concat()
    }

    /// The one in a file's record.
    pub fn decode(record: &[u8]) -> Result<Self, FormatError> {
        let (shard, rest) = split(record)?;
        let (epoch, zone) = codec::decode_lease(rest).map_err(FormatError::Record)?;
        Ok(Self { shard: ShardId(u32::from_le_bytes(shard)), epoch, zone })
    }
}

/// The shard map in a file's record.
pub fn decode_map(record: &[u8]) -> Result<TopologyDocument, FormatError> {
    codec::decode_topology(record).map_err(FormatError::Record)
}
