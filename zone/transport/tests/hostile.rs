//! Bytes from somebody who wants to do harm.

use std::net::SocketAddr;
use std::time::Duration;

use darkages_transport::testing::{Recorded, World};
use darkages_transport::{Channel, DropReason, Event, SessionId};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const PSK: [u8; 32] = [9; 32];

/// A world in which a session of every phase exists, and everything that it carried so far. Endpoint 0 accepts, endpoint 1 dials.
fn every_phase() -> (World, Vec<Recorded>, SessionId) {
    let mut world = World::new();
    world.add(Default::default(), |_| {});
    world.add(Default::default(), |_| {});
    world.network.record();
    let (open, _) = world.open(1, 0, PSK, SECOND).unwrap();
    let (closing, _) = world.open(1, 0, PSK, SECOND).unwrap();
    let now = world.now();
    for channel in Channel::ALL {
        world.endpoints[1].send(open, channel, b"hello", now).unwrap();
    }
    world.endpoints[1].send(open, Channel::ReliableOrdered, &[5; 5000], now).unwrap();
    world.endpoints[1].close(closing, darkages_transport::CloseReason::Done);
    // One half-open at the acceptor, one still dialing.
    world.dial(1, 0, PSK).unwrap();
    for index in [0, 1, 0] {
        world.poll(index);
    }
    world.dial(1, 0, PSK).unwrap();
    let recorded = world.network.recorded();
    (world, recorded, open)
}

/// Whether the open session still works both ways.
fn still_works(world: &mut World, session: SessionId) {
    world.run_for(SECOND);
    world.events(0);
    let now = world.now();
    world.endpoints[1].send(session, Channel::ReliableOrdered, b"still here", now).unwrap();
    world.endpoints[1].flush(now);
    assert!(world.run_until(SECOND, |world| {
        world
            .events(0)
            .iter()
            .any(|event| matches!(event, Event::Message { payload, .. } if **payload == *b"still here"))
    }));
}

#[test]
fn every_datagram_is_rejected_when_it_comes_again() {
    let mut world = World::new();
    world.add(Default::default(), |_| {});
    world.add(Default::default(), |_| {});
    world.network.record();
    let (client, server) = world.open(1, 0, PSK, SECOND).unwrap();
    for number in 0..200_u8 {
        let now = world.now();
        for channel in Channel::ALL {
            world.endpoints[1].send(client, channel, &[number], now).unwrap();
            world.endpoints[0].send(server, channel, &[number], now).unwrap();
        }
        world.endpoints[0].flush(now);
        world.endpoints[1].flush(now);
        world.run_for(Duration::from_millis(10));
    }
    assert_eq!((world.events(0).len(), world.events(1).len()), (800, 800));
    let recorded = world.network.recorded();
    let sealed: Vec<_> = recorded.iter().filter(|record| record.datagram[0] & 0x80 != 0).collect();
    assert!(sealed.len() > 400);
    let before: u64 = (0..2).map(|index| world.endpoints[index].stats().dropped(DropReason::Replayed)).sum();
    for record in &recorded {
        world.network.inject(record.from, record.to, &record.datagram);
        // Also from elsewhere: an address must not change by a repeated packet.
        world.network.inject("10.6.6.6:6".parse().unwrap(), record.to, &record.datagram);
    }
    world.run_for(SECOND);
    let after: u64 = (0..2).map(|index| world.endpoints[index].stats().dropped(DropReason::Replayed)).sum();
    assert_eq!(after - before, 2 * sealed.len() as u64);
    assert_eq!((world.events(0), world.events(1)), (vec![], vec![]));
    assert_eq!(world.endpoints[0].stats().path_changes + world.endpoints[1].stats().path_changes, 0);
    still_works(&mut world, client);
}

#[test]
fn a_datagram_with_any_bit_changed_or_any_length_cut_does_nothing() {
    let mut world = World::new();
    world.add(Default::default(), |_| {});
    world.add(Default::default(), |_| {});
    let (client, _) = world.open(1, 0, PSK, SECOND).unwrap();
    world.run_for(SECOND);
    world.network.record();
    // The datagram itself is kept from the server, so that nothing is rejected merely for being a repetition.
    let target = world.endpoints[0].local_addr();
    let nowhere: SocketAddr = "10.0.0.9:9".parse().unwrap();
    world.network.rebind(target, nowhere);
    let now = world.now();
    world.endpoints[1].send(client, Channel::Unreliable, b"payload", now).unwrap();
    world.endpoints[1].flush(now);
    world.network.rebind(nowhere, target);
    let record = world.network.recorded().remove(0);
    for length in 0..record.datagram.len() {
        world.network.inject(record.from, target, &record.datagram[..length]);
    }
    for bit in 0..8 * record.datagram.len() {
        let mut tampered = record.datagram.clone();
        tampered[bit / 8] ^= 1 << (bit % 8);
        world.network.inject(record.from, target, &tampered);
    }
    world.poll(0);
    assert_eq!(world.events(0), []);
    world.network.inject(record.from, target, &record.datagram);
    world.poll(0);
    assert_eq!(world.events(0).len(), 1, "the datagram itself is still good");
    still_works(&mut world, client);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_does_nothing_in_any_phase(
        garbage in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1400), 1..40),
        mixes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_usize..1200, any::<u8>()), 1..40),
    ) {
        let (mut world, recorded, open) = every_phase();
        let targets = [world.endpoints[0].local_addr(), world.endpoints[1].local_addr()];
        let stranger: SocketAddr = "10.6.6.6:6".parse().unwrap();
        for (index, bytes) in garbage.iter().enumerate() {
            for (from, to) in [(stranger, targets[0]), (targets[1], targets[0]), (targets[0], targets[1])] {
                world.network.inject(from, to, bytes);
                // The same behind a first byte that means something.
                let mut dressed = bytes.clone();
                if let Some(first) = dressed.first_mut() {
                    *first = [1, 2, 3, 4, 5, 0x80, 0x90, 0xa0, 0xc0, 0xe0][index % 10];
                }
                world.network.inject(from, to, &dressed);
            }
        }
        // Real datagrams with pieces of other real ones.
        for (one, other, at, byte) in &mixes {
            let (one, other) = (one.get(&recorded), other.get(&recorded));
            let mut mixed = one.datagram.clone();
            let at = at % mixed.len();
            mixed.truncate(at + 1);
            mixed[at] ^= byte;
            mixed.extend_from_slice(&other.datagram[at.min(other.datagram.len())..]);
            world.network.inject(one.from, one.to, &mixed);
            world.network.inject(one.from, other.to, &mixed);
        }
        world.settle();
        still_works(&mut world, open);
        prop_assert!(world.endpoints[0].stats().sessions <= 6);
    }
}
