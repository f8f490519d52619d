//! The suite that every driver passes, written against the port only.
//!
//! A driver's tests implement [`Factory`] and call [`all`]. A violation panics with what was expected. Cases share nothing:
//! each gets an empty store. Shard and player numbers are small, times are those of a real zone; a driver that cannot let
//! time pass at will sleeps in [`Factory::pass`], some 20 s in all.

mod checkpoints;
mod concurrency;
mod handoff;
mod history;
mod leases;
mod lists;
mod scene;
mod sessions;
mod topology;
mod transactions;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::port::Store;

/// What a driver's tests bring.
#[async_trait]
pub trait Factory: Send + Sync {
    /// An empty store of a world of its own.
    async fn fresh(&self) -> Arc<dyn Store>;

    /// Opens the contents of the store that was made last; cases come one after the other.
    async fn open(&self) -> Arc<dyn Store>;

    /// The same contents, after `store` was closed and let go of.
    async fn reopen(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        store.close().await.expect("the store closes");
        drop(store);
        self.open().await
    }

    /// Lets `time` pass by the clock that judges leases and expiries of this factory's stores. Servers judge by their own, so it
    /// passes as it does unless the factory has the clock.
    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// Runs every case.
///
/// # Panics
/// When the driver does not do what the port promises.
pub async fn all(factory: &dyn Factory) {
    leases::all(factory).await;
    topology::all(factory).await;
    handoff::all(factory).await;
    checkpoints::all(factory).await;
    transactions::all(factory).await;
    history::all(factory).await;
    lists::all(factory).await;
    sessions::all(factory).await;
    concurrency::all(factory).await;
}
