//! The embedded driver passes the suite: in a file, in memory, and behind faults that are not set.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use darkages_store::conformance::{self, Factory};
use darkages_store::faulty::{FaultCounts, Faults, Faulty};
use darkages_store::{Embedded, ManualClock, Store};

struct InFiles {
    folder: tempfile::TempDir,
    made: AtomicU32,
    /// The file of the store that was made last; cases come one after the other.
    last: Mutex<PathBuf>,
    clock: Arc<ManualClock>,
    faults: Option<Faults>,
}

impl InFiles {
    fn new(faults: Option<Faults>) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        Self { folder, made: AtomicU32::new(0), last: Mutex::default(), clock: Arc::default(), faults }
    }
}

#[async_trait]
impl Factory for InFiles {
    async fn fresh(&self) -> Arc<dyn Store> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        *self.last.lock().expect("no case panicked") = self.folder.path().join(format!("{number}.store"));
        self.open().await
    }

    async fn open(&self) -> Arc<dyn Store> {
        let path = self.last.lock().expect("no case panicked").clone();
        let embedded = Embedded::open_with_clock(&path, "suite", Arc::<ManualClock>::clone(&self.clock));
        let embedded = Arc::new(embedded.expect("the store opens"));
        match &self.faults {
            None => embedded,
            Some(faults) => Arc::new(Faulty::new(embedded, faults.clone())),
        }
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_store_conforms() {
    conformance::all(&InFiles::new(None)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_that_are_not_set_change_nothing() {
    let faults = Faults::new(1);
    conformance::all(&InFiles::new(Some(faults.clone()))).await;
    let FaultCounts { calls, unavailable, answers_lost } = faults.counts();
    assert!(calls > 100 && unavailable == 0 && answers_lost == 0);
}
