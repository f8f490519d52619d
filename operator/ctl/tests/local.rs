//! `darkages local` as scripts use it: what it refuses, what it keeps, how it ends.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const DARKAGES: &str = env!("CARGO_BIN_EXE_darkages");

fn local(arguments: &[&str]) -> Output {
    Command::new(DARKAGES).arg("local").args(arguments).output().expect("the built command starts")
}

fn complaint(arguments: &[&str]) -> String {
    let output = local(arguments);
    let said = String::from_utf8(output.stderr).expect("messages are text");
    assert_eq!(output.status.code(), Some(2), "{arguments:?} said {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?} must say one line, not {said}");
    assert!(output.stdout.is_empty(), "{arguments:?} must print nothing else");
    said
}

/// A world that is open, and ends when the test does.
struct Open {
    child: Child,
    url: String,
}

impl Open {
    fn new(data: &Path, more: &[&str]) -> Self {
        let data = data.to_str().expect("the test's directory has a plain name");
        let mut child = Command::new(DARKAGES)
            .args(["local", "--http", "127.0.0.1:0", "--data", data])
            .args(more)
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the built command starts");
        let said = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut lines = said.lines().map_while(Result::ok);
        let url =
            lines.find_map(|line| line.strip_prefix("live map: ").map(str::to_owned)).expect("it says its address");
        // Whoever writes into a pipe that nobody reads waits for ever.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    fn world(&self) -> serde_json::Value {
        let mut response = ureq::get(format!("{}/v1/world", self.url)).call().expect("the directory answers");
        response.body_mut().read_json().expect("the world is JSON")
    }

    fn until(&self, what: &str, holds: impl Fn(&serde_json::Value) -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while !holds(&self.world()) {
            assert!(std::time::Instant::now() < deadline, "still not {what}: {}", self.world());
            std::thread::yield_now();
        }
    }

    fn interrupt(mut self) -> (Option<i32>, String) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::INT).expect("it runs");
        let status = self.child.wait().expect("it ends");
        let mut said = String::new();
        let mut stdout = self.child.stdout.take().expect("it is piped");
        std::io::Read::read_to_string(&mut stdout, &mut said).expect("it is text");
        (status.code(), said)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_makes_no_world_is_named_in_one_line() {
    assert!(complaint(&["--split-at", "0"]).contains("--split-at is 0: give 1 or more players"));
    assert!(complaint(&["--bounds", "10,0,10,5"]).contains("minX must be less than maxX"));
    assert!(complaint(&["--bounds", "NaN,0,10,5"]).contains("minX is not a finite number"));
    assert!(complaint(&["--bounds", "0,0,1e9,5"]).contains("maxX lies beyond ±100 km"));
    assert!(complaint(&["--players", "many"]).contains("--players"));
    assert!(complaint(&["--palyers", "6"]).contains("--palyers"));
    for flag in ["--players", "--split-at", "--zones", "--seconds", "--delay-ms", "--jitter-ms"] {
        assert!(complaint(&[flag, "-1"]).contains(flag), "{flag} is named");
    }
    assert!(complaint(&["--workload", "walk"]).contains("gather"));
    assert!(complaint(&["--report", "/nowhere/at/all/report.json", "--http", "127.0.0.1:0"]).contains("--report"));
}

#[test]
fn a_port_that_is_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it is bound").to_string();
    let folder = tempfile::tempdir().expect("a directory can be made");
    let data = folder.path().join("world");
    let said = complaint(&["--http", &address, "--data", data.to_str().expect("a plain name")]);
    assert!(said.contains(&format!("--http {address} is in use")), "{said}");
    assert!(!data.exists(), "nothing was begun");
}

#[test]
fn files_that_are_not_a_world_stay_as_they_are() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let file = folder.path().join("world.redb");
    let data = folder.path().to_str().expect("a plain name");
    std::fs::write(&file, b"dear diary").expect("it can be written");
    let said = complaint(&["--http", "127.0.0.1:0", "--data", data]);
    assert!(said.contains("is not a DarkAges store"), "{said}");
    assert_eq!(std::fs::read(&file).expect("it is still there"), b"dear diary");
    let said = complaint(&["--http", "127.0.0.1:0", "--data", file.to_str().expect("a plain name")]);
    assert!(said.contains("--data"), "{said}");
}

#[test]
fn a_world_is_kept_until_it_is_opened_again() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let ready = |world: &serde_json::Value| {
        let zones = world["zones"].as_array().expect("a list");
        zones.len() == 2 && zones.iter().all(|zone| zone["state"] == "serving")
    };
    let world = Open::new(folder.path(), &["--zones", "2", "--bounds", "-200,0,200,100"]);
    world.until("served by two zones", ready);
    let second = complaint(&["--http", "127.0.0.1:0", "--data", folder.path().to_str().expect("a plain name")]);
    assert!(second.contains("in use by another process"), "{second}");
    let (code, said) = world.interrupt();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("all held") && said.contains("saved"), "{said}");

    let other =
        ["--http", "127.0.0.1:0", "--bounds", "0,0,1,1", "--data", folder.path().to_str().expect("a plain name")];
    assert!(complaint(&other).contains("the stored world is [-200, 200)"));
    let world = Open::new(folder.path(), &["--zones", "2"]);
    world.until("served again", ready);
    assert_eq!(world.world()["bounds"], serde_json::json!([-200.0, 0.0, 200.0, 100.0]));
    assert_eq!(world.interrupt().0, Some(0));
}

#[test]
fn bots_make_a_zone_split_and_nobody_is_lost() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let file = folder.path().join("report.json");
    let file_name = file.to_str().expect("a plain name");
    let flags = "--players 60 --split-at 40 --workload gather --seconds 12 --headless --json --report";
    let output = local(&flags.split_whitespace().chain([file_name]).collect::<Vec<_>>());
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the report is JSON");
    let written = std::fs::read(&file).expect("the report was written");
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&written).expect("JSON"), printed);
    assert!(printed["splits"].as_u64() >= Some(1), "{printed:#}");
    assert!(printed["handoffs"].as_u64() >= Some(1), "{printed:#}");
    for nothing in ["disconnects", "inputs_lost", "inputs_duplicated", "items_duplicated"] {
        assert_eq!(printed[nothing], 0, "{nothing}: {printed:#}");
    }
    assert_eq!(output.status.code(), Some(i32::from(printed["violations"] != serde_json::json!([]))));
}
