//! What can go wrong with a store: while opening it, and afterwards.
//!
//! An answer that a caller must expect (somebody else swapped first, the lease is held) is no error; it is a variant of the
//! operation's answer.

use std::error::Error;

use crate::lease::Fence;
use crate::url::UrlError;

/// Why an operation was not carried out, or may not have been.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store could not be reached or could not write. **Whether the operation took effect is unknown**: look it up
    /// before anything else, or repeat it where repeating is harmless.
    #[error("{action}: the store is unavailable: {source}")]
    Unavailable {
        /// What was attempted.
        action: &'static str,
        /// What stood in the way.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The writer's incarnation is over: it acts for nobody any more. Nothing was written.
    #[error("the incarnation {fence} is over: acquire the shard anew, write nothing under the old epoch")]
    Fenced {
        /// The incarnation that tried to write.
        fence: Fence,
    },
    /// A stored record cannot be read. It was left as it is.
    #[error("the record of {what} is damaged ({reason}): restore it from a backup")]
    Corrupt {
        /// Which record.
        what: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A bound was reached. Nothing was written; waiting helps where the bound is a queue.
    #[error("{what} is full: at most {limit}")]
    Full {
        /// What is full.
        what: &'static str,
        /// How much it holds.
        limit: usize,
    },
    /// An argument is outside the range that the operation documents. Nothing was written.
    #[error("{field} {problem}")]
    Invalid {
        /// The argument.
        field: &'static str,
        /// What is wrong with it and what is allowed.
        problem: String,
    },
    /// The store was closed. Nothing was written.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// A static label for metrics and reason codes.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::Fenced { .. } => "fenced",
            Self::Corrupt { .. } => "corrupt",
            Self::Full { .. } => "full",
            Self::Invalid { .. } => "invalid",
            Self::Closed => "closed",
        }
    }

    /// Whether the operation may have taken effect although it failed.
    #[must_use]
    pub const fn may_have_applied(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Why a store was not opened. `place` is its path or address. Nothing was overwritten.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be read or made.
    #[error("{place}: cannot be opened ({source}): check the path and its permissions, or choose another")]
    Unreadable {
        /// Where.
        place: String,
        /// What stood in the way.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// It holds something that no DarkAges store wrote.
    #[error("{place}: is not a DarkAges store ({found}): choose another path or move the file away")]
    Foreign {
        /// Where.
        place: String,
        /// What is there.
        found: &'static str,
    },
    /// It was written by a newer version.
    #[error("{place}: has format {found}, this version reads up to {supported}: use the newer version that wrote it")]
    NewerVersion {
        /// Where.
        place: String,
        /// The format that it has.
        found: u32,
        /// The newest format that this version reads.
        supported: u32,
    },
    /// Another process has it open.
    #[error("{place}: is in use by another process: stop that one or choose another path")]
    InUse {
        /// Where.
        place: String,
    },
    /// It holds another world.
    #[error("{place}: holds the world \"{found}\", not \"{wanted}\": give its name or choose another path")]
    OtherWorld {
        /// Where.
        place: String,
        /// The world that it holds.
        found: String,
        /// The world that was asked for.
        wanted: String,
    },
    /// It is a store, but damaged.
    #[error("{place}: is damaged ({reason}): restore it from a backup or choose another path")]
    Corrupt {
        /// Where.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is filled from a backup at this moment, or was until that was interrupted: it is no whole world.
    #[error(
        "{place}: is being restored from the backup {backup}: wait until that is done; if it was interrupted, restore it again"
    )]
    Restoring {
        /// Where.
        place: String,
        /// From which backup.
        backup: String,
    },
    /// What is there cannot be read after it was opened.
    #[error("{place}: {source}")]
    Failed {
        /// Where.
        place: String,
        /// What stood in the way.
        #[source]
        source: StoreError,
    },
    /// Its server cannot be reached, or does not serve us.
    #[error("{place}: cannot be opened: {source}")]
    Unreachable {
        /// Where.
        place: String,
        /// What stood in the way, and what to do.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Its server answers, but does not let us in.
    #[error("{place}: does not let us in ({source}): check user and password in the URL")]
    Denied {
        /// Where.
        place: String,
        /// What the server says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Its server is set up in a way that would lose what it acknowledges.
    #[error("{place}: is not set up to keep a world ({found}): {fix}")]
    Unsuitable {
        /// Where.
        place: String,
        /// The setting.
        found: String,
        /// What to do.
        fix: &'static str,
    },
    /// Somebody else's data is there.
    #[error("{place}: holds the key \"{key}\", which no DarkAges store wrote: choose another database or server")]
    ForeignKeys {
        /// Where.
        place: String,
        /// One of the keys that are there.
        key: String,
    },
    /// There is no world of that name, and only what is there was asked for.
    #[error("{place}: has no world of the name \"{world}\": check the URL and the name")]
    NoWorld {
        /// Where.
        place: String,
        /// The world that was asked for.
        world: String,
    },
    /// The line that says where it is cannot be understood.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The name of the world cannot be stored.
    #[error("world {problem}")]
    World {
        /// What is wrong with it and what is allowed.
        problem: &'static str,
    },
}

impl OpenError {
    /// A static label for metrics and reason codes.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "unreadable",
            Self::Foreign { .. } => "foreign",
            Self::NewerVersion { .. } => "newer_version",
            Self::InUse { .. } => "in_use",
            Self::OtherWorld { .. } => "other_world",
            Self::Corrupt { .. } => "corrupt",
            Self::Restoring { .. } => "restoring",
            Self::Failed { source, .. } => source.label(),
            Self::Unreachable { .. } => "unreachable",
            Self::Denied { .. } => "denied",
            Self::Unsuitable { .. } => "unsuitable",
            Self::ForeignKeys { .. } => "foreign",
            Self::NoWorld { .. } => "no_world",
            Self::World { .. } | Self::Url(_) => "invalid",
        }
    }
}
