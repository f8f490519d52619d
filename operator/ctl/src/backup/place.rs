//! The worlds that backups are made of and restored into. The one file that knows where a world is kept.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use darkages_store::{Embedded, OpenError, Store};

use crate::exit::BadInput;
use crate::local::home::{STORE_FILE, WORLD_NAME};

/// Name of a store that is being filled, beside the one that it will replace.
const DRAFT_FILE: &str = "world.redb.restoring";

/// Name of the world that a directory has.
pub const NAME: &str = WORLD_NAME;

/// A world that is there.
pub struct World {
    /// Its name.
    pub name: String,
    /// Its store.
    pub store: Arc<dyn Store>,
}

/// Opens the world that `flag` names.
///
/// # Errors
/// When there is none, it is open in another process, or it cannot be read. Nothing is made.
pub fn open(flag: &str, data: &Path) -> Result<World, BadInput> {
    check(flag, data)?;
    let store = Embedded::open(&data.join(STORE_FILE), WORLD_NAME).map_err(|error| refused(flag, &error))?;
    Ok(World { name: WORLD_NAME.to_owned(), store: Arc::new(store) })
}

/// Whether the directory that `flag` names has a world.
///
/// # Errors
/// When it has none.
pub fn check(flag: &str, data: &Path) -> Result<(), BadInput> {
    if data.join(STORE_FILE).is_file() {
        return Ok(());
    }
    let place = data.display();
    Err(BadInput::new(format!("{flag} {place} has no world: give the directory that `local --data` was given")))
}

fn refused(flag: &str, error: &OpenError) -> BadInput {
    BadInput::new(format!("{flag}: {error}"))
}

/// A world that is being restored. It takes its place at once and whole; until then what was there before stays.
pub struct Draft {
    store: Option<Arc<dyn Store>>,
    draft: PathBuf,
    place: PathBuf,
    overwrite: bool,
    /// The world that will be replaced: open, so that nobody else opens it meanwhile.
    before: Option<Embedded>,
}

impl Draft {
    /// Begins an empty world in the directory `into`.
    ///
    /// # Errors
    /// When there is a world already and `overwrite` is not said, when it is open in another process, when another restore
    /// is under way, or when the directory cannot be written.
    pub fn begin(into: &Path, overwrite: bool) -> Result<Self, BadInput> {
        let name = into.display();
        let (draft, place) = (into.join(DRAFT_FILE), into.join(STORE_FILE));
        if place.exists() && !overwrite {
            return Err(BadInput::new(format!(
                "--into {name} has a world: choose another directory, or say --overwrite to replace it"
            )));
        }
        fs::create_dir_all(into)
            .map_err(|error| BadInput::new(format!("--into {name}: {error}: give a directory that can be written")))?;
        let before = if place.exists() { hold(&place)? } else { None };
        if draft.exists() {
            // It was interrupted, unless somebody is at it.
            drop(hold(&draft)?);
            fs::remove_file(&draft).map_err(|error| BadInput::new(format!("--into {name}: {DRAFT_FILE}: {error}")))?;
        }
        let store = Embedded::open(&draft, WORLD_NAME).map_err(|error| refused("--into", &error))?;
        Ok(Self { store: Some(Arc::new(store)), draft, place, overwrite, before })
    }

    /// Its store.
    pub fn store(&self) -> &dyn Store {
        &**self.store.as_ref().expect("it is taken when the draft is kept or dropped only")
    }

    /// Puts the world in its place, durably.
    ///
    /// # Errors
    /// When it may not be there. What was there before is there then.
    pub async fn keep(mut self) -> anyhow::Result<()> {
        let store = self.store.take().expect("it is kept once");
        store.close().await.context("closing the restored world")?;
        let moved = if self.overwrite { fs::rename(&self.draft, &self.place) } else { self.put() };
        moved.with_context(|| format!("moving the restored world to {}", self.place.display()))?;
        sync_folder(&self.place).with_context(|| format!("flushing the folder of {}", self.place.display()))?;
        drop(self.before.take());
        Ok(())
    }

    /// Gives the world its name unless somebody has made one there meanwhile, who must not lose it.
    fn put(&self) -> io::Result<()> {
        match fs::hard_link(&self.draft, &self.place) {
            // A file system without links.
            Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
                fs::rename(&self.draft, &self.place)
            }
            linked => linked,
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.store = None;
        // Of a world that was kept this is a second name, or none; what stays is removed by the next restore.
        let _ = fs::remove_file(&self.draft);
    }
}

/// Opens a store so that nobody else can. One that is damaged, or no store at all, cannot be held and may be replaced.
fn hold(file: &Path) -> Result<Option<Embedded>, BadInput> {
    match Embedded::open(file, WORLD_NAME) {
        Ok(store) => Ok(Some(store)),
        Err(error @ OpenError::InUse { .. }) => Err(refused("--into", &error)),
        Err(_) => Ok(None),
    }
}

fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
