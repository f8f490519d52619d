//! Carries out what the handoff machine asks for.

use std::time::{Duration, Instant};

use darkages_protocol::{ClosingCode, ConnectToken, Redirect, Subject as TokenSubject, ZoneMessage};
use darkages_sim::ActionId;
use darkages_store::Fence;
use darkages_topology::world::TICK_RATE_HZ;
use darkages_topology::{EntityId, HandoffId, OwnerEpoch, PlayerId, ShardId, Tick};
use darkages_transport::{Channel, CloseReason, SessionId};

use super::replicate::SNAPSHOT_TICKS;
use super::{Asked, Zone};
use crate::handoff::{Action, Cause, CrashPoint, Dismissal, Outcome, StoreRequest, Subject};
use crate::metrics::{Label, OutcomeLabel};
use crate::peers::Frame;
use crate::play::Play;
use crate::storage::Request;

/// Tokens of redirects and of sessions between zones are valid for so long: several handshakes over a bad link.
const TOKEN_LIFETIME_S: u64 = 30;

impl<G: Play> Zone<G> {
    /// Carries out all actions that are waiting, also those that follow from them.
    pub(super) fn carry_out(&mut self) {
        while !self.actions.is_empty() {
            for (fence, action) in std::mem::take(&mut self.actions) {
                self.act(fence, action);
            }
        }
    }

    fn act(&mut self, me: Fence, action: Action) {
        match action {
            Action::Send { to, message } => {
                let point = CrashPoint::sent(&message);
                if let Some(session) = self.peers.session_of(to) {
                    self.send_frame(session, &Frame::Handoff(message.encode(to)));
                    self.reached(point, to.shard);
                }
            }
            Action::Store { call, player, request: StoreRequest::Look } => {
                self.asked.entry(me).or_default().looks.push((call, player));
            }
            Action::Store { call, player, request: StoreRequest::Swap(swap) } => {
                let asked = self.asked.entry(me).or_default();
                asked.swap_calls.push((call, player));
                asked.swaps.push(swap);
            }
            Action::Redirect { player, handoff, to, owner_epoch } => {
                self.redirect(player, handoff, to, owner_epoch);
                self.reached(CrashPoint::RedirectSent, to.shard);
            }
            Action::CancelRedirect { player, handoff } => {
                self.tell(player, &ZoneMessage::RedirectCancelled { handoff });
            }
            Action::Playing { player, owner_epoch, cause, client, commands } => {
                self.playing(player, owner_epoch, cause, client);
                self.start_requests(player, commands);
                let life = self.life.as_mut().filter(|_| cause == Cause::Released);
                let is_first = life.is_some_and(|life| !std::mem::replace(&mut life.has_taken, true));
                self.reached(CrashPoint::acting(cause, is_first), None);
            }
            Action::EpochRaised { player, owner_epoch } => {
                if let Some(client) = self.clients.of_player(player) {
                    client.acting = Some(owner_epoch);
                }
            }
            Action::Released { player, .. } => self.released(player),
            Action::Resume { player, commands } => self.start_requests(player, commands),
            Action::Finished { subject, outcome, ticks } => self.finished(subject, outcome, ticks),
            Action::Dismiss { player, why, .. } => self.close_client(player, closing_code(why)),
            Action::Gone { player } => {
                self.absent.remove(&player);
                let code = if self.stopping.is_some() { ClosingCode::Shutdown } else { ClosingCode::Left };
                self.close_client(player, code);
            }
            Action::ProbeOperator { round } => self.keeper.ask_operator(round),
            Action::PlayingOn => tracing::warn!(zone = %self.me.zone, "nobody reaches the store: playing on"),
            Action::StopAll { why } => self.stop_all(why),
            Action::Fault { player, label } => {
                tracing::error!(%player, label, "the store refused a step of a handoff");
                self.totals.update(|totals| totals.faults += 1);
            }
        }
    }

    /// Asks the store everything that was collected, in one call each.
    pub(super) fn ask_store(&mut self) {
        for (fence, asked) in std::mem::take(&mut self.asked) {
            let Asked { looks, swap_calls, swaps } = asked;
            if !swaps.is_empty() {
                let (point, taker) = self.commit_among(&swaps, fence).unzip();
                self.storage.ask(Request::Swap { fence, calls: swap_calls, swaps });
                self.reached(point, taker);
            }
            if !looks.is_empty() {
                self.storage.ask(Request::Owners { fence, calls: looks });
            }
        }
    }

    fn redirect(&mut self, player: PlayerId, handoff: HandoffId, to: Fence, owner_epoch: OwnerEpoch) {
        let subject = TokenSubject::Redirected { player, handoff };
        let Some((sealed, psk)) = self.mint(subject, to.shard) else { return };
        let Some(there) = self.topology.as_ref().and_then(|map| map.endpoint(to.shard).cloned()) else { return };
        let (endpoint, server_key) = (there.address, there.public_key);
        let redirect = Redirect { handoff, endpoint, server_key, psk, token: sealed, owner_epoch };
        self.tell(player, &ZoneMessage::Redirect(Box::new(redirect)));
    }

    /// A token for a session with `shard`, and its key.
    fn mint(&mut self, subject: TokenSubject, shard: ShardId) -> Option<(Vec<u8>, [u8; 32])> {
        let psk = self.random();
        let nonce = u128::from_le_bytes(self.random());
        let expires_unix_s = Self::unix_s() + TOKEN_LIFETIME_S;
        let token = ConnectToken { subject, shard, psk, expires_unix_s, nonce };
        let random = self.random();
        Some((token.seal(&self.key, random), psk))
    }

    fn playing(&mut self, player: PlayerId, owner_epoch: OwnerEpoch, cause: Cause, has_client: bool) {
        tracing::debug!(%player, %owner_epoch, cause = cause.label(), "acting");
        if let Some(cut) = self.cuts.remove(&player)
            && cause == Cause::Released
        {
            self.metrics.handoff_gap.observe(ticks_to_s(self.tick.since(cut)));
        }
        if let Some(life) = &mut self.life {
            life.hall.forget(player);
        }
        if !has_client || !self.clients.has(player) {
            self.absent.entry(player).or_insert(self.tick);
            return;
        }
        let Some(life) = &self.life else { return };
        let Some(entity) = life.hall.world.entity_of(player) else { return };
        let newest = life.hall.world.newest_input(player);
        let tick = self.tick.0;
        if let Some(client) = self.clients.of_player(player) {
            client.acting = Some(owner_epoch);
            client.told_version = None;
            client.view.followed();
            // The first snapshot of a new owner goes out with this very tick: the client has waited since the cut.
            client.phase = SNAPSHOT_TICKS - tick % SNAPSHOT_TICKS;
            if let Some(newest) = newest {
                client.goes_on_after(newest);
            }
        }
        self.welcome(player, entity, owner_epoch);
    }

    fn released(&mut self, player: PlayerId) {
        self.absent.remove(&player);
        if let Some(client) = self.clients.of_player(player) {
            client.acting = None;
        }
        if let Some(life) = &mut self.life {
            life.wanted.remove(&Subject::Player(player));
            life.displaced.remove(&Subject::Player(player));
            life.durables.forget(player);
        }
    }

    fn finished(&mut self, subject: Subject, outcome: Outcome, ticks: u64) {
        let Subject::Player(player) = subject else { return };
        self.metrics.handoffs.get_or_create(&OutcomeLabel { outcome: Label(outcome.label()) }).inc();
        let took_ms = ticks * 1_000 / u64::from(TICK_RATE_HZ);
        self.totals.update(|totals| {
            if outcome.moved() {
                totals.handoffs += 1;
                totals.handoff_ms.saturating_record(took_ms.max(1));
            } else {
                *totals.handoffs_aborted.entry(outcome.label()).or_default() += 1;
            }
        });
        if outcome.moved() {
            self.metrics.handoff.observe(ticks_to_s(ticks));
            // A player who is on the way back already has attached anew and is expected here.
            let is_back = self.life.as_ref().is_some_and(|life| life.hall.known(player).is_some());
            if self.acting(player).is_none() && !is_back {
                self.close_client(player, ClosingCode::HandedOver);
            }
        } else {
            tracing::debug!(%player, outcome = outcome.label(), "handoff ended");
        }
    }

    /// Ends a client's session with a reason.
    pub(super) fn close_client(&mut self, player: PlayerId, code: ClosingCode) {
        let Some(client) = self.clients.remove_player(player) else { return };
        self.say_closing(client.session, code);
        if self.acting(player).is_some() {
            self.absent.insert(player, self.tick);
        }
        self.step(crate::handoff::Event::Detached { player });
    }

    /// The last word on a session that is not a client's any more.
    pub(super) fn say_closing(&mut self, session: SessionId, code: ClosingCode) {
        self.count_closed(code.label());
        let message = ZoneMessage::Closing(code).encode();
        // The transport tells the same code when this does not fit any more.
        let _ = self.endpoint.send(session, Channel::ReliableOrdered, &message, Instant::now());
        self.endpoint.close(session, CloseReason::Application(code.code()));
    }

    /// Dials the zones that this one ought to know.
    pub(super) fn dial_peers(&mut self, now: Instant) {
        let Some(me) = self.life.as_ref().map(|life| life.machine.fence()) else { return };
        let Some(topology) = self.topology.clone() else { return };
        for shard in self.peers.to_dial(me.shard, &topology, now) {
            let Some(there) = topology.endpoint(shard) else { continue };
            let subject = TokenSubject::Peer { shard: me.shard, epoch: me.epoch };
            let Some((sealed, psk)) = self.mint(subject, shard) else { return };
            match self.endpoint.connect(there.address, there.public_key, psk, &sealed, now) {
                Ok(session) => self.peers.dialed(session, shard),
                Err(error) => tracing::warn!(%shard, %error, "the neighbour cannot be dialed"),
            }
        }
    }

    /// Carries an action to the shard that owns its target. Says whether there is a way there.
    pub(super) fn send_action(
        &mut self,
        to: ShardId,
        id: ActionId,
        target: EntityId,
        sent: Tick,
        action: &[u8],
    ) -> bool {
        let Some((session, _)) = self.peers.of_shard(to) else { return false };
        self.send_frame(session, &Frame::action(id, target, sent, action.to_vec()));
        true
    }

    /// Says something to another zone that must arrive.
    pub(super) fn send_frame(&mut self, session: SessionId, frame: &Frame) {
        let sent = self.endpoint.send(session, Channel::ReliableOrdered, &frame.encode(), Instant::now());
        if let Err(error) = sent {
            tracing::warn!(%session, reason = error.label(), "the link to another zone is given up");
            self.endpoint.close(session, CloseReason::MemoryBound);
            self.link_lost(session);
        }
    }
}

fn ticks_to_s(ticks: u64) -> f64 {
    Duration::from_nanos(ticks * 1_000_000_000 / u64::from(TICK_RATE_HZ)).as_secs_f64()
}

const fn closing_code(why: Dismissal) -> ClosingCode {
    match why {
        Dismissal::HandoffAborted => ClosingCode::HandoffAborted,
        Dismissal::Elsewhere | Dismissal::Rejoin => ClosingCode::Rejoin,
        Dismissal::Full => ClosingCode::Full,
        Dismissal::StoreAway => ClosingCode::StoreAway,
    }
}
