//! The shard map as the store keeps it: a revision and bytes that it does not read, but for those that say that the world is
//! being restored and has no map until that is done.

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

/// What the bytes of a document start with while the world is being restored. No map starts so: maps are JSON objects.
const RESTORING: &[u8] = b"restoring ";

impl TopologyDocument {
    /// What stands in place of the map while a world is being restored from the backup of this name.
    #[must_use]
    pub fn restoring(revision: Revision, backup: &str) -> Self {
        Self { revision, bytes: [RESTORING, backup.as_bytes()].concat() }
    }

    /// From which backup the world is being restored, if it is.
    #[must_use]
    pub fn restored_from(&self) -> Option<String> {
        let name = self.bytes.strip_prefix(RESTORING)?;
        Some(String::from_utf8_lossy(name).into_owned())
    }
}

/// Answer of [`Store::compare_and_swap_topology`](crate::Store::compare_and_swap_topology).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopologySwapped {
    /// The document is `next` now, durably.
    Done,
    /// The document was not at the expected revision. This is what is there.
    Conflict(Option<TopologyDocument>),
}
