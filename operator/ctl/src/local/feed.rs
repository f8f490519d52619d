//! From looks at the zones to the picture that the directory and its map page work with. Pure; time is passed in.

use std::time::Duration;

use darkages_controller::gallery::picture;
use darkages_directory::feed::Feed as Pictures;
use darkages_directory::timeline::EventKind;
use darkages_directory::view::WorldView;
use darkages_plan::{Change, Look, Operation};
use darkages_topology::world::UNITS_PER_METRE;
use darkages_topology::{Axis, ShardId, Topology};

/// What the pictures remember from one to the next.
#[derive(Debug, Default)]
pub struct Feed {
    pictures: Pictures,
}

impl Feed {
    /// The picture of this moment.
    pub fn picture(&mut self, unix_ms: u64, map: &Topology, looks: &[Look], capacity: u32) -> WorldView {
        self.pictures.picture(&picture(unix_ms, map, capacity, looks, &[]))
    }

    /// The map was changed.
    pub fn changed(&mut self, unix_ms: u64, operation: &Operation) -> String {
        let (kind, text) = told(&operation.change);
        self.pictures.record(unix_ms, kind, order(&operation.change), text.clone());
        text
    }

    /// Something happened that changes no zone.
    pub fn noted(&mut self, unix_ms: u64, text: String) {
        self.pictures.record(unix_ms, EventKind::Note, Vec::new(), text);
    }

    /// An operation is over.
    pub fn settled(&mut self, unix_ms: u64, operation: &Operation, took: Duration) -> Option<String> {
        let Change::Split { shard, cut, new, .. } = &operation.change else { return None };
        let text =
            format!("{} players walked from {shard} to {new} in {:.1} s", cut.moved_players(), took.as_secs_f64());
        self.pictures.record(unix_ms, EventKind::Note, vec![*shard, *new], text.clone());
        Some(text)
    }
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
