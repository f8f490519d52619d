//! Snapshots to clients.

use std::time::Instant;

use darkages_protocol::{BlockWriter, SnapshotHeader, ZoneMessage};
use darkages_topology::world::{CLIENT_DOWN_BYTES_PER_S, SNAPSHOT_RATE_HZ, TICK_RATE_HZ};
use darkages_topology::{EntityId, InputSeq, OwnerEpoch, Position};
use darkages_transport::Channel;

use super::Zone;
use crate::clients::Client;
use crate::clock::is_due;
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
            if !is_due(self.ticked, tick, client.phase, every) {
                continue;
            }
            let Some(viewer) = viewer(life, client) else { continue };
            let mut block = BlockWriter::reuse(std::mem::take(&mut self.block), bytes);
            let number = client.view.fill(viewer.place, viewer.entity, &scene, &mut block);
            let Viewer { owner_epoch, applied, .. } = viewer;
            let filling = client.view.is_filling();
            let header = SnapshotHeader { number, tick, owner_epoch, applied, filling };
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
}

/// Where a client looks from: its player, or the ghost of the player that is being handed over to this zone.
fn viewer<G: Play>(life: &super::Life<G>, client: &Client) -> Option<Viewer> {
    let (world, player) = (&life.hall.world, client.player);
    if let Some(owner_epoch) = client.acting {
        let (place, entity, applied) =
            (world.position_of(player)?, world.entity_of(player)?, world.last_input(player)?);
        let owner_epoch = if client.can_hear(applied) { owner_epoch } else { OwnerEpoch::default() };
        return Some(Viewer { place, entity, owner_epoch, applied });
    }
    let (entity, _) = life.hall.known(player)?;
    let place = world.scene().position(world.scene().find(entity)?);
    Some(Viewer { place, entity, owner_epoch: OwnerEpoch::default(), applied: InputSeq::default() })
}
