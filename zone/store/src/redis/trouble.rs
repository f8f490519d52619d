//! What can go wrong between here and a Redis server, each as one line that says what to do.

use redis::{ErrorKind, RedisError, ServerError};

/// Why a call got no answer, or not the one that it asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Trouble {
    /// No connection.
    #[error("{node} cannot be reached ({source}): check the address, and that Redis runs there")]
    Dial {
        /// Who was asked.
        node: String,
        /// What stood in the way.
        #[source]
        source: RedisError,
    },
    /// A connection was not made in time.
    #[error("{node} did not answer for {millis} ms: check that Redis runs there and is not overloaded")]
    Silent {
        /// Who was asked.
        node: String,
        /// How long it was waited for.
        millis: u128,
    },
    /// The connection broke while a call was under way.
    #[error("the connection to {node} was lost ({source}): it is made anew with the next call")]
    Lost {
        /// Who was asked.
        node: String,
        /// What happened.
        #[source]
        source: RedisError,
    },
    /// User or password are wrong.
    #[error("{node} refuses the user or password ({detail}): correct them in the store's URL")]
    Password {
        /// Who was asked.
        node: String,
        /// What the server says.
        detail: String,
    },
    /// The user may not do what the store needs.
    #[error("the user of the store's URL lacks a permission ({detail}): allow it all commands on keys darkages:*")]
    Permission {
        /// What the server says.
        detail: String,
    },
    /// The server has no memory left.
    #[error("Redis has reached maxmemory and takes no writes: raise it or free memory")]
    Memory,
    /// The server cannot write to its disk.
    #[error("Redis cannot write to its disk ({detail}): free space or repair the disk")]
    Disk {
        /// What the server says.
        detail: String,
    },
    /// The server is no primary.
    #[error("{node} is a replica and takes no writes: give the primary's address, or a redis+sentinel:// URL")]
    Replica {
        /// Who was asked.
        node: String,
    },
    /// The server is starting.
    #[error("Redis is loading its data: it serves when that is done")]
    Loading,
    /// The cluster does not serve the world's slot.
    #[error("the cluster does not serve this world's slot ({detail}): it does when a primary for it is there")]
    Cluster {
        /// What is known.
        detail: String,
    },
    /// The sentinels do not know the primary.
    #[error("no sentinel knows a primary named \"{master}\": check the name at the end of the store's URL")]
    Master {
        /// The name that was asked for.
        master: String,
    },
    /// Too few replicas have confirmed a write in time.
    #[error("{confirmed} of {wanted} replicas confirmed in time: bring replicas back, or lower replicas= in the URL")]
    Replicas {
        /// How many did.
        confirmed: i64,
        /// How many must.
        wanted: u32,
    },
    /// The world's marker is gone.
    #[error("the world is not in this Redis any more, was it flushed? Restore it from a backup and open it again")]
    Gone,
    /// A record is damaged.
    #[error("{what} is damaged")]
    Damaged {
        /// Which.
        what: String,
    },
    /// Somebody else was faster too often.
    #[error("other writers changed the same records {rounds} times meanwhile: try again")]
    Contended {
        /// How often it was tried.
        rounds: usize,
    },
    /// The lease ended between two parts of a batch.
    #[error("the lease ended in the middle of the batch: a part of it may be written")]
    EndedMeanwhile,
    /// An answer that this version does not understand.
    #[error("Redis answered what this version does not expect ({what}): check that its version is 7.0 or later")]
    Odd {
        /// What.
        what: String,
    },
    /// Any other error of the server.
    #[error("Redis refuses: {detail}")]
    Refused {
        /// What the server says.
        detail: String,
    },
}

impl Trouble {
    /// A static label for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Dial { .. } => "dial",
            Self::Silent { .. } => "silent",
            Self::Lost { .. } => "lost",
            Self::Password { .. } => "password",
            Self::Permission { .. } => "permission",
            Self::Memory => "memory",
            Self::Disk { .. } => "disk",
            Self::Replica { .. } => "replica",
            Self::Loading => "loading",
            Self::Cluster { .. } => "cluster",
            Self::Master { .. } => "master",
            Self::Replicas { .. } => "replicas",
            Self::Gone => "gone",
            Self::Damaged { .. } => "damaged",
            Self::Contended { .. } => "contended",
            Self::EndedMeanwhile => "ended_meanwhile",
            Self::Odd { .. } => "odd",
            Self::Refused { .. } => "refused",
        }
    }

    /// What an error of the server means.
    pub(super) fn server(error: &ServerError, node: &str) -> Self {
        Self::code(error.code(), error.details().unwrap_or_default(), node)
    }

    /// What an error means that came while a connection to `node` was made.
    pub(super) fn dialling(source: RedisError, node: &str) -> Self {
        match (source.kind(), source.code()) {
            (ErrorKind::AuthenticationFailed, _) => {
                Self::Password { node: node.to_owned(), detail: source.to_string() }
            }
            (_, Some(code)) => Self::code(code, source.detail().unwrap_or_default(), node),
            _ => Self::Dial { node: node.to_owned(), source },
        }
    }

    fn code(code: &str, detail: &str, node: &str) -> Self {
        let said = || format!("{code} {detail}").trim().to_owned();
        match code {
            "WRONGPASS" | "NOAUTH" => Self::Password { node: node.to_owned(), detail: said() },
            "NOPERM" => Self::Permission { detail: said() },
            "OOM" => Self::Memory,
            "MISCONF" => Self::Disk { detail: said() },
            // A primary that becomes a replica lets go of who waits on it by the second name.
            "READONLY" | "UNBLOCKED" => Self::Replica { node: node.to_owned() },
            "LOADING" => Self::Loading,
            "CLUSTERDOWN" | "MOVED" | "ASK" | "TRYAGAIN" | "MASTERDOWN" => Self::Cluster { detail: said() },
            // Our scripts say so; what follows the name is where in the script.
            "DAMAGED" => Self::Damaged { what: detail.split(" script:").next().unwrap_or(detail).to_owned() },
            "WRONGTYPE" => Self::Damaged { what: "a key of this world".to_owned() },
            _ => Self::Refused { detail: said() },
        }
    }

    /// Whether somebody else may serve the world now, so that the connection is of no use.
    pub(super) const fn asks_for_another(&self) -> bool {
        match self {
            Self::Dial { .. } | Self::Silent { .. } | Self::Lost { .. } | Self::Password { .. } => true,
            Self::Replica { .. } | Self::Loading | Self::Cluster { .. } | Self::Master { .. } | Self::Gone => true,
            Self::Permission { .. } | Self::Memory | Self::Disk { .. } | Self::Damaged { .. } => false,
            // A primary whose replicas have left it may have been replaced without knowing it.
            Self::Replicas { .. } => true,
            Self::Contended { .. } | Self::EndedMeanwhile | Self::Odd { .. } | Self::Refused { .. } => false,
        }
    }
}
