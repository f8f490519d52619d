//! One bot: a player, a mind, and its part in the run.

use std::time::{Duration, Instant};

use darkages_checker::{Answer, History, Holdings, Transfer};
use darkages_protocol::{Command, Goods, InputValue, RequestId, ResultCode};
use darkages_topology::world::TICK_NANOS;
use darkages_topology::{EntityId, PlayerId};
use darkages_transport::SessionId;
use rand::RngExt;

use super::gaps::GapMeter;
use super::lines::Seat;
use super::meter::Meter;
use super::mind::{Mind, Steer};
use super::workload::Part;
use crate::invariant::Invariant;
use crate::player::{Happening, Io, Observer, Player};

/// A mind decides once in so many inputs: ten times a second.
const DECIDES_EVERY: u32 = 6;
/// How long before its end a bot begins no more trades, so that all are answered.
const LAST_TRADE_BEFORE_END: Duration = Duration::from_secs(3);
/// Shortest pause between two trades of a bot, in milliseconds.
const TRADE_PAUSE_MS: std::ops::Range<u64> = 300..900;
/// Most gold given in one trade.
const MOST_GOLD: u64 = 5;
/// One of so many trades hands over an item as well.
const ITEM_SHARE: u32 = 3;

/// One bot.
#[derive(Debug)]
pub(super) struct Bot {
    pub(super) number: u32,
    pub(super) player: Player<SessionId>,
    pub(super) part: Part,
    pub(super) gap: GapMeter,
    /// Number of the snapshot that came with the last message, until somebody looks.
    pub(super) fresh: Option<u32>,
    /// Whether it has ever been in the world.
    pub(super) been_in: bool,
    mind: Mind,
    steer: Steer,
    countdown: u32,
    /// When a bot that comes and goes changes its mind next.
    turns_at: Duration,
    wants_in: bool,
    trade: Option<RequestId>,
    trades_at: Duration,
}

/// What a bot's step may use.
pub(super) struct Surroundings<'a> {
    pub(super) meter: &'a mut Meter,
    pub(super) history: &'a mut History,
    /// Time since the start of the run.
    pub(super) at: Duration,
    pub(super) now: Instant,
    /// The bot's trading partner, when it is in the world and knows what it has.
    pub(super) partner: Option<(PlayerId, EntityId)>,
    /// Whether everybody should leave.
    pub(super) stop: bool,
}

/// Writes down what happens to one bot.
pub(super) struct Diary<'a> {
    pub(super) player: PlayerId,
    pub(super) meter: &'a mut Meter,
    pub(super) history: &'a mut History,
    pub(super) gap: &'a mut GapMeter,
    pub(super) fresh: &'a mut Option<u32>,
    pub(super) been_in: &'a mut bool,
    pub(super) trade: &'a mut Option<RequestId>,
    /// Time since the start of the run.
    pub(super) at: Duration,
    pub(super) now: Instant,
}

impl Observer for Diary<'_> {
    fn on(&mut self, happening: Happening) {
        let meter = &mut *self.meter;
        match happening {
            Happening::Welcomed { after, again } => {
                meter.joins += 1;
                meter.join_times.record(after);
                *self.been_in = true;
                if again {
                    self.gap.rejoined();
                } else {
                    self.gap.restart();
                }
            }
            Happening::JoinFailed { reason } => *meter.join_failures.entry(reason).or_default() += 1,
            Happening::Redirected => self.gap.redirected(),
            Happening::NextEnded { reason } => *meter.next_ended.entry(reason).or_default() += 1,
            Happening::Snapshot { number, switched, visible } => {
                meter.snapshots += 1;
                meter.entities_shown += visible as u64;
                meter.handoffs += u64::from(switched);
                *self.fresh = Some(number);
                if let Some(took) = self.gap.recovered(self.now) {
                    meter.recoveries.record(took);
                }
                if let Some(gap) = self.gap.snapshot(self.now, switched) {
                    meter.gaps.record(gap);
                }
            }
            Happening::Applied { age } => meter.acks.record(age),
            Happening::TakenBack { inputs } => {
                meter.inputs_taken_back += u64::from(inputs);
                meter.rollbacks.record(Duration::from_nanos(TICK_NANOS) * inputs);
            }
            Happening::Answered { request, code } => {
                let done = code == ResultCode::Done;
                if self.history.answered(self.player, request.0, self.at, done) && !done {
                    *meter.refusals.entry(code.label()).or_default() += 1;
                }
                if *self.trade == Some(request) {
                    *self.trade = None;
                }
            }
            Happening::Unanswered { request } => {
                if *self.trade == Some(request) {
                    *self.trade = None;
                }
            }
            Happening::Condition { gold, items } => {
                let items = items.into_iter().collect();
                self.history.saw(self.player, self.at, Holdings { gold, items });
            }
            Happening::Disconnected { reason } => *meter.disconnects.entry(reason).or_default() += 1,
            Happening::Rejoins { .. } => meter.rejoins += 1,
            Happening::Left { .. } => {
                if let Some(gap) = self.gap.finish() {
                    meter.gaps.record(gap);
                }
                self.gap.restart();
            }
            // What was in a zone that crashed is gone until it is back.
            Happening::Violated { invariant: Invariant::I6, .. } if meter.crashes => {}
            Happening::Violated { invariant, evidence } => meter.violations.add(invariant, || evidence),
        }
    }
}

impl Bot {
    pub(super) fn new(number: u32, id: PlayerId, part: Part, mind: Mind, seed: u64, now: Instant) -> Self {
        let turns_at = part.joins_at;
        Self {
            number,
            player: Player::new(id, seed, now),
            part,
            gap: GapMeter::default(),
            fresh: None,
            been_in: false,
            mind,
            steer: Steer::default(),
            countdown: number % DECIDES_EVERY,
            turns_at,
            wants_in: false,
            trade: None,
            trades_at: Duration::ZERO,
        }
    }

    /// One 60th of a second: decides, makes an input, keeps its appointments. After a delay of the thread it is
    /// called once for each that was missed.
    pub(super) fn step(&mut self, seat: &mut Seat<'_>, around: &mut Surroundings<'_>) {
        self.keep_appointments(seat, around);
        if self.countdown == 0 {
            self.countdown = DECIDES_EVERY;
            self.decide(seat, around);
        }
        self.countdown -= 1;
        let steer = self.steer;
        let inside = self.player.is_inside();
        let made = self.with(seat, around, |player, io| {
            player.tick(io);
            inside
                && player
                    .input(InputValue { heading: steer.heading, moving: steer.moving, sprinting: steer.sprint }, io)
        });
        if inside {
            let meter = &mut *around.meter;
            *(if made { &mut meter.inputs_made } else { &mut meter.inputs_withheld }) += 1;
        }
    }

    /// Calls the player with everything that it needs.
    pub(super) fn with<R>(
        &mut self,
        seat: &mut Seat<'_>,
        around: &mut Surroundings<'_>,
        call: impl FnOnce(&mut Player<SessionId>, &mut Io<'_, Seat<'_>, Diary<'_>>) -> R,
    ) -> R {
        let Self { player, gap, fresh, been_in, trade, .. } = self;
        let Surroundings { meter, history, at, now, .. } = around;
        let mut diary = Diary { player: player.id(), meter, history, gap, fresh, been_in, trade, at: *at, now: *now };
        // The seat is borrowed anew, because its lifetime must not outlive this call.
        let mut link = seat.again();
        call(player, &mut Io { link: &mut link, observer: &mut diary, now: *now })
    }

    /// Joins and leaves when it is time.
    fn keep_appointments(&mut self, seat: &mut Seat<'_>, around: &mut Surroundings<'_>) {
        let at = around.at;
        let over = around.stop || at >= self.part.leaves_at;
        if !over && at >= self.turns_at {
            self.wants_in = !self.wants_in;
            self.turns_at = match self.part.cycle {
                Some((stay, away)) => at + if self.wants_in { stay } else { away },
                None => Duration::MAX,
            };
        }
        if over {
            // Who comes and goes may be on its way in just now.
            let is_stranded = self.wants_in && !self.player.is_inside() && self.part.cycle.is_none();
            around.meter.never_returned += u32::from(is_stranded && self.been_in);
            self.wants_in = false;
        }
        if self.wants_in && self.player.is_outside() {
            self.player.join(around.now);
        } else if !self.wants_in && !self.player.is_outside() {
            self.with(seat, around, |player, io| player.leave(io));
        }
    }

    fn decide(&mut self, seat: &mut Seat<'_>, around: &mut Surroundings<'_>) {
        let Some(position) = self.player.position() else { return };
        self.steer = self.mind.decide(around.at, position);
        if self.part.partner.is_some() && self.player.is_inside() {
            self.trade(seat, around);
        }
    }

    /// Gives something to the partner, now and then. One trade at a time: its answer tells what the next one can give.
    fn trade(&mut self, seat: &mut Seat<'_>, around: &mut Surroundings<'_>) {
        let late = around.at + LAST_TRADE_BEFORE_END >= self.part.leaves_at;
        let Some((receiver, partner)) = around.partner else { return };
        if late || self.trade.is_some() || around.at < self.trades_at || self.player.entity(partner).is_none() {
            return;
        }
        let Some(condition) = self.player.condition() else { return };
        let (have, items) = (condition.gold, condition.items.clone());
        let rng = self.mind.rng();
        self.trades_at = around.at + Duration::from_millis(rng.random_range(TRADE_PAUSE_MS));
        let gold = rng.random_range(1..=MOST_GOLD).min(have);
        let gives_item = rng.random_range(0..ITEM_SHARE) == 0 && !items.is_empty();
        let items: Vec<EntityId> =
            if gives_item { vec![items[rng.random_range(0..items.len())].id] } else { Vec::new() };
        if gold == 0 && items.is_empty() {
            return;
        }
        let give = Command::Give { to: partner, goods: Goods { gold, items: items.clone() } };
        let asked = self.with(seat, around, |player, io| player.command(give, io));
        if let Ok(request) = asked {
            self.trade = Some(request);
            let (giver, request, asked) = (self.player.id(), request.0, around.at);
            let answer = Answer::Unknown;
            around.history.asked(Transfer { giver, receiver, request, gold, items, asked, answered: None, answer });
        }
    }

    /// The borders lie elsewhere now.
    pub(super) fn border_moved(&mut self, border: super::ground::Border) {
        self.mind.border_moved(border);
    }
}
