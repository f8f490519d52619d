//! What a datagram costs on the wire.

use std::time::Duration;

use darkages_transport::testing::World;
use darkages_transport::{Channel, SessionId};

const SECOND: Duration = Duration::from_secs(1);

fn pair() -> (World, SessionId, SessionId) {
    let mut world = World::new();
    world.add(Default::default(), |_| {});
    world.add(Default::default(), |_| {});
    let (client, server) = world.open(1, 0, [9; 32], SECOND).unwrap();
    world.run_for(SECOND / 10);
    world.network.record();
    (world, client, server)
}

#[test]
fn one_small_unreliable_message_costs_twenty_four_bytes() {
    let (mut world, client, _) = pair();
    let now = world.now();
    for channel in [Channel::Unreliable, Channel::UnreliableSequenced] {
        world.endpoints[1].send(client, channel, b"7 bytes", now).unwrap();
        world.endpoints[1].flush(now);
        let recorded = world.network.recorded();
        assert_eq!(recorded.len(), 1);
        assert_eq!(recorded[0].datagram.len(), 7 + 24);
    }
}

#[test]
fn messages_of_one_moment_share_datagrams() {
    let (mut world, client, _) = pair();
    let now = world.now();
    for channel in Channel::ALL {
        world.endpoints[1].send(client, channel, b"7 bytes", now).unwrap();
    }
    world.endpoints[1].flush(now);
    let recorded = world.network.recorded();
    assert_eq!(recorded.len(), 1);
    assert_eq!(recorded[0].datagram.len(), 23 + 3 + 1 + 7 + 3 + 1 + 7 + 1 + 1 + 7 + 1 + 7);
}

#[test]
fn a_player_stays_within_its_budget_up_and_down() {
    // Inputs of 8 bytes at 60 Hz; snapshots of 700 bytes at 20 Hz; an event on the reliable channel twice a second.
    const SECONDS: u32 = 20;
    let (mut world, client, server) = pair();
    let frame = SECOND / 60;
    for number in 0..60 * SECONDS {
        let now = world.now();
        world.endpoints[1].send(client, Channel::Unreliable, &[1; 8], now).unwrap();
        world.endpoints[1].flush(now);
        if number % 3 == 0 {
            world.endpoints[0].send(server, Channel::Unreliable, &[2; 700], now).unwrap();
        }
        if number % 30 == 0 {
            world.endpoints[0].send(server, Channel::ReliableOrdered, &[3; 40], now).unwrap();
        }
        world.endpoints[0].flush(now);
        let end = now + frame;
        while world.now() < end {
            world.step();
        }
        world.events(0);
        world.events(1);
    }
    let (mut up, mut down) = (0, 0);
    for record in world.network.recorded() {
        if record.from == World::<darkages_transport::testing::OpenDoor>::address(1) {
            up += record.datagram.len();
        } else {
            down += record.datagram.len();
        }
    }
    let (up, down) = (up / SECONDS as usize, down / SECONDS as usize);
    println!("{up} bytes/s up, {down} bytes/s down");
    assert!(up <= 2_000, "{up} bytes/s up");
    assert!(down <= 20_000, "{down} bytes/s down");
}
