//! Attacks, death and respawn.

use darkages_topology::world::{FULL_HIT_POINTS, UNITS_PER_METRE};
use darkages_topology::{EntityId, Position};

use super::{Action, AttackKind, DefaultGame, Entry, Happening, Thing, creatures};
use crate::event::Outcome;
use crate::game::{Subject, Verdict};
use crate::scene::Scene;
use crate::view::{FLAG_DEAD, Kind};

/// Reach of a melee attack, in metres.
pub const MELEE_RANGE_M: i32 = 3;
/// Reach of a ranged attack, in metres; less than a border's width, so that whoever can be shot can be seen.
pub const RANGED_RANGE_M: i32 = 30;
/// Ticks between two melee attacks.
pub const MELEE_COOLDOWN_TICKS: u64 = 30;
/// Ticks between two ranged attacks.
pub const RANGED_COOLDOWN_TICKS: u64 = 60;
/// Hit points that a melee attack takes.
pub const MELEE_DAMAGE: u8 = 10;
/// Hit points that a ranged attack takes.
pub const RANGED_DAMAGE: u8 = 8;
/// Ticks for which an attacker is shown as attacking.
pub const ATTACK_FLAG_TICKS: u64 = 15;
/// Ticks after death from which on a player may come back.
pub const RESPAWN_FROM_TICKS: u64 = 180;
/// Ticks after death at which a player comes back unasked.
pub const RESPAWN_AT_TICKS: u64 = 600;
/// Spawn points form a lattice of this many metres over the whole world; the dead come back at the nearest.
pub const SPAWN_SPACING_M: i32 = 100;

pub(super) fn attack(
    scene: &mut Scene<DefaultGame>,
    actor: usize,
    kind: AttackKind,
    target: EntityId,
) -> Verdict<Entry> {
    Verdict::Answer(match try_attack(scene, actor, kind, target) {
        Ok(()) => Outcome::Done,
        Err(outcome) => outcome,
    })
}

fn try_attack(scene: &mut Scene<DefaultGame>, actor: usize, kind: AttackKind, target: EntityId) -> Result<(), Outcome> {
    let (range, cooldown) = match kind {
        AttackKind::Melee => (MELEE_RANGE_M, MELEE_COOLDOWN_TICKS),
        AttackKind::Ranged => (RANGED_RANGE_M, RANGED_COOLDOWN_TICKS),
    };
    let now = scene.tick();
    let attacker = scene.player_entity(actor);
    let subject = scene.find(target).ok_or(Outcome::UnknownTarget)?;
    if scene.character(actor).is_dead() {
        return Err(Outcome::Dead);
    }
    check_target(scene, subject)?;
    if target == attacker {
        return Err(Outcome::WrongTarget);
    }
    if !scene.position(Subject::Player(actor)).within(scene.position(subject), range) {
        return Err(Outcome::OutOfRange);
    }
    let character = scene.character_mut(actor);
    let ready = match kind {
        AttackKind::Melee => &mut character.melee_ready,
        AttackKind::Ranged => &mut character.ranged_ready,
    };
    if now < *ready {
        return Err(Outcome::OnCooldown);
    }
    *ready = now.plus(cooldown);
    character.attacked = now;
    match subject {
        Subject::Ghost(at) => scene.act_on_ghost(at, &Action::Hit { attacker, kind }),
        Subject::Player(_) | Subject::Thing(_) => wound(scene, subject, attacker, kind),
    }
    Ok(())
}

/// Whether `subject` is alive.
fn check_target(scene: &Scene<DefaultGame>, subject: Subject) -> Result<(), Outcome> {
    match subject {
        Subject::Player(at) if scene.character(at).is_dead() => Err(Outcome::TargetDead),
        Subject::Ghost(at) if scene.ghost(at).view.kind == Kind::Loot => Err(Outcome::WrongTarget),
        Subject::Ghost(at) if scene.ghost(at).view.flags & FLAG_DEAD != 0 => Err(Outcome::TargetDead),
        Subject::Thing(at) if matches!(scene.thing(at), Thing::Loot(_)) => Err(Outcome::WrongTarget),
        Subject::Player(_) | Subject::Ghost(_) | Subject::Thing(_) => Ok(()),
    }
}

/// Takes hit points off an own entity. What is dead or never lived is left alone: it may have died since the blow.
pub(super) fn wound(scene: &mut Scene<DefaultGame>, subject: Subject, attacker: EntityId, kind: AttackKind) {
    let power = match kind {
        AttackKind::Melee => MELEE_DAMAGE,
        AttackKind::Ranged => RANGED_DAMAGE,
    };
    let now = scene.tick();
    let position = scene.position(subject);
    let (target, damage, died) = match subject {
        Subject::Player(at) => {
            let character = scene.character_mut(at);
            if character.is_dead() {
                return;
            }
            let damage = power.min(character.hit_points);
            character.hit_points -= damage;
            character.touch();
            let died = character.hit_points == 0;
            if died {
                character.dead_since = Some(now);
            }
            (scene.player_entity(at), damage, died)
        }
        Subject::Thing(at) => {
            let entity = scene.thing_entity(at);
            let Thing::Npc(npc) = scene.thing_mut(at) else { return };
            let damage = power.min(npc.hit_points);
            npc.hit_points -= damage;
            let died = npc.hit_points == 0;
            if died {
                creatures::die(scene, at);
            }
            (entity, damage, died)
        }
        Subject::Ghost(_) => return,
    };
    scene.tell_around(position, Happening::Hit { attacker, target, kind, damage });
    if died {
        scene.tell_around(position, Happening::Died { entity: target, by: attacker });
    }
}

pub(super) fn respawn_on_demand(scene: &mut Scene<DefaultGame>, actor: usize) -> Verdict<Entry> {
    Verdict::Answer(match scene.character(actor).dead_since {
        None => Outcome::NotDead,
        Some(since) if scene.tick().since(since) < RESPAWN_FROM_TICKS => Outcome::TooEarly,
        Some(_) => {
            respawn(scene, actor);
            Outcome::Done
        }
    })
}

pub(super) fn respawn_the_dead(scene: &mut Scene<DefaultGame>) {
    for at in 0..scene.player_count() {
        let now = scene.tick();
        if scene.character(at).dead_since.is_some_and(|since| now.since(since) >= RESPAWN_AT_TICKS) {
            respawn(scene, at);
        }
    }
}

fn respawn(scene: &mut Scene<DefaultGame>, at: usize) {
    let position = spawn_point(scene.position(Subject::Player(at)));
    let character = scene.character_mut(at);
    character.dead_since = None;
    character.hit_points = FULL_HIT_POINTS as u8;
    character.touch();
    scene.place_player(at, position);
    let (position, entity) = (scene.position(Subject::Player(at)), scene.player_entity(at));
    scene.tell_around(position, Happening::Respawned { entity });
}

/// The spawn point that is nearest to `position`: the middle of its square of the lattice.
fn spawn_point(position: Position) -> Position {
    const SPACING: i32 = SPAWN_SPACING_M * UNITS_PER_METRE;
    let middle = |coordinate: i32| coordinate.div_euclid(SPACING) * SPACING + SPACING / 2;
    Position { x: middle(position.x), y: middle(position.y) }
}
