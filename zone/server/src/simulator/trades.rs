//! Durable trades in the model: both parties on one shard, one transaction, told to the client when it is durable.

use std::collections::BTreeMap;

use darkages_store::OwnerRecord;
use darkages_topology::PlayerId;

use super::Time;
use super::cx::Cx;
use super::mail::{Ask, Mail, Node};
use super::pod::Pod;
use super::sessions::player_of;
use super::store::{ModelStore, Trade, Traded};
use super::world::{Body, Goods};
use crate::handoff::{Event, NotNow, Reason, Subject, who_moves};

/// An unanswered transaction is repeated after so long.
const REPEAT_AFTER: Time = 700_000;

/// Bytes of a request that goes along to the taker.
pub const COMMAND_BYTES: usize = 12;

/// Transactions that are with the store.
#[derive(Debug, Default)]
pub struct Trades {
    waiting: BTreeMap<(PlayerId, u32), (Trade, Time)>,
}

impl Pod {
    /// A client asks for a trade, the first time or again.
    pub fn ask_trade(&mut self, player: PlayerId, request: u32, with: PlayerId, cx: &mut Cx, store: &ModelStore) {
        match self.may_start(player, cx.now) {
            Ok(()) => {}
            Err(NotNow::HandingOver) => {
                let command = encode(request, with);
                return self.step(Event::Command { player, command }, cx, store);
            }
            // The client asks again.
            Err(NotNow::NotHere | NotNow::Settling | NotNow::StoreAway) => return,
        }
        if !self.world.players.contains_key(&with) {
            return self.bring_together(player, with, cx, store);
        }
        if self.may_start(with, cx.now).is_err() {
            return;
        }
        let epoch_of = |player| self.machine.as_ref().and_then(|machine| machine.write_epoch(player));
        let (Some(epoch), Some(with_epoch)) = (epoch_of(player), epoch_of(with)) else { return };
        let (Some(giver), Some(taker)) = (self.world.players.get(&player), self.world.players.get(&with)) else {
            return;
        };
        if giver.is_busy || taker.is_busy {
            return;
        }
        let (mut given, mut taken) = (giver.data(), taker.data());
        let (from, to) = transfer(giver.goods, taker.goods, request);
        (given.state, taken.state) = (from.encode(), to.encode());
        let parties = [(player, epoch, given), (with, with_epoch, taken)];
        self.set_busy([player, with], true);
        let trade = Trade { request: (player, request), parties };
        self.trades.waiting.insert(trade.request, (trade.clone(), cx.now));
        self.send_trade(trade, cx);
    }

    /// Requests that came along with a player, or came back.
    pub fn requests(&mut self, player: PlayerId, commands: &[Box<[u8]>], cx: &mut Cx, store: &ModelStore) {
        for (request, with) in commands.iter().filter_map(|command| decode(command)) {
            // Only where it can start at once: otherwise it would come back here for ever. The client asks again.
            if self.may_start(player, cx.now).is_ok() {
                self.ask_trade(player, request, with, cx, store);
            }
        }
    }

    fn bring_together(&mut self, player: PlayerId, with: PlayerId, cx: &mut Cx, store: &ModelStore) {
        let (Some(me), Some(&(there, _))) = (self.shard(), self.world.ghosts.get(&with)) else { return };
        if who_moves(player, with) == player {
            let subject = Subject::Player(player);
            self.step(Event::Want { subject, to: there, reason: Reason::Durable }, cx, store);
        } else if let Some(pod) = self.pod_of(there) {
            cx.send(self.node(), Node::Pod(pod), Mail::Bring { player: with, to: me });
        }
    }

    fn send_trade(&self, trade: Trade, cx: &mut Cx) {
        if let Some(machine) = &self.machine {
            self.ask(Ask::Trade { fence: machine.fence(), trade: Box::new(trade) }, cx);
        }
    }

    fn set_busy(&mut self, players: [PlayerId; 2], is_busy: bool) {
        for player in players {
            if let Some(body) = self.world.body(player) {
                body.is_busy = is_busy;
            }
        }
    }

    /// Repeats what was not answered: the store carries it out once.
    pub fn trades_time_out(&mut self, cx: &mut Cx) {
        let mut again = Vec::new();
        for (trade, asked) in self.trades.waiting.values_mut() {
            if *asked + REPEAT_AFTER < cx.now {
                *asked = cx.now;
                again.push(trade.clone());
            }
        }
        for trade in again {
            self.send_trade(trade, cx);
        }
    }

    /// The store's answer to a trade.
    pub fn traded(&mut self, trade: Trade, traded: Traded, cx: &mut Cx, store: &ModelStore) {
        // An answer to an attempt of an earlier incarnation says nothing about this one's.
        if self.trades.waiting.get(&trade.request).is_none_or(|(waiting, _)| *waiting != trade) {
            return;
        }
        self.trades.waiting.remove(&trade.request);
        let parties = [0, 1].map(|party| trade.parties[party].0);
        self.set_busy(parties, false);
        let is_done = match traded {
            Traded::Done => {
                for (player, _, data) in &trade.parties {
                    if let (Some(body), Some(goods)) = (self.world.body(*player), Goods::decode(&data.state)) {
                        body.goods = goods;
                        body.version = data.version.next();
                    }
                }
                true
            }
            Traded::Look { is_done, records } => {
                for ((player, epoch, _), record) in trade.parties.iter().zip(records.iter()) {
                    self.adopt_goods(*player, record.as_ref());
                    if !is_done && record.as_ref().is_none_or(|record| record.owner_epoch != *epoch) {
                        let (player, owner_epoch) = (*player, *epoch);
                        self.step(Event::WriteRefused { player, owner_epoch }, cx, store);
                    }
                }
                is_done
            }
            Traded::Fenced => {
                self.step(Event::WriteFenced, cx, store);
                false
            }
        };
        if let Some(client) = self.sessions.client(parties[0]).filter(|_| is_done) {
            let mail = Mail::TradeDone { request: trade.request.1 };
            cx.send_reliably(self.node(), Node::Client(client), mail);
        }
    }

    /// A transaction of this pod, whose first answer was lost, is in the record and not in the world.
    fn adopt_goods(&mut self, player: PlayerId, record: Option<&OwnerRecord>) {
        let (Some(body), Some(record)) = (self.world.body(player), record) else { return };
        if let Some(goods) = Goods::decode(&record.data.state).filter(|_| record.data.version > body.version) {
            body.goods = goods;
            body.version = record.data.version;
        }
    }
}

impl Body {
    /// The player's data as the store keeps it.
    pub fn data(&self) -> darkages_store::PlayerData {
        darkages_store::PlayerData {
            state: self.goods.encode(),
            version: self.version,
            last_input: self.last_input,
            position: self.position,
        }
    }
}

/// Some gold, and an item where there is one.
fn transfer(giver: Goods, taker: Goods, request: u32) -> (Goods, Goods) {
    let gold = giver.gold.min(1 + request % 50);
    let item = giver.items & giver.items.wrapping_neg();
    let from = Goods { gold: giver.gold - gold, items: giver.items & !item };
    (from, Goods { gold: taker.gold + gold, items: taker.items | item })
}

fn encode(request: u32, with: PlayerId) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(COMMAND_BYTES);
    bytes.extend(request.to_le_bytes());
    bytes.extend(with.0.to_le_bytes());
    bytes.into()
}

fn decode(bytes: &[u8]) -> Option<(u32, PlayerId)> {
    let (request, with) = bytes.split_at_checked(4)?;
    Some((u32::from_le_bytes(request.try_into().ok()?), PlayerId(u64::from_le_bytes(with.try_into().ok()?))))
}

/// A client's request that it was told is done must be in the store (I10).
pub fn check_told(client: usize, request: u32, store: &ModelStore, cx: &mut Cx) {
    let player = player_of(client);
    cx.stats.trades += 1;
    if !store.committed.contains_key(&(player, request)) {
        cx.checks.fail("I10", || format!("{player} was told that trade {request} is done, and the store has none"));
    }
}
