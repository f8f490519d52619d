//! How old an input is when another client sees its effect, measured between sampled pairs of near bots.
//!
//! An entity's record carries the low eight bits of the last applied input of the player that it shows. The swarm holds
//! both clients of a pair, so it can look up when that input was made.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use darkages_topology::{EntityId, InputSeq, Position};

use super::report::Times;

/// Pairs that are watched at once, at most.
pub const MAX_PAIRS: usize = 64;
/// How near two bots of a pair are, in metres: within the innermost ring of interest, with room to walk.
pub const NEAR_M: i32 = 40;
/// How often the pairs are chosen anew where a bot has no near partner.
pub const CHOOSE_EVERY: Duration = Duration::from_secs(1);

/// Who watches whom.
#[derive(Debug, Default)]
pub struct Pairs {
    watches: HashMap<u32, Watch>,
    /// Age of the newest input when its effect is decoded.
    pub latency: Times,
    /// Age of every input when an effect of it or of a later one is decoded.
    pub seen: Times,
    measured: std::collections::HashSet<(u32, u32)>,
}

/// One pair.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// The entity that is watched.
    pub entity: EntityId,
    /// The bot behind it.
    pub bot: u32,
    last: Option<InputSeq>,
}

impl Pairs {
    /// Whom `observer` watches.
    #[must_use]
    pub fn watched_by(&self, observer: u32) -> Option<Watch> {
        self.watches.get(&observer).copied()
    }

    /// Lets `observer` watch the nearest of `candidates` (entity, bot, place) that stands within [`NEAR_M`]. An observer
    /// who already watches one of them goes on with it. Nobody watches when none is near.
    pub fn choose(
        &mut self,
        observer: u32,
        place: Position,
        candidates: impl Iterator<Item = (EntityId, u32, Position)>,
    ) {
        let held = self.watches.get(&observer).map(|watch| watch.entity);
        let mut nearest: Option<(i64, EntityId, u32)> = None;
        for (entity, bot, at) in candidates.filter(|(_, bot, at)| *bot != observer && at.within(place, NEAR_M)) {
            if held == Some(entity) {
                return;
            }
            let distance = at.distance_squared(place);
            if nearest.is_none_or(|(least, ..)| distance < least) {
                nearest = Some((distance, entity, bot));
            }
        }
        match nearest {
            Some((_, entity, bot)) if held.is_some() || self.watches.len() < MAX_PAIRS => {
                self.watches.insert(observer, Watch { entity, bot, last: None });
            }
            Some(_) => {}
            None => self.stop(observer),
        }
    }

    /// `observer` watches nobody any more.
    pub fn stop(&mut self, observer: u32) {
        self.watches.remove(&observer);
    }

    /// `observer` has decoded, `now`, a state of the watched entity in which input `shown` was the last applied;
    /// `made_at` tells when an input was made.
    pub fn decoded(
        &mut self,
        observer: u32,
        shown: InputSeq,
        now: Instant,
        made_at: impl Fn(InputSeq) -> Option<Instant>,
    ) {
        let Some(watch) = self.watches.get_mut(&observer) else { return };
        let Some(last) = watch.last.replace(shown) else { return };
        let news = shown.0.wrapping_sub(last.0) as i32;
        if news <= 0 {
            return;
        }
        if let Some(made) = made_at(shown) {
            self.latency.record(now.saturating_duration_since(made));
            self.measured.insert((observer, watch.bot));
        }
        for offset in 0..news as u32 {
            if let Some(made) = made_at(InputSeq(shown.0.wrapping_sub(offset))) {
                self.seen.record(now.saturating_duration_since(made));
            }
        }
    }

    /// Pairs that have given samples.
    #[must_use]
    pub fn measured(&self) -> usize {
        self.measured.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_watched_until_it_walks_away() {
        let mut pairs = Pairs::default();
        let at = Position::from_metres;
        let entity = |bot: u32| EntityId(u64::from(bot) + 100);
        let someone = |bot: u32, x: i32| (entity(bot), bot, at(x, 0));
        pairs.choose(0, at(0, 0), [someone(0, 0), someone(1, 30), someone(2, 20), someone(3, 80)].into_iter());
        assert_eq!(pairs.watched_by(0).map(|watch| watch.bot), Some(2));
        pairs.choose(0, at(0, 0), [someone(1, 5), someone(2, 20)].into_iter());
        assert_eq!(pairs.watched_by(0).map(|watch| watch.bot), Some(2), "a pair stays together");
        pairs.choose(0, at(0, 0), [someone(1, 5), someone(2, 70)].into_iter());
        assert_eq!(pairs.watched_by(0).map(|watch| watch.bot), Some(1));
        pairs.choose(0, at(0, 0), [someone(3, 80)].into_iter());
        assert!(pairs.watched_by(0).is_none());
    }

    #[test]
    fn the_newest_input_counts_for_latency_and_every_input_for_seen() {
        let start = Instant::now();
        let made = |seq: InputSeq| Some(start + Duration::from_millis(u64::from(seq.0) * 10));
        let mut pairs = Pairs::default();
        let here = Position::from_metres(0, 0);
        pairs.choose(0, here, [(EntityId(5), 1, here)].into_iter());
        pairs.decoded(0, InputSeq(10), start + Duration::from_millis(120), made);
        assert_eq!(pairs.latency.count(), 0, "the first sight only tells where it stands");
        pairs.decoded(0, InputSeq(13), start + Duration::from_millis(150), made);
        pairs.decoded(0, InputSeq(13), start + Duration::from_millis(200), made);
        assert_eq!((pairs.latency.count(), pairs.seen.count(), pairs.measured()), (1, 3, 1));
        assert!((pairs.latency.latencies().p50 - 20.0).abs() < 0.1);
        assert!((pairs.seen.gaps().max - 40.0).abs() < 0.1);
    }

    #[test]
    fn pairs_are_bounded() {
        let mut pairs = Pairs::default();
        let here = Position::from_metres(0, 0);
        for observer in 0..500 {
            pairs.choose(observer, here, [(EntityId(5), 1_000, here)].into_iter());
        }
        assert_eq!(pairs.watches.len(), MAX_PAIRS);
    }
}
