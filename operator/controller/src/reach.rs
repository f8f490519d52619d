//! Whether this program, which is the zones' operator, reaches the store: what it answers when they ask.
//!
//! A zone that does not reach the store plays on only if nobody reaches it who could give its players to another. It asks with
//! little time left, so the answer is kept ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use darkages_store::Store;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Time from one look at the store to the next.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A store that does not answer for so long is not reached. Shorter than the time in which a zone takes it for away, so that
/// the operator knows before it is asked.
const ANSWERS_WITHIN: Duration = Duration::from_millis(300);

/// Watches the store until it is dropped.
#[derive(Debug)]
pub struct Reach {
    reached: Arc<AtomicBool>,
    watch: JoinHandle<()>,
}

impl Reach {
    /// Begins to watch.
    pub fn watch(store: Arc<dyn Store>, runtime: &Handle) -> Self {
        let reached = Arc::new(AtomicBool::new(true));
        let told = Arc::clone(&reached);
        let watch = runtime.spawn(async move {
            loop {
                let answer = tokio::time::timeout(ANSWERS_WITHIN, store.probe()).await;
                told.store(matches!(answer, Ok(Ok(()))), Ordering::Relaxed);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Self { reached, watch }
    }

    /// Whether the store answered the last look.
    pub fn now(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }
}

impl Drop for Reach {
    fn drop(&mut self) {
        self.watch.abort();
    }
}
