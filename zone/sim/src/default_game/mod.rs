//! The default game: melee and ranged attacks, death and respawn, gold and unique items, trade between neighbours, creatures
//! that wander.
//!
//! Gold and items come into the world in two ways only, with a new character and with the loot of a creature, and leave it in
//! one, with loot that nobody picked up; [`Shard`] counts both. Everything else moves them from hand to hand.

mod audit;
mod character;
mod combat;
mod command;
mod creatures;
mod thing;
mod trade;

pub use character::{Character, Goods, Item, ItemId, MAX_GOLD, MAX_ITEMS};
pub use combat::{
    ATTACK_FLAG_TICKS, MELEE_COOLDOWN_TICKS, MELEE_DAMAGE, MELEE_RANGE_M, RANGED_COOLDOWN_TICKS, RANGED_DAMAGE,
    RANGED_RANGE_M, RESPAWN_AT_TICKS, RESPAWN_FROM_TICKS, SPAWN_SPACING_M,
};
pub use command::{Action, AttackKind, Command, Entry, Happening};
pub use creatures::{LOOT_LIFETIME_TICKS, MAX_LOOT, MAX_NPCS};
pub use thing::{Loot, Npc, Thing};
pub use trade::{MAX_OFFERS, MAX_OFFERS_PER_PLAYER, OFFER_LIFETIME_TICKS, Offer, PICKUP_RANGE_M, TRADE_RANGE_M};

use darkages_topology::Tick;
use darkages_topology::world::FULL_HIT_POINTS;
use serde::{Deserialize, Serialize};

use crate::event::RequestId;
use crate::game::{Game, Look, Subject, Verdict};
use crate::input::InputValue;
use crate::motion::{MAX_SPEED, WALK_SPEED};
use crate::scene::Scene;
use crate::view::{FLAG_ATTACKING, FLAG_DEAD, Kind};

/// The game that comes with the world.
pub enum DefaultGame {}

/// What the operator sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Creatures per square kilometre; at most [`MAX_NPCS`] on a shard.
    pub npcs_per_square_km: u32,
    /// Gold of a new character, at most [`MAX_GOLD`].
    pub starting_gold: u64,
    /// Items of a new character, at most [`MAX_ITEMS`].
    pub starting_items: u8,
}

impl Default for Rules {
    fn default() -> Self {
        Self { npcs_per_square_km: 50, starting_gold: 100, starting_items: 2 }
    }
}

/// What the default game keeps once per shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Open offers, oldest first.
    pub offers: Vec<Offer>,
    /// Gold that this shard brought into the world.
    pub gold_created: u64,
    /// Gold that this shard took out of the world.
    pub gold_destroyed: u64,
    /// Items that this shard brought into the world.
    pub items_created: u64,
    /// Items that this shard took out of the world.
    pub items_destroyed: u64,
    /// The first tick, from which the wait for the first creatures counts.
    pub first_tick: Option<Tick>,
}

impl Game for DefaultGame {
    type Rules = Rules;
    type Character = Character;
    type Thing = Thing;
    type Shard = Shard;
    type Command = Command;
    type Action = Action;
    type Event = Happening;
    type Entry = Entry;

    fn new_character(scene: &mut Scene<Self>) -> Option<Character> {
        let gold = scene.rules().starting_gold.min(MAX_GOLD);
        let count = usize::from(scene.rules().starting_items).min(MAX_ITEMS);
        let mut items = Vec::with_capacity(count);
        for kind in 0..count {
            items.push(Item { id: ItemId(scene.mint()?), kind: kind as u16 });
        }
        scene.shard.gold_created += gold;
        scene.shard.items_created += count as u64;
        Some(Character {
            hit_points: FULL_HIT_POINTS as u8,
            gold,
            items,
            melee_ready: Tick::default(),
            ranged_ready: Tick::default(),
            attacked: Tick::default(),
            dead_since: None,
            version: 0,
        })
    }

    fn is_sound(character: &Character) -> bool {
        let Character { hit_points, gold, items, dead_since, .. } = character;
        let is_dead = dead_since.is_some();
        *hit_points <= FULL_HIT_POINTS as u8
            && is_dead == (*hit_points == 0)
            && *gold <= MAX_GOLD
            && items.len() <= MAX_ITEMS
    }

    fn is_sound_thing(thing: &Thing) -> bool {
        match thing {
            Thing::Npc(npc) => (1..=FULL_HIT_POINTS as u8).contains(&npc.hit_points),
            Thing::Loot(loot) => loot.gold <= MAX_GOLD && loot.items.len() <= MAX_ITEMS,
        }
    }

    fn is_durable(command: &Command) -> bool {
        match command {
            Command::PickUp { .. }
            | Command::Give { .. }
            | Command::Offer { .. }
            | Command::Accept { .. }
            | Command::Decline { .. } => true,
            Command::Attack { .. } | Command::Respawn => false,
        }
    }

    fn speed(_rules: &Rules, character: &Character, input: InputValue) -> i32 {
        match (character.is_dead(), input.sprinting) {
            (true, _) => 0,
            (false, false) => WALK_SPEED,
            (false, true) => MAX_SPEED,
        }
    }

    fn command(scene: &mut Scene<Self>, actor: usize, _request: RequestId, command: &Command) -> Verdict<Entry> {
        match command {
            Command::Attack { kind, target } => combat::attack(scene, actor, *kind, *target),
            Command::PickUp { loot } => trade::pick_up(scene, actor, *loot),
            Command::Give { to, goods } => trade::give(scene, actor, *to, goods),
            Command::Offer { to, give, want } => trade::offer(scene, actor, *to, give, want),
            Command::Accept { offer } => trade::accept(scene, actor, *offer),
            Command::Decline { offer } => trade::decline(scene, actor, *offer),
            Command::Respawn => combat::respawn_on_demand(scene, actor),
        }
    }

    fn suffer(scene: &mut Scene<Self>, target: Subject, action: &Action) {
        let Action::Hit { attacker, kind } = action;
        combat::wound(scene, target, *attacker, *kind);
    }

    fn tick(scene: &mut Scene<Self>) {
        combat::respawn_the_dead(scene);
        trade::expire_offers(scene);
        creatures::live(scene);
    }

    fn character_look(scene: &Scene<Self>, character: &Character) -> Look {
        let mut flags = 0;
        if character.is_dead() {
            flags |= FLAG_DEAD;
        }
        if character.attacked != Tick::default() && scene.tick().since(character.attacked) < ATTACK_FLAG_TICKS {
            flags |= FLAG_ATTACKING;
        }
        Look { kind: Kind::Player, hit_points: character.hit_points, flags }
    }

    fn thing_look(_scene: &Scene<Self>, thing: &Thing) -> Look {
        match thing {
            Thing::Npc(npc) => Look { kind: Kind::Npc, hit_points: npc.hit_points, flags: 0 },
            Thing::Loot(_) => Look { kind: Kind::Loot, hit_points: 0, flags: 0 },
        }
    }
}
