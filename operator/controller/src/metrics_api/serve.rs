//! Accepts connections of the API server: a bounded number, with a deadline for whoever says nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

use super::tls::Door;

/// Connections at once. An API server has a handful, and a cluster a few API servers.
const CONNECTIONS: usize = 256;

/// A handshake may take this long, and the head of a request, also the time until the next one.
const SHAKES_HANDS_WITHIN: Duration = Duration::from_secs(5);
const HEAD_WITHIN: Duration = Duration::from_secs(90);

/// Pause after a failed `accept`, which as a rule means that the process is out of file descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The certificate that was shown, signed by the front proxy's authority.
    pub certificate: Option<CertificateDer<'static>>,
    /// Whom we believe.
    pub door: Arc<Door>,
}

/// Serves until it is dropped. Connections wait until there is something to accept them with.
pub async fn serve(listener: TcpListener, router: Router, mut door: watch::Receiver<Option<Arc<Door>>>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let open = match door.wait_for(Option::is_some).await {
            Ok(open) => open.clone(),
            Err(_) => return,
        };
        let Some(open) = open else { continue };
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        let accepted = listener.accept().await;
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let router = router.clone();
                connections.spawn(async move {
                    answer(stream, open, router).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}

/// Answers the requests of one connection.
async fn answer(stream: TcpStream, door: Arc<Door>, router: Router) {
    let Ok(Ok(stream)) = timeout(SHAKES_HANDS_WITHIN, door.acceptor.accept(stream)).await else { return };
    let certificates = stream.get_ref().1.peer_certificates();
    let certificate =
        certificates.and_then(|certificates| certificates.first()).cloned().map(CertificateDer::into_owned);
    let caller = Caller { certificate, door };
    let service = router.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(caller.clone());
        request.map(axum::body::Body::new)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = connection.await {
        tracing::trace!(%error, "a connection ended early");
    }
}
