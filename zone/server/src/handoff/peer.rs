//! What other zones say, passed on to the entries that it is about.

use darkages_store::{Fence, PlayerData};
use darkages_topology::{HandoffId, OwnerEpoch, PlayerId, Tick};

use super::core::{Io, Then};
use super::entry::{Client, Entry, Role};
use super::incoming::{Expected, Held, Incoming, dismiss};
use super::machine::ZoneMachine;
use super::message::PeerMessage;
use super::subject::{Dismissal, Outcome, Refusal, Subject};

impl ZoneMachine {
    /// A message of another zone.
    pub(super) fn message(&mut self, from: Fence, to: Fence, message: PeerMessage, io: &mut Io<'_>) {
        // Messages die with the incarnation that they were meant for.
        if to != self.core.me {
            return;
        }
        self.core.heard_of(from);
        match message {
            PeerMessage::Probe { round } => self.core.standing.answer(from, round, io),
            PeerMessage::ProbeAnswer { round, reaches_store } => {
                self.core.standing.answered(round, Some(from.shard), reaches_store, io);
            }
            PeerMessage::Prepare { handoff, subject, owner_epoch, reason, client: _, sent, data } => {
                let expected = Expected { handoff, from, owner_epoch, reason };
                self.prepare(subject, expected, sent, &data, io);
            }
            PeerMessage::Release { handoff, subject, owner_epoch, cut, sent, data, commands } => {
                let held = Held { handoff, from, owner_epoch, cut, data, commands };
                self.release(subject, held, sent, io);
            }
            PeerMessage::Prepared { handoff, subject: Subject::Player(player) } => self.with(
                player,
                |entry, _, io| {
                    if let Role::Owned(owned) = &mut entry.role {
                        owned.prepared(player, entry.client.is_attached(), from, handoff, io);
                    }
                    Then::Stay
                },
                io,
            ),
            PeerMessage::Refused { handoff, subject: Subject::Player(player), .. } => {
                self.with_owned(player, |owned, core, io| owned.refused(player, from, handoff, core, io), io);
            }
            PeerMessage::Attached { handoff, subject: Subject::Player(player) } => {
                self.attached_there(player, from, handoff, io);
            }
            PeerMessage::Abort { handoff, subject: Subject::Player(player) } => self.aborted(player, handoff, io),
            PeerMessage::Done { handoff, subject: Subject::Player(player) } => self.done(player, handoff, io),
            PeerMessage::Prepared { handoff, subject: Subject::Npc(entity) } => {
                self.npcs.prepared(entity, from, handoff, &self.core, io);
            }
            PeerMessage::Refused { handoff, subject: Subject::Npc(entity), .. } => {
                self.npcs.refused(entity, from, handoff, io);
            }
            PeerMessage::Done { handoff, subject: Subject::Npc(entity) } => self.npcs.done(entity, handoff, io),
            PeerMessage::Attached { .. } | PeerMessage::Abort { .. } => {}
        }
    }

    fn prepare(&mut self, subject: Subject, expected: Expected, sent: Tick, data: &PlayerData, io: &mut Io<'_>) {
        let Expected { handoff, from, owner_epoch, .. } = expected;
        let Subject::Player(player) = subject else {
            if let Subject::Npc(entity) = subject {
                self.npcs.prepare(entity, from, handoff, sent, data, &self.core, io);
            }
            return;
        };
        let now = io.tick();
        if self.is_over() || !self.core.is_ready || self.core.is_stale(player, owner_epoch, sent, now) {
            return;
        }
        self.forget_released(player, owner_epoch, io);
        let has_room = self.core.has_room();
        let entry = match self.players.get_mut(&player) {
            Some(entry) => entry,
            None if has_room => {
                let role = Role::Incoming(Incoming::expected(expected, now));
                self.core.incoming += 1;
                self.core.present += 1;
                self.players.entry(player).or_insert(Entry { client: Client::Away, role })
            }
            None => {
                io.send(from, PeerMessage::Refused { handoff, subject, why: Refusal::Full });
                return;
            }
        };
        let Role::Incoming(incoming) = &mut entry.role else {
            io.send(from, PeerMessage::Refused { handoff, subject, why: Refusal::Busy });
            return;
        };
        // A late PREPARE of an earlier handoff does not replace a later one.
        let is_older = |old: Expected| (owner_epoch, handoff) < (old.owner_epoch, old.handoff);
        if incoming.expected.is_some_and(is_older) {
            return;
        }
        incoming.expect(expected, entry.client, now);
        io.world.ghost(subject, data, from.shard);
        io.send(from, PeerMessage::Prepared { handoff, subject });
        if entry.client.is_for(handoff) {
            incoming.attached(player, entry.client, now, io);
        }
    }

    /// Whoever acts under `owner_epoch` has taken the player from us since we released, and closed the record.
    fn forget_released(&mut self, player: PlayerId, owner_epoch: OwnerEpoch, io: &mut Io<'_>) {
        self.with(
            player,
            |entry, core, io| match &entry.role {
                Role::Released(released) if owner_epoch >= released.epoch() => {
                    released.end(player, Outcome::Completed, core, io)
                }
                _ => Then::Stay,
            },
            io,
        );
    }

    fn release(&mut self, subject: Subject, held: Held, sent: Tick, io: &mut Io<'_>) {
        if self.is_over() {
            return;
        }
        let Subject::Player(player) = subject else {
            if let Subject::Npc(entity) = subject {
                self.npcs.release(entity, held, sent, io);
            }
            return;
        };
        let now = io.tick();
        self.forget_released(player, OwnerEpoch(held.owner_epoch.0.saturating_sub(1)), io);
        match self.players.get_mut(&player).map(|entry| &mut entry.role) {
            Some(Role::Owned(owned)) if held.owner_epoch <= owned.epoch => {
                // Taken already. If the record is closed, the giver has not heard of it.
                if owned.closing.is_none() && !owned.slot.unsure {
                    io.send(held.from, PeerMessage::Done { handoff: held.handoff, subject });
                }
            }
            Some(Role::Owned(owned)) => owned.slot.unsure = true,
            Some(Role::Released(_) | Role::Leaving(_)) => {}
            _ if self.core.is_stale(player, held.owner_epoch, sent, now) => {}
            Some(Role::Incoming(incoming)) => {
                if incoming.held.as_ref().is_none_or(|old| old.owner_epoch < held.owner_epoch) {
                    incoming.held = Some(held);
                }
                self.with(player, |entry, core, io| entry.tick(player, core, io), io);
            }
            None => {
                let role = Role::Incoming(Incoming::released(held, now));
                self.players.insert(player, Entry { client: Client::Away, role });
                self.with(player, |entry, core, io| entry.tick(player, core, io), io);
            }
        }
    }

    fn attached_there(&mut self, player: PlayerId, from: Fence, handoff: HandoffId, io: &mut Io<'_>) {
        let subject = Subject::Player(player);
        match self.players.get_mut(&player).map(|entry| &mut entry.role) {
            Some(Role::Owned(owned)) => owned.attached_there(player, from, handoff, io),
            Some(Role::Released(released)) if released.id() == handoff => released.send(player, io),
            _ => io.send(from, PeerMessage::Abort { handoff, subject }),
        }
    }

    fn aborted(&mut self, player: PlayerId, handoff: HandoffId, io: &mut Io<'_>) {
        self.with(
            player,
            |entry, _, io| match &entry.role {
                Role::Incoming(incoming)
                    if incoming.held.is_none()
                        && incoming.attempt.is_none()
                        && incoming.expected.is_some_and(|expected| expected.handoff == handoff) =>
                {
                    dismiss(player, entry.client, Dismissal::HandoffAborted, Some(handoff.from), io)
                }
                _ => Then::Stay,
            },
            io,
        );
    }

    fn done(&mut self, player: PlayerId, handoff: HandoffId, io: &mut Io<'_>) {
        self.with(
            player,
            |entry, core, io| match &entry.role {
                Role::Released(released) if released.id() == handoff => {
                    released.end(player, Outcome::Completed, core, io)
                }
                _ => Then::Stay,
            },
            io,
        );
    }
}
