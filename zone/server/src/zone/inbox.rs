//! What arrives over the transport: clients come and go and say something, and so do other zones.

use std::time::Instant;

use darkages_protocol::{
    ClientMessage, ClosingCode, InputDatagram, Pong, Subject as TokenSubject, Welcome, ZoneMessage,
};
use darkages_sim::Applied;
use darkages_store::Fence;
use darkages_topology::world::{SNAPSHOT_RATE_HZ, TICK_RATE_HZ};
use darkages_topology::{EntityId, HandoffId, OwnerEpoch, PlayerId, Position, Tick};
use darkages_transport::{Channel, CloseReason, Event as TransportEvent, SessionId};

use super::Zone;
use super::keeper::READY_AFTER_GHOSTS;
use crate::clients::{Client, Load, MAX_BAD_MESSAGES};
use crate::handoff::{CrashPoint, Event, PeerMessage, Reason, Subject, has_left};
use crate::metrics::{Label, ReasonLabel};
use crate::peers::{Frame, fence};
use crate::play::Play;

impl<G: Play> Zone<G> {
    /// Handles everything that the endpoint has taken in.
    pub(super) fn take_in(&mut self) {
        while let Some(event) = self.endpoint.next_event() {
            match event {
                TransportEvent::Connected { session, admission } => self.connected(session, &admission),
                TransportEvent::Message { session, channel, payload } => self.message(session, channel, &payload),
                TransportEvent::Closed { session, reason } => {
                    tracing::debug!(%session, reason = reason.label(), "closed");
                    self.lost(session);
                }
            }
        }
    }

    fn connected(&mut self, session: SessionId, admission: &[u8]) {
        let subject = admission.try_into().ok().and_then(TokenSubject::from_bytes);
        match subject {
            Some(TokenSubject::Player { player, spawn }) => self.client_came(session, player, spawn, None),
            Some(TokenSubject::Redirected { player, handoff }) => {
                self.client_came(session, player, None, Some(handoff))
            }
            Some(TokenSubject::Peer { shard, epoch }) => self.zone_came(session, Fence { shard, epoch }),
            // A session that this zone dialed: the other side says hello.
            None => {}
        }
    }

    fn client_came(
        &mut self,
        session: SessionId,
        player: PlayerId,
        spawn: Option<Position>,
        handoff: Option<HandoffId>,
    ) {
        let Some(life) = &mut self.life else {
            self.endpoint.close(session, CloseReason::Application(ClosingCode::Rejoin.code()));
            return;
        };
        // A redirect that was called off leads here late. It must not end the session that came after it.
        let is_late = handoff.is_some() && life.machine.expects(player) != handoff && self.clients.has(player);
        if is_late {
            return self.say_closing(session, ClosingCode::HandoffAborted);
        }
        life.hall.expect(player, spawn);
        let known = life.hall.known(player);
        let applied = known.map(|(_, applied)| applied);
        let client = Client::new(session, player, applied, handoff.is_some(), self.tick);
        if let Some(old) = self.clients.insert(client) {
            self.say_closing(old, ClosingCode::Replaced);
        }
        self.absent.remove(&player);
        if let Some((entity, _)) = known {
            self.welcome(player, entity, OwnerEpoch::default());
        }
        self.step(Event::Attached { player, handoff });
    }

    /// Tells a client who it is. The first message of its session.
    pub(super) fn welcome(&mut self, player: PlayerId, entity: EntityId, owner_epoch: OwnerEpoch) {
        let Some(life) = &self.life else { return };
        let applied = life.hall.world.last_input(player).unwrap_or_default();
        let bounds = life.hall.topology.bounds();
        let Some(client) = self.clients.of_player(player) else { return };
        if client.entity.replace(entity) == Some(entity) {
            return;
        }
        let welcome = Welcome {
            player,
            entity,
            tick: self.tick,
            tick_rate_hz: TICK_RATE_HZ,
            snapshot_rate_hz: SNAPSHOT_RATE_HZ,
            owner_epoch,
            applied,
            bounds,
        };
        self.tell(player, &ZoneMessage::Welcome(welcome));
    }

    /// A session is gone, whoever it was with.
    pub(super) fn lost(&mut self, session: SessionId) {
        if let Some(client) = self.clients.remove_session(session) {
            self.absent.insert(client.player, self.tick);
            self.step(Event::Detached { player: client.player });
        } else {
            self.link_lost(session);
        }
    }

    pub(super) fn link_lost(&mut self, session: SessionId) {
        if let Some(peer) = self.peers.closed(session, Instant::now()) {
            self.step(Event::PeerDown { peer });
        }
    }

    fn message(&mut self, session: SessionId, channel: Channel, payload: &[u8]) {
        if self.peers.contains(session) {
            self.zone_said(session, payload);
        } else if channel == Channel::Unreliable {
            self.client_input(session, payload);
        } else {
            self.client_said(session, payload);
        }
    }

    fn client_input(&mut self, session: SessionId, payload: &[u8]) {
        let tick = self.tick;
        let Some(client) = self.clients.of_session(session) else { return };
        if !client.may(Load::Input, tick) {
            self.count_refused("input_too_many_datagrams");
            return;
        }
        // What it holds comes again.
        let Some(known) = client.numbered_after() else { return };
        let datagram = match InputDatagram::decode(payload, known) {
            Ok(datagram) => datagram,
            Err(error) => return self.misunderstood(session, error.label()),
        };
        if let Some(ack) = datagram.ack {
            for number in ack.numbers(client.view.number()) {
                client.view.acknowledged(number);
            }
        }
        client.oldest = client.oldest.max(Some(datagram.oldest()));
        for (seq, value) in datagram.iter() {
            // What does not fit into the window comes again.
            client.inputs.push(seq, value);
        }
    }

    fn client_said(&mut self, session: SessionId, payload: &[u8]) {
        let tick = self.tick;
        let Some(client) = self.clients.of_session(session) else { return };
        let player = client.player;
        if !client.may(Load::Message, tick) {
            self.count_refused("too_many_messages");
            return self.close_client(player, ClosingCode::TooMuch);
        }
        match ClientMessage::decode(payload) {
            Ok(ClientMessage::Command { request, command }) => self.command(player, request, command),
            Ok(ClientMessage::Leave) => self.step(Event::Leave { player }),
            Ok(ClientMessage::Ping { cookie }) => {
                let begun = self.clock.deadline(Tick(self.tick.0.saturating_sub(1)));
                let micros = begun.elapsed().as_micros().min(1_000_000) as u32;
                let tick = Tick(self.tick.0.saturating_sub(1));
                self.tell(player, &ZoneMessage::Pong(Pong { cookie, tick, micros }));
            }
            Err(error) => self.misunderstood(session, error.label()),
        }
    }

    /// Counts a message that was not understood; a client that sends many is closed.
    fn misunderstood(&mut self, session: SessionId, reason: &'static str) {
        self.count_refused(reason);
        let Some(client) = self.clients.of_session(session) else { return };
        client.bad_messages += 1;
        if client.bad_messages > MAX_BAD_MESSAGES {
            let player = client.player;
            self.close_client(player, ClosingCode::BadMessage);
        }
    }

    fn zone_came(&mut self, session: SessionId, peer: Fence) {
        let Some(me) = self.life.as_ref().map(|life| life.machine.fence()) else {
            self.endpoint.close(session, CloseReason::Done);
            return;
        };
        self.send_frame(session, &Frame::Hello { shard: me.shard.0, epoch: me.epoch.0 });
        if self.peers.opened(session, peer) {
            self.step(Event::PeerUp { peer });
        }
    }

    fn zone_said(&mut self, session: SessionId, payload: &[u8]) {
        let Some(frame) = Frame::decode(payload) else {
            self.count_refused("peer_frame");
            return;
        };
        if let Frame::Hello { shard, epoch } = frame {
            let peer = fence(shard, epoch);
            // The map says which shard has this key; it may call itself nothing else.
            if self.peers.dialing(session) == Some(peer.shard) {
                if self.peers.opened(session, peer) {
                    self.step(Event::PeerUp { peer });
                }
            } else {
                self.count_refused("peer_hello");
                self.endpoint.close(session, CloseReason::ProtocolViolation);
                self.link_lost(session);
            }
            return;
        }
        let Some(peer) = self.peers.peer(session) else { return };
        match frame {
            Frame::Hello { .. } => {}
            Frame::Handoff(bytes) => self.handoff_message(peer, &bytes),
            Frame::Ghosts { tick, ghosts } => {
                let tick = Tick(tick);
                self.clock.heard(Instant::now(), tick);
                let Some(life) = &mut self.life else { return };
                if let Some(ready_at) = &mut life.ready_at {
                    *ready_at = self.tick.plus(READY_AFTER_GHOSTS).min(*ready_at);
                }
                for ghost in ghosts.into_iter().filter_map(|ghost| ghost.state(peer.shard, tick)) {
                    life.hall.world.upsert_ghost(ghost);
                }
            }
            Frame::Gone { entities } => {
                let Some(life) = &mut self.life else { return };
                for entity in entities {
                    life.hall.world.remove_ghost(EntityId(entity));
                }
            }
            Frame::Action { id: (shard, epoch, number), target, sent, action } => {
                let from = fence(shard, epoch);
                let id = darkages_sim::ActionId { shard: from.shard, epoch: from.epoch, number };
                self.remote_action(id, EntityId(target), Tick(sent), &action);
            }
            Frame::Meet { player } => self.meet(PlayerId(player), peer),
        }
    }

    fn handoff_message(&mut self, from: Fence, bytes: &[u8]) {
        let (to, message) = match PeerMessage::decode(bytes) {
            Ok(read) => read,
            Err(error) => return self.count_refused(error.label()),
        };
        if let PeerMessage::Release { subject: Subject::Player(player), cut, .. } = &message {
            self.cuts.insert(*player, *cut);
        }
        let point = CrashPoint::received(&message);
        // Messages die with the incarnation that they were meant for.
        self.step_of(to, Event::Peer { from, to, message });
        self.reached(point, from.shard);
    }

    fn remote_action(&mut self, id: darkages_sim::ActionId, target: EntityId, sent: Tick, action: &[u8]) {
        if !self.may_act() {
            return;
        }
        let Some(life) = &mut self.life else { return };
        let reason = match life.hall.world.apply_remote(id, target, sent, action) {
            Ok(Applied::Done | Applied::Duplicate) => return,
            Ok(Applied::NotHere) => {
                // It moved on while the action was under way; its new owner is the one who shows it.
                let owner =
                    life.hall.world.ghosts().find(|ghost| ghost.entity() == target).map(|ghost| ghost.from_shard);
                if owner != Some(id.shard)
                    && owner.is_some_and(|owner| self.send_action(owner, id, target, sent, action))
                {
                    return;
                }
                Applied::NotHere.label()
            }
            Ok(applied) => applied.label(),
            Err(error) => error.label(),
        };
        self.metrics.messages_refused.get_or_create(&ReasonLabel { reason: Label(reason) }).inc();
    }

    /// Another zone wants a player of ours for a durable action with one of its own.
    fn meet(&mut self, player: PlayerId, peer: Fence) {
        let acts = self.life.as_ref().is_some_and(|life| life.machine.acts_for(player));
        if acts {
            self.step(Event::Want { subject: Subject::Player(player), to: peer.shard, reason: Reason::Durable });
        }
    }

    /// Wants everybody elsewhere who stands on somebody else's ground, and nobody any more who came back.
    pub(super) fn want_elsewhere(&mut self) {
        let Some(life) = &mut self.life else { return };
        let ground = life.hall.ground();
        let world = &life.hall.world;
        let players = world.players().iter().map(|player| Subject::Player(*player));
        let subjects = players.chain(world.things().map(|(entity, _)| Subject::Npc(entity)));
        let mut events = Vec::new();
        for subject in subjects {
            let Some(place) = life.position(subject) else { continue };
            let is_inside = ground.is_some_and(|ground| ground.contains(place));
            let is_displaced = !is_inside && (ground.is_none() || life.displaced.contains(&subject));
            if is_displaced || has_left(ground.as_ref(), place) {
                let Some(to) = life.owner_of(place) else { continue };
                let reason = if is_displaced { Reason::Ground } else { Reason::Border };
                events.push((subject, Some((to, reason))));
            } else if is_inside && life.wanted.contains(&subject) {
                events.push((subject, None));
            }
        }
        for (subject, want) in events {
            let Some(life) = &mut self.life else { return };
            let event = match want {
                Some((to, reason)) => {
                    life.wanted.insert(subject);
                    Event::Want { subject, to, reason }
                }
                None => {
                    life.wanted.remove(&subject);
                    life.displaced.remove(&subject);
                    Event::Unwant { subject }
                }
            };
            self.step(event);
        }
    }
}
