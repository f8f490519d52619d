//! From what an operator sees of a world to the picture that joins and the map page work with. Pure; time comes with what is
//! seen.

use darkages_crds::picture::{WorldPicture, ZoneLife, ZonePicture};
use darkages_topology::{Position, Rect, ShardId, ZoneEndpoint};

use crate::timeline::{EventKind, Sample, Timeline};
use crate::view::{Dot, WorldView, ZoneState, ZoneView};

/// Time between two samples of the charts, in milliseconds.
const SAMPLE_EVERY_MS: u64 = 1_000;

/// A zone counts as silent after so long, in milliseconds.
const SILENT_AFTER_MS: u64 = 1_000;

/// What the pictures remember from one to the next.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    timeline: Timeline,
    sampled_at_ms: u64,
    /// Number of the newest event that was taken over, and when it happened: another operator counts anew.
    newest_event: (u64, u64),
}

impl Feed {
    /// The picture of this moment.
    pub fn picture(&mut self, seen: &WorldPicture) -> WorldView {
        let WorldPicture { unix_ms, map, capacity, zones, events } = seen;
        let standby = zones.iter().filter(|zone| zone.state == ZoneLife::Standby).count();
        let mut view = WorldView {
            unix_ms: *unix_ms,
            revision: map.revision(),
            capacity: *capacity,
            standby: u32::try_from(standby).unwrap_or(u32::MAX),
            ..WorldView::unknown(map.bounds())
        };
        for shard in map.shards() {
            show(&mut view, shard.id, shard.zone.as_ref(), Some(shard.bounds), zones);
        }
        for retiring in map.retiring() {
            show(&mut view, retiring.id, Some(&retiring.zone), None, zones);
        }
        for event in events {
            let at = (event.unix_ms, event.number);
            if at > self.newest_event {
                self.newest_event = at;
                let shards = event.shards.iter().map(|&shard| ShardId(shard)).collect();
                self.timeline.record(event.unix_ms, kind(&event.kind), shards, event.text.clone());
            }
        }
        if unix_ms.saturating_sub(self.sampled_at_ms) >= SAMPLE_EVERY_MS {
            self.sampled_at_ms = *unix_ms;
            let zones = u16::try_from(map.shards().len()).unwrap_or(u16::MAX);
            let (players, tick_p99_us) = (view.players(), view.tick_p99_us());
            self.timeline.sample(Sample { unix_ms: *unix_ms, players, tick_p99_us, zones });
        }
        view.timeline = self.timeline.clone();
        view
    }

    /// Something happened that is in no picture.
    pub fn record(&mut self, unix_ms: u64, kind: EventKind, shards: Vec<ShardId>, text: String) {
        self.timeline.record(unix_ms, kind, shards, text);
    }
}

fn show(view: &mut WorldView, shard: ShardId, zone: Option<&ZoneEndpoint>, bounds: Option<Rect>, seen: &[ZonePicture]) {
    let is_it = |seen: &&ZonePicture| zone.is_some_and(|zone| seen.zone == zone.zone.0) && seen.shard == Some(shard.0);
    let seen = seen.iter().find(is_it);
    let index = u16::try_from(view.zones.len()).unwrap_or(u16::MAX);
    if let Some(seen) = seen {
        let dots = seen.handles.iter().zip(&seen.positions);
        view.dots.extend(dots.map(|(&handle, &[x, y])| Dot { handle, position: Position { x, y }, zone: index }));
    }
    let state = match seen {
        Some(seen) if seen.silent_for_ms >= SILENT_AFTER_MS => ZoneState::Silent,
        None => ZoneState::Starting,
        Some(seen) => match seen.state {
            ZoneLife::Standby | ZoneLife::Acquiring => ZoneState::Starting,
            ZoneLife::Serving if bounds.is_some() => ZoneState::Serving,
            ZoneLife::Serving | ZoneLife::Retiring => ZoneState::Draining,
            ZoneLife::Over => ZoneState::Silent,
        },
    };
    view.zones.push(ZoneView {
        shard,
        zone: zone.cloned(),
        bounds,
        state,
        players: seen.map_or(0, |seen| u32::try_from(seen.positions.len()).unwrap_or(u32::MAX)),
        tick_p99_us: seen.map_or(0, |seen| seen.tick_p99_us),
    });
}

/// What the planner calls a change, as the page draws it.
fn kind(label: &str) -> EventKind {
    match label {
        "split" => EventKind::Split,
        "merge" => EventKind::Merge,
        "slide" => EventKind::Slide,
        "move" => EventKind::Move,
        _ => EventKind::Note,
    }
}

#[cfg(test)]
mod tests {
    use darkages_crds::picture::WorldEvent;
    use darkages_topology::Topology;

    use super::*;

    fn seen(unix_ms: u64, events: &[(u64, u64, &str)]) -> WorldPicture {
        let bounds = Rect::from_metres(0.0, 0.0, 400.0, 400.0).expect("a rectangle");
        let event = |&(unix_ms, number, kind): &(u64, u64, &str)| WorldEvent {
            number,
            unix_ms,
            kind: kind.to_owned(),
            shards: vec![1, 2],
            text: format!("{kind} {number}"),
        };
        WorldPicture {
            unix_ms,
            map: Topology::grid(bounds, 1).expect("a map"),
            capacity: 600,
            zones: Vec::new(),
            events: events.iter().map(event).collect(),
        }
    }

    #[test]
    fn every_event_is_taken_once_also_those_of_the_next_operator() {
        let mut feed = Feed::default();
        let texts = |view: &WorldView| view.timeline.events(8).map(|event| event.text.clone()).collect::<Vec<_>>();
        let first = feed.picture(&seen(1_000, &[(900, 1, "split"), (950, 2, "split")]));
        assert_eq!(texts(&first), ["split 1", "split 2"]);
        let again = feed.picture(&seen(1_100, &[(950, 2, "split"), (1_050, 3, "merge")]));
        assert_eq!(texts(&again), ["split 1", "split 2", "merge 3"]);
        let next = feed.picture(&seen(9_000, &[(8_000, 1, "move")]));
        assert_eq!(texts(&next), ["split 1", "split 2", "merge 3", "move 1"]);
    }

    #[test]
    fn a_shard_without_a_zone_is_starting_and_nobody_is_on_it() {
        let view = Feed::default().picture(&seen(1, &[]));
        assert_eq!((view.zones[0].state, view.zones[0].players, view.capacity), (ZoneState::Starting, 0, 600));
    }
}
