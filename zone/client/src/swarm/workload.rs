//! The workloads: who joins when and where, what everybody does, and who leaves when. Pure and seeded.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use darkages_topology::world::{SPRINT_SPEED_M_PER_S, UNITS_PER_METRE};
use darkages_topology::{Position, Rect};
use rand::RngExt;
use rand_pcg::Pcg32;
use serde::{Deserialize, Serialize};

use super::ground::{Border, Ground, around, centre, clamp};
use super::mind::{Behaviour, COMMUTE, Orbit, somewhere, stream};

/// Joins a second while a run begins.
const JOINS_PER_S: u32 = 60;
/// Bots leave for good over this share of a run, its last one, so that the last inputs are still acknowledged.
const LEAVING_SHARE: f64 = 0.03;
/// The same, at most: nothing may befall the world meanwhile that would keep somebody from leaving well.
const LEAVING_FOR: Duration = Duration::from_secs(5);
/// When the bots of a crowd leave it, as shares of the run.
const GATHERED_UNTIL: std::ops::Range<f64> = 0.8..0.98;
/// Joins, and leaves, a second of `churn`.
const CHURN_PER_S: u32 = 20;
/// Shortest time between two joins of one `churn` bot.
const CHURN_SHORTEST: Duration = Duration::from_secs(4);
/// Radius of the disc in which `gather` meets, in metres.
const GATHER_RADIUS_M: i32 = 40;
/// Radius of a crowd of `hotspots`, in metres.
const HOTSPOT_RADIUS_M: i32 = 30;
/// Crowds of `hotspots`.
const HOTSPOTS: u32 = 4;
/// Speed of a moving crowd, in metres a second: half a walk, so that everybody keeps up.
const HOTSPOT_SPEED_M_PER_S: f64 = 3.0;
/// Side of the square of `crowd`, in metres.
const CROWD_SIDE_M: i32 = 100;
/// Side of the ground over which the other workloads spread, in metres: 1 km².
const SPREAD_SIDE_M: i32 = 1_000;
/// Distance that wandering bots of `border` keep to the border, in metres, so that only the crossing ones cross.
const BORDER_MARGIN_M: i32 = 10;
/// One of so many `border` bots crosses.
const CROSSING_SHARE: u32 = 10;
/// How far from the border a `caravan` turns back, in metres: the nearest and the farthest.
const CARAVAN_REACH_M: std::ops::Range<i32> = 4..30;
/// Of so many caravans all but one are on the same side at the same time.
const CARAVANS: u32 = 4;
/// Caravans of one side set off within so long, so that some are at the border at most times.
const CARAVAN_SPREAD: Duration = Duration::from_secs(3);
/// How far each partner of a pair stands from the border or the pair's middle, in units: 1 m.
const PARTNER_OFFSET: i32 = UNITS_PER_METRE;

/// What the bots of a swarm do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// Join uniformly, walk to one point, mill about in a disc, leave one by one near the end.
    Gather,
    /// All in 100 m × 100 m.
    Crowd,
    /// Uniform over 1 km², wandering.
    Spread,
    /// 10 % cross a border at sprint and turn back 100 m past it.
    Border,
    /// Four moving crowds.
    Hotspots,
    /// Pairs exchange gold and items all the time, also across borders.
    Trade,
    /// 20 joins and 20 leaves a second.
    Churn,
    /// Pairs walk to and fro across a border and trade on their way.
    Caravan,
}

impl Workload {
    /// All of them, in the order of the help text.
    pub const ALL: [Self; 8] = [
        Self::Gather,
        Self::Crowd,
        Self::Spread,
        Self::Border,
        Self::Hotspots,
        Self::Trade,
        Self::Churn,
        Self::Caravan,
    ];

    /// Its name on the command line and in reports.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Gather => "gather",
            Self::Crowd => "crowd",
            Self::Spread => "spread",
            Self::Border => "border",
            Self::Hotspots => "hotspots",
            Self::Trade => "trade",
            Self::Churn => "churn",
            Self::Caravan => "caravan",
        }
    }

    /// When the first bot of a run of this length leaves for good.
    #[must_use]
    pub fn first_leaves_at(self, length: Duration) -> Duration {
        match self {
            Self::Gather => length.mul_f64(GATHERED_UNTIL.start),
            _ => length - length.mul_f64(LEAVING_SHARE).min(LEAVING_FOR),
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// A name that is no workload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("workload {given:?} is unknown: use gather, crowd, spread, border, hotspots, trade, churn or caravan")]
pub struct UnknownWorkload {
    /// What was asked for.
    pub given: String,
}

impl FromStr for Workload {
    type Err = UnknownWorkload;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|workload| workload.label() == given)
            .ok_or_else(|| UnknownWorkload { given: given.to_owned() })
    }
}

/// One bot's part in a run. Times count from the start of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Where it would like to appear.
    pub spawn: Position,
    /// When it joins first.
    pub joins_at: Duration,
    /// When it leaves for good; always before the end of the run.
    pub leaves_at: Duration,
    /// For bots that come and go: how long they stay and how long they are away.
    pub cycle: Option<(Duration, Duration)>,
    /// What it does in between.
    pub behaviour: Behaviour,
    /// The bot that it trades with.
    pub partner: Option<u32>,
}

/// The parts of all `players` bots of a run of `length` on `ground`.
#[must_use]
pub fn cast(workload: Workload, players: u32, length: Duration, seed: u64, ground: &Ground) -> Vec<Part> {
    let borders = ground.borders();
    (0..players).map(|bot| part(workload, bot, players, length, seed, ground, &borders)).collect()
}

fn part(
    workload: Workload,
    bot: u32,
    players: u32,
    length: Duration,
    seed: u64,
    ground: &Ground,
    borders: &[Border],
) -> Part {
    // Places and times come from another stream than the decisions later, so that both can grow without moving the other.
    let mut rng = stream(!seed, bot);
    let joins_at = joins_at(bot, players, length);
    let first_leaves_at = workload.first_leaves_at(length);
    let mut leaves_at =
        first_leaves_at + (length - first_leaves_at).mul_f64(f64::from(bot) / f64::from(players.max(1)));
    let mut cycle = None;
    let mut partner = None;
    let (spawn, behaviour) = match workload {
        Workload::Gather => {
            leaves_at = length.mul_f64(rng.random_range(GATHERED_UNTIL));
            gather(&mut rng, players, length, ground)
        }
        Workload::Crowd => wander(&mut rng, ground.middle_square(CROWD_SIDE_M)),
        Workload::Spread => wander(&mut rng, ground.middle_square(SPREAD_SIDE_M)),
        Workload::Border => border(&mut rng, bot, ground),
        Workload::Hotspots => hotspot(&mut rng, bot, ground),
        Workload::Trade => {
            partner = partner_of(bot, players);
            trade(seed, bot, ground, borders)
        }
        Workload::Caravan => {
            partner = partner_of(bot, players);
            caravan(seed, bot, ground)
        }
        Workload::Churn => {
            cycle = Some(churn_cycle(players));
            wander(&mut rng, ground.middle_square(SPREAD_SIDE_M))
        }
    };
    Part { spawn, joins_at, leaves_at, cycle, behaviour, partner }
}

fn partner_of(bot: u32, players: u32) -> Option<u32> {
    Some(bot ^ 1).filter(|partner| *partner < players)
}

/// Joins come at a steady rate; short runs are in a greater hurry, because joining must not fill a run.
fn joins_at(bot: u32, players: u32, length: Duration) -> Duration {
    let steady = Duration::from_secs(1).mul_f64(f64::from(players) / f64::from(JOINS_PER_S));
    let ramp = steady.min(length.mul_f64(0.2));
    ramp.mul_f64(f64::from(bot) / f64::from(players.max(1)))
}

fn wander(rng: &mut Pcg32, area: Rect) -> (Position, Behaviour) {
    (somewhere(rng, &area), Behaviour::Wander { area })
}

/// Uniform over ground from which everybody reaches the middle in about a third of the run.
fn gather(rng: &mut Pcg32, players: u32, length: Duration, ground: &Ground) -> (Position, Behaviour) {
    let middle = centre(&ground.bounds);
    let reach = (length.as_secs_f64() / 3.0 * f64::from(SPRINT_SPEED_M_PER_S)) as i32;
    let side = (f64::from(2 * reach) / std::f64::consts::SQRT_2) as i32;
    let area = around(middle, side.clamp(2 * GATHER_RADIUS_M, SPREAD_SIDE_M), &ground.bounds);
    let spawn = somewhere(rng, &area);
    // A bot wanders near the place where it came in until all have joined.
    let near = around(spawn, 40, &ground.bounds);
    let from = joins_at(players, players, length) + Duration::from_millis(rng.random_range(500..2_500));
    let radius = GATHER_RADIUS_M * UNITS_PER_METRE;
    (spawn, Behaviour::Gather { area: near, from, middle, radius })
}

fn border(rng: &mut Pcg32, bot: u32, ground: &Ground) -> (Position, Behaviour) {
    let border = ground.main_border();
    let square = around(border.place(border.len() / 2, 0), SPREAD_SIDE_M, &ground.bounds);
    let (along_min, along_max) =
        if border.vertical { (square.min.y, square.max.y) } else { (square.min.x, square.max.x) };
    if bot.is_multiple_of(CROSSING_SHARE) {
        let lane = rng.random_range(along_min.max(border.from)..along_max.min(border.to)) - border.from;
        let reach = super::mind::CROSSING_REACH_M * UNITS_PER_METRE;
        let spawn = clamp(border.place(lane, rng.random_range(-reach..reach)), &ground.bounds);
        return (spawn, Behaviour::Cross { border, lane });
    }
    let margin = BORDER_MARGIN_M * UNITS_PER_METRE;
    let mut side = square;
    match (border.vertical, rng.random::<bool>()) {
        (true, true) => side.max.x = border.at - margin,
        (true, false) => side.min.x = border.at + margin,
        (false, true) => side.max.y = border.at - margin,
        (false, false) => side.min.y = border.at + margin,
    }
    // A world narrower than the margin has no such side.
    let area = if side.min.x < side.max.x && side.min.y < side.max.y { side } else { square };
    wander(rng, area)
}

fn hotspot(rng: &mut Pcg32, bot: u32, ground: &Ground) -> (Position, Behaviour) {
    let area = ground.middle_square(SPREAD_SIDE_M);
    let radius_x = area.width() * 3 / 8;
    let radius_y = area.height() * 3 / 8;
    let metres = f64::from(radius_x.max(radius_y)) / f64::from(UNITS_PER_METRE);
    let period = Duration::from_secs_f64(std::f64::consts::TAU * metres / HOTSPOT_SPEED_M_PER_S);
    let phase = f64::from(bot % HOTSPOTS) / f64::from(HOTSPOTS);
    let path = Orbit { middle: centre(&area), radius_x, radius_y, phase, period };
    let radius = HOTSPOT_RADIUS_M * UNITS_PER_METRE;
    let spawn = clamp(super::mind::in_disc(rng, path.at(Duration::ZERO), radius), &ground.bounds);
    (spawn, Behaviour::Follow { path, radius })
}

/// Even pairs stand on the two sides of a border and swap them, odd pairs stand together anywhere.
fn trade(seed: u64, bot: u32, ground: &Ground, borders: &[Border]) -> (Position, Behaviour) {
    let pair = bot / 2;
    let mut rng = stream_of_pair(seed, pair);
    let side = if bot.is_multiple_of(2) { -PARTNER_OFFSET } else { PARTNER_OFFSET };
    let (post, other) = if pair.is_multiple_of(2) && !borders.is_empty() {
        let border = borders[(pair / 2) as usize % borders.len()];
        let along = rng.random_range(0..border.len().max(1));
        (border.place(along, side), border.place(along, -side))
    } else {
        let middle = somewhere(&mut rng, &ground.middle_square(SPREAD_SIDE_M));
        let post = Position { x: middle.x + side, y: middle.y };
        (post, post)
    };
    let (post, other) = (clamp(post, &ground.bounds), clamp(other, &ground.bounds));
    (post, Behaviour::Post { post, other })
}

/// Both partners draw the same numbers.
fn stream_of_pair(seed: u64, pair: u32) -> Pcg32 {
    stream(seed ^ 0x7261_6465, pair)
}

/// Pairs side by side, on their way across the main border most of the time. Most of them are on the same side, so that zones
/// split there, and merge when all have left.
fn caravan(seed: u64, bot: u32, ground: &Ground) -> (Position, Behaviour) {
    let pair = bot / 2;
    let mut rng = stream_of_pair(seed, pair);
    let border = ground.main_border();
    let lane = rng.random_range(0..border.len().max(1)) + if bot.is_multiple_of(2) { 0 } else { 2 * PARTNER_OFFSET };
    let reach = rng.random_range(CARAVAN_REACH_M) * UNITS_PER_METRE;
    let late = CARAVAN_SPREAD.mul_f64(rng.random_range(0.0..1.0));
    // The few are half a way behind the many.
    let late = if pair.is_multiple_of(CARAVANS) { late + COMMUTE / 2 } else { late };
    let one = clamp(border.place(lane, -reach), &ground.bounds);
    let other = clamp(border.place(lane, reach), &ground.bounds);
    (one, Behaviour::Commute { one, other, late })
}

/// How long a `churn` bot stays and how long it is away, so that all together join [`CHURN_PER_S`] times a second.
fn churn_cycle(players: u32) -> (Duration, Duration) {
    let period = Duration::from_secs_f64(f64::from(players) / f64::from(CHURN_PER_S)).max(CHURN_SHORTEST);
    (period.mul_f64(0.75), period.mul_f64(0.25))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quarters() -> Ground {
        let at = Position::from_metres;
        let rect = |a, b, c, d| Rect { min: at(a, b), max: at(c, d) };
        Ground {
            bounds: rect(-1000, -1000, 1000, 1000),
            shards: vec![
                rect(-1000, -1000, 0, 0),
                rect(0, -1000, 1000, 0),
                rect(-1000, 0, 0, 1000),
                rect(0, 0, 1000, 1000),
            ],
        }
    }

    #[test]
    fn every_part_of_every_workload_stays_within_bounds_and_time() {
        let ground = quarters();
        for workload in Workload::ALL {
            for length in [Duration::from_secs(60), Duration::from_secs(3_600)] {
                let leave = workload.first_leaves_at(length)..length;
                for part in cast(workload, 200, length, 11, &ground) {
                    assert!(ground.bounds.contains(part.spawn), "{workload}: {part:?}");
                    assert!(part.joins_at < part.leaves_at && leave.contains(&part.leaves_at), "{workload}: {part:?}");
                }
            }
            assert_eq!(workload.label().parse(), Ok(workload));
        }
        assert!("gathering".parse::<Workload>().is_err());
    }

    #[test]
    fn a_tenth_crosses_and_half_of_the_pairs_stand_across_a_border() {
        let ground = quarters();
        let length = Duration::from_secs(60);
        let crossing = cast(Workload::Border, 500, length, 1, &ground)
            .iter()
            .filter(|part| matches!(part.behaviour, Behaviour::Cross { .. }))
            .count();
        assert_eq!(crossing, 50);
        let shard_of = |place: Position| ground.shards.iter().position(|shard| shard.contains(place));
        let parts = cast(Workload::Trade, 200, length, 1, &ground);
        let across = parts.chunks(2).filter(|pair| shard_of(pair[0].spawn) != shard_of(pair[1].spawn)).count();
        assert_eq!(across, 50);
        assert!(parts.chunks(2).all(|pair| pair[0].spawn.within(pair[1].spawn, 2)));
        assert_eq!((parts[0].partner, parts[1].partner), (Some(1), Some(0)));
    }

    #[test]
    fn caravans_cross_the_border_in_pairs_and_most_of_them_together() {
        let ground = quarters();
        let parts = cast(Workload::Caravan, 80, Duration::from_secs(60), 1, &ground);
        let border = ground.main_border();
        let (mut many, mut few) = (0, 0);
        for pair in parts.chunks(2) {
            assert!(pair[0].spawn.within(pair[1].spawn, 3), "{pair:?}");
            let Behaviour::Commute { one, other, late } = pair[0].behaviour else { panic!("{pair:?}") };
            assert!(border.across(one) < 0 && border.across(other) > 0, "{pair:?}");
            *(if late < CARAVAN_SPREAD { &mut many } else { &mut few }) += 1;
        }
        assert_eq!((many, few), (30, 10));
    }

    #[test]
    fn the_cast_depends_on_the_seed_alone() {
        let length = Duration::from_secs(30);
        let one = cast(Workload::Gather, 50, length, 5, &quarters());
        assert_eq!(one, cast(Workload::Gather, 50, length, 5, &quarters()));
        assert_ne!(one, cast(Workload::Gather, 50, length, 6, &quarters()));
    }

    #[test]
    fn churn_joins_twenty_times_a_second() {
        let (stay, away) = churn_cycle(200);
        assert_eq!((stay + away).as_secs(), 10);
    }
}
