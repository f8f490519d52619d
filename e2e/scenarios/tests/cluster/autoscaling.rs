//! A stock HorizontalPodAutoscaler scales a world by its players.

use std::time::Duration;

use darkages_client::swarm::Workload;
use darkages_scenarios::until;
use darkages_scenarios::world::World;
use serde_json::{Value, json};

use super::LENGTH_SECONDS;

/// Players that one zone is for, in these tests.
const CCU_PER_ZONE: u32 = 25;

/// From the crossing of a target until there are more shards: three looks of an autoscaler that looks every 15 s.
const SCALES_WITHIN: Duration = Duration::from_secs(45);

fn autoscaler() -> Value {
    let object = json!({"apiVersion": "darkages.io/v1alpha1", "kind": "ZoneServer", "name": "meadow"});
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "meadow"},
        "spec": {
            "scaleTargetRef": object,
            "minReplicas": 1,
            "maxReplicas": 4,
            "metrics": [{"type": "Object", "object": {
                "describedObject": object,
                "metric": {"name": "ccu"},
                "target": {"type": "AverageValue", "averageValue": CCU_PER_ZONE.to_string()},
            }}],
            "behavior": {"scaleDown": {
                "stabilizationWindowSeconds": 15,
                "policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}],
            }},
        },
    })
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn an_autoscaler_adds_zones_when_players_come_and_takes_them_away_one_by_one() {
    let world = World::prepare("autoscaling");
    world.apply(&json!({"merge": {"maxPlayers": 20, "sustainedSeconds": 1}, "cooldownSeconds": 1}));
    world.until_ready(Duration::from_secs(60));
    world.kubectl.apply(&autoscaler().to_string());
    // It looks before anybody is there, so that what is measured is a crossing and not its first look.
    until("the autoscaler takes the metric", Duration::from_secs(90), || {
        let found = world.kubectl.get(&["hpa/meadow"])?;
        let conditions = found["status"]["conditions"].as_array()?.clone();
        let active = conditions.iter().any(|it| it["type"] == "ScalingActive" && it["status"] == "True");
        active.then_some(())
    });
    let bots = world.swarm(Workload::Spread, 60, LENGTH_SECONDS, false);
    let (most, took) = until("there are zones for all", SCALES_WITHIN, || {
        let wanted = world.zone_server()?["spec"]["replicas"].as_u64()?;
        (wanted >= 3 && world.status()["readyReplicas"].as_u64()? >= 3).then_some(wanted)
    });
    println!("{most} shards {:.1} s after 60 players had come, one for {CCU_PER_ZONE}", took.as_secs_f64());
    super::nobody_noticed(&bots.leave());
    let mut seen = vec![most];
    let (_, took) = until("one zone is enough for nobody", Duration::from_secs(180), || {
        let now = world.status()["replicas"].as_u64()?;
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        (now == 1).then_some(())
    });
    println!("shards after everybody had left: {seen:?}, within {:.1} s", took.as_secs_f64());
    assert!(seen.windows(2).all(|pair| pair[1] + 1 == pair[0]), "one at a time: {seen:?}");
}
