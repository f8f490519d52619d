//! Accepts connections for the directory's router: a bounded number, with a deadline for whoever sends no request.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

/// Connections at once: a world's worth of clients that join in the same second, and the watchers of the map.
pub const CONNECTIONS: usize = 2_048;

/// Of these, connections of one address: many players behind one router, and never all places.
pub const CONNECTIONS_PER_ADDRESS: usize = 256;

/// A connection whose peer takes nothing of what it was sent for this long is closed by the kernel.
const TAKES_WITHIN: Duration = Duration::from_secs(10);

/// A connection that has not sent a whole request head for this long is closed.
const HEAD_WITHIN: Duration = Duration::from_secs(15);

/// What is under way when the directory closes may take this long.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Pause after a failed `accept`, which as a rule means that the process is out of file descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Serves `router` on `listener` until `closing` turns true, then lets requests under way finish for two seconds.
pub async fn serve(listener: TcpListener, router: Router, mut closing: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let guests = Guests::default();
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            next = next => next,
            _ = closing.wait_for(|closing| *closing) => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, address)) => {
                // Who has too many is hung up on at once; the others wait for nobody.
                let Some(guest) = guests.welcome(address.ip()) else { continue };
                let answer = answer(stream, address, router.clone(), closing.clone());
                connections.spawn(async move {
                    answer.await;
                    drop((place, guest));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
    drop(listener);
    let over = async { while connections.join_next().await.is_some() {} };
    if timeout(CLOSE_WITHIN, over).await.is_err() {
        tracing::debug!("connections were still open when the directory closed");
    }
}

/// How many connections each address has.
#[derive(Clone, Debug, Default)]
struct Guests(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection of an address, which counts until it is dropped.
#[derive(Debug)]
struct Guest {
    guests: Guests,
    address: IpAddr,
}

impl Guests {
    /// Counts one more connection; `None` when the address has as many as it may.
    fn welcome(&self, address: IpAddr) -> Option<Guest> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= CONNECTIONS_PER_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Guest { guests: self.clone(), address })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut counts = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Answers the requests of one connection.
async fn answer(stream: TcpStream, address: SocketAddr, router: Router, mut closing: watch::Receiver<bool>) {
    // Frames of the map are small and want to leave at once; a socket that refuses the option is only slower.
    let _ = stream.set_nodelay(true);
    // One that takes nothing would keep its place for ever: writing has no deadline of its own.
    let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(TAKES_WITHIN));
    let service = router.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        request.map(axum::body::Body::new)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    let mut ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = closing.wait_for(|closing| *closing) => None,
    };
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        ended = Some(connection.await);
    }
    if let Some(Err(error)) = ended {
        tracing::trace!(%error, "a connection ended early");
    }
}
