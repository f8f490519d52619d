//! The manifest: what a backup is, and the name, size and digest of each of its files. Pure.
//!
//! It is written last, so a folder without one is no backup. It ends with a SHA-256 of everything before that, so that a
//! manifest which was cut or edited is noticed. That is no signature: whoever can write the files can also compute a new
//! digest. An incremental backup names the digest of its parent's manifest, and so, through those, every byte of its chain.

use darkages_topology::ShardId;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::digest::{Digest, HEX_DIGITS};
use super::format::Kind;
use super::id::BackupId;
use super::limits::{MAX_RAW_BYTES, MAX_STORED_BYTES};
use super::pack::Compression;

/// Name of the manifest in a backup's folder.
pub const NAME: &str = "manifest.json";

/// Version of the manifest and of everything that it names. Since 2 there are `covers` and `follows`, and log entries have
/// states.
pub const FORMAT: u32 = 2;

/// What stands between the last field and the digits of the digest.
const BEFORE_DIGEST: &str = ",\n  \"digest\": \"";

/// What stands after the digits of the digest.
const AFTER_DIGEST: &str = "\"\n}\n";

/// Whether a backup stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Completeness {
    /// It has everybody.
    Full,
    /// It has those whose records changed since its parent.
    Incremental,
}

impl Completeness {
    /// Its name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
        }
    }
}

/// The number of a history, written as 16 hexadecimal digits: JSON has no whole numbers of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History(pub u64);

impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

impl<'de> Deserialize<'de> for History {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = Some(text.as_str()).filter(|text| text.len() == 16 && !text.starts_with('+'));
        let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        number.map(Self).ok_or_else(|| de::Error::custom("a history has 16 hexadecimal digits"))
    }
}

/// Of which moments records and log are, by the clock that stamps the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Covers {
    /// The history that the log tells.
    pub history: History,
    /// Every transaction up to this one is in the records.
    pub since: Timestamp,
    /// No transaction after this one is in the records.
    pub records: Timestamp,
    /// Every transaction up to this one is in the log of this backup, or of those that it follows.
    pub until: Timestamp,
}

/// The backup on which an incremental one builds, or after which a log goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// Which.
    pub id: BackupId,
    /// The digest of its manifest.
    pub digest: Digest,
}

/// How far a shard's log was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalPosition {
    /// Whose log.
    pub shard: ShardId,
    /// The place from which the next backup goes on.
    pub next: u64,
    /// Format 1 had the digest of the last entry here.
    #[serde(default, skip_serializing)]
    pub last: Option<Digest>,
}

/// A data file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name in the backup's folder.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Bytes as stored.
    pub bytes: u64,
    /// Bytes before compression.
    pub raw_bytes: u64,
    /// Records in it.
    pub records: u64,
    /// The digest of the bytes as stored.
    pub sha256: Digest,
}

/// What a backup is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The name of the world.
    pub world: String,
    /// The name of the backup.
    pub id: BackupId,
    /// Whether it stands alone.
    pub kind: Completeness,
    /// On what it builds when it does not.
    pub parent: Option<Parent>,
    /// When it was begun; what was written to the world before is in it.
    pub created: Timestamp,
    /// When it was done.
    pub finished: Timestamp,
    /// How its files are compressed.
    pub compression: Compression,
    /// Of which moments it is; format 1 did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<Covers>,
    /// The backup after which its log goes on without a gap, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Parent>,
    /// Players of the world.
    pub players: u64,
    /// How far each log was saved, in order of shard.
    pub journal: Vec<JournalPosition>,
    /// Its files, by kind and number.
    pub files: Vec<FileEntry>,
}

/// Why bytes are no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The digest at its end is not that of what stands before.
    #[error("it was changed or cut after it was written")]
    Digest,
    /// It was written by a newer version.
    #[error("it has format {found}, this version reads up to {FORMAT}: use the newer version that wrote it")]
    NewerVersion {
        /// Its format.
        found: u32,
    },
    /// It is sound and yet no manifest of this version.
    #[error("it is no manifest of a backup")]
    Json(#[source] serde_json::Error),
    /// It says something that cannot be.
    #[error("its {field} cannot be right")]
    Field {
        /// What says it.
        field: &'static str,
    },
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl Manifest {
    /// The bytes of the manifest and their digest.
    pub fn seal(&self) -> (Vec<u8>, Digest) {
        let body = serde_json::to_string_pretty(self).expect("a manifest has no keys or values that JSON lacks");
        let body = body.strip_suffix("\n}").expect("it is an object with fields");
        let head = format!("{body}{BEFORE_DIGEST}");
        let digest = Digest::of(head.as_bytes());
        (format!("{head}{digest}{AFTER_DIGEST}").into_bytes(), digest)
    }

    /// The manifest in these bytes, and its digest.
    ///
    /// # Errors
    /// When they are none, or not as they were written.
    pub fn open(bytes: &[u8]) -> Result<(Self, Digest), ManifestError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ManifestError::Digest)?;
        let rest = text.strip_suffix(AFTER_DIGEST).ok_or(ManifestError::Digest)?;
        let digits = rest.len().checked_sub(HEX_DIGITS).ok_or(ManifestError::Digest)?;
        let (head, digits) = rest.split_at_checked(digits).ok_or(ManifestError::Digest)?;
        let digest = Digest::parse(digits).filter(|digest| *digest == Digest::of(head.as_bytes()));
        let digest = digest.ok_or(ManifestError::Digest)?;
        let body = head.strip_suffix(BEFORE_DIGEST).ok_or(ManifestError::Digest)?.to_owned() + "\n}";
        let Version { format } = serde_json::from_str(&body).map_err(ManifestError::Json)?;
        if format > FORMAT {
            return Err(ManifestError::NewerVersion { found: format });
        }
        let manifest: Self = serde_json::from_str(&body).map_err(ManifestError::Json)?;
        manifest.check()?;
        Ok((manifest, digest))
    }

    /// Refuses what this code would never have written, above all names that lead out of the folder and sizes that do not
    /// fit into memory.
    fn check(&self) -> Result<(), ManifestError> {
        let field = |field, is: bool| if is { Ok(()) } else { Err(ManifestError::Field { field }) };
        let (least, most, _) = self.compression.method.levels();
        field("format", self.format >= 1)?;
        field("compression", (least..=most).contains(&self.compression.level))?;
        field("parent", self.parent.is_some() == (self.kind == Completeness::Incremental))?;
        field("covers", self.format == 1 || self.covers.is_some())?;
        let in_order = |covers: Covers| covers.since <= covers.records && covers.records <= covers.until;
        field("covers", self.covers.is_none_or(in_order))?;
        field("follows", self.follows.is_none() || self.covers.is_some())?;
        field("journal", self.journal.windows(2).all(|pair| pair[0].shard < pair[1].shard))?;
        let mut expected = Kind::ALL.iter().flat_map(|kind| {
            let of_kind = self.files.iter().filter(move |file| file.kind == *kind);
            (0..of_kind.count()).map(|number| self.file_name(*kind, number))
        });
        for file in &self.files {
            field("list of files", expected.next().as_ref() == Some(&file.name))?;
            field("size of a file", file.bytes <= MAX_STORED_BYTES && file.raw_bytes <= MAX_RAW_BYTES)?;
        }
        field("number of players", self.records(Kind::Index) == Some(self.players))?;
        field("shard map", self.records(Kind::Map).is_some_and(|maps| maps <= 1))
    }

    /// The name of a file of this backup.
    pub fn file_name(&self, kind: Kind, number: usize) -> String {
        file_name(kind, number, self.compression)
    }

    /// Its files of one kind, in order.
    pub fn files_of(&self, kind: Kind) -> impl Iterator<Item = &FileEntry> {
        self.files.iter().filter(move |file| file.kind == kind)
    }

    /// Records of one kind; `None` when there cannot be so many.
    pub fn records(&self, kind: Kind) -> Option<u64> {
        self.files_of(kind).try_fold(0_u64, |sum, file| sum.checked_add(file.records))
    }

    /// Bytes of all its data files as stored.
    pub fn stored_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Bytes of all its data files before compression.
    pub fn raw_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.raw_bytes).sum()
    }
}

/// The name of a data file.
pub fn file_name(kind: Kind, number: usize, compression: Compression) -> String {
    format!("{}-{number:05}.{}", kind.name(), compression.method.extension())
}
