//! A client of the model: attaches to one zone or two, repeats its inputs until they are acknowledged, follows the highest
//! owner epoch, and joins again through the directory when it hears nothing.

use darkages_topology::{HandoffId, InputSeq, OwnerEpoch, PlayerId, ShardId};
use rand::RngExt;

use super::Time;
use super::cx::Cx;
use super::mail::{Mail, Node, Snapshot};
use super::map::Map;
use super::sessions::player_of;
use super::store::ModelStore;
use super::trades::check_told;
use super::weather::{INPUTS_END, TICK};
use super::world::spawn;

/// A client does something every so often: three ticks' inputs go into one datagram.
const PERIOD: Time = 3 * TICK;

/// A client that sees no authoritative snapshot for so long joins again.
const SILENCE: Time = 900_000;

/// A join that leads to nothing is tried again after so long.
const JOIN_AGAIN: Time = 1_200_000;

/// A connection that is not welcomed is asked for again after so long.
const ATTACH_AGAIN: Time = 200_000;

/// An unanswered trade is asked for again after so long.
const TRADE_AGAIN: Time = 500_000;

/// Ticks within which an entity must not vanish and come back (I6).
const FLICKER: u64 = 30;

/// A connection to a zone.
#[derive(Debug)]
struct Conn {
    id: u32,
    pod: usize,
    shard: ShardId,
    /// The handoff whose redirect led here; `None` after a join.
    handoff: Option<HandoffId>,
    is_welcome: bool,
    asked: Time,
    /// Snapshots that this client has decoded: the newest number, and a bit for each of the 63 before it.
    newest: Option<u32>,
    decoded: u64,
}

/// A client.
#[derive(Debug)]
pub struct Client {
    index: usize,
    conns: Vec<Conn>,
    next_conn: u32,
    next_input: InputSeq,
    acked: InputSeq,
    epoch: OwnerEpoch,
    tick: u64,
    heard: Time,
    join_at: Time,
    /// Away from the world until then.
    away_until: Option<Time>,
    trade: Option<(u32, PlayerId, Time)>,
    next_trade: u32,
    /// When each player was last seen, and since when not.
    seen: Vec<u64>,
    visible: u64,
}

impl Client {
    pub fn new(index: usize, cx: &mut Cx) -> Self {
        let start = cx.rng.random_range(0..1_000_000);
        cx.at(start, Node::Client(index), Mail::Tick { life: 0 });
        Self {
            index,
            conns: Vec::new(),
            next_conn: 1,
            next_input: InputSeq(1),
            acked: InputSeq(0),
            epoch: OwnerEpoch(0),
            tick: 0,
            heard: 0,
            join_at: 0,
            away_until: None,
            trade: None,
            next_trade: 1,
            seen: vec![0; cx.weather.players],
            visible: 0,
        }
    }

    fn node(&self) -> Node {
        Node::Client(self.index)
    }

    /// Whether the client plays or wants to.
    pub const fn is_active(&self) -> bool {
        self.away_until.is_none()
    }

    /// Time of the last authoritative snapshot.
    pub const fn heard(&self) -> Time {
        self.heard
    }

    /// The last input that was acknowledged, and the last that was made.
    pub const fn inputs(&self) -> (InputSeq, InputSeq) {
        (self.acked, InputSeq(self.next_input.0 - 1))
    }

    pub fn receive(&mut self, mail: Mail, cx: &mut Cx, store: &ModelStore, map: &Map) {
        match mail {
            Mail::Tick { .. } => self.on_tick(cx, store, map),
            Mail::Joined { pod, shard } => self.attach(pod, shard, None, cx),
            Mail::Welcome { conn } => {
                if let Some(conn) = self.conns.iter_mut().find(|known| known.id == conn) {
                    conn.is_welcome = true;
                }
            }
            Mail::Redirect { conn, shard, pod, handoff, owner_epoch } => {
                let is_new = owner_epoch > self.epoch && self.conns.iter().all(|known| known.handoff != Some(handoff));
                if is_new && self.conns.iter().any(|known| known.id == conn) {
                    // A newer redirect replaces an older one, whose handoff was called off.
                    self.hang_up(|other| other.id != conn && other.handoff.is_some(), cx);
                    self.attach(pod, shard, Some(handoff), cx);
                }
            }
            Mail::Closed { conn } => {
                self.conns.retain(|known| known.id != conn);
                if self.conns.is_empty() {
                    self.join_at = self.join_at.min(cx.now + 150_000);
                }
            }
            Mail::TradeDone { request } if self.trade.is_some_and(|(waiting, ..)| waiting == request) => {
                self.trade = None;
                check_told(self.index, request, store, cx);
            }
            Mail::Snapshot(snapshot) => self.on_snapshot(snapshot, cx),
            _ => {}
        }
    }

    fn attach(&mut self, pod: usize, shard: ShardId, handoff: Option<HandoffId>, cx: &mut Cx) {
        if handoff.is_none() {
            // A fresh start: whatever the old connections led to, nothing came of it.
            self.hang_up(|_| true, cx);
        } else if self.conns.len() >= 2 {
            return;
        }
        let id = self.next_conn;
        self.next_conn += 1;
        self.conns.push(Conn { id, pod, shard, handoff, is_welcome: false, asked: cx.now, newest: None, decoded: 0 });
        cx.send(self.node(), Node::Pod(pod), Mail::Attach { client: self.index, conn: id, shard, handoff });
    }

    fn hang_up(&mut self, which: impl Fn(&Conn) -> bool, cx: &mut Cx) {
        for conn in self.conns.extract_if(.., |conn| which(conn)) {
            let bye = Mail::Bye { client: self.index, conn: conn.id };
            cx.send(Node::Client(self.index), Node::Pod(conn.pod), bye);
        }
    }

    fn on_tick(&mut self, cx: &mut Cx, store: &ModelStore, map: &Map) {
        cx.at(cx.now + PERIOD, self.node(), Mail::Tick { life: 0 });
        if let Some(until) = self.away_until {
            if cx.now < until {
                return;
            }
            self.away_until = None;
            (self.heard, self.join_at, self.visible) = (cx.now, cx.now, 0);
        }
        if self.heard + SILENCE < cx.now && cx.now >= self.join_at {
            self.join(cx, store, map);
        }
        let is_playing = self.tick > 0 && self.heard + SILENCE >= cx.now;
        if cx.now < INPUTS_END && is_playing {
            self.next_input.0 += 3;
        }
        let (from, to) = (self.acked.next(), InputSeq(self.next_input.0 - 1));
        for conn in &mut self.conns {
            if conn.is_welcome {
                let (client, conn_id, acked) = (self.index, conn.id, conn.newest);
                let mail = Mail::Inputs { client, conn: conn_id, from, to, acked };
                cx.send(Node::Client(self.index), Node::Pod(conn.pod), mail);
            } else if conn.asked + ATTACH_AGAIN < cx.now {
                conn.asked = cx.now;
                let mail = Mail::Attach { client: self.index, conn: conn.id, shard: conn.shard, handoff: conn.handoff };
                cx.send(Node::Client(self.index), Node::Pod(conn.pod), mail);
            }
        }
        if is_playing {
            self.trade(cx);
            self.maybe_leave(cx);
        }
    }

    /// Asks the directory, which asks store and map.
    fn join(&mut self, cx: &mut Cx, store: &ModelStore, map: &Map) {
        self.join_at = cx.now + JOIN_AGAIN;
        if cx.now < store.away_until {
            self.join_at = cx.now + 300_000;
            return;
        }
        cx.stats.joins += 1;
        let player = player_of(self.index);
        let record = store.records.get(&player);
        let ground = map.owner_of(record.map_or_else(|| spawn(player), |record| record.data.position));
        let shard = record.map(|record| record.owner).filter(|owner| map.exists(*owner)).or(ground);
        let served = shard.and_then(|shard| Some((shard, map.pod(shard)?)));
        if let Some((shard, pod)) = served {
            let delay = cx.rng.random_range(1_000..20_000);
            cx.at(cx.now + delay, self.node(), Mail::Joined { pod, shard });
        }
    }

    fn trade(&mut self, cx: &mut Cx) {
        let (request, with, asked) = match self.trade {
            Some(trade) => trade,
            None if cx.now < INPUTS_END && self.seen.len() > 1 && cx.rng.random_bool(0.02) => {
                let others = self.seen.len() as u64 - 1;
                let other = (self.index as u64 + 1 + cx.rng.random_range(0..others)) % (others + 1);
                let request = self.next_trade;
                self.next_trade += 1;
                (request, PlayerId(other), 0)
            }
            None => return,
        };
        self.trade = Some((request, with, asked));
        if asked + TRADE_AGAIN > cx.now {
            return;
        }
        self.trade = Some((request, with, cx.now));
        for conn in &self.conns {
            let mail = Mail::AskTrade { client: self.index, conn: conn.id, request, with };
            cx.send_reliably(Node::Client(self.index), Node::Pod(conn.pod), mail);
        }
    }

    /// Some players leave for good and come back later.
    fn maybe_leave(&mut self, cx: &mut Cx) {
        if cx.now > INPUTS_END / 2 || !cx.rng.random_bool(0.001) {
            return;
        }
        for conn in self.conns.drain(..) {
            let mail = Mail::Leave { client: self.index, conn: conn.id };
            cx.send_reliably(Node::Client(self.index), Node::Pod(conn.pod), mail);
        }
        self.away_until = Some(cx.now + cx.rng.random_range(2_500_000..3_500_000));
    }

    fn on_snapshot(&mut self, snapshot: Snapshot, cx: &mut Cx) {
        let player = player_of(self.index);
        let Some(conn) = self.conns.iter_mut().find(|conn| conn.id == snapshot.conn) else { return };
        conn.is_welcome = true;
        let newest = conn.newest.unwrap_or(0);
        if snapshot.number <= newest && conn.newest.is_some() {
            return;
        }
        // I7: what it is a difference from must be there.
        if let Some(baseline) = snapshot.baseline {
            let age = newest.checked_sub(baseline);
            if age.is_none_or(|age| age > 63 || conn.decoded & 1 << age == 0) {
                cx.checks.fail("I7", || format!("{player} cannot decode {} against {baseline}", snapshot.number));
            }
        }
        let ahead = snapshot.number - newest;
        conn.decoded = if ahead > 63 { 1 } else { conn.decoded << ahead | 1 };
        conn.newest = Some(snapshot.number);
        if snapshot.epoch < self.epoch {
            return;
        }
        // I5: within an epoch ticks do not go back, because snapshots that were overtaken are dropped; across epochs they
        // must not either.
        if snapshot.tick <= self.tick {
            let (epoch, tick) = (self.epoch, self.tick);
            if snapshot.epoch > epoch {
                let what =
                    || format!("{player} sees tick {} of {} after {tick} of {epoch}", snapshot.tick, snapshot.epoch);
                cx.checks.fail("I5", what);
            }
            return;
        }
        self.look_around(&snapshot, cx);
        (self.epoch, self.tick, self.heard) = (snapshot.epoch, snapshot.tick, cx.now);
        self.acked = self.acked.max(snapshot.applied);
    }

    /// I6: nobody vanishes and comes back at once, as long as nothing but the network is at fault.
    fn look_around(&mut self, snapshot: &Snapshot, cx: &mut Cx) {
        let came = snapshot.visible & !self.visible;
        if came != 0 && cx.weather.is_calm && self.visible != 0 {
            for player in (0..self.seen.len()).filter(|player| came & 1 << player != 0) {
                let last = self.seen[player];
                // Who comes into the world, or leaves it, is known to other zones a few frames later.
                let is_news = cx.checks.is_news(PlayerId(player as u64), last);
                if !is_news && last > 0 && snapshot.tick - last <= FLICKER && last != self.tick {
                    let me = self.index;
                    let tick = snapshot.tick;
                    cx.checks.fail("I6", || format!("client {me} sees {player} at {tick} again after {last}"));
                }
            }
        }
        for (player, seen) in self.seen.iter_mut().enumerate() {
            if snapshot.visible & 1 << player != 0 {
                *seen = snapshot.tick;
            }
        }
        self.visible = snapshot.visible;
    }
}
