//! Checkpoints that Redis has and CQL has not: one for each player, the newest.
//!
//! Pure but for the time of day. Players are spread over slices, which are written one after the other, so that each player is
//! written once in a round and the servers have the same to do all the time.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use darkages_topology::PlayerId;

use crate::snapshot::Entry;

/// Slices of a round.
pub(super) const SLICES: usize = 8;

/// Players whose newest checkpoint only Redis has, at most; beyond it checkpoints go to CQL before they are answered. At the
/// largest state that is a gigabyte, at a usual one some ten megabytes.
pub const MAX_UNSAVED: usize = 16_384;

/// A checkpoint, and since when CQL is behind the player's.
struct Waiting {
    entry: Arc<Entry>,
    since: Instant,
}

#[derive(Default)]
struct Slice {
    waiting: BTreeMap<PlayerId, Waiting>,
    /// What is being written; it counts until CQL has it.
    under_way: BTreeMap<PlayerId, Waiting>,
}

/// Checkpoints that were kept at some moment.
pub(super) type Kept = BTreeMap<PlayerId, Arc<Entry>>;

/// The checkpoints of this process.
#[derive(Default)]
pub(super) struct Unsaved(Mutex<[Slice; SLICES]>);

/// The slice of a player. Players are often numbered in a row, which spreads them evenly.
const fn slice_of(player: PlayerId) -> usize {
    (player.0 % SLICES as u64) as usize
}

impl Slice {
    fn len(&self) -> usize {
        self.waiting.len() + self.under_way.keys().filter(|player| !self.waiting.contains_key(player)).count()
    }

    fn wait(&mut self, next: Waiting) {
        match self.waiting.entry(next.entry.player) {
            Place::Vacant(place) => {
                place.insert(next);
            }
            Place::Occupied(mut place) => {
                let held = place.get_mut();
                held.since = held.since.min(next.since);
                if held.entry.stamp < next.entry.stamp {
                    held.entry = next.entry;
                }
            }
        }
    }

    /// The newest of a player.
    fn get(&self, player: PlayerId) -> Option<&Arc<Entry>> {
        self.waiting.get(&player).or_else(|| self.under_way.get(&player)).map(|waiting| &waiting.entry)
    }

    /// What was being written waits again.
    fn put_back(&mut self) {
        for (_, waiting) in std::mem::take(&mut self.under_way) {
            self.wait(waiting);
        }
    }
}

impl Unsaved {
    fn slices(&self) -> MutexGuard<'_, [Slice; SLICES]> {
        // Every change of it is one insertion or removal; it is whole whatever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps checkpoints until they are written; those for which there is no room come back.
    pub fn keep(&self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut slices = self.slices();
        let mut room = MAX_UNSAVED.saturating_sub(slices.iter().map(Slice::len).sum());
        let mut left = Vec::new();
        for entry in entries {
            let slice = &mut slices[slice_of(entry.player)];
            let known = slice.waiting.contains_key(&entry.player) || slice.under_way.contains_key(&entry.player);
            if !known && room == 0 {
                left.push(entry);
                continue;
            }
            room -= usize::from(!known);
            slice.wait(Waiting { entry: Arc::new(entry), since: Instant::now() });
        }
        left
    }

    /// The newest of each of these players.
    pub fn of(&self, players: impl IntoIterator<Item = PlayerId>) -> Kept {
        let slices = self.slices();
        let find = |player| Some((player, Arc::clone(slices[slice_of(player)].get(player)?)));
        players.into_iter().filter_map(find).collect()
    }

    /// The newest of each player.
    pub fn all(&self) -> Kept {
        let slices = self.slices();
        // What waits comes last, and stays.
        let maps = slices.iter().flat_map(|slice| [&slice.under_way, &slice.waiting]);
        maps.flatten().map(|(player, waiting)| (*player, Arc::clone(&waiting.entry))).collect()
    }

    /// What waits in a slice, to be written. It is under way until it is [`settled`](Self::settle).
    pub fn take(&self, slice: usize) -> Vec<Arc<Entry>> {
        let slice = &mut self.slices()[slice];
        // Whoever was writing it before was stopped.
        slice.put_back();
        slice.under_way = std::mem::take(&mut slice.waiting);
        slice.under_way.values().map(|waiting| Arc::clone(&waiting.entry)).collect()
    }

    /// What was taken of a slice is written, or waits again.
    pub fn settle(&self, slice: usize, written: bool) {
        let slice = &mut self.slices()[slice];
        if written { slice.under_way.clear() } else { slice.put_back() }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.slices() = Default::default();
    }

    /// How many players CQL is behind, and since when it is for the one who waits longest.
    pub fn lag(&self) -> (usize, Duration) {
        let slices = self.slices();
        let waiting = slices.iter().flat_map(|slice| slice.waiting.values().chain(slice.under_way.values()));
        let oldest = waiting.map(|waiting| waiting.since).min();
        (slices.iter().map(Slice::len).sum(), oldest.map_or(Duration::ZERO, |since| since.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use darkages_topology::{ShardEpoch, ShardId};

    use super::*;
    use crate::owner::{OwnerRecord, PlayerData};
    use crate::snapshot::Stamp;

    fn entry(player: u64, micros: u64) -> Entry {
        let record = OwnerRecord::created(ShardId(1), PlayerData::default());
        Entry::new(PlayerId(player), &record, Stamp { epoch: ShardEpoch(1), micros })
    }

    fn taken(unsaved: &Unsaved, slice: usize) -> Vec<(u64, u64)> {
        unsaved.take(slice).iter().map(|entry| (entry.player.0, entry.stamp.micros)).collect()
    }

    #[test]
    fn the_newest_of_a_player_is_kept_whatever_the_order() {
        let unsaved = Unsaved::default();
        assert!(unsaved.keep(vec![entry(8, 2), entry(8, 1), entry(16, 5), entry(1, 1)]).is_empty());
        assert_eq!(unsaved.lag().0, 3);
        assert_eq!(taken(&unsaved, 0), [(8, 2), (16, 5)]);
        assert_eq!(taken(&unsaved, 1), [(1, 1)]);
    }

    #[test]
    fn what_is_not_written_waits_again_unless_a_newer_one_does() {
        let unsaved = Unsaved::default();
        unsaved.keep(vec![entry(8, 1), entry(16, 1)]);
        unsaved.take(0);
        unsaved.keep(vec![entry(8, 2)]);
        assert_eq!(unsaved.lag().0, 2, "each player counts once");
        let newest = |kept: Kept| kept.values().map(|entry| (entry.player.0, entry.stamp.micros)).collect::<Vec<_>>();
        assert_eq!(newest(unsaved.all()), [(8, 2), (16, 1)], "until CQL has them");
        assert_eq!(newest(unsaved.of([PlayerId(8), PlayerId(24)])), [(8, 2)]);
        unsaved.settle(0, false);
        assert_eq!(taken(&unsaved, 0), [(8, 2), (16, 1)]);
        assert_eq!(taken(&unsaved, 0), [(8, 2), (16, 1)], "whoever took them before was stopped");
        unsaved.settle(0, true);
        assert_eq!(unsaved.lag(), (0, Duration::ZERO));
    }

    #[test]
    fn there_is_room_for_so_many_players_and_for_all_their_checkpoints() {
        let unsaved = Unsaved::default();
        let all: Vec<_> = (0..MAX_UNSAVED as u64 + 3).map(|player| entry(player, 1)).collect();
        assert_eq!(unsaved.keep(all).len(), 3);
        assert!(unsaved.keep(vec![entry(5, 2)]).is_empty(), "who is there already needs no more room");
        assert_eq!(unsaved.lag().0, MAX_UNSAVED);
    }
}
