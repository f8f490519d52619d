//! What a zone is told when it starts.

use std::net::SocketAddr;
use std::time::Duration;

use darkages_protocol::WorldKey;
use darkages_topology::ZoneId;
use darkages_transport::FaultPlan;

/// Players that one zone takes in, at most, unless told otherwise: twice the limit at which zones split, so that a crowd is
/// let in while it is being split.
pub const DEFAULT_CAPACITY: usize = 1_000;

/// How long a lease lasts from each renewal on.
pub const LEASE: Duration = Duration::from_millis(1_500);

/// How long a player without a client stays in the world, so that somebody whose connection broke comes back to where they
/// stood.
pub const LINGER: Duration = Duration::from_secs(20);

/// What a zone is told when it starts.
#[derive(Clone, Debug)]
pub struct ZoneConfig<R> {
    /// Its name.
    pub zone: ZoneId,
    /// The UDP address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address that clients and other zones are told; the port 0 stands for the one that was bound. `None` for the
    /// listening address.
    pub advertise: Option<SocketAddr>,
    /// The key that tokens are sealed with.
    pub world_key: [u8; 32],
    /// Where the world's randomness comes from.
    pub seed: u64,
    /// Players that it takes in, at most.
    pub capacity: usize,
    /// The game's numbers.
    pub rules: R,
    /// Faults that its transport injects from the start.
    pub fault: Option<FaultPlan>,
    /// Whether it crashes when it is told to: for tests and chaos experiments only.
    pub allow_faults: bool,
    /// How long a player without a client stays in the world.
    pub linger: Duration,
    /// Whether an operator watches this zone and answers [`ZoneStats::store_question`](crate::stats::ZoneStats). A zone that
    /// reaches neither the store nor an operator that it has stops when its lease runs out.
    pub has_operator: bool,
}

impl<R: Default> ZoneConfig<R> {
    /// A configuration with everything at its default.
    #[must_use]
    pub fn new(zone: ZoneId, listen: SocketAddr, world_key: [u8; 32]) -> Self {
        Self {
            zone,
            listen,
            advertise: None,
            world_key,
            seed: 0,
            capacity: DEFAULT_CAPACITY,
            rules: R::default(),
            fault: None,
            allow_faults: false,
            linger: LINGER,
            has_operator: false,
        }
    }
}

impl<R> ZoneConfig<R> {
    /// The key that tokens are sealed and opened with.
    #[must_use]
    pub fn key(&self) -> WorldKey {
        WorldKey::new(&self.world_key)
    }
}
