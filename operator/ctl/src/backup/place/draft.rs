//! A world that is being restored into a file: a draft beside its place, until it is whole.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use darkages_store::{Embedded, OpenError, Store};

use super::{Place, refused};
use crate::exit::BadInput;

/// What the name of a store that is being filled has after that of the one that it will replace.
const DRAFT: &str = ".restoring";

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
    /// Begins an empty world beside `file`, which is what `place` names.
    ///
    /// # Errors
    /// When there is a world already and `overwrite` is not said, when it is open in another process, when another restore
    /// is under way, or when the directory cannot be written.
    pub fn begin(place: &Place, file: &Path, overwrite: bool) -> Result<Self, BadInput> {
        if file.exists() && !overwrite {
            let (flag, name) = (place.flag, place.name());
            let what = "has a world: choose another place, or say --overwrite to replace it";
            return Err(BadInput::new(format!("{flag} {name} {what}")));
        }
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder)
            .map_err(|error| place.complaint(format!("{error}: give a directory that can be written")))?;
        let mut draft = file.as_os_str().to_owned();
        draft.push(DRAFT);
        let draft = PathBuf::from(draft);
        let before = if file.exists() { hold(place, file)? } else { None };
        if draft.exists() {
            // It was interrupted, unless somebody is at it.
            drop(hold(place, &draft)?);
            fs::remove_file(&draft).map_err(|error| place.complaint(format!("{}: {error}", draft.display())))?;
        }
        let store = Embedded::open(&draft, &place.world).map_err(|error| refused(place.flag, &error))?;
        Ok(Self { store: Some(Arc::new(store)), draft, place: file.to_owned(), overwrite, before })
    }

    /// Its store.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(self.store.as_ref().expect("it is taken when the draft is kept or dropped only"))
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
fn hold(place: &Place, file: &Path) -> Result<Option<Embedded>, BadInput> {
    match Embedded::open(file, &place.world) {
        Ok(store) => Ok(Some(store)),
        Err(error @ OpenError::InUse { .. }) => Err(refused(place.flag, &error)),
        Err(_) => Ok(None),
    }
}

fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
