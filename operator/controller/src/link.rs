//! The way to one zone: a task that asks it how it is, and orders that are sent and not waited for.
//!
//! What flows in are the zone's answers, the newest of which is kept; what flows out are looks for the planner. An order that
//! does not arrive is given again after the next look, because the zone still does not know what it says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use darkages_plan::Look;
use darkages_topology::control::zone_control_client::ZoneControlClient;
use darkages_topology::control::{
    AnswerStoreRequest, AssignRequest, CrashRequest, PushTopologyRequest, StatsRequest, StatsResponse, StopRequest,
    Totals,
};
use darkages_topology::{ShardId, Topology, ZoneEndpoint};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

use crate::Reach;
use crate::look::{self, MAX_ANSWER_BYTES, NoEndpoint};

/// How long a zone may take to answer for the first time.
const OPENS_WITHIN: Duration = Duration::from_secs(10);

/// Time between two questions how the zone is: twice for each look of a planner.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Every how many questions the zone is asked for its whole life: about once a second.
const TOTALS_EVERY: u32 = 20;

/// How long one call may take.
const CALL_DEADLINE: Duration = Duration::from_millis(500);

/// Why there is no way to a zone.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody answers there.
    #[error("connecting to its control API: {0}")]
    Connect(#[from] tonic::transport::Error),
    /// It did not answer the first question.
    #[error("asking it how it is: {0}")]
    Refused(#[from] Status),
    /// The same, in time.
    #[error("it did not say how it is within {OPENS_WITHIN:?}")]
    Late,
    /// It does not say who it is.
    #[error(transparent)]
    Nobody(#[from] NoEndpoint),
}

/// The way to one zone, open until it is dropped.
#[derive(Debug)]
pub struct Link {
    endpoint: ZoneEndpoint,
    control: ZoneControlClient<Channel>,
    runtime: Handle,
    said: Arc<Mutex<Said>>,
    watch: JoinHandle<()>,
}

/// What a zone said last.
#[derive(Debug)]
struct Said {
    at: Instant,
    stats: StatsResponse,
    totals: Totals,
}

impl Link {
    /// Opens it and waits until the zone answers. From then on the zone's question whether the store is reached is answered
    /// by `reach`. Call it within a runtime.
    ///
    /// # Errors
    /// When the zone cannot be reached, does not answer in time, or does not say who it is.
    pub async fn open(to: Endpoint, reach: Arc<Reach>) -> Result<Self, LinkError> {
        let channel = to.connect_timeout(OPENS_WITHIN).connect().await?;
        let mut control = ZoneControlClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
        let first = StatsRequest { positions: false, totals: false };
        let answer = tokio::time::timeout(OPENS_WITHIN, control.stats(first)).await;
        let stats = answer.map_err(|_| LinkError::Late)??.into_inner();
        let endpoint = look::endpoint(&stats)?;
        let said = Arc::new(Mutex::new(Said { at: Instant::now(), stats, totals: Totals::default() }));
        let watch = tokio::spawn(watch(control.clone(), Arc::clone(&said), reach));
        Ok(Self { endpoint, control, runtime: Handle::current(), said, watch })
    }

    /// The zone's name, address and key.
    #[must_use]
    pub const fn endpoint(&self) -> &ZoneEndpoint {
        &self.endpoint
    }

    /// What it said last of itself.
    #[must_use]
    pub fn look(&self) -> Look {
        let said = lock(&self.said);
        look::look(&self.endpoint, &said.stats, said.at.elapsed())
    }

    /// What it has done in its life, as far as it came to say so.
    #[must_use]
    pub fn totals(&self) -> Totals {
        lock(&self.said).totals.clone()
    }

    /// Asks for its last word on its life, before it is ended.
    pub async fn ask_totals(&self) {
        let last = StatsRequest { positions: false, totals: true };
        if let Ok(stats) = within(self.control.clone().stats(last)).await {
            lock(&self.said).take(stats);
        }
    }

    /// Tells it to serve a shard.
    pub fn assign(&self, shard: ShardId, map: &Topology) {
        let Ok(topology) = serde_json::to_vec(map) else { return };
        let request = AssignRequest { shard: shard.0, topology };
        self.order("assign", |mut control| async move { within(control.assign(request)).await.map(drop) });
    }

    /// Tells it a map.
    pub fn push_topology(&self, map: &Topology) {
        let Ok(topology) = serde_json::to_vec(map) else { return };
        let request = PushTopologyRequest { topology };
        self.order(
            "push_topology",
            |mut control| async move { within(control.push_topology(request)).await.map(drop) },
        );
    }

    /// Tells it to save everybody and end.
    pub fn stop(&self) {
        self.order("stop", |mut control| async move { within(control.stop(StopRequest {})).await.map(drop) });
    }

    /// Tells it where to crash; the empty request calls that off. This order is not given again.
    pub fn crash(&self, request: CrashRequest) {
        self.order("crash", |mut control| async move { within(control.crash(request)).await.map(drop) });
    }

    fn order<F>(&self, name: &'static str, call: impl FnOnce(ZoneControlClient<Channel>) -> F)
    where
        F: Future<Output = Result<(), Status>> + Send + 'static,
    {
        let call = call(self.control.clone());
        let zone = self.endpoint.zone.clone();
        self.runtime.spawn(async move {
            if let Err(error) = call.await {
                tracing::debug!(%zone, order = name, %error, "the zone did not take an order");
            }
        });
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Said {
    fn take(&mut self, mut stats: StatsResponse) {
        if let Some(totals) = stats.totals.take() {
            self.totals = totals;
        }
        self.stats = stats;
        self.at = Instant::now();
    }
}

/// Asks a zone how it is until it is gone, and answers what it asks.
async fn watch(mut control: ZoneControlClient<Channel>, said: Arc<Mutex<Said>>, reach: Arc<Reach>) {
    let mut clock = tokio::time::interval(ASK_EVERY);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in (0..TOTALS_EVERY).cycle() {
        clock.tick().await;
        let request = StatsRequest { positions: true, totals: round == 0 };
        // One that does not answer is seen by its tick, which stands still, and by its end.
        if let Ok(stats) = within(control.stats(request)).await {
            if stats.store_question != 0 {
                let (epoch, round) = (stats.epoch, stats.store_question);
                let answer = AnswerStoreRequest { epoch, round, reached: reach.now() };
                // A zone that did not hear asks again.
                let _ = within(control.answer_store(answer)).await;
            }
            lock(&said).take(stats);
        }
    }
}

/// One call with its deadline.
async fn within<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
    match tokio::time::timeout(CALL_DEADLINE, call).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded("no answer within the call's deadline")),
    }
}

/// What was said is whole also when somebody panicked meanwhile: it is replaced, never changed.
fn lock(said: &Mutex<Said>) -> MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}
