//! The world behind the machine.

use darkages_store::PlayerData;
use darkages_topology::{OwnerEpoch, PlayerId, Position, ShardId};

use super::subject::Subject;

/// A state that this version of the game cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state that came with a handoff cannot be read: run the same version on both zones")]
pub struct UnreadableState;

/// The simulated world of one zone and the map that it knows. The server implements it over its simulation, the simulator over
/// a model. The machine calls it between ticks only.
pub trait Players {
    /// The subject's state after the last simulated tick, with the last applied input; `None` when it is not simulated here.
    fn capture(&mut self, subject: Subject) -> Option<PlayerData>;

    /// Starts to simulate the subject from this state, from the next tick on. A ghost of it is replaced. `owner_epoch` is 0
    /// for NPCs.
    ///
    /// # Errors
    /// When the state cannot be read; nothing is inserted then.
    fn insert(&mut self, subject: Subject, data: &PlayerData, owner_epoch: OwnerEpoch) -> Result<(), UnreadableState>;

    /// Stops simulating the subject. When `left_to` is given, it stays as a ghost of that shard, so that it does not vanish
    /// for those who see it; otherwise it disappears.
    fn remove(&mut self, subject: Subject, left_to: Option<ShardId>);

    /// Knows the subject as a ghost of `of`: visible, not simulated. Frames of that shard update it.
    fn ghost(&mut self, subject: Subject, data: &PlayerData, of: ShardId);

    /// The state of a player whom the world has never seen, standing on this shard's ground.
    fn fresh(&mut self, player: PlayerId) -> PlayerData;

    /// Whether a durable transaction of this player is with the store. A commit waits for it.
    fn is_busy(&self, player: PlayerId) -> bool;

    /// The shard that owns this ground on the newest map that this zone knows.
    fn owner_of(&self, position: Position) -> Option<ShardId>;

    /// Whether the shard is on the newest map, with or without ground.
    fn exists(&self, shard: ShardId) -> bool;
}
