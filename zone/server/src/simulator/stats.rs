//! What happened in a run, in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::handoff::{Action, Outcome};

/// What happened in one run, or in many together.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// Events that were handled.
    pub events: u64,
    /// Ticks that zones simulated.
    pub zone_ticks: u64,
    /// Inputs that were applied.
    pub inputs_applied: u64,
    /// Inputs that were lost with a zone's state.
    pub inputs_lost: u64,
    /// Handoffs of players and NPCs, by outcome.
    pub handoffs: BTreeMap<&'static str, u64>,
    /// How zones came to act for players, by cause.
    pub taken: BTreeMap<&'static str, u64>,
    /// Ticks of the handoffs that moved somebody, summed up; the longest.
    pub handoff_ticks: u64,
    /// The longest handoff, in ticks.
    pub handoff_ticks_most: u64,
    /// Durable trades that clients were told of.
    pub trades: u64,
    /// Maps that were written.
    pub maps: u64,
    /// Zones that were killed.
    pub kills: u64,
    /// Zones that were frozen.
    pub freezes: u64,
    /// Links that were broken.
    pub cuts: u64,
    /// Times that the store went away.
    pub outages: u64,
    /// Incarnations that stopped because their lease might be over.
    pub stops: u64,
    /// Times that a zone played on beyond its lease because nobody reached the store.
    pub played_on: u64,
    /// Joins through the directory.
    pub joins: u64,
    /// Datagrams that were lost.
    pub datagrams_lost: u64,
}

impl Stats {
    /// Counts what a machine asks for.
    pub fn count(&mut self, action: &Action) {
        match action {
            Action::Finished { outcome, ticks, .. } => self.finished(*outcome, *ticks),
            Action::Playing { cause, .. } => *self.taken.entry(cause.label()).or_default() += 1,
            Action::StopAll { .. } => self.stops += 1,
            Action::PlayingOn => self.played_on += 1,
            _ => {}
        }
    }

    fn finished(&mut self, outcome: Outcome, ticks: u64) {
        *self.handoffs.entry(outcome.label()).or_default() += 1;
        if outcome.moved() {
            self.handoff_ticks += ticks;
            self.handoff_ticks_most = self.handoff_ticks_most.max(ticks);
        }
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        let Self {
            events,
            zone_ticks,
            inputs_applied,
            inputs_lost,
            handoffs,
            taken,
            handoff_ticks,
            handoff_ticks_most,
            trades,
            maps,
            kills,
            freezes,
            cuts,
            outages,
            stops,
            played_on,
            joins,
            datagrams_lost,
        } = other;
        self.events += events;
        self.zone_ticks += zone_ticks;
        self.inputs_applied += inputs_applied;
        self.inputs_lost += inputs_lost;
        for (label, count) in handoffs {
            *self.handoffs.entry(label).or_default() += count;
        }
        for (label, count) in taken {
            *self.taken.entry(label).or_default() += count;
        }
        self.handoff_ticks += handoff_ticks;
        self.handoff_ticks_most = self.handoff_ticks_most.max(*handoff_ticks_most);
        self.trades += trades;
        self.maps += maps;
        self.kills += kills;
        self.freezes += freezes;
        self.cuts += cuts;
        self.outages += outages;
        self.stops += stops;
        self.played_on += played_on;
        self.joins += joins;
        self.datagrams_lost += datagrams_lost;
    }
}
