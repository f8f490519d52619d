//! How a zone process goes when others can take over: it says that it wants to, and waits until nobody needs it.

use std::time::Duration;

use tokio::time::Instant;

use crate::handle::ZoneHandle;
use crate::stats::{ZoneState, ZoneStats};

/// Time between two looks at what the zone still has.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Asks the operator, by [`ZoneStats::draining`], to move the shard away, and waits until it has been, or until `within` is
/// over. Says whether nobody needs the zone any more.
pub async fn drain(zone: &ZoneHandle, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    let mut told = false;
    loop {
        // A zone that is too busy to listen is told again.
        told = told || zone.drain().is_ok();
        let idle = is_idle(&zone.stats());
        if idle || Instant::now() >= deadline {
            return idle;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn is_idle(stats: &ZoneStats) -> bool {
    match stats.state {
        ZoneState::Unassigned => stats.players == 0 && stats.handoffs == 0,
        ZoneState::Stopped => true,
        ZoneState::Acquiring | ZoneState::Serving | ZoneState::Retiring => false,
    }
}
