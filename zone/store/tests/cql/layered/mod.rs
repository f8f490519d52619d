//! CQL with copies in Redis, against a real Cassandra and a real Redis.

mod conformance;
mod copies;
mod opening;
mod outages;
mod processes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use darkages_servers::redis::Server;
use darkages_store::{Checkpoint, Fence, OwnerRecord, PlayerData, Saved, Store, open};
use darkages_topology::PlayerId;

use crate::cassandra;

pub const WORLD: &str = "tests";

/// How long anything may take to become so.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// As Redis is run that keeps copies: without a file, and with the right to throw away what it has no room for.
const FOR_COPIES: [&str; 4] = ["--appendonly", "no", "--maxmemory-policy", "allkeys-lru"];

/// A Redis and a keyspace of their own.
pub struct Tiers {
    pub redis: Server,
    pub keyspace: String,
}

impl Tiers {
    pub async fn start() -> Self {
        let redis = tokio::task::spawn_blocking(|| Server::start(&FOR_COPIES)).await.expect("it starts");
        Self { redis, keyspace: cassandra::new_keyspace() }
    }

    pub fn url(&self) -> String {
        format!("redis://{},{}", self.redis.address(), cassandra::url(&self.keyspace, ""))
    }

    pub async fn open(&self) -> Arc<dyn Store> {
        open(&self.url(), WORLD).await.expect("the store opens")
    }

    /// The name of a player's copy in Redis, once there is one.
    pub async fn copy_of(&self, player: PlayerId) -> String {
        let pattern = format!("darkages:cache:{{{WORLD}}}:*:owner:{:016x}", player.0);
        let look = || self.redis.ask::<Vec<String>>(&["KEYS", &pattern]).pop();
        eventually("a copy in Redis", look).await
    }
}

/// Waits until `look` finds something.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until everything that was saved is in CQL.
pub async fn flushed(store: &dyn Store) {
    eventually("everything is in CQL", || (store.health().unsaved == 0).then_some(())).await;
}

/// Data that can be told apart by `mark`, under the version of `record`.
pub fn marked(record: &OwnerRecord, mark: u64) -> PlayerData {
    PlayerData { state: mark.to_le_bytes().to_vec(), ..record.data.clone() }
}

/// The mark of data.
pub fn mark(data: &PlayerData) -> u64 {
    u64::from_le_bytes(data.state.as_slice().try_into().expect("eight bytes"))
}

/// A checkpoint of `record`'s player with this mark.
pub async fn save(store: &dyn Store, fence: Fence, player: PlayerId, record: &OwnerRecord, mark: u64) -> Saved {
    let checkpoint = Checkpoint { player, owner_epoch: record.owner_epoch, data: marked(record, mark) };
    store.save_batch(fence, vec![checkpoint]).await.expect("save")[0]
}

/// The record of a player who has one.
pub async fn record(store: &dyn Store, player: PlayerId) -> OwnerRecord {
    store.owner(player).await.expect("read").expect("created")
}
