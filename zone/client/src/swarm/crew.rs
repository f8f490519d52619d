//! The loop of a swarm: one thread, a few sockets, all bots.
//!
//! The bots of one socket make their inputs at the same moment, so that one system call sends them all; the sockets' moments
//! are spread evenly over a tick. Between two moments the thread sleeps, at most [`LOOK_EVERY`], and then looks at every
//! socket: waking for each datagram would cost more than the bots do.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use darkages_checker::History;
use darkages_protocol::EntityState;
use darkages_topology::world::TICK_NANOS;
use darkages_topology::{EntityId, PlayerId};
use darkages_transport::{Event, FaultPlan};
use rustix::time::{ClockId, clock_gettime};

use super::bot::{Bot, Surroundings};
use super::ground::Ground;
use super::lines::{BOTS_PER_LINE, Line};
use super::meter::{Ending, Meter};
use super::mind::Mind;
use super::pairs::{CHOOSE_EVERY, Pairs};
use super::report::Trades;
use super::workload::{Workload, cast};
use super::{Ended, PUBLISH_EVERY, Shared, SwarmConfig, SwarmError};
use crate::directory::{Answer, Directory, DirectoryError, Door, Pool, Question};

/// Longest time between two looks at the sockets.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Threads that ask the directory.
const ASKING_THREADS: usize = 8;
/// How often the borders are looked up again, for those who cross them.
const LOOK_UP_BORDERS: Duration = Duration::from_secs(5);
/// How long the directory may take to tell the world for the first time.
const WORLD_WITHIN: Duration = Duration::from_secs(30);
/// Pause between two questions for the world.
const ASK_WORLD_AGAIN: Duration = Duration::from_millis(250);
/// How long after the end bots may take to say goodbye.
const LAST_GOODBYE: Duration = Duration::from_secs(5);
/// Who asks for the world; no bot has this number.
const CREW: u32 = u32::MAX;

/// Runs a swarm to its end.
pub(super) fn run(config: &SwarmConfig, shared: &Shared) -> Result<Ended, SwarmError> {
    let directory = Directory::new(&config.directory_url);
    let ground = first_look(&directory, config)?;
    let pool = Pool::start(&directory, ASKING_THREADS).map_err(SwarmError::Thread)?;
    let mut crew = Crew::assemble(config, &ground, pool)?;
    while !crew.is_over(shared) {
        crew.turn(shared);
    }
    Ok(crew.end())
}

/// Waits for the directory to tell what the world looks like.
fn first_look(directory: &Directory, config: &SwarmConfig) -> Result<Ground, SwarmError> {
    let deadline = Instant::now() + WORLD_WITHIN;
    loop {
        let source = match directory.ask(Question::World) {
            Ok(Answer::World(ground)) if !ground.shards.is_empty() => return Ok(ground),
            Ok(_) => DirectoryError::Malformed { field: "shards" },
            Err(error) => error,
        };
        if Instant::now() >= deadline {
            return Err(SwarmError::NoWorld { url: config.directory_url.clone(), source });
        }
        std::thread::sleep(ASK_WORLD_AGAIN);
    }
}

struct Crew<'a> {
    config: &'a SwarmConfig,
    length: Duration,
    began: Instant,
    lines: Vec<Line>,
    bots: Vec<Bot>,
    /// The bot behind an entity.
    by_entity: HashMap<EntityId, u32>,
    pool: Pool,
    meter: Meter,
    pairs: Pairs,
    history: History,
    inside: u32,
    inside_since: Instant,
    publish_at: Instant,
    choose_at: Instant,
    borders_at: Instant,
    stop: bool,
}

impl<'a> Crew<'a> {
    fn assemble(config: &'a SwarmConfig, ground: &Ground, pool: Pool) -> Result<Self, SwarmError> {
        let now = Instant::now();
        let length = Duration::from_secs(u64::from(config.seconds));
        let parts = cast(config.workload, config.players, length, config.seed, ground);
        let bots: Vec<Bot> = (0..config.players)
            .zip(parts)
            .map(|(number, part)| {
                let mind = Mind::new(part.behaviour.clone(), ground.bounds, config.seed, number);
                Bot::new(number, player_id(config.seed, number), part, mind, config.seed, now)
            })
            .collect();
        let count = config.players.div_ceil(BOTS_PER_LINE);
        let lines = (0..count)
            .map(|line| {
                let seats = (0..config.players).filter(|bot| bot % count == line).collect();
                let phase = Duration::from_nanos(TICK_NANOS * u64::from(line) / u64::from(count));
                let fault = config.fault.clone().map(|plan| FaultPlan { seed: plan.seed ^ u64::from(line), ..plan });
                Line::open(seats, fault, now + phase, now)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            config,
            length,
            began: now,
            lines,
            bots,
            by_entity: HashMap::new(),
            pool,
            meter: Meter { crashes: config.crashes, ..Meter::default() },
            pairs: Pairs::default(),
            history: History::default(),
            inside: 0,
            inside_since: now,
            publish_at: now,
            choose_at: now + CHOOSE_EVERY,
            borders_at: now + LOOK_UP_BORDERS,
            stop: false,
        })
    }

    fn is_over(&self, shared: &Shared) -> bool {
        let at = self.began.elapsed();
        let leaving = at >= self.length || shared.stop.load(Ordering::Relaxed);
        let gone = self.bots.iter().all(|bot| bot.player.is_outside());
        (leaving && gone && self.stop_seen(shared)) || at >= self.length + LAST_GOODBYE
    }

    /// A stop counts as seen once every bot was asked to leave.
    fn stop_seen(&self, shared: &Shared) -> bool {
        self.stop || !shared.stop.load(Ordering::Relaxed)
    }

    /// One turn: sleep, look at the sockets, answer, make inputs, send.
    fn turn(&mut self, shared: &Shared) {
        let now = Instant::now();
        let due = self.lines.iter().map(Line::due).min().unwrap_or(now);
        let wake = due.min(now + LOOK_EVERY);
        if let Some(pause) = wake.checked_duration_since(now) {
            match &mut self.lines[..] {
                // A single socket can be waited for: a small swarm answers at once.
                [line] => line.endpoint.wait(wake),
                _ => std::thread::sleep(pause),
            }
        }
        self.stop = shared.stop.load(Ordering::Relaxed);
        self.take_answers();
        for line in 0..self.lines.len() {
            self.make_due_inputs();
            self.receive(line);
        }
        self.housekeeping(shared);
    }

    fn take_answers(&mut self) {
        while let Some((asker, answer)) = self.pool.answer() {
            match answer {
                Ok(Answer::World(ground)) => {
                    let border = ground.main_border();
                    self.bots.iter_mut().for_each(|bot| bot.border_moved(border));
                }
                Ok(Answer::Door(door)) => self.door(asker, Ok(&door)),
                // The borders that are known stay until they are looked up again.
                Err(_) if asker == CREW => {}
                Err(error) => self.door(asker, Err(error.label())),
            }
        }
    }

    fn door(&mut self, bot: u32, answer: Result<&Door, &'static str>) {
        let line = bot as usize % self.lines.len();
        self.with_bot(line, bot, |bot, line, around| {
            let mut seat = line.seat(bot.number);
            bot.with(&mut seat, around, |player, io| player.door(answer, io));
        });
    }

    fn receive(&mut self, line: usize) {
        self.lines[line].endpoint.poll(Instant::now());
        while let Some((bot, event)) = self.lines[line].next_event() {
            self.with_bot(line, bot, |bot, line, around| {
                let mut seat = line.seat(bot.number);
                bot.with(&mut seat, around, |player, io| match event {
                    Event::Connected { session, .. } => player.connected(session),
                    Event::Message { session, channel, payload } => player.message(session, channel, &payload, io),
                    Event::Closed { session, reason } => player.closed(session, reason, io),
                });
            });
            self.look_at_partner(bot);
        }
        self.lines[line].flush(Instant::now());
    }

    /// After a snapshot: what does this bot see of the one that it watches?
    fn look_at_partner(&mut self, observer: u32) {
        let bot = &mut self.bots[observer as usize];
        let Some(number) = bot.fresh.take() else { return };
        let Some(watch) = self.pairs.watched_by(observer) else { return };
        let Some((Some(of), state)) = bot.player.entity(watch.entity) else { return };
        if of != number {
            return;
        }
        let shown = state.input;
        let watched = self.bots[watch.bot as usize].player.inputs();
        self.pairs.decoded(observer, watched.with_low_bits(shown), Instant::now(), |seq| watched.made_at(seq));
    }

    /// Inputs come before everything else, also between two sockets: a swarm that is late for its inputs is late with its
    /// acknowledgements too, is sent whole entities instead of changes, and has even more to decode.
    fn make_due_inputs(&mut self) {
        let now = Instant::now();
        for line in 0..self.lines.len() {
            if self.lines[line].due() <= now {
                self.make_inputs(line);
                self.lines[line].flush(Instant::now());
            }
        }
    }

    fn make_inputs(&mut self, line: usize) {
        let (due, skipped) = self.lines[line].take_due(Instant::now());
        for round in 0..due {
            for index in 0..self.lines[line].bots.len() {
                let bot = self.lines[line].bots[index];
                // A bot that finds the pool busy asks with a later step.
                let is_busy = self.pool.is_full();
                let asks = self.with_bot(line, bot, |bot, line, around| {
                    if round == 0 && bot.player.is_inside() {
                        around.meter.inputs_skipped += skipped;
                    }
                    bot.step(&mut line.seat(bot.number), around);
                    (!is_busy && bot.player.asks_for_door())
                        .then_some(Question::Join { player: bot.player.id(), spawn: Some(bot.part.spawn) })
                });
                if let Some(question) = asks
                    && let Err(error) = self.pool.ask(bot, question)
                {
                    self.door(bot, Err(error.label()));
                }
            }
        }
    }

    /// Calls something for one bot with its line and surroundings.
    fn with_bot<R>(
        &mut self,
        line: usize,
        bot: u32,
        call: impl FnOnce(&mut Bot, &mut Line, &mut Surroundings<'_>) -> R,
    ) -> R {
        let partner = self.bots[bot as usize].part.partner;
        let partner = partner.and_then(|partner| {
            let player = &self.bots[partner as usize].player;
            let own = player.own().filter(|_| player.is_inside() && player.condition().is_some());
            own.map(|own| (player.id(), own))
        });
        let now = Instant::now();
        let mut around = Surroundings {
            meter: &mut self.meter,
            history: &mut self.history,
            at: now.saturating_duration_since(self.began),
            now,
            partner,
            stop: self.stop,
        };
        call(&mut self.bots[bot as usize], &mut self.lines[line], &mut around)
    }

    fn housekeeping(&mut self, shared: &Shared) {
        let now = Instant::now();
        self.meter.inside_for += now.saturating_duration_since(self.inside_since) * self.inside;
        self.inside_since = now;
        if now >= self.publish_at {
            self.publish_at = now + PUBLISH_EVERY;
            self.inside = self.bots.iter().filter(|bot| bot.player.is_inside()).count() as u32;
            shared.publish(self.meter.progress(now.saturating_duration_since(self.began), self.inside, &self.pairs));
        }
        if now >= self.choose_at {
            self.choose_at = now + CHOOSE_EVERY;
            self.choose_pairs();
        }
        if now >= self.borders_at && self.config.workload == Workload::Border {
            self.borders_at = now + LOOK_UP_BORDERS;
            // When the pool is busy the borders are looked up a little later.
            let _ = self.pool.ask(CREW, Question::World);
        }
    }

    /// Every bot may watch a near one. Those that look are spread over the crew, so that the pairs are, too.
    fn choose_pairs(&mut self) {
        let Self { bots, by_entity, pairs, .. } = self;
        for bot in bots.iter() {
            if let Some(own) = bot.player.own() {
                by_entity.insert(own, bot.number);
            }
        }
        let stride = (bots.len() / super::pairs::MAX_PAIRS).max(1);
        for bot in bots.iter().step_by(stride) {
            let Some(place) = bot.player.position().filter(|_| bot.player.is_inside()) else {
                pairs.stop(bot.number);
                continue;
            };
            let named = |(id, state): (EntityId, &EntityState)| Some((id, *by_entity.get(&id)?, state.position));
            pairs.choose(bot.number, place, bot.player.entities().filter_map(named));
        }
    }

    fn end(self) -> Ended {
        let sum = |of: fn(&Line) -> u64| self.lines.iter().map(of).sum::<u64>();
        let ending = Ending {
            ran_for: self.began.elapsed(),
            processor_time: own_processor_time(),
            bytes_down: sum(|line| line.endpoint.stats().bytes_in),
            bytes_up: sum(|line| line.endpoint.stats().bytes_out),
            inputs_unacked: self.bots.iter().map(|bot| bot.player.inputs().len() as u64).sum(),
            never_joined: self.bots.iter().filter(|bot| !bot.been_in).count() as u32,
            trades: Trades::of(&self.history),
        };
        Ended { report: self.meter.report(self.config, &self.pairs, &ending), history: self.history }
    }
}

/// Processor time of this thread, which does nothing else from its beginning to its end.
fn own_processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The player of a bot: another seed plays with other players. Fits 53 bits, so that every JSON reader keeps it whole.
fn player_id(seed: u64, bot: u32) -> PlayerId {
    let of_seed = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) & 0xf_ffff;
    PlayerId((of_seed << 24) | (u64::from(bot) + 1))
}
