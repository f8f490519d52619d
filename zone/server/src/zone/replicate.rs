//! Snapshots to clients and ghosts to neighbours.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use darkages_protocol::{BlockWriter, SnapshotHeader, ZoneMessage};
use darkages_sim::{Game, Scene, Subject};
use darkages_store::Fence;
use darkages_topology::world::{
    BORDER_M, CLIENT_DOWN_BYTES_PER_S, INTEREST_RINGS, SNAPSHOT_RATE_HZ, TICK_RATE_HZ, UNITS_PER_METRE,
};
use darkages_topology::{EntityId, InputSeq, OwnerEpoch, PlayerId, Position, Rect};
use darkages_transport::{Channel, SessionId};

use super::Zone;
use crate::peers::{Frame, MAX_GHOSTS_PER_FRAME, WireGhost};
use crate::play::Play;

/// Ticks between two snapshots to one client.
pub(super) const SNAPSHOT_TICKS: u64 = (TICK_RATE_HZ / SNAPSHOT_RATE_HZ) as u64;

/// Bytes of a datagram that are not the entity block: the snapshot's header, framing, an acknowledgement and the seal.
const OVERHEAD_BYTES: usize = 60;

/// Bytes of an entity block, at most: the client's budget, snapshot by snapshot.
const BLOCK_BYTES: usize = (CLIENT_DOWN_BYTES_PER_S / SNAPSHOT_RATE_HZ) as usize - OVERHEAD_BYTES;

/// Ticks between two snapshots that only prepare the view of a player who is being handed over to this zone, and the bytes of
/// their blocks: there is a tenth of a second to show everything that the other zone shows.
const PREPARING_TICKS: u64 = 2;
const PREPARING_BLOCK_BYTES: usize = 1_000;

/// How near to a neighbour's ground an entity is shown there, in metres, and every how many ticks. The farthest is as far as
/// its players see, so that a border is no edge of sight; beyond the border band a ghost changes as seldom as what they see.
const GHOST_RINGS: [(i32, u64); 3] = [(BORDER_M, 2), (INTEREST_RINGS[1].0 + 10, 6), (INTEREST_RINGS[2].0 + 50, 12)];

/// An entity that is shown to a neighbour stays shown until it is this far away, in metres, so that nothing flickers there.
const GHOST_LEAVES_M: i32 = INTEREST_RINGS[2].0 + 100;

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

/// What a client is to be shown from, this tick.
struct Viewer {
    place: Position,
    entity: EntityId,
    owner_epoch: OwnerEpoch,
    applied: InputSeq,
}

impl<G: Play> Zone<G> {
    /// Shows this tick to everybody whose turn it is.
    pub(super) fn replicate(&mut self) {
        self.tell_changes();
        self.send_snapshots();
        self.send_ghosts();
    }

    /// Tells players what they have when that changed.
    fn tell_changes(&mut self) {
        let Some(life) = &self.life else { return };
        let mut messages = Vec::new();
        for client in self.clients.iter_mut().filter(|client| client.acting.is_some()) {
            let Some(character) = life.hall.world.character(client.player) else { continue };
            let version = Some(G::version(character));
            // What is not durable yet is not told either: it could be gone after a crash.
            if client.told_version != version && !crate::handoff::Players::is_busy(&life.hall, client.player) {
                client.told_version = version;
                messages.push((client.player, ZoneMessage::SelfState(G::self_state(character))));
            }
        }
        for (player, message) in messages {
            self.tell(player, &message);
        }
    }

    fn send_snapshots(&mut self) {
        let (tick, now) = (self.tick, Instant::now());
        let Some(life) = &self.life else { return };
        let scene = self.scene.build(life.hall.world.views());
        let mut views = 0;
        for client in self.clients.iter_mut() {
            views += client.view.len();
            let (every, bytes) = match client.acting {
                Some(_) => (SNAPSHOT_TICKS, BLOCK_BYTES),
                None => (PREPARING_TICKS, PREPARING_BLOCK_BYTES),
            };
            if !(client.phase + tick.0).is_multiple_of(every) {
                continue;
            }
            let Some(viewer) = viewer(life, client.player, client.acting) else { continue };
            let mut block = BlockWriter::reuse(std::mem::take(&mut self.block), bytes);
            let number = client.view.fill(viewer.place, viewer.entity, &scene, &mut block);
            let header = SnapshotHeader { number, tick, owner_epoch: viewer.owner_epoch, applied: viewer.applied };
            self.buffer.clear();
            header.encode(block.as_bytes(), &mut self.buffer);
            self.block = block.into_bytes();
            // A snapshot that finds no room is one that was lost.
            if self.endpoint.send(client.session, Channel::Unreliable, &self.buffer, now).is_ok() {
                self.metrics.snapshots.inc();
            }
        }
        self.views = views;
    }

    /// Shows every neighbour what stands near its ground.
    fn send_ghosts(&mut self) {
        let Some(life) = &self.life else { return };
        let (topology, world) = (&life.hall.topology, &life.hall.world);
        let open: BTreeMap<Fence, SessionId> = self.peers.open().map(|(session, peer)| (peer, session)).collect();
        self.bands.shown.retain(|peer, _| open.contains_key(peer));
        let (mut frames, mut farewells) = (Vec::new(), Vec::new());
        for (peer, session) in open {
            let ground = topology.shard(peer.shard).map(|shard| shard.bounds);
            let shown = self.bands.shown.entry(peer).or_default();
            let gone = part(shown, world.scene());
            if !gone.is_empty() {
                farewells.push((session, Frame::Gone { entities: gone }));
            }
            let mut ghosts = Vec::new();
            for (at, view) in world.own_views().iter().enumerate() {
                let distance = distance_to(ground.as_ref(), view.position);
                let was_shown = shown.contains(&view.entity);
                let Some(every) = every(distance, was_shown) else {
                    if was_shown {
                        shown.remove(&view.entity);
                    }
                    continue;
                };
                if !was_shown {
                    shown.insert(view.entity);
                }
                if !was_shown || (self.tick.0 + view.entity.0).is_multiple_of(every) {
                    let player: Option<PlayerId> = world.players().get(at).copied();
                    ghosts.push(WireGhost::new(view, player));
                }
            }
            for chunk in ghosts.chunks(MAX_GHOSTS_PER_FRAME) {
                frames.push((session, Frame::Ghosts { tick: self.tick.0, ghosts: chunk.to_vec() }));
            }
        }
        let now = Instant::now();
        for (session, frame) in frames {
            // The next one says the same again.
            let _ = self.endpoint.send(session, Channel::Unreliable, &frame.encode(), now);
        }
        // In order with the releases of handoffs, so that a client who changes its zone is not shown the gone again.
        for (session, frame) in farewells {
            self.send_frame(session, &frame);
        }
    }
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

/// Where a client looks from: its player, or the ghost of the player that is being handed over to this zone.
fn viewer<G: Play>(life: &super::Life<G>, player: PlayerId, acting: Option<OwnerEpoch>) -> Option<Viewer> {
    let world = &life.hall.world;
    if let Some(owner_epoch) = acting {
        let (place, entity) = (world.position_of(player)?, world.entity_of(player)?);
        return Some(Viewer { place, entity, owner_epoch, applied: world.last_input(player)? });
    }
    let (entity, _) = life.hall.known(player)?;
    let place = world.scene().position(world.scene().find(entity)?);
    Some(Viewer { place, entity, owner_epoch: OwnerEpoch::default(), applied: InputSeq::default() })
}
