//! From looks at the zones to the picture that the directory and its map page work with. Pure; time is passed in.

use std::time::Duration;

use darkages_directory::timeline::{EventKind, Sample, Timeline};
use darkages_directory::view::{Dot, WorldView, ZoneState, ZoneView};
use darkages_plan::{Change, Life, Look, Operation};
use darkages_topology::world::UNITS_PER_METRE;
use darkages_topology::{Axis, Rect, ShardId, Topology, ZoneEndpoint};

/// Time between two samples of the charts, in milliseconds.
const SAMPLE_EVERY_MS: u64 = 1_000;

/// What the pictures remember from one to the next.
#[derive(Debug, Default)]
pub struct Feed {
    timeline: Timeline,
    sampled_at_ms: u64,
}

impl Feed {
    /// The picture of this moment.
    pub fn picture(&mut self, unix_ms: u64, map: &Topology, looks: &[Look], capacity: u32) -> WorldView {
        let standby = looks.iter().filter(|look| look.life == Life::Standby).count();
        let mut view = WorldView {
            unix_ms,
            revision: map.revision(),
            capacity,
            standby: u32::try_from(standby).unwrap_or(u32::MAX),
            ..WorldView::unknown(map.bounds())
        };
        for shard in map.shards() {
            show(&mut view, shard.id, shard.zone.as_ref(), Some(shard.bounds), looks);
        }
        for retiring in map.retiring() {
            show(&mut view, retiring.id, Some(&retiring.zone), None, looks);
        }
        if unix_ms.saturating_sub(self.sampled_at_ms) >= SAMPLE_EVERY_MS {
            self.sampled_at_ms = unix_ms;
            let zones = u16::try_from(map.shards().len()).unwrap_or(u16::MAX);
            let sample = Sample { unix_ms, players: view.players(), tick_p99_us: view.tick_p99_us(), zones };
            self.timeline.sample(sample);
        }
        view.timeline = self.timeline.clone();
        view
    }

    /// The map was changed.
    pub fn changed(&mut self, unix_ms: u64, operation: &Operation) -> String {
        let (kind, text) = told(&operation.change);
        self.timeline.record(unix_ms, kind, order(&operation.change), text.clone());
        text
    }

    /// Something happened that changes no zone.
    pub fn noted(&mut self, unix_ms: u64, text: String) {
        self.timeline.record(unix_ms, EventKind::Note, Vec::new(), text);
    }

    /// An operation is over.
    pub fn settled(&mut self, unix_ms: u64, operation: &Operation, took: Duration) -> Option<String> {
        let Change::Split { shard, cut, new, .. } = &operation.change else { return None };
        let text =
            format!("{} players walked from {shard} to {new} in {:.1} s", cut.moved_players(), took.as_secs_f64());
        self.timeline.record(unix_ms, EventKind::Note, vec![*shard, *new], text.clone());
        Some(text)
    }
}

fn show(view: &mut WorldView, shard: ShardId, zone: Option<&ZoneEndpoint>, bounds: Option<Rect>, looks: &[Look]) {
    let look = zone.and_then(|zone| looks.iter().find(|look| look.endpoint == *zone && look.shard == Some(shard)));
    let index = u16::try_from(view.zones.len()).unwrap_or(u16::MAX);
    if let Some(look) = look {
        let dots = look.handles.iter().zip(&look.positions);
        view.dots.extend(dots.map(|(&handle, &position)| Dot { handle, position, zone: index }));
    }
    let state = match look.map(|look| look.life) {
        None | Some(Life::Standby | Life::Acquiring) => ZoneState::Starting,
        Some(Life::Serving) if bounds.is_some() => ZoneState::Serving,
        Some(Life::Serving | Life::Retiring) => ZoneState::Draining,
        Some(Life::Over) => ZoneState::Silent,
    };
    view.zones.push(ZoneView {
        shard,
        zone: zone.cloned(),
        bounds,
        state,
        players: look.map_or(0, |look| u32::try_from(look.positions.len()).unwrap_or(u32::MAX)),
        tick_p99_us: look.map_or(0, |look| u32::try_from(look.tick_p99.as_micros()).unwrap_or(u32::MAX)),
    });
}

/// The shards of a change, the one that keeps or takes the ground first, as the page draws it.
fn order(change: &Change) -> Vec<ShardId> {
    match change {
        Change::Merge { giver, taker } => vec![*taker, *giver],
        other => other.shards(),
    }
}

fn told(change: &Change) -> (EventKind, String) {
    let metres = |units: i32| f64::from(units) / f64::from(UNITS_PER_METRE);
    let name = |axis: Axis| match axis {
        Axis::X => 'x',
        Axis::Y => 'y',
    };
    match change {
        Change::Split { shard, cut, new, zone: _ } => {
            let (all, moved) = (cut.low.players + cut.high.players, cut.moved_players());
            let place = format!("{} = {:.0} m", name(cut.axis), metres(cut.at));
            let text = format!("{shard} with {all} players is cut at {place}; {moved} go to {new}");
            (EventKind::Split, text)
        }
        Change::Merge { giver, taker } => (EventKind::Merge, format!("{giver} goes back to {taker}")),
        Change::Slide { first, second, cut } => {
            let place = format!("{} = {:.0} m", name(cut.axis), metres(cut.at));
            (EventKind::Slide, format!("the border of {first} and {second} slides to {place}"))
        }
        Change::Move { shard, new, zone } => {
            (EventKind::Move, format!("{shard} moves to {} as {new}, players on board", zone.zone))
        }
        Change::Assign { shard, zone } => (EventKind::Note, format!("{} serves {shard}", zone.zone)),
        Change::Forget { shard } => (EventKind::Retired, format!("{shard} has handed everybody over")),
    }
}
