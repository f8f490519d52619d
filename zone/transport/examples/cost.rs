//! What a datagram costs in processor time: many sessions on real loopback sockets, inputs at 60 Hz up and snapshots at 20 Hz down.
//!
//! `cargo run --release -p darkages-transport --example cost -- [sessions] [seconds]`

use std::cell::RefCell;
use std::thread;
use std::time::{Duration, Instant};

use darkages_transport::testing::OpenDoor;
use darkages_transport::{Channel, CloseReason, Endpoint, EndpointConfig, Event, SessionId, StaticKeypair};
use rustix::time::{ClockId, clock_gettime};

const TICK: Duration = Duration::from_nanos(16_666_667);
const INPUT: [u8; 8] = [1; 8];
const SNAPSHOT: [u8; 700] = [2; 700];

fn endpoint() -> Endpoint<OpenDoor> {
    let key = StaticKeypair::generate().expect("the system has randomness");
    let config = EndpointConfig::new("127.0.0.1:0".parse().expect("an address"), key, 0);
    Endpoint::bind(config, OpenDoor, Instant::now()).expect("a port is free")
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Runs ticks until `end`: at each one `act`, in between whatever arrives.
fn ticks(
    endpoint: &mut Endpoint<OpenDoor>,
    end: Instant,
    mut act: impl FnMut(&mut Endpoint<OpenDoor>, u64, Instant),
    mut event: impl FnMut(Event),
) {
    let start = Instant::now();
    for tick in 0.. {
        let deadline = start + TICK * tick as u32;
        if deadline > end {
            return;
        }
        loop {
            endpoint.wait(deadline);
            let now = Instant::now();
            endpoint.poll(now);
            std::iter::from_fn(|| endpoint.next_event()).for_each(&mut event);
            if now >= deadline {
                break;
            }
        }
        act(endpoint, tick, Instant::now());
        endpoint.flush(Instant::now());
    }
}

fn serve(mut server: Endpoint<OpenDoor>, end: Instant) {
    let sessions: RefCell<Vec<SessionId>> = RefCell::default();
    let (mut before, mut measured_from) = (cpu(), server.stats().clone());
    ticks(
        &mut server,
        end,
        |server, tick, now| {
            // The first second holds the handshakes.
            if tick == 60 {
                (before, measured_from) = (cpu(), server.stats().clone());
            }
            for (place, session) in sessions.borrow().iter().enumerate() {
                if (place as u64 + tick).is_multiple_of(3) {
                    server.send(*session, Channel::Unreliable, &SNAPSHOT, now).expect("the session is open");
                }
            }
        },
        |event| match event {
            Event::Connected { session, .. } => sessions.borrow_mut().push(session),
            Event::Message { .. } => {}
            Event::Closed { reason, .. } => println!("closed: {reason}"),
        },
    );
    let (used, stats) = (cpu() - before, server.stats());
    let (received, sent) =
        (stats.datagrams_in - measured_from.datagrams_in, stats.datagrams_out - measured_from.datagrams_out);
    println!("server: {received} datagrams in, {sent} out, {used:?} of processor time");
    println!("        {:.2} µs per datagram", used.as_secs_f64() * 1e6 / (received + sent) as f64);
    stats.drops().filter(|(_, count)| *count > 0).for_each(|(reason, count)| println!("  {count} {}", reason.label()));
    println!("        rtt {} µs", stats.rtt_us);
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().expect("a number"));
    let sessions = arguments.next().unwrap_or(600);
    let seconds = arguments.next().unwrap_or(5);
    let server = endpoint();
    let (address, key) = (server.local_addr(), server.public_key());
    let end = Instant::now() + Duration::from_secs(seconds + 1);
    let serving = thread::spawn(move || serve(server, end));
    let mut client = endpoint();
    let open: RefCell<Vec<SessionId>> = RefCell::default();
    for index in 0..sessions {
        let mut psk = [0; 32];
        psk[..8].copy_from_slice(&index.to_le_bytes());
        client.connect(address, key, psk, &psk, Instant::now()).expect("a session can be dialed");
    }
    let before = cpu();
    ticks(
        &mut client,
        end,
        |client, _, now| {
            for session in open.borrow().iter() {
                client.send(*session, Channel::Unreliable, &INPUT, now).expect("the session is open");
            }
        },
        |event| {
            if let Event::Connected { session, .. } = event {
                open.borrow_mut().push(session);
            }
        },
    );
    let open = open.into_inner();
    println!("client: {} sessions, {:?} of processor time", open.len(), cpu() - before);
    open.into_iter().for_each(|session| client.close(session, CloseReason::Done));
    client.flush(Instant::now());
    serving.join().expect("the server does not panic");
}
