//! The control contract over gRPC: what an operator asks of a zone in a process of its own.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use darkages_topology::control::zone_control_server::ZoneControl;
use darkages_topology::control::{
    AnswerStoreRequest, AnswerStoreResponse, AssignRequest, AssignResponse, Count, CrashRequest, CrashResponse,
    Distribution, DrainRequest, DrainResponse, PushTopologyRequest, PushTopologyResponse, Stage as WireStage,
    StatsRequest, StatsResponse, StopRequest, StopResponse, Totals as WireTotals,
};
use darkages_topology::map::{MAX_SHARD_ID, ZoneEndpoint};
use darkages_topology::{ShardEpoch, ShardId, Topology};
use hdrhistogram::Histogram;
use tokio::sync::Notify;
use tonic::{Request, Response, Status};

use crate::handle::{HandleError, ZoneHandle};
use crate::handoff::CrashPoint;
use crate::stats::{Stage, Totals, ZoneStats};
use crate::zone::CrashOrder;

/// Bytes of a map, at most: what the store keeps.
const MAX_TOPOLOGY_BYTES: usize = darkages_store::limits::MAX_TOPOLOGY_BYTES;

/// The service of one zone.
#[derive(Clone, Debug)]
pub struct ControlService {
    zone: ZoneHandle,
    stop: Arc<Notify>,
}

impl ControlService {
    /// The service of this zone. `stop` hears of the order to end.
    #[must_use]
    pub const fn new(zone: ZoneHandle, stop: Arc<Notify>) -> Self {
        Self { zone, stop }
    }
}

#[tonic::async_trait]
impl ZoneControl for ControlService {
    async fn assign(&self, request: Request<AssignRequest>) -> Result<Response<AssignResponse>, Status> {
        let AssignRequest { shard, topology } = request.into_inner();
        if !(1..=MAX_SHARD_ID).contains(&shard) {
            return Err(Status::invalid_argument(format!("shard {shard} is out of range: give 1 to {MAX_SHARD_ID}")));
        }
        self.zone.assign(ShardId(shard), read(&topology)?).map_err(status)?;
        Ok(Response::new(AssignResponse {}))
    }

    async fn push_topology(
        &self,
        request: Request<PushTopologyRequest>,
    ) -> Result<Response<PushTopologyResponse>, Status> {
        let topology = read(&request.into_inner().topology)?;
        let revision = self.zone.push_topology(topology).map_err(status)?;
        Ok(Response::new(PushTopologyResponse { revision: revision.0 }))
    }

    async fn drain(&self, _request: Request<DrainRequest>) -> Result<Response<DrainResponse>, Status> {
        self.zone.drain().map_err(status)?;
        Ok(Response::new(DrainResponse {}))
    }

    async fn stop(&self, _request: Request<StopRequest>) -> Result<Response<StopResponse>, Status> {
        self.stop.notify_one();
        Ok(Response::new(StopResponse {}))
    }

    async fn answer_store(
        &self,
        request: Request<AnswerStoreRequest>,
    ) -> Result<Response<AnswerStoreResponse>, Status> {
        let AnswerStoreRequest { epoch, round, reached } = request.into_inner();
        self.zone.answer_store(ShardEpoch(epoch), round, reached).map_err(status)?;
        Ok(Response::new(AnswerStoreResponse {}))
    }

    async fn crash(&self, request: Request<CrashRequest>) -> Result<Response<CrashResponse>, Status> {
        self.zone.crash_at(order(&request.into_inner())?).map_err(status)?;
        Ok(Response::new(CrashResponse {}))
    }

    async fn stats(&self, request: Request<StatsRequest>) -> Result<Response<StatsResponse>, Status> {
        let StatsRequest { positions, totals } = request.into_inner();
        let mut response = response(&self.zone.stats(), positions);
        response.totals = totals.then(|| sum(&self.zone.totals()));
        Ok(Response::new(response))
    }
}

fn read(json: &[u8]) -> Result<Arc<Topology>, Status> {
    if json.len() > MAX_TOPOLOGY_BYTES {
        let problem = format!("topology has {} bytes: at most {MAX_TOPOLOGY_BYTES}", json.len());
        return Err(Status::invalid_argument(problem));
    }
    let map = serde_json::from_slice(json).map_err(|error| Status::invalid_argument(format!("topology: {error}")))?;
    Ok(Arc::new(map))
}

/// The order to crash, `None` for none.
fn order(request: &CrashRequest) -> Result<Option<CrashOrder>, Status> {
    let CrashRequest { point, visit, with_shard } = request;
    if point.is_empty() {
        return Ok(None);
    }
    let Some(point) = CrashPoint::of_label(point) else {
        let points = CrashPoint::ALL.map(CrashPoint::label).join(", ");
        return Err(Status::invalid_argument(format!("point {point:?} is unknown: give one of {points}")));
    };
    let visit = NonZeroU32::new(*visit)
        .ok_or_else(|| Status::invalid_argument("visit is 0: give 1 for the next time that the zone gets there"))?;
    let with = (*with_shard != 0).then_some(ShardId(*with_shard));
    Ok(Some(CrashOrder { point, visit, with }))
}

fn status(error: HandleError) -> Status {
    match error {
        HandleError::Stopped | HandleError::Busy => Status::unavailable(error.to_string()),
        HandleError::FaultsRefused => Status::failed_precondition(error.to_string()),
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn response(stats: &ZoneStats, wants_positions: bool) -> StatsResponse {
    let ZoneStats {
        state,
        endpoint,
        shard,
        epoch,
        draining,
        tick,
        revision,
        players,
        sessions,
        ghosts,
        handoffs,
        empty,
        views,
        ticks,
        store_question,
        store_away,
        positions,
    } = stats;
    let (zone, address, public_key) = match endpoint {
        Some(ZoneEndpoint { zone, address, public_key }) => (zone.0.clone(), address.to_string(), public_key.to_vec()),
        None => Default::default(),
    };
    let shown = if wants_positions { positions.as_slice() } else { &[] };
    let stage =
        |stage: Stage| WireStage { name: stage.label().into(), mean_us: micros(ticks.stages.0[stage as usize]) };
    StatsResponse {
        zone,
        address,
        public_key,
        shard: shard.map_or(0, |shard| shard.0),
        epoch: epoch.map_or(0, |epoch| epoch.0),
        state: state.label().into(),
        draining: *draining,
        tick: tick.0,
        revision: revision.0,
        players: count(*players),
        sessions: count(*sessions),
        ghosts: count(*ghosts),
        handoffs: count(*handoffs),
        empty: *empty,
        tick_p50_us: micros(ticks.p50),
        tick_p95_us: micros(ticks.p95),
        tick_p99_us: micros(ticks.p99),
        stages: Stage::ALL.into_iter().map(stage).collect(),
        positions: shown.iter().flat_map(|(_, place)| [place.x, place.y]).collect(),
        handles: shown.iter().map(|(handle, _)| *handle).collect(),
        views: count(*views),
        work_p95_us: micros(ticks.work_p95),
        store_question: store_question.unwrap_or_default(),
        store_away: store_away.iter().map(|tier| (*tier).to_owned()).collect(),
        totals: None,
    }
}

fn sum(totals: &Totals) -> WireTotals {
    let Totals {
        ticks,
        late_ticks,
        skipped_ticks,
        tick_us,
        handoff_ms,
        handoffs,
        handoffs_aborted,
        inputs_applied,
        inputs_duplicated,
        faults,
    } = totals;
    let aborted = |(label, count): (&&str, &u64)| Count { label: (*label).to_owned(), count: *count };
    WireTotals {
        ticks: *ticks,
        late_ticks: *late_ticks,
        tick_us: Some(distribution(tick_us)),
        handoff_ms: Some(distribution(handoff_ms)),
        handoffs: *handoffs,
        handoffs_aborted: handoffs_aborted.iter().map(aborted).collect(),
        inputs_applied: *inputs_applied,
        inputs_duplicated: *inputs_duplicated,
        faults: *faults,
        skipped_ticks: *skipped_ticks,
    }
}

fn distribution(histogram: &Histogram<u64>) -> Distribution {
    let recorded = histogram.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()));
    let (values, counts) = recorded.unzip();
    Distribution { values, counts }
}
