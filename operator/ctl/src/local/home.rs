//! Where the world of a run is kept: a directory of the user's, or one that goes with the run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use darkages_store::{OpenError, embedded::Embedded};

use crate::exit::BadInput;

/// Name of the world; its store refuses to be opened as another one.
pub const WORLD_NAME: &str = "local";

/// File of the store in its directory.
pub const STORE_FILE: &str = "world.redb";

/// File of the key that tokens are sealed with, while zones run in processes of their own.
const KEY_FILE: &str = "world.key";

/// A directory for the store.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    removed_at_end: bool,
}

impl Home {
    /// The user's directory, made if it is not there, or a new one that is removed when this is dropped.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(data: Option<&Path>, unique: u64) -> Result<Self, BadInput> {
        let home = match data {
            Some(path) => Self { path: path.to_owned(), removed_at_end: false },
            None => {
                let name = format!("darkages-{}-{unique:016x}", std::process::id());
                Self { path: std::env::temp_dir().join(name), removed_at_end: true }
            }
        };
        let place = home.path.display();
        fs::create_dir_all(&home.path)
            .map_err(|error| BadInput::new(format!("--data {place}: {error}: give a directory that can be written")))?;
        Ok(home)
    }

    /// The store in it.
    ///
    /// # Errors
    /// When it is unreadable, foreign, of a newer version, damaged or in use. Nothing is overwritten.
    pub fn store(&self) -> Result<Embedded, BadInput> {
        Embedded::open(&self.path.join(STORE_FILE), WORLD_NAME)
            .map_err(|error: OpenError| BadInput::new(format!("--data: {error}")))
    }

    /// Writes the world's key into a file that only this user can read, for zones in processes of their own.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_key(&self, key: &[u8; 32]) -> anyhow::Result<PathBuf> {
        use std::fmt::Write as _;
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;

        let path = self.path.join(KEY_FILE);
        let mut digits = String::with_capacity(2 * key.len());
        for byte in key {
            // Writing to a String cannot fail.
            let _ = write!(digits, "{byte:02x}");
        }
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(digits.as_bytes()))
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it outlives the run.
    pub const fn is_kept(&self) -> bool {
        !self.removed_at_end
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Nobody is left to be told when it cannot be removed; the system empties its directory of temporary files.
        if self.removed_at_end {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
