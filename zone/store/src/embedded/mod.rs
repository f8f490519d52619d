//! The embedded driver: a world in one file (redb), open in one process.
//!
//! What flows in are calls from any number of tasks; reads are served at once from what is visible, writes go through one
//! thread that commits them in groups. A crash of the process at any moment loses nothing that was
//! acknowledged as durable, and at most [`CHECKPOINT_FLUSH`](crate::limits::CHECKPOINT_FLUSH) of checkpoints and events.
//!
//! Leases end with the process: only zones of the process that has the file open can hold one.

mod inventory;
mod journal;
mod leases;
mod open;
#[cfg(test)]
mod outage;
mod owners;
mod pulse;
mod reads;
mod sessions;
mod stamps;
mod tables;
mod trial;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use darkages_topology::{PlayerId, Revision, ShardId, ZoneId};

use crate::check;
use crate::clock::{Clock, SystemClock};
use crate::codec::{self, millis};
use crate::document::{TopologyDocument, TopologySwapped};
use crate::error::{OpenError, StoreError};
use crate::health::Health;
use crate::journal::{Checkpoint, Committed, Event, Kept, LogEntry, LogSeq, LogState, Saved, Transaction};
use crate::lease::{Acquired, Fence, LeaseView, Renewed};
use crate::limits::MAX_PAGE;
use crate::owner::{OwnerRecord, Swap, Swapped};
use crate::port::Store;
use crate::session::{NonceUse, Session};

pub use inventory::inventory;
pub use journal::LOG_KEPT_PER_SHARD;
use leases::Leases;
use open::Place;
use reads::Reads;
use stamps::Stamps;
use writer::Writer;

/// A store in one file, or in memory for tests. Dropping it makes everything durable and closes the file, like
/// [`Store::close`], but tells nobody when that fails.
pub struct Embedded {
    clock: Arc<dyn Clock>,
    stamps: Stamps,
    leases: Arc<Leases>,
    reads: Reads,
    writer: Writer,
}

impl Embedded {
    /// Opens the store of `world` in the file at `path`, and makes the file if there is none. Its folder must exist.
    /// Reads the whole file to see that it is sound: about a second for each gigabyte.
    ///
    /// # Errors
    /// When the file is not a store, is damaged, of a newer version, of another world, or open in another process. It is
    /// left as it is then.
    pub fn open(path: &Path, world: &str) -> Result<Self, OpenError> {
        Self::open_with_clock(path, world, Arc::new(SystemClock::new()))
    }

    /// As [`open`](Self::open), with leases and expiries judged by `clock`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_clock(path: &Path, world: &str, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Self::start(Place::File(PathBuf::from(path)), world, clock)
    }

    /// A store that is gone when it is dropped. Everything else is as in a file.
    ///
    /// # Errors
    /// When the name of the world cannot be stored or no thread can be started.
    pub fn in_memory(world: &str, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Self::start(Place::Memory, world, clock)
    }

    fn start(place: Place, world: &str, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let database = open::open(&place, world)?;
        let leases = Arc::new(Leases::new(Arc::clone(&clock)));
        let slot = Arc::new(RwLock::new(Some(database)));
        let reads = Reads::new(Arc::clone(&slot));
        let damaged = |error: StoreError| OpenError::Corrupt { place: place.name(), reason: error.to_string() };
        for (shard, epoch, zone) in reads.incarnations().map_err(damaged)? {
            leases.remember(shard, epoch, zone);
        }
        let reopen = {
            let (place, world) = (place.clone(), world.to_owned());
            Box::new(move || open::open_again(&place, &world))
        };
        let no_thread = |error| OpenError::Unreadable { place: place.name(), source: Box::new(error) };
        let writer = Writer::start(slot, reopen).map_err(no_thread)?;
        Ok(Self { stamps: Stamps::new(Arc::clone(&clock)), clock, leases, reads, writer })
    }
}

#[async_trait]
impl Store for Embedded {
    async fn acquire(&self, shard: ShardId, zone: &ZoneId, ttl: Duration) -> Result<Acquired, StoreError> {
        check::lease(Some(zone), ttl)?;
        let (leases, zone) = (Arc::clone(&self.leases), zone.clone());
        let write = self.writer.write("acquiring a lease", true, move |tables| {
            let acquired = leases.grant(shard, &zone, ttl);
            if let Acquired::Granted(lease) = &acquired {
                let bytes = codec::encode_lease(lease.fence.epoch, &zone);
                tables.leases.insert(shard.0, bytes.as_slice())?;
            }
            Ok(acquired)
        });
        write.await
    }

    async fn renew(&self, fence: Fence, ttl: Duration) -> Result<Renewed, StoreError> {
        check::lease(None, ttl)?;
        self.reads.check_open("renewing a lease")?;
        Ok(self.leases.renew(fence, ttl))
    }

    async fn release(&self, fence: Fence) -> Result<(), StoreError> {
        self.reads.check_open("releasing a lease")?;
        self.leases.release(fence);
        Ok(())
    }

    async fn look(&self, shard: ShardId) -> Result<Option<LeaseView>, StoreError> {
        self.reads.check_open("looking at a lease")?;
        Ok(self.leases.look(shard))
    }

    async fn leases(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<LeaseView>, StoreError> {
        self.reads.check_open("listing leases")?;
        Ok(self.leases.list(after, limit.min(MAX_PAGE)))
    }

    async fn load_topology(&self) -> Result<Option<TopologyDocument>, StoreError> {
        self.reads.topology()
    }

    async fn compare_and_swap_topology(
        &self,
        expected: Option<Revision>,
        next: TopologyDocument,
    ) -> Result<TopologySwapped, StoreError> {
        check::topology(&next)?;
        check::revision(expected, next.revision)?;
        let write = self.writer.write("swapping the shard map", true, move |tables| {
            let current = reads::decode_topology(&tables.topology)?;
            if current.as_ref().map(|current| current.revision) != expected {
                return Ok(TopologySwapped::Conflict(current));
            }
            tables.topology.insert((), codec::encode_topology(&next).as_slice())?;
            Ok(TopologySwapped::Done)
        });
        write.await
    }

    async fn owner(&self, player: PlayerId) -> Result<Option<OwnerRecord>, StoreError> {
        Ok(self.reads.owners(&[player])?.pop().flatten())
    }

    async fn owners(&self, players: &[PlayerId]) -> Result<Vec<Option<OwnerRecord>>, StoreError> {
        check::batch(players.len())?;
        self.reads.owners(players)
    }

    async fn owned_by(
        &self,
        shard: ShardId,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<(PlayerId, OwnerRecord)>, StoreError> {
        self.reads.owned_by(shard, after, limit.min(MAX_PAGE))
    }

    async fn owning_shards(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<ShardId>, StoreError> {
        self.reads.owning_shards(after, limit.min(MAX_PAGE))
    }

    async fn scan_owners(
        &self,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<(PlayerId, OwnerRecord)>, StoreError> {
        self.reads.scan_owners(after, limit.min(MAX_PAGE))
    }

    async fn swap(&self, fence: Fence, swaps: Vec<Swap>) -> Result<Vec<Swapped>, StoreError> {
        check::swaps(&swaps)?;
        let leases = Arc::clone(&self.leases);
        let write = move |tables: &mut tables::Tables<'_>| owners::swap(tables, &leases, fence, swaps);
        self.writer.write("swapping owner records", true, write).await
    }

    async fn save_batch(&self, fence: Fence, checkpoints: Vec<Checkpoint>) -> Result<Vec<Saved>, StoreError> {
        check::checkpoints(&checkpoints)?;
        let (leases, pulse) = (Arc::clone(&self.leases), Arc::clone(&self.writer.pulse));
        let write = move |tables: &mut tables::Tables<'_>| {
            let players: Vec<PlayerId> = checkpoints.iter().map(|checkpoint| checkpoint.player).collect();
            let answers = owners::save(tables, &leases, fence, checkpoints)?;
            let saved = players.into_iter().zip(&answers).filter(|(_, answer)| **answer == Saved::Done);
            pulse.wrote(saved.map(|(player, _)| player));
            Ok(answers)
        };
        self.writer.write("saving checkpoints", false, write).await
    }

    async fn commit(&self, fence: Fence, transaction: Transaction) -> Result<Committed, StoreError> {
        check::transaction(&transaction)?;
        let (leases, stamps) = (Arc::clone(&self.leases), self.stamps.clone());
        let write =
            move |tables: &mut tables::Tables<'_>| journal::commit(tables, &leases, fence, transaction, stamps.stamp());
        self.writer.write("committing a transaction", true, write).await
    }

    async fn append(&self, fence: Fence, events: Vec<Event>) -> Result<LogSeq, StoreError> {
        check::events(&events)?;
        let (leases, stamps) = (Arc::clone(&self.leases), self.stamps.clone());
        let write =
            move |tables: &mut tables::Tables<'_>| journal::append(tables, &leases, fence, events, stamps.stamp());
        self.writer.write("appending to the log", false, write).await
    }

    async fn read_log(&self, shard: ShardId, from: LogSeq, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.reads.log(shard, from, limit.min(MAX_PAGE))
    }

    async fn log_state(&self) -> Result<LogState, StoreError> {
        // What was queued before it is visible when it is.
        let stamps = self.stamps.clone();
        let settled = self.writer.write("looking at the log", false, move |_| Ok(stamps.settle())).await?;
        Ok(LogState { history: self.reads.history()?, now: settled, settled, kept: Kept::Newest })
    }

    async fn clear(&self) -> Result<(), StoreError> {
        let history = rand::random();
        self.writer.write("clearing the store", true, move |tables| tables.clear(history)).await
    }

    async fn open_session(&self, session: Session, ttl: Duration) -> Result<Option<Session>, StoreError> {
        check::session(&session, ttl)?;
        let now = self.clock.unix();
        let session = Session { expires: Duration::from_millis(millis(now + ttl)), ..session };
        self.writer.write("opening a session", false, move |tables| sessions::open(tables, &session, now)).await
    }

    async fn session(&self, player: PlayerId) -> Result<Option<Session>, StoreError> {
        let now = self.clock.unix();
        Ok(self.reads.session(player)?.filter(|session| session.expires > now))
    }

    async fn close_session(&self, player: PlayerId, id: u128) -> Result<bool, StoreError> {
        let now = self.clock.unix();
        self.writer.write("closing a session", false, move |tables| sessions::close(tables, player, id, now)).await
    }

    async fn use_nonce(&self, nonce: u128, expires_unix_s: u64) -> Result<NonceUse, StoreError> {
        let (now, expires) = (self.clock.unix(), Duration::from_secs(expires_unix_s));
        if expires <= now {
            return Ok(NonceUse::Expired);
        }
        check::nonce(expires - now)?;
        let write = move |tables: &mut tables::Tables<'_>| sessions::use_nonce(tables, nonce, expires, now);
        self.writer.write("using a token", true, write).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError> {
        let now = self.clock.unix();
        let limit = limit.min(MAX_PAGE);
        self.writer.write("purging", false, move |tables| sessions::purge(tables, now, limit)).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.writer.write("probing the store", true, |_| Ok(())).await
    }

    fn health(&self) -> Health {
        self.writer.pulse.health()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.writer.close().await
    }
}
