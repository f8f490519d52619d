//! Which crate may use which. The layers of the workspace hold because this fails when one is skipped.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{Dependency, MetadataCommand, Package};

/// Each crate and the crates of the workspace that it may use, in tests and build scripts too.
///
/// `sim` never sees `protocol`: the server translates. The client, and with it every bot, cannot reach server code.
/// `ctl` starts everything, so it may use everything. `servers` starts servers for tests and uses nothing of ours, so that
/// the crates which it serves can test with it.
const ALLOWED: [(&str, &[&str]); 15] = [
    ("servers", &[]),
    ("topology", &[]),
    ("checker", &["topology"]),
    ("crds", &["topology", "servers"]),
    ("transport", &[]),
    ("protocol", &["topology"]),
    ("sim", &["topology"]),
    ("store", &["topology", "servers"]),
    ("plan", &["topology"]),
    ("controller", &["topology", "store", "crds", "plan", "servers"]),
    ("server", &["topology", "protocol", "transport", "sim", "store", "servers"]),
    ("client", &["topology", "protocol", "transport", "checker"]),
    ("directory", &["topology", "protocol", "store", "crds"]),
    ("scenarios", &["client", "checker", "servers"]),
    (
        "ctl",
        &[
            "topology",
            "protocol",
            "transport",
            "sim",
            "store",
            "plan",
            "crds",
            "controller",
            "server",
            "client",
            "directory",
            "checker",
            "servers",
        ],
    ),
];

/// The crates that compute and do nothing else: no clock, no I/O, no async, no log.
const PURE: [&str; 5] = ["topology", "plan", "sim", "checker", "crds"];

/// What brings a clock, I/O, async or a log. An optional dependency is let through: the control contract of `topology` is a
/// feature that the pure crates do not switch on, and `make check-each` builds them without it.
const IMPURE: [&str; 12] = [
    "async-trait",
    "axum",
    "crossbeam-channel",
    "laminar",
    "libc",
    "redb",
    "rustix",
    "socket2",
    "tokio",
    "tonic",
    "tracing",
    "ureq",
];

fn workspace() -> BTreeMap<String, Package> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("cargo reads the workspace");
    metadata.packages.into_iter().map(|package| (short(&package.name).to_owned(), package)).collect()
}

fn short(name: &str) -> &str {
    name.strip_prefix("darkages-").unwrap_or(name)
}

#[test]
fn every_crate_uses_only_the_crates_that_it_may() {
    let packages = workspace();
    let named: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    let existing: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    assert_eq!(existing, named, "every crate of the workspace has one row in ALLOWED");

    for (name, allowed) in ALLOWED {
        let of_workspace = |dependency: &&Dependency| existing.contains(short(&dependency.name));
        let used = packages[name].dependencies.iter().filter(of_workspace);
        for dependency in used.map(|dependency| short(&dependency.name)) {
            assert!(
                allowed.contains(&dependency) || dependency == name,
                "{name} may use {allowed:?} and not {dependency}: move what it needs into one of those, or into {name} itself"
            );
        }
    }
}

#[test]
fn the_pure_crates_have_no_clock_no_io_and_no_log() {
    let packages = workspace();
    for name in PURE {
        for dependency in packages[name].dependencies.iter().filter(|dependency| !dependency.optional) {
            assert!(
                !IMPURE.contains(&dependency.name.as_str()),
                "{name} is pure and uses {}: let the caller do that and pass what comes of it",
                dependency.name
            );
        }
    }
}
