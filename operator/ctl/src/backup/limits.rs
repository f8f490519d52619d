//! Bounds of a backup: what is held in memory, and what a manifest may claim. Whatever a manifest says beyond them is
//! refused before anything is read.

use std::time::Duration;

/// Bytes of a data file before compression. One file of each backup in a chain is in memory at a time, so this and
/// [`MAX_CHAIN`] bound what verifying and restoring take: 64 MiB.
pub const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of a data file before compression when it has a single record that is longer than [`MAX_FILE_BYTES`]: a shard map
/// at the store's own bound.
pub const MAX_RAW_BYTES: u64 = MAX_FILE_BYTES as u64 + 64 * 1024;

/// Bytes of a data file as it is stored. What cannot be compressed becomes a little longer.
pub const MAX_STORED_BYTES: u64 = MAX_FILE_BYTES as u64 + MAX_FILE_BYTES as u64 / 8;

/// Bytes of a manifest: some 60,000 files, or a world of 600 million players.
pub const MAX_MANIFEST_BYTES: u64 = 16 * 1024 * 1024;

/// Records that the store is asked for at a time: 16 MiB when all of them are as long as they may be.
pub const PAGE: usize = 250;

/// Log entries that the store is asked for at a time: 64 MiB when all of them are as long as they may be.
pub const LOG_PAGE: usize = 64;

/// Records that a restore writes at a time: so few that a slow store carries them out within the time of a call.
pub const BATCH_PLAYERS: usize = 512;

/// Bytes of records that a restore writes at a time. A store that flushes for each call has enough to do in one.
pub const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// How far stamps of the log may be out of order: servers' clocks differ, and one that takes another's place may be behind.
pub const MAX_INVERSION: Duration = Duration::from_secs(60);

/// Transactions within [`MAX_INVERSION`] of a moment to which a world is restored: some 4,000 a second, and 64 MiB.
pub const MAX_NEAR: usize = 500_000;

/// Bytes of states that are sorted in memory; the others lie in temporary files meanwhile.
pub const SORT_BYTES: usize = 32 * 1024 * 1024;

/// Temporary files with sorted states, at most: 8 GiB of them.
pub const MAX_RUNS: usize = 256;

/// Backups from a full one to the last incremental one that builds on it, both included.
pub const MAX_CHAIN: usize = 16;

/// Backups in one place that are looked at. With 30 kept by default there are never many more.
pub const MAX_BACKUPS: usize = 10_000;

/// Incarnations of a shard that a restore brings back, one by one. A zone refuses to start with more than 4,095.
pub const MAX_EPOCH: u64 = 1 << 16;

/// The longest that making a backup may take. What has no manifest after this time was interrupted and is removed by the
/// next run.
pub const MAX_RUN: Duration = Duration::from_secs(24 * 3_600);
