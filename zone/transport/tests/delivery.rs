//! Reliable delivery in virtual time, over a network that loses, repeats and overtakes.

use std::time::Duration;

use darkages_transport::fault::LinkFaults;
use darkages_transport::testing::World;
use darkages_transport::{Channel, Event, FaultPlan, SendError, SessionId};

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
        config.fault = Some(FaultPlan { seed, egress: faults, ingress: faults, ..FaultPlan::default() });
    });
    let at_client = world.dial(client, server, [9; 32]).unwrap();
    let (mut at_server, mut open) = (None, false);
    let done = world.run_until(MINUTE, |world| {
        while let Some(event) = world.endpoints[server].next_event() {
            let Event::Connected { session, admission } = event else { panic!("unexpected {event:?}") };
            assert_eq!(admission, [9; 32]);
            at_server = Some(session);
        }
        while let Some(event) = world.endpoints[client].next_event() {
            assert_eq!(event, Event::Connected { session: at_client, admission: Vec::new() });
            open = true;
        }
        at_server.is_some() && open
    });
    assert!(done, "the handshake did not come through");
    (world, at_server.unwrap(), at_client)
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
