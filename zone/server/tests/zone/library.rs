//! A zone as a library: players come, play, leave and come back, over real UDP and a real store.

use std::time::{Duration, Instant};

use darkages_protocol::{ClientMessage, ClosingCode, Command, Goods, RequestId, ResultCode, ZoneMessage};
use darkages_server::ZoneState;
use darkages_store::faulty::Chances;
use darkages_topology::{PlayerId, ShardId};
use darkages_transport::CloseReason;

use crate::client::{DEADLINE, TestClient};
use crate::world::{EAST, STILL, World, await_that, metres};

#[test]
fn a_player_walks_and_comes_back_to_where_it_stood() {
    let data = tempfile::tempdir().expect("a folder");
    let world = World::open(data.path(), 1);
    let zone = world.zones[0].endpoint().clone();
    let mut client = TestClient::dial(&zone, ShardId(1), PlayerId(1), metres(100, 100));
    client.play_until(STILL, "a welcome", |client| client.entity().is_some());
    let me = client.entity().expect("welcomed");
    client.play_until(EAST, "walking 3 m", |client| {
        client.sees(me).is_some_and(|state| state.position.x >= metres(103, 0).x)
    });
    let applied = client.applied;
    assert!(applied.0 >= 30, "3 m are 30 steps, {applied}");
    client.say(&ClientMessage::Leave);
    client.play_until(STILL, "a goodbye", |client| client.closed.is_some());
    assert_eq!(client.closed, Some(CloseReason::Application(ClosingCode::Left.code())));
    world.close();

    let world = World::open(data.path(), 1);
    let zone = world.zones[0].endpoint().clone();
    let mut client = TestClient::dial(&zone, ShardId(1), PlayerId(1), metres(900, 900));
    client.play_until(STILL, "being shown", |client| client.entity().is_some_and(|me| client.sees(me).is_some()));
    assert_eq!(client.entity(), Some(me), "the entity is the player's for ever");
    let place = client.sees(me).expect("shown").position;
    assert!(place.x >= metres(103, 0).x && place.y == metres(0, 100).y, "{place:?}");
    world.close();
}

#[test]
fn a_gift_is_confirmed_once_and_survives_a_restart() {
    let data = tempfile::tempdir().expect("a folder");
    let world = World::open(data.path(), 1);
    let zone = world.zones[0].endpoint().clone();
    let mut giver = TestClient::dial(&zone, ShardId(1), PlayerId(1), metres(100, 100));
    let mut taker = TestClient::dial(&zone, ShardId(1), PlayerId(2), metres(102, 100));
    taker.play_until(STILL, "a welcome", |client| client.entity().is_some());
    let to = taker.entity().expect("welcomed");
    giver.play_until(STILL, "seeing the other", |client| client.sees(to).is_some());
    let goods = Goods { gold: 30, items: Vec::new() };
    let command = Command::Give { to, goods };
    let is_done = |message: &ZoneMessage| {
        matches!(message, ZoneMessage::CommandResult { request: RequestId(5), code: ResultCode::Done })
    };
    for times in 1..=2 {
        giver.say(&ClientMessage::Command { request: RequestId(5), command: command.clone() });
        giver
            .play_until(STILL, "the result", |client| client.messages.iter().filter(|at| is_done(at)).count() == times);
    }
    world.close();

    let world = World::open(data.path(), 1);
    let zone = world.zones[0].endpoint().clone();
    for (player, gold) in [(1, 70), (2, 130)] {
        let mut client = TestClient::dial(&zone, ShardId(1), PlayerId(player), metres(100, 100));
        let has = |message: &ZoneMessage| matches!(message, ZoneMessage::SelfState(state) if state.gold == gold);
        client.play_until(STILL, "the right purse", |client| client.messages.iter().any(has));
    }
    world.close();
}

#[test]
fn a_split_hands_over_who_stands_on_the_other_side() {
    let data = tempfile::tempdir().expect("a folder");
    let mut world = World::open(data.path(), 2);
    let zone = world.zones[0].endpoint().clone();
    let mut west = TestClient::dial(&zone, ShardId(1), PlayerId(1), metres(480, 500));
    let mut east = TestClient::dial(&zone, ShardId(1), PlayerId(2), metres(520, 500));
    east.play_until(STILL, "a snapshot", |client| client.snapshots > 0);
    west.play_until(STILL, "a snapshot", |client| client.snapshots > 0);
    let id = world.split_at(500);
    let redirect = |message: &ZoneMessage| match message {
        ZoneMessage::Redirect(redirect) => Some(redirect.clone()),
        _ => None,
    };
    east.play_until(STILL, "a redirect", |client| client.messages.iter().any(|at| redirect(at).is_some()));
    let redirect = east.messages.iter().find_map(redirect).expect("redirected");
    assert_eq!(redirect.endpoint, world.zones[1].address());
    assert_eq!(world.zones[1].stats().shard, Some(id));
    // The client attaches to the new zone with its token while it plays on here.
    let me = east.entity();
    let mut moved = east.attach(&redirect);
    let begun = Instant::now();
    while moved.newest.owner_epoch != redirect.owner_epoch {
        assert!(begun.elapsed() < DEADLINE, "the new zone did not take over: {:?}", moved.newest);
        east.turn();
        moved.turn();
    }
    assert_eq!(moved.entity(), me, "nobody respawns");
    moved.play_until(STILL, "seeing the neighbour", |client| client.seen() == 2);
    await_that("the player being counted", || world.zones[1].stats().players == 1);
    world.close();
}

#[test]
fn a_zone_that_lets_go_of_its_shard_during_a_renewal_can_be_given_another() {
    let data = tempfile::tempdir().expect("a folder");
    let mut world = World::open(data.path(), 2);
    // Longer than from one renewal to the next, so that one is under way nearly always.
    let delay = Duration::from_millis(400);
    world.faults.set_chances(Chances { delay: delay..=delay, ..Chances::default() });
    for _ in 0..3 {
        let id = world.split_at(500);
        let serves = |world: &World| world.zones[1].stats().state == ZoneState::Serving;
        await_that("the second zone serves", || serves(&world) && world.zones[1].stats().shard == Some(id));
        world.merge_back(id);
        await_that("it stands by", || world.zones[1].stats().state == ZoneState::Unassigned);
    }
    world.faults.set_chances(Chances::default());
    world.close();
}

#[test]
fn inputs_that_were_acknowledged_and_are_lost_with_a_crashed_state_are_left_out() {
    let data = tempfile::tempdir().expect("a folder");
    let world = World::open(data.path(), 1);
    let zone = world.zones[0].endpoint().clone();
    let mut client = TestClient::dial(&zone, ShardId(1), PlayerId(1), metres(100, 100));
    client.play_until(STILL, "being shown", |client| client.entity().is_some_and(|me| client.sees(me).is_some()));
    client.was_told_more(100);
    let told = client.applied;
    client.play_until(EAST, "going on", |client| client.applied.0 >= told.0 + 30);
    let me = client.entity().expect("welcomed");
    let place = client.sees(me).expect("shown").position;
    assert!(place.x > metres(102, 0).x, "it walks: {place:?}");
    world.close();
}

#[test]
fn inputs_are_not_numbered_by_a_guess_while_it_is_unknown_where_they_stand() {
    let data = tempfile::tempdir().expect("a folder");
    let world = World::open(data.path(), 1);
    let zone = world.zones[0].endpoint().clone();
    let mut client = TestClient::dial(&zone, ShardId(1), PlayerId(1), metres(100, 100));
    client.play_until(STILL, "being shown", |client| client.entity().is_some_and(|me| client.sees(me).is_some()));
    // Fourteen bits of a number travel: close to the end of their circle they look like numbers shortly before the first.
    while client.applied.0 < 15_000 {
        client.was_told_more(1_000);
        let told = client.applied;
        client.play_until(STILL, "going on", |client| client.applied > told);
    }
    client.say(&ClientMessage::Leave);
    client.play_until(STILL, "a goodbye", |client| client.closed.is_some());

    // The inputs are here before the store says who the player is.
    let delay = Duration::from_millis(200);
    world.faults.set_chances(Chances { delay: delay..=delay, ..Chances::default() });
    let mut back = client.come_unexpected(&zone, ShardId(1), PlayerId(1));
    let told = back.applied;
    back.play_until(STILL, "going on", |client| client.applied.0 > told.0 + 30);
    assert_eq!(back.closed, None);
    world.faults.set_chances(Chances::default());
    world.close();
}
