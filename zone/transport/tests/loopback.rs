//! The same endpoint over real UDP.

use std::thread;
use std::time::{Duration, Instant};

use darkages_transport::fault::LinkFaults;
use darkages_transport::testing::OpenDoor;
use darkages_transport::{Channel, CloseReason, Endpoint, EndpointConfig, Event, FaultPlan, StaticKeypair};

const DEADLINE: Duration = Duration::from_secs(20);

fn endpoint() -> Endpoint<OpenDoor> {
    let key = StaticKeypair::generate().unwrap();
    let config = EndpointConfig::new("127.0.0.1:0".parse().unwrap(), key, 1_700_000_000);
    Endpoint::bind(config, OpenDoor, Instant::now()).unwrap()
}

/// Waits for the next event of an endpoint.
fn next(endpoint: &mut Endpoint<OpenDoor>) -> Event {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(event) = endpoint.next_event() {
            return event;
        }
        assert!(Instant::now() < deadline, "nothing happened");
        endpoint.wait(deadline);
        endpoint.poll(Instant::now());
    }
}

#[test]
fn sessions_open_talk_and_close_over_real_sockets() {
    const SESSIONS: usize = 20;
    let mut server = endpoint();
    let (address, key) = (server.local_addr(), server.public_key());
    let echo = thread::spawn(move || {
        let mut closed = 0;
        while closed < SESSIONS {
            match next(&mut server) {
                Event::Connected { admission, .. } => assert_eq!(admission.len(), 32),
                Event::Message { session, channel, payload } => {
                    server.send(session, channel, &payload, Instant::now()).unwrap();
                    server.flush(Instant::now());
                }
                Event::Closed { reason, .. } => {
                    assert_eq!(reason, CloseReason::Application(42));
                    closed += 1;
                }
            }
        }
        server.stats().clone()
    });
    let mut client = endpoint();
    let message = vec![7; 20_000];
    for index in 0..SESSIONS {
        let psk = [index as u8; 32];
        client.connect(address, key, psk, &psk, Instant::now()).unwrap();
    }
    let mut echoed = 0;
    while echoed < SESSIONS {
        match next(&mut client) {
            Event::Connected { session, .. } => {
                client.send(session, Channel::ReliableOrdered, &message, Instant::now()).unwrap();
                client.flush(Instant::now());
            }
            Event::Message { session, payload, .. } => {
                assert_eq!(payload[..], message[..]);
                client.close(session, CloseReason::Application(42));
                client.flush(Instant::now());
                echoed += 1;
            }
            Event::Closed { reason, .. } => panic!("{reason}"),
        }
    }
    let stats = echo.join().unwrap();
    assert_eq!((stats.sessions_accepted, stats.messages_in), (SESSIONS as u64, SESSIONS as u64));
}

#[test]
fn a_wait_ends_when_woken_and_no_later_than_its_deadline() {
    let mut endpoint = endpoint();
    let waker = endpoint.waker();
    let started = Instant::now();
    let thread = thread::spawn(move || waker.wake());
    endpoint.wait(started + DEADLINE);
    assert!(started.elapsed() < DEADLINE);
    thread.join().unwrap();
    let started = Instant::now();
    endpoint.wait(started + Duration::from_millis(3));
    assert!(started.elapsed() >= Duration::from_millis(3));
}

#[test]
fn delayed_datagrams_go_out_on_time_without_anything_else_to_wake_up_for() {
    const DELAY: Duration = Duration::from_millis(40);
    let mut server = endpoint();
    let mut client = endpoint();
    let egress = LinkFaults { delay: DELAY, ..LinkFaults::default() };
    client.set_fault(Some(FaultPlan { egress, ..FaultPlan::default() })).unwrap();
    let (address, key) = (server.local_addr(), server.public_key());
    let serving = thread::spawn(move || assert!(matches!(next(&mut server), Event::Connected { .. })));
    let started = Instant::now();
    client.connect(address, key, [1; 32], &[1; 32], started).unwrap();
    assert!(matches!(next(&mut client), Event::Connected { .. }));
    // Hello and first message were delayed, nothing else; a retry would come after 100 ms more.
    let took = started.elapsed();
    assert!(took >= 2 * DELAY && took < DEADLINE, "{took:?}");
    // The packet that tells the server is delayed as well, and leaves while this side does nothing but wait.
    let opened = Instant::now();
    while !serving.is_finished() {
        assert!(opened.elapsed() < DEADLINE);
        client.wait(Instant::now() + DELAY);
        client.poll(Instant::now());
    }
    serving.join().unwrap();
}
