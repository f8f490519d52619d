//! What a zone says of itself over the control contract, in the words of the planner. Pure; its numbers are another process's,
//! so they are bounded here.

use std::net::AddrParseError;
use std::time::Duration;

use darkages_plan::{Life, Look, TickBreakdown};
use darkages_topology::control::StatsResponse;
use darkages_topology::{Position, Revision, ShardId, Tick, ZoneEndpoint, ZoneId};

/// Bytes of an answer, at most: positions of 10,000 players and the distributions of a long life fit many times.
pub const MAX_ANSWER_BYTES: usize = 4 << 20;

/// Tiers of a store that a look names, at most; there are two.
const MAX_TIERS: usize = 4;

/// Why an answer names no zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEndpoint {
    /// Its address is none.
    #[error("the zone's address {address:?} is none: {source}")]
    Address {
        /// What it says.
        address: String,
        /// What is wrong with it.
        source: AddrParseError,
    },
    /// Its key has another length.
    #[error("the zone's public key has {0} bytes, a key has 32")]
    Key(usize),
}

/// The zone's name, address and key.
///
/// # Errors
/// The part that is none.
pub fn endpoint(stats: &StatsResponse) -> Result<ZoneEndpoint, NoEndpoint> {
    let address = stats.address.parse();
    let key = stats.public_key.as_slice();
    Ok(ZoneEndpoint {
        zone: ZoneId(stats.zone.clone()),
        address: address.map_err(|source| NoEndpoint::Address { address: stats.address.clone(), source })?,
        public_key: key.try_into().map_err(|_| NoEndpoint::Key(key.len()))?,
    })
}

/// A look at the zone, whose newest answer is so old.
#[must_use]
pub fn look(endpoint: &ZoneEndpoint, stats: &StatsResponse, silent_for: Duration) -> Look {
    let micros = |us: u32| Duration::from_micros(u64::from(us));
    let positions = stats.positions.chunks_exact(2).map(|place| Position { x: place[0], y: place[1] });
    Look {
        endpoint: endpoint.clone(),
        shard: (stats.shard != 0).then_some(ShardId(stats.shard)),
        life: match stats.state.as_str() {
            "unassigned" => Life::Standby,
            "acquiring" => Life::Acquiring,
            "serving" => Life::Serving,
            "retiring" => Life::Retiring,
            _ => Life::Over,
        },
        draining: stats.draining,
        store_away: stats.store_away.iter().take(MAX_TIERS).cloned().collect(),
        tick: Tick(stats.tick),
        revision: Revision(stats.revision),
        open_handoffs: stats.handoffs,
        tick_p95: micros(stats.work_p95_us),
        tick_p99: micros(stats.tick_p99_us),
        costs: TickBreakdown::of_stages(stats.players, u64::from(stats.views), stats.ghosts, |stage| {
            let told = stats.stages.iter().filter(|told| told.name == stage);
            told.map(|told| micros(told.mean_us)).sum()
        }),
        positions: positions.take(stats.handles.len()).collect(),
        handles: stats.handles.clone(),
        silent_for,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_bounded() {
        let stats = StatsResponse {
            zone: "zone-1".into(),
            address: "127.0.0.1:9".into(),
            public_key: vec![7; 32],
            positions: vec![1, 2, 3],
            handles: vec![5, 6],
            state: "dreaming".into(),
            ..StatsResponse::default()
        };
        let endpoint = endpoint(&stats).expect("an address and a key");
        let look = look(&endpoint, &stats, Duration::ZERO);
        assert_eq!((look.positions, look.shard, look.life), (vec![Position { x: 1, y: 2 }], None, Life::Over));
        let short = StatsResponse { public_key: vec![7; 31], ..stats.clone() };
        assert_eq!(super::endpoint(&short), Err(NoEndpoint::Key(31)));
        let nowhere = super::endpoint(&StatsResponse { address: "zone-1".into(), ..stats });
        assert!(nowhere.is_err_and(|error| error.to_string().contains("\"zone-1\"")));
    }
}
