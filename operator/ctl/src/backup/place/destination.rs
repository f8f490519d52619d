//! Where a world is restored to.

use std::sync::Arc;

use darkages_store::{Store, TopologyDocument};

use super::draft::Draft;
use super::shared::Shared;
use super::{Place, Site};
use crate::backup::holder::Holder;
use crate::backup::id::BackupId;
use crate::backup::restore::{self, RestoreError};
use crate::exit::BadInput;

/// A place that is being restored into.
pub enum Destination {
    /// A file: what was there before stays until the new world is whole.
    File(Draft),
    /// A shared store: what was there before goes first.
    Shared(Shared),
}

impl Destination {
    /// Looks whether `place` can be restored into. Nothing there is changed.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn begin(place: &Place, overwrite: bool) -> Result<Self, BadInput> {
        match &place.site {
            Site::File(file) => Draft::begin(place, file, overwrite).map(Self::File),
            Site::Shared(url) => Shared::begin(place, url.reveal(), overwrite).await.map(Self::Shared),
        }
    }

    /// The store that is filled.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::File(draft) => draft.store(),
            Self::Shared(shared) => shared.store(),
        }
    }

    /// Makes sure that it is empty and stays out of play.
    ///
    /// # Errors
    /// When somebody plays in it, or the store does not answer.
    pub async fn make_room(
        &mut self,
        holder: &mut Holder<'_>,
        backup: BackupId,
        map: Option<&TopologyDocument>,
    ) -> anyhow::Result<()> {
        match self {
            Self::File(_) => Ok(()),
            Self::Shared(shared) => {
                // Without a map it would stay out of play for ever.
                anyhow::ensure!(map.is_some(), "the backup has no shard map: restore it into a directory with --into");
                shared.make_room(holder, backup).await
            }
        }
    }

    /// Brings the world into play: it is filled and compared.
    ///
    /// # Errors
    /// When somebody else did so with another world, or the store does not answer.
    pub async fn finish(&mut self, map: Option<TopologyDocument>) -> Result<(), RestoreError> {
        let Some(map) = map else { return Ok(()) };
        match self {
            Self::File(draft) => restore::put_map(&*draft.store(), None, map).await,
            Self::Shared(shared) => shared.finish(map).await,
        }
    }

    /// Lets go of it, with everything durable. A file takes its place.
    ///
    /// # Errors
    /// When it may not be there.
    pub async fn keep(self) -> anyhow::Result<()> {
        match self {
            Self::File(draft) => draft.keep().await,
            Self::Shared(shared) => Ok(shared.store().close().await?),
        }
    }

    /// What is there when it was not brought into play.
    pub const fn what_is_left(&self) -> &'static str {
        match self {
            Self::Shared(shared) if shared.is_changed() => {
                "the world is not whole and cannot be opened: run the same command again; it failed"
            }
            Self::Shared(_) | Self::File(_) => "nothing was restored",
        }
    }
}
