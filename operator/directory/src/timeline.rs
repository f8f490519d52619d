//! What happened lately and how the figures went, bounded.

use std::collections::VecDeque;

use darkages_topology::ShardId;

/// Events that are kept: more than fit on a page; older ones are in the event log of the store.
pub const EVENTS_KEPT: usize = 64;

/// Samples that are kept: ten minutes at one a second.
pub const SAMPLES_KEPT: usize = 600;

/// The recent past of a world.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    events: VecDeque<WorldEvent>,
    samples: VecDeque<Sample>,
    numbered: u64,
}

/// What can happen to a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A shard was cut in two.
    Split,
    /// Two shards became one.
    Merge,
    /// The border between two shards was moved.
    Slide,
    /// A shard went to another zone.
    Move,
    /// A zone that owned no ground has handed its last player over.
    Retired,
    /// A zone was lost or came back.
    Fault,
    /// Something else worth a line.
    Note,
}

impl EventKind {
    /// Static label, the same on the page, in metrics and in logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::Merge => "merge",
            Self::Slide => "slide",
            Self::Move => "move",
            Self::Retired => "retired",
            Self::Fault => "fault",
            Self::Note => "note",
        }
    }
}

/// One line of the event list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldEvent {
    /// Number of the event in this timeline, from 1.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub unix_ms: u64,
    /// What.
    pub kind: EventKind,
    /// The shards that it touched, the one that gave ground first.
    pub shards: Vec<ShardId>,
    /// One sentence for people.
    pub text: String,
}

/// The figures of the world at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When, in milliseconds since 1970.
    pub unix_ms: u64,
    /// Players in all zones.
    pub players: u32,
    /// The worst 99th percentile of a tick among the zones, in microseconds.
    pub tick_p99_us: u32,
    /// Zones with a shard.
    pub zones: u16,
}

impl Timeline {
    /// Adds an event; the oldest goes when there are [`EVENTS_KEPT`].
    pub fn record(&mut self, unix_ms: u64, kind: EventKind, shards: Vec<ShardId>, text: String) {
        self.numbered += 1;
        self.events.push_back(WorldEvent { number: self.numbered, unix_ms, kind, shards, text });
        while self.events.len() > EVENTS_KEPT {
            self.events.pop_front();
        }
    }

    /// Adds a sample; the oldest goes when there are [`SAMPLES_KEPT`].
    pub fn sample(&mut self, sample: Sample) {
        self.samples.push_back(sample);
        while self.samples.len() > SAMPLES_KEPT {
            self.samples.pop_front();
        }
    }

    /// The newest `most` events, oldest first.
    pub fn events(&self, most: usize) -> impl Iterator<Item = &WorldEvent> {
        self.events.iter().skip(self.events.len().saturating_sub(most))
    }

    /// The newest `most` samples, oldest first.
    pub fn samples(&self, most: usize) -> impl Iterator<Item = &Sample> {
        self.samples.iter().skip(self.samples.len().saturating_sub(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_bounded_and_keeps_its_numbers() {
        let mut timeline = Timeline::default();
        for at in 0..1_000 {
            timeline.record(at, EventKind::Split, vec![ShardId(1)], String::new());
            timeline.sample(Sample { unix_ms: at, players: 0, tick_p99_us: 0, zones: 1 });
        }
        assert_eq!(timeline.events(usize::MAX).count(), EVENTS_KEPT);
        assert_eq!(timeline.samples(usize::MAX).count(), SAMPLES_KEPT);
        assert_eq!(timeline.events(1).next().map(|event| event.number), Some(1_000));
        assert_eq!(timeline.samples(2).map(|sample| sample.unix_ms).collect::<Vec<_>>(), [998, 999]);
    }
}
