//! A directory over a world of two zones, with a clock that stands still.
#![allow(dead_code, reason = "each test file uses its part of the scene")]

use std::sync::Arc;

use darkages_directory::desk::{Desk, DeskConfig, SystemEntropy};
use darkages_directory::http::map_routes;
use darkages_directory::issuers::Issuers;
use darkages_directory::join::join_routes;
use darkages_directory::limit::Rate;
use darkages_directory::refusal::ErrorBody;
use darkages_directory::serve::serve;
use darkages_directory::stream::Broadcast;
use darkages_directory::view::{WorldView, ZoneState, ZoneView};
use darkages_protocol::{TicketKey, WorldKey};
use darkages_store::ManualClock;
use darkages_store::embedded::Embedded;
use darkages_topology::{Position, Rect, ShardId, ZoneEndpoint, ZoneId};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub const TICKET_KEY: [u8; 32] = [3; 32];
pub const WORLD_KEY: [u8; 32] = [4; 32];
pub const BURST: f64 = 5.0;

/// More than any test asks.
const PLENTY: Rate = Rate { per_second: 1.0, burst: 1_000.0 };

pub struct Scene {
    runtime: Runtime,
    publish: watch::Sender<Arc<WorldView>>,
    closing: watch::Sender<bool>,
    pub clock: Arc<ManualClock>,
    pub url: String,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<String>,
    pub body: String,
}

impl Answer {
    pub fn code(&self) -> String {
        serde_json::from_str::<ErrorBody>(&self.body).expect("a refusal has an error body").error
    }
}

impl Scene {
    pub fn new() -> Self {
        Self::open(PLENTY, true)
    }

    pub fn with_rate(rate: Rate) -> Self {
        Self::open(rate, true)
    }

    pub fn without_issuer() -> Self {
        Self::open(PLENTY, false)
    }

    fn open(rate: Rate, issues_tickets: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime can be started");
        let clock = Arc::new(ManualClock::default());
        let store = Embedded::in_memory("meadow", clock.clone()).expect("memory can be had");
        let (publish, world) = watch::channel(Arc::new(world()));
        let (closing, closed) = watch::channel(false);
        let desk = Desk::new(DeskConfig {
            world_name: "meadow".to_owned(),
            world: world.clone(),
            store: Arc::new(store),
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
            issuers: Arc::new(Issuers::new(Some(TicketKey::new(&TICKET_KEY)), None)),
            world_key: WorldKey::new(&WORLD_KEY),
            rate,
            spawn: |_, bounds| bounds.min,
            issues_tickets,
        });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let routes = map_routes(Broadcast::new(world, closed.clone())).merge(join_routes(Arc::new(desk)));
        runtime.spawn(serve(listener, routes, closed));
        Self { runtime, publish, closing, clock, url }
    }

    pub fn change(&self, change: impl FnOnce(&mut WorldView)) {
        let mut view = (**self.publish.borrow()).clone();
        change(&mut view);
        self.publish.send_replace(Arc::new(view));
    }

    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        answer(agent().post(format!("{}{path}", self.url)).content_type("application/json").send(body))
    }

    pub fn get(&self, path: &str) -> Answer {
        answer(agent().get(format!("{}{path}", self.url)).call())
    }
}

pub fn agent() -> ureq::Agent {
    let patience = std::time::Duration::from_secs(20);
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(patience)).build().into()
}

fn answer(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut response = response.expect("the directory answers");
    let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = response.body_mut().read_to_string().expect("the body arrives");
    Answer { status: response.status().as_u16(), retry_after, body }
}

fn world() -> WorldView {
    let rect = |min_x, max_x| {
        Rect::new(Position::from_metres(min_x, 0), Position::from_metres(max_x, 100)).expect("it has an area")
    };
    let zone = |number: u8, bounds| ZoneView {
        shard: ShardId(number.into()),
        zone: Some(ZoneEndpoint {
            zone: ZoneId(format!("zone-{number}")),
            address: ([127, 0, 0, 1], 40_000 + u16::from(number)).into(),
            public_key: [number; 32],
        }),
        bounds: Some(bounds),
        state: ZoneState::Serving,
        players: 1,
        tick_p99_us: 900,
    };
    let zones = vec![zone(1, rect(0, 50)), zone(2, rect(50, 100))];
    WorldView { capacity: 1_000, zones, ..WorldView::unknown(rect(0, 100)) }
}
