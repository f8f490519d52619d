//! `darkages backup` as people and scripts use it: what it refuses, what it keeps, how it ends, and what a kill leaves.

mod bucket;
mod kills;
mod scene;
mod shared;

use std::fs;

use scene::{Scene, complaint, json, run, succeed, text};

#[test]
fn a_world_goes_and_comes_back() {
    let scene = Scene::new(3_000);
    let (world, vault, copy) = (scene.at("world"), scene.at("vault"), scene.at("copy"));
    let full = json(&["create", "--data", &world, "--to", &vault]);
    assert_eq!((&full["kind"], &full["players"], &full["records"]), (&"full".into(), &3_000.into(), &3_000.into()));
    scene.fill("world", 3_001..=3_010);
    let flags = ["create", "--data", &world, "--to", &vault, "--incremental", "--compression", "zstd", "--level", "19"];
    let second = json(&flags);
    assert_eq!((&second["players"], &second["records"], &second["parent"]), (&3_010.into(), &10.into(), &full["id"]));
    let list = json(&["list", "--from", &vault]);
    assert_eq!(list.as_array().map(Vec::len), Some(2));
    assert_eq!((&list[1]["id"], &list[1]["state"]), (&second["id"], &"whole".into()));
    assert!(succeed(&["list", "--from", &vault]).contains("incremental"));
    let verified = json(&["verify", "--from", &vault]);
    assert_eq!((&verified["backups"], &verified["broken"]), (&2.into(), &serde_json::json!([])));
    let restored = json(&["restore", "--from", &vault, "--into", &copy]);
    assert_eq!((&restored["id"], &restored["players"]), (&second["id"], &3_010.into()));
    let said = succeed(&["verify", "--from", &vault, "--against", &copy]);
    assert!(said.contains("equal: 3010 players"), "{said}");
    assert_eq!(scene.players("copy"), 3_010);
    let first = full["id"].as_str().expect("a name");
    let older = json(&["restore", "--from", &vault, "--into", &scene.at("older"), "--id", first]);
    assert_eq!(older["players"], 3_000);
    let said = complaint(&["verify", "--from", &vault, "--against", &scene.at("older")], 1);
    assert!(said.contains("is not what the backup says"), "{said}");
    let finished = "2000-01-01T00:00:00Z";
    let said = complaint(&["restore", "--from", &vault, "--into", &scene.at("x"), "--until", finished], 2);
    assert!(said.contains("--until"), "{said}");
    let until = json(&["restore", "--from", &vault, "--into", &scene.at("y"), "--until", "2999-01-01T00:00:00Z"]);
    assert_eq!(until["id"], second["id"]);
}

#[test]
fn bad_input_is_one_line_that_names_the_flag() {
    let scene = Scene::new(3);
    let (world, vault, nowhere) = (scene.at("world"), scene.at("vault"), scene.at("nowhere"));
    let file = scene.at("file");
    fs::write(&file, "dear diary").expect("written");
    let create = ["create", "--data", &world, "--to", &vault];
    let more = |flags: &[&'static str]| complaint(&[&create[..], flags].concat(), 2);
    assert!(more(&["--compression", "rar"]).contains("--compression rar is unknown: give gzip, zstd or none"));
    assert!(more(&["--level", "10"]).contains("--level is 10: give 1 to 9 for gzip"));
    assert!(more(&["--compression", "none", "--level", "1"]).contains("--level has no meaning"));
    assert!(more(&["--keep", "0"]).contains("--keep is 0"));
    assert!(more(&["--incremental"]).contains("make a full one first"));
    assert!(complaint(&["create", "--data", &nowhere, "--to", &vault], 2).contains("--data"));
    assert!(!scene.path("nowhere").exists(), "looking makes nothing");
    assert!(complaint(&["create", "--data", &world, "--to", &file], 2).contains("--to"));
    assert!(complaint(&["create", "--data", &world, "--to", "gs://bucket"], 2).contains("gs:// is unknown"));
    assert!(complaint(&["create", "--data", &world, "--to", "s3://"], 2).contains("give s3://bucket/prefix"));
    assert!(complaint(&["list", "--from", &nowhere], 2).contains("--from"));
    assert!(complaint(&["verify", "--from", &world], 2).contains("has no backups"));
    assert!(complaint(&["verify", "--from", &world, "--id", "../x"], 2).contains("--id ../x"));
    assert!(complaint(&["restore", "--from", &world, "--into", &nowhere], 2).contains("has no whole backup"));
    let unknown = "20261124T205400.250Z-5f3a9c01";
    assert!(complaint(&["verify", "--from", &world, "--id", unknown], 2).contains("has no such backup"));
    let restore = ["restore", "--from", &world, "--into", &nowhere, "--id", unknown];
    assert!(complaint(&restore, 2).contains("has no such backup"));
    let until = ["restore", "--from", &world, "--into", &nowhere, "--until", "yesterday"];
    assert!(complaint(&until, 2).contains("--until yesterday"));
    let schedule = ["schedule", "--data", &world, "--to", &vault];
    assert!(complaint(&[&schedule[..], &["--every", "soon"]].concat(), 2).contains("--every soon"));
    assert!(complaint(&[&schedule[..], &["--every", "1s"]].concat(), 2).contains("give 1m or more"));
    assert!(complaint(&[&schedule[..], &["--full-every", "17"]].concat(), 2).contains("--full-every is 17"));
    assert!(complaint(&["schedule", "--data", &nowhere, "--to", &vault], 2).contains("has no world"));
}

#[test]
fn a_world_that_is_open_is_named() {
    let scene = Scene::new(3);
    let (world, vault) = (scene.at("world"), scene.at("vault"));
    let open = scene.open("world");
    let said = complaint(&["create", "--data", &world, "--to", &vault], 2);
    assert!(said.contains("in use by another process"), "{said}");
    drop(open);
    succeed(&["create", "--data", &world, "--to", &vault]);
    let open = scene.open("world");
    let said = complaint(&["restore", "--from", &vault, "--into", &world, "--overwrite"], 2);
    assert!(said.contains("in use by another process"), "{said}");
    drop(open);
}

#[test]
fn nothing_is_overwritten_unless_it_is_said() {
    let scene = Scene::new(5);
    let (world, vault, other) = (scene.at("world"), scene.at("vault"), scene.at("other"));
    succeed(&["create", "--data", &world, "--to", &vault]);
    scene.fill("other", 1..=9);
    let said = complaint(&["restore", "--from", &vault, "--into", &other], 2);
    assert!(said.contains("say --overwrite"), "{said}");
    assert_eq!(scene.players("other"), 9);
    succeed(&["restore", "--from", &vault, "--into", &other, "--overwrite"]);
    assert_eq!(scene.players("other"), 5);
}

#[test]
fn a_broken_backup_is_named_and_not_restored() {
    let scene = Scene::new(200);
    let (world, vault) = (scene.at("world"), scene.at("vault"));
    let id = json(&["create", "--data", &world, "--to", &vault])["id"].as_str().expect("a name").to_owned();
    let file = scene.path("vault").join(&id).join("owners-00000.gz");
    let mut bytes = fs::read(&file).expect("read");
    bytes[100] ^= 1;
    fs::write(&file, bytes).expect("written");
    let output = run(&["verify", "--from", &vault]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(output.stdout).contains(&format!("BROKEN  {id}/owners-00000.gz")));
    let said = complaint(&["restore", "--from", &vault, "--into", &world, "--overwrite"], 1);
    assert!(said.contains("owners-00000.gz") && said.contains("nothing was restored"), "{said}");
    assert_eq!(scene.players("world"), 200, "what was there stays");
    assert!(!scene.path("world").join("world.redb.restoring").exists());
    fs::write(scene.path("vault").join(&id).join("manifest.json"), "{}").expect("written");
    let output = run(&["verify", "--from", &vault]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(output.stdout).contains(&format!("BROKEN  {id}/manifest.json")));
    assert!(json(&["list", "--from", &vault])[0]["state"] == "broken");
    let said = complaint(&["restore", "--from", &vault, "--into", &scene.at("copy")], 1);
    assert!(said.contains("the newest backup") && said.contains("manifest.json"), "{said}");
}

#[test]
fn old_backups_go_and_kept_ones_keep_their_parents() {
    let scene = Scene::new(5);
    let (world, vault) = (scene.at("world"), scene.at("vault"));
    let create = ["create", "--data", &world, "--to", &vault, "--keep", "2"];
    let first = json(&create);
    json(&[&create[..], &["--incremental"]].concat());
    json(&[&create[..], &["--incremental"]].concat());
    assert_eq!(scene.folders("vault").len(), 3, "the full one is needed still");
    json(&create);
    let last = json(&create);
    assert_eq!(last["removed"].as_array().map(Vec::len), Some(3), "{last}");
    assert_eq!(last["removed"][2], first["id"], "the parent goes last");
    assert_eq!(scene.folders("vault").len(), 2);
}
