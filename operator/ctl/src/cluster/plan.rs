//! The cut that would be made through a shard of a world on a cluster.

use darkages_plan::config::CutConfig;
use darkages_topology::{Position, Rect};

use super::{ClusterFlags, ShardName, on, split_at};
use crate::exit::BadInput;

/// A crowd on its ground, and by which rules it is cut.
pub struct Crowd {
    /// The shard's ground.
    pub ground: Rect,
    /// Where its players stand.
    pub players: Vec<Position>,
    /// Players at which it is cut.
    pub split_at: u32,
    /// How a cut may be.
    pub config: CutConfig,
}

/// The crowd of a shard, as the acting operator sees it now.
pub fn crowd(name: &ShardName, flags: ClusterFlags) -> anyhow::Result<Crowd> {
    let ShardName { zone_server, shard } = name;
    on(flags, async |cluster| {
        let found = cluster.zone_server(zone_server).await?;
        let picture = cluster.picture(zone_server).await?;
        let players_of = |shard: u32| {
            let zone = picture.zones.iter().find(|zone| zone.shard == Some(shard));
            zone.map(|zone| zone.positions.iter().map(|&[x, y]| Position { x, y }).collect::<Vec<_>>())
        };
        let shards = picture.map.shards();
        let chosen = match shard {
            Some(number) => shards.iter().find(|it| it.id.0 == *number),
            None => shards.iter().max_by_key(|it| players_of(it.id.0).map_or(0, |players| players.len())),
        };
        let names = || shards.iter().map(|it| format!("{zone_server}/{}", it.id.0)).collect::<Vec<_>>().join(", ");
        let chosen =
            chosen.ok_or_else(|| BadInput::new(format!("there is no such shard: the shards are {}", names())))?;
        let players = players_of(chosen.id.0)
            .ok_or_else(|| anyhow::anyhow!("shard {} has no zone that says where its players stand", chosen.id.0))?;
        let split = &found.spec.split;
        let config = CutConfig {
            min_extent_m: i32::try_from(split.min_extent).unwrap_or(i32::MAX),
            min_side_percent: split.min_side_percent,
            max_view_share_percent: split.max_view_share_percent,
            ..CutConfig::default()
        };
        Ok(Crowd { ground: chosen.bounds, players, split_at: split_at(&found.spec), config })
    })
}
