//! Bounds of arguments, the same in every driver: nothing oversized reaches a server or a file.

use std::time::Duration;

use darkages_topology::{Revision, ZoneId};

use crate::document::TopologyDocument;
use crate::error::{OpenError, StoreError};
use crate::journal::{Checkpoint, Event, Transaction};
use crate::limits::{
    MAX_BATCH, MAX_EVENT_BYTES, MAX_EXPIRY, MAX_LEASE, MAX_NAME_BYTES, MAX_SESSION_BYTES, MAX_STATE_BYTES,
    MAX_TOPOLOGY_BYTES, MAX_TRANSACTION_BYTES, MAX_TRANSACTION_PLAYERS,
};
use crate::owner::Swap;
use crate::session::Session;

fn at_most(field: &'static str, length: usize, limit: usize) -> Result<(), StoreError> {
    if length <= limit {
        return Ok(());
    }
    Err(StoreError::Invalid { field, problem: format!("has {length}, at most {limit} are allowed") })
}

fn within(field: &'static str, time: Duration, limit: Duration) -> Result<(), StoreError> {
    if !time.is_zero() && time <= limit {
        return Ok(());
    }
    Err(StoreError::Invalid { field, problem: format!("is {time:?}, above zero and at most {limit:?} is allowed") })
}

/// A zone and the time for which it wants a lease.
pub fn lease(zone: Option<&ZoneId>, ttl: Duration) -> Result<(), StoreError> {
    at_most("bytes of the zone's name", zone.map_or(0, |zone| zone.0.len()), MAX_NAME_BYTES)?;
    within("the lease's ttl", ttl, MAX_LEASE)
}

/// A shard map.
pub fn topology(document: &TopologyDocument) -> Result<(), StoreError> {
    at_most("bytes of the shard map", document.bytes.len(), MAX_TOPOLOGY_BYTES)
}

/// The revision of the next shard map.
pub fn revision(expected: Option<Revision>, next: Revision) -> Result<(), StoreError> {
    if expected.is_none_or(|expected| expected < next) {
        return Ok(());
    }
    Err(StoreError::Invalid { field: "the revision", problem: "must be above the expected one".to_owned() })
}

/// The name of a world.
pub fn world(name: &str) -> Result<(), OpenError> {
    let problem = match name {
        "" => "must have a name: give one of 1 to 253 bytes",
        long if long.len() > MAX_NAME_BYTES => "has too long a name: give one of 1 to 253 bytes",
        _ => return Ok(()),
    };
    Err(OpenError::World { problem })
}

/// The length of a batch.
pub fn batch(length: usize) -> Result<(), StoreError> {
    at_most("entries of the batch", length, MAX_BATCH)
}

/// A batch of swaps.
pub fn swaps(swaps: &[Swap]) -> Result<(), StoreError> {
    batch(swaps.len())?;
    swaps.iter().try_for_each(|swap| at_most("bytes of the state", swap.next.data.state.len(), MAX_STATE_BYTES))
}

/// A batch of checkpoints.
pub fn checkpoints(checkpoints: &[Checkpoint]) -> Result<(), StoreError> {
    batch(checkpoints.len())?;
    checkpoints.iter().try_for_each(|saved| at_most("bytes of the state", saved.data.state.len(), MAX_STATE_BYTES))
}

/// A transaction.
pub fn transaction(transaction: &Transaction) -> Result<(), StoreError> {
    let Transaction { request: _, states, event, answer } = transaction;
    at_most("players of the transaction", states.len(), MAX_TRANSACTION_PLAYERS)?;
    checkpoints(states)?;
    let bytes = states.iter().map(|state| state.data.state.len()).sum();
    at_most("bytes of the transaction's states", bytes, MAX_TRANSACTION_BYTES)?;
    at_most("bytes of the event", event.payload.len(), MAX_EVENT_BYTES)?;
    at_most("bytes of the answer", answer.len(), MAX_EVENT_BYTES)?;
    let mut players: Vec<_> = states.iter().map(|state| state.player).collect();
    players.sort_unstable();
    if players.windows(2).any(|pair| pair[0] == pair[1]) {
        let problem = "has one player twice, each may be in it once".to_owned();
        return Err(StoreError::Invalid { field: "the transaction", problem });
    }
    Ok(())
}

/// Events for the log.
pub fn events(events: &[Event]) -> Result<(), StoreError> {
    batch(events.len())?;
    if events.is_empty() {
        return Err(StoreError::Invalid { field: "the events", problem: "are none, give at least one".to_owned() });
    }
    events.iter().try_for_each(|event| at_most("bytes of the event", event.payload.len(), MAX_EVENT_BYTES))
}

/// A session and its life.
pub fn session(session: &Session, ttl: Duration) -> Result<(), StoreError> {
    at_most("bytes of the session", session.data.len(), MAX_SESSION_BYTES)?;
    within("the session's ttl", ttl, MAX_EXPIRY)
}

/// The time until a nonce expires.
pub fn nonce(left: Duration) -> Result<(), StoreError> {
    within("the time until the nonce expires", left, MAX_EXPIRY)
}
