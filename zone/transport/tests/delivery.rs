//! Reliable delivery in virtual time, over a network that loses, repeats and overtakes.

use std::time::Duration;

use darkages_transport::fault::LinkFaults;
use darkages_transport::testing::World;
use darkages_transport::{Channel, Event, FaultPlan, SendError, SessionId};
use rand::RngExt;
use rand_pcg::Pcg32;

const MINUTE: Duration = Duration::from_secs(60);

/// Faults of one direction: loss with repetition and overtaking.
fn rough(loss: f64) -> LinkFaults {
    LinkFaults {
        loss,
        duplicate: 0.05,
        reorder: 0.05,
        reorder_by: Duration::from_millis(30),
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(10),
    }
}

/// A world with a server (0) and a client (1) whose path suffers `faults` both ways, and the two sides' sessions.
fn connected(seed: u64, faults: LinkFaults) -> (World, SessionId, SessionId) {
    let mut world = World::new();
    let server = world.add(Default::default(), |_| {});
    let client = world.add(Default::default(), |config| {
        // Often enough that every long run changes keys many times.
        config.limits.rekey_after_packets = 1000;
        config.fault = Some(FaultPlan { seed, egress: faults, ingress: faults, ..FaultPlan::default() });
    });
    let (at_client, at_server) = world.open(client, server, [9; 32], MINUTE).expect("the handshake comes through");
    (world, at_server, at_client)
}

/// Sends `total` numbered messages from the client and checks that each arrives once, in order where the channel says so.
fn deliver(seed: u64, faults: LinkFaults, channel: Channel, total: u64, length: impl Fn(u64) -> usize) -> World {
    let (mut world, at_server, at_client) = connected(seed, faults);
    let (mut sent, mut received) = (0_u64, 0_u64);
    let mut seen = vec![false; total as usize];
    let done = world.run_until(600 * MINUTE, |world| {
        let now = world.now();
        while sent < total {
            let mut message = sent.to_le_bytes().to_vec();
            message.resize(length(sent).max(8), sent as u8);
            match world.endpoints[1].send(at_client, channel, &message, now) {
                Ok(()) => sent += 1,
                Err(SendError::QueueFull) => break,
                Err(error) => panic!("{error}"),
            }
        }
        world.endpoints[1].flush(now);
        while let Some(event) = world.endpoints[0].next_event() {
            let Event::Message { session, channel: on, payload } = event else { panic!("unexpected {event:?}") };
            assert_eq!((session, on), (at_server, channel));
            let number = u64::from_le_bytes(payload[..8].try_into().unwrap());
            assert!(!std::mem::replace(&mut seen[number as usize], true), "message {number} came twice");
            if channel == Channel::ReliableOrdered {
                assert_eq!(number, received, "out of order");
            }
            assert_eq!(payload.len(), length(number).max(8));
            assert!(payload[8..].iter().all(|byte| *byte == number as u8));
            received += 1;
        }
        assert_eq!(world.endpoints[1].next_event(), None);
        received == total
    });
    assert!(done, "only {received} of {total} arrived");
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.endpoints[1].stats().queued_bytes, 0, "every queue byte came back");
    assert_eq!(world.endpoints[0].stats().held_bytes, 0, "nothing is held");
    world
}

#[test]
fn ordered_messages_survive_five_percent_loss() {
    let world = deliver(1, rough(0.05), Channel::ReliableOrdered, 100_000, |_| 20);
    assert!(world.endpoints[1].stats().packets_lost > 0);
}

#[test]
fn ordered_messages_survive_twenty_five_percent_loss() {
    deliver(2, rough(0.25), Channel::ReliableOrdered, 100_000, |_| 20);
}

#[test]
fn unordered_messages_survive_five_percent_loss() {
    deliver(3, rough(0.05), Channel::ReliableUnordered, 100_000, |_| 20);
}

#[test]
fn unordered_messages_survive_twenty_five_percent_loss() {
    deliver(4, rough(0.25), Channel::ReliableUnordered, 100_000, |_| 20);
}

#[test]
fn long_messages_survive_twenty_five_percent_loss() {
    for channel in [Channel::ReliableOrdered, Channel::ReliableUnordered] {
        deliver(5, rough(0.25), channel, 400, |number| (number * 7919 % 65_536) as usize);
    }
}

#[test]
fn one_way_traffic_arrives_without_anything_to_ride_back_on() {
    // Nothing but bare acknowledgements comes back; messages trickle, so nothing later reveals a loss either.
    let (mut world, _, at_client) = connected(6, rough(0.25));
    let mut received = 0_u8;
    for number in 0..200_u8 {
        let now = world.now();
        world.endpoints[1].send(at_client, Channel::ReliableOrdered, &[number], now).unwrap();
        world.endpoints[1].flush(now);
        let done = world.run_until(Duration::from_secs(20), |world| {
            for event in world.events(0) {
                let Event::Message { payload, .. } = event else { panic!("unexpected {event:?}") };
                assert_eq!(payload[..], [received]);
                received += 1;
            }
            received == number + 1
        });
        assert!(done, "message {number} did not arrive");
    }
}

#[test]
fn a_burst_followed_by_silence_arrives() {
    for seed in 0..20 {
        let (mut world, _, at_client) = connected(100 + seed, rough(0.25));
        let now = world.now();
        for number in 0..500_u16 {
            let message = number.to_le_bytes();
            world.endpoints[1].send(at_client, Channel::ReliableUnordered, &message, now).unwrap();
        }
        world.endpoints[1].flush(now);
        let mut received = 0;
        let done = world.run_until(Duration::from_secs(30), |world| {
            received += world.events(0).len();
            received == 500
        });
        assert!(done, "only {received} of 500 arrived with seed {seed}");
    }
}

#[test]
fn packet_numbers_and_sequences_go_on_after_two_bytes_are_used_up() {
    // Messages that fill a datagram each: more than 65,536 packets as well as sequences. Keys change meanwhile, too.
    let faults =
        LinkFaults { loss: 0.02, reorder: 0.02, reorder_by: Duration::from_millis(2), ..LinkFaults::default() };
    for channel in [Channel::ReliableOrdered, Channel::ReliableUnordered] {
        let world = deliver(7, faults, channel, 70_000, |_| 1000);
        let stats = world.endpoints[1].stats();
        assert!(stats.datagrams_out > 70_000 && stats.rekeys >= 70);
    }
}

#[test]
fn sequenced_messages_never_go_back_and_unreliable_ones_come_at_most_once() {
    let (mut world, _, at_client) = connected(8, rough(0.05));
    let (mut newest, mut sequenced, mut seen) = (None, 0, vec![false; 20_000]);
    for number in 0..20_000_u32 {
        let now = world.now();
        let message = number.to_le_bytes();
        world.endpoints[1].send(at_client, Channel::UnreliableSequenced, &message, now).unwrap();
        world.endpoints[1].send(at_client, Channel::Unreliable, &message, now).unwrap();
        world.endpoints[1].flush(now);
        world.run_for(Duration::from_millis(5));
        for event in world.events(0) {
            let Event::Message { channel, payload, .. } = event else { panic!("unexpected {event:?}") };
            let number = u32::from_le_bytes(payload[..].try_into().unwrap());
            if channel == Channel::UnreliableSequenced {
                assert!(newest < Some(number), "{number} after {newest:?}");
                newest = Some(number);
                sequenced += 1;
            } else {
                assert!(!std::mem::replace(&mut seen[number as usize], true), "{number} came twice");
            }
        }
    }
    let unreliable = seen.iter().filter(|seen| **seen).count();
    assert!((17_500..19_500).contains(&unreliable), "{unreliable}");
    assert!((10_000..unreliable).contains(&sequenced), "{sequenced}");
    assert_eq!(world.endpoints[1].stats().queued_bytes, 0);
}

/// Everything at once: three clients, both ways, all channels, lengths from nothing to several fragments, changing faults.
fn soak(seed: u64) {
    const MESSAGES: u32 = 300;
    let mut rng = Pcg32::new(seed, 0);
    let mut world: World = World::new();
    world.add(Default::default(), |config| config.limits.rekey_after_packets = 50);
    let mut links = Vec::new();
    for client in 1..=3 {
        let faults = LinkFaults { loss: rng.random_range(0.0..0.3), ..rough(0.0) };
        let plan = FaultPlan { seed: rng.random(), egress: faults, ingress: faults, ..FaultPlan::default() };
        world.add(Default::default(), |config| config.fault = Some(plan));
        let (near, far) = world.open(client, 0, [client as u8; 32], MINUTE).expect("the handshake comes through");
        links.push([(client, near, 0, far), (0, far, client, near)]);
    }
    let links: Vec<_> = links.into_iter().flatten().collect();
    // For each link and reliable channel: what was sent, in order, and what of it arrived.
    let mut sent = vec![[Vec::new(), Vec::new()]; links.len()];
    let mut received = vec![[Vec::new(), Vec::new()]; links.len()];
    let done = world.run_until(10 * MINUTE, |world| {
        let now = world.now();
        for (link, (from, session, ..)) in links.iter().enumerate() {
            let channel = Channel::ALL[rng.random_range(0..4)];
            let place = usize::from(channel == Channel::ReliableUnordered);
            if channel.is_reliable() && sent[link][place].len() as u32 == MESSAGES {
                continue;
            }
            let length = if rng.random_bool(0.05) { rng.random_range(0..6000) } else { rng.random_range(0..200) };
            let message: Vec<u8> =
                (0..length.min(if channel.is_reliable() { 6000 } else { 1140 })).map(|_| rng.random()).collect();
            if world.endpoints[*from].send(*session, channel, &message, now).is_ok() && channel.is_reliable() {
                sent[link][place].push(message);
            }
            world.endpoints[*from].flush(now);
        }
        for index in 0..4 {
            for event in world.events(index) {
                let Event::Message { session, channel, payload } = event else { panic!("unexpected {event:?}") };
                let link = links.iter().position(|(_, _, to, at)| (*to, *at) == (index, session)).unwrap();
                if channel.is_reliable() {
                    received[link][usize::from(channel == Channel::ReliableUnordered)].push(payload.to_vec());
                }
            }
        }
        received.iter().flatten().all(|messages| messages.len() as u32 == MESSAGES)
    });
    assert!(done, "seed {seed}: not everything arrived");
    let settled = world.run_until(MINUTE, |world| {
        world.endpoints.iter().all(|endpoint| endpoint.stats().queued_bytes + endpoint.stats().held_bytes == 0)
    });
    assert!(settled, "seed {seed}: bytes are still queued or held");
    for (sent, mut received) in sent.into_iter().zip(received) {
        assert_eq!(sent[0], received[0], "seed {seed}: the ordered stream differs");
        let mut unordered = sent[1].clone();
        unordered.sort();
        received[1].sort();
        assert_eq!(unordered, received[1], "seed {seed}: the unordered stream differs");
    }
    assert!(world.endpoints[0].stats().rekeys > 0);
}

#[test]
fn mixed_traffic_both_ways_arrives_with_every_seed() {
    (0..20).for_each(soak);
}
