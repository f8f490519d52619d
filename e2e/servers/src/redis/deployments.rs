//! The ways in which Redis is run: alone, with TLS, behind sentinels, as a cluster.

use std::fs;
use std::time::SystemTime;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::Signal;

use super::Server;
use crate::{free_port, wait_for};

/// Servers that together hold a world.
pub struct Deployment {
    /// What a store is opened with.
    pub url: String,
    /// Those that hold data.
    pub servers: Vec<Server>,
    /// Those that watch them.
    _sentinels: Vec<Server>,
    /// Whether a server that comes back finds its place by itself.
    is_cluster: bool,
}

/// One server.
///
/// # Panics
/// When it does not start.
pub fn single() -> Deployment {
    let server = Server::start(&[]);
    Deployment {
        url: format!("redis://{}", server.address()),
        servers: vec![server],
        _sentinels: vec![],
        is_cluster: false,
    }
}

/// One server that speaks TLS to the store, with a password and a certificate of an authority of its own.
///
/// # Panics
/// When it does not start.
pub fn tls() -> Deployment {
    let password = "s3cr:et@/";
    let tls_port = free_port().to_string();
    let arguments = [
        "--tls-port",
        &tls_port,
        "--tls-cert-file",
        "{folder}/server.pem",
        "--tls-key-file",
        "{folder}/server.key",
        "--tls-ca-cert-file",
        "{folder}/ca.pem",
        "--tls-auth-clients",
        "no",
        "--requirepass",
        password,
    ];
    let server = Server::start_with(&arguments, ":s3cr%3Aet%40%2F@", |folder| {
        let ca_key = KeyPair::generate().expect("a key");
        let mut ca = CertificateParams::new(Vec::new()).expect("no names");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(folder.join("ca.pem"), ca.self_signed(&ca_key).expect("signed").pem()).expect("written");
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let issuer = Issuer::new(ca, ca_key);
        let certificate = CertificateParams::new(names).expect("names").signed_by(&key, &issuer).expect("signed");
        fs::write(folder.join("server.pem"), certificate.pem()).expect("written");
        fs::write(folder.join("server.key"), key.serialize_pem()).expect("written");
    });
    let ca = server.folder().join("ca.pem").display().to_string();
    let url = format!("rediss://:s3cr%3Aet%40%2F@localhost:{tls_port}/3?ca={ca}");
    Deployment { url, servers: vec![server], _sentinels: vec![], is_cluster: false }
}

/// A primary and its replica, without anybody who would promote the second.
///
/// # Panics
/// When they do not start.
pub fn pair() -> Deployment {
    let servers = primary_and_replica(&[], "");
    let url = format!("redis://{}?replicas=1", servers[0].address());
    Deployment { url, servers, _sentinels: vec![], is_cluster: false }
}

fn primary_and_replica(arguments: &[&str], login: &str) -> Vec<Server> {
    let primary = Server::start_with(arguments, login, |_| {});
    let port = primary.port.to_string();
    let replica = Server::start_with(&[arguments, &["--replicaof", "127.0.0.1", &port]].concat(), login, |_| {});
    wait_for("a replica that follows", || (replica.follows() && primary.is_followed()).then_some(()));
    vec![primary, replica]
}

/// A primary and a replica with a password, and three sentinels without one that call a server dead after a second.
///
/// # Panics
/// When they do not start.
pub fn sentinel() -> Deployment {
    let servers = primary_and_replica(&["--requirepass", "main", "--masterauth", "main"], ":main@");
    let configuration = format!(
        "sentinel monitor main 127.0.0.1 {} 2\nsentinel auth-pass main main\n\
         sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n",
        servers[0].port
    );
    let start = || {
        Server::start_with(&["--sentinel"], "", |folder| {
            fs::write(folder.join("sentinel.conf"), &configuration).expect("written");
        })
    };
    let sentinels: Vec<Server> = (0..3).map(|_| start()).collect();
    for sentinel in &sentinels {
        wait_for("sentinels that know each other", || {
            let info: String = sentinel.try_ask(&["INFO", "sentinel"]).ok()?;
            info.contains("status=ok").then_some(())?;
            info.contains("slaves=1,sentinels=3").then_some(())
        });
    }
    let addresses: Vec<String> = sentinels.iter().map(Server::address).collect();
    let url = format!("redis+sentinel://:main@{}/main", addresses.join(","));
    Deployment { url, servers, _sentinels: sentinels, is_cluster: false }
}

/// Three primaries with a replica each.
///
/// # Panics
/// When they do not start.
pub fn cluster() -> Deployment {
    let start = || {
        let bus = free_port().to_string();
        let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", &bus];
        (Server::start(&arguments), bus)
    };
    let (servers, buses): (Vec<Server>, Vec<String>) = (0..6).map(|_| start()).unzip();
    for (primary, slots) in [["0", "5460"], ["5461", "10922"], ["10923", "16383"]].iter().enumerate() {
        servers[primary].ask::<()>(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]]);
    }
    for (server, bus) in servers.iter().zip(&buses).skip(1) {
        servers[0].ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &server.port.to_string(), bus]);
    }
    for server in &servers {
        wait_for("servers that know each other", || {
            let nodes: String = server.try_ask(&["CLUSTER", "NODES"]).ok()?;
            let known = nodes.lines().filter(|line| line.contains("connected") && !line.contains("handshake"));
            (known.count() == servers.len()).then_some(())
        });
    }
    for (primary, replica) in servers[..3].iter().zip(&servers[3..]) {
        let id: String = primary.ask(&["CLUSTER", "MYID"]);
        replica.ask::<()>(&["CLUSTER", "REPLICATE", &id]);
    }
    for server in &servers {
        wait_for("a cluster that serves", || {
            let info: String = server.try_ask(&["CLUSTER", "INFO"]).ok()?;
            info.contains("cluster_state:ok").then_some(())
        });
    }
    for (primary, replica) in servers[..3].iter().zip(&servers[3..]) {
        wait_for("a replica that follows", || (replica.follows() && primary.is_followed()).then_some(()));
    }
    let addresses: Vec<String> = servers.iter().take(2).map(Server::address).collect();
    let url = format!("redis+cluster://{}", addresses.join(","));
    Deployment { url, servers, _sentinels: vec![], is_cluster: true }
}

impl Deployment {
    /// Empties it.
    ///
    /// # Panics
    /// When a server does not answer.
    pub fn flush(&self) {
        for server in self.servers.iter().filter(|server| server.is_primary()) {
            server.ask::<()>(&["FLUSHALL", "SYNC"]);
        }
    }

    /// Which server, other than `gone`, has the keys of `world` as their primary.
    fn primary_of(&self, world: &str, gone: Option<usize>) -> Option<usize> {
        let marker = format!("darkages:{{{world}}}:meta");
        // In a cluster only the one that serves the slot answers.
        let has = |server: &Server| {
            server.is_primary() && server.try_ask::<u32>(&["EXISTS", &marker]).is_ok_and(|count| count == 1)
        };
        (0..self.servers.len()).find(|place| Some(*place) != gone && has(&self.servers[*place]))
    }

    /// Freezes the primary of `world` until another server has taken its place, and lets it wake up as if nothing had been.
    ///
    /// # Panics
    /// When nobody takes its place.
    pub fn freeze_and_wake(&mut self, world: &str) {
        let frozen = self.primary_of(world, None).expect("a primary");
        self.servers[frozen].signal(Signal::STOP);
        wait_for("a new primary", || self.primary_of(world, Some(frozen)));
        self.servers[frozen].signal(Signal::CONT);
        wait_for("a replica that is back", || self.servers[frozen].follows().then_some(()));
    }

    /// Kills the primary of `world`, waits until another server has taken its place, and starts the dead one anew, as a
    /// replica. Says when the other one was seen to be the primary.
    ///
    /// # Panics
    /// When nobody takes its place.
    pub fn fail_over(&mut self, world: &str) -> SystemTime {
        let dead = self.primary_of(world, None).expect("a primary");
        self.servers[dead].kill();
        let heir = wait_for("a new primary", || self.primary_of(world, Some(dead)));
        let promoted = SystemTime::now();
        let port = self.servers[heir].port.to_string();
        let follow = ["--replicaof", "127.0.0.1", &port];
        self.servers[dead].restart(if self.is_cluster { &[] } else { &follow });
        wait_for("a replica that is back", || self.servers[dead].follows().then_some(()));
        promoted
    }
}
