//! The CQL driver passes the suite.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use darkages_store::Store;
use darkages_store::conformance::{self, Factory};

use crate::cassandra::{self, Keyspaces};

struct InKeyspaces(Keyspaces);

impl InKeyspaces {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(cassandra::open(&self.0.current()).await)
    }
}

#[async_trait]
impl Factory for InKeyspaces {
    async fn fresh(&self) -> Arc<dyn Store> {
        self.0.go_on().await;
        self.open().await
    }

    async fn reopen(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        store.close().await.expect("the store closes");
        drop(store);
        self.open().await
    }

    /// The servers judge by their own clocks, so time passes by waiting.
    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cql_store_conforms() {
    let _together = cassandra::together().await;
    conformance::all(&InKeyspaces(Keyspaces::new().await)).await;
}
