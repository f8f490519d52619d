//! What the directory bears from those who connect to it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use darkages_directory::serve::CONNECTIONS_PER_ADDRESS;

mod scene;

use scene::Scene;

/// Several times what the directory waits for anybody.
const DEADLINE: Duration = Duration::from_secs(60);

fn connect(scene: &Scene) -> TcpStream {
    let address = scene.url.strip_prefix("http://").expect("an address");
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    stream
}

/// Whether the directory has hung up, without a word.
fn is_over(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).expect("it can be asked");
    match stream.read(&mut [0; 1]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

#[test]
fn one_address_has_its_places_and_no_more() {
    let scene = Scene::new();
    let mut guests: Vec<TcpStream> = (0..=CONNECTIONS_PER_ADDRESS).map(|_| connect(&scene)).collect();
    let begun = Instant::now();
    while !guests.iter_mut().any(is_over) {
        assert!(begun.elapsed() < DEADLINE, "nobody is refused");
        std::thread::yield_now();
    }
    assert_eq!(guests.iter_mut().filter_map(|guest| is_over(guest).then_some(())).count(), 1);
    // A place that is given back is somebody else's.
    drop(guests);
    let begun = Instant::now();
    loop {
        let mut guest = connect(&scene);
        let mut answer = String::new();
        // Until the others are gone it may be hung up on.
        let _ = write!(guest, "GET /v1/world HTTP/1.1\r\nHost: world\r\nConnection: close\r\n\r\n");
        if guest.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "the places are never given back");
    }
}

#[test]
fn who_takes_nothing_of_the_answers_is_hung_up_on() {
    let scene = Scene::new();
    let mut guest = connect(&scene);
    guest.set_write_timeout(Some(DEADLINE)).expect("a deadline");
    let ask = "GET / HTTP/1.1\r\nHost: world\r\n\r\n".repeat(1_000);
    let begun = Instant::now();
    // It asks on and on and reads nothing: at last the connection is reset under its pen.
    while guest.write_all(ask.as_bytes()).is_ok() {
        assert!(begun.elapsed() < DEADLINE, "it is borne for ever");
    }
    assert!(begun.elapsed() < DEADLINE, "the write was given up, not reset");
}
