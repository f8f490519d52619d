//! A connection to the primary of a world without a store around it: for whoever measures what a server can do, or looks
//! at what is in it.

use redis::aio::MultiplexedConnection;

use super::keys;
use super::lane::Failure;
use super::locate::Locator;
use super::opening;
use crate::error::OpenError;
use crate::url::{Node, RedisUrl};

/// A connection that nothing has been asked on yet.
pub struct Bare {
    /// Who is at the other end.
    pub node: Node,
    /// The connection.
    pub connection: MultiplexedConnection,
    /// The start of every key of the world.
    pub base: String,
}

/// Connects to the primary of `world`, as a store would find it. Whether the world is there is not looked at.
///
/// # Errors
/// When no primary is found or it does not let us in.
pub async fn bare(url: RedisUrl, world: &str) -> Result<Bare, OpenError> {
    let (place, database) = (url.to_string(), url.database);
    let base = keys::base(world);
    let target = opening::target(url, base.clone())?;
    let dialled = async {
        let node = Locator::new(&target.url.deployment).primary(&target).await?;
        let connection = target.dial(&node, true, database).await?;
        Ok((node, connection))
    };
    match dialled.await {
        Ok((node, connection)) => Ok(Bare { node, connection, base }),
        Err(trouble) => Err(opening::unreachable(&place, Failure::Trouble(trouble))),
    }
}
