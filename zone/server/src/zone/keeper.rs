//! Which shard this zone keeps, and the lease that lets it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use darkages_protocol::ClosingCode;
use darkages_sim::{World, WorldConfig};
use darkages_store::{Acquired, Fence, Lease, Renewed, StoreError};
use darkages_topology::{ShardId, Topology};
use darkages_transport::CloseReason;

use super::durable::Durables;
use super::{Life, SHUTDOWN_GRACE, Zone};
use crate::config::LEASE;
use crate::hall::Hall;
use crate::handle::Command;
use crate::handoff::{Config, CrashPoint, Event, Subject, Variant, ZoneMachine};
use crate::play::Play;
use crate::storage::Request;

/// How often a lease is renewed: often enough that three renewals may be lost.
const RENEW_EVERY: Duration = Duration::from_millis(LEASE.as_millis() as u64 / 5);

/// Ticks within which a new incarnation lets players in by handoffs, shown ghosts or not: it may have no neighbours.
const READY_WITHIN: u64 = 30;

/// Ticks from a neighbour's first ghosts until it does so: the other frames of that tick come with them.
pub(super) const READY_AFTER_GHOSTS: u64 = 2;

/// The store counts as away when a request about the lease has waited for so long. With the time between two renewals it is less
/// than half of a lease: everybody has noticed then, and there is time left to ask them, more than once.
const STORE_SILENT_AFTER: Duration = Duration::from_millis(300);

/// How long to wait before a lease that somebody holds, or that the store did not give, is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The lease and what is asked about it.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    /// The shard that this zone was told to serve.
    pub(super) assigned: Option<ShardId>,
    held: Option<Fence>,
    /// When the request under way was made: the lease counts from then.
    asked: Option<Instant>,
    not_before: Option<Instant>,
    releasing: bool,
    /// The round of the machine's question whether the operator reaches the store, until the store answers.
    question: Option<u64>,
}

impl Keeper {
    /// Whether it holds no lease and waits for no answer about one.
    pub(super) const fn is_free(&self) -> bool {
        self.held.is_none() && self.asked.is_none() && !self.releasing
    }

    /// Asks the operator, through what the zone says of itself.
    pub(super) const fn ask_operator(&mut self, round: u64) {
        self.question = Some(round);
    }

    /// What the operator is asked, if anything.
    pub(super) const fn question(&self) -> Option<u64> {
        self.question
    }

    /// Whether it waits for the lease of its shard.
    pub(super) const fn is_acquiring(&self) -> bool {
        self.assigned.is_some() && self.held.is_none()
    }
}

impl<G: Play> Zone<G> {
    /// Does what the zone's handle was told.
    pub(super) fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::Assign { shard, topology } => {
                self.learn(topology);
                if self.keeper.assigned != Some(shard) && self.life.is_none() {
                    tracing::info!(zone = %self.me.zone, %shard, "assigned");
                    self.keeper.assigned = Some(shard);
                    self.keeper.not_before = None;
                    self.reached(CrashPoint::Assigned, None);
                    self.keep_lease(now);
                }
            }
            Command::Topology(topology) => self.learn(topology),
            Command::Drain => self.draining = true,
            Command::StoreAnswer { epoch, round, reached } => {
                if self.life.as_ref().is_some_and(|life| life.machine.fence().epoch == epoch) {
                    self.step(Event::OperatorAnswer { round, reaches_store: reached });
                }
            }
            Command::Fault(plan) => {
                if let Err(error) = self.endpoint.set_fault(plan) {
                    tracing::warn!(%error, "the faults stay as they were");
                }
            }
            Command::Crash(order) => self.crash = order,
            Command::Shutdown => self.shut_down(now),
        }
    }

    /// Knows a newer map.
    fn learn(&mut self, topology: Arc<Topology>) {
        let known = self.topology.as_ref().map(|known| known.revision());
        if known.is_some_and(|known| topology.revision() <= known) {
            return;
        }
        self.topology = Some(topology.clone());
        for session in self.peers.strangers(&topology) {
            self.endpoint.close(session, CloseReason::Done);
            self.link_lost(session);
        }
        for life in [self.life.as_mut(), self.past.as_mut()].into_iter().flatten() {
            life.hall.set_topology(topology.clone());
            life.displace();
        }
        if self.life.as_ref().is_some_and(|life| life.hall.ground().is_none()) {
            self.step(Event::Ready { ready: false });
        }
    }

    /// Lets players in by handoffs once the neighbours have shown what stands near, or have had the time to.
    pub(super) fn become_ready(&mut self) {
        let Some(life) = &mut self.life else { return };
        if life.ready_at.is_some_and(|at| self.tick >= at) {
            life.ready_at = None;
            let ready = life.hall.ground().is_some();
            self.step(Event::Ready { ready });
        }
    }

    /// Asks for the lease, or for it to last longer.
    pub(super) fn keep_lease(&mut self, now: Instant) {
        if self.keeper.asked.is_some_and(|asked| asked + STORE_SILENT_AFTER < now) {
            self.reached_store(false);
        }
        if self.keeper.asked.is_some() || self.keeper.not_before.is_some_and(|not_before| now < not_before) {
            return;
        }
        let request = match (self.keeper.held, self.keeper.assigned) {
            (Some(fence), _) => Request::Renew { fence, ttl: LEASE },
            // The map gives it to another by now: this zone waits to be given one again.
            (None, Some(shard)) if !self.is_given(shard) => {
                tracing::info!(zone = %self.me.zone, %shard, "given away");
                self.keeper.assigned = None;
                self.draining = false;
                return;
            }
            (None, Some(shard)) if self.stopping.is_none() => {
                Request::Acquire { shard, zone: self.me.zone.clone(), ttl: LEASE }
            }
            (None, _) => return,
        };
        self.keeper.asked = Some(now);
        self.keeper.not_before = Some(now + RENEW_EVERY);
        self.storage.ask(request);
    }

    /// Whether the map gives the shard to this zone still. One that was frozen past its lease wakes up to find another in its
    /// place.
    fn is_given(&self, shard: ShardId) -> bool {
        let map = self.topology.as_ref();
        map.is_some_and(|map| map.endpoint(shard) == Some(&self.me))
    }

    /// When a request that was made at the tick's time may be relied upon until, by the machine's clock.
    fn until(&self, asked: Instant, ttl: Duration) -> Duration {
        asked.saturating_duration_since(self.started) + ttl
    }

    pub(super) fn acquired(&mut self, shard: ShardId, result: Result<Acquired, StoreError>) {
        self.reached_store(result.is_ok());
        let Some(asked) = self.keeper.asked.take() else {
            // Nobody waits for this answer any more.
            if let Ok(Acquired::Granted(Lease { fence, .. })) = result {
                self.storage.ask(Request::Release { fence });
            }
            return;
        };
        match result {
            Ok(Acquired::Granted(lease)) if self.keeper.assigned == Some(shard) && self.life.is_none() => {
                self.live(lease, asked);
            }
            Ok(Acquired::Granted(Lease { fence, .. })) => self.storage.ask(Request::Release { fence }),
            Ok(Acquired::Held { left, .. }) => {
                self.keeper.not_before = Some(Instant::now() + left.clamp(ASK_AGAIN, LEASE));
            }
            Err(error) => {
                tracing::warn!(%shard, %error, "no lease");
                self.keeper.not_before = Some(Instant::now() + ASK_AGAIN);
            }
        }
    }

    pub(super) fn renewed(&mut self, fence: Fence, result: Result<Renewed, StoreError>) {
        self.reached_store(result.is_ok());
        // An answer that outlived its incarnation says nothing about the one that came after it.
        if self.keeper.held != Some(fence) {
            return;
        }
        let Some(asked) = self.keeper.asked.take() else { return };
        match result {
            Ok(Renewed::Extended(lease)) => self.step(Event::Lease { until: self.until(asked, lease.ttl) }),
            Ok(Renewed::Over) => self.step(Event::LeaseOver),
            Err(error) => {
                tracing::warn!(%fence, %error, "the lease was not renewed");
                self.keeper.not_before = Some(Instant::now() + ASK_AGAIN);
            }
        }
    }

    pub(super) fn released_lease(&mut self, fence: Fence, result: Result<(), StoreError>) {
        if let Err(error) = result {
            // It runs out by itself.
            tracing::warn!(%fence, %error, "the lease was not released");
        }
        self.keeper.releasing = false;
    }

    /// Tells the machine when the store starts and stops answering.
    pub(super) fn reached_store(&mut self, reached: bool) {
        if self.reaches_store != reached {
            self.reaches_store = reached;
            self.keeper.question = None;
            self.step(Event::StoreReach { reached });
        }
    }

    /// A new incarnation begins.
    fn live(&mut self, lease: Lease, asked: Instant) {
        let Lease { fence, ttl } = lease;
        let Some(topology) = self.topology.clone() else { return };
        let bounds = topology.bounds();
        let ground = topology.shard(fence.shard).map_or(bounds, |shard| shard.bounds);
        let config = WorldConfig {
            bounds,
            ground,
            shard: fence.shard,
            epoch: fence.epoch,
            seed: self.config.seed,
            rules: self.config.rules.clone(),
        };
        let world = match World::new(config) {
            Ok(world) => world,
            Err(error) => {
                tracing::error!(%fence, %error, "the shard cannot be served");
                self.storage.ask(Request::Release { fence });
                self.keeper.assigned = None;
                return;
            }
        };
        tracing::info!(zone = %self.me.zone, %fence, "serving");
        let config =
            Config { capacity: self.config.capacity, has_operator: self.config.has_operator, variant: Variant::Sound };
        let machine = ZoneMachine::new(config, fence, self.until(asked, ttl));
        self.keeper.held = Some(fence);
        self.life = Some(Life {
            machine,
            hall: Hall::new(world, topology, fence.shard),
            durables: Durables::default(),
            ready_at: Some(self.tick.plus(READY_WITHIN)),
            has_taken: false,
            wanted: Default::default(),
            displaced: Default::default(),
        });
        self.step(Event::Ready { ready: false });
        self.metrics.serving.set(1);
        self.endpoint.gatekeeper_mut().shard = Some(fence.shard);
        self.reached(CrashPoint::LeaseAcquired, None);
    }

    /// The incarnation is over: nobody is acted for. Clients join anew, players who may not have arrived are remembered.
    pub(super) fn stop_all(&mut self, why: &'static str) {
        tracing::warn!(zone = %self.me.zone, why, "this incarnation is over");
        self.keeper.asked = None;
        self.keeper.question = None;
        if let Some(fence) = self.keeper.held.take() {
            // A renewal that is still under way must not keep the shard for an incarnation that has stopped.
            self.storage.ask(Request::Release { fence });
            self.keeper.not_before = Some(Instant::now() + ASK_AGAIN);
        }
        self.dismiss_everybody(ClosingCode::Rejoin);
        self.past = self.life.take();
        self.leave_shard();
    }

    /// Lets go of a shard that nobody needs this zone for any more, or of everything when it shuts down.
    pub(super) fn let_go(&mut self) {
        let is_stopping = self.stopping.is_some();
        let Some(life) = &self.life else {
            if is_stopping {
                self.keeper.assigned = None;
            }
            return;
        };
        let fence = life.machine.fence();
        let is_gone =
            self.topology.as_ref().is_some_and(|map| map.shard(fence.shard).is_none() && !map.is_retiring(fence.shard));
        if !life.is_empty() || !(is_gone || is_stopping) {
            return;
        }
        self.reached(CrashPoint::Emptied, None);
        tracing::info!(zone = %self.me.zone, %fence, "let go");
        self.dismiss_everybody(if is_stopping { ClosingCode::Shutdown } else { ClosingCode::Rejoin });
        self.life = None;
        self.keeper.held = None;
        // A renewal that is under way answers to nobody, so nobody must wait for it.
        self.keeper.asked = None;
        self.keeper.assigned = None;
        self.keeper.releasing = true;
        self.draining = false;
        self.storage.ask(Request::Release { fence });
        self.leave_shard();
    }

    fn leave_shard(&mut self) {
        for session in self.peers.clear() {
            self.endpoint.close(session, CloseReason::Done);
        }
        self.bands.clear();
        self.absent.clear();
        self.cuts.clear();
        self.metrics.serving.set(0);
        self.endpoint.gatekeeper_mut().shard = None;
    }

    fn shut_down(&mut self, now: Instant) {
        self.stopping = Some(now + SHUTDOWN_GRACE);
        self.keeper.assigned = self.keeper.held.map(|fence| fence.shard);
        let Some(life) = &self.life else { return };
        let players = life.hall.world.players().to_vec();
        for player in players {
            self.step(Event::Leave { player });
        }
    }

    /// Closes every client.
    fn dismiss_everybody(&mut self, code: ClosingCode) {
        let players: Vec<_> = self.clients.iter().map(|client| client.player).collect();
        for player in players {
            self.close_client(player, code);
        }
    }
}

impl<G: Play> Life<G> {
    /// Notes whoever stands on ground that a new map gives to somebody else.
    fn displace(&mut self) {
        let world = &self.hall.world;
        let ground = self.hall.ground();
        let players = world.players().iter().map(|player| Subject::Player(*player));
        let subjects: Vec<_> = players.chain(world.things().map(|(entity, _)| Subject::Npc(entity))).collect();
        for subject in subjects {
            let Some(place) = self.position(subject) else { continue };
            if ground.is_none_or(|ground| !ground.contains(place)) {
                self.displaced.insert(subject);
            }
        }
    }
}
