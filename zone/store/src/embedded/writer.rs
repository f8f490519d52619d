//! The thread that writes: it puts all writes that wait into one transaction of the file and answers them together.
//!
//! A durable transaction costs one flush of the disk however many writes are in it, so while one is being flushed the next
//! ones gather. A group without a durable write is only made visible; it becomes durable with the next one that has some,
//! or after [`CHECKPOINT_FLUSH`]. When the file fails, everybody in the group is told that the outcome is unknown, and the
//! file is opened anew: redb serves nothing after an I/O error.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redb::{Database, Durability};
use tokio::sync::oneshot;

use super::pulse::Pulse;
use super::tables::{Tables, Trouble};
use crate::error::{OpenError, StoreError};
use crate::limits::CHECKPOINT_FLUSH;

/// Writes that may wait. With 300 zones in one process this is more than a dozen for each.
pub(super) const QUEUE_LIMIT: usize = 4_096;

/// Writes in one transaction, at most, so that the first in it does not wait for ever.
const MAX_GROUP: usize = 1_024;

/// Between two attempts to open a file that failed.
const REOPEN_PAUSE: Duration = Duration::from_millis(250);

/// The open file; `None` while it has failed and after it was closed.
pub(super) type Slot = Arc<RwLock<Option<Database>>>;

/// Opens the file anew after it failed.
pub(super) type Reopen = Box<dyn FnMut() -> Result<Database, OpenError> + Send>;

/// One write on its way to the file.
trait Job: Send {
    fn is_durable(&self) -> bool;
    fn apply(&mut self, tables: &mut Tables<'_>) -> Result<(), redb::Error>;
    fn answer(self: Box<Self>, outcome: Result<(), Outage>);
}

struct Write<T, F> {
    action: &'static str,
    durable: bool,
    run: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnOnce(&mut Tables<'_>) -> Result<T, Trouble> + Send,
{
    fn is_durable(&self) -> bool {
        self.durable
    }

    fn apply(&mut self, tables: &mut Tables<'_>) -> Result<(), redb::Error> {
        let Some(run) = self.run.take() else { return Ok(()) };
        self.result = Some(match run(tables) {
            Ok(answer) => Ok(answer),
            Err(Trouble::Refused(error)) => Err(error),
            Err(Trouble::File(error)) => return Err(error),
        });
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), Outage>) {
        let Self { action, result, reply, .. } = *self;
        let unavailable = |outage: Outage| StoreError::Unavailable { action, source: Box::new(outage) };
        let result = match (outcome, result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(unavailable(Outage("it was not carried out".into()))),
            (Err(outage), _) => Err(unavailable(outage)),
        };
        // Whoever asked may have stopped waiting; the write stands all the same.
        let _ = reply.send(result);
    }
}

/// Why a whole group failed, for each of its members.
#[derive(Clone, Debug)]
struct Outage(Arc<str>);

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Outage {}

enum Message {
    Write(Box<dyn Job>),
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// The way to the thread. Dropping it makes everything durable and waits until the file is closed.
pub(super) struct Writer {
    queue: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
    pub pulse: Arc<Pulse>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(slot: Slot, reopen: Reopen) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(QUEUE_LIMIT);
        let pulse = Arc::new(Pulse::default());
        let file = File { slot, reopen, undurable_since: None, failed_at: None, pulse: Arc::clone(&pulse) };
        let thread = thread::Builder::new().name("store-writer".to_owned()).spawn(move || file.serve(&waiting))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), pulse })
    }

    /// Queues a write and waits for its answer. It is queued when this returns a future, in the order of the calls.
    pub fn write<T, F>(
        &self,
        action: &'static str,
        durable: bool,
        run: F,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tables<'_>) -> Result<T, Trouble> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Write { action, durable, run: Some(run), result: None, reply };
        let queued = self.send(Message::Write(Box::new(job)));
        async move {
            queued?;
            answer.await.unwrap_or(Err(StoreError::Closed))
        }
    }

    /// Makes everything durable and closes the file.
    pub async fn close(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        match self.send(Message::Close(reply)) {
            Err(StoreError::Closed) => Ok(()),
            Err(error) => Err(error),
            // Somebody else's close came first when there is no answer.
            Ok(()) => answer.await.unwrap_or(Ok(())),
        }
    }

    fn send(&self, message: Message) -> Result<(), StoreError> {
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        // Before it is sent: the thread may have answered it before this goes on.
        self.pulse.queued();
        queue.try_send(message).map_err(|error| {
            self.pulse.answered(1);
            match error {
                TrySendError::Full(_) => StoreError::Full { what: "the queue of writes", limit: QUEUE_LIMIT },
                TrySendError::Disconnected(_) => StoreError::Closed,
            }
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has answered nobody and has written nothing that it acknowledged.
            let _ = thread.join();
        }
    }
}

/// What the thread owns.
struct File {
    slot: Slot,
    reopen: Reopen,
    /// Since when there is something that a crash would lose.
    undurable_since: Option<Instant>,
    failed_at: Option<Instant>,
    pulse: Arc<Pulse>,
}

impl File {
    fn serve(mut self, waiting: &Receiver<Message>) {
        let mut closing = None;
        while closing.is_none() {
            let first = match self.undurable_since {
                None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(since) => waiting.recv_timeout(CHECKPOINT_FLUSH.saturating_sub(since.elapsed())),
            };
            let mut group = Vec::new();
            match first {
                Ok(message) => closing = gather(message, waiting, &mut group),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let outcome = self.carry_out(&mut group);
            self.pulse.answered(group.len() + usize::from(closing.is_some()));
            for job in group {
                job.answer(outcome.clone());
            }
        }
        let flushed = if self.undurable_since.is_some() { self.carry_out(&mut []) } else { Ok(()) };
        *self.slot.write().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(reply) = closing {
            let unavailable =
                |outage: Outage| StoreError::Unavailable { action: "closing the store", source: Box::new(outage) };
            let _ = reply.send(flushed.map_err(unavailable));
        }
    }

    /// Carries out a group in one transaction. An empty one makes durable what is not yet.
    fn carry_out(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Outage> {
        self.reopen_if_failed()?;
        let overdue = self.undurable_since.is_some_and(|since| since.elapsed() >= CHECKPOINT_FLUSH);
        let durable = group.is_empty() || overdue || group.iter().any(|job| job.is_durable());
        let done = match &*self.slot.read().unwrap_or_else(PoisonError::into_inner) {
            Some(database) => transact(database, durable, group),
            None => return Err(Outage("the file is closed".into())),
        };
        match done {
            Ok(()) if durable => {
                self.undurable_since = None;
                self.pulse.flushed();
            }
            Ok(()) => {
                self.undurable_since.get_or_insert_with(Instant::now);
            }
            Err(error) => {
                tracing::error!(%error, "writing the store failed");
                self.failed_at = Some(Instant::now());
                self.undurable_since = None;
                self.pulse.failed();
                return Err(Outage(error.to_string().into()));
            }
        }
        Ok(())
    }

    fn reopen_if_failed(&mut self) -> Result<(), Outage> {
        let Some(failed_at) = self.failed_at else { return Ok(()) };
        if failed_at.elapsed() < REOPEN_PAUSE {
            return Err(Outage("the file failed a moment ago".into()));
        }
        // The old one must let go of the file's lock first.
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        *slot = None;
        match (self.reopen)() {
            Ok(database) => {
                tracing::info!("the store was opened anew");
                *slot = Some(database);
                self.failed_at = None;
                self.pulse.opened();
                Ok(())
            }
            Err(error) => {
                self.failed_at = Some(Instant::now());
                Err(Outage(error.to_string().into()))
            }
        }
    }
}

/// Adds what waits to the group, up to its limit. Returns the answer that a close waits for, if one is next.
fn gather(
    first: Message,
    waiting: &Receiver<Message>,
    group: &mut Vec<Box<dyn Job>>,
) -> Option<oneshot::Sender<Result<(), StoreError>>> {
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Write(job) => group.push(job),
            Message::Close(reply) => return Some(reply),
        }
        next = if group.len() < MAX_GROUP { waiting.try_recv().ok() } else { None };
    }
    None
}

fn transact(database: &Database, durable: bool, group: &mut [Box<dyn Job>]) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(if durable { Durability::Immediate } else { Durability::None })?;
    {
        let mut tables = Tables::open(&transaction)?;
        for job in group {
            job.apply(&mut tables)?;
        }
    }
    transaction.commit()?;
    Ok(())
}
