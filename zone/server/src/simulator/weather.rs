//! What the world of one seed has to bear.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::Time;

/// Microseconds of a second.
pub const SECOND: Time = 1_000_000;

/// Microseconds of a tick; the rest is made up by computing each tick's time from its number.
pub const TICK: Time = SECOND / 60;

/// Faults happen until then.
pub const FAULTS_END: Time = 7 * SECOND;

/// Clients make no further inputs from then on, so that the last ones can be seen to arrive.
pub const INPUTS_END: Time = 12 * SECOND;

/// The run ends. From the end of the faults, dead zones come back, leases run out and clients find their way.
pub const RUN_END: Time = 14 * SECOND;

/// How rough the world of one seed is. Rates are per second.
#[derive(Clone, Debug)]
pub struct Weather {
    /// No process crashes, freezes or is cut off: nothing may be lost.
    pub is_calm: bool,
    /// Zones at the start.
    pub zones: usize,
    /// Players.
    pub players: usize,
    /// Players that a zone takes, at most.
    pub capacity: usize,
    /// NPCs.
    pub npcs: usize,
    /// Share of datagrams lost, doubled.
    pub loss: f64,
    pub duplicated: f64,
    /// Shortest and longest delay between any two.
    pub delay: (Time, Time),
    /// The same for the store, each way.
    pub store_delay: (Time, Time),
    /// Share of the store's requests, of its answers, lost; of requests that are carried out much later.
    pub request_lost: f64,
    pub answer_lost: f64,
    pub request_late: f64,
    pub kills: f64,
    pub freezes: f64,
    pub partitions: f64,
    pub outages: f64,
    pub map_changes: f64,
    /// Share of the important steps of a handoff at which something happens to one who takes part.
    pub strikes: f64,
}

impl Weather {
    pub fn of(rng: &mut Pcg64Mcg) -> Self {
        let is_calm = rng.random_bool(0.2);
        let mut rough = |most: f64| if is_calm || rng.random_bool(0.4) { 0.0 } else { rng.random_range(0.0..most) };
        let (kills, freezes, partitions, outages) = (rough(0.6), rough(0.8), rough(0.8), rough(0.4));
        let (request_lost, answer_lost, request_late) = (rough(0.1), rough(0.1), rough(0.05));
        let strikes = rough(0.06);
        let shortest = rng.random_range(500..5_000);
        let store_shortest = rng.random_range(200..4_000);
        let players = rng.random_range(6..=26);
        let capacity = if rng.random_bool(0.3) { players * 2 / 3 } else { 2 * players };
        let slowest = if rng.random_bool(0.2) { 300_000 } else { 10_000 };
        Self {
            is_calm,
            zones: rng.random_range(2..=6),
            players,
            capacity,
            npcs: rng.random_range(0..=8),
            loss: if rng.random_bool(0.3) { 0.0 } else { rng.random_range(0.0..if is_calm { 0.05 } else { 0.25 }) },
            duplicated: rng.random_range(0.0..0.1),
            delay: (shortest, shortest + rng.random_range(500..60_000)),
            store_delay: (store_shortest, store_shortest + rng.random_range(500..slowest)),
            request_lost,
            answer_lost,
            request_late,
            kills,
            freezes,
            partitions,
            outages,
            map_changes: rng.random_range(0.0..1.5),
            strikes,
        }
    }

    /// The faults are over; what remains is an ordinary network.
    pub fn clear_up(&mut self) {
        for rate in [
            &mut self.loss,
            &mut self.request_lost,
            &mut self.answer_lost,
            &mut self.request_late,
            &mut self.kills,
            &mut self.freezes,
            &mut self.partitions,
            &mut self.outages,
            &mut self.map_changes,
            &mut self.strikes,
        ] {
            *rate = 0.0;
        }
    }
}
