//! Commands of players, and the transactions that some of them become.
//!
//! A durable command waits here until nobody whom it concerns has another one with the store: two commits that share a player
//! would each carry half of the other's effect. So every commit holds all states that its command changed and nothing of a
//! command that is not yet durable, and what a client is told is durable is there after any crash (invariant I10).

use std::collections::{BTreeMap, BTreeSet};

use darkages_protocol::{Command, RequestId as WireRequest, ResultCode, ZoneMessage};
use darkages_sim::{CommandRefused, Deferral, Event as WorldEvent, Game, Outcome, RequestId, codec};
use darkages_store::{
    Checkpoint, Committed, Event as LogEvent, Fence, RequestId as StoreRequest, StoreError, Transaction,
};
use darkages_topology::{EntityId, PlayerId, Position, ShardId, Tick};

use super::Zone;
use super::refused::Refused;
use crate::handoff::{CrashPoint, Event, NotNow, Reason, Subject, who_moves};
use crate::peers::Frame;
use crate::play::{Play, code_of, request_from};
use crate::storage::Request;

/// Durable commands of one player that wait, at most.
const MAX_WAITING_PER_PLAYER: usize = 16;

/// Durable commands of all players that wait, at most.
const MAX_WAITING: usize = 4_096;

/// Ticks after which a command whose parties do not come together is refused: 5 s.
const GIVE_UP_AFTER: u64 = 300;

/// Ticks between two attempts of a command that needs another zone: a tenth of a second.
const TRY_AGAIN: u64 = 6;

/// Ticks between two attempts of a commit that the store did not answer.
const COMMIT_AGAIN: u64 = 15;

/// What the log calls a transaction of the game.
const TRANSACTION_KIND: u16 = 1;

/// How far an event is seen, in metres.
const EVENT_REACH_M: i32 = 100;

/// A durable command that waits.
struct Waiting<C> {
    player: PlayerId,
    request: RequestId,
    command: C,
    not_before: Tick,
    until: Tick,
}

/// A transaction that the store did not answer.
struct Unanswered {
    transaction: Transaction,
    again_at: Tick,
}

/// Durable commands and transactions of one incarnation.
pub(super) struct Durables<G: Game> {
    waiting: Vec<Waiting<G::Command>>,
    /// What is with the store, by request.
    under_way: BTreeMap<StoreRequest, Outcome>,
    unanswered: Vec<Unanswered>,
    refused: Refused,
}

impl<G: Game> Default for Durables<G> {
    fn default() -> Self {
        Self { waiting: Vec::new(), under_way: BTreeMap::new(), unanswered: Vec::new(), refused: Refused::default() }
    }
}

impl<G: Game> Durables<G> {
    /// The player is somebody else's now, and so are its commands.
    pub(super) fn forget(&mut self, player: PlayerId) {
        self.waiting.retain(|waiting| waiting.player != player);
    }
}

impl<G: Play> Zone<G> {
    /// A client asks for something.
    pub(super) fn command(&mut self, player: PlayerId, request: WireRequest, command: Command) {
        // A zone that does not act for the player keeps silent: the client asks the one that does.
        if self.acting(player).is_none() {
            return;
        }
        match G::understand(command) {
            Some(command) => self.start(player, request_from(request), command),
            None => self.answer(player, request_from(request), ResultCode::WrongTarget),
        }
    }

    /// Requests that came with a handoff or wait no more.
    pub(super) fn start_requests(&mut self, player: PlayerId, requests: Vec<Box<[u8]>>) {
        for bytes in requests {
            match codec::decode::<(RequestId, G::Command)>(&bytes) {
                Ok((request, command)) => self.start(player, request, command),
                Err(error) => self.count_refused(error.label()),
            }
        }
    }

    fn start(&mut self, player: PlayerId, request: RequestId, command: G::Command) {
        if G::is_durable(&command) {
            if self.is_decided(player, request) {
                return;
            }
            let now = self.tick;
            self.wait(player, request, command, now, now.plus(GIVE_UP_AFTER));
            return;
        }
        let Some(life) = &mut self.life else { return };
        if life.hall.world.queue_command(player, request, command) == Err(CommandRefused::Full) {
            self.answer(player, request, ResultCode::TooManyCommands);
        }
    }

    /// Whether a request was done or refused before, and needs no more than its answer. What is with the store is answered once
    /// the store has.
    fn is_decided(&mut self, player: PlayerId, request: RequestId) -> bool {
        let Some(life) = &self.life else { return false };
        let id = StoreRequest { player, number: request.0 };
        let code = match life.hall.world.settled(player, request) {
            Some(_) if life.durables.under_way.contains_key(&id) => return true,
            Some(outcome) => Some(code_of(outcome)),
            None => life.durables.refused.code(id),
        };
        if let Some(code) = code {
            self.answer(player, request, code);
        }
        code.is_some()
    }

    /// Refuses a request for good.
    fn refuse(&mut self, player: PlayerId, request: RequestId, code: ResultCode) {
        if let Some(life) = &mut self.life {
            life.durables.refused.note(StoreRequest { player, number: request.0 }, code);
        }
        self.answer(player, request, code);
    }

    fn wait(&mut self, player: PlayerId, request: RequestId, command: G::Command, not_before: Tick, until: Tick) {
        let Some(life) = &mut self.life else { return };
        let waiting = &mut life.durables.waiting;
        let own = waiting.iter().filter(|waiting| waiting.player == player);
        if own.clone().any(|waiting| waiting.request == request) {
            return;
        }
        if waiting.len() >= MAX_WAITING || own.count() >= MAX_WAITING_PER_PLAYER {
            return self.refuse(player, request, ResultCode::TooManyCommands);
        }
        waiting.push(Waiting { player, request, command, not_before, until });
    }

    /// Lets the world do the durable commands whose parties are free, just before it steps.
    pub(super) fn release_durables(&mut self) {
        let (now, elapsed) = (self.tick, self.started.elapsed());
        let Some(life) = &mut self.life else { return };
        let mut taken = BTreeSet::new();
        let mut answers = Vec::new();
        let mut along = Vec::new();
        for waiting in std::mem::take(&mut life.durables.waiting) {
            let Waiting { player, request, command, not_before, until } = waiting;
            let keep = |life: &mut super::Life<G>, command| {
                life.durables.waiting.push(Waiting { player, request, command, not_before, until });
            };
            if now > until {
                answers.push((player, request, ResultCode::HandingOver));
                continue;
            }
            match life.machine.may_start_durable(player, elapsed) {
                Ok(()) => {}
                Err(NotNow::NotHere) => continue,
                Err(NotNow::Settling) => {
                    keep(life, command);
                    continue;
                }
                Err(NotNow::StoreAway) => {
                    answers.push((player, request, ResultCode::StoreUnavailable));
                    continue;
                }
                Err(NotNow::HandingOver) => {
                    along.push((player, request, command));
                    continue;
                }
            }
            let other = G::other_party(&life.hall.world, &command);
            let parties = [Some(player), other];
            let is_free =
                |party: PlayerId| !taken.contains(&party) && !crate::handoff::Players::is_busy(&life.hall, party);
            if now < not_before || !parties.into_iter().flatten().all(is_free) {
                keep(life, command);
                continue;
            }
            taken.extend(parties.into_iter().flatten());
            match life.hall.world.queue_command(player, request, command) {
                Ok(()) | Err(CommandRefused::NotHere) => {}
                Err(CommandRefused::Full) => answers.push((player, request, ResultCode::TooManyCommands)),
            }
        }
        for (player, request, code) in answers {
            self.refuse(player, request, code);
        }
        for (player, request, command) in along {
            self.send_along(player, request, command);
        }
    }

    /// A request that must not start here any more goes to the next owner with the player.
    fn send_along(&mut self, player: PlayerId, request: RequestId, command: G::Command) {
        match codec::encode(&(request, command)) {
            Ok(bytes) => self.step(Event::Command { player, command: bytes.into() }),
            Err(error) => self.count_refused(error.label()),
        }
    }

    /// Lets nobody start something durable who is being handed over. The world asks this for both parties.
    pub(super) fn freeze_players(&mut self) {
        let elapsed = self.started.elapsed();
        let Some(life) = &mut self.life else { return };
        for player in life.hall.world.players().to_vec() {
            let is_frozen = life.machine.may_start_durable(player, elapsed).is_err();
            life.hall.world.freeze(player, is_frozen);
        }
    }

    /// Handles what the world's step told.
    pub(super) fn happened(&mut self, event: WorldEvent<G>) {
        match event {
            WorldEvent::Answer { player, request, outcome } => self.answer(player, request, code_of(outcome)),
            WorldEvent::Transaction { player, request, outcome, with, entry } => {
                self.commit(player, request, outcome, with, entry);
            }
            WorldEvent::Repeated { player, request, outcome: _ } => {
                // It is settled, so this says what became of it as soon as that may be told.
                self.is_decided(player, request);
            }
            WorldEvent::Deferred { player, request, command, why } => self.deferred(player, request, command, why),
            WorldEvent::Remote { id, target, shard, sent, action } => {
                if !self.send_action(shard, id, target, sent, &action) {
                    self.count_refused("action_without_link");
                }
            }
            WorldEvent::Happened { position, what } => self.tell_around(position, what),
            WorldEvent::Told { player, what } => self.tell(player, &ZoneMessage::Event(G::event(what))),
        }
    }

    fn answer(&mut self, player: PlayerId, request: RequestId, code: ResultCode) {
        let request = WireRequest(request.0);
        self.tell(player, &ZoneMessage::CommandResult { request, code });
    }

    fn tell_around(&mut self, position: Position, what: G::Event) {
        let Some(life) = &self.life else { return };
        let world = &life.hall.world;
        let near = |player: &PlayerId| world.position_of(*player).is_some_and(|at| at.within(position, EVENT_REACH_M));
        let listeners = self.clients.iter().filter(|client| client.acting.is_some()).map(|client| client.player);
        let listeners: Vec<_> = listeners.filter(near).collect();
        let message = ZoneMessage::Event(G::event(what));
        for player in listeners {
            self.tell(player, &message);
        }
    }

    fn commit(
        &mut self,
        player: PlayerId,
        request: RequestId,
        outcome: Outcome,
        with: Option<PlayerId>,
        entry: Vec<u8>,
    ) {
        let tick = self.tick;
        let Some(life) = &mut self.life else { return };
        let fence = life.machine.fence();
        let checkpoint = |player| {
            let owner_epoch = life.machine.write_epoch(player)?;
            Some(Checkpoint { player, owner_epoch, data: life.hall.data(player)? })
        };
        let states: Option<Vec<_>> = [Some(player), with].into_iter().flatten().map(checkpoint).collect();
        let Some(states) = states else {
            // The world starts nothing durable for somebody whose record cannot be written, see `freeze_players`.
            tracing::error!(%player, "a durable command was done for a player who cannot be saved");
            self.totals.update(|totals| totals.faults += 1);
            return;
        };
        let id = StoreRequest { player, number: request.0 };
        let event = LogEvent { kind: TRANSACTION_KIND, tick, payload: entry };
        let answer = codec::encode(&outcome).unwrap_or_default();
        for state in &states {
            life.hall.began(state.player);
        }
        life.durables.under_way.insert(id, outcome);
        let transaction = Transaction { request: id, states, event, answer };
        self.storage.ask(Request::Commit { fence, transaction });
        self.reached(CrashPoint::TransactionAsked, None);
    }

    /// The store's answer to a transaction.
    pub(super) fn committed(&mut self, fence: Fence, transaction: Transaction, result: Result<Committed, StoreError>) {
        let again_at = self.tick.plus(COMMIT_AGAIN);
        let Some(life) = self.life.as_mut().filter(|life| life.machine.fence() == fence) else { return };
        let StoreRequest { player, number } = transaction.request;
        let is_durable = match &result {
            // Repeated: an answer that was lost, and the commit was asked for again.
            Ok(Committed::Done { .. } | Committed::Repeated { .. }) => true,
            Ok(Committed::Refused { .. }) => false,
            Err(error) => {
                tracing::warn!(%player, %error, "a transaction is not durable yet");
                life.durables.unanswered.push(Unanswered { transaction, again_at });
                if matches!(error, StoreError::Fenced { .. }) {
                    self.step(Event::WriteFenced);
                }
                return;
            }
        };
        for state in &transaction.states {
            life.hall.ended(state.player, is_durable);
        }
        let outcome = life.durables.under_way.remove(&transaction.request);
        if is_durable {
            self.reached(CrashPoint::TransactionDone, None);
            self.answer(player, RequestId(number), code_of(outcome.unwrap_or(Outcome::Done)));
        } else {
            // The record is another's: the machine looks, and whoever acts goes on from the record.
            tracing::error!(%player, "the store refused a transaction");
            for state in &transaction.states {
                self.step(Event::WriteRefused { player: state.player, owner_epoch: state.owner_epoch });
            }
        }
    }

    /// Asks once more for what the store did not answer.
    pub(super) fn commit_again(&mut self) {
        let (now, elapsed) = (self.tick, self.started.elapsed());
        // A store that comes back after longer than a lease would refuse it: the renewal goes first.
        let Some(life) = self.life.as_mut().filter(|life| life.machine.may_write(elapsed)) else { return };
        let fence = life.machine.fence();
        for at in (0..life.durables.unanswered.len()).rev() {
            if life.durables.unanswered[at].again_at <= now {
                let Unanswered { transaction, .. } = life.durables.unanswered.swap_remove(at);
                self.storage.ask(Request::Commit { fence, transaction });
            }
        }
    }

    fn deferred(&mut self, player: PlayerId, request: RequestId, command: G::Command, why: Deferral) {
        let until = self.tick.plus(GIVE_UP_AFTER);
        match why {
            Deferral::HandingOver => {
                let elapsed = self.started.elapsed();
                let life = self.life.as_ref();
                match life.map(|life| life.machine.may_start_durable(player, elapsed)) {
                    Some(Err(NotNow::HandingOver)) => self.send_along(player, request, command),
                    Some(Ok(()) | Err(NotNow::Settling)) => {
                        self.wait(player, request, command, self.tick.plus(1), until);
                    }
                    // The client repeats it to whoever acts for it next.
                    Some(Err(NotNow::NotHere | NotNow::StoreAway)) | None => {}
                }
            }
            Deferral::PartyHandingOver { .. } => {
                self.wait(player, request, command, self.tick.plus(TRY_AGAIN), until);
            }
            Deferral::NeedsSameShard { other, shard } => {
                self.bring_together(player, other, shard);
                self.wait(player, request, command, self.tick.plus(TRY_AGAIN), until);
            }
        }
    }

    /// Two players on two shards want something durable: one goes to the other, and both zones know which.
    fn bring_together(&mut self, player: PlayerId, other: EntityId, shard: ShardId) {
        let Some(life) = &self.life else { return };
        let ghost = life.hall.world.ghosts().find(|ghost| ghost.entity() == other);
        let Some(other) = ghost.and_then(|ghost| ghost.player) else { return };
        if who_moves(player, other) == player {
            self.step(Event::Want { subject: Subject::Player(player), to: shard, reason: Reason::Durable });
        } else if let Some((session, _)) = self.peers.of_shard(shard) {
            self.send_frame(session, &Frame::Meet { player: other.0 });
        }
    }
}
