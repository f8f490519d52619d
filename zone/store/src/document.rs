//! The shard map as the store keeps it: a revision and bytes that it does not read.

use darkages_topology::Revision;

/// The shard map of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyDocument {
    /// Its revision.
    pub revision: Revision,
    /// The map, in the form that its writers agree on (JSON); at most
    /// [`MAX_TOPOLOGY_BYTES`](crate::limits::MAX_TOPOLOGY_BYTES).
    pub bytes: Vec<u8>,
}

/// Answer of [`Store::compare_and_swap_topology`](crate::Store::compare_and_swap_topology).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopologySwapped {
    /// The document is `next` now, durably.
    Done,
    /// The document was not at the expected revision. This is what is there.
    Conflict(Option<TopologyDocument>),
}
