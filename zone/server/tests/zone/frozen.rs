//! A zone process that stands still for a while, as one does on a machine that swaps, on a real Redis.

use std::time::{Duration, Instant};

use darkages_protocol::ClosingCode;
use darkages_server::config::LEASE;
use darkages_servers::redis::{self, Deployment};
use darkages_store::{
    Checkpoint, Event, Expect, Fence, OwnerRecord, RequestId, Store, StoreError, Swap, Swapped, Transaction,
};
use darkages_topology::control::{AssignRequest, PushTopologyRequest};
use darkages_topology::{Axis, PlayerId, Rect, ShardEpoch, ShardId, Side, Tick, Topology};
use darkages_transport::CloseReason;
use rustix::process::Signal;
use tokio::runtime::Runtime;

use crate::client::{DEADLINE, TestClient};
use crate::server::{Control, Server, json};
use crate::world::{EAST, STILL, metres};

/// A freeze after which a lease lasts certainly still: it was renewed up to a third of its length ago.
const SHORT: Duration = Duration::from_millis(LEASE.as_millis() as u64 / 3);

const SHARD: ShardId = ShardId(1);
const STAYS_AWAY: PlayerId = PlayerId(1);
const COMES_BACK: PlayerId = PlayerId(2);

/// Two zone processes on one Redis, the first of which serves the world.
struct Scene {
    // Fields are dropped in their order: the zones before what they stand on.
    frozen: Server,
    standby: Server,
    store: std::sync::Arc<dyn Store>,
    map: Topology,
    runtime: Runtime,
    _redis: Deployment,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let redis = redis::single();
        let url = redis.url.clone();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let store = runtime.block_on(darkages_store::open(&url, "world")).expect("a store");
        let start = |zone| Server::start(folder.path(), zone, &["--store", &url]);
        let (frozen, standby) = (start("zone-1"), start("zone-2"));
        let bounds = Rect::from_metres(0.0, 0.0, 500.0, 500.0).expect("bounds");
        let map = Topology::whole(bounds).expect("a map");
        let map = map.assign(SHARD, frozen.control(&runtime).endpoint()).expect("assigned");
        let scene = Self { frozen, standby, store, map, runtime, _redis: redis, _folder: folder };
        scene.assign(&mut scene.frozen.control(&scene.runtime), SHARD);
        scene
    }

    fn assign(&self, control: &mut Control<'_>, shard: ShardId) {
        let request = AssignRequest { shard: shard.0, topology: json(&self.map) };
        self.runtime.block_on(control.client.assign(request)).expect("assigned");
        control.await_state("serving");
    }

    fn join(&self, player: PlayerId) -> TestClient {
        let zone = self.map.endpoint(SHARD).expect("it is served");
        let mut client = TestClient::dial(zone, SHARD, player, metres(100, 100));
        client.play_until(EAST, "applied inputs", |client| client.applied.0 > 10);
        client
    }

    fn record(&self, player: PlayerId) -> OwnerRecord {
        self.runtime.block_on(self.store.owner(player)).expect("the store answers").expect("the player is known")
    }

    /// Waits until the lease of the world is over, or somebody else's.
    fn await_lease(&self, what: &str, epoch: u64, live: bool) {
        let begun = Instant::now();
        let is_so = || {
            let lease = self.runtime.block_on(self.store.look(SHARD)).expect("the store answers");
            lease.is_some_and(|lease| lease.fence.epoch == ShardEpoch(epoch) && lease.is_live() == live)
        };
        while !is_so() {
            assert!(begun.elapsed() < DEADLINE, "{what} did not come about");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Whether the store takes nothing that was asked for under this fence: what a process that was stopped in the middle of
    /// a write sends when it goes on.
    fn assert_fenced(&self, fence: Fence, player: PlayerId) {
        let record = self.record(player);
        let checkpoint = Checkpoint { player, owner_epoch: record.owner_epoch, data: record.data.clone() };
        let saved = self.runtime.block_on(self.store.save_batch(fence, vec![checkpoint.clone()]));
        assert!(matches!(saved, Err(StoreError::Fenced { .. })), "{saved:?}");
        let expect = Expect::At { owner_epoch: record.owner_epoch, phase: record.phase() };
        let swap = Swap { player, expect, next: record.claimed(fence.shard) };
        let swapped = self.runtime.block_on(self.store.swap(fence, vec![swap])).expect("the store answers");
        assert_eq!(swapped, [Swapped::Fenced]);
        let transaction = Transaction {
            request: RequestId { player, number: 1 << 40 },
            states: vec![checkpoint],
            event: Event { kind: 1, tick: Tick(1), payload: vec![1] },
            answer: vec![1],
        };
        let committed = self.runtime.block_on(self.store.commit(fence, transaction));
        assert!(matches!(committed, Err(StoreError::Fenced { .. })), "{committed:?}");
    }
}

fn was_told_to_rejoin(client: &TestClient) -> bool {
    client.closed == Some(CloseReason::Application(ClosingCode::Rejoin.code()))
}

#[test]
fn a_zone_that_was_frozen_for_less_than_its_lease_goes_on_as_if_nothing_was() {
    let scene = Scene::open();
    let mut client = scene.join(COMES_BACK);
    let epoch = scene.record(COMES_BACK).owner_epoch;
    let begun = Instant::now();
    scene.frozen.signal(Signal::STOP);
    client.play_until(STILL, "the end of the freeze", |_| begun.elapsed() >= SHORT);
    scene.frozen.signal(Signal::CONT);
    let applied = client.applied;
    client.play_until(STILL, "applied inputs", |client| client.applied.0 > applied.0 + 60);
    assert_eq!(client.closed, None);
    assert_eq!(scene.record(COMES_BACK).owner_epoch, epoch);
    let stats = scene.frozen.control(&scene.runtime).stats();
    assert_eq!((stats.state.as_str(), stats.epoch, stats.players), ("serving", 1, 1));
}

#[test]
fn a_zone_that_was_frozen_past_its_lease_writes_nothing_and_leaves_its_shard_to_its_successor() {
    let mut scene = Scene::open();
    let (mut away, mut back) = (scene.join(STAYS_AWAY), scene.join(COMES_BACK));
    scene.frozen.signal(Signal::STOP);
    scene.await_lease("the end of the lease", 1, false);
    let left = scene.record(STAYS_AWAY);

    // Somebody else serves the shard, and one of the players there.
    let frozen_zone = scene.map.endpoint(SHARD).expect("it is served").clone();
    let mut standby = scene.standby.control(&scene.runtime);
    scene.map = scene.map.assign(SHARD, standby.endpoint()).expect("assigned");
    scene.assign(&mut standby, SHARD);
    scene.await_lease("the successor's lease", 2, true);
    let mut rejoined = scene.join(COMES_BACK);
    let taken = scene.record(COMES_BACK).owner_epoch;

    // It wakes up and knows nothing of that: by its map the shard is its own.
    scene.frozen.signal(Signal::CONT);
    away.play_until(STILL, "being told to rejoin", was_told_to_rejoin);
    back.play_until(STILL, "being told to rejoin", was_told_to_rejoin);
    scene.assert_fenced(Fence { shard: SHARD, epoch: ShardEpoch(1) }, COMES_BACK);
    let mut woken = scene.frozen.control(&scene.runtime);
    woken.await_stats("no incarnation", |stats| stats.epoch == 0 && stats.players == 0);
    let applied = rejoined.applied;
    rejoined.play_until(STILL, "applied inputs", |client| client.applied.0 > applied.0 + 60);
    assert_eq!((rejoined.closed, scene.record(COMES_BACK).owner_epoch), (None, taken));
    assert_eq!(scene.record(STAYS_AWAY), left, "nobody has written for a player who was left behind");
    scene.await_lease("the successor's lease", 2, true);

    // It hears of the map, waits for a shard again, and is given one.
    let push = PushTopologyRequest { topology: json(&scene.map) };
    scene.runtime.block_on(woken.client.push_topology(push)).expect("pushed");
    let waiting = woken.await_state("unassigned");
    assert_eq!(waiting.shard, 0);
    let (map, half) = scene.map.split(SHARD, Axis::X, metres(250, 0).x, Side::High, Some(frozen_zone)).expect("a cut");
    scene.map = map;
    scene.assign(&mut woken, half);
    scene.await_lease("the successor's lease", 2, true);
}
