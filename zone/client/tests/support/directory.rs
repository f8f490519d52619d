//! A directory that believes everything, over plain sockets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Where the zones are and what the world looks like.
pub struct Known {
    /// Address and key of each zone.
    pub zones: Vec<(SocketAddr, [u8; 32])>,
    /// The zone for a player at x (units): all of it is the test's own rule.
    pub zone_of: fn(i32) -> usize,
    /// Where players are, once they were in the world.
    pub places: std::collections::HashMap<u64, i32>,
    /// The picture of the world.
    pub world: Value,
    /// Requests of joins that are refused before one is granted.
    pub refuse: u32,
}

/// The psk of a player in these tests.
pub fn psk_of(player: u64) -> [u8; 32] {
    let mut psk = [7; 32];
    psk[..8].copy_from_slice(&player.to_le_bytes());
    psk
}

/// Starts it and returns its URL. Its thread ends with the process.
pub fn start(known: Arc<Mutex<Known>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let known = Arc::clone(&known);
            std::thread::spawn(move || while answer(&stream, &known).is_some() {});
        }
    });
    url
}

fn answer(stream: &TcpStream, known: &Mutex<Known>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (status, json) = route(&head, &body, &mut known.lock().expect("no test panics while it holds this"));
    let text = json.to_string();
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    )
    .ok()
}

fn route(head: &str, body: &[u8], known: &mut Known) -> (u16, Value) {
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    if head.starts_with("GET /v1/world ") {
        return (200, known.world.clone());
    }
    if head.starts_with("POST /v1/dev/ticket ") {
        let player = body["player"].as_u64().expect("bots name themselves");
        let ticket = format!("{player} {} {}", body["spawn"]["x"], body["spawn"]["y"]);
        return (200, json!({ "player": player, "ticket": STANDARD.encode(ticket), "expires_unix_s": 1 }));
    }
    if known.refuse > 0 {
        known.refuse -= 1;
        return (503, json!({ "error": "no_zone_ready", "message": "try again" }));
    }
    let ticket = STANDARD.decode(body["ticket"].as_str().unwrap_or_default()).expect("a ticket of this issuer");
    let ticket = String::from_utf8(ticket).expect("it is text");
    let numbers: Vec<i64> = ticket.split(' ').filter_map(|part| part.parse().ok()).collect();
    let player = numbers[0] as u64;
    let x = known.places.get(&player).copied().unwrap_or(numbers[1] as i32);
    let (address, key) = known.zones[(known.zone_of)(x)];
    let token: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let answer = json!({
        "player": player, "endpoint": address.to_string(), "server_key": STANDARD.encode(key),
        "token": STANDARD.encode(token), "psk": STANDARD.encode(psk_of(player)), "expires_unix_s": 1,
    });
    (200, answer)
}
