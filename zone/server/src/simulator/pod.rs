//! A zone process of the model: a driver of the machine, as [`handoff`](crate::handoff) asks for one.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use darkages_store::Fence;
use darkages_topology::{PlayerId, ShardEpoch, ShardId, Tick};
use rand::RngExt;

use super::Time;
use super::cx::Cx;
use super::lease::LeaseKeeper;
use super::mail::{Ask, Mail, Node, Reply};
use super::map::Map;
use super::sessions::Sessions;
use super::store::ModelStore;
use super::trades::Trades;
use super::weather::TICK;
use super::world::{Change, ModelWorld};
use crate::handoff::{
    Action, CallId, Cause, Config, Event, Moment, Reason, StoreAnswer, StoreRequest, Subject, Variant, ZoneMachine,
    limits,
};

/// A pod answers for a request to the store after so long.
const CALL_TIMEOUT: Time = 800_000;

/// A new incarnation waits for the frames of its neighbours, so long at most.
const READY_AFTER: Time = 500_000;

/// A zone process.
pub struct Pod {
    pub index: usize,
    pub is_up: bool,
    /// Killed in the middle of an event: does nothing more.
    pub(super) is_doomed: bool,
    pub life: u32,
    /// Frozen until then.
    pub frozen_until: Time,
    pub machine: Option<ZoneMachine>,
    /// Incarnations that are over and remember somebody.
    pub old: Vec<ZoneMachine>,
    pub world: ModelWorld,
    pub sessions: Sessions,
    pub trades: Trades,
    pub lease: LeaseKeeper,
    pub(super) peers: BTreeMap<ShardId, Peer>,
    calls: BTreeMap<(ShardEpoch, CallId), PlayerId>,
    variant: Variant,
    pub(super) skew: u64,
    /// The tick that was simulated last, or is being simulated, and the one that machines are told.
    pub(super) tick: u64,
    pub(super) next_tick: u64,
    pub(super) map_changed: u64,
    pub(super) is_map_new: bool,
    /// Shards whose frames this incarnation waits for, and until when.
    pub(super) unheard: Option<(BTreeSet<ShardId>, Time)>,
    actions: Vec<Action>,
}

/// Another incarnation with which there is a session.
pub(super) struct Peer {
    pub fence: Fence,
    pub pod: usize,
    pub heard: Time,
}

impl Pod {
    pub fn new(index: usize, life: u32, map: Rc<Map>, variant: Variant, cx: &mut Cx) -> Self {
        let start = cx.now + cx.rng.random_range(0..TICK);
        cx.at(start, Node::Pod(index), Mail::Tick { life });
        Self {
            index,
            is_up: true,
            is_doomed: false,
            life,
            frozen_until: 0,
            machine: None,
            old: Vec::new(),
            world: ModelWorld::new(map),
            sessions: Sessions::default(),
            trades: Trades::default(),
            lease: LeaseKeeper::default(),
            peers: BTreeMap::new(),
            calls: BTreeMap::new(),
            variant,
            skew: cx.rng.random_range(0..2),
            tick: 0,
            next_tick: 0,
            map_changed: 0,
            is_map_new: false,
            unheard: None,
            actions: Vec::new(),
        }
    }

    pub fn node(&self) -> Node {
        Node::Pod(self.index)
    }

    pub fn shard(&self) -> Option<ShardId> {
        self.machine.as_ref().map(|machine| machine.fence().shard)
    }

    /// The pod that serves a shard, as far as this pod knows.
    pub fn pod_of(&self, shard: ShardId) -> Option<usize> {
        self.peers.get(&shard).map(|peer| peer.pod)
    }

    /// Lets the machine of now handle an event.
    pub fn step(&mut self, event: Event, cx: &mut Cx, store: &ModelStore) {
        let Some(mut machine) = self.machine.take() else { return };
        let actions = self.step_machine(&mut machine, event, cx, store);
        let me = machine.fence();
        self.machine = Some(machine);
        self.carry_out_all(me, actions, cx, store);
    }

    /// Lets a machine that is over, but remembers somebody, handle an event.
    pub(super) fn step_old(&mut self, place: usize, event: Event, cx: &mut Cx, store: &ModelStore) {
        let mut machine = self.old.swap_remove(place);
        let actions = self.step_machine(&mut machine, event, cx, store);
        let me = machine.fence();
        self.old.push(machine);
        self.carry_out_all(me, actions, cx, store);
    }

    fn step_machine(
        &mut self,
        machine: &mut ZoneMachine,
        event: Event,
        cx: &mut Cx,
        store: &ModelStore,
    ) -> Vec<Action> {
        cx.stats.events += 1;
        if event != Event::Tick {
            cx.trace.note(cx.now, format_args!("pod {} {} ← {event:?}", self.index, machine.fence()));
        }
        let now = Moment { tick: Tick(self.next_tick), elapsed: elapsed(cx.now) };
        let mut actions = std::mem::take(&mut self.actions);
        machine.step(now, event, &mut self.world, &mut actions);
        self.check(&actions, cx, store);
        cx.checks.thawed(self.index);
        self.is_doomed |= super::fate::strikes(self, &actions, cx);
        if self.is_doomed {
            actions.clear();
        }
        actions
    }

    fn carry_out_all(&mut self, me: Fence, mut actions: Vec<Action>, cx: &mut Cx, store: &ModelStore) {
        for action in actions.drain(..) {
            cx.trace.note(cx.now, format_args!("pod {} {me} → {action:?}", self.index));
            cx.stats.count(&action);
            self.carry_out(me, action, cx, store);
        }
        self.actions = actions;
    }

    fn check(&mut self, actions: &[Action], cx: &mut Cx, store: &ModelStore) {
        for change in std::mem::take(&mut self.world.changes) {
            match change {
                Change::Inserted(Subject::Player(player)) => {
                    let data = crate::handoff::Players::capture(&mut self.world, Subject::Player(player));
                    let is_release = actions.iter().any(|action| {
                        matches!(action, Action::Playing { player: of, cause: Cause::Released, .. } if *of == player)
                    });
                    if let Some(data) = data {
                        cx.checks.inserted(self.index, player, &data, is_release, store);
                    }
                }
                Change::Removed(Subject::Player(player)) => cx.checks.removed(self.index, player),
                Change::Inserted(Subject::Npc(entity)) => cx.checks.npc_inserted(self.index, entity),
                Change::Removed(Subject::Npc(entity)) => cx.checks.npc_removed(self.index, entity),
            }
        }
    }

    fn carry_out(&mut self, me: Fence, action: Action, cx: &mut Cx, store: &ModelStore) {
        match action {
            Action::Send { to, message } => {
                if let Some(peer) = self.peers.get(&to.shard).filter(|peer| peer.fence == to) {
                    let message = Box::new(message);
                    cx.send(self.node(), Node::Pod(peer.pod), Mail::Peer { from: me, to, message });
                }
            }
            Action::Store { call, player, request } => {
                let epoch = me.epoch;
                let ask = match request {
                    StoreRequest::Look => Ask::Look { epoch, call, player },
                    StoreRequest::Swap(swap) => Ask::Swap { fence: me, call, swap: Box::new(swap) },
                };
                self.calls.insert((epoch, call), player);
                let timeout = Mail::CallTimeout { life: self.life, epoch, call, player };
                cx.at(cx.now + CALL_TIMEOUT, self.node(), timeout);
                self.ask(ask, cx);
            }
            Action::Redirect { player, handoff, to, owner_epoch } => {
                if let Some(pod) = self.pod_of(to.shard) {
                    let redirect = |conn| Mail::Redirect { conn, shard: to.shard, pod, handoff, owner_epoch };
                    self.sessions.tell(player, redirect, self.index, cx);
                }
            }
            Action::Playing { player, commands, cause, .. } => {
                if !matches!(cause, Cause::Released | Cause::Reattached) {
                    cx.checks.came_or_left(player, self.tick);
                }
                self.sessions.playing(player, &mut self.world);
                self.requests(player, &commands, cx, store);
            }
            Action::Resume { player, commands } => self.requests(player, &commands, cx, store),
            Action::Finished { subject: Subject::Player(player), outcome, .. } if outcome.moved() => {
                self.sessions.close(player, self.index, cx);
            }
            Action::Dismiss { player, .. } => self.sessions.close(player, self.index, cx),
            Action::EpochRaised { player, owner_epoch } => {
                if let Some(body) = self.world.body(player) {
                    body.epoch = owner_epoch;
                }
            }
            Action::ProbeOperator { round } => {
                let mail = Mail::OperatorProbe { pod: self.index, fence: me, round };
                cx.send(self.node(), Node::Operator, mail);
            }
            Action::StopAll { .. } => self.stopped(cx),
            Action::Fault { player, label } => cx.checks.fail("machine", || format!("{player}: {label}")),
            Action::Finished { .. }
            | Action::Released { .. }
            | Action::CancelRedirect { .. }
            | Action::Gone { .. }
            | Action::PlayingOn => {}
        }
    }

    /// This incarnation is over: nobody is simulated, every client is told.
    fn stopped(&mut self, cx: &mut Cx) {
        cx.checks.is_lossy = true;
        self.sessions.close_all(self.index, cx);
        self.trades = Trades::default();
        for entity in std::mem::take(&mut self.world.npcs).into_keys() {
            cx.checks.npc_removed(self.index, entity);
        }
    }

    pub fn ask(&self, ask: Ask, cx: &mut Cx) {
        cx.ask_store(self.node(), Mail::Ask { pod: self.index, life: self.life, ask });
    }

    /// A new incarnation begins.
    pub fn begin(&mut self, fence: Fence, until: Time, cx: &mut Cx, store: &ModelStore) {
        let config = Config { capacity: cx.weather.capacity, has_operator: true, variant: self.variant };
        self.world.me = fence.shard;
        cx.trace.note(cx.now, format_args!("pod {} begins as {fence}", self.index));
        if let Some(old) = self.machine.replace(ZoneMachine::new(config, fence, elapsed(until))) {
            self.old.push(old);
        }
        self.old.retain(ZoneMachine::remembers);
        self.peers.clear();
        let others = self.world.map.pods().map(|(shard, _)| shard).filter(|shard| *shard != fence.shard);
        self.unheard = Some((others.collect(), cx.now + READY_AFTER));
        self.step(Event::Ready { ready: false }, cx, store);
    }

    /// Something arrives.
    pub fn receive(&mut self, mail: Mail, cx: &mut Cx, store: &ModelStore) {
        match mail {
            Mail::Tick { life } if life == self.life => self.on_tick(cx, store),
            Mail::CallTimeout { life, epoch, call, player } if life == self.life => {
                self.stored(epoch, call, player, StoreAnswer::Unavailable, cx, store);
            }
            Mail::Reply { life, reply } if life == self.life => self.on_reply(reply, cx, store),
            Mail::Hello { from, pod } => self.on_hello(from, pod, cx, store),
            Mail::Peer { from, to, message } => {
                if let Some(peer) = self.peers.get_mut(&from.shard).filter(|peer| peer.fence == from) {
                    peer.heard = cx.now;
                }
                self.step_as(to, Event::Peer { from, to, message: *message }, cx, store);
            }
            Mail::Frame { from, simulated } => self.on_frame(from, simulated),
            Mail::Bring { player, to } => {
                let subject = Subject::Player(player);
                self.step(Event::Want { subject, to, reason: Reason::Durable }, cx, store);
            }
            Mail::Map(map) => self.on_map(map),
            Mail::OperatorAnswer { epoch, round, reaches_store } => {
                if self.machine.as_ref().is_some_and(|machine| machine.fence().epoch == epoch) {
                    self.step(Event::OperatorAnswer { round, reaches_store }, cx, store);
                }
            }
            mail => self.on_client(mail, cx, store),
        }
    }

    /// Lets the machine of this incarnation handle an event, be it an old one.
    fn step_as(&mut self, me: Fence, event: Event, cx: &mut Cx, store: &ModelStore) {
        if self.machine.as_ref().is_none_or(|machine| machine.fence() == me || self.old.is_empty()) {
            return self.step(event, cx, store);
        }
        if let Some(place) = self.old.iter().position(|machine| machine.fence() == me) {
            self.step_old(place, event, cx, store);
        }
    }

    fn stored(
        &mut self,
        epoch: ShardEpoch,
        call: CallId,
        player: PlayerId,
        answer: StoreAnswer,
        cx: &mut Cx,
        store: &ModelStore,
    ) {
        // The first of answer and timeout counts.
        if self.calls.remove(&(epoch, call)).is_none() {
            return;
        }
        let event = Event::Stored { call, player, answer };
        let machines = self.machine.iter().chain(&self.old);
        let me = machines.map(ZoneMachine::fence).find(|fence| fence.epoch == epoch);
        if let Some(me) = me {
            self.step_as(me, event, cx, store);
        }
    }

    fn on_reply(&mut self, reply: Reply, cx: &mut Cx, store: &ModelStore) {
        match reply {
            Reply::Looked { epoch, call, player, record } => {
                self.reached(true, cx, store);
                self.stored(epoch, call, player, StoreAnswer::Looked(record), cx, store);
            }
            Reply::Swapped { epoch, call, player, swapped } => {
                self.reached(true, cx, store);
                self.stored(epoch, call, player, StoreAnswer::Swapped(swapped), cx, store);
            }
            Reply::Refused { player, epoch } => {
                self.step(Event::WriteRefused { player, owner_epoch: epoch }, cx, store);
            }
            Reply::Traded { trade, traded } => self.traded(*trade, traded, cx, store),
            Reply::Leased { asked, leased } => {
                self.reached(true, cx, store);
                self.leased(asked, leased, cx, store);
            }
            Reply::Away => self.reached(false, cx, store),
        }
    }

    fn on_hello(&mut self, from: Fence, pod: usize, cx: &mut Cx, store: &ModelStore) {
        if self.machine.is_none() {
            return;
        }
        match self.peers.get_mut(&from.shard) {
            Some(peer) if peer.fence == from => peer.heard = cx.now,
            Some(peer) if peer.fence.epoch > from.epoch => {}
            _ => {
                self.peers.insert(from.shard, Peer { fence: from, pod, heard: cx.now });
                self.step(Event::PeerUp { peer: from }, cx, store);
            }
        }
    }

    fn on_frame(&mut self, from: ShardId, simulated: u64) {
        if let Some((unheard, _)) = &mut self.unheard {
            unheard.remove(&from);
        }
        for player in (0..64).filter(|player| simulated & 1 << player != 0).map(PlayerId) {
            if !self.world.players.contains_key(&player) {
                self.world.ghosts.insert(player, (from, self.tick + super::world::GHOST_TICKS));
            }
        }
    }

    fn on_map(&mut self, map: Rc<Map>) {
        if map.topology.revision() > self.world.map.topology.revision() {
            self.world.map = map;
            self.map_changed = self.tick;
            self.is_map_new = true;
        }
    }
}

/// The time as a machine is told it.
pub const fn elapsed(now: Time) -> Duration {
    Duration::from_micros(now)
}

/// Requests are bounded by what the machine lets through.
const _: () = assert!(limits::MAX_COMMAND_BYTES >= super::trades::COMMAND_BYTES);
