//! A world on a cluster: its `ZoneServer` is watched, and what its status says becomes the picture that joins go by.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use darkages_crds::ZoneServer;
use darkages_crds::picture::WorldPicture;
use darkages_topology::map::ZoneEndpoint;
use darkages_topology::{Rect, ShardId, Topology};
use futures_util::{StreamExt as _, pin_mut};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::Api;
use kube::runtime::watcher;
use kube::runtime::{WatchStreamExt as _, wait};
use tokio::sync::watch;

use crate::feed::Feed;
use crate::timeline::Timeline;
use crate::view::{WorldView, ZoneState, ZoneView};

/// How long one watch lasts, in seconds. A connection that has died without a word is noticed five seconds later.
const WATCH_SECONDS: u32 = 30;

/// A picture that has not changed for so long says nothing of now.
const PICTURE_LASTS: Duration = Duration::from_secs(2);

/// How long the API server may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Why there is nothing to serve. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The API server refused, or is not reached.
    #[error("{what}: {source}")]
    Refused {
        /// What was asked.
        what: String,
        /// Why.
        source: kube::Error,
    },
    /// It said nothing.
    #[error("{0}: the API server did not answer within {ANSWERS_WITHIN:?}")]
    Late(String),
    /// There is no such object, or a part of it is missing.
    #[error("{0}")]
    Missing(String),
}

/// A world on a cluster.
#[derive(Clone)]
pub struct ClusterWorld {
    client: Client,
    namespace: String,
    name: String,
}

impl std::fmt::Debug for ClusterWorld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterWorld")
            .field("namespace", &self.namespace)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ClusterWorld {
    /// The world of this `ZoneServer`.
    #[must_use]
    pub const fn new(client: Client, namespace: String, name: String) -> Self {
        Self { client, namespace, name }
    }

    /// The `ZoneServer`; waits until there is one.
    ///
    /// # Errors
    /// When the API server does not let us see it.
    pub async fn found(&self) -> Result<ZoneServer, ClusterError> {
        let what = format!("reading ZoneServer {} in namespace {}", self.name, self.namespace);
        let api = Api::<ZoneServer>::namespaced(self.client.clone(), &self.namespace);
        if let Some(found) = answer(&what, api.get_opt(&self.name)).await? {
            return Ok(found);
        }
        tracing::info!(name = self.name, namespace = self.namespace, "waits for its ZoneServer");
        let there = |found: Option<&ZoneServer>| found.is_some();
        let found = wait::await_condition(api, &self.name, there).await;
        let found = found.map_err(|error| ClusterError::Missing(format!("{what}: {error}")))?;
        found.ok_or_else(|| ClusterError::Missing(format!("{what}: it is gone again")))
    }

    /// A value of a secret in the world's namespace; waits until there is one.
    ///
    /// # Errors
    /// When the API server does not let us see it, or it has no such text.
    pub async fn secret(&self, name: &str, key: &str) -> Result<String, ClusterError> {
        let what = format!("reading secret {name} in namespace {}", self.namespace);
        let api = Api::<Secret>::namespaced(self.client.clone(), &self.namespace);
        let there = |secret: Option<&Secret>| secret.is_some();
        wait::await_condition(api.clone(), name, there)
            .await
            .map_err(|error| ClusterError::Missing(format!("{what}: {error}")))?;
        let secret = answer(&what, api.get(name)).await?;
        let text =
            secret.data.unwrap_or_default().remove(key).and_then(|ByteString(bytes)| String::from_utf8(bytes).ok());
        text.ok_or_else(|| ClusterError::Missing(format!("{what}: it has no text under {key}")))
    }

    /// Tells what a secret has under a key, now and whenever it changes. Returns when the watch has ended.
    pub async fn follow_secret(&self, name: &str, key: &str, mut tell: impl FnMut(&str)) {
        let api = Api::<Secret>::namespaced(self.client.clone(), &self.namespace);
        let changes = watcher(api, one(name)).default_backoff().applied_objects();
        pin_mut!(changes);
        while let Some(change) = changes.next().await {
            match change {
                Ok(secret) => match secret.data.as_ref().and_then(|data| data.get(key)) {
                    Some(ByteString(bytes)) => tell(&String::from_utf8_lossy(bytes)),
                    None => tracing::warn!(name, key, "the secret has no such key"),
                },
                Err(error) => tracing::warn!(name, %error, "the watch of a secret began anew"),
            }
        }
    }

    /// Publishes pictures of the world, until nobody looks any more: what the status has, and on top of it what the operator sees
    /// while it says so. While the API server is away the last one stays.
    pub async fn follow(
        &self,
        mut seen: watch::Receiver<Option<Arc<WorldPicture>>>,
        publish: watch::Sender<Arc<WorldView>>,
    ) {
        let api = Api::<ZoneServer>::namespaced(self.client.clone(), &self.namespace);
        let changes = watcher(api, one(&self.name)).default_backoff().applied_objects();
        pin_mut!(changes);
        let (mut feed, mut told) = (Feed::default(), None);
        // Nobody asks an operator: its pictures never change.
        let mut asks = true;
        // Of what moment the last picture is, and when it came.
        let mut newest_at = (0, Instant::now());
        loop {
            tokio::select! {
                change = changes.next() => match change {
                    Some(Ok(zone_server)) => told = picture(&zone_server, unix_ms()).or(told),
                    Some(Err(error)) => tracing::warn!(%error, "the watch of the ZoneServer began anew"),
                    None => return,
                },
                changed = seen.changed(), if asks => asks = changed.is_ok(),
                () = publish.closed() => return,
            }
            let Some(told) = &told else { continue };
            let newest = seen.borrow_and_update().clone();
            if let Some(newest) = &newest
                && newest.unix_ms != newest_at.0
            {
                newest_at = (newest.unix_ms, Instant::now());
            }
            let newest = newest.filter(|_| newest_at.1.elapsed() < PICTURE_LASTS);
            let view = match newest {
                Some(newest) => told.with(feed.picture(&newest)),
                None => told.clone(),
            };
            publish.send_replace(Arc::new(view));
        }
    }
}

/// What a status says of a world. `None` when it has no map that can be used: the last picture stays.
#[must_use]
pub fn picture(zone_server: &ZoneServer, unix_ms: u64) -> Option<WorldView> {
    let status = zone_server.status.as_ref()?;
    let map = Topology::try_from(status.topology.as_ref()?).ok()?;
    let mut zones: Vec<_> = map
        .shards()
        .iter()
        .map(|shard| {
            // Whether a zone serves by now it says itself, to whoever comes: the client tries again.
            let state = if shard.zone.is_some() { ZoneState::Serving } else { ZoneState::Starting };
            zone(shard.id, shard.zone.as_ref(), Some(shard.bounds), state)
        })
        .collect();
    zones.extend(
        map.retiring().iter().map(|retiring| zone(retiring.id, Some(&retiring.zone), None, ZoneState::Draining)),
    );
    // The status knows how many there are and not where: the sum is what admission goes by.
    if let Some(first) = zones.first_mut() {
        first.players = status.players.unwrap_or(0);
    }
    Some(WorldView {
        unix_ms,
        revision: map.revision(),
        bounds: map.bounds(),
        capacity: status.capacity,
        standby: 0,
        zones,
        dots: Vec::new(),
        timeline: Timeline::default(),
    })
}

fn zone(shard: ShardId, zone: Option<&ZoneEndpoint>, bounds: Option<Rect>, state: ZoneState) -> ZoneView {
    ZoneView { shard, zone: zone.cloned(), bounds, state, players: 0, tick_p99_us: 0 }
}

/// A watch of one object.
fn one(name: &str) -> watcher::Config {
    watcher::Config::default().timeout(WATCH_SECONDS).fields(&format!("metadata.name={name}"))
}

async fn answer<T>(what: &str, call: impl Future<Output = kube::Result<T>>) -> Result<T, ClusterError> {
    match tokio::time::timeout(ANSWERS_WITHIN, call).await {
        Ok(answer) => answer.map_err(|source| ClusterError::Refused { what: what.to_owned(), source }),
        Err(_) => Err(ClusterError::Late(what.to_owned())),
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
