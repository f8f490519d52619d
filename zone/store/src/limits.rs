//! Bounds of every list, record and queue of a store.

use std::time::Duration;

/// Bytes of a player's state, at most. A default player takes a few hundred.
pub const MAX_STATE_BYTES: usize = 64 * 1024;

/// Swaps, checkpoints or events in one call, at most: all players of a crowded shard, with room to spare.
pub const MAX_BATCH: usize = 4_096;

/// Records in one page of a list, at most.
pub const MAX_PAGE: usize = 1_000;

/// Players whose states one transaction changes, at most. A trade has two; a raid that shares its loot has some dozens.
pub const MAX_TRANSACTION_PLAYERS: usize = 64;

/// Bytes of all states of a transaction together, at most. The log keeps them, and whoever reads it holds pages of entries.
pub const MAX_TRANSACTION_BYTES: usize = 1024 * 1024;

/// Bytes of the payload and of the answer of a log event, each, at most.
pub const MAX_EVENT_BYTES: usize = 16 * 1024;

/// Bytes of the topology document, at most: some 10,000 shards.
pub const MAX_TOPOLOGY_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of a name (zone, world), at most: what Kubernetes allows a pod's name.
pub const MAX_NAME_BYTES: usize = 253;

/// Bytes of what a session says beside its id, at most.
pub const MAX_SESSION_BYTES: usize = 4 * 1024;

/// Requests of one player whose answers are remembered, the newest. A client has far fewer under way at a time, so that a
/// repeated request always finds its first answer.
pub const REQUESTS_KEPT_PER_PLAYER: usize = 32;

/// Nonces of tokens that a driver remembers in memory until they expire. At 60 s a token this is 17,000 joins a second.
pub const MAX_NONCES: usize = 1 << 20;

/// The longest lease. Longer ones would leave a dead zone's players waiting; 1.5 s is usual.
pub const MAX_LEASE: Duration = Duration::from_secs(600);

/// The longest life of a nonce or a session.
pub const MAX_EXPIRY: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How long an acknowledged checkpoint or event may wait until it is durable.
pub const CHECKPOINT_FLUSH: Duration = Duration::from_millis(200);
