//! `darkages map`: a world in the terminal.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Context as _;
use darkages_crds::picture::WorldPicture;
use darkages_topology::Position;

use super::{ClusterFlags, on};
use crate::plan::picture;

/// Draw a world on a cluster: its shards, and where the players stand
#[derive(clap::Args)]
pub struct Args {
    /// The ZoneServer
    #[arg(value_name = "ZONESERVER")]
    name: String,

    #[command(flatten)]
    cluster: ClusterFlags,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { name, cluster } = args;
    let text = on(cluster, async |cluster| {
        cluster.zone_server(&name).await?;
        Ok(page(&cluster.picture(&name).await?))
    })?;
    std::io::stdout().write_all(text.as_bytes()).context("writing the map")
}

fn page(world: &WorldPicture) -> String {
    let places =
        |positions: &[[i32; 2]]| -> Vec<Position> { positions.iter().map(|&[x, y]| Position { x, y }).collect() };
    let players: Vec<Position> = world.zones.iter().flat_map(|zone| places(&zone.positions)).collect();
    let grounds: Vec<_> = world.map.shards().iter().map(|shard| shard.bounds).collect();
    let mut page = String::new();
    let _ = writeln!(page, "{} players of {} on {}", players.len(), world.capacity, world.map.bounds());
    page += &picture::draw_grounds(world.map.bounds(), &players, &grounds);
    for shard in world.map.shards() {
        let zone = world.zones.iter().find(|zone| zone.shard == Some(shard.id.0));
        let who = match zone {
            Some(zone) => format!("{:>5} players  {:<10} {}", zone.positions.len(), zone.state.label(), zone.zone),
            None => "    ? players  no zone".to_owned(),
        };
        let _ = writeln!(page, "shard {:<4} {who}  {}", shard.id.0, shard.bounds);
    }
    page
}

#[cfg(test)]
mod tests {
    use darkages_crds::picture::{ZoneLife, ZonePicture};
    use darkages_topology::{Rect, Topology};

    use super::*;

    #[test]
    fn shards_and_crowds_are_drawn() {
        let bounds = Rect::from_metres(0.0, 0.0, 400.0, 400.0).expect("a rectangle");
        let map = Topology::grid(bounds, 2).expect("a map");
        let zone = ZonePicture {
            zone: "meadow-bcdfg".into(),
            shard: Some(1),
            state: ZoneLife::Serving,
            draining: false,
            tick_work_p95_us: 900,
            tick_p99_us: 1_200,
            ghosts: 0,
            open_handoffs: 0,
            silent_for_ms: 0,
            positions: vec![[64 * 50, 64 * 50]; 3],
            handles: vec![1, 2, 3],
        };
        insta::assert_snapshot!(page(&WorldPicture {
            unix_ms: 0,
            map,
            capacity: 1_200,
            zones: vec![zone],
            events: vec![]
        }));
    }
}
