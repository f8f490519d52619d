//! Tables of the file, and what a write transaction sees of them.

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use crate::error::StoreError;

/// Newest format of the file that this code reads and writes.
pub(super) const FORMAT: u32 = 1;

/// What the file is: `"format"` → number, `"world"` → name, `"history"` → number of 8 bytes. Its name is what makes a file ours.
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

/// The key of the number of the history that the log tells.
const HISTORY: &str = "history";

/// All tables, open for writing.
pub(super) struct Tables<'t> {
    pub meta: Table<'t, &'static str, &'static [u8]>,
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
            meta: transaction.open_table(META)?,
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

    /// Says that the log tells another history from now on.
    pub fn set_history(&mut self, history: u64) -> Result<(), redb::StorageError> {
        self.meta.insert(HISTORY, history.to_le_bytes().as_slice()).map(drop)
    }

    /// Empties what is of one history, which is everything but leases, shard map and nonces.
    pub fn clear(&mut self, history: u64) -> Result<(), Trouble> {
        let Self {
            meta: _,
            leases: _,
            topology: _,
            owners,
            owned,
            requests,
            log,
            sessions,
            session_ends,
            nonces: _,
            nonce_ends: _,
        } = self;
        owners.retain(|_, _| false)?;
        owned.retain(|_, ()| false)?;
        requests.retain(|_, _| false)?;
        log.retain(|_, _| false)?;
        sessions.retain(|_, _| false)?;
        session_ends.retain(|_, ()| false)?;
        self.set_history(history)?;
        Ok(())
    }
}

/// The number of the history that the log tells; 0 in a file of before there were any.
pub(super) fn history(meta: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<u64, Trouble> {
    let Some(bytes) = meta.get(HISTORY)? else { return Ok(0) };
    let corrupt = |_| StoreError::Corrupt { what: "the number of the history".to_owned(), reason: "it is no number" };
    Ok(bytes.value().try_into().map(u64::from_le_bytes).map_err(corrupt)?)
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
