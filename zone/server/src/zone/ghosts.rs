//! Ghosts to neighbours: what stands near their ground, as this zone shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use darkages_sim::{Game, GhostState, Scene, Subject};
use darkages_store::Fence;
use darkages_topology::world::{BORDER_M, INTEREST_RINGS, UNITS_PER_METRE};
use darkages_topology::{EntityId, PlayerId, Position, Rect};
use darkages_transport::{Channel, SessionId};

use super::{Life, Zone};
use crate::clock::is_due;
use crate::peers::{Frame, MAX_GHOSTS_PER_FRAME, SIGHT_M, WireGhost};
use crate::play::Play;

/// How near to a neighbour's ground an entity is shown there, in metres, and every how many ticks. The farthest is as far as
/// its players see, so that a border is no edge of sight; beyond the border band a ghost changes as seldom as what they see.
const GHOST_RINGS: [(i32, u64); 3] = [(BORDER_M, 2), (INTEREST_RINGS[1].0 + 10, 6), (SIGHT_M, 12)];

/// An entity that is shown to a neighbour stays shown until it is this far away, in metres, so that nothing flickers there.
const GHOST_LEAVES_M: i32 = SIGHT_M + 50;

/// A player who was released and whom nobody has taken yet is shown to neighbours every so many ticks: often enough that a lost
/// frame or two let no ghost expire.
const RELEASED_TICKS: u64 = 12;

/// Which entities each neighbour is shown.
#[derive(Debug, Default)]
pub(super) struct GhostBands {
    shown: BTreeMap<Fence, BTreeSet<EntityId>>,
}

impl GhostBands {
    /// This zone is somebody else from now on.
    pub(super) fn clear(&mut self) {
        self.shown.clear();
    }
}

impl<G: Play> Zone<G> {
    /// Shows every neighbour what stands near its ground.
    pub(super) fn send_ghosts(&mut self) {
        let Some(life) = &self.life else { return };
        let (topology, world) = (&life.hall.topology, &life.hall.world);
        let open: BTreeMap<Fence, SessionId> = self.peers.open().map(|(session, peer)| (peer, session)).collect();
        self.bands.shown.retain(|peer, _| open.contains_key(peer));
        let released = released(life);
        // What is said once must arrive; what is said again the next time need not.
        let (mut once, mut frames) = (Vec::new(), Vec::new());
        for (peer, session) in open {
            let ground = topology.shard(peer.shard).map(|shard| shard.bounds);
            let shown = self.bands.shown.entry(peer).or_default();
            let gone = part(shown, world.scene());
            if !gone.is_empty() {
                once.push((session, Frame::Gone { entities: gone }));
            }
            let is_due = |entity: EntityId, every| is_due(self.ticked, self.tick, entity.0, every);
            let Near { new, known } = near(life, ground.as_ref(), shown, is_due);
            for (ghosts, is_new) in [(new, true), (known, false)] {
                for chunk in ghosts.chunks(MAX_GHOSTS_PER_FRAME) {
                    let frame = Frame::Ghosts { tick: self.tick.0, ghosts: chunk.to_vec() };
                    if is_new { once.push((session, frame)) } else { frames.push((session, frame)) }
                }
            }
            // Whoever was released and not taken yet is nobody's for a moment. The tick is that of the last state, so that
            // what the taker shows is newer.
            for ghost in &released {
                let is_near = every(distance_to(ground.as_ref(), ghost.position()), true).is_some();
                if is_near && is_due(ghost.entity(), RELEASED_TICKS) {
                    let ghosts = vec![WireGhost::new(&ghost.view, ghost.player)];
                    frames.push((session, Frame::Ghosts { tick: ghost.tick.0, ghosts }));
                }
            }
        }
        self.keep_showing(released);
        let now = Instant::now();
        for (session, frame) in frames {
            // The next one says the same again.
            let _ = self.endpoint.send(session, Channel::Unreliable, &frame.encode(), now);
        }
        // In order with the releases of handoffs, so that a client who changes its zone is not shown the gone again.
        for (session, frame) in once {
            self.send_frame(session, &frame);
        }
    }

    /// The same for the own clients: these ghosts do not expire.
    fn keep_showing(&mut self, released: Vec<GhostState>) {
        let Some(life) = &mut self.life else { return };
        for ghost in released {
            life.hall.world.upsert_ghost(ghost);
        }
    }
}

/// Ghosts of own entities that a neighbour is sent in one tick.
#[derive(Default)]
struct Near {
    /// It is not shown them yet: a view that it fills may need them.
    new: Vec<WireGhost>,
    known: Vec<WireGhost>,
}

/// The ghosts for a neighbour with this ground; `shown` is what it is shown.
fn near<G: Play>(
    life: &Life<G>,
    ground: Option<&Rect>,
    shown: &mut BTreeSet<EntityId>,
    is_due: impl Fn(EntityId, u64) -> bool,
) -> Near {
    let world = &life.hall.world;
    let mut near = Near::default();
    for (at, view) in world.own_views().iter().enumerate() {
        let was_shown = shown.contains(&view.entity);
        let Some(every) = every(distance_to(ground, view.position), was_shown) else {
            if was_shown {
                shown.remove(&view.entity);
            }
            continue;
        };
        if !was_shown {
            shown.insert(view.entity);
        }
        if !was_shown || is_due(view.entity, every) {
            let player: Option<PlayerId> = world.players().get(at).copied();
            let ghosts = if was_shown { &mut near.known } else { &mut near.new };
            ghosts.push(WireGhost::new(view, player));
        }
    }
    near
}

/// Players who were released and whom nobody has taken yet, as they stood last.
fn released<G: Play>(life: &Life<G>) -> Vec<GhostState> {
    let remembered: BTreeSet<PlayerId> = life.machine.remembered().collect();
    if remembered.is_empty() {
        return Vec::new();
    }
    let is_remembered = |ghost: &&GhostState| ghost.player.is_some_and(|player| remembered.contains(&player));
    life.hall.world.ghosts().filter(is_remembered).copied().collect()
}

/// Parts with entities that this zone has no more, and returns those of them that nobody has.
fn part<G: Game>(shown: &mut BTreeSet<EntityId>, scene: &Scene<G>) -> Vec<u64> {
    let mut gone = Vec::new();
    shown.retain(|entity| match scene.find(*entity) {
        Some(Subject::Player(_) | Subject::Thing(_)) => true,
        // It was handed over; its new owner shows it.
        Some(Subject::Ghost(_)) => false,
        None => {
            gone.push(entity.0);
            false
        }
    });
    gone
}

/// Every how many ticks an entity at this square of a distance is shown, if at all.
fn every(distance: i64, was_shown: bool) -> Option<u64> {
    let square = |metres: i32| {
        let units = i64::from(metres) * i64::from(UNITS_PER_METRE);
        units * units
    };
    let ring = GHOST_RINGS.iter().find(|(metres, _)| distance <= square(*metres)).map(|(_, every)| *every);
    ring.or_else(|| (was_shown && distance <= square(GHOST_LEAVES_M)).then_some(GHOST_RINGS[2].1))
}

/// A zone without ground has players anywhere, so everything is near to it.
fn distance_to(ground: Option<&Rect>, place: Position) -> i64 {
    ground.map_or(0, |ground| ground.distance_squared(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(metres: i32, was_shown: bool) -> Option<u64> {
        let ground = Rect::from_metres(0.0, 0.0, 100.0, 100.0).expect("a ground");
        every(distance_to(Some(&ground), Position::from_metres(100 + metres, 50)), was_shown)
    }

    #[test]
    fn ghosts_are_shown_as_far_as_interest_reaches_and_seldomer_with_distance() {
        assert_eq!((at(0, false), at(BORDER_M - 1, false)), (Some(2), Some(2)));
        assert_eq!((at(BORDER_M + 1, false), at(109, false)), (Some(6), Some(6)));
        assert_eq!((at(111, false), at(249, false), at(251, false)), (Some(12), Some(12), None));
        // Nothing flickers at the rim.
        assert_eq!((at(GHOST_LEAVES_M - 1, true), at(GHOST_LEAVES_M + 1, true)), (Some(12), None));
        assert_eq!(every(distance_to(None, Position::from_metres(9_000, 0)), false), Some(2), "no ground: all is near");
    }
}
