//! What a store keeps, and for how long: for whoever looks after it.
//!
//! Looking changes nothing and makes nothing; a place without a world says so. Where counting all rows would cost a server more
//! than a look is worth, the figure says that it is an estimate or a lower bound.

use std::time::Duration;

use crate::error::OpenError;
use crate::url::StoreUrl;
use crate::{cql, embedded, redis};

/// What one tier of a store keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// Which: a label of [`health`](crate::health).
    pub tier: &'static str,
    /// Where, without what is secret.
    pub place: String,
    /// The version of the format, or of the tables, that is there.
    pub version: u32,
    /// The newest version that this code reads and writes.
    pub supported: u32,
    /// What is kept, by sort.
    pub families: Vec<Family>,
}

/// One sort of records: a table, or keys of one sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name in the store.
    pub name: &'static str,
    /// What it has.
    pub what: &'static str,
    /// How many.
    pub rows: Rows,
    /// For how long, as it is set up now.
    pub kept: Retention,
    /// The age of the oldest one, where records say when they were written.
    pub oldest: Option<Duration>,
}

/// A number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// So many, each counted.
    Exact(u64),
    /// More than so many; counting stopped there.
    MoreThan(u64),
    /// About so many, as the servers say.
    Estimate(u64),
}

/// For how long records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Until somebody removes them.
    Forever,
    /// For so long after they were written.
    For(Duration),
    /// Each until a time of its own.
    UntilTheyExpire,
    /// The newest of each player.
    NewestOfPlayer {
        /// How many.
        records: u64,
    },
    /// The newest of each shard.
    NewestOfShard {
        /// How many.
        records: u64,
        /// How many bytes; `None` where bytes are not counted.
        bytes: Option<u64>,
    },
}

/// What the store of `world` at `url` keeps, one tier after the other. Must be called within a tokio runtime.
///
/// # Errors
/// When there is no such world, or it cannot be read.
pub async fn inventory(url: &StoreUrl, world: &str) -> Result<Vec<Inventory>, OpenError> {
    match url {
        StoreUrl::Embedded(path) => {
            let (place, path, world) = (path.display().to_string(), path.clone(), world.to_owned());
            // The whole file is read, which must not keep a runtime's thread from its other tasks.
            let looked = tokio::task::spawn_blocking(move || embedded::inventory(&path, &world)).await;
            let stopped = |error| OpenError::Unreadable { place, source: Box::new(error) };
            Ok(vec![looked.map_err(stopped)??])
        }
        StoreUrl::Redis(url) => Ok(vec![redis::inventory(url, world).await?]),
        StoreUrl::Cql(options) => Ok(vec![cql::inventory(options, world).await?.0]),
        StoreUrl::Layered(redis, options) => {
            let (cql, id) = cql::inventory(options, world).await?;
            Ok(vec![redis::copies_inventory(redis, world, &id).await?, cql])
        }
    }
}
