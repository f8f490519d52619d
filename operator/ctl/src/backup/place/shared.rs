//! A world that is being restored into a store that processes share. Nothing there can take its place at once, so:
//!
//! 1. nobody plays: no zone holds a lease, and from then on the restore holds those of all shards;
//! 2. the shard map is replaced by one that says that the world is being restored: no zone can be assigned, and every process
//!    that opens the store is told so, until there is a map again;
//! 3. what was there goes, then the players of the backup come;
//! 4. the map comes last.
//!
//! Up to the second step nothing has changed. From then on an interrupted restore is noticed by whoever opens the store, and
//! by the next restore, which begins again with the third.

use std::sync::Arc;

use anyhow::Context as _;
use darkages_store::{Store, StoreError, TopologyDocument, TopologySwapped};
use darkages_topology::Revision;

use super::{Place, refused};
use crate::backup::holder::{Holder, in_use};
use crate::backup::id::BackupId;
use crate::backup::restore::{self, RestoreError};
use crate::exit::BadInput;

/// A store on its way to another world.
pub struct Shared {
    store: Arc<dyn Store>,
    /// Whether there is anything that must go first.
    inhabited: bool,
    /// The revision of what stands in place of the map, from the second step on.
    marked: Option<Revision>,
}

/// Whether a store has anything of a world.
pub async fn has_world(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(store.load_topology().await?.is_some()
        || !store.leases(None, 1).await?.is_empty()
        || !store.scan_owners(None, 1).await?.is_empty())
}

impl Shared {
    /// Opens the store at `url`, which is what `place` names, and looks whether it may be restored into.
    ///
    /// # Errors
    /// When it has a world and `overwrite` is not said, when somebody plays in it, or when it cannot be opened.
    pub async fn begin(place: &Place, url: &str, overwrite: bool) -> Result<Self, BadInput> {
        let opened = darkages_store::open_to_restore(url, &place.world).await;
        let store = opened.map_err(|error| refused(place.flag, &error))?;
        let look = async || {
            let interrupted = store.load_topology().await?.and_then(|map| map.restored_from()).is_some();
            Ok::<_, StoreError>((interrupted, has_world(&*store).await?, in_use(&*store).await?))
        };
        let (interrupted, inhabited, held) = look().await.map_err(|error| place.complaint(error))?;
        if inhabited && !interrupted && !overwrite {
            let (flag, name) = (place.flag, place.name());
            let what = "has a world: choose another place, or say --overwrite to replace it";
            return Err(BadInput::new(format!("{flag} {name} {what}")));
        }
        if let Some(held) = held {
            let (shard, by) = (held.fence.shard, held.zone);
            return Err(place.complaint(RestoreError::Held { shard, by }));
        }
        Ok(Self { store, inhabited, marked: None })
    }

    /// Its store.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// Takes the world out of play and empties it.
    ///
    /// # Errors
    /// When a zone was faster, or the store does not answer.
    pub async fn make_room(&mut self, holder: &mut Holder<'_>, backup: BackupId) -> anyhow::Result<()> {
        holder.hold_all().await?;
        let found = self.store.load_topology().await?.map(|map| map.revision);
        let revision = Revision(found.map_or(1, |found| found.0 + 1));
        let marker = TopologyDocument::restoring(revision, &backup.to_string());
        let marked = self.store.compare_and_swap_topology(found, marker).await?;
        anyhow::ensure!(
            marked == TopologySwapped::Done,
            "somebody else has changed the shard map meanwhile: try again"
        );
        self.marked = Some(revision);
        if self.inhabited {
            self.store.clear().await.context("removing the world that is there")?;
        }
        Ok(())
    }

    /// Whether the world that was there is out of play.
    pub const fn is_changed(&self) -> bool {
        self.marked.is_some()
    }

    /// Gives the world its map, with a revision above all that it had, so that no process takes it for an old one.
    ///
    /// # Errors
    /// When somebody else has given it one, or the store does not answer.
    pub async fn finish(&mut self, map: TopologyDocument) -> Result<(), RestoreError> {
        let least = self.marked.map_or(map.revision, |marked| Revision(marked.0 + 1));
        let revision = map.revision.max(least);
        restore::put_map(&*self.store, self.marked, restore::at_revision(map, revision)).await
    }
}
