//! The CQL driver passes the suite.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use darkages_store::Store;
use darkages_store::conformance::{self, Factory};
use scylla::client::session::Session;

use crate::cassandra;

struct InKeyspaces {
    /// The server without the driver.
    session: Session,
    /// The keyspace of the store that was made last; cases come one after the other.
    last: Mutex<String>,
}

impl InKeyspaces {
    async fn open(&self) -> Arc<dyn Store> {
        let keyspace = self.last.lock().expect("no case panicked").clone();
        Arc::new(cassandra::open(&keyspace).await)
    }
}

#[async_trait]
impl Factory for InKeyspaces {
    async fn fresh(&self) -> Arc<dyn Store> {
        let next = cassandra::new_keyspace();
        let before = std::mem::replace(&mut *self.last.lock().expect("no case panicked"), next);
        // Half a hundred keyspaces would be more than a small node bears.
        if !before.is_empty() {
            let drop = format!("DROP KEYSPACE {before}");
            self.session.query_unpaged(drop, ()).await.expect("it is there");
        }
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
    let factory = InKeyspaces { session: cassandra::bare().await, last: Mutex::default() };
    conformance::all(&factory).await;
}
