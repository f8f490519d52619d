//! The history of trades as the clients know it, and what must follow from it.
//!
//! A trade that was acknowledged is durable: at the end the giver has that much less and the receiver that much more (I10,
//! I3). A trade without an answer may have happened or not, so accounts that it touches are not judged.

use std::collections::{HashMap, HashSet};

use darkages_protocol::RequestId;
use darkages_topology::EntityId;

use super::report::{Trades, Violations};
use crate::invariant::Invariant;

/// A trade under way.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Trade {
    giver: u32,
    receiver: u32,
    gold: u64,
}

/// What one bot should have.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// Gold when it was first known.
    first: Option<u64>,
    /// Gold when it was last known.
    last: u64,
    /// Gold received less gold given, by acknowledged trades.
    moved: i64,
    /// Whether a trade without an answer touches it.
    unsure: bool,
}

/// The books of a swarm.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: HashMap<u32, Account>,
    under_way: HashMap<(u32, RequestId), Trade>,
    holders: HashMap<EntityId, Vec<u32>>,
    counts: Trades,
}

impl Ledger {
    /// A bot has this much gold now.
    pub fn has(&mut self, bot: u32, gold: u64) {
        let account = self.accounts.entry(bot).or_default();
        account.first.get_or_insert(gold);
        account.last = gold;
    }

    /// A trade was asked for. At most one is under way for each bot, so the books stay as small as the swarm.
    pub fn asked(&mut self, giver: u32, receiver: u32, request: RequestId, gold: u64) {
        self.counts.asked += 1;
        self.under_way.insert((giver, request), Trade { giver, receiver, gold });
    }

    /// It was answered; `done` when it happened.
    pub fn answered(&mut self, giver: u32, request: RequestId, done: bool) {
        let Some(trade) = self.under_way.remove(&(giver, request)) else { return };
        if !done {
            self.counts.refused += 1;
            return;
        }
        self.counts.done += 1;
        let gold = trade.gold as i64;
        self.accounts.entry(trade.giver).or_default().moved -= gold;
        self.accounts.entry(trade.receiver).or_default().moved += gold;
    }

    /// Nobody answered, and nobody will.
    pub fn unanswered(&mut self, giver: u32, request: RequestId) {
        if let Some(trade) = self.under_way.remove(&(giver, request)) {
            self.unsure(&trade);
        }
    }

    /// A bot holds this item at the end.
    pub fn holds(&mut self, bot: u32, item: EntityId) {
        self.holders.entry(item).or_default().push(bot);
    }

    fn unsure(&mut self, trade: &Trade) {
        self.counts.unanswered += 1;
        for bot in [trade.giver, trade.receiver] {
            self.accounts.entry(bot).or_default().unsure = true;
        }
    }

    /// Closes the books: gold before and after, items held twice, and violations where an account is not what its
    /// acknowledged trades make it.
    pub fn close(mut self, violations: &mut Violations) -> Closed {
        for trade in std::mem::take(&mut self.under_way).into_values() {
            self.unsure(&trade);
        }
        let mut closed = Closed { trades: self.counts, ..Closed::default() };
        let mut accounts: Vec<(u32, Account)> = self.accounts.into_iter().collect();
        accounts.sort_by_key(|(bot, _)| *bot);
        for (bot, account) in accounts {
            let Some(first) = account.first else { continue };
            closed.gold_before += first;
            closed.gold_after += account.last;
            let expected = first as i64 + account.moved;
            if !account.unsure && expected != account.last as i64 {
                let has_less = (account.last as i64) < expected;
                closed.acked_lost += u64::from(has_less);
                closed.acked_duplicated += u64::from(!has_less);
                violations.add(Invariant::I10, || {
                    let Account { last, moved, .. } = account;
                    format!("bot {bot} had {first} gold and moved {moved} by acknowledged trades, but has {last}")
                });
            }
        }
        let mut items: Vec<(EntityId, Vec<u32>)> = self.holders.into_iter().collect();
        items.sort_unstable();
        for (item, holders) in items {
            let different: HashSet<u32> = holders.iter().copied().collect();
            if holders.len() > 1 {
                closed.items_duplicated += 1;
                violations
                    .add(Invariant::I3, || format!("item {item} is held by {} bots: {holders:?}", different.len()));
            }
        }
        closed
    }
}

/// What the books say in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// Counts of trades.
    pub trades: Trades,
    /// Gold of all bots at first.
    pub gold_before: u64,
    /// Gold of all bots at last.
    pub gold_after: u64,
    /// Items that are held more than once.
    pub items_duplicated: u64,
    /// Accounts that have less than their acknowledged trades make.
    pub acked_lost: u64,
    /// Accounts that have more than that.
    pub acked_duplicated: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledged_gold_must_be_where_it_was_given() {
        let mut violations = Violations::default();
        let mut ledger = Ledger::default();
        for bot in 0..4 {
            ledger.has(bot, 100);
        }
        ledger.asked(0, 1, RequestId(1), 30);
        ledger.answered(0, RequestId(1), true);
        ledger.asked(0, 1, RequestId(2), 5);
        ledger.answered(0, RequestId(2), false);
        ledger.has(0, 70);
        ledger.has(1, 120);
        ledger.asked(2, 3, RequestId(1), 50);
        ledger.has(2, 50);
        let closed = ledger.close(&mut violations);
        assert_eq!(closed.trades, Trades { asked: 3, done: 1, refused: 1, unanswered: 1 });
        assert_eq!((closed.gold_before, closed.gold_after), (400, 340));
        assert_eq!((closed.acked_lost, closed.acked_duplicated), (1, 0));
        assert_eq!(violations.total(), 1, "only bot 1 lacks what was acknowledged: {:?}", violations.kept());
    }

    #[test]
    fn an_item_in_two_hands_is_a_violation() {
        let mut violations = Violations::default();
        let mut ledger = Ledger::default();
        ledger.holds(0, EntityId(9));
        ledger.holds(1, EntityId(8));
        ledger.holds(2, EntityId(9));
        assert_eq!(ledger.close(&mut violations).items_duplicated, 1);
        assert_eq!(violations.kept()[0].invariant, Invariant::I3);
    }
}
