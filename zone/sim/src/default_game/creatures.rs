//! Creatures that wander, and what they leave behind.

use darkages_topology::world::{FULL_HIT_POINTS, UNITS_PER_METRE};
use darkages_topology::{Position, Tick};

use super::{DefaultGame, Item, ItemId, Loot, Npc, Thing};
use crate::motion::{self, Heading, SpeedClass, WALK_SPEED};
use crate::scene::Scene;

/// Creatures of one shard, at most.
pub const MAX_NPCS: usize = 2_000;
/// Heaps of loot on one shard, at most; the death of a creature beyond it leaves nothing.
pub const MAX_LOOT: usize = 1_024;
/// Ticks after which loot that nobody picked up is gone: 2 min.
pub const LOOT_LIFETIME_TICKS: u64 = 7_200;
/// Ticks before a new shard makes creatures: 2 s, in which those of its ground come over from the shard that had it.
const FIRST_SPAWN_TICKS: u64 = 120;
/// Ticks between two rounds of spawning; each round makes up a sixteenth of what is missing.
const SPAWN_ROUND_TICKS: u64 = 15;
/// How far a creature strays from its home, in metres.
const LEASH_M: i32 = 30;
/// Gold in a heap of loot, at most.
const MAX_LOOT_GOLD: u32 = 20;
/// One creature in this many leaves an item.
const ITEM_ODDS: u32 = 4;
/// Kinds of items that creatures leave.
const ITEM_KINDS: u32 = 100;

/// One tick of all creatures and loot.
pub(super) fn live(scene: &mut Scene<DefaultGame>) {
    let now = scene.tick();
    let (mut npcs, mut youngest) = (0, None);
    // Backwards, because a removal moves the last thing into the gap.
    for at in (0..scene.thing_count()).rev() {
        match scene.thing(at) {
            Thing::Loot(loot) if loot.until <= now => {
                let (gold, items) = (loot.gold, loot.items.len() as u64);
                scene.shard.gold_destroyed += gold;
                scene.shard.items_destroyed += items;
                scene.remove_thing(at);
                // The youngest so far may have moved into the gap; it is only ever a candidate, so forget it.
                youngest = None;
            }
            Thing::Loot(_) => {}
            Thing::Npc(_) => {
                npcs += 1;
                youngest = youngest.or(Some(at));
                wander(scene, at, now);
            }
        }
    }
    let first = *scene.shard.first_tick.get_or_insert(now);
    if now.since(first) >= FIRST_SPAWN_TICKS && now.0.is_multiple_of(SPAWN_ROUND_TICKS) {
        populate(scene, npcs, youngest);
    }
}

fn wander(scene: &mut Scene<DefaultGame>, at: usize, now: Tick) {
    let ground = *scene.ground();
    let bounds = *scene.bounds();
    let due = matches!(scene.thing(at), Thing::Npc(npc) if npc.until <= now);
    let dice = if due { scene.random_below(1 << 16) } else { 0 };
    let (Thing::Npc(npc), body) = scene.thing_and_body_mut(at) else { return };
    if due {
        npc.walking = !npc.walking;
        // Walks of half a second to one and a half, rests of one to five seconds.
        let ticks = if npc.walking { 30 + (dice >> 8) % 60 } else { 60 + (dice >> 8) % 240 };
        npc.until = now.plus(u64::from(ticks));
        if npc.walking {
            let home = motion::clamp(npc.home, &ground);
            let is_astray = !ground.contains(body.position) || !body.position.within(home, LEASH_M);
            body.heading = if is_astray { Heading::towards(body.position, home) } else { Heading((dice & 0xff) as u8) };
        }
        body.speed = if npc.walking { SpeedClass::Walking } else { SpeedClass::Standing };
    }
    if npc.walking {
        // A creature stays on its shard's ground, so that borders are not crossed for nothing.
        let fence = if ground.contains(body.position) { &ground } else { &bounds };
        body.advance(WALK_SPEED, fence);
    }
}

/// Brings the number of creatures towards what the rules want on this ground.
fn populate(scene: &mut Scene<DefaultGame>, npcs: usize, youngest: Option<usize>) {
    const SQUARE_KM: u64 = (1_000 * UNITS_PER_METRE as u64).pow(2);
    let area = scene.ground().area().unsigned_abs();
    let wanted = area.saturating_mul(u64::from(scene.rules().npcs_per_square_km)) / SQUARE_KM;
    let wanted = wanted.min(MAX_NPCS as u64) as usize;
    if npcs < wanted {
        for _ in 0..(wanted - npcs).div_ceil(16) {
            spawn(scene);
        }
    } else if let Some(at) = youngest.filter(|_| npcs > wanted + wanted / 4 + 4) {
        // Mergers leave a surplus behind. Creatures own nothing, so nothing is lost.
        scene.remove_thing(at);
    }
}

fn spawn(scene: &mut Scene<DefaultGame>) {
    let ground = *scene.ground();
    let x = ground.min.x + scene.random_below(ground.width().unsigned_abs()) as i32;
    let y = ground.min.y + scene.random_below(ground.height().unsigned_abs()) as i32;
    let home = Position { x, y };
    let npc = Npc { hit_points: FULL_HIT_POINTS as u8, home, walking: false, until: scene.tick() };
    // A full shard has no room for another creature, which is as it should be.
    let _ = scene.add_thing(home, Thing::Npc(npc));
}

/// The creature kept at `at` dies and leaves its loot: the one way besides new characters in which gold and items come into
/// the world.
pub(super) fn die(scene: &mut Scene<DefaultGame>, at: usize) {
    let position = scene.remove_thing(at).body.position;
    let heaps = (0..scene.thing_count()).filter(|at| matches!(scene.thing(*at), Thing::Loot(_))).count();
    if heaps >= MAX_LOOT {
        return;
    }
    let gold = u64::from(1 + scene.random_below(MAX_LOOT_GOLD));
    let mut items = Vec::new();
    if scene.random_below(ITEM_ODDS) == 0 {
        let kind = scene.random_below(ITEM_KINDS) as u16;
        items.extend(scene.mint().map(|id| Item { id: ItemId(id), kind }));
    }
    let count = items.len() as u64;
    let until = scene.tick().plus(LOOT_LIFETIME_TICKS);
    if scene.add_thing(position, Thing::Loot(Loot { gold, items, until })).is_some() {
        scene.shard.gold_created += gold;
        scene.shard.items_created += count;
    }
}
