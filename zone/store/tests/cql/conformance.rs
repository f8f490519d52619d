//! The CQL driver passes the suite.

use std::sync::Arc;

use async_trait::async_trait;
use darkages_store::Store;
use darkages_store::conformance::{self, Factory};

use crate::cassandra::{self, Keyspaces};

struct InKeyspaces(Keyspaces);

impl InKeyspaces {}

#[async_trait]
impl Factory for InKeyspaces {
    async fn fresh(&self) -> Arc<dyn Store> {
        self.0.go_on().await;
        self.open().await
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(cassandra::open(&self.0.current()).await)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cql_store_conforms() {
    let _together = cassandra::together().await;
    conformance::all(&InKeyspaces(Keyspaces::new().await)).await;
}
