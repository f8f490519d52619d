//! What one bot wants to do: a seeded, deterministic decision from its position, the time and its behaviour.
//!
//! A mind decides some times a second, not with every input: people hold a key for a while, and the wire is made for that.

use std::f64::consts::TAU;
use std::time::Duration;

use darkages_topology::world::UNITS_PER_METRE;
use darkages_topology::{Position, Rect};
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg32;

use super::ground::{Border, clamp};

/// How near a bot comes to the place that it wants, in units: 1.5 m, a little more than it sprints between two decisions.
const ARRIVED: i64 = UNITS_PER_METRE as i64 * 3 / 2;
/// How near a standing bot keeps to its post, in units: half a metre.
const AT_POST: i64 = UNITS_PER_METRE as i64 / 2;
/// How far past the border a crossing bot turns back, in metres.
pub const CROSSING_REACH_M: i32 = 100;
/// Longest rest between two walks.
const LONGEST_REST_MS: u64 = 2_000;
/// How long a pair stands on its two sides of a border before it swaps them.
const SWAP_SIDES_EVERY: Duration = Duration::from_secs(8);
/// Time from one departure of a commuting bot to the next.
pub const COMMUTE: Duration = Duration::from_secs(12);

/// What a bot holds its controls to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steer {
    /// Direction in 1/256 of a turn, 0 to the east, 64 to the north.
    pub heading: u8,
    /// Whether it walks.
    pub moving: bool,
    /// Whether it sprints; means nothing while it stands.
    pub sprint: bool,
}

/// How a bot spends its time.
#[derive(Clone, Debug, PartialEq)]
pub enum Behaviour {
    /// Walks from one random place of `area` to the next, with short rests.
    Wander {
        /// Where it stays.
        area: Rect,
    },
    /// Wanders in `area` until `from`, then sprints to the disc and mills about in it.
    Gather {
        /// Where it waits.
        area: Rect,
        /// When it sets off, since the start of the run.
        from: Duration,
        /// The middle of the disc.
        middle: Position,
        /// Its radius in units.
        radius: i32,
    },
    /// Sprints to and fro over a border and turns back [`CROSSING_REACH_M`] past it.
    Cross {
        /// The border.
        border: Border,
        /// Where along the border its lane lies, in units from the border's beginning.
        lane: i32,
    },
    /// Mills about in a disc whose middle moves.
    Follow {
        /// The path of the middle.
        path: Orbit,
        /// Radius of the disc in units.
        radius: i32,
    },
    /// Stands at its post, near its partner; pairs at a border swap sides now and then.
    Post {
        /// Where it stands at first.
        post: Position,
        /// Where it stands every second time.
        other: Position,
    },
    /// Walks from one place to another and back, again and again, and stands in between.
    Commute {
        /// Where it is at first.
        one: Position,
        /// Where it goes.
        other: Position,
        /// How late it sets off, each time.
        late: Duration,
    },
}

/// An ellipse that a moving crowd's middle follows, slower than a walk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Orbit {
    /// Middle of the ellipse.
    pub middle: Position,
    /// Half its extent from west to east, in units.
    pub radius_x: i32,
    /// Half its extent from south to north, in units.
    pub radius_y: i32,
    /// Where on it the crowd begins, in turns (0 to 1).
    pub phase: f64,
    /// Time of one turn.
    pub period: Duration,
}

impl Orbit {
    /// Where the middle of the crowd is `at` after the start of the run.
    #[must_use]
    pub fn at(&self, at: Duration) -> Position {
        let turn = TAU * (self.phase + at.as_secs_f64() / self.period.as_secs_f64());
        Position {
            x: self.middle.x + (f64::from(self.radius_x) * turn.cos()) as i32,
            y: self.middle.y + (f64::from(self.radius_y) * turn.sin()) as i32,
        }
    }
}

/// One bot's mind.
#[derive(Clone, Debug)]
pub struct Mind {
    behaviour: Behaviour,
    bounds: Rect,
    rng: Pcg32,
    target: Option<Position>,
    rest_until: Duration,
    outward: bool,
}

impl Mind {
    /// A mind with its own stream of random numbers: bot number `bot` of the run with this seed.
    #[must_use]
    pub fn new(behaviour: Behaviour, bounds: Rect, seed: u64, bot: u32) -> Self {
        Self { behaviour, bounds, rng: stream(seed, bot), target: None, rest_until: Duration::ZERO, outward: true }
    }

    /// Moves a crossing bot to the border as it lies now; other behaviours do not depend on borders once they have begun.
    pub fn border_moved(&mut self, now: Border) {
        if let Behaviour::Cross { border, lane } = &mut self.behaviour
            && *border != now
        {
            *lane = (*lane).min(now.len() - 1).max(0);
            *border = now;
        }
    }

    /// What to do now, `at` after the start of the run, standing at `position`.
    pub fn decide(&mut self, at: Duration, position: Position) -> Steer {
        match self.behaviour.clone() {
            Behaviour::Wander { area } => self.wander(at, position, |rng| somewhere(rng, &area), false),
            Behaviour::Gather { area, from, .. } if at < from => {
                self.wander(at, position, |rng| somewhere(rng, &area), false)
            }
            Behaviour::Gather { middle, radius, .. } => self.mill(at, position, middle, radius),
            Behaviour::Follow { path, radius } => self.mill(at, position, path.at(at), radius),
            Behaviour::Cross { border, lane } => self.cross(position, border, lane),
            Behaviour::Post { post, other } => {
                let swapped = (at.as_secs() / SWAP_SIDES_EVERY.as_secs()) % 2 == 1;
                let target = if swapped { other } else { post };
                steer(position, target, AT_POST, false)
            }
            Behaviour::Commute { one, other, late } => {
                let departures = at.saturating_sub(late).as_nanos() / COMMUTE.as_nanos();
                steer(position, if departures % 2 == 1 { other } else { one }, AT_POST, false)
            }
        }
    }

    /// The bot's stream of random numbers, for decisions other than where to walk.
    pub fn rng(&mut self) -> &mut impl Rng {
        &mut self.rng
    }

    fn wander(
        &mut self,
        at: Duration,
        position: Position,
        next: impl FnOnce(&mut Pcg32) -> Position,
        sprint: bool,
    ) -> Steer {
        if at < self.rest_until {
            return Steer::default();
        }
        let target = match self.target {
            Some(target) => target,
            None => clamp(next(&mut self.rng), &self.bounds),
        };
        let steer = steer(position, target, ARRIVED, sprint);
        if steer.moving {
            self.target = Some(target);
        } else {
            self.target = None;
            self.rest_until = at + Duration::from_millis(self.rng.random_range(0..LONGEST_REST_MS));
        }
        steer
    }

    /// Sprints into the disc when outside, wanders in it otherwise.
    fn mill(&mut self, at: Duration, position: Position, middle: Position, radius: i32) -> Steer {
        let inside = position.distance_squared(middle) <= i64::from(radius) * i64::from(radius);
        if !inside {
            self.rest_until = Duration::ZERO;
            self.target = None;
            return steer(position, clamp(middle, &self.bounds), ARRIVED, true);
        }
        // Half of the radius: a walk inside never leaves a disc that moves slowly.
        self.wander(at, position, |rng| in_disc(rng, middle, radius), false)
    }

    fn cross(&mut self, position: Position, border: Border, lane: i32) -> Steer {
        let reach = CROSSING_REACH_M * UNITS_PER_METRE;
        let across = border.across(position);
        if across >= reach {
            self.outward = false;
        } else if across <= -reach {
            self.outward = true;
        }
        // A little beyond the turning point, so that the bot passes it instead of stopping before it.
        let goal = reach + 2 * UNITS_PER_METRE;
        let target = clamp(border.place(lane, if self.outward { goal } else { -goal }), &self.bounds);
        let steer = steer(position, target, ARRIVED, true);
        if !steer.moving {
            // The world's edge is nearer than the turning point.
            self.outward = !self.outward;
        }
        steer
    }
}

/// The stream of random numbers of one bot.
#[must_use]
pub fn stream(seed: u64, bot: u32) -> Pcg32 {
    Pcg32::seed_from_u64(seed ^ (u64::from(bot) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A random place of `area`.
pub fn somewhere(rng: &mut impl Rng, area: &Rect) -> Position {
    Position { x: rng.random_range(area.min.x..area.max.x), y: rng.random_range(area.min.y..area.max.y) }
}

/// A random place of the disc, uniform by area.
pub fn in_disc(rng: &mut impl Rng, middle: Position, radius: i32) -> Position {
    let turn = rng.random_range(0.0..TAU);
    let distance = f64::from(radius) * rng.random_range(0.0_f64..1.0).sqrt();
    Position { x: middle.x + (distance * turn.cos()) as i32, y: middle.y + (distance * turn.sin()) as i32 }
}

/// Controls that lead from one place towards another; stands when it is nearer than `near` units.
fn steer(from: Position, to: Position, near: i64, sprint: bool) -> Steer {
    if from.distance_squared(to) <= near * near {
        return Steer::default();
    }
    let angle = f64::from(to.y - from.y).atan2(f64::from(to.x - from.x));
    let heading = ((angle / TAU * 256.0).round() as i32).rem_euclid(256) as u8;
    Steer { heading, moving: true, sprint }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::ground::{Ground, centre};

    const SPRINT_PER_DECISION: f64 = 9.0 * 64.0 / 10.0;
    const WALK_PER_DECISION: f64 = 6.0 * 64.0 / 10.0;

    fn world() -> Ground {
        let bounds = Rect { min: Position::from_metres(0, 0), max: Position::from_metres(1000, 1000) };
        let west = Rect { min: bounds.min, max: Position::from_metres(500, 1000) };
        let east = Rect { min: Position::from_metres(500, 0), max: bounds.max };
        Ground { bounds, shards: vec![west, east] }
    }

    /// Plays a mind for `seconds` at ten decisions a second and returns where it was.
    fn play(mind: &mut Mind, mut position: Position, seconds: u64) -> Vec<Position> {
        let mut path = Vec::new();
        for step in 0..seconds * 10 {
            let steer = mind.decide(Duration::from_millis(step * 100), position);
            if steer.moving {
                let length = if steer.sprint { SPRINT_PER_DECISION } else { WALK_PER_DECISION };
                let angle = f64::from(steer.heading) / 256.0 * TAU;
                position.x += (length * angle.cos()).round() as i32;
                position.y += (length * angle.sin()).round() as i32;
            }
            path.push(position);
        }
        path
    }

    #[test]
    fn headings_turn_from_east_over_north() {
        let here = Position::from_metres(10, 10);
        let heading = |x, y| steer(here, Position::from_metres(x, y), 1, false).heading;
        assert_eq!([heading(20, 10), heading(10, 20), heading(0, 10), heading(10, 0)], [0, 64, 128, 192]);
    }

    #[test]
    fn a_crossing_bot_turns_back_100_m_past_the_border_on_both_sides() {
        let ground = world();
        let border = ground.main_border();
        let mut mind = Mind::new(Behaviour::Cross { border, lane: 6400 }, ground.bounds, 7, 0);
        let path = play(&mut mind, border.place(6400, -640), 120);
        let across: Vec<i32> = path.iter().map(|place| border.across(*place) / 64).collect();
        assert!((100..104).contains(across.iter().max().expect("it moved")));
        assert!((-103..=-100).contains(across.iter().min().expect("it moved")));
        let crossings = across.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
        assert!(crossings >= 4, "{crossings} crossings in two minutes");
    }

    #[test]
    fn a_gathering_bot_waits_then_goes_and_stays_in_the_disc() {
        let ground = world();
        let middle = centre(&ground.bounds);
        let area = Rect { min: Position::from_metres(100, 100), max: Position::from_metres(140, 140) };
        let from = Duration::from_secs(10);
        let behaviour = Behaviour::Gather { area, from, middle, radius: 40 * 64 };
        let mut mind = Mind::new(behaviour, ground.bounds, 7, 3);
        let path = play(&mut mind, Position::from_metres(120, 120), 120);
        assert!(path[..100].iter().all(|place| area.contains(*place)), "it left its area before its time");
        let first = path.iter().position(|place| place.within(middle, 40)).expect("it never came");
        assert!(path[first..].iter().all(|place| place.within(middle, 42)), "it left the disc");
    }

    #[test]
    fn the_same_seed_makes_the_same_walk_and_another_bot_makes_another() {
        let ground = world();
        let walk = |seed, bot| {
            let mut mind = Mind::new(Behaviour::Wander { area: ground.bounds }, ground.bounds, seed, bot);
            play(&mut mind, centre(&ground.bounds), 60)
        };
        assert_eq!(walk(1, 1), walk(1, 1));
        assert_ne!(walk(1, 1), walk(1, 2));
        assert_ne!(walk(1, 1), walk(2, 1));
    }
}
