//! The world as the directory knows it: one immutable picture, replaced as a whole a few times a second.
//!
//! Whoever observes the zones (the local world, later the operator) publishes pictures through a watch channel; the join
//! call picks a zone from the newest one and the map page draws it. A picture is never changed after it was published.

use std::sync::Arc;

use darkages_topology::map::ZoneEndpoint;
use darkages_topology::{Position, Rect, Revision, ShardId};
use tokio::sync::watch;

use crate::timeline::Timeline;

/// The newest picture of the world, shared by everybody who looks.
pub type WorldWatch = watch::Receiver<Arc<WorldView>>;

/// One picture of the world.
#[derive(Clone, Debug)]
pub struct WorldView {
    /// When it was taken, in milliseconds since 1970.
    pub unix_ms: u64,
    /// Revision of the shard map that it shows.
    pub revision: Revision,
    /// Bounds of the world.
    pub bounds: Rect,
    /// Players that the world admits at most.
    pub capacity: u32,
    /// Zones that wait for a shard.
    pub standby: u32,
    /// The zones that serve a shard, in the order of the map; those that still hand players over come last.
    pub zones: Vec<ZoneView>,
    /// Where the players stand.
    pub dots: Vec<Dot>,
    /// What happened lately, and the course of the figures.
    pub timeline: Timeline,
}

impl WorldView {
    /// A world of which nothing is known yet: no zone is ready.
    #[must_use]
    pub fn unknown(bounds: Rect) -> Self {
        Self {
            unix_ms: 0,
            revision: Revision(0),
            bounds,
            capacity: 0,
            standby: 0,
            zones: Vec::new(),
            dots: Vec::new(),
            timeline: Timeline::default(),
        }
    }

    /// This picture with what another one has to show: where players stand, how long ticks take, what happened. Whom players
    /// are sent to stays as it is here, because it is known from somebody who has to prove who they are.
    #[must_use]
    pub fn with(&self, shown: Self) -> Self {
        let at = |shard: ShardId| self.zones.iter().position(|zone| zone.shard == shard);
        let index = |zone: u16| at(shown.zones.get(usize::from(zone))?.shard).and_then(|at| u16::try_from(at).ok());
        let dots = shown.dots.iter().filter_map(|dot| Some(Dot { zone: index(dot.zone)?, ..*dot })).collect();
        let mut zones = self.zones.clone();
        for zone in &mut zones {
            if let Some(seen) = shown.zones.iter().find(|seen| seen.shard == zone.shard) {
                (zone.players, zone.tick_p99_us) = (seen.players, seen.tick_p99_us);
            }
        }
        Self {
            unix_ms: shown.unix_ms,
            revision: self.revision,
            bounds: self.bounds,
            capacity: self.capacity,
            standby: shown.standby,
            zones,
            dots,
            timeline: shown.timeline,
        }
    }

    /// Players in all zones (CCU).
    #[must_use]
    pub fn players(&self) -> u32 {
        self.zones.iter().map(|zone| zone.players).sum()
    }

    /// The worst 99th percentile of a tick among the zones, in microseconds.
    #[must_use]
    pub fn tick_p99_us(&self) -> u32 {
        self.zones.iter().map(|zone| zone.tick_p99_us).max().unwrap_or(0)
    }
}

/// One zone and its shard.
#[derive(Clone, Debug)]
pub struct ZoneView {
    /// The shard that it serves.
    pub shard: ShardId,
    /// The zone process and where clients reach it, `None` while the shard waits for one.
    pub zone: Option<ZoneEndpoint>,
    /// The ground that it owns, `None` when it only hands over who is left.
    pub bounds: Option<Rect>,
    /// Whether players may be sent to it.
    pub state: ZoneState,
    /// Players that it owns.
    pub players: u32,
    /// 99th percentile of its tick, in microseconds.
    pub tick_p99_us: u32,
}

/// What a zone is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneState {
    /// It does not hold the lease of its shard yet.
    Starting,
    /// It serves its shard.
    Serving,
    /// It owns no ground any more and hands its players over.
    Draining,
    /// Nothing was heard of it lately.
    Silent,
}

impl ZoneState {
    /// Static label, the same on the page, in metrics and in logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::Silent => "silent",
        }
    }
}

/// A player on the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dot {
    /// Stays with the player from picture to picture, so that the page can move the dot instead of drawing a new one.
    /// Two players that share a handle cost a wrong stroke on the page, nothing else.
    pub handle: u32,
    /// Where the player stands.
    pub position: Position,
    /// Index of its zone in [`WorldView::zones`].
    pub zone: u16,
}

#[cfg(test)]
mod tests {
    use darkages_topology::ZoneId;

    use super::*;

    fn view(shards: &[(u32, &str, u32)]) -> WorldView {
        let bounds = Rect::from_metres(0.0, 0.0, 400.0, 400.0).expect("a rectangle");
        let zone = |&(shard, name, players): &(u32, &str, u32)| ZoneView {
            shard: ShardId(shard),
            zone: Some(ZoneEndpoint {
                zone: ZoneId(name.to_owned()),
                address: ([127, 0, 0, 1], 7_777).into(),
                public_key: [0; 32],
            }),
            bounds: Some(bounds),
            state: ZoneState::Serving,
            players,
            tick_p99_us: 0,
        };
        WorldView { zones: shards.iter().map(zone).collect(), capacity: 600, ..WorldView::unknown(bounds) }
    }

    #[test]
    fn whom_players_are_sent_to_is_never_taken_from_what_is_only_shown() {
        let told = view(&[(1, "ours", 0), (2, "ours-too", 0)]);
        let mut shown = view(&[(2, "forged", 7), (9, "forged", 9)]);
        shown.capacity = 0;
        let dot = |zone| Dot { handle: 5, position: Position { x: 1, y: 2 }, zone };
        shown.dots = vec![dot(0), dot(1), dot(7)];
        let both = told.with(shown);
        let names: Vec<_> = both.zones.iter().filter_map(|zone| Some(zone.zone.as_ref()?.zone.0.as_str())).collect();
        assert_eq!((names, both.capacity), (vec!["ours", "ours-too"], 600));
        assert_eq!((both.zones[1].players, both.dots), (7, vec![dot(1)]), "a shard that is not told of is not shown");
    }
}
