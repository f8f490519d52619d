//! The rules of the planner, one sentence each.

use std::collections::BTreeMap;
use std::time::Duration;

use darkages_plan::config::SplitConfig;
use darkages_plan::{
    Change, Condition, Infeasible, Observed, Phase, Plan, PlanConfig, Planner, Refusal, Report, Running, Why,
};
use darkages_topology::{Axis, Position, Rect, ShardId, Side, Topology, ZoneEndpoint, ZoneId};

/// A square of 1 km.
fn world() -> Rect {
    Rect::new(Position::default(), Position::from_metres(1000, 1000)).expect("a square is a rectangle")
}

fn zone(number: u16) -> ZoneEndpoint {
    ZoneEndpoint {
        zone: ZoneId(format!("zone-{number}")),
        address: ([127, 0, 0, 1], 7000 + number).into(),
        public_key: [number as u8; 32],
    }
}

/// `count` players spread over the columns `from..to` metres, without randomness.
fn players(count: i32, from: i32, to: i32) -> Vec<Position> {
    (0..count).map(|n| Position::from_metres(from + n * 73 % (to - from), n * 157 % 1000)).collect()
}

/// One shard served by zone 1, zones 2 to 9 on standby, `positions` in it.
fn one_shard(positions: Vec<Position>) -> Observed {
    let map = Topology::whole(world()).and_then(|map| map.assign(ShardId(1), zone(1))).expect("a whole world is a map");
    Observed {
        now: Duration::ZERO,
        reports: BTreeMap::from([(ShardId(1), report(&map, positions))]),
        map,
        conditions: BTreeMap::new(),
        standby: (2..10).map(zone).collect(),
        desired_shards: None,
    }
}

/// Two shards side by side that meet at x = 500 m.
fn two_shards(low: Vec<Position>, high: Vec<Position>) -> Observed {
    let mut observed = one_shard(vec![]);
    let (map, _) =
        observed.map.split(ShardId(1), Axis::X, 500 * 64, Side::High, Some(zone(2))).expect("500 m is inside");
    observed.reports = BTreeMap::from([(ShardId(1), report(&map, low)), (ShardId(2), report(&map, high))]);
    observed.standby.remove(0);
    observed.map = map;
    observed
}

fn report(map: &Topology, positions: Vec<Position>) -> Report {
    Report { revision: map.revision(), positions, ..Report::default() }
}

fn planner() -> Planner {
    Planner::new(PlanConfig::default()).expect("the defaults are good")
}

/// Looks at the same world now and `seconds` later; returns the later plan.
fn after(planner: &mut Planner, observed: &mut Observed, seconds: u64) -> Plan {
    assert_eq!(planner.plan(observed).operations, [], "nothing is done before it has held for a while");
    observed.now += Duration::from_secs(seconds);
    planner.plan(observed)
}

fn only(plan: &Plan) -> (&Change, Why) {
    assert_eq!(plan.operations.len(), 1, "{plan:?}");
    (&plan.operations[0].change, plan.operations[0].why)
}

fn refusals(plan: &Plan) -> Vec<Refusal> {
    assert_eq!(plan.operations, [], "nothing is done");
    plan.refused.iter().map(|refused| refused.because).collect()
}

#[test]
fn a_shard_with_too_many_players_is_split_after_two_seconds() {
    let mut observed = one_shard(players(501, 0, 1000));
    let (mut planner, mut early) = (planner(), observed.clone());
    early.now = Duration::from_millis(1999);
    assert_eq!(planner.plan(&observed).operations, []);
    assert_eq!(planner.plan(&early).operations, []);
    observed.now = Duration::from_secs(2);
    let plan = planner.plan(&observed);
    insta::assert_json_snapshot!(plan);
    assert_eq!(only(&plan).1, Why::TooManyPlayers { players: 501, limit: 500 });
}

#[test]
fn at_the_limit_nothing_is_split_and_a_dip_begins_the_wait_anew() {
    let mut observed = one_shard(players(500, 0, 1000));
    let mut planner = planner();
    assert_eq!(after(&mut planner, &mut observed, 60).operations, []);
    let mut crowded = one_shard(players(501, 0, 1000));
    for (second, is_crowded) in [(61, true), (62, false), (63, true), (64, true)] {
        crowded.now = Duration::from_secs(second);
        observed.now = crowded.now;
        assert_eq!(planner.plan(if is_crowded { &crowded } else { &observed }).operations, []);
    }
    crowded.now = Duration::from_secs(65);
    assert!(matches!(only(&planner.plan(&crowded)).0, Change::Split { .. }));
}

#[test]
fn a_slow_shard_is_split_after_five_seconds_and_rests_then() {
    let mut observed = one_shard(players(300, 0, 1000));
    observed.reports.get_mut(&ShardId(1)).unwrap().tick_p95 = Duration::from_millis(11);
    let mut planner = planner();
    assert_eq!(after(&mut planner, &mut observed, 4).operations, []);
    observed.now = Duration::from_secs(5);
    let plan = planner.plan(&observed);
    assert_eq!(only(&plan).1, Why::TickOverBudget { p95_us: 11_000, budget_us: 10_000 });
    // The map was not written; the shard rests all the same.
    observed.now += Duration::from_secs(1);
    assert_eq!(refusals(&planner.plan(&observed)), [Refusal::CoolingDown { left_ms: 29_000 }]);
}

#[test]
fn more_shards_are_made_when_somebody_wants_them_the_slowest_first() {
    let mut observed = two_shards(players(200, 0, 500), players(200, 500, 1000));
    observed.reports.get_mut(&ShardId(2)).unwrap().tick_p95 = Duration::from_millis(3);
    observed.desired_shards = Some(3);
    let plan = planner().plan(&observed);
    let (change, why) = only(&plan);
    assert!(matches!(change, Change::Split { shard: ShardId(2), new: ShardId(3), .. }));
    assert_eq!(why, Why::ShardsWanted { shards: 2, desired: 3 });
    observed.desired_shards = Some(4);
    assert_eq!(planner().plan(&observed).operations.len(), 2, "both are split in parallel");
}

#[test]
fn without_a_zone_on_standby_one_is_asked_for() {
    let mut observed = one_shard(players(600, 0, 1000));
    observed.standby.clear();
    let plan = after(&mut planner(), &mut observed, 2);
    assert_eq!(plan.zones_wanted, 1);
    assert_eq!(refusals(&plan), [Refusal::NoStandby]);
}

#[test]
fn a_crowd_that_no_cut_relieves_is_said_to_be_infeasible() {
    let mut observed = one_shard(vec![Position::from_metres(500, 500); 600]);
    let plan = after(&mut planner(), &mut observed, 2);
    let cut = Infeasible::TooDense { min_side_percent: 30, min_extent_m: 25 };
    assert_eq!(refusals(&plan), [Refusal::SplitInfeasible { cut }]);
    assert_eq!(plan.refused[0].because.label(), "split_infeasible");
}

#[test]
fn cold_siblings_merge_after_a_minute_and_the_emptier_one_gives() {
    let mut observed = two_shards(players(150, 0, 500), players(99, 500, 1000));
    let plan = after(&mut planner(), &mut observed, 60);
    let merge = Change::Merge { giver: ShardId(2), taker: ShardId(1) };
    assert_eq!(only(&plan), (&merge, Why::Cold { players: 249, limit: 250 }));
    let mut observed = two_shards(players(150, 0, 500), players(100, 500, 1000));
    assert!(!after(&mut planner(), &mut observed, 60).operations.iter().any(|made| made.change.label() == "merge"));
}

#[test]
fn nothing_merges_below_the_number_of_shards_that_somebody_wants() {
    let mut observed = two_shards(players(10, 0, 500), players(10, 500, 1000));
    observed.desired_shards = Some(2);
    assert_eq!(after(&mut planner(), &mut observed, 60).operations, []);
}

#[test]
fn slow_siblings_do_not_merge() {
    let mut observed = two_shards(players(100, 0, 500), players(100, 500, 1000));
    for report in observed.reports.values_mut() {
        report.tick_p95 = Duration::from_millis(6);
    }
    assert_eq!(after(&mut planner(), &mut observed, 60).operations, []);
}

#[test]
fn the_border_of_uneven_siblings_slides_until_they_are_even_enough() {
    let mut observed = two_shards(players(400, 0, 500), players(200, 500, 1000));
    let plan = after(&mut planner(), &mut observed, 10);
    let (change, why) = only(&plan);
    assert_eq!(why, Why::Uneven { less: 200, more: 400, differ_percent: 25 });
    let Change::Slide { cut, .. } = change else { panic!("{change:?}") };
    let (low, high) = (cut.low.players, cut.high.players);
    assert_eq!(low + high, 600);
    assert!(low > high && (low - high) * 100 <= low * 12, "{low} and {high} are even enough, and no more than that");
}

#[test]
fn siblings_that_differ_by_a_quarter_stay_as_they_are() {
    let mut observed = two_shards(players(400, 0, 500), players(300, 500, 1000));
    assert_eq!(after(&mut planner(), &mut observed, 100).operations, []);
}

#[test]
fn no_border_slides_while_a_split_is_due_unless_it_cannot_be_made() {
    let mut observed = two_shards(players(501, 0, 500), players(200, 500, 1000));
    let plan = after(&mut planner(), &mut observed, 10);
    assert!(matches!(only(&plan).0, Change::Split { .. }));
    observed.standby.clear();
    observed.now = Duration::ZERO;
    let plan = after(&mut planner(), &mut observed, 10);
    assert!(matches!(only(&plan).0, Change::Slide { .. }));
    assert_eq!((plan.zones_wanted, plan.refused[0].because), (1, Refusal::NoStandby));
}

#[test]
fn a_shard_with_players_on_foreign_ground_is_busy_and_so_is_the_owner_of_that_ground() {
    // A slide has just moved the border: 60 players of shard 1 stand on ground of shard 2.
    let mut observed = two_shards([players(501, 0, 500), players(60, 500, 1000)].concat(), players(501, 500, 1000));
    let plan = after(&mut planner(), &mut observed, 10);
    assert_eq!(refusals(&plan), [Refusal::Busy, Refusal::Busy]);
}

#[test]
fn a_few_players_on_their_way_over_a_border_keep_nobody_busy() {
    let mut observed = two_shards([players(501, 0, 500), players(4, 500, 1000)].concat(), players(100, 500, 1000));
    let plan = after(&mut planner(), &mut observed, 2);
    assert!(matches!(only(&plan).0, Change::Split { shard: ShardId(1), .. }));
}

#[test]
fn a_draining_zone_is_left_for_one_on_standby() {
    let mut observed = two_shards(players(300, 0, 500), players(300, 500, 1000));
    observed.conditions.insert(ShardId(2), Condition::Draining);
    let plan = planner().plan(&observed);
    assert_eq!(only(&plan), (&Change::Move { shard: ShardId(2), new: ShardId(3), zone: zone(3) }, Why::Draining));
}

#[test]
fn a_dead_zone_is_replaced_under_the_same_shard() {
    let mut observed = two_shards(players(300, 0, 500), vec![]);
    observed.reports.remove(&ShardId(2));
    observed.conditions.insert(ShardId(2), Condition::Dead);
    let plan = planner().plan(&observed);
    assert_eq!(only(&plan), (&Change::Assign { shard: ShardId(2), zone: zone(3) }, Why::ZoneDead));
}

#[test]
fn a_shard_without_a_zone_gets_one() {
    let mut observed = one_shard(vec![]);
    observed.map = Topology::grid(world(), 3).unwrap();
    observed.reports.clear();
    let plan = planner().plan(&observed);
    let zones: Vec<_> = plan.operations.iter().map(|made| (made.change.shards()[0].0, made.why)).collect();
    assert_eq!(zones, [(1, Why::Unserved), (2, Why::Unserved), (3, Why::Unserved)]);
}

#[test]
fn a_retiring_shard_is_forgotten_when_it_is_empty_and_knows_that_it_retires() {
    let mut observed = two_shards(players(150, 0, 500), vec![]);
    observed.map = observed.map.merge(ShardId(2), ShardId(1)).unwrap();
    assert_eq!(planner().plan(&observed).operations, [], "its zone does not have the map yet");
    let retiring = observed.reports.get_mut(&ShardId(2)).unwrap();
    retiring.revision = observed.map.revision();
    retiring.open_handoffs = 1;
    assert_eq!(planner().plan(&observed).operations, [], "a handoff is not over");
    observed.reports.get_mut(&ShardId(2)).unwrap().open_handoffs = 0;
    assert_eq!(only(&planner().plan(&observed)), (&Change::Forget { shard: ShardId(2) }, Why::Empty));
    observed.reports.remove(&ShardId(2));
    observed.conditions.insert(ShardId(2), Condition::Dead);
    assert_eq!(only(&planner().plan(&observed)), (&Change::Forget { shard: ShardId(2) }, Why::ZoneDead));
}

#[test]
fn a_split_is_followed_from_proposal_to_the_last_player() {
    let mut observed = one_shard(players(600, 0, 1000));
    let plan = after(&mut planner(), &mut observed, 2);
    let (change, _) = only(&plan);
    let mut running = Running::proposed(change, observed.map.revision(), observed.now);
    assert_eq!(running.step(&observed), Phase::Proposed);

    observed.map = change.apply(&observed.map).unwrap();
    let revision = observed.map.revision();
    assert_eq!(running.step(&observed), Phase::Committed { revision });

    observed.reports.get_mut(&ShardId(1)).unwrap().revision = revision;
    let Phase::HandingOver { left } = running.step(&observed) else { panic!("{:?}", running.phase) };
    assert_eq!(left, running.moved);

    let resumed = Running::resumed(&observed);
    assert_eq!(resumed.len(), 1, "who starts now finds the same operation in the map");
    assert_eq!(resumed[0].moved, left);

    let (home, gone): (Vec<_>, Vec<_>) = observed.reports[&ShardId(1)]
        .positions
        .iter()
        .partition(|position| observed.map.shard(ShardId(1)).unwrap().bounds.contains(**position));
    observed.reports =
        BTreeMap::from([(ShardId(1), report(&observed.map, home)), (ShardId(2), report(&observed.map, gone))]);
    assert_eq!(running.step(&observed), Phase::Done);
    assert_eq!(Running::resumed(&observed), []);
}

#[test]
fn an_operation_that_another_writer_prevented_is_superseded() {
    let mut observed = two_shards(players(100, 0, 500), players(100, 500, 1000));
    let merge = Change::Merge { giver: ShardId(2), taker: ShardId(1) };
    let mut running = Running::proposed(&merge, observed.map.revision(), observed.now);
    observed.map = observed.map.slide(ShardId(1), ShardId(2), 400 * 64).unwrap();
    assert_eq!(running.step(&observed), Phase::Superseded);
}

#[test]
fn a_configuration_that_cannot_be_used_is_refused() {
    let split = SplitConfig { max_players: 0, ..PlanConfig::default().split };
    let error = Planner::new(PlanConfig { split, ..PlanConfig::default() }).unwrap_err();
    assert_eq!(error.field, "split.maxPlayers");
}

#[test]
fn a_world_that_is_made_ready_for_a_crowd_is_halved_where_nobody_is() {
    let mut observed = one_shard(vec![]);
    observed.desired_shards = Some(2);
    let plan = planner().plan(&observed);
    let (Change::Split { cut, .. }, Why::ShardsWanted { .. }) = only(&plan) else { panic!("{plan:?}") };
    assert_eq!((cut.axis, cut.at, cut.moved_players()), (Axis::X, 500 * 64, 0));

    // Of two in which nobody is, the larger one.
    let mut observed = two_shards(vec![], vec![]);
    let (map, _) = observed.map.split(ShardId(2), Axis::Y, 200 * 64, Side::Low, Some(zone(3))).expect("inside");
    observed.reports = (1..=3).map(|id| (ShardId(id), report(&map, vec![]))).collect();
    observed.standby.remove(0);
    observed.map = map;
    observed.desired_shards = Some(4);
    let plan = planner().plan(&observed);
    let (Change::Split { shard, cut, .. }, _) = only(&plan) else { panic!("{plan:?}") };
    assert_eq!((*shard, cut.axis, cut.at), (ShardId(1), Axis::Y, 500 * 64));
}

#[test]
fn ground_is_halved_until_it_is_too_narrow() {
    let least = PlanConfig::default().split.cut.min_extent_m;
    let mut observed = one_shard(vec![]);
    let ground = Rect::from_metres(0.0, 0.0, f64::from(least) * 1.5, f64::from(least) * 1.5).expect("a rectangle");
    observed.map = Topology::whole(ground).and_then(|map| map.assign(ShardId(1), zone(1))).expect("a map");
    observed.reports = BTreeMap::from([(ShardId(1), report(&observed.map, vec![]))]);
    observed.desired_shards = Some(2);
    let refused = refusals(&planner().plan(&observed));
    assert!(matches!(refused[..], [Refusal::SplitInfeasible { cut: Infeasible::TooNarrow { .. } }]), "{refused:?}");
}
