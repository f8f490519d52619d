//! Where backups are kept: a local directory, or a bucket that speaks S3 (see [`bucket`](super::bucket)). Everything behind
//! it is whole files by name.
//!
//! A file is there whole or not at all, also after a crash: a directory gets it under another name first and is flushed
//! before the call returns. Names are of this crate's making only (see [`Manifest`](super::manifest::Manifest)), so none
//! leads out of the place.

use std::fs;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};

use super::bucket;
use super::id::BackupId;
use crate::exit::BadInput;

/// What a file was wanted for, and why that failed.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// There is no such file.
    #[error("{name} is missing")]
    Missing {
        /// Its name in the place.
        name: String,
    },
    /// It is longer than what was asked for.
    #[error("{name} has {found} bytes, {limit} were expected")]
    Size {
        /// Its name in the place.
        name: String,
        /// Its bytes.
        found: u64,
        /// The bytes that it should have, or may have at most.
        limit: u64,
    },
    /// The place does not do what it was asked for.
    #[error("{action} {name}")]
    Failed {
        /// What was attempted.
        action: &'static str,
        /// With which file.
        name: String,
        /// What stood in the way.
        #[source]
        source: object_store::Error,
    },
}

/// A place for backups.
#[derive(Clone, Debug)]
pub struct Target {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// The directory, when it is one of this machine.
    directory: Option<PathBuf>,
    /// As the user wrote it.
    name: String,
}

/// What must be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Backups are read from it, so it must exist.
    Existing,
    /// Backups are written to it; a directory is made when it is missing.
    Made,
}

impl Target {
    /// The place that `flag` names: a directory, or `s3://bucket/prefix`.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn open(flag: &str, place: &str, wanted: Wanted) -> Result<Self, BadInput> {
        match place.split_once("://") {
            None => Self::directory(flag, FilePath::new(place), wanted),
            Some(("s3", _)) => {
                let (store, prefix) = bucket::open(flag, place)?;
                Ok(Self { store, prefix, directory: None, name: place.to_owned() })
            }
            Some((scheme, _)) => Err(BadInput::new(format!(
                "{flag} {place}: {scheme}:// is unknown: give a directory or s3://bucket/prefix"
            ))),
        }
    }

    fn directory(flag: &str, path: &FilePath, wanted: Wanted) -> Result<Self, BadInput> {
        let place = path.display();
        if wanted == Wanted::Made {
            fs::create_dir_all(path).map_err(|error| {
                BadInput::new(format!("{flag} {place}: {error}: give a directory that can be written"))
            })?;
        }
        if !path.is_dir() {
            return Err(BadInput::new(format!("{flag} {place} is no directory: give the one that has the backups")));
        }
        let store = LocalFileSystem::new_with_prefix(path)
            .map_err(|error| BadInput::new(format!("{flag} {place}: {error}: give a directory that can be read")))?;
        let (store, name) = (Arc::new(store.with_fsync(true)), place.to_string());
        Ok(Self { store, prefix: Path::default(), directory: Some(path.to_owned()), name })
    }

    /// The same place with every call going through `wrap`.
    #[cfg(test)]
    pub fn wrapped(&self, wrap: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Self {
        Self { store: wrap(Arc::clone(&self.store)), ..self.clone() }
    }

    /// As the user wrote it.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn path(&self, id: BackupId, file: &str) -> Path {
        self.prefix.clone().join(id.to_string()).join(file)
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// When it may not be there.
    pub async fn write(&self, id: BackupId, file: &str, bytes: Vec<u8>) -> Result<(), TargetError> {
        let done = self.store.put(&self.path(id, file), PutPayload::from(bytes)).await;
        done.map(drop).map_err(|source| failed("writing", id, file, source))
    }

    /// Reads a file of at most `limit` bytes.
    ///
    /// # Errors
    /// When it is missing, longer, or cannot be read.
    pub async fn read(&self, id: BackupId, file: &str, limit: u64) -> Result<Vec<u8>, TargetError> {
        let trouble = |source| failed("reading", id, file, source);
        let found = self.store.get(&self.path(id, file)).await.map_err(trouble)?;
        if found.meta.size > limit {
            return Err(TargetError::Size { name: format!("{id}/{file}"), found: found.meta.size, limit });
        }
        Ok(found.bytes().await.map_err(trouble)?.into())
    }

    /// Names of everything that looks like a backup's folder, with or without a manifest, in order.
    ///
    /// # Errors
    /// When the place cannot be listed.
    pub async fn ids(&self) -> Result<Vec<BackupId>, TargetError> {
        let prefix = (!self.prefix.as_ref().is_empty()).then_some(&self.prefix);
        let listed = self.store.list_with_delimiter(prefix).await;
        let listed = listed.map_err(|source| self.failed_list(source))?;
        let names = listed.common_prefixes.iter().filter_map(|folder| folder.filename());
        let mut ids: Vec<BackupId> = names.filter_map(|name| name.parse().ok()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Removes a backup: its manifest first, so that what is left when this is interrupted is no backup any more.
    ///
    /// # Errors
    /// When something of it may still be there.
    pub async fn remove(&self, id: BackupId) -> Result<(), TargetError> {
        self.delete(&self.path(id, super::manifest::NAME)).await?;
        let folder = self.prefix.clone().join(id.to_string());
        if let Some(directory) = &self.directory {
            // What a killed process was writing has a name that only the directory itself lists.
            return remove_folder(&directory.join(id.to_string()));
        }
        let files: Vec<_> =
            self.store.list(Some(&folder)).try_collect().await.map_err(|source| self.failed_list(source))?;
        for file in files {
            self.delete(&file.location).await?;
        }
        Ok(())
    }

    async fn delete(&self, path: &Path) -> Result<(), TargetError> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(TargetError::Failed { action: "removing", name: path.to_string(), source }),
        }
    }

    fn failed_list(&self, source: object_store::Error) -> TargetError {
        TargetError::Failed { action: "listing", name: self.name.clone(), source }
    }
}

fn remove_folder(folder: &FilePath) -> Result<(), TargetError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(TargetError::Failed {
            action: "removing",
            name: folder.display().to_string(),
            source: object_store::Error::Generic { store: "directory", source: Box::new(error) },
        }),
        _ => Ok(()),
    }
}

fn failed(action: &'static str, id: BackupId, file: &str, source: object_store::Error) -> TargetError {
    let name = format!("{id}/{file}");
    match source {
        object_store::Error::NotFound { .. } => TargetError::Missing { name },
        source => TargetError::Failed { action, name, source },
    }
}
