//! Two `ZoneServer`s that want one world: whose it is.
//!
//! A world has one map, and whoever writes it must be the only one. Revisions keep two writers from overwriting each other,
//! but not from each taking the other's shards for its own, so the second one waits until the first is gone.

use darkages_crds::ZoneServer;
use kube::ResourceExt as _;

use super::office::Office;
use super::status::Problem;
use super::store::store_url;

/// Says so when another `ZoneServer` has the world of this one, in the store of this URL.
///
/// # Errors
/// Whose world it is.
pub async fn is_nobodys(office: &Office, owner: &ZoneServer, url: &str) -> Result<(), Problem> {
    for other in office.fleet.zone_servers() {
        if other.uid() == owner.uid() || other.spec.world != owner.spec.world || !goes_first(&other, owner) {
            continue;
        }
        let (namespace, name) = (other.namespace().unwrap_or_default(), other.name_any());
        let theirs = match store_url(&office.api(&other), &other).await {
            Ok(theirs) => theirs,
            // It has a world, and it may be this one.
            Err(problem) if has_map(&other) => {
                let message = format!(
                    "spec.world: whether the world {} is that of ZoneServer {namespace}/{name} is not known: {}",
                    owner.spec.world, problem.message
                );
                return Err(Problem { reason: "WorldTaken", message });
            }
            // It cannot have one.
            Err(_) => continue,
        };
        if theirs == url {
            let message = format!(
                "spec.world: the world {} in this store is that of ZoneServer {namespace}/{name}: give another world, or delete one of the two",
                owner.spec.world
            );
            return Err(Problem { reason: "WorldTaken", message });
        }
    }
    Ok(())
}

/// Whose world it is of two: whoever has a map, then whoever is older.
fn goes_first(other: &ZoneServer, owner: &ZoneServer) -> bool {
    let order = |it: &ZoneServer| (!has_map(it), it.creation_timestamp(), it.namespace(), it.name_any());
    order(other) < order(owner)
}

fn has_map(it: &ZoneServer) -> bool {
    it.status.as_ref().is_some_and(|status| status.topology.is_some())
}

#[cfg(test)]
mod tests {
    use darkages_crds::ZoneServerStatus;
    use darkages_crds::zone_server::ShardMap;
    use darkages_topology::{Rect, Topology};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn zone_server(name: &str, created: &str, has_map: bool) -> ZoneServer {
        let spec = serde_json::json!({"world": "w", "bounds": {"minX": 0, "minY": 0, "maxX": 400, "maxY": 400}});
        let mut it = ZoneServer::new(name, serde_json::from_value(spec).expect("it is one"));
        it.metadata.creation_timestamp = Some(Time(created.parse().expect("a moment")));
        let bounds = Rect::try_from(it.spec.bounds).expect("a rectangle");
        let map = Topology::grid(bounds, 1).expect("a map");
        let topology = has_map.then(|| ShardMap::from(&map));
        it.status = Some(ZoneServerStatus { topology, ..ZoneServerStatus::default() });
        it
    }

    #[test]
    fn of_two_that_want_one_world_it_is_whose_it_was() {
        let old = zone_server("old", "2026-01-01T00:00:00Z", false);
        let new = zone_server("new", "2026-01-02T00:00:00Z", false);
        let played = zone_server("played", "2026-01-03T00:00:00Z", true);
        assert!(goes_first(&old, &new) && !goes_first(&new, &old));
        assert!(goes_first(&played, &old) && !goes_first(&old, &played));
        let twin = zone_server("twin", "2026-01-01T00:00:00Z", false);
        assert!(goes_first(&old, &twin) && !goes_first(&twin, &old), "one of them, and always the same");
    }
}
