//! What was done to a world's map lately, for whoever looks at its picture. Pure.

use std::sync::Arc;

use darkages_crds::picture::WorldEvent;
use darkages_plan::Change;

/// Changes of the map that are remembered.
const EVENTS_KEPT: usize = 32;

/// The newest events, the oldest of them first. Pictures share the list: they are made far more often than it changes.
#[derive(Clone, Debug, Default)]
pub struct Chronicle {
    events: Arc<Vec<WorldEvent>>,
    total: u64,
}

impl Chronicle {
    /// Remembers a change.
    pub fn record(&mut self, unix_ms: u64, change: &Change, text: String) {
        self.total += 1;
        let events = Arc::make_mut(&mut self.events);
        if events.len() >= EVENTS_KEPT {
            events.remove(0);
        }
        events.push(WorldEvent {
            number: self.total,
            unix_ms,
            kind: change.label().to_owned(),
            shards: change.shards().iter().map(|shard| shard.0).collect(),
            text,
        });
    }

    /// What is remembered.
    #[must_use]
    pub fn events(&self) -> Arc<Vec<WorldEvent>> {
        Arc::clone(&self.events)
    }
}
