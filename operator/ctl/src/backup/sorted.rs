//! States of the log in order of player and version, however many there are: what does not fit into memory lies in temporary
//! files, which have no name and go with the process.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use darkages_store::StateVersion;
use darkages_topology::PlayerId;

use super::limits::{MAX_RUNS, SORT_BYTES};

/// Bytes of a temporary file that are read or written at a time.
const BUFFER: usize = 64 * 1024;

/// Bytes that a state takes in memory beside its own.
const OVERHEAD: usize = 64;

/// A state with its keys. What is in it is the caller's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    /// Whose.
    pub player: PlayerId,
    /// Which.
    pub version: StateVersion,
    /// The state.
    pub bytes: Vec<u8>,
}

/// Why states cannot be sorted.
#[derive(Debug, thiserror::Error)]
pub enum SortError {
    /// The temporary files cannot be used.
    #[error("sorting the log in temporary files: is there room in the folder for such files?")]
    Io(#[from] io::Error),
    /// The log is too long.
    #[error("the log is too long: more than {} MiB of states", (MAX_RUNS * SORT_BYTES) >> 20)]
    Long,
}

/// States that come in any order.
#[derive(Default)]
pub struct Sorter {
    waiting: Vec<State>,
    bytes: usize,
    runs: Vec<File>,
}

impl Sorter {
    /// Takes a state.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn push(&mut self, state: State) -> Result<(), SortError> {
        self.bytes += state.bytes.len() + OVERHEAD;
        self.waiting.push(state);
        if self.bytes < SORT_BYTES {
            return Ok(());
        }
        if self.runs.len() == MAX_RUNS {
            return Err(SortError::Long);
        }
        self.waiting.sort_unstable();
        let mut run = BufWriter::with_capacity(BUFFER, tempfile::tempfile()?);
        for state in self.waiting.drain(..) {
            write(&mut run, &state)?;
        }
        let mut run = run.into_inner().map_err(io::IntoInnerError::into_error)?;
        run.rewind()?;
        self.runs.push(run);
        self.bytes = 0;
        Ok(())
    }

    /// All of them in order.
    ///
    /// # Errors
    /// When the temporary files cannot be read.
    pub fn finish(mut self) -> Result<Sorted, SortError> {
        self.waiting.sort_unstable();
        let mut runs = vec![Run::Memory(std::mem::take(&mut self.waiting).into_iter())];
        runs.extend(self.runs.into_iter().map(|run| Run::File(BufReader::with_capacity(BUFFER, run))));
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (number, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next()?.map(|state| Reverse((state, number))));
        }
        Ok(Sorted { runs, heads })
    }
}

/// States in order of player and version.
pub struct Sorted {
    runs: Vec<Run>,
    heads: BinaryHeap<Reverse<(State, usize)>>,
}

enum Run {
    Memory(std::vec::IntoIter<State>),
    File(BufReader<File>),
}

impl Sorted {
    /// The next one; `None` after the last.
    ///
    /// # Errors
    /// When a temporary file cannot be read.
    pub fn next(&mut self) -> Result<Option<State>, SortError> {
        let Some(Reverse((state, number))) = self.heads.pop() else { return Ok(None) };
        self.heads.extend(self.runs[number].next()?.map(|next| Reverse((next, number))));
        Ok(Some(state))
    }
}

impl Run {
    fn next(&mut self) -> io::Result<Option<State>> {
        match self {
            Self::Memory(states) => Ok(states.next()),
            Self::File(file) => read(file),
        }
    }
}

fn write(out: &mut impl Write, state: &State) -> io::Result<()> {
    let State { player, version, bytes } = state;
    let length = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    out.write_all(&player.0.to_le_bytes())?;
    out.write_all(&version.0.to_le_bytes())?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(bytes)
}

fn read(input: &mut BufReader<File>) -> io::Result<Option<State>> {
    use std::io::BufRead as _;

    if input.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let (mut number, mut length) = ([0; 8], [0; 4]);
    input.read_exact(&mut number)?;
    let player = PlayerId(u64::from_le_bytes(number));
    input.read_exact(&mut number)?;
    let version = StateVersion(u64::from_le_bytes(number));
    input.read_exact(&mut length)?;
    let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
    input.read_exact(&mut bytes)?;
    Ok(Some(State { player, version, bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_come_in_order_also_through_files() {
        let mut sorter = Sorter::default();
        let states = 3 * SORT_BYTES / 60_000;
        for number in 0..states as u64 {
            // A multiplier without a common divisor visits every number once.
            let player = PlayerId(number * 7_919 % states as u64 / 3);
            let bytes = vec![number as u8; 60_000];
            sorter.push(State { player, version: StateVersion(number), bytes }).expect("there is room");
        }
        assert!(sorter.runs.len() >= 2, "some of it lies in files");
        let (mut sorted, mut last, mut count) = (sorter.finish().expect("read"), None, 0);
        while let Some(State { player, version, bytes }) = sorted.next().expect("read") {
            assert!(last.is_none_or(|last| last < (player, version)));
            assert_eq!(bytes, vec![version.0 as u8; 60_000]);
            last = Some((player, version));
            count += 1;
        }
        assert_eq!(count, states);
    }
}
