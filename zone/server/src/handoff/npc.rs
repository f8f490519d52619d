//! Entities without client and record: PREPARE, RELEASE and DONE. See [`Subject::Npc`](super::Subject::Npc) for what
//! conserves them.

use std::collections::BTreeMap;

use darkages_store::{Fence, PlayerData};
use darkages_topology::{EntityId, HandoffId, OwnerEpoch, ShardId, Tick};

use super::core::{Core, Io};
use super::incoming::Held;
use super::limits::{MAX_NPCS, MESSAGE_LIFETIME, PREPARE_TIMEOUT, RESEND, RETRY_FIRST};
use super::message::PeerMessage;
use super::subject::{Outcome, Reason, Refusal, Subject};

/// The NPCs of a zone that are on their way.
#[derive(Default)]
pub(super) struct Npcs {
    out: BTreeMap<EntityId, Leaving>,
    /// NPCs that wait for their cut tick.
    held: BTreeMap<HandoffId, (EntityId, Held)>,
    /// Handoffs that were taken, so that each is taken once. Forgotten when no message about them can come any more.
    taken: BTreeMap<HandoffId, Tick>,
    /// When the old ones were forgotten last.
    forgot: Tick,
}

/// An NPC on its way out.
struct Leaving {
    id: HandoffId,
    to: Fence,
    started: Tick,
    resend_at: Tick,
    stage: Stage,
}

enum Stage {
    /// PREPARE was sent; the NPC acts here.
    Asked,
    /// It was removed here and belongs to the taker.
    Released { data: PlayerData, cut: Tick },
    /// The handoff failed; not again before this tick.
    Resting(Tick),
}

impl Npcs {
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.released() == 0
    }

    /// NPCs that belong to their takers, as far as this zone knows.
    pub fn released(&self) -> usize {
        self.out.values().filter(|npc| matches!(npc.stage, Stage::Released { .. })).count()
    }

    pub fn wanted(&mut self, entity: EntityId, to: ShardId, core: &mut Core, io: &mut Io<'_>) {
        let Some(to) = core.peer(to).filter(|_| !core.standing.is_over() && to != core.me.shard) else { return };
        if self.out.contains_key(&entity) || self.out.len() >= MAX_NPCS || !core.may_start() {
            return;
        }
        let now = io.tick();
        let id = core.next_handoff();
        let mut npc = Leaving { id, to, started: now, resend_at: now, stage: Stage::Asked };
        npc.send(entity, io);
        self.out.insert(entity, npc);
    }

    pub fn unwanted(&mut self, entity: EntityId, io: &mut Io<'_>) {
        if let Some(npc) = self.out.get_mut(&entity).filter(|npc| matches!(npc.stage, Stage::Asked)) {
            npc.fail(entity, Outcome::WantedElsewhere, io);
        }
    }

    pub fn tick(&mut self, core: &Core, io: &mut Io<'_>) {
        let now = io.tick();
        self.out.retain(|&entity, npc| npc.tick(entity, core, io));
        let due: Vec<HandoffId> =
            self.held.iter().filter(|(_, (_, held))| held.cut <= now).map(|(&handoff, _)| handoff).collect();
        for handoff in due {
            if let Some((entity, held)) = self.held.remove(&handoff) {
                self.take(entity, &held, io);
            }
        }
        if now.since(self.forgot) >= MESSAGE_LIFETIME / 4 {
            self.forgot = now;
            self.taken.retain(|_, when| now.since(*when) <= 2 * MESSAGE_LIFETIME);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a PREPARE, and the outside")]
    pub fn prepare(
        &mut self,
        entity: EntityId,
        from: Fence,
        handoff: HandoffId,
        sent: Tick,
        data: &PlayerData,
        core: &Core,
        io: &mut Io<'_>,
    ) {
        if core.standing.is_over() || io.tick().since(sent) > MESSAGE_LIFETIME || self.taken.contains_key(&handoff) {
            return;
        }
        self.came_back(entity, io);
        let subject = Subject::Npc(entity);
        if self.held.len() >= MAX_NPCS {
            io.send(from, PeerMessage::Refused { handoff, subject, why: Refusal::Full });
            return;
        }
        io.world.ghost(subject, data, from.shard);
        io.send(from, PeerMessage::Prepared { handoff, subject });
    }

    pub fn prepared(&mut self, entity: EntityId, from: Fence, handoff: HandoffId, core: &Core, io: &mut Io<'_>) {
        let subject = Subject::Npc(entity);
        let Some(npc) = self.out.get_mut(&entity).filter(|npc| npc.id == handoff && npc.to == from) else { return };
        if !matches!(npc.stage, Stage::Asked) || core.standing.is_over() {
            return;
        }
        match io.world.capture(subject) {
            Some(data) => {
                io.world.remove(subject, Some(npc.to.shard));
                npc.stage = Stage::Released { data, cut: io.tick() };
                npc.send(entity, io);
            }
            // It died meanwhile.
            None => npc.fail(entity, Outcome::Left, io),
        }
    }

    pub fn refused(&mut self, entity: EntityId, from: Fence, handoff: HandoffId, io: &mut Io<'_>) {
        let npc = self.out.get_mut(&entity).filter(|npc| npc.id == handoff && npc.to == from);
        if let Some(npc) = npc.filter(|npc| matches!(npc.stage, Stage::Asked)) {
            npc.fail(entity, Outcome::Refused, io);
        }
    }

    pub fn release(&mut self, entity: EntityId, held: Held, sent: Tick, io: &mut Io<'_>) {
        let now = io.tick();
        if self.taken.contains_key(&held.handoff) {
            io.send(held.from, PeerMessage::Done { handoff: held.handoff, subject: Subject::Npc(entity) });
        } else if now.since(sent) <= MESSAGE_LIFETIME {
            self.came_back(entity, io);
            if now >= held.cut {
                self.take(entity, &held, io);
            } else if self.held.len() < MAX_NPCS {
                self.held.insert(held.handoff, (entity, held));
            }
        }
    }

    fn take(&mut self, entity: EntityId, held: &Held, io: &mut Io<'_>) {
        let subject = Subject::Npc(entity);
        // One that cannot be read is lost, and answered for, so that the giver does not wait for ever.
        _ = io.world.insert(subject, &held.data, OwnerEpoch(0));
        self.taken.insert(held.handoff, io.tick());
        io.send(held.from, PeerMessage::Done { handoff: held.handoff, subject });
    }

    /// Another zone hands over an NPC that we had released: it was taken, though we never heard of it.
    fn came_back(&mut self, entity: EntityId, io: &mut Io<'_>) {
        if self.out.get(&entity).is_some_and(|npc| matches!(npc.stage, Stage::Released { .. })) {
            self.end(entity, io);
        }
    }

    pub fn done(&mut self, entity: EntityId, handoff: HandoffId, io: &mut Io<'_>) {
        if self.out.get(&entity).is_some_and(|npc| npc.id == handoff) {
            self.end(entity, io);
        }
    }

    fn end(&mut self, entity: EntityId, io: &mut Io<'_>) {
        if let Some(npc) = self.out.remove(&entity) {
            io.finished(Subject::Npc(entity), Outcome::Completed, npc.started);
        }
    }

    /// The incarnation is over, and its NPCs with it. The driver clears the world.
    pub fn stop(&mut self, io: &mut Io<'_>) {
        for &entity in self.out.keys() {
            io.world.remove(Subject::Npc(entity), None);
        }
        self.out.clear();
        self.held.clear();
    }
}

impl Leaving {
    fn send(&mut self, entity: EntityId, io: &mut Io<'_>) {
        let subject = Subject::Npc(entity);
        let (handoff, owner_epoch, now) = (self.id, OwnerEpoch(0), io.tick());
        self.resend_at = now.plus(RESEND);
        let message = match &self.stage {
            Stage::Resting(_) => return,
            Stage::Released { data, cut } => PeerMessage::Release {
                handoff,
                subject,
                owner_epoch,
                cut: *cut,
                sent: *cut,
                data: data.clone(),
                commands: Vec::new(),
            },
            Stage::Asked => {
                let Some(data) = io.world.capture(subject) else { return };
                let (reason, client) = (Reason::Border, false);
                PeerMessage::Prepare { handoff, subject, owner_epoch, reason, client, sent: now, data }
            }
        };
        io.send(self.to, message);
    }

    fn fail(&mut self, entity: EntityId, outcome: Outcome, io: &mut Io<'_>) {
        self.stage = Stage::Resting(io.tick().plus(RETRY_FIRST));
        io.finished(Subject::Npc(entity), outcome, self.started);
    }

    /// Says whether the NPC is still on its way.
    fn tick(&mut self, entity: EntityId, core: &Core, io: &mut Io<'_>) -> bool {
        let now = io.tick();
        match &self.stage {
            Stage::Resting(until) => return now < *until,
            Stage::Asked if core.peer(self.to.shard) != Some(self.to) => self.fail(entity, Outcome::PeerLost, io),
            Stage::Asked if now.since(self.started) >= PREPARE_TIMEOUT => self.fail(entity, Outcome::NoAnswer, io),
            // The taker is over and whatever it had is gone: the NPC goes on here.
            Stage::Released { data, .. } if core.is_over(self.to) => {
                _ = io.world.insert(Subject::Npc(entity), data, OwnerEpoch(0));
                self.fail(entity, Outcome::TakenBack, io);
            }
            Stage::Asked | Stage::Released { .. } if now >= self.resend_at => self.send(entity, io),
            Stage::Asked | Stage::Released { .. } => {}
        }
        true
    }
}
