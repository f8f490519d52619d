//! Processes that are killed or stopped in the middle.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;

use super::scene::{Running, Scene, json, succeed};

#[test]
fn a_backup_that_was_killed_is_none_and_the_next_one_works() {
    let scene = Scene::new(30_000);
    let (world, vault) = (scene.at("world"), scene.at("vault"));
    json(&["create", "--data", &world, "--to", &vault, "--compression", "none"]);
    let good = scene.folders("vault");
    for file in ["owners-00000.zst", "owners-00001.zst"] {
        let flags = ["create", "--data", &world, "--to", &vault, "--compression", "zstd", "--level", "19"];
        let mut running = Running::start(&flags);
        let before = scene.folders("vault");
        running.until("a file was written", || {
            scene.folders("vault").iter().any(|path| !before.contains(path) && path.join(file).exists())
        });
        running.kill();
    }
    let list = json(&["list", "--from", &vault]);
    let whole = list.as_array().expect("a list").iter().filter(|row| row["state"] == "whole").count();
    assert_eq!(whole, 1, "{list}");
    let verified = json(&["verify", "--from", &vault]);
    assert_eq!(verified["unfinished"].as_array().map(Vec::len), Some(2), "{verified}");
    json(&["create", "--data", &world, "--to", &vault]);
    succeed(&["restore", "--from", &vault, "--into", &scene.at("copy")]);
    assert_eq!(scene.players("copy"), 30_000);
    assert!(good[0].exists(), "the last good one is still there");
}

#[test]
fn a_restore_that_was_killed_leaves_the_world_that_was_there() {
    let scene = Scene::new(20_000);
    let (world, vault, other) = (scene.at("world"), scene.at("vault"), scene.at("other"));
    scene.fill("other", 1..=7);
    json(&["create", "--data", &world, "--to", &vault, "--compression", "none"]);
    let draft = scene.path("other").join("world.redb.restoring");
    for bytes in [1, 8 << 20] {
        let mut running = Running::start(&["restore", "--from", &vault, "--into", &other, "--overwrite"]);
        running.until("some of it is there", || fs::metadata(&draft).is_ok_and(|file| file.len() >= bytes));
        running.kill();
        assert_eq!(scene.players("other"), 7, "what was there stays");
    }
    succeed(&["restore", "--from", &vault, "--into", &other, "--overwrite"]);
    assert_eq!(scene.players("other"), 20_000);
    assert!(!draft.exists());
}

#[test]
fn a_schedule_makes_a_backup_at_once_and_ends_when_it_is_told() {
    let scene = Scene::new(10);
    let (world, vault) = (scene.at("world"), scene.at("vault"));
    let mut running = Running::start(&["schedule", "--data", &world, "--to", &vault, "--json"]);
    let out = running.0.stdout.take().expect("piped");
    let mut lines = BufReader::new(out).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "}"), "the first run is told");
    assert_eq!(running.terminate(), (Some(0), String::new()));
    let verified = json(&["verify", "--from", &vault]);
    assert_eq!((&verified["backups"], &verified["unfinished"]), (&1.into(), &serde_json::json!([])));
    assert_eq!(scene.players("world"), 10, "the world is open to others between two runs");
}

#[test]
fn a_backup_that_is_stopped_cleans_up() {
    let scene = Scene::new(30_000);
    let (world, vault) = (scene.at("world"), scene.at("vault"));
    let flags = ["create", "--data", &world, "--to", &vault, "--compression", "zstd", "--level", "19"];
    let mut running = Running::start(&flags);
    running.until("it has begun", || !scene.folders("vault").is_empty());
    let (code, said) = running.terminate();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("stopped before it was done"), "{said}");
    assert_eq!(scene.folders("vault"), Vec::<PathBuf>::new());
}
