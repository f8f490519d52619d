//! What is in a place: whole backups, unfinished ones and broken ones, and which of them build on which.

use super::digest::Digest;
use super::id::BackupId;
use super::limits::{MAX_BACKUPS, MAX_CHAIN, MAX_MANIFEST_BYTES};
use super::manifest::{self, Manifest, ManifestError};
use super::target::{Target, TargetError};

/// A backup whose manifest is sound. Its files may still be broken: verifying tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Its manifest.
    pub manifest: Manifest,
    /// The digest of its manifest.
    pub digest: Digest,
}

/// A folder that looks like a backup's.
#[derive(Debug)]
pub enum Found {
    /// It has a sound manifest.
    Whole(Box<Whole>),
    /// It has none: it is being written, or was interrupted.
    Unfinished(BackupId),
    /// It has one that was changed, cut, or is of a newer version.
    Broken(BackupId, ManifestError),
}

impl Found {
    /// The name of the folder.
    pub fn id(&self) -> BackupId {
        match self {
            Self::Whole(whole) => whole.manifest.id,
            Self::Unfinished(id) | Self::Broken(id, _) => *id,
        }
    }
}

/// Everything in a place, the oldest first.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// What was found.
    pub found: Vec<Found>,
}

/// Why the place cannot be looked through.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// It does not answer.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// It has more than anybody keeps.
    #[error("there are {found} backups, at most {MAX_BACKUPS} are looked at: remove some, or choose another place")]
    Many {
        /// How many.
        found: usize,
    },
}

/// Why a backup cannot be read together with those on which it builds.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// There is none of this name with a sound manifest.
    #[error("{id}/{} is missing, changed or cut", manifest::NAME)]
    Absent {
        /// Which.
        id: BackupId,
    },
    /// The parent is there, but is not the one on which it was built.
    #[error("{parent}/{} is not the one on which {child} was built", manifest::NAME)]
    OtherParent {
        /// Whose parent.
        child: BackupId,
        /// The parent.
        parent: BackupId,
    },
    /// It goes on for ever, or nearly so.
    #[error("{id} builds on more than {} backups", MAX_CHAIN - 1)]
    Long {
        /// Which.
        id: BackupId,
    },
}

impl Catalogue {
    /// Looks at everything in `target`.
    ///
    /// # Errors
    /// When it does not answer or has too much.
    pub async fn read(target: &Target) -> Result<Self, CatalogueError> {
        let ids = target.ids().await?;
        if ids.len() > MAX_BACKUPS {
            return Err(CatalogueError::Many { found: ids.len() });
        }
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.push(look(target, id).await?);
        }
        Ok(Self { found })
    }

    /// The whole ones, the oldest first.
    pub fn whole(&self) -> impl DoubleEndedIterator<Item = &Whole> {
        self.found.iter().filter_map(|found| match found {
            Found::Whole(whole) => Some(&**whole),
            Found::Unfinished(_) | Found::Broken(..) => None,
        })
    }

    /// The one of this name.
    pub fn get(&self, id: BackupId) -> Option<&Whole> {
        self.whole().find(|whole| whole.manifest.id == id)
    }

    /// The backup `id` and those on which it builds, the newest first.
    ///
    /// # Errors
    /// When one of them is not there as it was.
    pub fn chain(&self, id: BackupId) -> Result<Vec<&Whole>, ChainError> {
        let mut last = self.get(id).ok_or(ChainError::Absent { id })?;
        let mut chain = vec![last];
        while let Some(parent) = last.manifest.parent {
            if chain.len() == MAX_CHAIN {
                return Err(ChainError::Long { id });
            }
            let found = self.get(parent.id).ok_or(ChainError::Absent { id: parent.id })?;
            if found.digest != parent.digest {
                return Err(ChainError::OtherParent { child: last.manifest.id, parent: parent.id });
            }
            chain.push(found);
            last = found;
        }
        Ok(chain)
    }
}

async fn look(target: &Target, id: BackupId) -> Result<Found, TargetError> {
    let bytes = match target.read(id, manifest::NAME, MAX_MANIFEST_BYTES).await {
        Ok(bytes) => bytes,
        Err(TargetError::Missing { .. }) => return Ok(Found::Unfinished(id)),
        Err(TargetError::Size { .. }) => return Ok(Found::Broken(id, ManifestError::Digest)),
        Err(error) => return Err(error),
    };
    Ok(match Manifest::open(&bytes) {
        Ok((manifest, digest)) if manifest.id == id => Found::Whole(Box::new(Whole { manifest, digest })),
        Ok(_) => Found::Broken(id, ManifestError::Field { field: "name of the backup" }),
        Err(error) => Found::Broken(id, error),
    })
}
