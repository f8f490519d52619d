//! How sessions open, in virtual time.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use darkages_transport::fault::LinkFaults;
use darkages_transport::testing::{Recorded, World};
use darkages_transport::{
    Admitted, Channel, CloseReason, DropReason, Event, FaultPlan, Gatekeeper, Refusal, RefuseAll, SessionId,
};

const SECOND: Duration = Duration::from_secs(1);
const PSK: [u8; 32] = [9; 32];
const HELLO: u8 = 1;
const COOKIE: u8 = 2;
const INIT: u8 = 3;
const REPLY: u8 = 4;
const REFUSED: u8 = 5;

/// Lets every token in once.
#[derive(Debug, Default)]
struct Once(HashSet<Vec<u8>>);

impl Gatekeeper for Once {
    fn admit(&mut self, token: &[u8], unix_now: u64) -> Result<Admitted, Refusal> {
        assert!((1_700_000_000..1_700_010_000).contains(&unix_now));
        if !self.0.insert(token.to_vec()) {
            return Err(Refusal(77));
        }
        Ok(Admitted { psk: token.try_into().map_err(|_| Refusal(1))?, admission: b"in".to_vec() })
    }
}

fn two() -> World {
    let mut world = World::new();
    world.add(Default::default(), |_| {});
    world.add(Default::default(), |_| {});
    world
}

fn of_kind(recorded: &[Recorded], kind: u8) -> Vec<&Recorded> {
    recorded.iter().filter(|record| record.datagram[0] == kind).collect()
}

#[test]
fn a_quiet_path_takes_four_datagrams_and_no_time() {
    let mut world = two();
    world.network.record();
    let start = world.now();
    world.open(1, 0, PSK, SECOND).unwrap();
    assert!(world.now() - start < Duration::from_millis(20));
    let recorded = world.network.recorded();
    let kinds: Vec<_> = recorded.iter().map(|record| record.datagram[0]).take(5).collect();
    assert_eq!(kinds[..4], [HELLO, COOKIE, INIT, REPLY]);
    assert!(kinds[4] & 0x80 != 0);
}

#[test]
fn nothing_is_remembered_before_the_token_was_opened() {
    let mut world = two();
    world.network.record();
    world.dial(1, 0, PSK).unwrap();
    world.poll(0);
    assert_eq!(world.endpoints[0].stats().sessions, 0, "a hello leaves nothing behind");
    world.poll(1);
    world.poll(0);
    assert_eq!(world.endpoints[0].stats().sessions, 1);
    assert_eq!(world.endpoints[0].next_event(), None, "nobody hears of it before a sealed packet");
    world.run_for(30 * SECOND);
}

#[test]
fn a_half_open_session_is_forgotten() {
    let mut world = two();
    world.network.record();
    world.dial(1, 0, PSK).unwrap();
    for index in [0, 1, 0] {
        world.poll(index);
    }
    assert_eq!(world.endpoints[0].stats().sessions, 1);
    // The dialer dies before it has sent anything under the seal.
    world.endpoints.truncate(1);
    world.run_for(11 * SECOND);
    assert_eq!(world.endpoints[0].stats().sessions, 0);
    assert_eq!(world.events(0), []);
}

#[test]
fn handshakes_come_through_heavy_loss() {
    let mut failures = 0;
    for seed in 0..100 {
        let mut world = World::new();
        let faults = LinkFaults {
            loss: 0.25,
            duplicate: 0.1,
            delay: Duration::from_millis(40),
            jitter: Duration::from_millis(40),
            ..LinkFaults::default()
        };
        world.add(Once::default(), |_| {});
        world.add(Once::default(), |config| {
            config.fault = Some(FaultPlan { seed, egress: faults, ingress: faults, ..FaultPlan::default() });
        });
        let opened = world.open(1, 0, PSK, 12 * SECOND);
        failures += usize::from(opened.is_none());
        assert_eq!(world.endpoints[0].stats().tokens_refused, 0, "a repeated question is not judged again");
    }
    // Ten seconds hold more than ten tries; a run without luck is possible, but rare.
    assert!(failures <= 1, "{failures} of 100 handshakes failed");
}

#[test]
fn a_repeated_first_message_gets_the_same_answer_and_no_second_session() {
    let mut world = two();
    world.network.record();
    world.open(1, 0, PSK, SECOND).unwrap();
    let recorded = world.network.recorded();
    let init = of_kind(&recorded, INIT)[0].clone();
    let reply = of_kind(&recorded, REPLY)[0].datagram.clone();
    let sessions = world.endpoints[0].stats().sessions;
    for _ in 0..5 {
        world.network.inject(init.from, init.to, &init.datagram);
        world.step();
    }
    let again = world.network.recorded();
    let replies = of_kind(&again, REPLY);
    assert_eq!(replies.len(), 5);
    assert!(replies.iter().all(|record| record.datagram == reply));
    assert_eq!(world.endpoints[0].stats().sessions, sessions);
    assert_eq!((world.events(0), world.events(1)), (vec![], vec![]));
}

#[test]
fn a_first_message_from_elsewhere_or_too_late_is_ignored() {
    let mut world = two();
    world.network.record();
    world.open(1, 0, PSK, SECOND).unwrap();
    let recorded = world.network.recorded();
    let init = of_kind(&recorded, INIT)[0].clone();
    let elsewhere: SocketAddr = "10.9.9.9:1".parse().unwrap();
    world.network.inject(elsewhere, init.to, &init.datagram);
    world.step();
    assert_eq!(world.endpoints[0].stats().dropped(DropReason::BadCookie), 1);
    world.run_for(25 * SECOND);
    world.network.inject(init.from, init.to, &init.datagram);
    world.step();
    assert_eq!(world.endpoints[0].stats().dropped(DropReason::BadCookie), 2);
}

#[test]
fn a_refused_token_a_wrong_key_and_silence_each_have_their_reason() {
    let mut world = World::new();
    world.add(Once::default(), |_| {});
    world.add(Once::default(), |_| {});
    world.open(1, 0, PSK, SECOND).unwrap();
    let again = world.dial(1, 0, PSK).unwrap();
    world.run_for(SECOND);
    assert_eq!(world.events(1), [Event::Closed { session: again, reason: CloseReason::Refused(77) }]);

    let address = world.endpoints[0].local_addr();
    let key = world.endpoints[0].public_key();
    let now = world.now();
    let cases: [(SocketAddr, [u8; 32], [u8; 32]); 3] = [
        // Another server's key, the wrong pre-shared key, nobody there.
        (address, world.endpoints[1].public_key(), [1; 32]),
        (address, key, [2; 32]),
        ("10.9.9.9:9".parse().unwrap(), key, [3; 32]),
    ];
    for (index, (address, key, psk)) in cases.into_iter().enumerate() {
        let token = [10 + index as u8; 32];
        let session = world.endpoints[1].connect(address, key, psk, &token, now).unwrap();
        let mut closed = Vec::new();
        assert!(world.run_until(11 * SECOND, |world| {
            closed.extend(world.events(1));
            !closed.is_empty()
        }));
        assert_eq!(closed, [Event::Closed { session, reason: CloseReason::HandshakeTimeout }]);
    }
    assert_eq!(world.events(0).len(), 0, "nobody hears of sessions that never came about");
}

#[test]
fn a_full_endpoint_and_one_that_only_dials_say_so() {
    let mut world = World::new();
    world.add(Once::default(), |config| config.limits.max_sessions = 2);
    world.add(Once::default(), |_| {});
    for index in 0..2 {
        world.open(1, 0, [index; 32], SECOND).unwrap();
    }
    let third = world.dial(1, 0, [3; 32]).unwrap();
    world.run_for(SECOND);
    assert_eq!(world.events(1), [Event::Closed { session: third, reason: CloseReason::EndpointFull }]);

    let mut world = World::new();
    world.add(RefuseAll, |_| {});
    world.add(RefuseAll, |_| {});
    let session = world.dial(1, 0, PSK).unwrap();
    world.run_for(SECOND);
    assert_eq!(world.events(1), [Event::Closed { session, reason: CloseReason::Refused(0) }]);
}

#[test]
fn another_version_is_told_apart() {
    let mut world = two();
    world.network.record();
    let session = world.dial(1, 0, PSK).unwrap();
    let mut hello = world.network.recorded().remove(0);
    hello.datagram[1] = 200;
    // The server sees the changed hello only.
    world.network.rebind(hello.to, "10.0.0.1:1".parse().unwrap());
    world.network.rebind("10.0.0.1:1".parse().unwrap(), hello.to);
    world.network.inject(hello.from, hello.to, &hello.datagram);
    world.settle();
    assert_eq!(world.events(1), [Event::Closed { session, reason: CloseReason::VersionMismatch }]);
}

#[test]
fn one_source_cannot_start_handshakes_without_end() {
    let mut world = World::new();
    world.add(Once::default(), |config| config.limits.handshakes_per_source_per_s = 5);
    world.add(Once::default(), |_| {});
    for index in 0..60 {
        world.dial(1, 0, [index; 32]).unwrap();
    }
    world.run_for(Duration::from_millis(50));
    assert_eq!(world.endpoints[0].stats().sessions, 20, "the burst");
    assert!(world.endpoints[0].stats().dropped(DropReason::RateLimited) > 0);
    world.run_for(9 * SECOND);
    assert_eq!(world.endpoints[0].stats().sessions, 60, "and then the rate");
}

#[test]
fn no_answer_to_an_unproven_address_is_longer_than_its_question() {
    let mut world = two();
    world.network.record();
    world.open(1, 0, PSK, SECOND).unwrap();
    let recorded = world.network.recorded();
    let server = world.endpoints[0].local_addr();
    let mut answered = 0;
    for record in recorded.iter().filter(|record| record.to == server) {
        for length in 0..=record.datagram.len() {
            for version in [1, 2] {
                let mut question = record.datagram[..length].to_vec();
                if length > 1 && version != 1 {
                    question[1] = version;
                }
                let stranger: SocketAddr = "10.7.7.7:7".parse().unwrap();
                world.network.recorded();
                world.network.inject(stranger, server, &question);
                world.poll(0);
                let carried = world.network.recorded();
                let back: usize =
                    carried.iter().filter(|answer| answer.to == stranger).map(|answer| answer.datagram.len()).sum();
                answered += usize::from(back > 0);
                assert!(back <= question.len(), "{back} bytes for {}", question.len());
            }
        }
    }
    assert!(answered >= 2, "the whole hello is answered, in both versions");
    assert!(of_kind(&recorded, REFUSED).is_empty());
}

#[test]
fn two_endpoints_may_dial_each_other_and_keep_their_sessions_apart() {
    let mut world = two();
    let (a, b) = world.open(1, 0, PSK, SECOND).unwrap();
    let (c, d) = world.open(0, 1, PSK, SECOND).unwrap();
    let now = world.now();
    let sends: [(usize, SessionId, u8); 4] = [(1, a, 1), (0, b, 2), (0, c, 3), (1, d, 4)];
    for (index, session, byte) in sends {
        world.endpoints[index].send(session, Channel::ReliableOrdered, &[byte], now).unwrap();
    }
    world.run_for(SECOND);
    let message =
        |session, byte: u8| Event::Message { session, channel: Channel::ReliableOrdered, payload: [byte].into() };
    for (index, mut expected) in [(0, [message(b, 1), message(c, 4)]), (1, [message(a, 2), message(d, 3)])] {
        let mut events = world.events(index);
        events.sort_by_key(Event::session);
        expected.sort_by_key(Event::session);
        assert_eq!(events, expected);
    }
}
