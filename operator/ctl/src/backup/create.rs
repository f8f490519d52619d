//! Making a backup: pages of the store in, bounded files out, the manifest last.
//!
//! Each owner record is one atomic read, so a player is in the backup as he was at some moment of the run. Records of two
//! players may be of two moments, and a trade that happens meanwhile in one of them only.
//! The log is read after the records, up to a moment that is later than they are, so that it completes them: whoever
//! restores brings all of them to that one moment. Leases and map are read after the records, too, so that every shard that
//! made something in a record is known with an epoch at least as high as the one under which it did.

use std::io;
use std::time::Duration;

use darkages_store::{Clock, Store, StoreError, codec};
use darkages_topology::{PlayerId, ShardId};
use indicatif::ProgressBar;
use jiff::Timestamp;

use super::catalogue::Whole;
use super::digest::Digest;
use super::files::{Files, Sink};
use super::format::{Incarnation, Indexed, Kind, Owner};
use super::id::BackupId;
use super::limits::{MAX_RUN, PAGE};
use super::log::{self, Scanned};
use super::manifest::{self, Completeness, Manifest, Parent};
use super::pack::Compression;
use super::read::{ReadError, Records};
use super::stop::{Stop, Stopped};
use super::target::{Target, TargetError};

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The name of the world.
    pub world: &'a str,
    /// The name of the backup.
    pub id: BackupId,
    /// When it is begun.
    pub created: Timestamp,
    /// How its files are compressed.
    pub compression: Compression,
    /// The backup on which it builds; `None` makes a full one.
    pub parent: Option<&'a Whole>,
    /// The newest backup of this world, whose log it continues.
    pub previous: Option<&'a Whole>,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The world cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The backup cannot be written.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The index of the parent cannot be used.
    #[error("the parent is broken: make a full backup")]
    Parent(#[from] ReadError),
    /// A file cannot be compressed.
    #[error("compressing a file")]
    Pack(#[source] io::Error),
    /// Players are never removed from a world, so this is another one, or an older state of it.
    #[error("{player} is in the parent {parent} and not in this world: make a full backup")]
    Vanished {
        /// Who.
        player: PlayerId,
        /// The parent.
        parent: BackupId,
    },
    /// Somebody wants an end.
    #[error(transparent)]
    Stopped(Stopped),
    /// What the log tells is not settled after a long time: servers do not answer, or their clocks stand still.
    #[error(
        "the log is not complete up to {wanted} after {waited_s} s: look at the store and at the clocks of its servers"
    )]
    Unsettled {
        /// The moment that was waited for.
        wanted: Timestamp,
        /// For how long, in seconds.
        waited_s: u64,
    },
    /// Somebody has restored the world while it was read.
    #[error("the world was restored meanwhile: make the backup again")]
    Restored,
    /// The next run may take it for an interrupted one.
    #[error("it took longer than {} hours, after which an unfinished backup may be removed", MAX_RUN.as_secs() / 3_600)]
    TooLong,
}

/// Makes a backup. When this fails, what it has written so far has no manifest and is no backup.
///
/// # Errors
/// See [`CreateError`].
pub async fn create(
    store: &dyn Store,
    target: &Target,
    order: Order<'_>,
    clock: &dyn Clock,
    stop: &Stop,
    bar: &ProgressBar,
) -> Result<Manifest, CreateError> {
    let Order { world, id, created, compression, parent, previous } = order;
    let mut files = Files { target, stop, id, compression, written: Vec::new() };
    let before = store.log_state().await?;
    let players = owners(store, &mut files, parent, bar).await?;
    let scanned = Scanned { before, after: store.log_state().await? };
    let state = log::settled(store, scanned, &files).await?;
    let incarnations = leases(store, &mut files).await?;
    let saved = log::save(store, &mut files, &incarnations, previous, state).await?;
    map(store, &mut files).await?;
    files.go_on()?;
    let finished = now(clock);
    if finished.duration_since(created) > jiff::SignedDuration::try_from(MAX_RUN).unwrap_or_default() {
        return Err(CreateError::TooLong);
    }
    let mut files = files.written;
    files.sort_by_key(|file| file.kind);
    let manifest = Manifest {
        format: manifest::FORMAT,
        world: world.to_owned(),
        id,
        kind: if parent.is_some() { Completeness::Incremental } else { Completeness::Full },
        parent: parent.map(|parent| Parent { id: parent.manifest.id, digest: parent.digest }),
        created,
        finished,
        compression,
        covers: Some(log::covers(scanned, state)),
        follows: saved.follows,
        players,
        journal: saved.positions,
        files,
    };
    let (bytes, _) = manifest.seal();
    target.write(id, manifest::NAME, bytes).await?;
    Ok(manifest)
}

/// The time by this clock, in whole milliseconds as manifests have it.
pub fn now(clock: &dyn Clock) -> Timestamp {
    timestamp(clock.unix())
}

/// A time since the Unix epoch, in whole milliseconds.
pub fn timestamp(since_epoch: Duration) -> Timestamp {
    let millis = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

/// Writes owner records and index; says how many players there are.
async fn owners(
    store: &dyn Store,
    files: &mut Files<'_>,
    parent: Option<&Whole>,
    bar: &ProgressBar,
) -> Result<u64, CreateError> {
    let mut before = Before::new(files.target, parent).await?;
    let (mut owners, mut index) = (Sink::new(Kind::Owners), Sink::new(Kind::Index));
    let (mut after, mut players) = (None, 0);
    loop {
        let page = store.scan_owners(after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (player, record) in &page {
            let owner = Owner::new(*player, record);
            let indexed = Indexed { player: *player, digest: Digest::of(&owner.bytes).short() };
            index.push(files, &indexed.encode()).await?;
            if before.changed(indexed).await? {
                owners.push(files, &owner.encode()).await?;
            }
        }
        files.go_on()?;
        players += page.len() as u64;
        bar.inc(page.len() as u64);
    }
    before.end()?;
    owners.finish(files).await?;
    index.finish(files).await?;
    Ok(players)
}

/// What the parent knew, walked through beside the world.
struct Before<'a> {
    known: Option<(BackupId, Records<'a, Indexed>)>,
    next: Option<Indexed>,
}

impl<'a> Before<'a> {
    async fn new(target: &'a Target, parent: Option<&'a Whole>) -> Result<Self, CreateError> {
        let Some(parent) = parent else { return Ok(Self { known: None, next: None }) };
        let mut records = Records::new(target, &parent.manifest);
        let next = records.next().await?;
        Ok(Self { known: Some((parent.manifest.id, records)), next })
    }

    /// Whether the parent has this player otherwise or not at all. Players come in order.
    async fn changed(&mut self, now: Indexed) -> Result<bool, CreateError> {
        let Some((parent, records)) = &mut self.known else { return Ok(true) };
        match self.next {
            Some(before) if before.player < now.player => {
                Err(CreateError::Vanished { player: before.player, parent: *parent })
            }
            Some(before) if before.player == now.player => {
                self.next = records.next().await?;
                Ok(before.digest != now.digest)
            }
            _ => Ok(true),
        }
    }

    /// After the last player of the world.
    fn end(self) -> Result<(), CreateError> {
        match (self.known, self.next) {
            (Some((parent, _)), Some(Indexed { player, .. })) => Err(CreateError::Vanished { player, parent }),
            _ => Ok(()),
        }
    }
}

async fn leases(store: &dyn Store, files: &mut Files<'_>) -> Result<Vec<ShardId>, CreateError> {
    let mut sink = Sink::new(Kind::Leases);
    let mut shards: Vec<ShardId> = Vec::new();
    loop {
        let page = store.leases(shards.last().copied(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        for view in page {
            let (shard, epoch) = (view.fence.shard, view.fence.epoch);
            sink.push(files, &Incarnation { shard, epoch, zone: view.zone }.encode()).await?;
            shards.push(shard);
        }
    }
    sink.finish(files).await?;
    Ok(shards)
}

async fn map(store: &dyn Store, files: &mut Files<'_>) -> Result<(), CreateError> {
    let mut sink = Sink::new(Kind::Map);
    if let Some(document) = store.load_topology().await? {
        sink.push(files, &codec::encode_topology(&document)).await?;
    }
    sink.finish(files).await
}
