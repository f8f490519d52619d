//! The port: what zones, the directory and the planner ask of a store.

use std::time::Duration;

use async_trait::async_trait;
use darkages_topology::{PlayerId, Revision, ShardId, ZoneId};

use crate::document::{TopologyDocument, TopologySwapped};
use crate::error::StoreError;
use crate::health::Health;
use crate::journal::{Checkpoint, Committed, Event, LogEntry, LogSeq, LogState, Saved, Transaction};
use crate::lease::{Acquired, Fence, LeaseView, Renewed};
use crate::owner::{OwnerRecord, Swap, Swapped};
use crate::session::{NonceUse, Session};

/// A store of one world.
///
/// **Time.** Leases and expiries are judged by the store, never by the caller.
///
/// **Fencing.** A write carries the [`Fence`] of its zone. While its lease has run out, and once that incarnation is over,
/// nothing it writes takes effect, with one exception: the release of a handoff that it committed, see [`Transition::Release`](crate::transition::Transition::Release).
///
/// **Durability.** What every method but [`save_batch`](Self::save_batch), [`append`](Self::append) and the session methods
/// acknowledges survives any crash of processes and machines that the driver promises to survive. Reads see acknowledged
/// writes at once; they never see a swap or a transaction that could still be lost.
///
/// **Order.** Calls that are under way together take effect in any order. A caller that needs one before the other awaits it.
///
/// **Cancelling.** Dropping the future of a write does not undo it: it may take effect.
///
/// **Errors.** Every method returns [`StoreError::Unavailable`] when the store cannot serve it, after which a write may have
/// taken effect; [`StoreError::Closed`] after [`close`](Self::close); [`StoreError::Full`] when the driver's queue is full;
/// [`StoreError::Invalid`] when an argument exceeds its bound in [`limits`](crate::limits); [`StoreError::Corrupt`] when a
/// stored record that it must read is damaged. Methods with a fence return [`StoreError::Fenced`] when it is over.
#[async_trait]
pub trait Store: Send + Sync {
    /// Acquires the lease of `shard` for `zone`: the start of a new incarnation. Granted when nobody holds it, under an epoch
    /// one higher than the last (the first is 1). `ttl` is above zero and at most [`MAX_LEASE`](crate::limits::MAX_LEASE).
    async fn acquire(&self, shard: ShardId, zone: &ZoneId, ttl: Duration) -> Result<Acquired, StoreError>;

    /// Lets a lease last `ttl` from now on, also one that has run out and on whose end nobody has relied, see [`Fence`].
    async fn renew(&self, fence: Fence, ttl: Duration) -> Result<Renewed, StoreError>;

    /// Ends a lease, so that nobody has to wait for it. Does nothing when it is over already.
    async fn release(&self, fence: Fence) -> Result<(), StoreError>;

    /// The lease of `shard`; `None` when nobody ever held it. Looking relies on nothing: one that has run out may be renewed.
    async fn look(&self, shard: ShardId) -> Result<Option<LeaseView>, StoreError>;

    /// The leases of shards above `after`, live or not, in order of shard; at most `limit` and at most
    /// [`MAX_PAGE`](crate::limits::MAX_PAGE).
    async fn leases(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<LeaseView>, StoreError>;

    /// The shard map; `None` before the first was written.
    async fn load_topology(&self) -> Result<Option<TopologyDocument>, StoreError>;

    /// Replaces the shard map if it is still at `expected` (`None`: not written yet) by one of a higher revision.
    async fn compare_and_swap_topology(
        &self,
        expected: Option<Revision>,
        next: TopologyDocument,
    ) -> Result<TopologySwapped, StoreError>;

    /// The owner record of `player`; `None` when the player is new to the world.
    async fn owner(&self, player: PlayerId) -> Result<Option<OwnerRecord>, StoreError>;

    /// The owner records of `players`, in their order; at most [`MAX_BATCH`](crate::limits::MAX_BATCH). Each is read at some
    /// moment during the call, not all at the same one.
    async fn owners(&self, players: &[PlayerId]) -> Result<Vec<Option<OwnerRecord>>, StoreError>;

    /// Owner records that belong to `shard`, of players above `after`, in order of player; at most `limit` and at most
    /// [`MAX_PAGE`](crate::limits::MAX_PAGE). An empty page is the end. What changes between pages may be missed.
    async fn owned_by(
        &self,
        shard: ShardId,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<(PlayerId, OwnerRecord)>, StoreError>;

    /// Shards above `after` that own at least one player, whether or not they are on the map, in order; at most `limit` and
    /// at most [`MAX_PAGE`](crate::limits::MAX_PAGE). Those that are not on the map leave players to be adopted.
    async fn owning_shards(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<ShardId>, StoreError>;

    /// All owner records, of players above `after`, in order of player; at most `limit` and at most
    /// [`MAX_PAGE`](crate::limits::MAX_PAGE). An empty page is the end. For audits: each page is of one moment, pages are not.
    async fn scan_owners(
        &self,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<(PlayerId, OwnerRecord)>, StoreError>;

    /// Compares and swaps owner records, each by itself, in order; at most [`MAX_BATCH`](crate::limits::MAX_BATCH). One answer
    /// for each swap. Only the steps of [`transition::judge`](crate::transition::judge) are accepted, and of two swaps that
    /// expect the same record at most one is [`Swapped::Done`]. What is checked first is answered first: the fence
    /// ([`Swapped::Fenced`]; an answer, not an error, because releases of an incarnation that is over are still taken), then
    /// the expected record and its version ([`Swapped::Conflict`]), the step ([`Swapped::Illegal`]), and the leases that must
    /// be over ([`Swapped::Held`]).
    ///
    /// A record may be created with any owner epoch and version, so that a restore brings players back as they were.
    ///
    /// After an error the caller looks the record up: it may be `next`.
    async fn swap(&self, fence: Fence, swaps: Vec<Swap>) -> Result<Vec<Swapped>, StoreError>;

    /// Writes the data of players for whom this incarnation acts; at most [`MAX_BATCH`](crate::limits::MAX_BATCH). One answer
    /// for each. A record takes a checkpoint when its owner epoch and version are the checkpoint's and it is closed and
    /// owned by the writer's shard, or open, committed by this very incarnation and not released.
    ///
    /// Not durable when it returns; the driver makes it so soon after.
    async fn save_batch(&self, fence: Fence, checkpoints: Vec<Checkpoint>) -> Result<Vec<Saved>, StoreError>;

    /// Carries out a durable transaction: all states, the log entry and the answer for repeated requests, or nothing. Its
    /// states are judged like checkpoints. Durable when it returns [`Committed::Done`].
    ///
    /// A request that was committed before (by whatever shard) is answered [`Committed::Repeated`], for at least the
    /// player's newest [`REQUESTS_KEPT_PER_PLAYER`](crate::limits::REQUESTS_KEPT_PER_PLAYER). So after an error the caller
    /// simply commits the same transaction again.
    async fn commit(&self, fence: Fence, transaction: Transaction) -> Result<Committed, StoreError>;

    /// Appends events to the log of the writer's shard; at most [`MAX_BATCH`](crate::limits::MAX_BATCH). Returns the place of
    /// the last. Not durable when it returns. `events` must not be empty.
    async fn append(&self, fence: Fence, events: Vec<Event>) -> Result<LogSeq, StoreError>;

    /// Entries of the log of `shard` from place `from` on, in order; at most `limit` and at most
    /// [`MAX_PAGE`](crate::limits::MAX_PAGE), and fewer only when there are no more. Drivers keep a bounded number of the newest.
    async fn read_log(&self, shard: ShardId, from: LogSeq, limit: usize) -> Result<Vec<LogEntry>, StoreError>;

    /// Which history the logs tell, how far they are complete, and which entries they keep.
    async fn log_state(&self) -> Result<LogState, StoreError>;

    /// Makes room for another history in place of this one: removes owner records, remembered requests, logs and sessions.
    /// Leases stay, because an incarnation that is over is over for ever, and so do the shard map and used nonces. The caller
    /// holds the leases of all shards, so that nobody writes meanwhile. After an error some of it is gone; the caller clears
    /// again.
    async fn clear(&self) -> Result<(), StoreError>;

    /// Opens a session of a player for `ttl` (above zero, at most [`MAX_EXPIRY`](crate::limits::MAX_EXPIRY)), in place of the
    /// one that was open, which is returned. [`Session::expires`] is set by the store.
    async fn open_session(&self, session: Session, ttl: Duration) -> Result<Option<Session>, StoreError>;

    /// The player's open session.
    async fn session(&self, player: PlayerId) -> Result<Option<Session>, StoreError>;

    /// Ends the player's session if it is still the one with this id; says whether it was.
    async fn close_session(&self, player: PlayerId, id: u128) -> Result<bool, StoreError>;

    /// Uses up the nonce of a token that expires at `expires_unix_s`, seconds since the Unix epoch. Durable when it returns.
    /// A driver that remembers nonces in memory refuses with [`StoreError::Full`] when there are
    /// [`MAX_NONCES`](crate::limits::MAX_NONCES) unexpired ones; on disks of servers they end by themselves.
    async fn use_nonce(&self, nonce: u128, expires_unix_s: u64) -> Result<NonceUse, StoreError>;

    /// Removes what has expired among nonces and sessions, at most `limit` of each; says how many. Drivers also remove some
    /// while they add others; one that expires by itself has nothing to do here.
    async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError>;

    /// Whether the store can be written now. Changes nothing.
    async fn probe(&self) -> Result<(), StoreError>;

    /// How the store is, as far as this process has seen; asks nobody, so that it may be called as often as one likes.
    fn health(&self) -> Health;

    /// Makes everything durable and lets go of the store. Later calls get [`StoreError::Closed`]; a second close does nothing.
    async fn close(&self) -> Result<(), StoreError>;
}
