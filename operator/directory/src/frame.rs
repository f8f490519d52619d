//! The picture of the world as the map page reads it: compact JSON, documented here because the page is its only schema.
//!
//! ```text
//! { "t": unix ms, "revision": n, "bounds": [min x, min y, max x, max y],      metres
//!   "players": n, "capacity": n, "standby": n, "tick_p99_ms": f,
//!   "zones":  [{ "id": shard, "zone": name or "", "bounds": [..] or null, "players": n, "tick_p99_ms": f, "state": label }],
//!   "dots":   [handle, x, y, zone, handle, x, y, zone, ..],                   x, y in DOT_UNITS_PER_METRE from the bounds' minimum;
//!                                                                             zone is an index into "zones"
//!   "events": [{ "n": number, "t": unix ms, "kind": label, "shards": [..], "text": sentence }],
//!   "series": [[unix ms, players, tick p99 ms, zones], ..] }
//! ```
//! A frame of the stream carries only the newest events and samples; a subscriber who missed frames still finds them in the
//! next one, and knows by their numbers and times which it has. `GET /v1/world` and the first frame carry all that is kept.

use std::fmt::Write as _;

use darkages_topology::Rect;
use darkages_topology::world::UNITS_PER_METRE;
use serde::Serialize;

use crate::timeline::{EVENTS_KEPT, SAMPLES_KEPT};
use crate::view::{Dot, WorldView};

/// Dots are sent in quarters of a metre: finer than a pixel of any page that shows a whole zone.
pub const DOT_UNITS_PER_METRE: i32 = 4;

/// Events in each frame of the stream.
const EVENTS_IN_FRAME: usize = 8;

/// Samples in each frame of the stream.
const SAMPLES_IN_FRAME: usize = 5;

/// How much of the past goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// All that is kept.
    Whole,
    /// What is new enough that a subscriber may have missed it.
    Recent,
}

#[derive(Serialize)]
struct Frame<'a> {
    t: u64,
    revision: u64,
    bounds: [f64; 4],
    players: u32,
    capacity: u32,
    standby: u32,
    tick_p99_ms: f64,
    zones: Vec<Zone<'a>>,
    events: Vec<Event<'a>>,
    series: Vec<(u64, u32, f64, u16)>,
}

#[derive(Serialize)]
struct Zone<'a> {
    id: u32,
    zone: &'a str,
    bounds: Option<[f64; 4]>,
    players: u32,
    tick_p99_ms: f64,
    state: &'static str,
}

#[derive(Serialize)]
struct Event<'a> {
    n: u64,
    t: u64,
    kind: &'static str,
    shards: Vec<u32>,
    text: &'a str,
}

/// The picture as one line of JSON.
#[must_use]
pub fn encode(view: &WorldView, past: Past) -> String {
    let (events, samples) = match past {
        Past::Whole => (EVENTS_KEPT, SAMPLES_KEPT),
        Past::Recent => (EVENTS_IN_FRAME, SAMPLES_IN_FRAME),
    };
    let frame = Frame {
        t: view.unix_ms,
        revision: view.revision.0,
        bounds: metres(&view.bounds),
        players: view.players(),
        capacity: view.capacity,
        standby: view.standby,
        tick_p99_ms: millis(view.tick_p99_us()),
        zones: view
            .zones
            .iter()
            .map(|zone| Zone {
                id: zone.shard.0,
                zone: zone.zone.as_ref().map_or("", |zone| &zone.zone.0),
                bounds: zone.bounds.as_ref().map(metres),
                players: zone.players,
                tick_p99_ms: millis(zone.tick_p99_us),
                state: zone.state.label(),
            })
            .collect(),
        events: view
            .timeline
            .events(events)
            .map(|event| Event {
                n: event.number,
                t: event.unix_ms,
                kind: event.kind.label(),
                shards: event.shards.iter().map(|shard| shard.0).collect(),
                text: &event.text,
            })
            .collect(),
        series: view
            .timeline
            .samples(samples)
            .map(|sample| (sample.unix_ms, sample.players, millis(sample.tick_p99_us), sample.zones))
            .collect(),
    };
    let mut json = serde_json::to_string(&frame).expect("numbers and strings have JSON");
    let end = json.pop();
    debug_assert_eq!(end, Some('}'));
    json.push_str(",\"dots\":[");
    append_dots(&mut json, view);
    json.push_str("]}");
    json
}

/// Writes the dots by hand: at a thousand players and ten frames a second they are nearly all of the work.
fn append_dots(json: &mut String, view: &WorldView) {
    /// Bytes of one dot with its commas, as a rule.
    const DOT_BYTES: usize = 20;
    json.reserve(view.dots.len() * DOT_BYTES);
    let quantise = |units: i32| units.div_euclid(UNITS_PER_METRE / DOT_UNITS_PER_METRE);
    let origin = view.bounds.min;
    let mut separator = "";
    for Dot { handle, position, zone } in &view.dots {
        let (x, y) = (quantise(position.x.saturating_sub(origin.x)), quantise(position.y.saturating_sub(origin.y)));
        write!(json, "{separator}{handle},{x},{y},{zone}").expect("a String takes all");
        separator = ",";
    }
}

fn metres(rect: &Rect) -> [f64; 4] {
    [rect.min.x, rect.min.y, rect.max.x, rect.max.y].map(|units| f64::from(units) / f64::from(UNITS_PER_METRE))
}

fn millis(micros: u32) -> f64 {
    f64::from(micros) / 1_000.0
}

#[cfg(test)]
mod tests {
    use darkages_topology::map::ZoneEndpoint;
    use darkages_topology::{Position, ShardId, ZoneId};

    use super::*;
    use crate::timeline::{EventKind, Sample};
    use crate::view::{ZoneState, ZoneView};

    fn world() -> WorldView {
        let bounds = Rect::from_metres(-500.0, -500.0, 500.0, 500.0).expect("not empty");
        let mut view = WorldView::unknown(bounds);
        view.unix_ms = 1_000;
        view.zones.push(ZoneView {
            shard: ShardId(1),
            zone: Some(ZoneEndpoint {
                zone: ZoneId("zone \"1\"".into()),
                address: ([127, 0, 0, 1], 1).into(),
                public_key: [0; 32],
            }),
            bounds: Some(bounds),
            state: ZoneState::Serving,
            players: 2,
            tick_p99_us: 4_250,
        });
        view.dots = vec![
            Dot { handle: 7, position: Position::from_metres(-500, 0), zone: 0 },
            Dot { handle: 9, position: Position { x: -500 * 64 + 17, y: -501 * 64 }, zone: 0 },
        ];
        for n in 0..20 {
            view.timeline.record(n, EventKind::Split, vec![ShardId(1), ShardId(2)], "s1 was cut".into());
            view.timeline.sample(Sample { unix_ms: n, players: 2, tick_p99_us: 1_500, zones: 1 });
        }
        view
    }

    #[test]
    fn a_frame_is_json_that_says_what_its_header_promises() {
        let frame: serde_json::Value = serde_json::from_str(&encode(&world(), Past::Whole)).expect("valid JSON");
        assert_eq!(frame["bounds"], serde_json::json!([-500.0, -500.0, 500.0, 500.0]));
        assert_eq!(frame["players"], 2);
        assert_eq!(frame["zones"][0]["zone"], "zone \"1\"");
        assert_eq!(frame["zones"][0]["tick_p99_ms"], 4.25);
        assert_eq!(frame["dots"], serde_json::json!([7, 0, 2000, 0, 9, 1, -4, 0]));
        assert_eq!(frame["events"].as_array().map(Vec::len), Some(20));
        assert_eq!(frame["series"][19], serde_json::json!([19, 2, 1.5, 1]));
    }

    #[test]
    fn a_frame_of_the_stream_carries_only_the_newest_of_the_past() {
        let frame: serde_json::Value = serde_json::from_str(&encode(&world(), Past::Recent)).expect("valid JSON");
        assert_eq!(frame["events"].as_array().map(Vec::len), Some(EVENTS_IN_FRAME));
        assert_eq!(frame["events"][EVENTS_IN_FRAME - 1]["n"], 20);
        assert_eq!(frame["series"].as_array().map(Vec::len), Some(SAMPLES_IN_FRAME));
    }
}
