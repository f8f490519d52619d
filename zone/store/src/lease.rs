//! Leases: which zone holds a shard, under which epoch, and for how long.

use std::fmt;
use std::time::Duration;

use darkages_topology::{ShardEpoch, ShardId, ZoneId};

/// One incarnation of a shard. Every write carries the one that makes it; the store refuses it while its lease has run out.
///
/// It is **over** when its lease was released, or has run out and somebody has relied on that: has acquired the shard, or has
/// taken a player from it. It stays over for ever: its lease can be neither renewed nor acquired again under the same
/// epoch. One that has run out and on which nobody has relied yet can be renewed, as if its end had been later: that is
/// how zones outlive a store that was away for longer than a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence {
    /// The shard.
    pub shard: ShardId,
    /// The epoch under which its lease was acquired.
    pub epoch: ShardEpoch,
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.shard, self.epoch)
    }
}

/// A lease that was acquired or renewed.
///
/// The store counts `ttl` from the moment at which it served the request. The holder counts it from the moment at which it
/// *asked*, which was earlier, so that it stops before the store lets somebody else in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What the holder's writes carry from now on.
    pub fence: Fence,
    /// How long it lasts, from the moment at which it was asked for.
    pub ttl: Duration,
}

/// Answer of [`Store::acquire`](crate::Store::acquire).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// The lease is the caller's, under an epoch that is one higher than the last.
    Granted(Lease),
    /// Somebody, possibly an earlier incarnation of the caller, holds it still.
    Held {
        /// Who.
        by: ZoneId,
        /// Under which epoch.
        epoch: ShardEpoch,
        /// Until it is over, unless it is renewed.
        left: Duration,
    },
}

/// Answer of [`Store::renew`](crate::Store::renew).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// It lasts `ttl` from the moment at which this was asked.
    Extended(Lease),
    /// It is over: released, or somebody has relied on its end. The caller stops; it may acquire anew.
    Over,
}

/// What the store knows about the lease of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseView {
    /// The newest incarnation, live or not.
    pub fence: Fence,
    /// The zone that acquired it.
    pub zone: ZoneId,
    /// Time until it runs out; `None` when it has.
    pub left: Option<Duration>,
}

impl LeaseView {
    /// Whether somebody holds the shard now.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.left.is_some()
    }

    /// Whether the incarnation `fence` holds the shard now.
    #[must_use]
    pub fn is_live_as(&self, fence: Fence) -> bool {
        self.is_live() && self.fence == fence
    }
}
