//! The life of a session in virtual time: bounds, closing, silence, partitions, changing addresses, faults by seed.

use std::net::SocketAddr;
use std::time::Duration;

use darkages_transport::fault::{Direction, FaultError, LinkFaults, Partition, PeerMatch};
use darkages_transport::testing::World;
use darkages_transport::{
    Channel, CloseReason, DropReason, Event, FaultPlan, Limits, MAX_MESSAGE_BYTES, MAX_UNRELIABLE_BYTES, SendError,
    SessionId, Stats,
};

const SECOND: Duration = Duration::from_secs(1);
const PSK: [u8; 32] = [9; 32];

/// A server (0) and a client (1) with limits of the test's choice; the sessions at the client and at the server.
fn pair(adjust: impl Fn(&mut Limits)) -> (World, SessionId, SessionId) {
    let mut world = World::new();
    for _ in 0..2 {
        world.add(Default::default(), |config| adjust(&mut config.limits));
    }
    let (client, server) = world.open(1, 0, PSK, SECOND).unwrap();
    (world, client, server)
}

fn send(world: &mut World, index: usize, session: SessionId, channel: Channel, bytes: &[u8]) {
    let now = world.now();
    world.endpoints[index].send(session, channel, bytes, now).unwrap();
    world.endpoints[index].flush(now);
}

fn cut(direction: Direction) -> FaultPlan {
    let partitions = vec![Partition { peer: PeerMatch::Any, direction }];
    FaultPlan { partitions, ..FaultPlan::default() }
}

#[test]
fn what_was_queued_before_a_close_arrives_before_it() {
    for reason in [CloseReason::Done, CloseReason::Shutdown, CloseReason::Application(200)] {
        let (mut world, client, server) = pair(|_| {});
        let now = world.now();
        world.endpoints[0].send(server, Channel::ReliableOrdered, b"bye", now).unwrap();
        world.endpoints[0].close(server, reason);
        world.run_for(SECOND * 3);
        let message = Event::Message { session: client, channel: Channel::ReliableOrdered, payload: (*b"bye").into() };
        assert_eq!(world.events(1), [message, Event::Closed { session: client, reason }]);
        assert_eq!(world.events(0), [], "who closes hears no more");
        let now = world.now();
        for (index, session) in [(0, server), (1, client)] {
            let refused = world.endpoints[index].send(session, Channel::Unreliable, b"x", now);
            assert_eq!(refused, Err(SendError::UnknownSession));
            let stats = world.endpoints[index].stats();
            assert_eq!((stats.sessions, stats.queued_bytes, stats.held_bytes), (0, 0, 0));
        }
    }
}

#[test]
fn a_farewell_comes_through_loss() {
    let mut heard_late = 0;
    for seed in 0..50 {
        let (mut world, client, server) = pair(|_| {});
        let egress = LinkFaults { loss: 0.25, ..LinkFaults::default() };
        world.endpoints[0].set_fault(Some(FaultPlan { seed, egress, ..FaultPlan::default() })).unwrap();
        world.endpoints[0].close(server, CloseReason::Shutdown);
        world.run_for(SECOND);
        let closed = Event::Closed { session: client, reason: CloseReason::Shutdown };
        heard_late += usize::from(world.events(1) != [closed]);
    }
    assert!(heard_late <= 3, "{heard_late} of 50 farewells were lost");
}

#[test]
fn closing_while_dialing_and_closing_twice_are_harmless() {
    let (mut world, client, server) = pair(|_| {});
    let dialing = world.dial(1, 0, PSK).unwrap();
    world.endpoints[1].close(dialing, CloseReason::Done);
    // Both sides close at once, one of them twice.
    world.endpoints[1].close(client, CloseReason::Done);
    world.endpoints[1].close(client, CloseReason::Done);
    world.endpoints[0].close(server, CloseReason::Done);
    world.run_for(12 * SECOND);
    assert_eq!((world.events(0), world.events(1)), (vec![], vec![]));
    assert_eq!((world.endpoints[0].stats().sessions, world.endpoints[1].stats().sessions), (0, 0));
}

#[test]
fn an_idle_session_stays_and_a_dead_one_goes() {
    let (mut world, client, server) = pair(|_| {});
    world.run_for(60 * SECOND);
    assert_eq!((world.events(0), world.events(1)), (vec![], vec![]));
    let sent = world.endpoints[1].stats().datagrams_out;
    assert!((60..200).contains(&sent), "{sent} datagrams in an idle minute");
    world.endpoints[1].set_fault(Some(cut(Direction::Both))).unwrap();
    world.run_for(9 * SECOND);
    assert_eq!((world.events(0), world.events(1)), (vec![], vec![]));
    world.run_for(3 * SECOND);
    let reason = CloseReason::IdleTimeout;
    assert_eq!(world.events(0), [Event::Closed { session: server, reason }]);
    assert_eq!(world.events(1), [Event::Closed { session: client, reason }]);
}

#[test]
fn a_short_partition_loses_nothing_in_any_direction() {
    for direction in [Direction::Both, Direction::Inbound, Direction::Outbound] {
        let (mut world, client, server) = pair(|_| {});
        world.endpoints[1].set_fault(Some(cut(direction))).unwrap();
        for number in 0..50_u8 {
            send(&mut world, 1, client, Channel::ReliableOrdered, &[number]);
            send(&mut world, 0, server, Channel::ReliableOrdered, &[number]);
            world.run_for(Duration::from_millis(100));
        }
        assert!(world.endpoints[1].stats().dropped(DropReason::FaultPartition) > 0);
        let mut arrived = [world.events(0).len(), world.events(1).len()];
        assert!(arrived.contains(&0), "nothing passes a cut");
        world.endpoints[1].set_fault(None).unwrap();
        let healed = world.now();
        assert!(world.run_until(SECOND, |world| {
            arrived[0] += world.events(0).len();
            arrived[1] += world.events(1).len();
            arrived == [50, 50]
        }));
        assert!(world.now() - healed < Duration::from_millis(700), "{:?}", world.now() - healed);
    }
}

#[test]
fn queues_are_bounded_and_say_so() {
    let (mut world, client, _) = pair(|limits| {
        limits.send_queue_bytes = 100_000;
        limits.total_send_queue_bytes = 150_000;
        limits.idle_timeout = 100 * SECOND;
    });
    let (second, _) = world.open(1, 0, PSK, SECOND).unwrap();
    world.endpoints[1].set_fault(Some(cut(Direction::Both))).unwrap();
    let fill = |world: &mut World, session| {
        for count in 0.. {
            let now = world.now();
            match world.endpoints[1].send(session, Channel::ReliableUnordered, &[1; 936], now) {
                Ok(()) => world.run_for(Duration::from_millis(1)),
                Err(error) => return (count, error),
            }
        }
        unreachable!()
    };
    assert_eq!(fill(&mut world, client), (100, SendError::QueueFull));
    assert_eq!(fill(&mut world, second), (50, SendError::TotalQueueFull));
    assert_eq!(world.endpoints[1].stats().queued_bytes, 150_000);
    world.endpoints[1].set_fault(None).unwrap();
    world.run_for(5 * SECOND);
    assert_eq!(world.endpoints[1].stats().queued_bytes, 0);
    assert_eq!(world.events(0).len(), 150);
    let now = world.now();
    let long = vec![0; MAX_MESSAGE_BYTES + 1];
    let (reliable, unreliable) = (MAX_MESSAGE_BYTES, MAX_UNRELIABLE_BYTES);
    for (channel, limit) in [(Channel::ReliableOrdered, reliable), (Channel::Unreliable, unreliable)] {
        let sent = world.endpoints[1].send(client, channel, &long[..=limit], now);
        assert_eq!(sent, Err(SendError::TooLong { limit }));
        world.endpoints[1].send(client, channel, &long[..limit], now).unwrap();
        assert!(world.run_until(SECOND, |world| world.events(0).len() == 1));
    }
}

#[test]
fn who_makes_the_other_side_hold_too_much_is_closed() {
    let (mut world, client, server) = pair(|limits| {
        limits.total_held_bytes = 20_000;
        limits.send_queue_bytes = 10_000_000;
    });
    // So much loss that a lot is held behind what is missing.
    let egress = LinkFaults { loss: 0.3, ..LinkFaults::default() };
    world.endpoints[1].set_fault(Some(FaultPlan { seed: 3, egress, ..FaultPlan::default() })).unwrap();
    let now = world.now();
    for _ in 0..100 {
        world.endpoints[1].send(client, Channel::ReliableOrdered, &[1; 50_000], now).unwrap();
    }
    world.run_for(5 * SECOND);
    let reason = CloseReason::MemoryBound;
    assert_eq!(world.events(0).last(), Some(&Event::Closed { session: server, reason }));
    assert_eq!(world.events(1).last(), Some(&Event::Closed { session: client, reason }));
    assert_eq!(world.endpoints[0].stats().held_bytes, 0);
}

#[test]
fn an_application_that_takes_no_events_stops_the_intake_not_the_process() {
    let (mut world, client, _) = pair(|limits| limits.max_pending_events = 10);
    for number in 0..100_u8 {
        send(&mut world, 1, client, Channel::ReliableOrdered, &[number]);
    }
    world.run_for(SECOND);
    let first = world.events(0).len();
    assert!((10..50).contains(&first), "{first}");
    let mut received = first;
    assert!(world.run_until(5 * SECOND, |world| {
        received += world.events(0).len();
        received == 100
    }));
}

#[test]
fn a_session_follows_its_peer_to_another_address() {
    let (mut world, client, server) = pair(|_| {});
    let old = world.endpoints[1].local_addr();
    let new: SocketAddr = "10.0.0.2:777".parse().unwrap();
    world.network.rebind(old, new);
    assert_eq!(world.endpoints[0].session_stats(server).unwrap().remote, old);
    let (mut at_server, mut at_client) = (0, 0);
    for number in 0..60_u8 {
        send(&mut world, 1, client, Channel::ReliableOrdered, &[number]);
        send(&mut world, 0, server, Channel::ReliableOrdered, &[number]);
        world.run_for(Duration::from_millis(16));
        at_server += world.events(0).len();
        at_client += world.events(1).len();
    }
    world.run_for(SECOND);
    assert_eq!((at_server + world.events(0).len(), at_client + world.events(1).len()), (60, 60));
    assert_eq!(world.endpoints[0].session_stats(server).unwrap().remote, new);
    assert_eq!(world.endpoints[0].stats().path_changes, 1);
}

#[test]
fn an_address_that_does_not_answer_gets_little_and_changes_nothing() {
    let (mut world, client, server) = pair(|_| {});
    let (home, away): (_, SocketAddr) = (world.endpoints[1].local_addr(), "10.6.6.6:6".parse().unwrap());
    let target = world.endpoints[0].local_addr();
    // Somebody on the path carries the client's packets past another address, ahead of the real ones.
    world.network.record();
    let (mut stolen_bytes, mut to_away) = (0, 0);
    for number in 0..100_u8 {
        world.network.rebind(target, "10.0.0.9:9".parse().unwrap());
        send(&mut world, 1, client, Channel::Unreliable, &[number; 8]);
        world.network.rebind("10.0.0.9:9".parse().unwrap(), target);
        for record in world.network.recorded() {
            if record.to == target && record.from == home {
                stolen_bytes += record.datagram.len();
                world.network.inject(away, target, &record.datagram);
            }
        }
        world.poll(0);
        to_away += world.network.recorded().iter().filter(|r| r.to == away).map(|r| r.datagram.len()).sum::<usize>();
        world.run_for(Duration::from_millis(20));
    }
    assert!(to_away > 0 && to_away <= 3 * stolen_bytes, "{to_away} bytes for {stolen_bytes}");
    assert_eq!(world.endpoints[0].session_stats(server).unwrap().remote, home);
    assert_eq!(world.endpoints[0].stats().path_changes, 0);
}

/// What one run with these faults leaves in the counters and in the messages that arrived.
fn run(seed: u64) -> (Stats, Vec<Box<[u8]>>) {
    let (mut world, client, _) = pair(|_| {});
    let egress = LinkFaults {
        loss: 0.2,
        duplicate: 0.1,
        reorder: 0.1,
        reorder_by: Duration::from_millis(20),
        delay: Duration::from_millis(5),
        jitter: Duration::from_millis(5),
    };
    world.endpoints[1].set_fault(Some(FaultPlan { seed, egress, ..FaultPlan::default() })).unwrap();
    let mut arrived = Vec::new();
    for number in 0..500_u16 {
        send(&mut world, 1, client, Channel::Unreliable, &number.to_le_bytes());
        world.run_for(Duration::from_millis(3));
        arrived.extend(world.events(0).into_iter().map(|event| match event {
            Event::Message { payload, .. } => payload,
            event => panic!("unexpected {event:?}"),
        }));
    }
    (world.endpoints[1].stats().clone(), arrived)
}

#[test]
fn the_same_seed_gives_the_same_faults() {
    let (stats, arrived) = run(11);
    assert_eq!((stats.clone(), arrived.clone()), run(11));
    assert_ne!(arrived, run(12).1);
    assert!(stats.dropped(DropReason::FaultLoss) > 50);
    assert!(!arrived.is_sorted(), "datagrams overtook each other");
}

#[test]
fn a_plan_out_of_range_is_refused_and_the_one_before_stays() {
    let (mut world, client, _) = pair(|_| {});
    world.endpoints[1].set_fault(Some(cut(Direction::Both))).unwrap();
    let egress = LinkFaults { loss: 1.5, ..LinkFaults::default() };
    let refused = world.endpoints[1].set_fault(Some(FaultPlan { egress, ..FaultPlan::default() }));
    assert_eq!(refused, Err(FaultError::Probability { field: "loss", value: 1.5 }));
    send(&mut world, 1, client, Channel::Unreliable, b"x");
    world.run_for(SECOND);
    assert_eq!(world.events(0), []);
}
