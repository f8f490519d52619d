//! What cannot work is said in words that name the field, and harms nobody.

use std::time::Duration;

use darkages_client::swarm::Workload;
use darkages_scenarios::until;
use darkages_scenarios::world::World;
use serde_json::{Value, json};

use super::LENGTH_SECONDS;

#[test]
#[ignore = "needs a cluster: make e2e"]
fn a_secret_that_is_missing_is_named_until_it_is_there() {
    let world = World::prepare("secret");
    world.apply(&json!({"storage": {"urlSecretRef": {"name": "elsewhere"}}}));
    let (message, _) = until("the missing secret is named", Duration::from_secs(20), || {
        world.condition("Ready").filter(|(holds, reason, _)| !holds && reason == "StoreSecretMissing")
    });
    assert!(message.2.contains("spec.storage.urlSecretRef.name: there is no secret elsewhere"), "{message:?}");
    let url = world.kubectl.run(&["get", "secret", "darkages-store", "--output", "jsonpath={.data.url}"]);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "elsewhere"}, "data": {"url": url}});
    world.kubectl.apply(&secret.to_string());
    world.until_ready(Duration::from_secs(60));
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn an_image_that_cannot_be_pulled_is_told_and_players_stay_where_they_are() {
    let world = World::prepare("image");
    let bots = world.played(&json!({}), Workload::Spread, 20, LENGTH_SECONDS, false);
    let serving = world.serving();
    world.apply(&json!({"template": {"image": "localhost/darkages/nowhere:1"}}));
    let (told, _) = until("what is wrong is told", Duration::from_secs(30), || {
        world.condition("ScalingLimited").filter(|(holds, reason, _)| *holds && reason == "PodsDoNotRun")
    });
    assert!(told.2.contains("ErrImage") || told.2.contains("ImagePull"), "{told:?}");
    assert_eq!(world.serving(), serving);
    assert!(world.condition("Ready").is_some_and(|(holds, ..)| holds));
    super::nobody_noticed(&bots.leave());
    world.apply(&json!({"template": {"image": "localhost/darkages/zone-server:test"}}));
    until("the way back is taken", Duration::from_secs(60), || {
        world.condition("ScalingLimited").filter(|(holds, ..)| !holds)
    });
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn what_cannot_be_is_refused_by_the_name_of_its_field_and_harms_nobody() {
    let world = World::prepare("refused");
    let bots = world.played(&json!({"replicas": 2}), Workload::Spread, 20, LENGTH_SECONDS, false);
    let before = world.status()["topology"].clone();
    let refused = |arguments: &[&str], manifest: &Value| {
        world.kubectl.try_run(arguments, &manifest.to_string()).expect_err("the API server refuses it")
    };
    let many = refused(&["scale", "zoneserver/meadow", "--replicas=1000000"], &json!(null));
    assert!(many.contains("spec.replicas"), "{many}");
    let moved = json!({"spec": {"bounds": {"minX": 0, "minY": 0, "maxX": 300, "maxY": 400}}}).to_string();
    let moved = refused(&["patch", "zoneserver/meadow", "--type=merge", "--patch", &moved], &json!(null));
    assert!(moved.contains("spec.bounds"), "{moved}");

    // Somebody else's world, with bounds that overlap.
    let spec = json!({"world": "meadow", "bounds": {"minX": 200, "minY": 200, "maxX": 600, "maxY": 600}});
    let object = json!({"apiVersion": "darkages.io/v1alpha1", "kind": "ZoneServer", "metadata": {"name": "second"}, "spec": spec});
    world.kubectl.apply(&object.to_string());
    let (said, _) = until("whose world it is is said", Duration::from_secs(20), || {
        let second = world.kubectl.get(&["zoneserver/second"])?;
        let ready = second["status"]["conditions"].as_array()?.iter().find(|it| it["type"] == "Ready")?.clone();
        (ready["reason"] == "WorldTaken").then_some(ready["message"].as_str()?.to_owned())
    });
    let namespace = world.kubectl.namespace();
    assert!(
        said.starts_with(&format!(
            "spec.world: the world meadow in this store is that of ZoneServer {namespace}/meadow"
        )),
        "{said}"
    );
    assert_eq!(world.status()["topology"], before);
    super::nobody_noticed(&bots.leave());
    let pods = world.kubectl.run(&["get", "pods", "--selector", "darkages.io/zone-server=second", "--output", "name"]);
    assert_eq!(pods, "", "the second has none");
    // It waits for nothing when it goes.
    world.kubectl.run(&["delete", "zoneserver/second", "--timeout=20s"]);
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn a_quota_is_told_and_heals_and_harms_nobody() {
    let world = World::prepare("quota");
    let bots = world.played(&json!({"cooldownSeconds": 1}), Workload::Spread, 20, LENGTH_SECONDS, false);
    let pods = world.kubectl.run(&["get", "pods", "--output", "name"]).lines().count().to_string();
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "pods"}, "spec": {"hard": {"pods": pods}}});
    world.kubectl.apply(&quota.to_string());
    until("the quota is counted", Duration::from_secs(20), || {
        let found = world.kubectl.get(&["resourcequota/pods"])?;
        (found["status"]["used"]["pods"] == pods).then_some(())
    });
    world.kubectl.run(&["scale", "zoneserver/meadow", "--replicas=3"]);
    let (told, _) = until("what is wrong is told", Duration::from_secs(30), || {
        world.condition("ScalingLimited").filter(|(holds, _, message)| *holds && message.contains("exceeded quota"))
    });
    assert!(told.2.contains("pods"), "{told:?}");
    let event = until("there is an event", Duration::from_secs(20), || {
        let events = world.kubectl.get(&["events", "--field-selector", "reason=PodsRefused"])?;
        events["items"].as_array()?.first().cloned()
    });
    assert_eq!(event.0["type"], "Warning");
    assert!(world.condition("Ready").is_some_and(|(holds, ..)| holds));
    world.kubectl.run(&["delete", "resourcequota/pods"]);
    let took = world.until_settled(3, Duration::from_secs(60));
    println!("3 shards {:.1} s after the quota was lifted", took.as_secs_f64());
    super::nobody_noticed(&bots.leave());
}
