//! A map that is cut where the players stand. The real cut search is the planner's; this one takes the median.

use darkages_directory::timeline::EventKind;
use darkages_directory::view::{Dot, WorldView, ZoneState, ZoneView};
use darkages_topology::geometry::{Axis, Side};
use darkages_topology::map::{Topology, TopologyError, ZoneEndpoint};
use darkages_topology::{Position, Rect, ShardId, ZoneId};

use crate::crowd::ROUND_S;

/// Seconds between two changes of the map.
const PAUSE_S: f32 = 5.0;

/// Seconds until the first cut, whatever the crowd does: nobody waits for a test.
const FIRST_CUT_S: f32 = 8.0;

/// The map and what the made-up zones would say of themselves.
pub struct MadeUpMap {
    topology: Topology,
    split_at: u32,
    changed_at: f32,
    started: u32,
}

impl MadeUpMap {
    /// One zone that is cut when it holds a quarter of `players`.
    pub fn new(bounds: Rect, players: u32) -> Result<Self, TopologyError> {
        let whole = Topology::whole(bounds)?;
        let topology = whole.assign(ShardId(1), endpoint(1))?;
        Ok(Self { topology, split_at: players / 4, changed_at: FIRST_CUT_S - PAUSE_S, started: 1 })
    }

    /// Shards of the map.
    pub fn zones(&self) -> u16 {
        self.topology.shards().len() as u16
    }

    /// Changes the map when it is time to, and shows it in `view`.
    pub fn change(
        &mut self,
        seconds: f32,
        positions: impl Iterator<Item = (u32, Position)>,
        view: &mut WorldView,
    ) -> Result<(), TopologyError> {
        let players: Vec<(u32, Position)> = positions.collect();
        if seconds - self.changed_at >= PAUSE_S {
            self.changed_at = seconds;
            if seconds % ROUND_S < ROUND_S * 0.7 { self.cut(&players, view)? } else { self.join(view)? }
        }
        self.show(seconds, &players, view);
        Ok(())
    }

    fn cut(&mut self, players: &[(u32, Position)], view: &mut WorldView) -> Result<(), TopologyError> {
        let inside = |bounds: &Rect| players.iter().map(|(_, at)| *at).filter(|at| bounds.contains(*at)).collect();
        let crowds = self.topology.shards().iter().map(|shard| (shard, inside(&shard.bounds)));
        let Some((shard, mut crowd)) = crowds.max_by_key(|(_, crowd): &(_, Vec<Position>)| crowd.len()) else {
            return Ok(());
        };
        if crowd.len() <= self.split_at as usize {
            return Ok(());
        }
        let axis = if shard.bounds.width() >= shard.bounds.height() { Axis::X } else { Axis::Y };
        let id = shard.id;
        crowd.sort_by_key(|at| axis.of(*at));
        let at = axis.of(crowd[crowd.len() / 2]);
        self.started += 1;
        let (topology, new) = self.topology.split(id, axis, at, Side::High, Some(endpoint(self.started)))?;
        self.topology = topology;
        let text = format!("{id} held {} players and was cut in two; {new} took {}", crowd.len(), crowd.len() / 2);
        view.timeline.record(view.unix_ms, EventKind::Split, vec![id, new], text);
        Ok(())
    }

    fn join(&mut self, view: &mut WorldView) -> Result<(), TopologyError> {
        let Some((taker, giver)) = self.topology.siblings().pop() else { return Ok(()) };
        self.topology = self.topology.merge(giver, taker)?.retired(giver)?;
        let text = format!("{giver} was quiet and went back to {taker}");
        view.timeline.record(view.unix_ms, EventKind::Merge, vec![taker, giver], text);
        Ok(())
    }

    fn show(&self, seconds: f32, players: &[(u32, Position)], view: &mut WorldView) {
        view.revision = self.topology.revision();
        view.zones.clear();
        view.dots.clear();
        for (index, shard) in self.topology.shards().iter().enumerate() {
            let here = players.iter().filter(|(_, at)| shard.bounds.contains(*at));
            let before = view.dots.len();
            view.dots.extend(here.map(|(handle, at)| Dot { handle: *handle, position: *at, zone: index as u16 }));
            let count = (view.dots.len() - before) as u32;
            let wave = (seconds * 1.3 + shard.id.0 as f32).sin() * 250.0;
            view.zones.push(ZoneView {
                shard: shard.id,
                zone: shard.zone.clone(),
                bounds: Some(shard.bounds),
                state: ZoneState::Serving,
                players: count,
                tick_p99_us: 900 + count * 9 + count * count / 60 + (wave + 250.0) as u32,
            });
        }
    }
}

fn endpoint(number: u32) -> ZoneEndpoint {
    let port = 40_000 + (number % 10_000) as u16;
    ZoneEndpoint { zone: ZoneId(format!("zone-{number}")), address: ([127, 0, 0, 1], port).into(), public_key: [0; 32] }
}
