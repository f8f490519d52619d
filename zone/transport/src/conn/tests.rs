//! A connection against a peer that has the keys and means harm, or whose datagrams a test picks one by one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use laminar::{Config, Connection, ConnectionMessenger, Packet, SocketEvent};
use proptest::prelude::*;

use super::frame::{Fragment, Frame, MAX_FRAMES, Stream};
use super::{FRAGMENT_BYTES, MAX_FRAGMENTS, MAX_HELD_BYTES, MAX_MESSAGE_BYTES, RECEIVE_WINDOW, ZoneConn};
use crate::close::CloseReason;
use crate::local::{Down, Report, Up};
use crate::secure::header::MAX_PLAINTEXT;

/// What a connection does, kept for the test.
#[derive(Default)]
struct Wire {
    config: Config,
    datagrams: Vec<(u64, Vec<u8>)>,
    reports: Vec<Report>,
    closed: Option<CloseReason>,
    messages: Vec<Vec<u8>>,
    disconnected: bool,
}

impl ConnectionMessenger<SocketEvent> for Wire {
    fn config(&self) -> &Config {
        &self.config
    }

    fn send_event(&mut self, _address: &SocketAddr, event: SocketEvent) {
        match event {
            SocketEvent::Packet(packet) => self.messages.push(packet.payload().to_vec()),
            SocketEvent::Disconnect(_) => self.disconnected = true,
            SocketEvent::Connect(_) | SocketEvent::Timeout(_) => {}
        }
    }

    fn send_packet(&mut self, _address: &SocketAddr, payload: &[u8]) {
        match Down::read(payload).expect("a connection speaks to its socket as agreed") {
            Down::Datagram { number, plaintext, .. } => {
                assert!(plaintext.len() <= MAX_PLAINTEXT);
                self.datagrams.push((number, plaintext.to_vec()));
            }
            Down::Report(report) => self.reports.push(report),
            Down::Close(reason) => self.closed = Some(reason),
        }
    }
}

fn address() -> SocketAddr {
    "[100::1]:1".parse().unwrap()
}

fn open(wire: &mut Wire, now: Instant) -> ZoneConn {
    let mut conn = ZoneConn::create_connection(wire, address(), now);
    let mut signal = [0; 2];
    Up::Opened { dialed: false }.write_signal(&mut signal);
    conn.process_packet(wire, &signal, now);
    conn
}

fn give(conn: &mut ZoneConn, wire: &mut Wire, number: u64, plaintext: &[u8], now: Instant) {
    let payload = [&Up::datagram_prefix(number)[..], plaintext].concat();
    conn.process_packet(wire, &payload, now);
}

fn ordered(sequence: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Frame::Reliable { stream: Stream::Ordered, sequence: sequence as u16, fragment: None, payload }
        .write(&mut out, true);
    out
}

#[test]
fn a_packet_that_found_no_room_is_not_acknowledged_and_may_come_again() {
    let (mut wire, now) = (Wire::default(), Instant::now());
    let mut conn = open(&mut wire, now);
    let payload = [1; 1000];
    let fits = (MAX_HELD_BYTES / payload.len()) as u64;
    // The first message is missing, so everything else is held until there is no room.
    for sequence in 1..=fits + 1 {
        give(&mut conn, &mut wire, sequence, &ordered(sequence, &payload), now);
        conn.update(&mut wire, now);
    }
    conn.update(&mut wire, now + Duration::from_millis(50));
    let held = wire.reports.iter().map(|report| report.held as usize).max().unwrap();
    assert!(held <= MAX_HELD_BYTES);
    let highest = |wire: &Wire| {
        let acks = wire.datagrams.iter().filter_map(|(_, bytes)| match super::frame::Frames::new(bytes).next() {
            Some(Ok(Frame::Ack { highest, .. })) => Some(highest),
            _ => None,
        });
        acks.max()
    };
    assert_eq!(highest(&wire), Some(fits as u32));
    give(&mut conn, &mut wire, 2000, &ordered(0, &payload), now);
    give(&mut conn, &mut wire, 2001, &ordered(fits + 1, &payload), now);
    conn.update(&mut wire, now);
    assert_eq!(wire.messages.len() as u64, fits + 2);
    assert_eq!((highest(&wire), wire.closed), (Some(2001), None));
}

#[test]
fn rules_that_no_correct_peer_breaks_end_the_session() {
    let mut longest = Vec::new();
    let fragments = [FRAGMENT_BYTES + 20; MAX_FRAGMENTS as usize];
    for (index, bytes) in fragments.iter().enumerate() {
        let fragment = Some(Fragment { index: index as u8, count: MAX_FRAGMENTS });
        let payload = &vec![0; *bytes];
        let mut out = Vec::new();
        Frame::Reliable { stream: Stream::Unordered, sequence: index as u16, fragment, payload }.write(&mut out, true);
        longest.push(out);
    }
    assert!(fragments.iter().sum::<usize>() > MAX_MESSAGE_BYTES);
    let cases: [Vec<Vec<u8>>; 5] = [
        vec![vec![0]],
        vec![vec![0xff, 1, 2, 3]],
        vec![vec![0x10; MAX_FRAMES + 1]],
        vec![ordered(RECEIVE_WINDOW, b"far ahead")],
        longest,
    ];
    for datagrams in cases {
        let (mut wire, now) = (Wire::default(), Instant::now());
        let mut conn = open(&mut wire, now);
        for (number, plaintext) in datagrams.iter().enumerate() {
            give(&mut conn, &mut wire, number as u64, plaintext, now);
        }
        assert_eq!((wire.closed, wire.disconnected), (Some(CloseReason::ProtocolViolation), true));
        assert!(conn.should_drop(&mut wire, now));
        assert!(wire.messages.is_empty());
    }
}

#[test]
fn acknowledging_what_was_never_sent_changes_nothing() {
    let (mut wire, now) = (Wire::default(), Instant::now());
    let mut conn = open(&mut wire, now);
    let mut ack = Vec::new();
    Frame::Ack { highest: 5000, held: 0, bits: &[0xff; 15] }.write(&mut ack, true);
    give(&mut conn, &mut wire, 0, &ack, now);
    conn.process_event(&mut wire, Packet::reliable_unordered(address(), vec![1; 10]), now);
    conn.update(&mut wire, now);
    give(&mut conn, &mut wire, 1, &ack, now);
    conn.update(&mut wire, now);
    assert_eq!(wire.reports.iter().map(|report| report.freed).sum::<u32>(), 0);
    let later = now + Duration::from_secs(1);
    conn.update(&mut wire, later);
    let resent = wire.datagrams.iter().filter(|(_, bytes)| bytes.ends_with(&[1; 10])).count();
    assert_eq!(resent, 2, "the message is sent again");
}

#[test]
fn a_connection_that_nobody_opened_goes_away() {
    let (mut wire, now) = (Wire::default(), Instant::now());
    let mut conn = ZoneConn::create_connection(&mut wire, address(), now);
    give(&mut conn, &mut wire, 0, &ordered(0, b"x"), now);
    conn.process_event(&mut wire, Packet::unreliable(address(), vec![1]), now);
    conn.update(&mut wire, now);
    assert!(conn.should_drop(&mut wire, now));
    assert!(wire.messages.is_empty() && wire.datagrams.is_empty() && !wire.disconnected);
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop::option::of((2_u8..8).prop_flat_map(|count| (0..count, Just(count))));
    (1_u8..7, 0_u32..2000, fragment, prop::collection::vec(any::<u8>(), 0..FRAGMENT_BYTES)).prop_map(
        |(kind, number, fragment, payload)| {
            let fragment = fragment.map(|(index, count)| Fragment { index, count });
            let stream = if kind == 4 { Stream::Ordered } else { Stream::Unordered };
            let frame = match kind {
                1 => Frame::Ping,
                2 => Frame::Ack { highest: number, held: number as u8, bits: &payload[..payload.len().min(15)] },
                3 => Frame::Sequenced(&payload),
                _ => Frame::Reliable { stream, sequence: number as u16, fragment, payload: &payload },
            };
            let mut out = Vec::new();
            frame.write(&mut out, true);
            out
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_peer_with_keys_can_neither_crash_this_side_nor_fill_its_memory(
        datagrams in prop::collection::vec(
            prop_oneof![any_frame(), prop::collection::vec(any::<u8>(), 0..200)], 1..400),
        steps in prop::collection::vec(0_u64..30, 400),
    ) {
        let (mut wire, mut now) = (Wire::default(), Instant::now());
        let mut conn = open(&mut wire, now);
        for (number, (plaintext, step)) in datagrams.iter().zip(steps).enumerate() {
            now += Duration::from_millis(step);
            if number % 7 == 0 {
                conn.process_event(&mut wire, Packet::reliable_ordered(address(), vec![0; number * 50], None), now);
            }
            give(&mut conn, &mut wire, number as u64, plaintext, now);
            conn.update(&mut wire, now);
            if wire.disconnected {
                conn = open(&mut wire, now);
                wire.disconnected = false;
            }
        }
        let bound = 2 * MAX_HELD_BYTES + 2 * MAX_MESSAGE_BYTES;
        prop_assert!(wire.reports.iter().all(|report| (report.held as usize) <= bound));
        // Whatever comes in, at most about one datagram goes out for each, besides what was queued.
        let queued: usize = (0..datagrams.len()).step_by(7).map(|number| number * 50 / FRAGMENT_BYTES + 1).sum();
        prop_assert!(wire.datagrams.len() <= 2 * datagrams.len() + 20 * queued + 20);
    }
}
