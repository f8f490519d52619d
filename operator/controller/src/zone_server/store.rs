//! The store of one world, as the operator uses it: for its copy of the shard map, and to ask who holds a lease.

use std::sync::Arc;
use std::time::Duration;

use darkages_crds::ZoneServer;
use darkages_store::{Store, TopologyDocument, TopologySwapped};
use darkages_topology::{Rect, ShardId, Topology, ZoneId};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::Api;
use tokio::runtime::Handle;

use super::status::Problem;
use crate::Reach;
use crate::authority::text;
use crate::deadline::{Call, within};

/// How long the store may take to open.
const OPENS_WITHIN: Duration = Duration::from_secs(10);

/// How long it may take to answer for a map. Meanwhile nobody looks at the zones.
const MAP_ANSWER: Duration = Duration::from_millis(500);

/// How long it may take to say who holds a lease.
const LEASE_ANSWER: Duration = Duration::from_millis(200);

/// The store of one world.
#[derive(Clone)]
pub struct WorldStore {
    store: Arc<dyn Store>,
    /// Whether it answers.
    pub reach: Arc<Reach>,
}

impl std::fmt::Debug for WorldStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorldStore").field("reach", &self.reach).finish_non_exhaustive()
    }
}

/// What became of a map that was to be written.
#[derive(Debug)]
pub enum Written {
    /// It is the map now.
    Done,
    /// Another one is.
    Overtaken(Topology),
    /// The store did not say.
    Unanswered,
}

impl WorldStore {
    /// Opens the store of this URL.
    ///
    /// # Errors
    /// What is wrong and what to do. No message has a password.
    pub async fn open(url: &str, owner: &ZoneServer) -> Result<Self, Problem> {
        let reference = &owner.spec.storage.url_secret_ref;
        let (name, key) = (&reference.name, &reference.key);
        let problem = |message: String| Problem {
            reason: "StoreUnavailable",
            message: format!("secret {name}, key {key}: {message}"),
        };
        match tokio::time::timeout(OPENS_WITHIN, darkages_store::open(url, &owner.spec.world)).await {
            Ok(Ok(store)) => {
                let reach = Arc::new(Reach::watch(Arc::clone(&store), &Handle::current()));
                Ok(Self { store, reach })
            }
            Ok(Err(error)) => Err(problem(error.to_string())),
            Err(_) => Err(problem(format!(
                "the store did not open within {OPENS_WITHIN:?}: see that it runs and is reached from here"
            ))),
        }
    }

    /// The map with which to go on: the one in the store or the one of the status, whichever is newer, or the first one.
    ///
    /// # Errors
    /// When there is no map that can be used.
    pub async fn first_map(&self, owner: &ZoneServer, told: Option<Topology>) -> Result<Topology, Problem> {
        let problem = |reason, message| Problem { reason, message };
        let unanswered = |error: String| problem("StoreUnavailable", format!("reading the shard map: {error}"));
        let loaded = tokio::time::timeout(OPENS_WITHIN, self.store.load_topology()).await;
        let loaded = loaded.map_err(|_| unanswered("no answer".to_owned()))?;
        let kept = match loaded.map_err(|error| unanswered(error.to_string()))? {
            Some(document) => Some(read(&document)?),
            None => None,
        };
        let wanted = Rect::try_from(owner.spec.bounds)
            .map_err(|error| problem("BoundsInvalid", format!("spec.bounds: {error}")))?;
        let newest = [kept.clone(), told].into_iter().flatten().max_by_key(Topology::revision);
        let map = match newest {
            Some(map) => map,
            None => {
                let shards = usize::try_from(owner.spec.replicas).unwrap_or(usize::MAX);
                Topology::grid(wanted, shards).map_err(|error| {
                    problem("BoundsInvalid", format!("spec.bounds with spec.replicas {shards}: {error}"))
                })?
            }
        };
        if map.bounds() != wanted {
            let message = format!(
                "spec.bounds: the world {} is kept with the bounds {}: give these, or another world",
                owner.spec.world,
                map.bounds()
            );
            return Err(problem("BoundsDiffer", message));
        }
        if kept.as_ref() == Some(&map) {
            return Ok(map);
        }
        match self.write(kept.as_ref(), &map).await? {
            Written::Done => Ok(map),
            Written::Overtaken(map) => Ok(map),
            Written::Unanswered => {
                Err(problem("StoreUnavailable", "writing the shard map: the store did not answer".to_owned()))
            }
        }
    }

    /// Writes a map if the store still has `expected`.
    ///
    /// # Errors
    /// When what the store has is no map.
    pub async fn write(&self, expected: Option<&Topology>, next: &Topology) -> Result<Written, Problem> {
        let Ok(bytes) = serde_json::to_vec(next) else { return Ok(Written::Unanswered) };
        let document = TopologyDocument { revision: next.revision(), bytes };
        let swap = self.store.compare_and_swap_topology(expected.map(Topology::revision), document);
        match tokio::time::timeout(MAP_ANSWER, swap).await {
            Ok(Ok(TopologySwapped::Done)) => Ok(Written::Done),
            Ok(Ok(TopologySwapped::Conflict(Some(found)))) => Ok(Written::Overtaken(read(&found)?)),
            Ok(Ok(TopologySwapped::Conflict(None))) => {
                let message =
                    "the store has lost its shard map: restore a backup, or delete the ZoneServer and apply it again"
                        .to_owned();
                Err(Problem { reason: "MapLost", message })
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the shard map was not written");
                Ok(Written::Unanswered)
            }
            Err(_) => Ok(Written::Unanswered),
        }
    }

    /// Whether nobody holds the lease of this shard, or another zone than `zone` does. `false` while the store does not say.
    pub async fn has_lost_lease(&self, shard: ShardId, zone: &ZoneId) -> bool {
        let look = tokio::time::timeout(LEASE_ANSWER, self.store.look(shard)).await;
        let Ok(Ok(lease)) = look else { return false };
        lease.is_none_or(|lease| !lease.is_live() || lease.zone != *zone)
    }
}

/// The URL of the store that the secret of a `ZoneServer` names.
///
/// # Errors
/// What is wrong and what to do.
pub async fn store_url(secrets: &Api<Secret>, owner: &ZoneServer) -> Result<String, Problem> {
    let reference = &owner.spec.storage.url_secret_ref;
    let (name, key) = (&reference.name, &reference.key);
    let problem = |message| Problem { reason: "StoreSecretMissing", message };
    let secret = match within(Call::Read, secrets.get_opt(name)).await {
        Ok(Some(secret)) => secret,
        Ok(None) => {
            let namespace = owner.namespace().unwrap_or_default();
            let message = format!(
                "spec.storage.urlSecretRef.name: there is no secret {name} in namespace {namespace}: make one with the URL of the store under {key}"
            );
            return Err(problem(message));
        }
        Err(error) => {
            return Err(problem(format!("spec.storage.urlSecretRef.name: reading secret {name}: {error}")));
        }
    };
    let Some(url) = text(&secret, key) else {
        return Err(problem(format!(
            "spec.storage.urlSecretRef.key: secret {name} has no text under {key}: put the URL of the store there"
        )));
    };
    Ok(url.trim().to_owned())
}

fn read(document: &TopologyDocument) -> Result<Topology, Problem> {
    serde_json::from_slice(&document.bytes).map_err(|error| Problem {
        reason: "MapDamaged",
        message: format!(
            "the shard map in the store is damaged ({error}): restore a backup, or give another spec.world"
        ),
    })
}
