//! The connection to whoever is the world's primary now: found, checked, made anew when it breaks.
//!
//! What flows in is the URL; what flows out is a connection to a server that says that it is a primary, that has the scripts,
//! and that holds the world. Attempts that fail are spaced by a back-off; in between, calls are told at once why.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, TlsCertificates, Value, cmd,
};

use super::answer;
use super::locate::Locator;
use super::scripts::Script;
use super::trouble::Trouble;
use crate::url::{Node, RedisUrl};

/// How long making one connection may take, with everything that is asked on it first.
pub(super) const DIAL_LIMIT: Duration = Duration::from_millis(500);

/// The pause after a first failed attempt, and the longest. A new primary is tried within a second of its promotion.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What all connections of one store have in common.
pub(super) struct Target {
    pub url: RedisUrl,
    /// The authority's certificate, read once.
    pub authority: Option<Vec<u8>>,
    /// The start of every key.
    pub base: Arc<str>,
    /// Whether the world was seen here: from then on a server without it is refused.
    pub opened: AtomicBool,
}

/// A connection that is ready.
#[derive(Clone)]
pub(super) struct Ready {
    pub connection: MultiplexedConnection,
    pub node: Arc<str>,
    /// Which of a link's connections it is: they are counted.
    pub generation: u64,
    /// The names by which the server knows the scripts, in the order of [`Script::ALL`].
    pub names: Arc<[String]>,
}

/// The way to the primary.
pub(super) struct Link {
    target: Arc<Target>,
    locator: Locator,
    ready: Option<Ready>,
    /// Connections made so far.
    made: u64,
    failures: u32,
    /// Until when nothing is tried, and why the last attempt failed.
    pause: Option<(Instant, Trouble)>,
}

impl Target {
    /// A connection to this server and nothing more.
    pub async fn dial(&self, node: &Node, login: bool, database: u32) -> Result<MultiplexedConnection, Trouble> {
        let Node { host, port } = node.clone();
        let name = node.to_string();
        let failed = |error| Trouble::dialling(error, &name);
        let address = match self.url.tls {
            None => ConnectionAddr::Tcp(host, port),
            Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        };
        let mut settings = RedisConnectionInfo::default().set_db(i64::from(database)).set_skip_set_lib_name();
        if let (true, Some(password)) = (login, &self.url.password) {
            settings = settings.set_password(password.reveal());
            if let Some(user) = &self.url.user {
                settings = settings.set_username(user);
            }
        }
        let info = address.into_connection_info().map_err(failed)?.set_redis_settings(settings);
        let client = match self.url.tls {
            None => Client::open(info),
            Some(_) => {
                let certificates = TlsCertificates { client_tls: None, root_cert: self.authority.clone() };
                Client::build_with_tls(info, certificates)
            }
        };
        // The lane that uses the connection has a deadline for each group; the client's own would end a call unseen.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let client = client.map_err(failed)?;
        let dialled = client.get_multiplexed_async_connection_with_config(&config);
        match tokio::time::timeout(DIAL_LIMIT, dialled).await {
            Ok(connection) => connection.map_err(failed),
            Err(_) => Err(Trouble::Silent { node: name, millis: DIAL_LIMIT.as_millis() }),
        }
    }

    /// Asks one question on a connection that was just made.
    pub async fn ask(
        &self,
        connection: &mut MultiplexedConnection,
        node: &Node,
        question: &redis::Cmd,
    ) -> Result<Value, Trouble> {
        match tokio::time::timeout(DIAL_LIMIT, connection.send_packed_command(question)).await {
            Ok(Ok(Value::ServerError(error))) => Err(Trouble::server(&error, &node.to_string())),
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Trouble::dialling(error, &node.to_string())),
            Err(_) => Err(Trouble::Silent { node: node.to_string(), millis: DIAL_LIMIT.as_millis() }),
        }
    }
}

impl Link {
    pub fn new(target: Arc<Target>) -> Self {
        let locator = Locator::new(&target.url.deployment);
        Self { target, locator, ready: None, made: 0, failures: 0, pause: None }
    }

    /// The start of every key.
    pub fn base(&self) -> Arc<str> {
        Arc::clone(&self.target.base)
    }

    /// A connection to the primary, the one that there is or a new one.
    pub async fn ready(&mut self) -> Result<&Ready, Trouble> {
        if self.ready.is_none() {
            if let Some((until, why)) = &self.pause
                && Instant::now() < *until
            {
                return Err(why.clone());
            }
            match self.connect().await {
                Ok(ready) => {
                    self.ready = Some(ready);
                    (self.failures, self.pause) = (0, None);
                }
                Err(why) => {
                    self.fail(why.clone());
                    return Err(why);
                }
            }
        }
        self.ready.as_ref().ok_or(Trouble::Gone)
    }

    /// Gives up the connection of this generation: it broke, or its server does not serve the world any more. A later one stays.
    pub fn drop_connection(&mut self, generation: u64, why: Trouble) {
        if let Some(ready) = self.ready.take_if(|ready| ready.generation == generation) {
            tracing::warn!(node = &*ready.node, reason = %why, "gave up a connection to the store");
            // Who named this server may be cut off together with it.
            self.locator.ask_another_first();
            self.fail(why);
        }
    }

    fn fail(&mut self, why: Trouble) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(8)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        // Zones that lost the same server at the same moment must not come back at the same moment. A hasher's keys are
        // random enough for that.
        let share = RandomState::new().hash_one(self.failures) % 512;
        let jittered = pause / 2 + pause.mul_f64(share as f64 / 1_024.0);
        self.pause = Some((Instant::now() + jittered, why));
    }

    async fn connect(&mut self) -> Result<Ready, Trouble> {
        let node = self.locator.primary(&self.target).await?;
        let mut connection = self.target.dial(&node, true, self.target.url.database).await?;
        let role = self.target.ask(&mut connection, &node, &cmd("ROLE")).await?;
        let role = answer::list(role)?.into_iter().next().map(answer::text).transpose()?;
        if role.as_deref() != Some("master") {
            return Err(Trouble::Replica { node: node.to_string() });
        }
        let names = self.load(&mut connection, &node).await?;
        if self.target.opened.load(Ordering::Relaxed) {
            let meta = format!("{}:meta", self.target.base);
            let kept = self.target.ask(&mut connection, &node, cmd("EXISTS").arg(meta)).await?;
            if answer::int(&kept)? == 0 {
                return Err(Trouble::Gone);
            }
        }
        self.made += 1;
        Ok(Ready { connection, node: node.to_string().into(), generation: self.made, names: names.into() })
    }

    async fn load(&self, connection: &mut MultiplexedConnection, node: &Node) -> Result<Vec<String>, Trouble> {
        let mut names = Vec::with_capacity(Script::ALL.len());
        for script in Script::ALL {
            let name = self.target.ask(connection, node, cmd("SCRIPT").arg("LOAD").arg(script.source())).await?;
            names.push(answer::text(name)?);
        }
        Ok(names)
    }
}
