//! The flags that say where a store is, the same for every command.

use std::fmt;
use std::path::PathBuf;

use darkages_store::source::{STORE_VARIABLE, UrlText, store_url};

use crate::exit::BadInput;

/// Where a store is.
#[derive(clap::Args, Clone)]
pub struct StoreFlags {
    /// Where the world is, as a URL that several processes can use: redis://…, cql://…, or redis://…,cql://… for copies in
    /// Redis of what CQL keeps. Every user of a machine can read the command lines on it: where the URL has a password,
    /// give it by the variable DARKAGES_STORE or by --store-file
    #[arg(long, value_name = "URL")]
    store: Option<String>,

    /// File with that URL, in one line
    #[arg(long, value_name = "PATH", conflicts_with = "store")]
    store_file: Option<PathBuf>,
}

impl fmt::Debug for StoreFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, store_file } = self;
        let store = store.clone().map(UrlText::from);
        f.debug_struct("StoreFlags").field("store", &store).field("store_file", store_file).finish()
    }
}

/// The URL, and how it was told.
#[derive(Clone, Debug)]
pub struct Told {
    /// The flag or variable, for messages.
    pub by: &'static str,
    pub url: UrlText,
}

impl StoreFlags {
    /// Whether a flag says it.
    pub const fn is_given(&self) -> bool {
        self.store.is_some() || self.store_file.is_some()
    }

    /// What the flags say, or else the variable; `None` when neither does. `unless` is another flag that says where the world
    /// is: the variable does not count beside it, and a flag contradicts it.
    ///
    /// # Errors
    /// When the file cannot be used, or both are given.
    pub fn told(&self, unless: (&str, bool)) -> Result<Option<Told>, BadInput> {
        let (other, other_is_given) = unless;
        let Self { store, store_file } = self;
        let by = match (store, store_file) {
            (Some(_), _) => "--store",
            (None, Some(_)) => "--store-file",
            (None, None) => STORE_VARIABLE,
        };
        if other_is_given && self.is_given() {
            let what = "give one of the two, to say where the world is";
            return Err(BadInput::new(format!("{other} or {by}: {what}")));
        }
        let variable = std::env::var_os(STORE_VARIABLE).filter(|_| !other_is_given);
        let url = store_url(store.as_deref(), store_file.as_deref(), variable);
        let url = url.map_err(|error| BadInput::new(error.to_string()))?;
        Ok(url.map(|url| Told { by, url }))
    }

    /// As [`told`](Self::told), for a command that needs a store.
    ///
    /// # Errors
    /// When nothing says where it is, or the file cannot be used.
    pub fn needed(&self) -> Result<Told, BadInput> {
        let missing = || BadInput::new(format!("--store, --store-file or {STORE_VARIABLE}: say where the store is"));
        self.told(("", false))?.ok_or_else(missing)
    }
}
