//! The worlds that backups are made of and restored into: in a file of this machine, or in a store that processes share. The
//! one module that knows where a world is kept.

mod destination;
mod draft;
mod shared;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use darkages_store::source::UrlText;
use darkages_store::{Embedded, OpenError, Store, StoreUrl};

use crate::exit::BadInput;
use crate::local::home::{STORE_FILE, WORLD_NAME};
use crate::store_flags::{StoreFlags, Told};

pub use destination::Destination;

/// Name that a world has when no other is given.
pub const NAME: &str = WORLD_NAME;

/// A world that is there.
pub struct World {
    /// Its name.
    pub name: String,
    /// Its store.
    pub store: Arc<dyn Store>,
}

/// Where a world is kept, as a flag says it.
#[derive(Clone, Debug)]
pub struct Place {
    flag: &'static str,
    /// The name of the world.
    pub world: String,
    site: Site,
}

#[derive(Clone, Debug)]
enum Site {
    /// A file, which one process has open at a time.
    File(PathBuf),
    /// Servers, by URL.
    Shared(UrlText),
}

impl Place {
    /// The place that one of two flags names: a directory, or a store's URL.
    ///
    /// # Errors
    /// When neither or both are given, or the URL is none.
    pub fn of_flags(
        directory: (&'static str, Option<&Path>),
        store: &StoreFlags,
        world: &str,
    ) -> Result<Self, BadInput> {
        let (flag, given) = directory;
        match (given, store.told((flag, given.is_some()))?) {
            (Some(directory), _) => Ok(Self::directory(flag, directory, world)),
            (None, Some(Told { by, url })) => Self::store(by, url, world),
            (None, None) => {
                Err(BadInput::new(format!("{flag} or --store: give one of the two, to say where the world is")))
            }
        }
    }

    /// A directory as `local --data` has it.
    pub fn directory(flag: &'static str, directory: &Path, world: &str) -> Self {
        Self { flag, world: world.to_owned(), site: Site::File(directory.join(STORE_FILE)) }
    }

    /// Whatever a URL of a store names.
    ///
    /// # Errors
    /// When it is none.
    pub fn store(flag: &'static str, url: UrlText, world: &str) -> Result<Self, BadInput> {
        let site = match url.reveal().parse() {
            Ok(StoreUrl::Embedded(file)) => Site::File(file),
            Ok(_) => Site::Shared(url),
            Err(error) => return Err(BadInput::new(format!("{flag}: {error}"))),
        };
        Ok(Self { flag, world: world.to_owned(), site })
    }

    /// Where it is, for people. A directory is named as it was given; no password is in it.
    pub fn name(&self) -> String {
        match &self.site {
            Site::File(file) if file.file_name().is_some_and(|name| name == STORE_FILE) => {
                file.parent().unwrap_or(file).display().to_string()
            }
            Site::File(file) => file.display().to_string(),
            Site::Shared(url) => url.reveal().parse::<StoreUrl>().map_or_else(|_| String::new(), |url| url.place()),
        }
    }

    fn complaint(&self, what: impl std::fmt::Display) -> BadInput {
        BadInput::new(format!("{} {}: {what}", self.flag, self.name()))
    }

    /// Whether there is a world, as far as it can be said without opening it.
    ///
    /// # Errors
    /// When there is none.
    pub fn check(&self) -> Result<(), BadInput> {
        match &self.site {
            Site::File(file) if !file.is_file() => {
                let (flag, name) = (self.flag, self.name());
                let what = "has no world: give the directory that `local --data` was given";
                Err(BadInput::new(format!("{flag} {name} {what}")))
            }
            Site::File(_) | Site::Shared(_) => Ok(()),
        }
    }

    /// Opens the world that is there.
    ///
    /// # Errors
    /// When there is none, it is open in another process that does not share it, or it cannot be read.
    pub async fn open(&self) -> Result<World, BadInput> {
        self.check()?;
        let store: Arc<dyn Store> = match &self.site {
            Site::File(file) => {
                Arc::new(Embedded::open(file, &self.world).map_err(|error| refused(self.flag, &error))?)
            }
            Site::Shared(url) => {
                let store = darkages_store::open(url.reveal(), &self.world)
                    .await
                    .map_err(|error| refused(self.flag, &error))?;
                if !shared::has_world(&*store).await.map_err(|error| self.complaint(error))? {
                    let what = "has no world of the name";
                    return Err(self.complaint(format!("{what} {}: look at the URL and at --world", self.world)));
                }
                store
            }
        };
        Ok(World { name: self.world.clone(), store })
    }
}

fn refused(flag: &str, error: &OpenError) -> BadInput {
    BadInput::new(format!("{flag}: {error}"))
}
