//! A way to a server that can be made slow.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Chunks that are under way in one direction of one connection, at most; then it stops reading.
const MAX_CHUNKS: usize = 1_024;

/// Bytes of one chunk, at most.
const CHUNK: usize = 16 * 1024;

/// Forwards connections to a server, each byte so much later than it came.
pub struct Proxy {
    address: String,
    shared: Arc<Shared>,
    accepts: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    delay_ms: AtomicU64,
    is_over: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Listens on a free port for the server at `target` (`host:port`).
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn start(target: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let shared = Arc::new(Shared::default());
        let (target, of_thread) = (target.to_owned(), Arc::clone(&shared));
        let accepts = std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if of_thread.is_over.load(Ordering::Relaxed) {
                    break;
                }
                // A server that is not there is seen as a connection that ends.
                if let Ok(server) = TcpStream::connect(&target) {
                    forward(&client, &server, &of_thread);
                    forward(&server, &client, &of_thread);
                    let mut connections = of_thread.connections.lock().unwrap_or_else(PoisonError::into_inner);
                    connections.extend([client, server]);
                }
            }
        });
        Self { address, shared, accepts: Some(accepts) }
    }

    /// Where it listens, as `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Delays what comes from now on, each way by half of `round_trip`.
    pub fn set_delay(&self, round_trip: Duration) {
        let each_way = u64::try_from(round_trip.as_millis() / 2).unwrap_or(u64::MAX);
        self.shared.delay_ms.store(each_way, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for connection in self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // It may have ended by itself.
            let _ = connection.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(&self.address);
        if let Some(accepts) = self.accepts.take() {
            let _ = accepts.join();
        }
    }
}

/// Starts to forward one direction. Its threads end with the connection.
fn forward(from: &TcpStream, to: &TcpStream, shared: &Arc<Shared>) {
    let mut from = from.try_clone().expect("a socket can be shared");
    let to = to.try_clone().expect("a socket can be shared");
    let (send, due) = sync_channel(MAX_CHUNKS);
    let shared = Arc::clone(shared);
    std::thread::spawn(move || read(&mut from, &send, &shared));
    std::thread::spawn(move || write(to, &due));
}

fn read(from: &mut TcpStream, send: &SyncSender<(Instant, Vec<u8>)>, shared: &Shared) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let due = Instant::now() + Duration::from_millis(shared.delay_ms.load(Ordering::Relaxed));
        if send.send((due, buffer[..length].to_vec())).is_err() {
            break;
        }
    }
}

fn write(mut to: TcpStream, due: &Receiver<(Instant, Vec<u8>)>) {
    for (due, bytes) in due {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
