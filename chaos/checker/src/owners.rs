//! Watches from outside that no two zones act for one player (I1). Pure.
//!
//! Looks at two zones are not of one moment, so a player in the middle of a handoff may be seen twice at once. Who is seen
//! twice again and again, by zones that tick meanwhile, is simulated twice.

use std::collections::BTreeMap;

use darkages_topology::{ShardId, Tick};

/// Looks in a row, a tenth of a second apart: many times what separates two looks at zones that tick.
const LOOKS: u32 = 5;

/// What one zone showed.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The shard that it serves.
    pub shard: ShardId,
    /// Its newest tick.
    pub tick: Tick,
    /// The players that it acts for, by a number that stays the same from zone to zone.
    pub handles: &'a [u32],
}

/// Who was seen twice, and for how long.
#[derive(Debug, Default)]
pub struct Doubles {
    suspects: BTreeMap<u32, Suspect>,
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    at: [(ShardId, Tick); 2],
    looks: u32,
}

impl Doubles {
    /// Takes in a look; says who has now been seen twice for too long, once for each.
    pub fn note<'a>(&mut self, looks: impl IntoIterator<Item = Look<'a>>) -> Vec<String> {
        let mut first: BTreeMap<u32, (ShardId, Tick)> = BTreeMap::new();
        let mut seen = BTreeMap::new();
        for Look { shard, tick, handles } in looks {
            for handle in handles {
                if let Some(other) = first.insert(*handle, (shard, tick)) {
                    seen.insert(*handle, [other, (shard, tick)]);
                }
            }
        }
        let mut told = Vec::new();
        self.suspects.retain(|handle, _| seen.contains_key(handle));
        for (handle, at) in seen {
            let suspect = self.suspects.entry(handle).or_insert(Suspect { at, looks: 0 });
            let both_tick = suspect.at.iter().zip(&at).all(|(was, is)| was.0 == is.0 && was.1 < is.1);
            if both_tick {
                suspect.looks += 1;
                suspect.at = at;
                if suspect.looks == LOOKS {
                    let [(one, tick), (other, _)] = at;
                    told.push(format!("{one} and {other} both act for the player shown as {handle} at {tick}"));
                }
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(shard: u32, tick: u64, handles: &[u32]) -> Look<'_> {
        Look { shard: ShardId(shard), tick: Tick(tick), handles }
    }

    fn told(ticks: impl Fn(u64) -> (u64, u64), second: impl Fn(u64) -> &'static [u32]) -> usize {
        let mut doubles = Doubles::default();
        let looks = (0..20).map(|number| {
            let (one, other) = ticks(number);
            doubles.note([look(1, one, &[7, 8]), look(2, other, second(number))]).len()
        });
        looks.sum()
    }

    #[test]
    fn a_player_whom_two_ticking_zones_keep_is_told_once() {
        assert_eq!(told(|number| (number * 6, number * 6), |_| &[8, 9]), 1);
    }

    #[test]
    fn a_handoff_between_two_looks_is_nothing() {
        assert_eq!(told(|number| (number * 6, number * 6), |number| if number % 3 == 0 { &[8] } else { &[9] }), 0);
    }

    #[test]
    fn a_zone_that_stands_still_shows_old_players() {
        assert_eq!(told(|number| (5, number * 6), |_| &[8]), 0);
    }
}
