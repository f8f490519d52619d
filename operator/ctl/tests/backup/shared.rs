//! Worlds in stores that processes share: backed up while people trade, restored into other stores, and never over anything
//! that somebody still wants.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use darkages_servers::redis::Server;
use darkages_servers::{cassandra, redis};
use darkages_store::{
    Acquired, Checkpoint, Committed, Event, Expect, Fence, LogSeq, OwnerRecord, PlayerData, RequestId, Store, Swap,
    Swapped, TopologyDocument, Transaction, open,
};
use darkages_topology::{PlayerId, Position, Rect, ShardId, Tick, Topology, ZoneId};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::scene::{DEADLINE, Running, Scene, block_on, complaint, json, succeed};

const SHARD: ShardId = ShardId(1);
const WORLD: &str = "local";
const LEASE: Duration = Duration::from_secs(600);
const GOLD: u64 = 1_000;

/// A zone of a test: it holds the shard and lets its players trade.
struct Zone {
    store: Arc<dyn Store>,
    fence: Fence,
    players: u64,
    random: u64,
    trades: u64,
}

impl Zone {
    /// Opens a world; players are made when it is new.
    async fn open(url: &str, players: u64) -> Self {
        let store = open(url, WORLD).await.expect("the store opens");
        let Acquired::Granted(lease) = store.acquire(SHARD, &ZoneId("zone-1".into()), LEASE).await.expect("acquire")
        else {
            panic!("nobody else is here")
        };
        if store.load_topology().await.expect("load").is_none() {
            let ground = Rect::new(Position::from_metres(0, 0), Position::from_metres(1_000, 1_000)).expect("an area");
            let map = Topology::whole(ground).expect("a map");
            let bytes = serde_json::to_vec(&map).expect("it is JSON");
            let document = TopologyDocument { revision: map.revision(), bytes };
            store.compare_and_swap_topology(None, document).await.expect("the first map");
            let births = (1..=players).map(|player| Swap {
                player: PlayerId(player),
                expect: Expect::Absent,
                next: OwnerRecord::created(SHARD, PlayerData { state: purse(GOLD, player), ..PlayerData::default() }),
            });
            let births: Vec<Swap> = births.collect();
            for births in births.chunks(500) {
                let born = store.swap(lease.fence, births.to_vec()).await.expect("swap");
                assert!(born.iter().all(|born| *born == Swapped::Done));
            }
        }
        Self { store, fence: lease.fence, players, random: 1, trades: lease.fence.epoch.0 << 32 }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    /// Gold changes hands once; when, by the clock of the log.
    async fn trade(&mut self) -> Duration {
        let one = 1 + self.draw(self.players);
        let other = 1 + (one + self.draw(self.players - 1)) % self.players;
        let parties = [one, other].map(PlayerId);
        let records = self.store.owners(&parties).await.expect("read");
        let records: Vec<_> = records.into_iter().map(|record| record.expect("born")).collect();
        let (one, other) = (gold(&records[0]), gold(&records[1]));
        let given = self.draw(one + 1);
        let after = [one - given, other + given];
        let states = parties.iter().zip(&records).zip(after).map(|((player, record), gold)| Checkpoint {
            player: *player,
            owner_epoch: record.owner_epoch,
            data: PlayerData { state: purse(gold, player.0), ..record.data.clone() },
        });
        self.trades += 1;
        let trade = Transaction {
            request: RequestId { player: parties[0], number: self.trades },
            states: states.collect(),
            event: Event { kind: 1, tick: Tick(self.trades), payload: Vec::new() },
            answer: vec![1],
        };
        let done = self.store.commit(self.fence, trade).await.expect("commit");
        let Committed::Done { seq } = done else { panic!("nobody else trades: {done:?}") };
        self.store.read_log(SHARD, seq, 1).await.expect("read")[0].at
    }

    async fn leave(self) {
        self.store.release(self.fence).await.expect("release");
        self.store.close().await.expect("close");
    }
}

fn purse(gold: u64, player: u64) -> Vec<u8> {
    // What a hash makes of a number cannot be compressed, so that files fill up and a kill finds something to interrupt.
    let rest = (0..50_u64).flat_map(|at| (player * 64 + at).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    gold.to_le_bytes().into_iter().chain(rest).collect()
}

fn gold(record: &OwnerRecord) -> u64 {
    u64::from_le_bytes(record.data.state[..8].try_into().expect("a purse"))
}

/// What everybody has, all together as much as ever.
async fn purses(url: &str) -> BTreeMap<PlayerId, u64> {
    let store = open(url, WORLD).await.expect("the store opens");
    let mut purses = BTreeMap::new();
    loop {
        let page = store.scan_owners(purses.last_key_value().map(|(player, _)| *player), 500).await.expect("scan");
        if page.is_empty() {
            break;
        }
        purses.extend(page.iter().map(|(player, record)| (*player, gold(record))));
    }
    store.close().await.expect("close");
    assert_eq!(purses.values().sum::<u64>(), purses.len() as u64 * GOLD, "as much gold as ever");
    purses
}

/// What everybody had after each trade that a log tells, from the first on.
async fn told(store: &dyn Store) -> BTreeMap<Duration, BTreeMap<PlayerId, u64>> {
    let (mut told, mut from) = (BTreeMap::<_, BTreeMap<_, _>>::new(), LogSeq(0));
    loop {
        let page = store.read_log(SHARD, from, 500).await.expect("read");
        let Some(last) = page.last() else { return told };
        from = last.seq.next();
        for entry in page {
            let mut all = told.last_key_value().map_or_else(BTreeMap::new, |(_, all)| all.clone());
            all.extend(entry.states.into_iter().map(|state| {
                let record = OwnerRecord::created(SHARD, state.data);
                (state.player, gold(&record))
            }));
            told.insert(entry.at, all);
        }
    }
}

fn time(since_epoch: Duration) -> String {
    let millis = i64::try_from(since_epoch.as_millis()).expect("not so late");
    jiff::Timestamp::from_millisecond(millis).expect("a time").to_string()
}

/// Lets people trade until `work`, which runs in another thread, is done.
async fn meanwhile<T: Send + 'static>(zone: &mut Zone, work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = Arc::new(AtomicBool::new(false));
    let working = tokio::task::spawn_blocking({
        let done = Arc::clone(&done);
        move || {
            let result = work();
            done.store(true, Ordering::SeqCst);
            result
        }
    });
    while !done.load(Ordering::SeqCst) {
        zone.trade().await;
    }
    working.await.expect("it does not panic")
}

/// A store is open as long as the runtime that carries its connections.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn flags<'a>(words: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [words, more].concat()
}

/// Backs a world up while people trade, restores it to moments in between, and looks whether all trades are in for both.
fn a_living_world_is_had_at_any_moment(source: &str, into: impl Fn(usize) -> String, moments: usize) {
    let scene = Scene::new(0);
    let vault = scene.at("vault");
    let (told, covers) = block_on(async {
        let mut zone = Zone::open(source, 600).await;
        for _ in 0..20 {
            zone.trade().await;
        }
        for round in 0..3 {
            let (url, vault) = (source.to_owned(), vault.clone());
            meanwhile(&mut zone, move || {
                let create = ["create", "--store", &url, "--to", &vault];
                json(&flags(&create, if round == 0 { &[] } else { &["--incremental"] }))
            })
            .await;
            for _ in 0..20 {
                zone.trade().await;
            }
        }
        let told = told(&*zone.store).await;
        zone.leave().await;
        let list = json(&["list", "--from", &vault]);
        let covers: Vec<_> = list.as_array().expect("a list").iter().map(|row| row["covers"].clone()).collect();
        (told, covers)
    });
    let at =
        |value: &Value| value.as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time").as_millisecond();
    let (first, last) = (at(&covers[0]["records"]), at(&covers[2]["until"]));
    for number in 0..moments {
        let moment = Duration::from_millis((first + (last - first) * number as i64 / moments as i64) as u64);
        let (url, at) = (into(number), time(moment));
        let restored = json(&["restore", "--from", &vault, "--at", &at, "--store", &url, "--overwrite"]);
        assert_eq!(restored["players"], 600);
        let purses = block_on(purses(&url));
        let expected = told.range(..=moment).next_back().map_or_else(BTreeMap::new, |(_, all)| all.clone());
        assert!(!expected.is_empty());
        for (player, gold) in expected {
            assert_eq!(purses[&player], gold, "{player} at {at}");
        }
    }
    let newest = into(moments);
    json(&["restore", "--from", &vault, "--store", &newest, "--overwrite"]);
    block_on(purses(&newest));
    assert!(succeed(&["verify", "--from", &vault, "--against", &newest]).contains("equal: 600 players"));
    let late = time(Duration::from_millis(last as u64 + 1));
    let said = complaint(&["restore", "--from", &vault, "--at", &late, "--into", &scene.at("x")], 2);
    assert!(said.contains("the backups cover from") && said.contains("create --incremental"), "{said}");
}

#[test]
fn a_living_world_in_redis_is_had_at_any_moment_in_another_redis() {
    let (source, other) = (redis::single(), redis::single());
    // The same place again and again: what is there goes first.
    a_living_world_is_had_at_any_moment(&source.url, |_| other.url.clone(), 12);
}

#[test]
fn a_living_world_in_redis_is_had_at_any_moment_in_cassandra() {
    let source = redis::single();
    let keyspace = cassandra::new_keyspace();
    a_living_world_is_had_at_any_moment(&source.url, |_| cassandra::url(&keyspace, ""), 2);
}

#[test]
fn a_living_world_in_cassandra_is_had_at_any_moment_in_redis() {
    let other = redis::single();
    // A log is settled when no call can be under way any more.
    let url = cassandra::url(&cassandra::new_keyspace(), "").replace("timeout=20s", "timeout=8s");
    a_living_world_is_had_at_any_moment(&url, |_| other.url.clone(), 8);
}

#[test]
fn a_world_in_cassandra_with_copies_in_redis_is_restored_over_and_over() {
    let (source, copies) = (redis::single(), Server::start(&["--appendonly", "no"]));
    let url = format!("redis://{},{}", copies.address(), cassandra::url(&cassandra::new_keyspace(), ""));
    a_living_world_is_had_at_any_moment(&source.url, |_| url.clone(), 3);
}

#[test]
fn worlds_go_from_files_to_clusters_and_sentinels_and_back() {
    let scene = Scene::new(2_000);
    let (world, vault) = (scene.at("world"), scene.at("vault"));
    json(&["create", "--data", &world, "--to", &vault]);
    for (number, deployment) in [redis::cluster(), redis::sentinel()].into_iter().enumerate() {
        let (url, second, back) =
            (&deployment.url, scene.at(&format!("second {number}")), scene.at(&format!("back {number}")));
        json(&["restore", "--from", &vault, "--store", url]);
        assert!(succeed(&["verify", "--from", &vault, "--against", url]).contains("equal: 2000 players"));
        json(&["create", "--store", url, "--to", &second]);
        json(&["restore", "--from", &second, "--into", &back]);
        assert!(succeed(&["verify", "--from", &second, "--against", &world]).contains("equal: 2000 players"));
        assert!(succeed(&["verify", "--from", &vault, "--against", &back]).contains("equal: 2000 players"));
    }
}

#[test]
fn nothing_is_restored_over_a_world_in_a_store_unless_it_is_said_and_nobody_plays() {
    let scene = Scene::new(40);
    let (world, vault) = (scene.at("world"), scene.at("vault"));
    json(&["create", "--data", &world, "--to", &vault]);
    let place = redis::single();
    let runtime = runtime();
    let zone = runtime.block_on(Zone::open(&place.url, 7));
    let restore = ["restore", "--from", &vault, "--store", &place.url];
    let said = complaint(&restore, 2);
    assert!(said.contains("has a world") && said.contains("say --overwrite"), "{said}");
    let said = complaint(&flags(&restore, &["--overwrite"]), 2);
    assert!(said.contains("the zone zone-1 holds s1") && said.contains("stop the zones"), "{said}");
    assert_eq!(block_on(purses(&place.url)).len(), 7, "nothing was changed");
    let said = complaint(&flags(&restore, &["--world", "other", "--overwrite"]), 2);
    assert!(said.contains("holds the world \"local\""), "{said}");
    runtime.block_on(zone.leave());
    json(&flags(&restore, &["--overwrite"]));
    assert!(succeed(&["verify", "--from", &vault, "--against", &place.url]).contains("equal: 40 players"));
    let map = block_on(async {
        let store = open(&place.url, WORLD).await.expect("it opens");
        store.load_topology().await.expect("load").expect("a map")
    });
    let parsed: Topology = serde_json::from_slice(&map.bytes).expect("a map");
    assert_eq!(parsed.revision(), map.revision, "later than every map that was there");
    assert!(map.revision.0 > 2);
    let lease = block_on(async {
        let store = open(&place.url, WORLD).await.expect("it opens");
        store.look(SHARD).await.expect("look").expect("it was held")
    });
    assert!(lease.fence.epoch.0 >= 2 && !lease.is_live(), "no incarnation that was can act again: {lease:?}");
}

#[test]
fn a_restore_that_was_killed_is_noticed_and_run_again() {
    let scene = Scene::new(20_000);
    let (world, vault) = (scene.at("world"), scene.at("vault"));
    json(&["create", "--data", &world, "--to", &vault, "--compression", "none"]);
    let place = redis::single();
    block_on(async { Zone::open(&place.url, 7).await.leave().await });
    let server = &place.servers[0];
    let restore = ["restore", "--from", &vault, "--store", &place.url];
    let mut running = Running::start(&flags(&restore, &["--overwrite"]));
    running.until("some of it is there", || players(server) > 500);
    running.kill();
    let said = complaint(&["create", "--store", &place.url, "--to", &vault], 2);
    assert!(said.contains("is being restored from the backup"), "{said}");
    let refused = block_on(async { open(&place.url, WORLD).await.map(drop).expect_err("it is no world") });
    assert_eq!(refused.label(), "restoring");
    json(&restore);
    assert!(succeed(&["verify", "--from", &vault, "--against", &place.url]).contains("equal: 20000 players"));

    let mut running = Running::start(&flags(&restore, &["--overwrite"]));
    running.until("what was there is gone", || players(server) < 20_000);
    let (code, said) = running.terminate();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the world is not whole") && said.contains("run the same command again"), "{said}");
    json(&restore);
    assert!(succeed(&["verify", "--from", &vault, "--against", &place.url]).contains("equal: 20000 players"));
}

fn players(server: &Server) -> u64 {
    server.ask(&["ZCARD", "darkages:{local}:players"])
}

#[test]
fn a_backup_of_a_store_that_was_killed_is_none_and_a_schedule_keeps_to_the_store() {
    let scene = Scene::new(0);
    let vault = scene.at("vault");
    let place = redis::single();
    let runtime = runtime();
    let mut zone = runtime.block_on(Zone::open(&place.url, 3_000));
    let flags = ["create", "--store", &place.url, "--to", &vault, "--compression", "zstd", "--level", "19"];
    let mut running = Running::start(&flags);
    running.until("it has begun", || !scene.folders("vault").is_empty());
    running.kill();
    let made = json(&["create", "--store", &place.url, "--to", &vault]);
    assert_eq!(made["players"], 3_000);
    let whole = |list: &Value| list.as_array().expect("a list").iter().filter(|row| row["state"] == "whole").count();
    assert_eq!(whole(&json(&["list", "--from", &vault])), 1);
    runtime.block_on(zone.trade());
    let other = scene.at("other");
    let running = Running::start(&["schedule", "--store", &place.url, "--to", &other, "--json"]);
    let deadline = Instant::now() + DEADLINE;
    while !scene.path("other").exists() || whole(&json(&["list", "--from", &other])) == 0 {
        assert!(Instant::now() < deadline, "the first run is made at once");
    }
    assert_eq!(running.terminate(), (Some(0), String::new()));
    runtime.block_on(zone.leave());
}

#[test]
fn bad_stores_are_one_line_that_names_the_flag() {
    let scene = Scene::new(3);
    let (world, vault) = (scene.at("world"), scene.at("vault"));
    json(&["create", "--data", &world, "--to", &vault]);
    let create = |more: &[&str]| complaint(&flags(&["create", "--to", &vault], more), 2);
    assert!(create(&[]).contains("--data or --store: give one of the two"));
    assert!(create(&["--data", &world, "--store", "redis://127.0.0.1"]).contains("--data or --store"));
    assert!(create(&["--store", "http://127.0.0.1"]).contains("--store: the store URL's scheme is unknown"));
    let port = darkages_servers::free_port().to_string();
    let nobody = format!("redis://:geheim@127.0.0.1:{port}");
    let said = create(&["--store", &nobody]);
    assert!(said.contains("--store: redis://127.0.0.1") && !said.contains("geheim"), "{said}");
    let empty = redis::single();
    let said = create(&["--store", &empty.url]);
    assert!(said.contains("has no world of the name local"), "{said}");
    let restore = |more: &[&str]| complaint(&flags(&["restore", "--from", &vault], more), 2);
    assert!(restore(&[]).contains("--into or --store: give one of the two"));
    assert!(restore(&["--store", &nobody]).contains("--store: redis://127.0.0.1"));
    assert!(restore(&["--into", &world, "--at", "noon"]).contains("--at noon is no time"));
    let file = scene.path("elsewhere").join("world.redb").to_str().expect("a plain name").to_owned();
    json(&["restore", "--from", &vault, "--store", &file]);
    assert_eq!(scene.players("elsewhere"), 3, "a store may be a file");
}
