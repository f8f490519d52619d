//! A queue of calls and the one connection that carries them, in groups.
//!
//! While one group is under way the next one gathers, so that a round trip, and the wait for replicas behind it, is shared by
//! all who wait. Where no replica is waited for, [`SIDE_BY_SIDE`] groups are under way: the server works on one, and flushes it
//! where it was told to, while the other is being made or on its way. A store has two lanes. In the *durable* one each group ends with a barrier: a write that every replica has to
//! see, and `WAIT`. Replicas apply what the primary did in its order, so what the group wrote **and whatever it read** is
//! confirmed with the barrier: an answer never shows what a failover could still take back, and a primary that was replaced
//! without knowing it confirms nothing. The *quick* one has no barrier, for what may be lost with a primary.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use redis::{Pipeline, ServerErrorKind, Value, cmd};
use tokio::sync::{mpsc, oneshot};

use super::answer;
use super::link::{Link, Ready};
use super::scripts::{Request, Script};
use super::trouble::Trouble;
use crate::error::StoreError;
use crate::health::{self, Depth, Presence};

/// Calls that may wait for their turn.
pub const QUEUE_LIMIT: usize = 4_096;

/// Calls in one group, and bytes after which no further call joins it.
const MAX_GROUP: usize = 1_024;
const MAX_GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Groups under way at a time where no replicas are waited for. A third would find the server as busy.
pub(super) const SIDE_BY_SIDE: usize = 2;

/// From the moment at which a call is made, how long it may take. What is late is [`StoreError::Unavailable`].
pub const CALL_DEADLINE: Duration = Duration::from_secs(2);

/// How long replicas may take to confirm. Shorter than the deadline, so that the caller hears what was missing.
const CONFIRM_LIMIT: Duration = Duration::from_millis(800);

/// How long the key lives that barriers touch: for ever, as far as anybody here is concerned, and counted anew each time.
const BARRIER_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);

struct Call {
    requests: Vec<Request>,
    deadline: Instant,
    patience: Duration,
    reply: oneshot::Sender<Result<Vec<Value>, Trouble>>,
}

enum Message {
    Call(Call),
    Close(oneshot::Sender<()>),
}

/// The way into a lane. Its task ends when this is dropped.
pub(super) struct Lane {
    queue: mpsc::Sender<Message>,
    patience: Duration,
    width: Arc<AtomicUsize>,
    pub presence: Presence,
    pub depth: Depth,
}

impl Lane {
    /// Starts the lane's task. `replicas` must confirm each group; with none there is no barrier. A call takes as long as
    /// `patience` at most. One group is under way at a time until [`widen`](Self::widen) says otherwise.
    pub fn start(link: Link, replicas: u32, patience: Duration) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_LIMIT);
        let width = Arc::new(AtomicUsize::new(1));
        tokio::spawn(Worker { link, replicas, width: Arc::clone(&width) }.serve(waiting));
        Self { queue, patience, width, presence: Presence::new(health::REDIS), depth: Depth::default() }
    }

    /// Lets [`SIDE_BY_SIDE`] groups be under way from the next one on. Where replicas are waited for, the server does nothing
    /// else for this connection meanwhile, and one larger group is better than two.
    pub fn widen(&self) {
        self.width.store(SIDE_BY_SIDE, Ordering::Relaxed);
    }

    /// Carries out some requests in order; one answer for each.
    pub async fn call(&self, action: &'static str, requests: Vec<Request>) -> Result<Vec<Value>, StoreError> {
        self.try_call(requests).await.map_err(|failure| failure.doing(action))
    }

    /// As [`call`](Self::call), with the trouble itself.
    pub async fn try_call(&self, requests: Vec<Request>) -> Result<Vec<Value>, Failure> {
        self.try_call_within(self.patience, requests).await
    }

    /// As [`try_call`](Self::try_call), with a patience of its own.
    pub async fn try_call_within(&self, patience: Duration, requests: Vec<Request>) -> Result<Vec<Value>, Failure> {
        let _under_way = self.depth.enter();
        let (reply, answered) = oneshot::channel();
        let deadline = Instant::now() + patience;
        self.send(Message::Call(Call { requests, deadline, patience, reply }))?;
        let answer = match tokio::time::timeout_at(deadline.into(), answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => return Err(Failure::Closed),
            Err(_) => Err(late(patience)),
        };
        match &answer {
            Err(trouble) if trouble.asks_for_another() => self.presence.failed(),
            _ => self.presence.answered(),
        };
        Ok(answer?)
    }

    /// Carries out what waits, then ends the lane. A second time does nothing.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        // Unlike a call this waits for room in the queue: closing must not fail because the store is busy.
        if self.queue.send(Message::Close(reply)).await.is_ok() {
            let _ = closed.await;
        }
    }

    fn send(&self, message: Message) -> Result<(), Failure> {
        self.queue.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Failure::Full,
            mpsc::error::TrySendError::Closed(_) => Failure::Closed,
        })
    }
}

fn late(patience: Duration) -> Trouble {
    Trouble::Silent { node: "the store".to_owned(), millis: patience.as_millis() }
}

/// Why a lane did not carry out a call.
pub(super) enum Failure {
    Trouble(Trouble),
    Full,
    Closed,
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Failure {
    /// As what is wrong with the server.
    pub fn trouble(self) -> Trouble {
        match self {
            Self::Trouble(trouble) => trouble,
            Self::Full | Self::Closed => Trouble::Odd { what: "nothing".to_owned() },
        }
    }

    /// As the port's error.
    pub fn doing(self, action: &'static str) -> StoreError {
        match self {
            Self::Full => StoreError::Full { what: "the queue of calls", limit: QUEUE_LIMIT },
            Self::Closed => StoreError::Closed,
            Self::Trouble(trouble) => unavailable(action, trouble),
        }
    }
}

/// A trouble as the port's error.
pub(super) fn unavailable(action: &'static str, trouble: Trouble) -> StoreError {
    match trouble {
        Trouble::Damaged { what } => StoreError::Corrupt { what, reason: "it is not what this version writes there" },
        trouble => StoreError::Unavailable { action, source: Box::new(trouble) },
    }
}

struct Worker {
    link: Link,
    replicas: u32,
    width: Arc<AtomicUsize>,
}

/// Calls that go together, and until when they are waited for.
struct Group {
    calls: Vec<Call>,
    deadline: Instant,
    patience: Duration,
}

/// A group whose exchange is over.
struct Carried {
    calls: Vec<Call>,
    /// Which connection it went by.
    generation: u64,
    answers: Result<Vec<Value>, Trouble>,
    node: Arc<str>,
}

impl Worker {
    async fn serve(mut self, mut waiting: mpsc::Receiver<Message>) {
        let mut under_way = FuturesUnordered::new();
        let (mut closing, mut open) = (None, true);
        while open || !under_way.is_empty() {
            let room = open && under_way.len() < self.width.load(Ordering::Relaxed);
            tokio::select! {
                Some(carried) = under_way.next(), if !under_way.is_empty() => self.finish(carried),
                message = waiting.recv(), if room => {
                    let Some(first) = message else {
                        open = false;
                        continue;
                    };
                    // Those who were just answered may have more to ask: a moment for them makes larger groups.
                    tokio::task::yield_now().await;
                    let mut group = Vec::new();
                    closing = gather(first, &mut waiting, &mut group);
                    open = closing.is_none();
                    if let Some(exchange) = self.start(group).await {
                        under_way.push(exchange);
                    }
                }
            }
        }
        if let Some(closed) = closing {
            // Nobody listens when the caller of close was dropped.
            let _ = closed.send(());
        }
    }

    /// Puts a group on its way. `None` when nobody in it can be helped any more; they are told.
    async fn start(&mut self, calls: Vec<Call>) -> Option<impl Future<Output = Carried> + use<>> {
        let group = still_wanted(calls)?;
        let (deadline, patience) = (group.deadline, group.patience);
        let ready = match tokio::time::timeout_at(deadline.into(), self.link.ready()).await {
            Ok(Ok(ready)) => ready.clone(),
            Ok(Err(trouble)) => {
                answer_all(group.calls, &trouble);
                return None;
            }
            Err(_) => {
                answer_all(group.calls, &late(patience));
                return None;
            }
        };
        let (base, replicas) = (self.link.base(), self.replicas);
        Some(async move {
            let Ready { generation, node, .. } = &ready;
            let (generation, node) = (*generation, Arc::clone(node));
            let exchanged = exchange(ready, &base, &group.calls, replicas);
            let answers = match tokio::time::timeout_at(deadline.into(), exchanged).await {
                Ok(answers) => answers,
                Err(_) => Err(late(patience)),
            };
            Carried { calls: group.calls, generation, answers, node }
        })
    }

    /// Answers everybody in a group that is over.
    fn finish(&mut self, carried: Carried) {
        let Carried { calls, generation, answers, node } = carried;
        let answers = match answers {
            Ok(answers) => answers,
            Err(trouble) => {
                if trouble.asks_for_another() {
                    self.link.drop_connection(generation, trouble.clone());
                }
                return answer_all(calls, &trouble);
            }
        };
        let mut answers = answers.into_iter();
        for call in calls {
            let own: Vec<Value> = answers.by_ref().take(call.requests.len()).collect();
            let own = check(own, call.requests.len(), &node);
            if let Err(trouble) = &own
                && trouble.asks_for_another()
            {
                self.link.drop_connection(generation, trouble.clone());
            }
            let _ = call.reply.send(own);
        }
    }
}

/// Those of a group whose callers wait. The others are told that they are late, if they listen.
fn still_wanted(calls: Vec<Call>) -> Option<Group> {
    let now = Instant::now();
    let (late_ones, calls): (Vec<Call>, Vec<Call>) = calls.into_iter().partition(|call| call.deadline <= now);
    for call in late_ones {
        // Its caller may be a moment behind; that nobody answers it would mean that the store is closed.
        let _ = call.reply.send(Err(late(call.patience)));
    }
    // Those whose callers have gone need not be carried out any more.
    let calls: Vec<Call> = calls.into_iter().filter(|call| !call.reply.is_closed()).collect();
    let last = calls.iter().max_by_key(|call| call.deadline)?;
    let (deadline, patience) = (last.deadline, last.patience);
    Some(Group { calls, deadline, patience })
}

fn answer_all(calls: Vec<Call>, trouble: &Trouble) {
    for call in calls {
        let _ = call.reply.send(Err(trouble.clone()));
    }
}

/// Sends calls and returns an answer for each of their requests.
async fn exchange(mut ready: Ready, base: &str, calls: &[Call], replicas: u32) -> Result<Vec<Value>, Trouble> {
    let requests: Vec<&Request> = calls.iter().flat_map(|call| &call.requests).collect();
    let mut answers = send(&mut ready, base, &requests, replicas).await?;
    // Somebody flushed the scripts. What was not carried out for that reason is sent once more, in its order.
    let missing: Vec<usize> = (0..requests.len()).filter(|place| is_missing(&answers[*place])).collect();
    if !missing.is_empty() {
        load_again(&mut ready).await?;
        let again: Vec<&Request> = missing.iter().map(|place| requests[*place]).collect();
        for (place, answer) in missing.into_iter().zip(send(&mut ready, base, &again, replicas).await?) {
            answers[place] = answer;
        }
    }
    Ok(answers)
}

/// Sends requests in one round trip, with a barrier behind them when replicas must confirm.
async fn send(ready: &mut Ready, base: &str, requests: &[&Request], replicas: u32) -> Result<Vec<Value>, Trouble> {
    let mut pipeline = Pipeline::with_capacity(requests.len() + 2);
    for request in requests {
        pipeline.add_command(request.command(&ready.names, base));
    }
    if replicas > 0 {
        pipeline.cmd("PEXPIRE").arg(format!("{base}:barrier")).arg(BARRIER_LIFE.as_millis() as u64);
        pipeline.cmd("WAIT").arg(replicas).arg(CONFIRM_LIMIT.as_millis() as u64);
    }
    let count = pipeline.len();
    if count == 0 {
        return Ok(Vec::new());
    }
    let lost = |source| Trouble::Lost { node: ready.node.to_string(), source };
    let mut answers = ready.connection.send_packed_commands(&pipeline, 0, count).await.map_err(lost)?;
    if answers.len() != count {
        return Err(Trouble::Odd { what: format!("{} answers to {count} commands", answers.len()) });
    }
    if replicas > 0 {
        let barrier = answers.split_off(requests.len());
        confirmed(&barrier, replicas, &ready.node)?;
    }
    Ok(answers)
}

/// Whether the barrier was written, and confirmed by enough replicas.
fn confirmed(barrier: &[Value], wanted: u32, node: &str) -> Result<(), Trouble> {
    for answer in barrier {
        if let Value::ServerError(error) = answer {
            return Err(Trouble::server(error, node));
        }
    }
    match barrier {
        // The key that the barrier touches is made with the world.
        [Value::Int(0), _] => Err(Trouble::Gone),
        [_, count] => match answer::int(count)? {
            confirmed if confirmed >= i64::from(wanted) => Ok(()),
            confirmed => Err(Trouble::Replicas { confirmed, wanted }),
        },
        _ => Err(Trouble::Odd { what: "no answer to WAIT".to_owned() }),
    }
}

fn is_missing(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript))
}

async fn load_again(ready: &mut Ready) -> Result<(), Trouble> {
    let mut pipeline = Pipeline::new();
    for script in Script::ALL {
        pipeline.add_command(cmd("SCRIPT").arg("LOAD").arg(script.source()).to_owned());
    }
    let lost = |source| Trouble::Lost { node: ready.node.to_string(), source };
    ready.connection.send_packed_commands(&pipeline, 0, Script::ALL.len()).await.map_err(lost)?;
    Ok(())
}

/// One answer for each request of a call, or the first error among them.
fn check(answers: Vec<Value>, wanted: usize, node: &str) -> Result<Vec<Value>, Trouble> {
    if answers.len() != wanted {
        return Err(Trouble::Odd { what: "fewer answers than questions".to_owned() });
    }
    match answers.iter().find_map(|answer| if let Value::ServerError(error) = answer { Some(error) } else { None }) {
        Some(error) => Err(Trouble::server(error, node)),
        None => Ok(answers),
    }
}

/// Adds what waits to the group, up to its limits. Returns what a close waits for, if one is next.
fn gather(first: Message, waiting: &mut mpsc::Receiver<Message>, group: &mut Vec<Call>) -> Option<oneshot::Sender<()>> {
    let mut bytes = 0;
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Call(call) => {
                bytes += call.requests.iter().map(Request::bytes).sum::<usize>();
                group.push(call);
            }
            Message::Close(closed) => return Some(closed),
        }
        let room = group.len() < MAX_GROUP && bytes < MAX_GROUP_BYTES;
        next = if room { waiting.try_recv().ok() } else { None };
    }
    None
}
