//! The loop of a run: look, plan, write, tell, show; ten times a second until it is over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use darkages_checker::{Doubles, owners};
use darkages_client::swarm::SwarmHandle;
use darkages_plan::{Change, Life, Look, Pilot, Step};
use darkages_topology::{ShardId, Topology, ZoneEndpoint};

use super::audit;
use super::chaos::Chaos;
use super::cpu::{CpuTime, Meter};
use super::degraded::Degraded;
use super::feed::Feed;
use super::options::{MAX_PLAYERS, Options, SwarmOptions};
use super::progress::Progress;
use super::report::Report;
use super::tally::Tally;
use super::world::{World, Written};

/// Time between two looks at the zones.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Time between two readings of the processor's meter.
const METER_EVERY: Duration = Duration::from_secs(1);

/// Once the bots have left, merges may take this long, at most: cold siblings wait three seconds, rest six, and a world
/// that was cut five times merges as often.
const SETTLE_WITHIN: Duration = Duration::from_secs(45);

/// No zone is killed or frozen so shortly before the first bot leaves: longer than any recovery takes.
const SPARED: Duration = Duration::from_secs(8);

/// Zones that wait for a shard.
const STANDBY: usize = 1;

/// A run in progress.
pub struct Run<'a> {
    options: &'a Options,
    world: &'a mut World,
    pilot: Pilot,
    feed: Feed,
    doubles: Doubles,
    degraded: Degraded,
    tally: Tally,
    chaos: Chaos,
    progress: Progress,
    meter: Meter,
    started: Instant,
    metered: Instant,
    interrupted: bool,
}

/// What a run was.
pub struct Outcome {
    /// What happened to the map.
    pub tally: Tally,
    /// How long the world was open, the bots' part when there were any.
    pub measured: Duration,
    /// Processor time of that part.
    pub cpu: CpuTime,
    /// When the store did not answer.
    pub degraded: Degraded,
    /// Whether it was ended before its time.
    pub interrupted: bool,
}

impl<'a> Run<'a> {
    /// A run of this world.
    ///
    /// # Errors
    /// When the planner cannot work with its configuration.
    pub fn new(options: &'a Options, world: &'a mut World, map: Topology) -> anyhow::Result<Self> {
        let tally = Tally::new(map.shards().len());
        let pilot = Pilot::new(options.plan, options.zones, map)?;
        let now = Instant::now();
        Ok(Self {
            options,
            world,
            pilot,
            feed: Feed::default(),
            doubles: Doubles::default(),
            degraded: Degraded::default(),
            tally,
            chaos: Chaos::default(),
            progress: Progress::new(options.progress),
            meter: Meter::new(),
            started: now,
            metered: now,
            interrupted: false,
        })
    }

    /// Where the directory answers.
    pub fn url(&self) -> &str {
        &self.world.url
    }

    /// Looks and plans until every shard is served.
    ///
    /// # Errors
    /// When a zone cannot be started or the store does not take a map; `Ok(false)` when interrupted.
    pub fn until_ready(&mut self, stop: &Receiver<()>, report: &mut Report) -> anyhow::Result<bool> {
        self.world.pool.keep_standby(&[], self.pilot.map().shards().len() + STANDBY)?;
        self.progress.say(&format!("live map: {}", self.world.url));
        while !self.is_served() {
            self.look(stop, report)?;
            if self.interrupted {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Runs to the end: the bots', the clock's or Ctrl-C.
    ///
    /// # Errors
    /// When a zone cannot be started or the store does not take a map.
    pub fn finish(
        mut self,
        swarm: Option<&SwarmHandle>,
        stop: &Receiver<()>,
        report: &mut Report,
    ) -> anyhow::Result<Outcome> {
        let started = Instant::now();
        self.meter = Meter::new();
        self.chaos.begin(self.options, self.started.elapsed());
        loop {
            let over = match swarm {
                Some(swarm) => swarm.is_over(),
                None => self.options.length.is_some_and(|length| started.elapsed() >= length),
            };
            let ends = self.interrupted || self.chaos.is_over(self.started.elapsed(), SPARED);
            if over || (ends && swarm.is_none()) {
                break;
            }
            self.spare_the_end(started);
            self.look(stop, report)?;
            if let Some(swarm) = swarm.filter(|_| ends) {
                swarm.stop();
            }
        }
        self.chaos.cease(&self.world.pool);
        self.meter.read();
        let (measured, cpu) = (started.elapsed(), self.meter.used());
        if swarm.is_some() && !self.interrupted {
            self.settle(stop, report)?;
        }
        self.degraded.end(self.started.elapsed());
        self.progress.finish();
        let Self { tally, degraded, interrupted, .. } = self;
        Ok(Outcome { tally, measured, cpu, degraded, interrupted })
    }

    /// Waits for the merges that follow when everybody has left.
    fn settle(&mut self, stop: &Receiver<()>, report: &mut Report) -> anyhow::Result<()> {
        let deadline = Instant::now() + SETTLE_WITHIN;
        let merged = |pilot: &Pilot| pilot.map().shards().len() <= self.options.zones && pilot.is_settled();
        while !merged(&self.pilot) && Instant::now() < deadline {
            self.look(stop, report)?;
            if self.interrupted {
                break;
            }
        }
        Ok(())
    }

    fn is_served(&mut self) -> bool {
        let looks = self.world.pool.looks();
        self.pilot.map().shards().iter().all(|shard| {
            let serves = |look: &Look| look.shard == Some(shard.id) && look.life == Life::Serving;
            shard.zone.is_some() && looks.iter().any(serves)
        })
    }

    fn look(&mut self, stop: &Receiver<()>, report: &mut Report) -> anyhow::Result<()> {
        // The sender lives as long as the runtime, so its end means the same as a signal.
        self.interrupted |= stop.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout);
        let looks = self.world.pool.looks();
        let now = self.started.elapsed();
        let told = (&mut *report, &self.progress);
        self.chaos.step(now, &looks, self.pilot.map(), &mut self.world.pool, told);
        let lapsed = self.lapsed(&looks);
        let Step { write, done, refused: _, zones_wanted } = self.pilot.step(now, &looks, &lapsed);
        let unix_ms = unix_ms();
        for evidence in self.doubles.note(looks.iter().filter_map(seen)) {
            report.violated("I1", evidence);
        }
        for (operation, took) in &done {
            if matches!(operation.change, Change::Split { .. }) {
                self.tally.split_took(*took);
            }
            if let Some(text) = self.feed.settled(unix_ms, operation, *took) {
                self.progress.say(&text);
            }
        }
        if let Some(text) = self.degraded.note(now, &looks) {
            self.feed.noted(unix_ms, text.clone());
            self.progress.say(&text);
        }
        if let Some((map, operations)) = write {
            match self.world.write_map(self.pilot.map(), &map)? {
                Written::Done => {
                    audit::map(&map, report);
                    for operation in &operations {
                        self.tally.changed(&operation.change, map.shards().len());
                        let text = self.feed.changed(unix_ms, operation);
                        self.progress.say(&format!("{text} ({})", operation.why));
                    }
                    self.pilot.written(now, map, operations, &looks);
                }
                Written::Overtaken(other) => self.pilot.overtaken(other),
                // It is planned again. If it was written all the same, the store says so then.
                Written::Unanswered => {}
            }
        }
        self.world.pool.obey(&Arc::new(self.pilot.map().clone()), &looks);
        self.world.pool.keep_standby(&looks, STANDBY.max(zones_wanted))?;
        self.show(unix_ms, &looks, now);
        Ok(())
    }

    /// The shards of zones that say nothing and have lost their lease: the second signal of a death. The store is asked about
    /// those only.
    fn lapsed(&self, looks: &[Look]) -> BTreeSet<ShardId> {
        let is_silent = |zone: &ZoneEndpoint| looks.iter().any(|look| look.endpoint == *zone && look.is_silent());
        let silent = self.pilot.served().filter(|(_, zone)| is_silent(zone));
        silent.filter(|(shard, zone)| self.world.has_lost_lease(*shard, &zone.zone)).map(|(shard, _)| shard).collect()
    }

    /// Does nothing to zones shortly before the bots leave, who have to be back by then to say what they have.
    fn spare_the_end(&mut self, started: Instant) {
        let leaves_at = |swarm: SwarmOptions| swarm.workload.first_leaves_at(swarm.length);
        let ends_at = self.options.swarm.map(leaves_at).or(self.options.length);
        if ends_at.is_some_and(|end| started.elapsed() + SPARED > end) {
            self.chaos.cease(&self.world.pool);
        }
    }

    fn show(&mut self, unix_ms: u64, looks: &[Look], now: Duration) {
        let view = Arc::new(self.feed.picture(unix_ms, self.pilot.map(), looks, MAX_PLAYERS));
        self.progress.show(&view, now, self.options.length);
        self.world.publish.send_replace(view);
        if self.metered.elapsed() >= METER_EVERY {
            self.metered = Instant::now();
            self.meter.read();
            self.meter.read_processes(self.world.pool.processes());
        }
    }
}

/// What a zone that has a shard shows of whom it acts for.
fn seen(look: &Look) -> Option<owners::Look<'_>> {
    Some(owners::Look { shard: look.shard?, tick: look.tick, handles: &look.handles })
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
