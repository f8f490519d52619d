//! A file that can be opened without being changed.
//!
//! redb writes while it opens: it marks the file as open, and it repairs what a crash left. Before we know that the file is
//! ours and sound, none of that may reach it; and opening without looking trusts the file so far that damage makes redb
//! panic. So the first opening is a trial with a full check: what it writes stays in memory and is forgotten.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};

/// Bytes that are copied into memory when one of them is written.
const BLOCK: u64 = 4_096;

/// The file with the trial's changes before it.
#[derive(Debug)]
pub(super) struct Trial {
    file: FileBackend,
    changes: Mutex<Changes>,
}

#[derive(Debug)]
struct Changes {
    len: u64,
    /// How much of the file still shows: what was cut off once stays gone.
    shown: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Trial {
    pub fn new(file: File) -> Result<Self, DatabaseError> {
        let file = FileBackend::new(file)?;
        let len = file.len()?;
        Ok(Self { file, changes: Mutex::new(Changes { len, shown: len, blocks: BTreeMap::new() }) })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads one block or a part of it, as it would be after the changes.
    fn read_block(&self, changes: &Changes, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if let Some(block) = changes.blocks.get(&(offset / BLOCK)) {
            let start = (offset % BLOCK) as usize;
            out.copy_from_slice(&block[start..start + out.len()]);
            return Ok(());
        }
        let shown = changes.shown.saturating_sub(offset).min(out.len() as u64) as usize;
        let (from_file, beyond) = out.split_at_mut(shown);
        beyond.fill(0);
        if from_file.is_empty() { Ok(()) } else { self.file.read(offset, from_file) }
    }
}

/// Splits a range of bytes at the borders of blocks, as (offset, start in the range, length).
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let piece = ((BLOCK - at % BLOCK) as usize).min(length - done);
        let start = done;
        done += piece;
        (piece > 0).then_some((at, start, piece))
    })
}

fn check_range(changes: &Changes, offset: u64, length: usize) -> io::Result<()> {
    match offset.checked_add(length as u64) {
        Some(end) if end <= changes.len => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

impl StorageBackend for Trial {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes();
        check_range(&changes, offset, out.len())?;
        pieces(offset, out.len())
            .try_for_each(|(at, start, length)| self.read_block(&changes, at, &mut out[start..start + length]))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changes = self.changes();
        changes.len = len;
        changes.shown = changes.shown.min(len);
        changes.blocks.retain(|block, _| block * BLOCK < len);
        if let Some(last) = changes.blocks.get_mut(&(len / BLOCK)) {
            last[(len % BLOCK) as usize..].fill(0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes();
        check_range(&changes, offset, data.len())?;
        for (at, start, length) in pieces(offset, data.len()) {
            let number = at / BLOCK;
            if !changes.blocks.contains_key(&number) {
                let mut block = vec![0; BLOCK as usize];
                self.read_block(&changes, number * BLOCK, &mut block)?;
                changes.blocks.insert(number, block);
            }
            let within = (at % BLOCK) as usize;
            if let Some(block) = changes.blocks.get_mut(&number) {
                block[within..within + length].copy_from_slice(&data[start..start + length]);
            }
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
