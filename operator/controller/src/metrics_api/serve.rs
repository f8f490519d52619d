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

/// A connection lasts this long at most, so that whom the cluster believes no more is not believed for long; one of
/// somebody else for one answer, so that it keeps nobody's place.
const LASTS: Duration = Duration::from_secs(600);
const STRANGER_LASTS: Duration = Duration::from_secs(5);

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
        if door.wait_for(Option::is_some).await.is_err() {
            return;
        }
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        let accepted = listener.accept().await;
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                // The newest: it may have been long until somebody came.
                let Some(open) = door.borrow().clone() else { continue };
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
    let believed = door.proxy.believe(certificate.as_ref()).is_ok();
    let caller = Caller { certificate, door };
    let service = router.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(caller.clone());
        request.map(axum::body::Body::new)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).keep_alive(believed);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let limit = if believed { LASTS } else { STRANGER_LASTS };
    if let Ok(Err(error)) = timeout(limit, connection).await {
        tracing::trace!(%error, "a connection ended early");
    }
}
