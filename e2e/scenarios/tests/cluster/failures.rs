//! What cannot work is said in words that name the field, and harms nobody.

use std::time::Duration;

use darkages_client::swarm::Workload;
use darkages_scenarios::until;
use darkages_scenarios::world::World;
use serde_json::json;

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
    let bots = world.played(&json!({}), Workload::Spread, 20, 25, false);
    let serving = world.serving();
    world.apply(&json!({"template": {"image": "localhost/darkages/nowhere:1"}}));
    let (told, _) = until("what is wrong is told", Duration::from_secs(30), || {
        world.condition("ScalingLimited").filter(|(holds, reason, _)| *holds && reason == "PodsDoNotRun")
    });
    assert!(told.2.contains("ErrImage") || told.2.contains("ImagePull"), "{told:?}");
    assert_eq!(world.serving(), serving);
    assert!(world.condition("Ready").is_some_and(|(holds, ..)| holds));
    super::nobody_noticed(&bots.end(Duration::from_secs(60)));
    world.apply(&json!({"template": {"image": "localhost/darkages/zone-server:test"}}));
    until("the way back is taken", Duration::from_secs(60), || {
        world.condition("ScalingLimited").filter(|(holds, ..)| !holds)
    });
}
