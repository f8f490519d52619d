//! Tables of the file, and what a write transaction sees of them.

use redb::{Table, TableDefinition, WriteTransaction};

use crate::error::StoreError;

/// Newest format of the file that this code reads and writes.
pub(super) const FORMAT: u32 = 1;

/// What the file is: `"format"` → number, `"world"` → name. Its name is what makes a file ours.
pub(super) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("darkages.store");
/// Shard → newest incarnation.
pub(super) const LEASES: TableDefinition<'static, u32, &[u8]> = TableDefinition::new("leases");
/// Nothing → shard map.
pub(super) const TOPOLOGY: TableDefinition<'static, (), &[u8]> = TableDefinition::new("topology");
/// Player → owner record.
pub(super) const OWNERS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("owners");
/// Shard, player: which players a shard owns.
pub(super) const OWNED: TableDefinition<'static, (u32, u64), ()> = TableDefinition::new("owned");
/// Player, running number → a request that was committed.
pub(super) const REQUESTS: TableDefinition<'static, (u64, u64), &[u8]> = TableDefinition::new("requests");
/// Shard, place → log entry.
pub(super) const LOG: TableDefinition<'static, (u32, u64), &[u8]> = TableDefinition::new("log");
/// Player → session.
pub(super) const SESSIONS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("sessions");
/// Unix milliseconds, player: when sessions expire.
pub(super) const SESSION_ENDS: TableDefinition<'static, (u64, u64), ()> = TableDefinition::new("session_ends");
/// Nonce → Unix milliseconds at which it expires.
pub(super) const NONCES: TableDefinition<'static, u128, u64> = TableDefinition::new("nonces");
/// Unix milliseconds, nonce: when nonces expire.
pub(super) const NONCE_ENDS: TableDefinition<'static, (u64, u128), ()> = TableDefinition::new("nonce_ends");

/// All tables, open for writing.
pub(super) struct Tables<'t> {
    pub leases: Table<'t, u32, &'static [u8]>,
    pub topology: Table<'t, (), &'static [u8]>,
    pub owners: Table<'t, u64, &'static [u8]>,
    pub owned: Table<'t, (u32, u64), ()>,
    pub requests: Table<'t, (u64, u64), &'static [u8]>,
    pub log: Table<'t, (u32, u64), &'static [u8]>,
    pub sessions: Table<'t, u64, &'static [u8]>,
    pub session_ends: Table<'t, (u64, u64), ()>,
    pub nonces: Table<'t, u128, u64>,
    pub nonce_ends: Table<'t, (u64, u128), ()>,
}

impl<'t> Tables<'t> {
    /// Opens the tables and makes those that are missing.
    pub fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            leases: transaction.open_table(LEASES)?,
            topology: transaction.open_table(TOPOLOGY)?,
            owners: transaction.open_table(OWNERS)?,
            owned: transaction.open_table(OWNED)?,
            requests: transaction.open_table(REQUESTS)?,
            log: transaction.open_table(LOG)?,
            sessions: transaction.open_table(SESSIONS)?,
            session_ends: transaction.open_table(SESSION_ENDS)?,
            nonces: transaction.open_table(NONCES)?,
            nonce_ends: transaction.open_table(NONCE_ENDS)?,
        })
    }
}

/// Why a write failed.
pub(super) enum Trouble {
    /// This write alone, before it changed anything.
    Refused(StoreError),
    /// The file: the whole transaction is off.
    File(redb::Error),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<redb::StorageError> for Trouble {
    fn from(error: redb::StorageError) -> Self {
        Self::File(error.into())
    }
}
