//! How a process is told where its store is, and that nobody else reads its password.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use darkages_servers::redis::Server as Redis;
use darkages_servers::{cassandra, free_port};
use darkages_store::source::STORE_VARIABLE;
use rustix::process::Signal;

use crate::server::{Server, command, runtime};

const PASSWORD: &str = "hunter2";

/// A zone that says all that it can into a file.
fn talkative(folder: &Path, log: &Path) -> Command {
    let mut command = command(folder, "zone-0");
    command.env("RUST_LOG", "trace").env_remove(STORE_VARIABLE);
    command.stderr(File::create(log).expect("a file for its log"));
    command
}

fn told_nobody(text: &str) {
    assert!(!text.contains(PASSWORD) && !text.contains("hunter%32"), "a password was told: {text}");
}

#[test]
fn a_zone_is_told_of_its_store_by_a_variable_or_a_file_and_shows_the_password_to_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let redis = Redis::start_with(&["--requirepass", PASSWORD], ":hunter2@", |_| {});
    let url = format!("redis://:hunter%32@{}", redis.address());
    let file = folder.path().join("store");
    fs::write(&file, format!("{url}\n")).expect("written");
    let runtime = runtime();
    let ways: [&dyn Fn(&mut Command); 2] = [
        &|command| {
            command.env(STORE_VARIABLE, &url);
        },
        // The file counts, not the variable.
        &|command| {
            command.arg("--store-file").arg(&file).env(STORE_VARIABLE, "redis://nowhere");
        },
    ];
    for way in ways {
        let log = folder.path().join("log");
        let mut command = talkative(folder.path(), &log);
        way(&mut command);
        let mut server = Server::run(&mut command);
        assert_eq!(server.control(&runtime).stats().state, "unassigned");
        told_nobody(&String::from_utf8_lossy(&fs::read(format!("/proc/{}/cmdline", server.id())).expect("it runs")));
        told_nobody(&server.get("/metrics"));
        server.signal(Signal::TERM);
        assert!(server.ended().success());
        let said = fs::read_to_string(&log).expect("its log");
        assert!(said.lines().count() > 10, "it has said what it could: {said}");
        told_nobody(&said);
    }
}

#[test]
fn a_store_that_cannot_be_opened_is_named_without_its_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let redis = Redis::start_with(&["--requirepass", "another"], ":another@", |_| {});
    let cassandra = cassandra::shared().address;
    let log = folder.path().join("log");
    for url in [
        format!("redis://:{PASSWORD}@{}", redis.address()),
        format!("redis://somebody:{PASSWORD}@{}", redis.address()),
        format!("redis://:{PASSWORD}@127.0.0.1:{}", free_port()),
        format!("redis://{PASSWORD}@{}", redis.address()),
        format!("cql://cassandra:{PASSWORD}@{cassandra}/world?replication=1"),
        format!("cql://{PASSWORD}@{cassandra}/world"),
        format!("unknown://:{PASSWORD}@h"),
    ] {
        let output = talkative(folder.path(), &log).env(STORE_VARIABLE, &url).stderr(Stdio::piped()).output();
        let output = output.expect("the binary starts");
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{url}: {said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(last.starts_with(&format!("zone-server: {STORE_VARIABLE}: ")), "{url}: {last}");
        told_nobody(&said);
    }
}

#[test]
fn a_zone_that_is_told_of_no_store_or_of_two_says_what_to_give() {
    let folder = tempfile::tempdir().expect("a folder");
    let complaint = |arguments: &[&str]| {
        let output =
            talkative(folder.path(), &folder.path().join("log")).args(arguments).stderr(Stdio::piped()).output();
        let output = output.expect("the binary starts");
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).expect("text")
    };
    let said = complaint(&[]);
    assert!(said.contains("--data, --store, --store-file or DARKAGES_STORE: say where the world is kept"), "{said}");
    let said = complaint(&["--store-file", "/nowhere/at/all"]);
    assert!(said.contains("--store-file /nowhere/at/all: cannot be read"), "{said}");
    let said = complaint(&["--store", "redis://h", "--store-file", "f"]);
    assert!(said.contains("--store-file") && said.contains("cannot be used with"), "{said}");
}
