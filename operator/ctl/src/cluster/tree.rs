//! `darkages tree`: worlds, their shards, and the pods that serve them.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Context as _;
use darkages_crds::ZoneServer;
use darkages_crds::picture::{WorldPicture, ZonePicture};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::{Cluster, ClusterFlags, node_of, on};

/// Show worlds on a cluster: their shards, the pods that serve them, and the nodes of these
#[derive(clap::Args)]
pub struct Args {
    /// The ZoneServer; all of the namespace when left out
    #[arg(value_name = "ZONESERVER")]
    name: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    cluster: ClusterFlags,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { name, json, cluster } = args;
    let text = on(cluster, async |cluster| {
        let mut worlds = Vec::new();
        for zone_server in cluster.named_or_all(name.as_deref()).await? {
            worlds.push(World::of(&cluster, zone_server).await?);
        }
        if json {
            let all: Vec<Value> = worlds.iter().map(World::json).collect();
            return Ok(serde_json::to_string_pretty(&all)? + "\n");
        }
        Ok(worlds.iter().map(World::page).collect())
    })?;
    std::io::stdout().write_all(text.as_bytes()).context("writing the tree")
}

/// A world and its pods.
struct World {
    zone_server: ZoneServer,
    pods: Vec<Pod>,
    /// Absent when no operator can be asked; the tree is shown all the same.
    picture: Option<WorldPicture>,
}

impl World {
    async fn of(cluster: &Cluster, zone_server: ZoneServer) -> anyhow::Result<Self> {
        let name = zone_server.name_any();
        let pods = cluster.pods(&name).await?;
        let picture = cluster.picture(&name).await.ok();
        Ok(Self { zone_server, pods, picture })
    }

    fn zone(&self, pod: &str) -> Option<&ZonePicture> {
        self.picture.as_ref()?.zones.iter().find(|zone| zone.zone == pod)
    }

    /// Shards and the pods that serve them, by the map of the status: number, pod, ground, whether it retires.
    fn shards(&self) -> Vec<(u32, String, String, bool)> {
        let Some(map) = self.zone_server.status.as_ref().and_then(|status| status.topology.as_ref()) else {
            return Vec::new();
        };
        let Ok(map) = darkages_topology::Topology::try_from(map) else { return Vec::new() };
        let pod = |zone: Option<&darkages_topology::ZoneEndpoint>| {
            zone.map_or_else(|| "(no zone)".to_owned(), |zone| zone.zone.0.clone())
        };
        let serving =
            map.shards().iter().map(|shard| (shard.id.0, pod(shard.zone.as_ref()), shard.bounds.to_string(), false));
        let retiring =
            map.retiring().iter().map(|shard| (shard.id.0, pod(Some(&shard.zone)), "hands over".to_owned(), true));
        serving.chain(retiring).collect()
    }

    fn page(&self) -> String {
        let status = self.zone_server.status.clone().unwrap_or_default();
        let players = status.players.map_or_else(|| "?".to_owned(), |players| players.to_string());
        let ready = format!("{}/{}", status.ready_replicas, status.replicas);
        let mut page = String::new();
        let name = self.zone_server.name_any();
        let _ = writeln!(page, "ZoneServer {name}: {players} players, {ready} shards served");
        let shards = self.shards();
        let mut lines: Vec<String> = Vec::new();
        for (shard, pod, ground, _) in &shards {
            lines.push(format!("shard {shard:<5} {:<22} {ground}", self.of_pod(pod)));
        }
        let idle = self.pods.iter().filter(|pod| !shards.iter().any(|(_, serves, ..)| *serves == pod.name_any()));
        lines.extend(idle.map(|pod| format!("standby     {}", self.of_pod(&pod.name_any()))));
        let last = lines.len().saturating_sub(1);
        for (at, line) in lines.iter().enumerate() {
            let _ = writeln!(page, "{} {}", if at == last { "└─" } else { "├─" }, line.trim_end());
        }
        page
    }

    fn of_pod(&self, name: &str) -> String {
        let pod = self.pods.iter().find(|pod| pod.name_any() == name);
        let node = pod.map_or("-", |pod| node_of(pod));
        match self.zone(name) {
            Some(zone) => {
                let goes = if zone.draining { ", has to go" } else { "" };
                format!("{name} on {node} ({}, {} players{goes})", zone.state.label(), zone.positions.len())
            }
            None => format!("{name} on {node}"),
        }
    }

    fn json(&self) -> Value {
        let status = self.zone_server.status.clone().unwrap_or_default();
        let of_pod = |name: &str| {
            let pod = self.pods.iter().find(|pod| pod.name_any() == name);
            let zone = self.zone(name);
            json!({
                "pod": name,
                "node": pod.map(node_of),
                "state": zone.map(|zone| zone.state.label()),
                "players": zone.map(|zone| zone.positions.len()),
                "draining": zone.map(|zone| zone.draining),
            })
        };
        let shards = self.shards();
        let served: Vec<Value> = shards
            .iter()
            .map(|(shard, pod, ground, retires)| {
                json!({"shard": shard, "ground": ground, "retires": retires, "zone": of_pod(pod)})
            })
            .collect();
        let idle = self.pods.iter().filter(|pod| !shards.iter().any(|(_, serves, ..)| *serves == pod.name_any()));
        let standby: Vec<Value> = idle.map(|pod| of_pod(&pod.name_any())).collect();
        json!({
            "name": self.zone_server.name_any(),
            "players": status.players,
            "shards": served,
            "standby": standby,
        })
    }
}
