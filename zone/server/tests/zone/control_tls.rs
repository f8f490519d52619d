//! The control API for others than this machine: whoever tells a zone what to serve shows a certificate first.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use darkages_server::control_tls::RELOAD_EVERY;
use darkages_topology::control::StatsRequest;
use darkages_topology::control::zone_control_client::ZoneControlClient;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

use crate::client::DEADLINE;
use crate::server::{Server, runtime};

/// The name that zones answer to, whatever their address is.
const NAME: &str = "zone.test";

/// PEM whose bytes are none.
const NOT_A_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// Who signs.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, PEM.
struct Pair {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn signs(&self, purpose: ExtendedKeyUsagePurpose) -> Pair {
        let mut params = CertificateParams::new([NAME.to_owned()]).expect("a name");
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    /// Writes what a zone needs that trusts this authority.
    fn mount(&self, folder: &Path) {
        let pair = self.signs(ExtendedKeyUsagePurpose::ServerAuth);
        for (name, text) in [("tls.crt", &pair.certificate), ("tls.key", &pair.key), ("ca.crt", &self.pem)] {
            std::fs::write(folder.join(name), text).expect("written");
        }
    }
}

/// Asks the zone how it is, as somebody who has this certificate and trusts that authority.
async fn ask(address: SocketAddr, trusted: &Authority, own: Option<&Pair>) -> Result<String, String> {
    let mut tls = ClientTlsConfig::new().domain_name(NAME).ca_certificate(Certificate::from_pem(&trusted.pem));
    if let Some(pair) = own {
        tls = tls.identity(Identity::from_pem(&pair.certificate, &pair.key));
    }
    let endpoint = Channel::from_shared(format!("https://{address}")).expect("an address").tls_config(tls);
    let channel = endpoint.expect("a configuration").connect().await.map_err(|error| format!("{error:?}"))?;
    // With TLS 1.3 a client hears that it was refused when it speaks.
    let stats = ZoneControlClient::new(channel).stats(StatsRequest::default()).await;
    stats.map(|stats| stats.into_inner().zone).map_err(|status| status.to_string())
}

#[test]
fn only_who_has_a_client_certificate_of_the_authority_tells_a_zone_what_to_do() {
    let (data, secret, runtime) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"), runtime());
    let (ours, theirs) = (Authority::new(), Authority::new());
    ours.mount(secret.path());
    let folders = [data.path(), secret.path()].map(|path| path.to_str().expect("a plain name"));
    let flags = ["--data", folders[0], "--control", "0.0.0.0:0", "--control-tls", folders[1]];
    let server = Server::start(data.path(), "zone-0", &flags);
    let address = SocketAddr::from(([127, 0, 0, 1], server.control_address().port()));
    let ask = |trusted: &Authority, own: Option<&Pair>| runtime.block_on(ask(address, trusted, own));

    let operator = ours.signs(ExtendedKeyUsagePurpose::ClientAuth);
    assert_eq!(ask(&ours, Some(&operator)), Ok("zone-0".to_owned()));
    ask(&ours, None).expect_err("it shows nothing");
    ask(&ours, Some(&theirs.signs(ExtendedKeyUsagePurpose::ClientAuth))).expect_err("of another authority");
    ask(&ours, Some(&ours.signs(ExtendedKeyUsagePurpose::ServerAuth))).expect_err("another zone's");
    ask(&theirs, Some(&operator)).expect_err("the operator trusts somebody else");
    let plain = runtime.block_on(ZoneControlClient::connect(format!("http://{address}")));
    if let Ok(mut client) = plain {
        runtime.block_on(client.stats(StatsRequest::default())).expect_err("without TLS");
    }
    assert_eq!(ask(&ours, Some(&operator)), Ok("zone-0".to_owned()), "it is none the worse for them");

    // What is of no use changes nothing, however often it is read.
    std::fs::write(secret.path().join("tls.key"), "lost").expect("written");
    let read_twice = Instant::now() + 2 * RELOAD_EVERY;
    while Instant::now() < read_twice {
        assert_eq!(ask(&ours, Some(&operator)), Ok("zone-0".to_owned()));
        std::thread::park_timeout(PAUSE);
    }
    theirs.mount(secret.path());
    let next = theirs.signs(ExtendedKeyUsagePurpose::ClientAuth);
    let deadline = Instant::now() + DEADLINE;
    while ask(&theirs, Some(&next)).is_err() {
        assert!(Instant::now() < deadline, "it never takes the new certificates");
        std::thread::park_timeout(PAUSE);
    }
    ask(&theirs, Some(&operator)).expect_err("the old authority counts no more");
}

#[test]
fn a_control_api_that_others_reach_needs_certificates_and_says_which_are_missing() {
    let data = tempfile::tempdir().expect("a folder");
    let key = data.path().join("world.key");
    std::fs::write(&key, "11".repeat(32)).expect("a key file");
    let run = |flags: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_zone-server"))
            .env("RUST_LOG", "off")
            .args(["--zone", "z", "--data"])
            .arg(data.path())
            .arg("--world-key-file")
            .arg(&key)
            .args(flags)
            .output()
            .expect("the binary starts");
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    };
    let text = run(&["--control", "0.0.0.0:0"]);
    assert!(text.contains("--control 0.0.0.0:0") && text.contains("give --control-tls"), "{text}");

    let secret = tempfile::tempdir().expect("a folder");
    let flags = ["--control-tls", secret.path().to_str().expect("a plain name")];
    let text = run(&flags);
    assert!(text.contains("tls.crt") && text.contains("mount tls.crt, tls.key and ca.crt"), "{text}");
    let (ours, theirs) = (Authority::new(), Authority::new());
    for (name, content, says) in [
        ("ca.crt", "no certificate", "ca.crt: no PEM with a certificate"),
        ("ca.crt", NOT_A_CERTIFICATE, "ca.crt: "),
        ("tls.crt", "", "tls.crt: no PEM with a certificate"),
        ("tls.key", "-----BEGIN", "tls.key: no PEM with a private key"),
        ("tls.key", &theirs.signs(ExtendedKeyUsagePurpose::ServerAuth).key, "give a certificate and its own key"),
    ] {
        ours.mount(secret.path());
        std::fs::write(secret.path().join(name), content).expect("written");
        let text = run(&flags);
        assert!(text.contains(says), "{text}");
    }
}
