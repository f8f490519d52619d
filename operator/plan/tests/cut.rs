//! Cuts: what every one of them keeps, whatever the crowd.

use darkages_plan::config::CutConfig;
use darkages_plan::sight::SIGHT_M;
use darkages_plan::{CostModel, Cut, CutRules, Infeasible, SideForecast};
use darkages_topology::world::{BORDER_M, UNITS_PER_METRE};
use darkages_topology::{Axis, Position, Rect};
use proptest::prelude::*;

const COSTS: CostModel = CostModel { player_us: 10.0, view_us: 0.1, ghost_us: 1.0 };

fn find(ground: Rect, players: &[Position]) -> Result<Cut, Infeasible> {
    Cut::find(CutRules { config: &CutConfig::default(), costs: &COSTS }, ground, players, &[])
}

fn ground(width: i32, height: i32) -> Rect {
    Rect::new(Position::default(), Position::from_metres(width, height)).expect("sizes are positive")
}

/// Players in up to three clusters of any density, some on the very same spot, and some outside the ground.
fn crowd() -> impl Strategy<Value = Vec<Position>> {
    let units = UNITS_PER_METRE;
    let cluster =
        (0..1000 * units, 0..1000 * units, 1..400 * units, 1..120_usize).prop_flat_map(move |(x, y, size, count)| {
            prop::collection::vec((x..x + size, y..y + size).prop_map(|(x, y)| Position { x, y }), count)
        });
    prop::collection::vec(cluster, 1..4).prop_map(|clusters| clusters.concat())
}

fn by_looking_at_everybody(ground: Rect, players: &[Position]) -> (u32, u32, u64) {
    let border = i64::from(BORDER_M * UNITS_PER_METRE);
    let is_known = |at: &&Position| ground.distance_squared(**at) <= border * border;
    let known: Vec<&Position> = players.iter().filter(is_known).collect();
    let inside: Vec<&Position> = known.iter().copied().filter(|at| ground.contains(**at)).collect();
    let seen = |from: &&Position| known.iter().filter(|at| from.within(***at, SIGHT_M)).count() as u64 - 1;
    (inside.len() as u32, (known.len() - inside.len()) as u32, inside.iter().map(seen).sum())
}

proptest! {
    #[test]
    fn every_cut_keeps_players_and_ground_on_both_sides_and_forecasts_the_truth(
        players in crowd(), width in 20..1200_i32, height in 20..1200_i32,
    ) {
        let ground = ground(width, height);
        let inside = players.iter().filter(|at| ground.contains(**at)).count() as u32;
        let config = CutConfig::default();
        if let Ok(cut) = find(ground, &players) {
            let (low, high) = ground.cut(cut.axis, cut.at).expect("a cut leaves ground on both sides");
            for (part, side) in [(low, cut.low), (high, cut.high)] {
                prop_assert!(part.extent(cut.axis) >= config.min_extent_units());
                prop_assert!(side.players * 100 >= inside * config.min_side_percent);
                let SideForecast { players: own, ghosts, views, cost_ms } = side;
                prop_assert_eq!((own, ghosts, views), by_looking_at_everybody(part, &players));
                prop_assert_eq!(cost_ms, COSTS.tick_ms(own, views, ghosts));
            }
            prop_assert_eq!(cut.low.players + cut.high.players, inside);
            prop_assert_eq!(cut.moved_players(), cut.low.players.min(cut.high.players));
        }
    }

    #[test]
    fn a_crowd_is_refused_only_when_no_line_would_do(players in crowd(), width in 20..1200_i32, height in 20..1200_i32) {
        let ground = ground(width, height);
        let inside: Vec<Position> = players.iter().copied().filter(|at| ground.contains(*at)).collect();
        let config = CutConfig::default();
        let margin = config.min_extent_units();
        let would_do = |axis: Axis, at: i32| {
            let low = inside.iter().filter(|position| axis.of(**position) < at).count();
            let keeps = |players: usize| players > 0 && players * 100 >= inside.len() * config.min_side_percent as usize;
            at - axis.of(ground.min) >= margin && axis.of(ground.max) - at >= margin
                && keeps(low) && keeps(inside.len() - low)
        };
        if find(ground, &players).is_err() {
            for axis in Axis::BOTH {
                // A line can be moved to the next player above it, or to the margin, without changing anything.
                let margins = [axis.of(ground.min) + margin, axis.of(ground.max) - margin];
                for at in inside.iter().map(|position| axis.of(*position)).chain(margins) {
                    prop_assert!(!would_do(axis, at), "a cut at {axis} = {at} would have done");
                }
            }
        }
    }
}

#[test]
fn two_towns_are_cut_between_them() {
    let town = |x: i32| (0..300).map(move |n| Position::from_metres(x + n % 20, 480 + n / 20));
    let players: Vec<_> = town(100).chain(town(800)).collect();
    let cut = find(ground(1000, 1000), &players).unwrap();
    assert_eq!((cut.axis, cut.low.players, cut.high.players), (Axis::X, 300, 300));
    assert_eq!((cut.low.ghosts, cut.high.ghosts), (0, 0), "nobody stands near the border");
}

#[test]
fn the_larger_side_keeps_at_most_its_share_of_the_views() {
    // A dense town with 60 % of the players has nearly all views. Cutting beside it would move the fewest, and relieve nobody.
    let town = (0..360).map(|n| Position::from_metres(100 + n % 20 * 5, 450 + n / 20 * 5));
    let country = (0..240).map(|n| Position::from_metres(400 + n * 73 % 600, n * 157 % 1000));
    let players: Vec<_> = town.chain(country).collect();
    let cut = find(ground(1000, 1000), &players).unwrap();
    let views = cut.low.views + cut.high.views;
    assert!(cut.low.views.max(cut.high.views) * 100 <= views * 70, "{cut:?}");
}

#[test]
fn what_cannot_be_cut_is_explained() {
    let heap = vec![Position::from_metres(5, 5); 600];
    assert_eq!(find(ground(1000, 1000), &heap), Err(Infeasible::TooDense { min_side_percent: 30, min_extent_m: 25 }));
    assert_eq!(find(ground(49, 30), &heap), Err(Infeasible::TooNarrow { width_m: 49, height_m: 30, min_extent_m: 25 }));
    assert_eq!(find(ground(1000, 1000), &heap[..1]), Err(Infeasible::TooFewPlayers { players: 1 }));
    assert_eq!(find(ground(1000, 1000), &[]).unwrap_err().label(), "too_few_players");
}
