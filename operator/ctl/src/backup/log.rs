//! The logs of a world on their way into a backup: from where the newest backup has ended, up to a moment after the records.
//!
//! Entries of the log have the states after each transaction. So the records, each of its own moment, together with the log
//! of that time are the world at any moment after it, see [`moment`](super::moment). That holds when no entry is missing:
//! when the log tells another history than before, or the store has dropped entries that no backup has, this backup's log
//! follows no other one.

use std::time::Duration;

use darkages_store::{Kept, LogSeq, LogState, Store};
use darkages_topology::ShardId;
use tokio::time::Instant;

use super::catalogue::Whole;
use super::create::{CreateError, timestamp};
use super::files::{Files, Sink};
use super::format::{Kind, Logged};
use super::limits::{LOG_PAGE, MAX_INVERSION};
use super::manifest::{Covers, History, JournalPosition, Parent};

/// How long a store may take until its log is complete up to the end of the records. The slowest driver takes as long as a
/// call to it may, 60 s at most, and a quarter of a minute.
const SETTLES_WITHIN: Duration = Duration::from_secs(120);

/// Between two questions whether it is.
const PAUSE: Duration = Duration::from_millis(50);

/// The state of the log around the reading of the records.
#[derive(Clone, Copy, Debug)]
pub struct Scanned {
    /// Before the first.
    pub before: LogState,
    /// After the last.
    pub after: LogState,
}

impl Scanned {
    /// No transaction after this moment is in the records.
    fn end(self) -> Duration {
        // Not before the beginning, although somebody has set the clock back.
        self.after.now.max(self.before.settled)
    }
}

/// What was saved.
pub struct Saved {
    /// How far each shard's log is saved, in order of shard.
    pub positions: Vec<JournalPosition>,
    /// The backup after which the logs go on without a gap.
    pub follows: Option<Parent>,
}

/// Of which moments the records and the log are.
pub fn covers(scanned: Scanned, state: LogState) -> Covers {
    Covers {
        history: History(state.history),
        since: timestamp(scanned.before.settled),
        records: timestamp(scanned.end()),
        until: timestamp(state.settled),
    }
}

/// Waits until the log is complete up to the end of the records.
///
/// # Errors
/// When it does not become so.
pub async fn settled(store: &dyn Store, scanned: Scanned, files: &Files<'_>) -> Result<LogState, CreateError> {
    let (begun, wanted) = (Instant::now(), scanned.end());
    loop {
        let state = store.log_state().await?;
        if state.history != scanned.before.history {
            return Err(CreateError::Restored);
        }
        if state.settled >= wanted {
            return Ok(state);
        }
        if begun.elapsed() >= SETTLES_WITHIN {
            return Err(CreateError::Unsettled { wanted: timestamp(wanted), waited_s: SETTLES_WITHIN.as_secs() });
        }
        files.go_on()?;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Writes what the logs of `shards` have since `previous`. Only a shard that somebody held has a log.
///
/// # Errors
/// When the store cannot be read or the backup cannot be written.
pub async fn save(
    store: &dyn Store,
    files: &mut Files<'_>,
    shards: &[ShardId],
    previous: Option<&Whole>,
    state: LogState,
) -> Result<Saved, CreateError> {
    let previous = previous.filter(|previous| history(previous) == Some(state.history));
    let saved = previous.map_or(&[][..], |previous| &previous.manifest.journal);
    let mut whole = previous.is_some_and(|previous| reaches_back(state.kept, previous));
    let mut sink = Sink::new(Kind::Journal);
    let mut positions = Vec::with_capacity(shards.len());
    for &shard in shards {
        let at = saved.binary_search_by_key(&shard, |position| position.shard);
        let from = at.map_or(0, |at| saved[at].next);
        let read = entries(store, files, &mut sink, shard, from, state.settled).await?;
        // Where entries go when there are too many, places have no gaps by themselves.
        whole &= state.kept != Kept::Newest || !read.has_gap;
        positions.push(JournalPosition { shard, next: read.next, last: None });
    }
    sink.finish(files).await?;
    let follows = previous.filter(|_| whole);
    let follows = follows.map(|previous| Parent { id: previous.manifest.id, digest: previous.digest });
    Ok(Saved { positions, follows })
}

fn history(backup: &Whole) -> Option<u64> {
    backup.manifest.covers.map(|covers| covers.history.0)
}

/// Whether no entry went because of its age before any backup had it.
fn reaches_back(kept: Kept, previous: &Whole) -> bool {
    match kept {
        Kept::Newest => true,
        Kept::Since(since) => previous.manifest.covers.is_some_and(|covers| timestamp(since) <= covers.until),
    }
}

/// What was read of a shard's log.
struct Read {
    /// The place from which the next backup goes on. That is the first entry that is not settled: what has a place before it
    /// may still be on its way.
    next: u64,
    /// Whether a place is missing, from the first that was asked for to the last that was found.
    has_gap: bool,
}

/// Writes a shard's entries from place `from` on. The first place of a log is 1.
async fn entries(
    store: &dyn Store,
    files: &mut Files<'_>,
    sink: &mut Sink,
    shard: ShardId,
    from: u64,
    settled: Duration,
) -> Result<Read, CreateError> {
    let (mut at, mut unsettled, mut has_gap) = (from.max(1), None, false);
    loop {
        let page = store.read_log(shard, LogSeq(at), LOG_PAGE).await?;
        // A busy world may write as fast as this reads.
        let is_last = page.len() < LOG_PAGE || page[0].at > settled + MAX_INVERSION;
        for entry in page {
            has_gap |= entry.seq.0 != at;
            at = entry.seq.next().0;
            if entry.at > settled {
                unsettled.get_or_insert(entry.seq.0);
            }
            sink.push(files, &Logged { shard, entry }.encode()).await?;
        }
        if is_last {
            return Ok(Read { next: unsettled.unwrap_or(at), has_gap });
        }
        files.go_on()?;
    }
}
