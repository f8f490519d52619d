//! Opening the store that a URL names.

use std::sync::Arc;

use crate::cql::Cql;
use crate::embedded::Embedded;
use crate::error::OpenError;
use crate::layered::Layered;
use crate::port::Store;
use crate::redis::RedisStore;
use crate::url::StoreUrl;

/// Opens the store of `world` at `url`, see [`url`](crate::url) for its forms, and makes the world where there is nothing yet.
/// Must be called within a tokio runtime.
///
/// # Errors
/// When the URL is none, what is there cannot be opened as this world's store, or it is being restored. It is left as it is
/// then.
pub async fn open(url: &str, world: &str) -> Result<Arc<dyn Store>, OpenError> {
    let url: StoreUrl = url.parse()?;
    let place = url.place();
    let store = open_any(url, world).await?;
    let map = store.load_topology().await.map_err(|source| OpenError::Failed { place: place.clone(), source })?;
    match map.and_then(|map| map.restored_from()) {
        Some(backup) => Err(OpenError::Restoring { place, backup }),
        None => Ok(store),
    }
}

/// As [`open`], also while the world is being restored: for whoever restores it.
///
/// # Errors
/// As [`open`].
pub async fn open_to_restore(url: &str, world: &str) -> Result<Arc<dyn Store>, OpenError> {
    open_any(url.parse()?, world).await
}

async fn open_any(url: StoreUrl, world: &str) -> Result<Arc<dyn Store>, OpenError> {
    match url {
        StoreUrl::Embedded(path) => {
            let (place, world) = (path.display().to_string(), world.to_owned());
            // The whole file is read, which must not keep a runtime's thread from its other tasks.
            let opened = tokio::task::spawn_blocking(move || Embedded::open(&path, &world)).await;
            let stopped = |error| OpenError::Unreadable { place, source: Box::new(error) };
            Ok(Arc::new(opened.map_err(stopped)??))
        }
        StoreUrl::Redis(url) => Ok(Arc::new(RedisStore::open(url, world).await?)),
        StoreUrl::Layered(redis, options) => Ok(Arc::new(Layered::open(redis, &options, world).await?)),
        StoreUrl::Cql(options) => Ok(Arc::new(Cql::open(&options, world).await?)),
    }
}
