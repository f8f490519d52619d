//! What flows in from neighbouring shards: ghosts of their entities, and what those did to entities of this one.

use darkages_topology::{EntityId, Tick};

use crate::codec::{self, CodecError};
use crate::game::{Game, Subject};
use crate::ghost::{Ghost, GhostState, MAX_GHOSTS, Shown};
use crate::state::{ActionId, Applied};
use crate::world::World;

impl<G: Game> World<G> {
    /// Applies at once what an entity of another shard did to one of this shard, unless it was applied before. The id is
    /// remembered with the target, so that it holds across the target's handoffs.
    ///
    /// # Errors
    /// When the bytes are no action of this game.
    pub fn apply_remote(
        &mut self,
        id: ActionId,
        target: EntityId,
        sent: Tick,
        action: &[u8],
    ) -> Result<Applied, CodecError> {
        let action = codec::decode::<G::Action>(action)?;
        let scene = &mut self.scene;
        let (subject, seen) = match scene.find(target) {
            Some(Subject::Player(at)) => (Subject::Player(at), &mut scene.players.seen[at]),
            Some(Subject::Thing(at)) => (Subject::Thing(at), &mut scene.things.seen[at]),
            Some(Subject::Ghost(_)) | None => return Ok(Applied::NotHere),
        };
        let applied = seen.note(id, sent, scene.tick);
        if applied == Applied::Done {
            G::suffer(scene, subject, &action);
        }
        Ok(applied)
    }

    /// Shows a ghost, or shows it as it is now.
    pub fn upsert_ghost(&mut self, state: GhostState) -> Shown {
        let scene = &mut self.scene;
        let ghost = Ghost { state, age: 0 };
        match scene.find(state.entity()) {
            Some(Subject::Player(_) | Subject::Thing(_)) => Shown::Owned,
            Some(Subject::Ghost(at)) if scene.ghosts[at].state.tick > state.tick => Shown::Older,
            Some(Subject::Ghost(at)) => {
                scene.ghosts[at] = ghost;
                Shown::Done
            }
            None if scene.ghosts.len() >= MAX_GHOSTS => Shown::Full,
            None => {
                scene.index.insert(state.entity(), Subject::Ghost(scene.ghosts.len()));
                scene.ghosts.push(ghost);
                Shown::Done
            }
        }
    }

    /// Shows a ghost no more.
    pub fn remove_ghost(&mut self, entity: EntityId) {
        if let Some(Subject::Ghost(at)) = self.scene.find(entity) {
            self.scene.remove_ghost(at);
        }
    }

    /// The ghosts that are shown.
    pub fn ghosts(&self) -> impl Iterator<Item = &GhostState> + '_ {
        self.scene.ghosts.iter().map(|ghost| &ghost.state)
    }
}
