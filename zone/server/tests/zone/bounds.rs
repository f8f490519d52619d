//! What a zone bears from its clients, and what it does not.

use std::time::{Duration, Instant};

use darkages_protocol::{ClientMessage, ClosingCode};
use darkages_topology::{PlayerId, ShardId};
use darkages_transport::CloseReason;

use crate::client::TestClient;
use crate::world::{STILL, World, await_that, metres};

/// Reliable messages that a zone takes from a client in a second.
const MESSAGES_PER_S: u64 = 60;

/// Input datagrams that it takes in a second.
const INPUTS_PER_S: usize = 180;

#[test]
fn garbage_is_counted_and_a_client_that_sends_much_of_it_is_closed() {
    let data = tempfile::tempdir().expect("a folder");
    let world = World::open(data.path(), 1);
    let zone = world.zones[0].endpoint().clone();
    let mut client = TestClient::dial(&zone, ShardId(1), PlayerId(1), metres(100, 100));
    client.play_until(STILL, "a snapshot", |client| client.snapshots > 0);
    for at in 0..64_u8 {
        client.send_input_bytes(&[0xff ^ at; 40]);
    }
    client.play_until(STILL, "the end", |client| client.closed.is_some());
    assert_eq!(client.closed, Some(CloseReason::Application(ClosingCode::BadMessage.code())));
    let text = world.zones[0].metrics().text();
    assert!(text.contains("darkages_messages_refused_total{reason=\"input_"), "{text}");
    let mut other = TestClient::dial(&zone, ShardId(1), PlayerId(2), metres(100, 100));
    other.play_until(STILL, "the zone playing on", |client| client.snapshots > 3);
    world.close();
}

#[test]
fn a_client_that_says_too_much_is_closed() {
    let data = tempfile::tempdir().expect("a folder");
    let world = World::open(data.path(), 1);
    let zone = world.zones[0].endpoint().clone();
    let mut client = TestClient::dial(&zone, ShardId(1), PlayerId(1), metres(100, 100));
    client.play_until(STILL, "a snapshot", |client| client.snapshots > 0);
    // Two seconds' worth at once is more than a second's, whenever the count begins anew.
    for cookie in 0..=2 * MESSAGES_PER_S {
        client.say(&ClientMessage::Ping { cookie });
    }
    client.play_until(STILL, "the end", |client| client.closed.is_some());
    assert_eq!(client.closed, Some(CloseReason::Application(ClosingCode::TooMuch.code())));
    world.close();
}

#[test]
fn too_many_input_datagrams_are_ignored_and_counted() {
    let data = tempfile::tempdir().expect("a folder");
    let world = World::open(data.path(), 1);
    let zone = world.zones[0].endpoint().clone();
    let mut client = TestClient::dial(&zone, ShardId(1), PlayerId(1), metres(100, 100));
    client.play_until(STILL, "a snapshot", |client| client.snapshots > 0);
    for _ in 0..3 * INPUTS_PER_S {
        client.send_input_bytes(&[]);
    }
    let ignored = "darkages_messages_refused_total{reason=\"input_too_many_datagrams\"}";
    let metrics = world.zones[0].metrics();
    client.play_until(STILL, "the count", |_| metrics.text().contains(ignored));
    let before = client.applied;
    client.play_until(STILL, "playing on", |client| client.applied.0 > before.0 + 30);
    assert_eq!(client.closed, None);
    world.close();
}

#[test]
fn a_player_without_a_client_stays_for_a_while() {
    let data = tempfile::tempdir().expect("a folder");
    let linger = Duration::from_secs(3);
    let world = World::open_with(data.path(), 1, |config| config.linger = linger);
    let zone = world.zones[0].endpoint().clone();
    let mut client = TestClient::dial(&zone, ShardId(1), PlayerId(1), metres(100, 100));
    client.play_until(STILL, "a snapshot", |client| client.snapshots > 0);
    let stats = || world.zones[0].stats();
    client.play_until(STILL, "being counted", |_| (stats().players, stats().sessions) == (1, 1));
    let left = Instant::now();
    client.hang_up();
    await_that("the session being over", || stats().sessions == 0);
    assert_eq!(stats().players, 1, "the player stands in the world");
    await_that("the player being gone", || stats().players == 0);
    assert!(left.elapsed() >= linger);
    world.close();
}

#[test]
fn a_zone_keeps_its_lease_for_longer_than_one_lasts() {
    let data = tempfile::tempdir().expect("a folder");
    let world = World::open(data.path(), 1);
    let stats = || world.zones[0].stats();
    let (began, epoch) = (stats().tick, stats().epoch);
    // A lease lasts 90 ticks.
    await_that("two leases being over", || stats().tick.since(began) > 200);
    assert_eq!(stats().epoch, epoch, "it is the same incarnation");
    world.close();
}
