//! Two zones side by side in one thread, over loopback: enough of the rules to move players and hand them over.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use darkages_protocol::{
    ClientMessage, ClosingCode, Command, EntityState, InputValue, Redirect, ResultCode, SelfState, SpeedClass, Welcome,
    ZoneMessage,
};
use darkages_topology::{
    EntityId, HandoffId, InputSeq, OwnerEpoch, PlayerId, Position, Rect, ShardEpoch, ShardId, Tick,
};
use darkages_transport::{
    Admitted, Channel, CloseReason, Endpoint, EndpointConfig, Event, Gatekeeper, Refusal, SessionId, StaticKeypair,
};

use super::directory::{Known, psk_of};
use super::feed::Feed;

const TICK: Duration = Duration::from_nanos(16_666_667);
const STEP: f64 = 64.0 / 60.0;
/// Everybody sees everybody: this world has no rim of sight that could flicker.
const SEES_M: i32 = 2_000;
const SHOWN: usize = 90;
const FIRST_TICK: u64 = 1_000;

/// Opens for whoever shows a player's number.
struct Gate;

impl Gatekeeper for Gate {
    fn admit(&mut self, sealed_token: &[u8], _unix_now: u64) -> Result<Admitted, Refusal> {
        let player = sealed_token.get(..8).and_then(|bytes| bytes.try_into().ok()).ok_or(Refusal(1))?;
        Ok(Admitted { psk: psk_of(u64::from_le_bytes(player)), admission: sealed_token.to_vec() })
    }
}

struct Side {
    endpoint: Endpoint<Gate>,
    sessions: HashMap<SessionId, u64>,
}

/// One end of a player's sessions.
struct Line {
    session: SessionId,
    feed: Feed,
}

struct Avatar {
    entity: EntityId,
    at: (f64, f64),
    value: InputValue,
    newest: InputSeq,
    applied: InputSeq,
    waiting: VecDeque<(InputSeq, InputValue)>,
    present: bool,
    owner: usize,
    epoch: OwnerEpoch,
    handoff: Option<(usize, u64, Option<u64>)>,
    lines: [Option<Line>; 2],
    leaves_old: Option<u64>,
    gold: u64,
    version: u32,
}

/// What the test wants to know at the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Handoffs that were completed.
    pub handoffs: u64,
    /// Inputs that were applied.
    pub applied: u64,
}

/// A world that runs until it is dropped.
pub struct World {
    /// Where its directory answers.
    pub url: String,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Counts>>,
}

impl World {
    /// Starts a world of 1 km² that is cut in the middle.
    pub fn start() -> Self {
        let sides: Vec<Side> = (0..2).map(|_| side()).collect();
        let world = serde_json::json!({ "bounds": [-500.0, -500.0, 500.0, 500.0], "zones": [
            { "bounds": [-500.0, -500.0, 0.0, 500.0] }, { "bounds": [0.0, -500.0, 500.0, 500.0] } ] });
        let address = |side: &Side| SocketAddr::from(([127, 0, 0, 1], side.endpoint.local_addr().port()));
        let zones = sides.iter().map(|side| (address(side), side.endpoint.public_key())).collect();
        let known = Known { zones, zone_of: |x| usize::from(x >= 0), places: HashMap::new(), world, refuse: 3 };
        let known = Arc::new(Mutex::new(known));
        let url = super::directory::start(Arc::clone(&known));
        let stop = Arc::new(AtomicBool::new(false));
        let for_thread = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("test-world".into()).spawn(move || {
            let mut ground =
                Ground { sides, avatars: BTreeMap::new(), tick: FIRST_TICK, counts: Counts::default(), known };
            ground.run(&for_thread);
            ground.counts
        });
        Self { url, stop, thread: Some(thread.expect("a thread can be started")) }
    }

    /// Stops it.
    pub fn stop(mut self) -> Counts {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("the world does not panic")
    }
}

fn side() -> Side {
    let key = StaticKeypair::generate().expect("the system has randomness");
    let mut config = EndpointConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)), key, 1_700_000_000);
    config.limits.handshakes_per_source_per_s = 10_000;
    let endpoint = Endpoint::bind(config, Gate, Instant::now()).expect("loopback");
    Side { endpoint, sessions: HashMap::new() }
}

struct Ground {
    sides: Vec<Side>,
    avatars: BTreeMap<u64, Avatar>,
    tick: u64,
    counts: Counts,
    known: Arc<Mutex<Known>>,
}

impl Ground {
    fn run(&mut self, stop: &AtomicBool) {
        let start = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let deadline = start + TICK * (self.tick - FIRST_TICK) as u32;
            while Instant::now() < deadline {
                self.sides[0].endpoint.wait(deadline.min(Instant::now() + Duration::from_millis(2)));
                self.receive();
            }
            self.receive();
            self.step();
            self.snapshots();
            let now = Instant::now();
            self.sides.iter_mut().for_each(|side| side.endpoint.flush(now));
            self.tick += 1;
        }
    }

    fn receive(&mut self) {
        for index in 0..2 {
            self.sides[index].endpoint.poll(Instant::now());
            while let Some(event) = self.sides[index].endpoint.next_event() {
                match event {
                    Event::Connected { session, admission } => self.connected(index, session, &admission),
                    Event::Message { session, channel, payload } => self.message(index, session, channel, &payload),
                    Event::Closed { session, .. } => {
                        let player = self.sides[index].sessions.remove(&session);
                        if let Some(avatar) = player.and_then(|player| self.avatars.get_mut(&player)) {
                            avatar.hang_up(index, session);
                        }
                    }
                }
            }
        }
    }

    fn connected(&mut self, index: usize, session: SessionId, admission: &[u8]) {
        let number = |at: usize| i64::from_le_bytes(admission[at..at + 8].try_into().expect("eight bytes"));
        let player = number(0) as u64;
        self.sides[index].sessions.insert(session, player);
        let avatar = self.avatars.entry(player).or_insert_with(|| Avatar::new(player, number(8), number(16)));
        let line = Line { session, feed: Feed::default() };
        let next = avatar.handoff.is_some_and(|(to, ..)| to == index);
        let epoch = if next {
            avatar.handoff = avatar.handoff.map(|(to, number, _)| (to, number, Some(self.tick)));
            OwnerEpoch(0)
        } else {
            avatar.lines = [None, None];
            avatar.handoff = None;
            avatar.present = true;
            avatar.owner = index;
            avatar.epoch = avatar.epoch.next();
            avatar.epoch
        };
        avatar.lines[index] = Some(line);
        let welcome = Welcome {
            player: PlayerId(player),
            entity: avatar.entity,
            tick: Tick(self.tick),
            tick_rate_hz: 60,
            snapshot_rate_hz: 20,
            owner_epoch: epoch,
            applied: avatar.applied,
            bounds: Rect { min: Position::from_metres(-500, -500), max: Position::from_metres(500, 500) },
        };
        let state = avatar.self_state();
        self.say(index, session, &ZoneMessage::Welcome(welcome));
        self.say(index, session, &state);
    }

    fn message(&mut self, index: usize, session: SessionId, channel: Channel, payload: &[u8]) {
        let Some(player) = self.sides[index].sessions.get(&session).copied() else { return };
        let avatar = self.avatars.get_mut(&player).expect("a session has an avatar");
        let Some(line) = &mut avatar.lines[index] else { return };
        if !channel.is_reliable() {
            for (seq, value) in line.feed.inputs(payload, avatar.newest) {
                assert_eq!(seq, avatar.newest.next(), "an input is missing");
                avatar.newest = seq;
                avatar.waiting.push_back((seq, value));
            }
            return;
        }
        match ClientMessage::decode(payload).expect("a client speaks the protocol") {
            ClientMessage::Leave => {
                avatar.present = false;
                avatar.hang_up(index, session);
                self.sides[index].sessions.remove(&session);
                self.say(index, session, &ZoneMessage::Closing(ClosingCode::Left));
                self.sides[index].endpoint.close(session, CloseReason::Application(ClosingCode::Left.code()));
            }
            ClientMessage::Command { request, command: Command::Give { to, goods } } => {
                let receiver = self.avatars.values().find(|other| other.entity == to).map(|other| other.entity);
                let code = if receiver.is_some() { ResultCode::Done } else { ResultCode::UnknownTarget };
                if receiver.is_some() {
                    self.move_gold(player, to, goods.gold);
                }
                self.say(index, session, &ZoneMessage::CommandResult { request, code });
            }
            _ => {}
        }
    }

    fn move_gold(&mut self, from: u64, to: EntityId, gold: u64) {
        for (player, avatar) in &mut self.avatars {
            if *player == from {
                avatar.gold -= gold;
            } else if avatar.entity == to {
                avatar.gold += gold;
            } else {
                continue;
            }
            avatar.version += 1;
            let state = avatar.self_state().encode();
            for (side, line) in self.sides.iter_mut().zip(&avatar.lines) {
                if let Some(line) = line {
                    let _ = side.endpoint.send(line.session, Channel::ReliableOrdered, &state, Instant::now());
                }
            }
        }
    }

    fn step(&mut self) {
        let tick = self.tick;
        let mut words = Vec::new();
        for (player, avatar) in self.avatars.iter_mut().filter(|(_, avatar)| avatar.present) {
            for _ in 0..4 {
                let Some((seq, value)) = avatar.waiting.pop_front() else { break };
                avatar.apply(seq, value);
                self.counts.applied += 1;
            }
            let ground = usize::from(avatar.at.0 >= 0.0);
            self.known.lock().expect("nobody panics").places.insert(*player, avatar.at.0 as i32);
            let from = avatar.owner;
            match avatar.handoff {
                None if ground != from && avatar.leaves_old.is_none() => {
                    avatar.handoff = Some((ground, tick, None));
                    if let Some(line) = &avatar.lines[from] {
                        words.push((from, line.session, redirect(*player, tick, avatar.epoch, &self.sides[ground])));
                    }
                }
                Some((to, _, Some(attached))) if tick >= attached + 6 && avatar.lines[to].is_some() => {
                    avatar.owner = to;
                    avatar.epoch = avatar.epoch.next();
                    avatar.handoff = None;
                    avatar.leaves_old = Some(tick + 20);
                    self.counts.handoffs += 1;
                }
                Some((_, since, None)) if tick >= since + 300 => avatar.handoff = None,
                _ => {}
            }
            if avatar.leaves_old.is_some_and(|at| at <= tick) {
                avatar.leaves_old = None;
                let old = 1 - avatar.owner;
                if let Some(line) = avatar.lines[old].take() {
                    self.sides[old]
                        .endpoint
                        .close(line.session, CloseReason::Application(ClosingCode::HandedOver.code()));
                    self.sides[old].sessions.remove(&line.session);
                }
            }
        }
        for (index, session, message) in words {
            self.say(index, session, &message);
        }
    }

    /// Every player gets a snapshot each third tick; the players take turns.
    fn snapshots(&mut self) {
        let all: Vec<(EntityId, EntityState)> = self
            .avatars
            .values()
            .filter(|avatar| avatar.present)
            .map(|avatar| (avatar.entity, avatar.state()))
            .collect();
        for avatar in self.avatars.values_mut().filter(|avatar| avatar.present) {
            if !(avatar.entity.0 + self.tick).is_multiple_of(3) {
                continue;
            }
            let own = (avatar.entity, avatar.state());
            let place = own.1.position;
            let mut near: Vec<_> =
                all.iter().filter(|(_, state)| state.position.within(place, SEES_M)).copied().collect();
            near.sort_by_key(|(id, state)| (*id != own.0, state.position.distance_squared(place)));
            near.truncate(SHOWN);
            for (index, side) in self.sides.iter_mut().enumerate() {
                let Some(line) = &mut avatar.lines[index] else { continue };
                let epoch = if avatar.owner == index { avatar.epoch } else { OwnerEpoch(0) };
                let bytes = line.feed.snapshot(Tick(self.tick), epoch, avatar.applied, &near);
                let _ = side.endpoint.send(line.session, Channel::Unreliable, &bytes, Instant::now());
            }
        }
    }

    fn say(&mut self, index: usize, session: SessionId, message: &ZoneMessage) {
        let _ = self.sides[index].endpoint.send(session, Channel::ReliableOrdered, &message.encode(), Instant::now());
    }
}

fn redirect(player: u64, tick: u64, epoch: OwnerEpoch, to: &Side) -> ZoneMessage {
    let mut token = player.to_le_bytes().to_vec();
    token.extend([0; 16]);
    ZoneMessage::Redirect(Box::new(Redirect {
        handoff: HandoffId { from: ShardId(1), from_epoch: ShardEpoch(1), number: tick << 20 | player & 0xf_ffff },
        endpoint: SocketAddr::from(([127, 0, 0, 1], to.endpoint.local_addr().port())),
        server_key: to.endpoint.public_key(),
        psk: psk_of(player),
        token,
        owner_epoch: epoch.next(),
    }))
}

impl Avatar {
    fn new(player: u64, x: i64, y: i64) -> Self {
        Self {
            entity: EntityId::new(ShardId(1), player & 0xff_ffff),
            at: (x as f64, y as f64),
            value: InputValue::default(),
            newest: InputSeq(0),
            applied: InputSeq(0),
            waiting: VecDeque::new(),
            present: true,
            owner: 0,
            epoch: OwnerEpoch(0),
            handoff: None,
            lines: [None, None],
            leaves_old: None,
            gold: 100,
            version: 1,
        }
    }

    fn apply(&mut self, seq: InputSeq, value: InputValue) {
        assert_eq!(seq, self.applied.next(), "inputs are applied in order");
        self.applied = seq;
        self.value = value;
        if value.moving {
            let length = STEP * if value.sprinting { 9.0 } else { 6.0 };
            let angle = f64::from(value.heading) / 256.0 * std::f64::consts::TAU;
            let clamp = |at: f64| at.clamp(-32_000.0, 31_999.0);
            self.at = (clamp(self.at.0 + length * angle.cos()), clamp(self.at.1 + length * angle.sin()));
        }
    }

    fn hang_up(&mut self, index: usize, session: SessionId) {
        if self.lines[index].as_ref().is_some_and(|line| line.session == session) {
            self.lines[index] = None;
        }
    }

    fn self_state(&self) -> ZoneMessage {
        ZoneMessage::SelfState(SelfState { hit_points: 100, gold: self.gold, items: vec![], version: self.version })
    }

    fn state(&self) -> EntityState {
        let speed = match (self.value.moving, self.value.sprinting) {
            (false, _) => SpeedClass::Standing,
            (true, false) => SpeedClass::Walking,
            (true, true) => SpeedClass::Sprinting,
        };
        EntityState {
            position: Position { x: self.at.0 as i32, y: self.at.1 as i32 },
            heading: self.value.heading,
            speed,
            hit_points: 100,
            input: self.applied.0 as u8,
            ..EntityState::default()
        }
    }
}
