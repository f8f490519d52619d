//! What the writer's thread tells of itself: how much waits, whether the file can be written, and what a crash would lose.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use darkages_topology::PlayerId;

use crate::health::{self, Health, Presence};

/// Whose checkpoints are visible and not flushed, and since when; as many as are saved within a flush's time.
#[derive(Default)]
struct Unflushed {
    players: BTreeSet<PlayerId>,
    since: Option<Instant>,
}

/// Shared by the thread and everybody who asks.
pub(super) struct Pulse {
    /// Messages that were sent to the thread and not answered.
    depth: AtomicUsize,
    file: Presence,
    unflushed: Mutex<Unflushed>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { depth: AtomicUsize::new(0), file: Presence::new(health::REDB), unflushed: Mutex::default() }
    }
}

impl Pulse {
    pub fn queued(&self) {
        self.depth.fetch_add(1, Ordering::Relaxed);
    }

    pub fn answered(&self, messages: usize) {
        self.depth.fetch_sub(messages, Ordering::Relaxed);
    }

    fn unflushed(&self) -> MutexGuard<'_, Unflushed> {
        // A set of players; one that is missing in it is only told of too late.
        self.unflushed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checkpoints of these players are in the transaction that is under way.
    pub fn wrote(&self, players: impl Iterator<Item = PlayerId>) {
        let mut unflushed = self.unflushed();
        unflushed.players.extend(players);
        if !unflushed.players.is_empty() {
            unflushed.since.get_or_insert_with(Instant::now);
        }
    }

    /// Everything that was written is durable.
    pub fn flushed(&self) {
        *self.unflushed() = Unflushed::default();
    }

    /// The file failed. What was not flushed is not waiting any more: it is there when the file is opened anew, or lost.
    pub fn failed(&self) {
        self.flushed();
        self.file.failed();
    }

    /// The file was opened anew.
    pub fn opened(&self) {
        self.file.answered();
    }

    pub fn health(&self) -> Health {
        let unflushed = self.unflushed();
        Health {
            away: self.file.away().into_iter().collect(),
            queue_depth: self.depth.load(Ordering::Relaxed),
            unsaved: unflushed.players.len(),
            lag: unflushed.since.map_or_else(Default::default, |since| since.elapsed()),
            ..Health::default()
        }
    }
}
