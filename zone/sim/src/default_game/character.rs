//! What the default game keeps of a player: hit points, purse, bag and cooldowns.

use darkages_topology::{EntityId, Tick};
use serde::{Deserialize, Serialize};

use crate::event::Outcome;

/// Items that a player can carry, at most.
pub const MAX_ITEMS: usize = 32;

/// Gold that a player can hold, at most: what a client's double holds exactly.
pub const MAX_GOLD: u64 = 1 << 53;

/// An item, unique in the world for ever: the shard that made it and a counter, from the same row as the entities' ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub EntityId);

/// An item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Item {
    /// Which one.
    pub id: ItemId,
    /// What it is, a number of the studio's catalogue.
    pub kind: u16,
}

/// Gold and items that change hands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goods {
    /// Pieces of gold.
    pub gold: u64,
    /// Which items.
    pub items: Vec<ItemId>,
}

impl Goods {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.gold == 0 && self.items.is_empty()
    }
}

/// What the default game keeps of a player.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Character {
    /// Hit points, 0 to 100.
    pub hit_points: u8,
    /// Pieces of gold, at most [`MAX_GOLD`].
    pub gold: u64,
    /// The bag, at most [`MAX_ITEMS`].
    pub items: Vec<Item>,
    /// From when on a melee attack is possible.
    pub melee_ready: Tick,
    /// From when on a ranged attack is possible.
    pub ranged_ready: Tick,
    /// When it attacked last.
    pub attacked: Tick,
    /// Since when it is dead.
    pub dead_since: Option<Tick>,
    /// Raised with each change that the player's own client is told of: hit points, gold, items, life and death.
    pub version: u32,
}

/// Goods out of their owner's hands, between two characters.
#[must_use]
pub(super) struct Taken {
    gold: u64,
    items: Vec<Item>,
}

impl Character {
    /// Whether it is dead.
    #[must_use]
    pub const fn is_dead(&self) -> bool {
        self.dead_since.is_some()
    }

    pub(super) fn touch(&mut self) {
        self.version = self.version.wrapping_add(1);
    }

    /// Whether it has `goods`, each item once.
    pub(super) fn check_has(&self, goods: &Goods) -> Result<(), Outcome> {
        if goods.gold > self.gold {
            return Err(Outcome::NotEnoughGold);
        }
        if goods.items.len() > MAX_ITEMS {
            return Err(Outcome::NoSuchItem);
        }
        for (at, item) in goods.items.iter().enumerate() {
            let is_twice = goods.items[..at].contains(item);
            if is_twice || !self.items.iter().any(|held| held.id == *item) {
                return Err(Outcome::NoSuchItem);
            }
        }
        Ok(())
    }

    /// Whether it can hold `gold` and `items` more once it has given `gives` away.
    pub(super) fn check_holds(&self, gold: u64, items: usize, gives: &Goods) -> Result<(), Outcome> {
        if self.gold.saturating_sub(gives.gold).saturating_add(gold) > MAX_GOLD {
            return Err(Outcome::PurseFull);
        }
        if self.items.len().saturating_sub(gives.items.len()) + items > MAX_ITEMS {
            return Err(Outcome::InventoryFull);
        }
        Ok(())
    }

    /// Takes `goods` out of its hands; [`Character::check_has`] comes first.
    pub(super) fn take(&mut self, goods: &Goods) -> Taken {
        self.gold -= goods.gold;
        let mut items = Vec::with_capacity(goods.items.len());
        self.items.retain(|item| {
            let goes = goods.items.contains(&item.id);
            if goes {
                items.push(*item);
            }
            !goes
        });
        self.touch();
        Taken { gold: goods.gold, items }
    }

    /// Puts goods into its hands; [`Character::check_holds`] comes first.
    pub(super) fn put(&mut self, Taken { gold, mut items }: Taken) {
        self.gold += gold;
        self.items.append(&mut items);
        self.touch();
    }

    pub(super) fn put_loot(&mut self, gold: u64, items: Vec<Item>) {
        self.put(Taken { gold, items });
    }
}
