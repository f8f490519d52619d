//! Benches of every kind of store: they measure something, say what it stands beside, and leave nothing behind.

use std::fs;

use darkages_servers::cassandra;
use darkages_servers::redis::Server;
use serde_json::Value;

use crate::run::{complaint, json, run, succeed};

/// As little as still is a measurement.
const SHORT: [&str; 8] = ["--seconds", "1", "--repeats", "1", "--players", "60", "--in-flight", "4"];

fn bench(more: &[&str], variable: Option<&str>) -> Value {
    json(&[&["bench", "store"], &SHORT[..], more].concat(), variable)
}

/// Every figure is there; and the baseline of the series of this name.
fn check(report: &Value, name: &str) -> String {
    let names: Vec<&str> =
        report["series"].as_array().expect("a list").iter().map(|one| one["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["checkpoints", "transactions", "log", "handoffs"]);
    for series in report["series"].as_array().expect("a list") {
        for pace in ["full_speed", "at_ticks"] {
            for whose in ["store", "baseline"] {
                let figures = &series[pace][whose];
                for figure in ["writes_per_s", "p50_ms", "p99_ms"] {
                    let [min, median, max] =
                        ["min", "median", "max"].map(|of| figures[figure][of].as_f64().expect("a number"));
                    assert!(0.0 < min && min <= median && median <= max, "{series:#}");
                }
            }
            assert!(series[pace]["ratio"]["median"].as_f64().expect("a number") > 0.0, "{series:#}");
        }
        // A tick's worth for each of 60 ticks, whatever the store can do: 4 checkpoints or events, 2 trades or handoffs of two
        // writes. A busy machine may lose some ticks.
        let paced = series["at_ticks"]["store"]["writes_per_s"]["median"].as_f64().expect("a number");
        assert!(paced < 300.0, "{series:#}");
    }
    let of_name = report["series"].as_array().expect("a list").iter().find(|one| one["name"] == name);
    of_name.expect("it is there")["baseline"].as_str().expect("words").to_owned()
}

#[test]
fn a_bench_of_redis_stands_beside_redis_benchmark_and_leaves_no_rows() {
    let server = Server::start(&[]);
    let url = format!("redis://{}", server.address());
    for _ in 0..2 {
        let report = bench(&["--store", &url], None);
        let baseline = check(&report, "checkpoints");
        assert!(baseline.contains("redis-benchmark") && baseline.contains("4 clients, pipelines of 4"), "{baseline}");
        let mut keys: Vec<String> = server.ask(&["KEYS", "*"]);
        keys.sort_unstable();
        let left = ["barrier", "leases", "meta", "shards"].map(|rest| format!("darkages:{{darkages-bench}}:{rest}"));
        assert_eq!(keys, left, "an empty world that nobody holds");
    }
    let said = complaint(&["store", "show", "--store", &url, "--world", "local"], None);
    assert!(said.contains("has no world of the name \"local\""), "{said}");
    assert!(succeed(&[&["bench", "store", "--store", &url], &SHORT[..]].concat(), None).contains("ratio of writes/s"));
}

#[test]
fn a_password_goes_to_no_other_program_and_is_printed_nowhere() {
    let server = Server::start_with(&["--requirepass", "hunter2"], ":hunter2@", |_| {});
    let url = format!("redis://:hunter2@{}", server.address());
    let report = bench(&[], Some(&url));
    assert!(check(&report, "checkpoints").contains("redis crate"), "redis-benchmark would show it to everybody");
    assert!(!report.to_string().contains("hunter2"));
    let wrong = format!("redis://:hunter3@{}", server.address());
    let said = complaint(&["bench", "store"], Some(&wrong));
    assert!(said.contains("DARKAGES_STORE") && !said.contains("hunter"), "{said}");
}

#[test]
fn a_bench_of_a_file_takes_a_new_one_and_removes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bench.redb");
    let file = path.to_str().expect("a plain name");
    let report = bench(&["--store", file], None);
    assert!(check(&report, "transactions").contains("redb crate"), "{report:#}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing is left");
    fs::write(&path, "somebody's").expect("written");
    let said = complaint(&["bench", "store", "--store", file], None);
    assert!(said.contains("is there already"), "{said}");
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "somebody's");
}

#[test]
fn a_bench_of_cassandra_with_copies_stands_beside_both_and_leaves_no_tables() {
    let server = Server::start(&[]);
    let keyspace = cassandra::new_keyspace();
    let url = format!("redis://{},{}", server.address(), cassandra::url(&keyspace, ""));
    let report = bench(&["--store", &url], None);
    assert!(check(&report, "checkpoints").contains("redis-benchmark"), "{report:#}");
    assert!(check(&report, "log").contains("scylla crate, 16 rows in flight"), "{report:#}");
    let shown = json(&["store", "show", "--store", &url, "--world", "darkages-bench"], None);
    let families = shown["tiers"][1]["families"].as_array().expect("a list");
    let rows = |name: &str| families.iter().find(|one| one["name"] == name).expect("it is told")["rows"].clone();
    assert_eq!(["owners", "journal", "events", "requests", "snapshots"].map(rows), [0; 5].map(Value::from));
}

#[test]
fn a_world_of_somebody_is_refused_and_bad_numbers_are_named() {
    let server = Server::start(&[]);
    server.ask::<()>(&["SET", "somebody's", "data"]);
    let url = format!("redis://{}", server.address());
    let said = complaint(&["bench", "store", "--store", &url], None);
    assert!(said.contains("somebody's"), "{said}");
    assert_eq!(server.ask::<Vec<String>>(&["KEYS", "*"]), ["somebody's"]);
    for (arguments, name) in [
        (["--players", "29"], "--players 29: give 30 to"),
        (["--in-flight", "0"], "--in-flight 0: give 1 to"),
        (["--in-flight", "501"], "--in-flight 501: give 1 to 500, each with a pair"),
        (["--state-bytes", "7"], "--state-bytes 7: give 8 to"),
        (["--seconds", "0"], "--seconds"),
        (["--repeats", "0"], "--repeats"),
    ] {
        let said = complaint(&[&["bench", "store", "--store", &url], &arguments[..]].concat(), None);
        assert!(said.contains(name), "{said}");
    }
    let said = complaint(&["bench", "store"], None);
    assert!(said.contains("--store, --store-file or DARKAGES_STORE"), "{said}");
    let nobody = format!("redis://127.0.0.1:{}", darkages_servers::free_port());
    assert!(!run(&["bench", "store", "--store", &nobody], None).status.success());
}
