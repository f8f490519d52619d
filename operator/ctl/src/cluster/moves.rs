//! `darkages move`: a shard goes to another pod, players on board.

use std::time::Duration;

use darkages_topology::Topology;
use tokio::time::Instant;

use super::{Cluster, ClusterFlags, ShardName, on, until};
use crate::exit::BadInput;

/// Move a shard of a world on a cluster to another pod, players on board
///
/// The pod that serves it is evicted: it hands its players over to a zone that stands by, and ends.
#[derive(clap::Args)]
pub struct Args {
    /// The shard, like meadow/1
    #[arg(value_name = "ZONESERVER/SHARD")]
    shard: ShardName,

    /// Seconds until everybody has to be on the other pod
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,

    #[command(flatten)]
    cluster: ClusterFlags,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { shard: ShardName { zone_server, shard }, timeout, cluster } = args;
    let Some(shard) = shard else {
        return Err(BadInput::new(format!("{zone_server} names no shard: give one like {zone_server}/1")).into());
    };
    let deadline = Instant::now() + Duration::from_secs(timeout);
    on(cluster, async |cluster| {
        let map = map(&cluster, &zone_server).await?;
        let pod = map.shards().iter().find(|it| it.id.0 == shard).and_then(|it| it.zone.as_ref());
        let pod = pod.map(|zone| zone.zone.0.clone()).ok_or_else(|| {
            BadInput::new(format!("{zone_server} has no shard {shard} with a zone: see darkages tree {zone_server}"))
        })?;
        cluster.evict(&pod, deadline).await?;
        println!("pod {pod} hands its players over");
        serves_nothing(&cluster, &zone_server, std::slice::from_ref(&pod), deadline).await?;
        println!("everybody of shard {shard} is on another pod");
        Ok(())
    })
}

/// Waits until none of these pods has a shard or hands one over.
pub async fn serves_nothing(
    cluster: &Cluster,
    zone_server: &str,
    pods: &[String],
    deadline: Instant,
) -> anyhow::Result<()> {
    until(&format!("handing over the players of {}", pods.join(", ")), deadline, async || {
        // Whose world is gone serves nobody.
        let Ok(map) = map(cluster, zone_server).await else { return Ok(Some(())) };
        let serving = map.shards().iter().filter_map(|shard| shard.zone.as_ref());
        let mut zones = serving.chain(map.retiring().iter().map(|shard| &shard.zone));
        Ok((!zones.any(|zone| pods.contains(&zone.zone.0))).then_some(()))
    })
    .await
}

async fn map(cluster: &Cluster, zone_server: &str) -> anyhow::Result<Topology> {
    let found = cluster.zone_server(zone_server).await?;
    let told = found.status.as_ref().and_then(|status| status.topology.as_ref());
    let told = told.ok_or_else(|| BadInput::new(format!("{zone_server} has no shard map yet")))?;
    Ok(Topology::try_from(told)?)
}
