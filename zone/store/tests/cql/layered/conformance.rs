//! The suite, over both.

use std::sync::Arc;

use async_trait::async_trait;
use darkages_servers::redis::Server;
use darkages_store::conformance::{self, Factory};
use darkages_store::{Store, health, open};

use super::{Tiers, WORLD, eventually};
use crate::cassandra::{self, Keyspaces};

struct InBoth {
    redis: Server,
    keyspaces: Keyspaces,
}

impl InBoth {}

/// Every case has the same players in a world of the same name, and Redis is never emptied: what an earlier world has left there
/// must not matter.
#[async_trait]
impl Factory for InBoth {
    async fn fresh(&self) -> Arc<dyn Store> {
        self.keyspaces.go_on().await;
        self.open().await
    }

    async fn open(&self) -> Arc<dyn Store> {
        let url = format!("redis://{},{}", self.redis.address(), cassandra::url(&self.keyspaces.current(), ""));
        open(&url, WORLD).await.expect("the store opens")
    }
}

async fn conforms(redis: Server) {
    let keyspaces = Keyspaces::new().await;
    conformance::all(&InBoth { redis, keyspaces }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_with_copies_in_redis_conforms() {
    let _together = cassandra::together().await;
    conforms(Tiers::start().await.redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_as_well_when_redis_is_not_there() {
    let _together = cassandra::together().await;
    let mut tiers = Tiers::start().await;
    tiers.redis.kill();
    let store = tiers.open().await;
    eventually("Redis is missed", || store.health().is_away(health::REDIS).then_some(())).await;
    drop(store);
    conforms(tiers.redis).await;
}
