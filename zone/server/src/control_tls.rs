//! Mutual TLS of the control API: whoever tells a zone what to serve shows a certificate of the zone's authority first.
//!
//! What flows in are TCP connections and a folder as a Kubernetes Secret of type `kubernetes.io/tls` is mounted: `tls.crt`, `tls.key` and
//! `ca.crt`, PEM. What flows out are connections whose other end has a client certificate of that authority, which has to be
//! made for clients: the certificate of another zone is none. The folder is read again every [`RELOAD_EVERY`], so certificates
//! and authorities can be exchanged while the zone runs; connections that are open stay open.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;

/// How often the files are read again. A kubelet takes a minute to write what was exchanged.
pub const RELOAD_EVERY: Duration = Duration::from_secs(5);

/// Handshakes that are under way, at most. Further connections wait to be accepted.
const MAX_HANDSHAKES: usize = 64;

/// How long a handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(2);

/// After a connection could not be accepted, as when there are too many, how long none is.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Why the files are of no use. The message names the file and the fix.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("{}: {source}: mount tls.crt, tls.key and ca.crt there", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has nothing of what is wanted, or something else.
    #[error("{}: no PEM with {wanted} ({source})", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        wanted: &'static str,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// `ca.crt` holds no authority that clients can be checked by.
    #[error("ca.crt: {0}: give the certificates of those who sign for the operator")]
    Authority(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error("tls.crt and tls.key: {0}: give a certificate and its own key")]
    Pair(#[from] rustls::Error),
}

/// The files as they were read.
#[derive(PartialEq, Eq)]
struct Files {
    folder: PathBuf,
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: Vec<u8>,
}

impl Files {
    fn read(folder: &Path) -> Result<Self, TlsError> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|source| TlsError::Unreadable { path, source })
        };
        let (certificate, key, authority) = (read("tls.crt")?, read("tls.key")?, read("ca.crt")?);
        Ok(Self { folder: folder.to_owned(), certificate, key, authority })
    }

    fn malformed(&self, name: &str, wanted: &'static str) -> impl Fn(pem::Error) -> TlsError {
        let path = self.folder.join(name);
        move |source| TlsError::Malformed { path: path.clone(), wanted, source }
    }

    fn certificates(&self, name: &str, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let malformed = self.malformed(name, "a certificate");
        let found = CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>().map_err(&malformed)?;
        if found.is_empty() { Err(malformed(pem::Error::NoItemsFound)) } else { Ok(found) }
    }

    fn config(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let mut authorities = RootCertStore::empty();
        for certificate in self.certificates("ca.crt", &self.authority)? {
            authorities.add(certificate).map_err(|error| TlsError::Authority(error.into()))?;
        }
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(&provider))
            .build()
            .map_err(|error| TlsError::Authority(error.into()))?;
        let chain = self.certificates("tls.crt", &self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(self.malformed("tls.key", "a private key"))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

/// Connections to `listener` whose other end has shown that it may tell this zone what to do, until the stream is dropped.
/// Must be called within a tokio runtime.
///
/// # Errors
/// When the files in `folder` are of no use. Later, when they are exchanged for such, the old ones hold.
pub fn accept(
    listener: TcpListener,
    folder: &Path,
) -> Result<ReceiverStream<io::Result<TlsStream<TcpStream>>>, TlsError> {
    let files = Files::read(folder)?;
    let (tell, config) = watch::channel(Arc::new(files.config()?));
    let (found, connections) = mpsc::channel(MAX_HANDSHAKES);
    tokio::spawn(reload(files, tell, found.clone()));
    tokio::spawn(greet(listener, config, found));
    Ok(ReceiverStream::new(connections))
}

type Found = mpsc::Sender<io::Result<TlsStream<TcpStream>>>;

/// Reads the files again and again until nobody takes connections any more.
async fn reload(mut held: Files, tell: watch::Sender<Arc<ServerConfig>>, found: Found) {
    let mut complained = String::new();
    while tokio::time::timeout(RELOAD_EVERY, found.closed()).await.is_err() {
        let folder = held.folder.clone();
        // It is not joined when the runtime ends.
        let Ok(read) = tokio::task::spawn_blocking(move || Files::read(&folder)).await else { return };
        let files = match read {
            Ok(files) if files == held => {
                complained.clear();
                continue;
            }
            read => read.and_then(|files| Ok((files.config()?, files))),
        };
        match files {
            Ok((config, files)) => {
                tracing::info!("the control API has new certificates");
                (held, complained) = (files, String::new());
                tell.send_replace(Arc::new(config));
            }
            Err(error) if complained == error.to_string() => {}
            Err(error) => {
                tracing::warn!(%error, "the control API keeps its old certificates");
                complained = error.to_string();
            }
        }
    }
}

/// Accepts connections and hands on those whose handshake is done.
async fn greet(listener: TcpListener, config: watch::Receiver<Arc<ServerConfig>>, found: Found) {
    let room = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = found.closed() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (acceptor, found) = (TlsAcceptor::from(Arc::clone(&config.borrow())), found.clone());
                tokio::spawn(async move {
                    let _place = place;
                    match tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
                        // Nobody takes it any more when the zone ends.
                        Ok(Ok(stream)) => drop(found.send(Ok(stream)).await),
                        Ok(Err(error)) => tracing::warn!(%peer, %error, "refused a connection to the control API"),
                        Err(_) => tracing::warn!(%peer, "a handshake with the control API took too long"),
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control API accepts nobody for a moment");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}
