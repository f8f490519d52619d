//! Manifests, good and bad, in `tests/manifests/`, and what a user reads of them.
//!
//! A file may have several documents, one applied after the other. Of a bad one the last is refused, with the words in the
//! text file beside it; `BLESS=1` writes these anew.

use std::collections::BTreeSet;
use std::fs;

use darkages_crds::zone_server::{Merge, NetworkType, PodTemplate, Slide, Split, Storage};

use crate::world::{World, folder};

/// The manifests of a kind, by name.
fn manifests(kind: &str) -> Vec<(String, String)> {
    let files = fs::read_dir(folder("tests/manifests").join(kind)).expect("the folder exists");
    let names = files.map(|file| file.expect("it can be listed").file_name().into_string().expect("it is text"));
    let mut names: Vec<_> = names.filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned)).collect();
    names.sort();
    let read = |name: &String| {
        fs::read_to_string(folder("tests/manifests").join(kind).join(format!("{name}.yaml"))).expect("it can be read")
    };
    names.into_iter().map(|name| (name.clone(), read(&name))).collect()
}

#[test]
#[ignore = "needs an API server: make api"]
fn good_manifests_are_taken_and_read() {
    let good = manifests("good");
    assert!(good.len() >= 3, "there are some");
    for (name, manifest) in good {
        let world = World::new();
        for document in manifest.split("\n---\n") {
            let said = world.apply(document);
            assert!(said.ok && said.err.is_empty(), "{name}: {}", said.err);
        }
        world.get("midgard");
    }
}

#[test]
#[ignore = "needs an API server: make api"]
fn bad_manifests_are_refused_with_words_that_help() {
    let bad = manifests("bad");
    let words = folder("tests/manifests/bad");
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    let empty = World::new();
    for (name, manifest) in &bad {
        let mut before: Vec<_> = manifest.split("\n---\n").collect();
        let last = before.pop().expect("a text has a part");
        // What is refused leaves nothing, so that only those need a namespace of their own which begin with something good.
        let own = (!before.is_empty()).then(World::new);
        let world = own.as_ref().unwrap_or(&empty);
        for document in before {
            let said = world.apply(document);
            assert!(said.ok, "{name}: all but the last document are good: {}", said.err);
        }
        let said = world.apply(last);
        assert!(!said.ok, "{name} was taken");
        let read = said.err.replace(world.namespace(), "default");
        let file = words.join(format!("{name}.txt"));
        if bless {
            fs::write(&file, &read).expect("written");
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        if read != expected {
            wrong.push(format!("{name}: a user reads\n{read}and not\n{expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let named: BTreeSet<_> = bad.iter().map(|(name, _)| format!("{name}.txt")).collect();
    let files = fs::read_dir(words).expect("it exists").map(|file| file.expect("it can be listed").file_name());
    let texts: BTreeSet<_> =
        files.map(|file| file.into_string().expect("it is text")).filter(|file| file.ends_with(".txt")).collect();
    assert_eq!(texts, named, "each text has its manifest");
}

#[test]
#[ignore = "needs an API server: make api"]
fn a_world_needs_a_name_and_bounds_and_has_defaults_for_the_rest() {
    let world = World::new();
    world.make("midgard", serde_json::json!({}));
    let spec = world.get("midgard").spec;
    assert_eq!((spec.replicas, spec.standby, spec.cooldown_seconds, spec.paused), (1, 1, 30, false));
    assert_eq!((spec.split, spec.merge, spec.slide), (Split::default(), Merge::default(), Slide::default()));
    assert_eq!((spec.storage, spec.template), (Storage::default(), PodTemplate::default()));
    assert_eq!((spec.network.type_, spec.network.port_range), (NetworkType::PodIp, None));
    assert_eq!((spec.zone_capacity, spec.max_players), (None, None));

    // The API server fills in the same as our types do, down to each field of what is given in part.
    world.make("partly", serde_json::json!({"split": {"maxPlayers": 600}, "network": {}}));
    let spec = world.get("partly").spec;
    assert_eq!(spec.split, Split { max_players: 600, ..Split::default() });
    let json = world.must(&["get", "zs", "partly", "--output", "json"], "");
    let kept: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(kept["spec"]["split"]["sustainedSeconds"], 2);
    assert_eq!(kept["spec"]["network"]["type"], "PodIP");
    assert_eq!(kept["spec"]["storage"]["urlSecretRef"]["name"], "darkages-store");
}

#[test]
#[ignore = "needs an API server: make api"]
fn kubectl_explains_the_fields() {
    let world = World::new();
    let text = world.must(&["explain", "zoneserver.spec.split.minExtent"], "");
    assert!(text.contains("Least extent of a zone in metres."), "{text}");
}
