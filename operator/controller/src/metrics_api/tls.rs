//! How the metrics API is spoken to: TLS, with the certificate that the API server was told to trust, and a client that shows
//! that of the front proxy.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{DEFAULT_VERSIONS, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::front_proxy::{FrontProxy, FrontProxyError};
use crate::authority::Pair;

/// What a connection is accepted with.
#[derive(Clone)]
pub struct Door {
    /// Our side of the handshake.
    pub acceptor: TlsAcceptor,
    /// Whom we believe.
    pub proxy: FrontProxy,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Our own certificate or key is none.
    #[error("our certificate cannot be read: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// Certificate and key do not fit.
    #[error("our certificate cannot be used: {0}")]
    Certificate(#[from] rustls::Error),
    /// Nobody can be verified.
    #[error("certificates of the front proxy cannot be verified: {0}")]
    Verifier(#[from] VerifierBuilderError),
    /// The cluster names no authority.
    #[error(transparent)]
    FrontProxy(#[from] FrontProxyError),
}

impl Door {
    /// With this certificate of ours, for that proxy.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn new(own: &Pair, proxy: FrontProxy) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(proxy.roots()?);
        // Whoever shows none is told so by an answer, which is easier to read than a broken handshake.
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .allow_unauthenticated()
            .build()?;
        let certificate = CertificateDer::from_pem_slice(own.certificate.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes())?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(DEFAULT_VERSIONS)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate], key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), proxy })
    }
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("proxy", &self.proxy).finish_non_exhaustive()
    }
}
