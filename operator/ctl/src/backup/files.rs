//! The files of a backup on their way out: records are gathered until a file is full, then compressed and written. One file
//! of each kind that is being filled is in memory.

use super::create::CreateError;
use super::digest::Digest;
use super::format::{Filling, Kind};
use super::id::BackupId;
use super::manifest::{self, FileEntry};
use super::pack::Compression;
use super::stop::{Stop, Stopped};
use super::target::Target;

/// The files of a backup that is being made.
pub struct Files<'a> {
    /// Where they go.
    pub target: &'a Target,
    /// Whether to go on.
    pub stop: &'a Stop,
    /// Whose they are.
    pub id: BackupId,
    /// How they are compressed.
    pub compression: Compression,
    /// Those that were written, in the order in which they were.
    pub written: Vec<FileEntry>,
}

/// Records of one kind on their way into files.
pub struct Sink {
    kind: Kind,
    filling: Filling,
}

impl Sink {
    /// An empty one.
    pub fn new(kind: Kind) -> Self {
        Self { kind, filling: Filling::new(kind) }
    }

    /// Adds a record. When the file is full it is written first.
    ///
    /// # Errors
    /// When it may not be there, or an end is wanted.
    pub async fn push(&mut self, files: &mut Files<'_>, record: &[u8]) -> Result<(), CreateError> {
        if !self.filling.has_room(record.len()) {
            let full = std::mem::replace(&mut self.filling, Filling::new(self.kind));
            files.write(self.kind, full).await?;
        }
        self.filling.push(record);
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub async fn finish(self, files: &mut Files<'_>) -> Result<(), CreateError> {
        files.write(self.kind, self.filling).await
    }
}

impl Files<'_> {
    /// Refuses to go on when somebody wants an end. Asked between two writes: one that is under way would go on by itself,
    /// and be there after everything was cleaned up.
    ///
    /// # Errors
    /// [`CreateError::Stopped`].
    pub fn go_on(&self) -> Result<(), CreateError> {
        if self.stop.is_wanted() { Err(CreateError::Stopped(Stopped)) } else { Ok(()) }
    }

    /// Writes a file, unless it has nothing.
    async fn write(&mut self, kind: Kind, filling: Filling) -> Result<(), CreateError> {
        if filling.records() == 0 {
            return Ok(());
        }
        self.go_on()?;
        let number = self.written.iter().filter(|file| file.kind == kind).count();
        let name = manifest::file_name(kind, number, self.compression);
        let (records, raw) = (filling.records(), filling.into_bytes());
        let raw_bytes = raw.len() as u64;
        let bytes = self.compression.pack(raw).map_err(CreateError::Pack)?;
        let entry = FileEntry { name, kind, bytes: bytes.len() as u64, raw_bytes, records, sha256: Digest::of(&bytes) };
        self.target.write(self.id, &entry.name, bytes).await?;
        self.written.push(entry);
        Ok(())
    }
}
