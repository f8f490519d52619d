//! Tables of the keyspace, and the steps that lead from one version of them to the next.
//!
//! A step is a list of statements each of which does nothing when it was carried out before, so that a process that dies
//! within a step leaves the next one nothing to repair. Who may carry steps out is decided in [`migrate`](super::migrate).

/// Newest version of the tables that this code reads and writes: the number of [`STEPS`].
pub(super) const VERSION: i32 = STEPS.len() as i32;

/// What makes a keyspace ours, and whose it is: `project`, `world`, `version`, `id`, `migrating`.
pub(super) const META: &str = "darkages_meta";

/// Entries of one partition of a log, at most: 16 KiB each they are 64 MiB, some hundred bytes each half a megabyte.
pub(super) const BUCKET: u64 = 4_096;

/// A statement in which `$` stands for the keyspace. The session itself has none: telling it would wait for every server,
/// also for one that is gone.
pub(super) fn within(keyspace: &str, text: &str) -> String {
    text.replace("$.", &format!("{keyspace}."))
}

/// Statements of each version, from the first on. A step that was released is never changed.
pub(super) const STEPS: &[&[&str]] = &[FIRST, SNAPSHOTS];

/// A player's newest checkpoint, with the head of the record under which it was taken. Before, checkpoints were in the record.
const SNAPSHOTS: &[&str] = &["CREATE TABLE IF NOT EXISTS $.snapshots (player bigint PRIMARY KEY, snapshot blob)"];

/// Players and shards are stored with their highest bit turned round, so that the servers' signed order is ours (see
/// [`keys`](super::keys)).
const FIRST: &[&str] = &[
    // The newest incarnation of a shard. `until` is unix milliseconds by the servers' clocks, 0 when it is over for good.
    "CREATE TABLE IF NOT EXISTS $.leases (shard bigint PRIMARY KEY, epoch bigint, zone text, until bigint, ttl bigint, \
     log_next bigint)",
    // Who owns a player. `mark` is a transaction that may have made `marked` of `record`.
    "CREATE TABLE IF NOT EXISTS $.owners (player bigint PRIMARY KEY, revision bigint, record blob, mark blob, marked blob)",
    // Players whom a shard may own, and all players, in order: hints that a reader checks against the record.
    "CREATE TABLE IF NOT EXISTS $.owned (shard bigint, player bigint, PRIMARY KEY (shard, player))",
    "CREATE TABLE IF NOT EXISTS $.players (slice int, player bigint, PRIMARY KEY (slice, player))",
    // Shards that hold a lease or own somebody, or did.
    "CREATE TABLE IF NOT EXISTS $.shards (world int, shard bigint, PRIMARY KEY (world, shard))",
    // A request of a player: the decision about the transaction that it led to.
    "CREATE TABLE IF NOT EXISTS $.requests (player bigint, number bigint, attempt blob, state int, shard bigint, \
     epoch bigint, seq bigint, at bigint, answer blob, parties blob, PRIMARY KEY (player, number))",
    // Old entries lie in tables of their own and go with them as a whole, a day's worth at a time.
    "CREATE TABLE IF NOT EXISTS $.journal (shard bigint, bucket bigint, seq bigint, entry blob, attempt blob, \
     decided boolean, PRIMARY KEY ((shard, bucket), seq)) WITH compaction = {'class': 'TimeWindowCompactionStrategy', \
     'compaction_window_unit': 'DAYS', 'compaction_window_size': '1'}",
    "CREATE TABLE IF NOT EXISTS $.events (shard bigint, bucket bigint, seq bigint, entry blob, \
     PRIMARY KEY ((shard, bucket), seq)) WITH compaction = {'class': 'TimeWindowCompactionStrategy', \
     'compaction_window_unit': 'DAYS', 'compaction_window_size': '1'}",
    "CREATE TABLE IF NOT EXISTS $.topology (world int PRIMARY KEY, revision bigint, document blob)",
    "CREATE TABLE IF NOT EXISTS $.sessions (player bigint PRIMARY KEY, session blob, expires bigint)",
    "CREATE TABLE IF NOT EXISTS $.nonces (nonce blob PRIMARY KEY, expires bigint)",
];
