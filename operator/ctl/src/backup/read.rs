//! Reading data files: nothing of one is believed before its size, digest and number of records are the manifest's.

use std::collections::VecDeque;
use std::io;

use darkages_topology::{PlayerId, ShardId};

use super::digest::Digest;
use super::format::{FormatError, Incarnation, Indexed, Kind, Logged, Owner, Reading};
use super::manifest::{FileEntry, Manifest};
use super::target::{Target, TargetError};

/// A file that is not what its manifest says, by name.
#[derive(Debug, thiserror::Error)]
#[error("{name} is not as it was written")]
pub struct ReadError {
    /// Folder and name.
    pub name: String,
    /// What is wrong with it.
    #[source]
    pub why: Wrong,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// It cannot be had.
    #[error("it cannot be read")]
    Target(#[source] Box<TargetError>),
    /// It has fewer bytes.
    #[error("it has {found} bytes, the manifest says {expected}")]
    Short {
        /// Its bytes.
        found: u64,
        /// The manifest's.
        expected: u64,
    },
    /// It has other bytes.
    #[error("its SHA-256 is {found}, the manifest says {expected}")]
    Digest {
        /// The digest of its bytes.
        found: Digest,
        /// The manifest's.
        expected: Digest,
    },
    /// Its digest is right, but it does not unpack to what the manifest says.
    #[error("it does not unpack to as many bytes as the manifest says")]
    Unpack(#[source] io::Error),
    /// Its digest is right, but it has more or fewer records than the manifest says.
    #[error("it has {found} records, the manifest says {expected}")]
    Records {
        /// Its records, as far as they were counted.
        found: u64,
        /// The manifest's.
        expected: u64,
    },
    /// Its digest is right, but its records cannot be.
    #[error("{0}")]
    Format(#[source] FormatError),
}

/// A record of a data file that stands in order by a key.
pub trait Record: Sized {
    /// The kind of its files.
    const KIND: Kind;
    /// By what it is sorted. No two records have the same.
    type Key: Ord + Copy;
    /// The record in these bytes.
    fn decode(bytes: &[u8]) -> Result<Self, FormatError>;
    /// Its key.
    fn key(&self) -> Self::Key;
}

impl Record for Owner {
    const KIND: Kind = Kind::Owners;
    type Key = PlayerId;

    fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        Self::decode(bytes)
    }

    fn key(&self) -> PlayerId {
        self.player
    }
}

impl Record for Indexed {
    const KIND: Kind = Kind::Index;
    type Key = PlayerId;

    fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        Self::decode(bytes)
    }

    fn key(&self) -> PlayerId {
        self.player
    }
}

impl Record for Logged {
    const KIND: Kind = Kind::Journal;
    type Key = (ShardId, u64);

    fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        Self::decode(bytes)
    }

    fn key(&self) -> Self::Key {
        (self.shard, self.entry.seq.0)
    }
}

impl Record for Incarnation {
    const KIND: Kind = Kind::Leases;
    type Key = ShardId;

    fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        Self::decode(bytes)
    }

    fn key(&self) -> ShardId {
        self.shard
    }
}

/// Reads a data file whole: the right bytes, unpacked.
pub async fn file(target: &Target, manifest: &Manifest, entry: &FileEntry) -> Result<Reading, ReadError> {
    let why = match target.read(manifest.id, &entry.name, entry.bytes).await {
        Ok(bytes) => match unpack(manifest, entry, &bytes) {
            Ok(reading) => return Ok(reading),
            Err(why) => why,
        },
        Err(error) => Wrong::Target(Box::new(error)),
    };
    Err(ReadError { name: format!("{}/{}", manifest.id, entry.name), why })
}

fn unpack(manifest: &Manifest, entry: &FileEntry, bytes: &[u8]) -> Result<Reading, Wrong> {
    let FileEntry { name: _, kind, bytes: expected, raw_bytes, records: _, sha256 } = entry;
    if bytes.len() as u64 != *expected {
        return Err(Wrong::Short { found: bytes.len() as u64, expected: *expected });
    }
    let found = Digest::of(bytes);
    if found != *sha256 {
        return Err(Wrong::Digest { found, expected: *sha256 });
    }
    // The manifest was checked when it was opened, so its sizes fit.
    let raw = manifest.compression.unpack(bytes, *raw_bytes as usize).map_err(Wrong::Unpack)?;
    Reading::new(*kind, raw).map_err(Wrong::Format)
}

/// All records of one kind in a backup, in order. One file is in memory at a time.
pub struct Records<'a, T: Record> {
    target: &'a Target,
    manifest: &'a Manifest,
    waiting: VecDeque<&'a FileEntry>,
    open: Option<Open<'a>>,
    last: Option<T::Key>,
}

struct Open<'a> {
    entry: &'a FileEntry,
    reading: Reading,
    seen: u64,
}

impl<'a, T: Record> Records<'a, T> {
    /// Those of this backup.
    pub fn new(target: &'a Target, manifest: &'a Manifest) -> Self {
        Self { target, manifest, waiting: manifest.files_of(T::KIND).collect(), open: None, last: None }
    }

    /// Those of one file of it.
    pub fn of_file(target: &'a Target, manifest: &'a Manifest, entry: &'a FileEntry) -> Self {
        Self { target, manifest, waiting: [entry].into(), open: None, last: None }
    }

    /// The next one; `None` after the last.
    ///
    /// # Errors
    /// When the file that has it is not as it was written.
    pub async fn next(&mut self) -> Result<Option<T>, ReadError> {
        loop {
            if self.open.is_none() {
                let Some(entry) = self.waiting.pop_front() else { return Ok(None) };
                let reading = file(self.target, self.manifest, entry).await?;
                self.open = Some(Open { entry, reading, seen: 0 });
            }
            let Some(open) = &mut self.open else { continue };
            let (name, expected) = (&open.entry.name, open.entry.records);
            let wrong = |why| ReadError { name: format!("{}/{name}", self.manifest.id), why };
            let record = open.reading.next().map_err(|error| wrong(Wrong::Format(error)))?;
            let Some(record) = record else {
                if open.seen != expected {
                    return Err(wrong(Wrong::Records { found: open.seen, expected }));
                }
                self.open = None;
                continue;
            };
            open.seen += 1;
            let record = T::decode(record).map_err(|error| wrong(Wrong::Format(error)))?;
            if self.last.is_some_and(|last| last >= record.key()) {
                return Err(wrong(Wrong::Format(FormatError::Order)));
            }
            self.last = Some(record.key());
            return Ok(Some(record));
        }
    }
}
