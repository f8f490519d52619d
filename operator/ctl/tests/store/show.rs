//! What a store is shown to keep, beside what was put into it.

use darkages_servers::cassandra;
use darkages_servers::redis::Server;
use darkages_store::source::UrlText;
use darkages_store::{
    Acquired, Checkpoint, Committed, Event, Expect, OwnerRecord, PlayerData, RequestId, Session, Swap, Swapped,
    Transaction,
};
use darkages_topology::{PlayerId, ShardId, Tick, ZoneId};
use serde_json::{Value, json as value};
use std::time::Duration;

use crate::run::{complaint, json, succeed};

const LEASE: Duration = Duration::from_secs(600);
const SHARD: ShardId = ShardId(1);

/// A world with 20 players, 3 trades of one of them, 5 events and a session.
fn fill(url: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let url = UrlText::from(url.to_owned());
        let store = darkages_store::open(url.reveal(), "local").await.expect("it opens");
        let Acquired::Granted(lease) = store.acquire(SHARD, &ZoneId("z".into()), LEASE).await.expect("acquire") else {
            panic!("the lease of an empty store is free")
        };
        let record = OwnerRecord::created(SHARD, PlayerData { state: vec![7; 400], ..PlayerData::default() });
        let born = |player| Swap { player: PlayerId(player), expect: Expect::Absent, next: record.clone() };
        let born = store.swap(lease.fence, (1..=20).map(born).collect()).await.expect("swap");
        assert_eq!(born, vec![Swapped::Done; 20]);
        let mut data = record.data.clone();
        for number in 0..3 {
            let state = Checkpoint { player: PlayerId(1), owner_epoch: record.owner_epoch, data: data.clone() };
            let request = RequestId { player: PlayerId(1), number };
            let event = Event { kind: 1, tick: Tick(number), payload: vec![1; 40] };
            let trade = Transaction { request, states: vec![state], event, answer: vec![1] };
            let committed = store.commit(lease.fence, trade).await.expect("commit");
            assert!(matches!(committed, Committed::Done { .. }), "{committed:?}");
            data.version = data.version.next();
        }
        store.append(lease.fence, vec![Event::default(); 5]).await.expect("append");
        let session = Session { player: PlayerId(1), id: 7, expires: Duration::ZERO, data: vec![1] };
        store.open_session(session, LEASE).await.expect("a session");
        store.close().await.expect("close");
    });
}

fn family<'a>(shown: &'a Value, tier: &str, name: &str) -> &'a Value {
    let tier =
        shown["tiers"].as_array().expect("a list").iter().find(|one| one["tier"] == tier).expect("the tier is told");
    let families = tier["families"].as_array().expect("a list");
    families.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{name} is told"))
}

fn check_rows(shown: &Value, tier: &str, expected: &[(&str, u64)]) {
    for (name, rows) in expected {
        let found = family(shown, tier, name);
        assert_eq!((&found["rows"], &found["counted"]), (&value!(rows), &value!("exact")), "{found}");
    }
}

/// Something was written a moment ago, by a clock of this machine.
fn check_age(family: &Value) {
    let age = family["oldest_age_seconds"].as_u64().unwrap_or_else(|| panic!("{family} has an age"));
    assert!(age < 600, "{family}");
}

#[test]
fn a_world_in_redis_is_shown_by_keys_with_bounds_and_ages() {
    let server = Server::start(&[]);
    let url = format!("redis://{}", server.address());
    fill(&url);
    let keys = || server.ask::<u64>(&["DBSIZE"]);
    let before = keys();
    let shown = json(&["store", "show", "--store", &url], None);
    check_rows(
        &shown,
        "redis",
        &[("owner", 20), ("leases", 1), ("log", 8), ("requests", 1), ("session", 1), ("nonces", 0)],
    );
    let log = family(&shown, "redis", "log");
    assert_eq!(log["kept"], value!({ "for": "newest_of_shard", "records": 100_000, "bytes": 64 << 20 }));
    check_age(log);
    assert_eq!((&shown["tiers"][0]["version"], &shown["tiers"][0]["supported"]), (&value!(1), &value!(1)));
    assert!(succeed(&["store", "show"], Some(&url)).contains("the newest 100000 or 64 MiB of a shard"));
    let said = complaint(&["store", "show", "--store", &url, "--world", "other"], None);
    assert!(said.contains("has no world of the name \"other\""), "{said}");
    assert_eq!(keys(), before, "looking changes nothing");
}

#[test]
fn a_world_in_cassandra_with_copies_is_shown_by_tables_with_the_days_that_they_are_kept() {
    let server = Server::start(&[]);
    let keyspace = cassandra::new_keyspace();
    let cql = cassandra::url(&keyspace, "&journal_days=7&events_days=3");
    let url = format!("redis://{},{cql}", server.address());
    let said = complaint(&["store", "show", "--store", &cql], None);
    assert!(said.contains("has no world of the name \"local\"") && !said.contains("cassandra:cassandra"), "{said}");
    fill(&url);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("url");
    std::fs::write(&file, format!("{url}\n")).expect("written");
    let shown = json(&["store", "show", "--store-file", file.to_str().expect("a plain name")], None);
    let rows = [
        ("owners", 20),
        ("players", 20),
        ("leases", 1),
        ("journal", 3),
        ("events", 5),
        ("requests", 3),
        ("sessions", 1),
    ];
    check_rows(&shown, "cql", &rows);
    let day = 86_400;
    assert_eq!(family(&shown, "cql", "journal")["kept"], value!({ "for": "time", "seconds": 7 * day }));
    assert_eq!(family(&shown, "cql", "events")["kept"], value!({ "for": "time", "seconds": 3 * day }));
    check_age(family(&shown, "cql", "journal"));
    check_age(family(&shown, "cql", "events"));
    assert_eq!(family(&shown, "redis", "cache")["kept"], value!({ "for": "time", "seconds": 3_600 }));
    assert!(family(&shown, "redis", "cache")["rows"].as_u64().is_some_and(|copies| copies >= 1), "{shown:#}");
    assert!(shown["tiers"][1]["version"].as_u64().is_some_and(|version| version >= 2), "{shown:#}");
    assert!(!shown.to_string().contains("cassandra:cassandra"));
    let said = complaint(&["store", "show", "--store", &cql, "--world", "other"], None);
    assert!(said.contains("holds the world \"local\""), "{said}");
}

#[test]
fn a_world_in_a_file_is_shown_and_one_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("world.redb");
    let file = path.to_str().expect("a plain name");
    let said = complaint(&["store", "show", "--store", file], None);
    assert!(said.contains("has no world"), "{said}");
    assert!(!path.exists());
    fill(file);
    let bytes = std::fs::read(&path).expect("it is there");
    let shown = json(&["store", "show", "--store", file], None);
    check_rows(&shown, "redb", &[("owners", 20), ("log", 8), ("requests", 3), ("sessions", 1)]);
    check_age(family(&shown, "redb", "log"));
    assert_eq!(std::fs::read(&path).expect("it is there"), bytes, "looking changes nothing");
}
