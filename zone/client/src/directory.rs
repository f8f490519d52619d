//! Asks the directory where to play, without ever keeping a game loop waiting.
//!
//! What flows in are questions (the picture of the world, a place for a player), what flows out are answers, in any order,
//! each with the number of its question. A bounded pool of threads does the waiting; a question that finds the pool full is
//! refused, and the one who asked tries again later like after any other failure.

use std::net::SocketAddr;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use darkages_topology::{PlayerId, Position};

use crate::swarm::ground::Ground;

mod wire;

/// Questions that wait for a thread, at most.
const MAX_WAITING: usize = 256;
/// Answers that wait to be taken, at most: all that can be under way.
const MAX_ANSWERS: usize = MAX_WAITING + MAX_THREADS;
/// Threads of a pool, at most.
pub const MAX_THREADS: usize = 16;
/// Longest time for one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of the answer to a join, at most.
const JOIN_BYTES: u64 = 64 * 1024;
/// Bytes of the picture of the world, at most.
const WORLD_BYTES: u64 = 4 * 1024 * 1024;

/// Where a zone waits for a player, and what opens its door once.
#[derive(Clone, PartialEq, Eq)]
pub struct Door {
    /// UDP address of the zone.
    pub address: SocketAddr,
    /// Static public key of the zone's transport.
    pub server_key: [u8; 32],
    /// Key that this client shares with the zone for this one handshake.
    pub psk: [u8; 32],
    /// The sealed token.
    pub sealed: Vec<u8>,
}

impl std::fmt::Debug for Door {
    /// Without its secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Bounds and shards.
    World,
    /// A door for this player, with a ticket of the development issuer.
    Join {
        /// The player.
        player: PlayerId,
        /// Where a player who was never here would like to appear.
        spawn: Option<Position>,
    },
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To [`Question::World`].
    World(Ground),
    /// To [`Question::Join`].
    Door(Door),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// No connection, or it broke, or it took too long.
    #[error("cannot reach the directory")]
    Unreachable(#[source] ureq::Error),
    /// The directory says no.
    #[error("the directory answers {status}: {code}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The directory's reason code.
        code: String,
    },
    /// The directory's answer makes no sense.
    #[error("the directory's answer has no usable {field}")]
    Malformed {
        /// What is missing or wrong.
        field: &'static str,
    },
    /// Too many questions wait already.
    #[error("too many questions wait for the directory")]
    Busy,
}

impl DirectoryError {
    /// The reason code, for counters.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "directory_unreachable",
            Self::Refused { status: 429, .. } => "directory_limits",
            Self::Refused { status: 400..=499, .. } => "directory_refuses",
            Self::Refused { .. } => "directory_not_ready",
            Self::Malformed { .. } => "directory_malformed",
            Self::Busy => "directory_busy",
        }
    }
}

/// A directory, by its URL. One call at a time in the calling thread; see [`Pool`] for many.
#[derive(Clone, Debug)]
pub struct Directory {
    agent: ureq::Agent,
    base: String,
}

impl Directory {
    /// The directory at `url`, such as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(CALL_TIMEOUT))
            .http_status_as_error(false)
            .max_idle_connections(MAX_THREADS)
            .max_idle_connections_per_host(MAX_THREADS)
            .build();
        Self { agent: config.into(), base: url.trim_end_matches('/').to_owned() }
    }

    /// Asks and waits for the answer, five seconds at most.
    ///
    /// # Errors
    /// When the directory cannot be reached, refuses or answers nonsense.
    pub fn ask(&self, question: Question) -> Result<Answer, DirectoryError> {
        match question {
            Question::World => {
                let response = self.agent.get(format!("{}/v1/world", self.base)).call();
                let world: wire::World = read(response, WORLD_BYTES)?;
                world.ground().map(Answer::World)
            }
            Question::Join { player, spawn } => {
                let ask = wire::TicketRequest::new(player, spawn);
                let ticket: wire::Ticket = self.post("/v1/dev/ticket", &ask)?;
                let join: wire::Join = self.post("/v1/join", &wire::JoinRequest { ticket: ticket.ticket })?;
                join.door().map(Answer::Door)
            }
        }
    }

    fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<T, DirectoryError> {
        read(self.agent.post(format!("{}{path}", self.base)).send_json(body), JOIN_BYTES)
    }
}

fn read<T: serde::de::DeserializeOwned>(
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    limit: u64,
) -> Result<T, DirectoryError> {
    let mut response = response.map_err(DirectoryError::Unreachable)?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(limit);
    if !(200..300).contains(&status) {
        let code = body.read_json::<wire::Refusal>().map_or_else(|_| "no_reason".to_owned(), wire::Refusal::code);
        return Err(DirectoryError::Refused { status, code });
    }
    body.read_json().map_err(|error| match error {
        ureq::Error::Json(_) => DirectoryError::Malformed { field: "JSON body" },
        other => DirectoryError::Unreachable(other),
    })
}

/// Threads that ask the directory.
#[derive(Debug)]
pub struct Pool {
    questions: Sender<(u32, Question)>,
    answers: Receiver<(u32, Result<Answer, DirectoryError>)>,
}

impl Pool {
    /// Starts `threads` threads (at most [`MAX_THREADS`]); they end when the pool is dropped.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(directory: &Directory, threads: usize) -> std::io::Result<Self> {
        let (questions, todo) = bounded::<(u32, Question)>(MAX_WAITING);
        let (done, answers) = bounded(MAX_ANSWERS);
        for number in 0..threads.clamp(1, MAX_THREADS) {
            let (todo, done, directory) = (todo.clone(), done.clone(), directory.clone());
            std::thread::Builder::new().name(format!("swarm-http-{number}")).spawn(move || {
                for (asker, question) in todo {
                    if done.send((asker, directory.ask(question))).is_err() {
                        return;
                    }
                }
            })?;
        }
        Ok(Self { questions, answers })
    }

    /// Puts a question; the answer comes with the number of the asker.
    ///
    /// # Errors
    /// [`DirectoryError::Busy`] when the queue is full.
    pub fn ask(&self, asker: u32, question: Question) -> Result<(), DirectoryError> {
        match self.questions.try_send((asker, question)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(DirectoryError::Busy),
        }
    }

    /// Whether a question would be refused now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.questions.is_full()
    }

    /// The next answer that has come, without waiting.
    #[must_use]
    pub fn answer(&self) -> Option<(u32, Result<Answer, DirectoryError>)> {
        self.answers.try_recv().ok()
    }
}
