//! Shows others how the zone is.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError};

use darkages_topology::PlayerId;

use super::Zone;
use crate::play::Play;
use crate::stats::{ZoneState, ZoneStats};

impl<G: Play> Zone<G> {
    /// Replaces what handles show.
    pub(super) fn publish(&mut self, state: ZoneState) {
        let counts = self.life.as_ref().map(|life| life.machine.counts()).unwrap_or_default();
        let world = self.life.as_ref().map(|life| &life.hall.world);
        let ghosts = world.map_or(0, |world| world.ghosts().count());
        let place = |player: &PlayerId| Some((handle(*player), world?.position_of(*player)?));
        let players = world.map(|world| world.players()).unwrap_or_default();
        let health = self.storage.health();
        let mut store_away: Vec<_> = health.away.iter().map(|away| away.tier).collect();
        if !self.reaches_store && store_away.is_empty() {
            store_away.push(darkages_store::health::STORE);
        }
        let stats = ZoneStats {
            state,
            endpoint: Some(self.me.clone()),
            shard: self.shard().or(self.keeper.assigned),
            epoch: self.life.as_ref().map(|life| life.machine.fence().epoch),
            draining: self.draining,
            tick: self.tick,
            revision: self.topology.as_ref().map(|map| map.revision()).unwrap_or_default(),
            players: players.len(),
            sessions: self.clients.len(),
            ghosts,
            handoffs: counts.outgoing + counts.remembered,
            empty: self.life.as_ref().is_none_or(super::Life::is_empty) && self.past.is_none(),
            views: self.views,
            ticks: self.ring.recent(),
            store_question: self.keeper.question(),
            store_away,
            positions: players.iter().filter_map(place).collect(),
        };
        self.metrics.players.set(stats.players as i64);
        self.metrics.ghosts.set(ghosts as i64);
        self.metrics.sessions.set(stats.sessions as i64);
        self.metrics.observe_transport(self.endpoint.stats());
        self.metrics.observe_store(&health, self.storage.under_way(), !stats.store_away.is_empty());
        *self.shown.stats.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(stats);
    }
}

/// A number that stays with a player and does not tell which.
fn handle(player: PlayerId) -> u32 {
    let mut hasher = DefaultHasher::new();
    player.hash(&mut hasher);
    hasher.finish() as u32
}
