//! The conformance suite, wherever Redis runs.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use darkages_servers::redis::{self as deployments, Deployment};
use darkages_store::conformance::{self, Factory};
use darkages_store::{Store, open};

struct InRedis {
    deployment: Deployment,
    made: AtomicU32,
    world: Mutex<String>,
}

impl InRedis {
    fn new(deployment: Deployment) -> Self {
        Self { deployment, made: AtomicU32::new(0), world: Mutex::default() }
    }
}

#[async_trait]
impl Factory for InRedis {
    async fn fresh(&self) -> Arc<dyn Store> {
        // In a cluster worlds lie in different slots, so that the cases visit all of its servers.
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        *self.world.lock().expect("no case panicked") = format!("suite {number}");
        self.deployment.flush();
        self.open().await
    }

    async fn open(&self) -> Arc<dyn Store> {
        let world = self.world.lock().expect("no case panicked").clone();
        open(&self.deployment.url, &world).await.expect("the store opens")
    }
}

/// All at once: the suite mostly waits for leases to run out.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_conforms_wherever_it_runs() {
    let run = |name: &'static str, start: fn() -> Deployment| {
        let suite = tokio::spawn(async move {
            let deployment = tokio::task::spawn_blocking(start).await.expect("it starts");
            conformance::all(&InRedis::new(deployment)).await;
        });
        (name, suite)
    };
    let suites = [
        run("a single server", deployments::single),
        run("a single server with TLS and password", deployments::tls),
        run("a primary behind sentinels", deployments::sentinel),
        run("a cluster", deployments::cluster),
    ];
    for (name, suite) in suites {
        suite.await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
