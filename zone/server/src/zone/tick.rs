//! One tick, in the order that the handoff asks for.
//!
//! What arrived is in before the machine ticks; the machine ticks before inputs are applied, so that a player who is released
//! at this tick is not simulated in it and one who is taken is; and whether this zone may act is asked once more, with the
//! time of now, before anything is sent or saved.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use darkages_store::Checkpoint;
use darkages_topology::PlayerId;

use super::{Event, Zone};
use crate::clock::is_due;
use crate::metrics::{Label, StageLabel};
use crate::play::Play;
use crate::stats::{Stage, StageTimes, ZoneState};
use crate::storage::Request;

/// Ticks between two checkpoints of a player: 250 ms.
const CHECKPOINT_TICKS: u64 = 15;

/// Inputs that wait in the world for one player, at most; the others wait before it.
const MAX_INPUTS_AHEAD: u32 = darkages_sim::input::MAX_QUEUED_INPUTS as u32;

/// Ticks between two looks at what changes slowly: links, leases, statistics.
const SLOW_TICKS: u64 = 6;

impl<G: Play> Zone<G> {
    pub(super) fn run_tick(&mut self) {
        let begun = Instant::now();
        self.stages = StageTimes::default();
        self.lap_from = worked();
        self.serve(begun);
        self.become_ready();
        self.want_elsewhere();
        self.step(Event::Tick);
        if let Some(fence) = self.past.as_ref().map(|past| past.machine.fence()) {
            self.step_of(fence, Event::Tick);
            self.past.take_if(|past| !past.machine.remembers());
        }
        self.carry_out();
        self.let_linger_go();
        self.lap(Stage::Inputs);
        self.simulate();
        if self.may_act() {
            self.replicate();
            self.checkpoint();
        }
        self.lap(Stage::Replicate);
        self.carry_out();
        self.ask_store();
        self.endpoint.flush(Instant::now());
        self.lap(Stage::Send);
        self.keep(begun);
    }

    /// Puts inputs into the world and steps it.
    fn simulate(&mut self) {
        self.feed_inputs();
        self.freeze_players();
        self.release_durables();
        let mut events = std::mem::take(&mut self.world_events);
        if let Some(life) = &mut self.life {
            life.hall.world.step(self.tick, &mut events);
        }
        for event in events.drain(..) {
            self.happened(event);
        }
        self.world_events = events;
        self.commit_again();
        self.lap(Stage::Simulate);
    }

    /// Moves inputs from the clients' buffers into the world, as many as it takes.
    fn feed_inputs(&mut self) {
        let Some(life) = &mut self.life else { return };
        let world = &mut life.hall.world;
        let (mut applied, mut twice, mut skipped) = (0, 0, 0);
        for client in self.clients.iter_mut().filter(|client| client.acting.is_some()) {
            let (Some(mut last), Some(newest)) = (world.last_input(client.player), world.newest_input(client.player))
            else {
                continue;
            };
            // The world says what it has, whatever was believed before: what is missing comes again.
            client.inputs.applied(newest);
            let oldest = client.oldest.filter(|_| newest == last);
            if oldest.is_some_and(|oldest| client.inputs.skip_to(oldest) > 0) {
                last = client.inputs.last_applied();
                skipped += world.skip_inputs(client.player, last);
            }
            while client.inputs.last_applied().0.wrapping_sub(last.0) < MAX_INPUTS_AHEAD {
                let Some((seq, value)) = client.inputs.take_next() else { break };
                let value = darkages_sim::InputValue {
                    heading: darkages_sim::Heading(value.heading),
                    moving: value.moving,
                    sprinting: value.sprinting,
                };
                match world.queue_input(client.player, seq, value) {
                    Ok(()) => applied += 1,
                    Err(reason) => {
                        let reason = crate::metrics::ReasonLabel { reason: Label(reason.label()) };
                        self.metrics.inputs_refused.get_or_create(&reason).inc();
                        twice += 1;
                    }
                }
            }
        }
        self.metrics.inputs.inc_by(applied);
        self.metrics.inputs_skipped.inc_by(u64::from(skipped));
        self.totals.update(|totals| {
            totals.inputs_applied += applied;
            totals.inputs_duplicated += twice;
        });
    }

    /// Saves a share of the players, so that each is saved every [`CHECKPOINT_TICKS`].
    fn checkpoint(&mut self) {
        let elapsed = self.started.elapsed();
        let Some(life) = self.life.as_ref().filter(|life| life.machine.may_write(elapsed)) else { return };
        let fence = life.machine.fence();
        let due = |player: &&PlayerId| is_due(self.ticked, self.tick, player.0, CHECKPOINT_TICKS);
        let checkpoint = |player: &PlayerId| {
            if crate::handoff::Players::is_busy(&life.hall, *player) {
                return None;
            }
            let owner_epoch = life.machine.write_epoch(*player)?;
            Some(Checkpoint { player: *player, owner_epoch, data: life.hall.data(*player)? })
        };
        let checkpoints: Vec<_> = life.hall.world.players().iter().filter(due).filter_map(checkpoint).collect();
        if !checkpoints.is_empty() {
            self.storage.ask(Request::Save { fence, checkpoints });
        }
    }

    /// Lets players go who have been without a client for long.
    fn let_linger_go(&mut self) {
        let linger = self.config.linger.as_millis() as u64 * 60 / 1_000;
        let now = self.tick;
        let due: Vec<_> =
            self.absent.iter().filter(|(_, since)| now.since(**since) > linger).map(|(player, _)| *player).collect();
        for player in due {
            self.absent.remove(&player);
            self.step(Event::Leave { player });
        }
    }

    /// Ends a stage that began where the one before it ended.
    pub(super) fn lap(&mut self, stage: Stage) {
        let now = worked();
        let took = now.saturating_sub(std::mem::replace(&mut self.lap_from, now));
        self.stages.0[stage as usize] += took;
        self.metrics.stages.get_or_create(&StageLabel { stage: Label(stage.label()) }).inc_by(took.as_secs_f64());
    }

    /// What follows a tick.
    fn keep(&mut self, begun: Instant) {
        let now = Instant::now();
        let took = now - begun;
        self.metrics.tick.observe(took.as_secs_f64());
        self.totals.update(|totals| {
            totals.ticks += 1;
            totals.tick_us.saturating_record((took.as_micros() as u64).max(1));
        });
        self.ring.push(took, self.stages);
        self.shown.ticked_us.store((now - self.shown.started).as_micros() as u64, Ordering::Relaxed);
        let (before, done) = (self.ticked, self.tick);
        self.ticked = done;
        self.tick = self.clock.advance(done, now);
        self.keep_lease(now);
        self.let_go();
        if is_due(before, done, 0, SLOW_TICKS) {
            self.dial_peers(now);
            if let Some(life) = &mut self.life {
                life.hall.forget_old();
            }
            self.publish(self.state());
        }
    }

    /// What this zone is doing.
    pub(super) fn state(&self) -> ZoneState {
        match &self.life {
            None if self.keeper.is_acquiring() => ZoneState::Acquiring,
            None => ZoneState::Unassigned,
            Some(life) if life.hall.ground().is_none() => ZoneState::Retiring,
            Some(_) => ZoneState::Serving,
        }
    }
}

/// Processor time of this thread so far.
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
