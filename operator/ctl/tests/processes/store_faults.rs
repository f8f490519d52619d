//! Servers fail while people trade: the world plays on, nobody is disconnected, what must be durable is refused meanwhile, and
//! nothing that was acknowledged is missing afterwards.

use std::process::{Child, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use darkages_servers::redis::{self, Deployment, Server};
use darkages_servers::{Proxy, cassandra, free_port, wait_for};
use rustix::process::Signal;
use serde_json::Value;

use crate::run;

/// Bots that trade.
const PLAYERS: u64 = 40;

/// Longer than a lease by far: whoever would stop when its lease runs out does.
const OUTAGE: Duration = Duration::from_secs(8);

/// What a world is called in its store.
const WORLD: &str = "local";

/// A world in which people trade.
struct Played {
    process: Child,
    http: String,
}

impl Played {
    /// Opens a world on the store and waits until everybody is in it.
    fn start(url: &str, seconds: u64) -> Self {
        let http = format!("127.0.0.1:{}", free_port());
        let flags = format!("--players {PLAYERS} --workload trade --zones 2 --seconds {seconds} --http {http}");
        let process = run::local(url, &flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the built command starts");
        let world = Self { process, http };
        wait_for("everybody is in", || (world.players()? == PLAYERS).then_some(()));
        world
    }

    /// The newest picture of the world.
    fn picture(&self) -> Option<Value> {
        let mut answer = ureq::get(format!("http://{}/v1/world", self.http)).call().ok()?;
        serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()
    }

    /// When the world last told of something that begins so, since 1970.
    fn told(&self, what: &str) -> Option<Duration> {
        let is_it = |event: &&Value| event["text"].as_str().is_some_and(|text| text.starts_with(what));
        let event = self.picture()?["events"].as_array()?.iter().rfind(is_it)?["t"].as_u64()?;
        Some(Duration::from_millis(event))
    }

    fn players(&self) -> Option<u64> {
        Some(self.picture()?["zones"].as_array()?.iter().filter_map(|zone| zone["players"].as_u64()).sum())
    }

    /// Waits until pictures of the world have gone on for the time of an outage, with everybody in it at the end.
    fn plays_on(&self) {
        let taken = |picture: &Value| picture["t"].as_u64().map(Duration::from_millis);
        let began = wait_for("a picture", || taken(&self.picture()?));
        wait_for("the world goes on with everybody in it", || {
            let picture = self.picture()?;
            // Who is being handed over may be counted twice in one of them.
            (picture["players"] == PLAYERS && taken(&picture)? >= began + OUTAGE).then_some(())
        });
    }

    /// Waits until the world says that its store is away, and then as [`plays_on`](Self::plays_on).
    fn plays_on_without_a_store(&self) {
        wait_for("StoreDegraded", || self.told("StoreDegraded"));
        self.plays_on();
    }

    /// The report, in which all that was promised held.
    fn report(self) -> Value {
        let output = self.process.wait_with_output().expect("it ends");
        let report = run::report(&output);
        for nothing in ["disconnects", "inputs_lost"] {
            assert_eq!(report[nothing], 0, "{nothing}: {report:#}");
        }
        report
    }
}

/// Plays while `fault` happens; the report.
fn play(url: &str, seconds: u64, fault: impl FnOnce(&Played)) -> Value {
    let _alone = run::alone();
    let world = Played::start(url, seconds);
    fault(&world);
    world.report()
}

/// The outage was noticed, told, and over before the end.
fn assert_played_on(report: &Value) {
    assert_outlived(report);
    assert_eq!(report["trades"]["unanswered"], 0, "{report:#}");
}

/// The same, for an outage after which clients may have given up to ask for what was under way when it began: one trade each.
fn assert_outlived(report: &Value) {
    assert!(report["store_degraded"].as_u64() >= Some(1), "{report:#}");
    assert!(report["trades_refused_by"]["store_unavailable"].as_u64() >= Some(1), "{report:#}");
    assert!(report["trades"]["done"].as_u64() >= Some(PLAYERS), "{report:#}");
    let is_one_each = |given_up| given_up <= PLAYERS;
    assert!(report["trades"]["unanswered"].as_u64().is_some_and(is_one_each), "{report:#}");
}

#[test]
fn a_world_plays_on_while_its_store_stands_still() {
    let redis = Server::start(&["--appendfsync", "always"]);
    let report = play(&format!("redis://{}", redis.address()), 30, |world| {
        redis.signal(Signal::STOP);
        world.plays_on_without_a_store();
        redis.signal(Signal::CONT);
    });
    assert_played_on(&report);
}

#[test]
fn a_world_plays_on_while_its_store_takes_no_writes() {
    let redis = Server::start(&["--appendfsync", "always"]);
    let report = play(&format!("redis://{}", redis.address()), 30, |world| {
        redis.ask::<String>(&["CONFIG", "SET", "maxmemory", "1mb"]);
        world.plays_on_without_a_store();
        redis.ask::<String>(&["CONFIG", "SET", "maxmemory", "0"]);
    });
    assert_played_on(&report);
}

#[test]
fn a_store_that_was_killed_and_comes_back_has_everything() {
    let mut redis = Server::start(&["--appendfsync", "always"]);
    let report = play(&format!("redis://{}", redis.address()), 30, |world| {
        redis.kill();
        world.plays_on_without_a_store();
        redis.restart(&[]);
    });
    assert_played_on(&report);
}

#[test]
fn a_slow_store_makes_trades_slow_and_nothing_else() {
    let redis = Server::start(&["--appendfsync", "always"]);
    let proxy = Proxy::start(&redis.address());
    let report = play(&format!("redis://{}", proxy.address()), 30, |world| {
        proxy.set_delay(Duration::from_millis(200));
        world.plays_on();
        proxy.set_delay(Duration::ZERO);
    });
    assert!(report["trades"]["done"].as_u64() >= Some(PLAYERS), "{report:#}");
}

fn fails_over(mut servers: Deployment) {
    let url = servers.url.clone();
    let report = play(&url, 40, |world| {
        let promoted = servers.fail_over(WORLD).duration_since(UNIX_EPOCH).expect("now is after 1970");
        let again = wait_for("the world has its store again", || world.told("the store answers again"));
        println!("durable actions again {:?} after the promotion was seen", again.saturating_sub(promoted));
    });
    println!("late ticks: {}", report["ticks_late_ratio"]);
    assert!(report["trades"]["done"].as_u64() >= Some(PLAYERS), "{report:#}");
    assert!(report["store_degraded"].as_u64() >= Some(1), "{report:#}");
}

#[test]
fn a_world_plays_on_while_sentinels_replace_the_primary() {
    fails_over(redis::sentinel());
}

#[test]
fn a_world_plays_on_while_a_cluster_replaces_the_primary() {
    fails_over(redis::cluster());
}

#[test]
fn a_world_plays_on_while_redis_and_cql_are_both_away() {
    let (redis, node) = (Server::start(&[]), cassandra::shared());
    let url = format!("redis://{},{}", redis.address(), cassandra::url(&cassandra::new_keyspace(), ""));
    let report = play(&url, 80, |world| {
        redis.signal(Signal::STOP);
        node.signal("STOP");
        world.plays_on_without_a_store();
        // For half a minute in all: what waits to be saved has found its bound.
        (0..3).for_each(|_| world.plays_on());
        node.signal("CONT");
        redis.signal(Signal::CONT);
    });
    assert_outlived(&report);
}
