//! What there is of gold and items, so that conservation (I3) can be checked from outside.

use super::{DefaultGame, Item, Thing};
use crate::world::World;

impl World<DefaultGame> {
    /// All gold on this shard, in purses and on the ground.
    #[must_use]
    pub fn gold_total(&self) -> u64 {
        let scene = self.scene();
        let purses: u64 = (0..scene.player_count()).map(|at| scene.character(at).gold).sum();
        let ground: u64 = (0..scene.thing_count())
            .map(|at| match scene.thing(at) {
                Thing::Loot(loot) => loot.gold,
                Thing::Npc(_) => 0,
            })
            .sum();
        purses + ground
    }

    /// All items on this shard, in bags and on the ground.
    pub fn items(&self) -> impl Iterator<Item = Item> + '_ {
        let scene = self.scene();
        let bags = (0..scene.player_count()).flat_map(|at| &scene.character(at).items);
        let ground = (0..scene.thing_count()).flat_map(|at| match scene.thing(at) {
            Thing::Loot(loot) => loot.items.as_slice(),
            Thing::Npc(_) => &[],
        });
        bags.chain(ground).copied()
    }
}
