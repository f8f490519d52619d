//! Belongings as accounts: what must follow from a history, judged against what players saw and against what is there in the
//! end.
//!
//! Gold is an account of each player, and so is every item, with a balance of 0 or 1. An acknowledged transfer is in both of
//! its accounts, a refused one in none, and one without an answer in both or in none. So a balance is the first one, plus
//! what was acknowledged, plus *some* of what is open; any other number is a finding.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darkages_topology::{EntityId, PlayerId};
use serde::{Deserialize, Serialize};

use crate::history::{Answer, History, Holdings, Transfer};

/// What a player is told may be older than an answer that overtook it, by so much at most: longer than any message is under
/// way that is sent again and again through heavy loss.
const OVERTAKEN: Duration = Duration::from_secs(5);

/// Transfers with an open outcome of which every choice is tried; of more, only the least and the most are.
const MAX_CHOICES: usize = 16;

/// Transfers that the evidence of one finding names, the last ones.
const MAX_NAMED: usize = 6;

/// Findings that are told; all are counted.
pub const MAX_FINDINGS: usize = 64;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Fault {
    /// A player has less than what was acknowledged makes.
    Lost,
    /// A player has more than that.
    Doubled,
    /// An item is with two players.
    HeldTwice,
    /// The sum of all gold, or the set of all items, is another.
    NotConserved,
    /// A player is not there.
    Missing,
    /// The history has no room for all that happened, so that nothing can be said.
    NotWhole,
}

impl Fault {
    /// The invariant of the design that it breaks.
    #[must_use]
    pub const fn invariant(self) -> &'static str {
        match self {
            Self::Lost | Self::Doubled => "I10",
            Self::HeldTwice | Self::NotConserved | Self::Missing => "I3",
            Self::NotWhole => "history",
        }
    }
}

/// Something that does not follow from the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// What was seen, in words.
    pub evidence: String,
}

/// Who else may have changed what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nobody: all players are in the history, and nothing is made or destroyed but by its transfers.
    Closed,
    /// Others: sums are not compared.
    Open,
}

/// What follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Gold of all players at first.
    pub gold_before: u64,
    /// Gold of the same players in the end.
    pub gold_after: u64,
    /// Accounts with less than what was acknowledged makes.
    pub acked_lost: u64,
    /// Accounts with more than that.
    pub acked_duplicated: u64,
    /// Items that two players hold.
    pub items_duplicated: u64,
    /// Times at which players saw what they have, each of them judged.
    pub reads: u64,
    /// The first [`MAX_FINDINGS`] findings.
    pub findings: Vec<Finding>,
    /// How many there are.
    pub findings_total: u64,
}

impl Judgement {
    fn find(&mut self, fault: Fault, evidence: impl FnOnce() -> String) {
        self.findings_total += 1;
        match fault {
            Fault::Lost => self.acked_lost += 1,
            Fault::Doubled => self.acked_duplicated += 1,
            Fault::HeldTwice => self.items_duplicated += 1,
            Fault::NotConserved | Fault::Missing | Fault::NotWhole => {}
        }
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { fault, evidence: evidence() });
        }
    }
}

/// Judges a history by what is there in the end: the store's records, or what players were last told.
#[must_use]
pub fn judge(history: &History, found: &BTreeMap<PlayerId, Holdings>, scope: Scope) -> Judgement {
    let mut judgement = Judgement::default();
    if !history.is_whole() {
        judgement.find(Fault::NotWhole, || "more happened than a history keeps: make the run shorter".to_owned());
        return judgement;
    }
    let books = Books::of(history);
    for (player, first) in history.first() {
        judgement.gold_before += first.gold;
        let transfers = books.of_player(*player);
        judge_reads(&mut judgement, history, *player, first.gold, &transfers);
        let Some(has) = found.get(player) else {
            judgement.find(Fault::Missing, || format!("{player} is not there"));
            continue;
        };
        judgement.gold_after += has.gold;
        let account = Account::closed(first.gold, &transfers, |transfer| gold_moved(transfer, *player));
        judge_account(&mut judgement, &account, has.gold, || {
            format!("{player} has {} gold in the end: {}", has.gold, account.told(&transfers))
        });
        judge_items(&mut judgement, *player, first, has, &transfers);
    }
    judge_holders(&mut judgement, history, found, scope);
    if scope == Scope::Closed && judgement.gold_before != judgement.gold_after {
        let Judgement { gold_before, gold_after, .. } = judgement;
        judgement.find(Fault::NotConserved, || format!("all had {gold_before} gold and have {gold_after}"));
    }
    judgement
}

/// The transfers of each player.
struct Books<'a> {
    by_player: BTreeMap<PlayerId, Vec<&'a Transfer>>,
}

impl<'a> Books<'a> {
    fn of(history: &'a History) -> Self {
        let mut by_player: BTreeMap<PlayerId, Vec<&Transfer>> = BTreeMap::new();
        for transfer in history.transfers().iter().filter(|transfer| transfer.answer != Answer::Refused) {
            for player in BTreeSet::from([transfer.giver, transfer.receiver]) {
                by_player.entry(player).or_default().push(transfer);
            }
        }
        Self { by_player }
    }

    fn of_player(&self, player: PlayerId) -> Vec<&'a Transfer> {
        self.by_player.get(&player).cloned().unwrap_or_default()
    }
}

/// What a balance must be: what is certain, and what may have come on top.
#[derive(Debug, Default)]
struct Account {
    certain: i128,
    open: Vec<i128>,
}

impl Account {
    /// The account in the end, when nothing can be answered any more.
    fn closed(first: u64, transfers: &[&Transfer], amount: impl Fn(&Transfer) -> i128) -> Self {
        let mut account = Self { certain: i128::from(first), open: Vec::new() };
        for transfer in transfers {
            match (amount(transfer), transfer.answer) {
                (0, _) | (_, Answer::Refused) => {}
                (amount, Answer::Done) => account.certain += amount,
                (amount, Answer::Unknown) => account.open.push(amount),
            }
        }
        account
    }

    /// Whether a balance can have come about; else by how much it is too small (below zero) or too large.
    fn off_by(&self, balance: u64) -> i128 {
        let rest = i128::from(balance) - self.certain;
        let least: i128 = self.open.iter().filter(|amount| **amount < 0).sum();
        let most: i128 = self.open.iter().filter(|amount| **amount > 0).sum();
        if rest < least {
            return rest - least;
        }
        if rest > most {
            return rest - most;
        }
        let is_some_sum = self.open.len() > MAX_CHOICES || sums(&self.open).contains(&rest);
        if is_some_sum { 0 } else { rest }
    }

    fn told(&self, transfers: &[&Transfer]) -> String {
        let Self { certain, open } = self;
        let last: Vec<String> = transfers.iter().rev().take(MAX_NAMED).map(|transfer| told(transfer)).collect();
        format!("acknowledged transfers make it {certain}, open ones {open:?}; the last are {}", last.join("; "))
    }
}

/// The sums of all choices among some amounts.
fn sums(amounts: &[i128]) -> BTreeSet<i128> {
    let mut sums = BTreeSet::from([0]);
    for amount in amounts {
        let with: Vec<i128> = sums.iter().map(|sum| sum + amount).collect();
        sums.extend(with);
    }
    sums
}

fn gold_moved(transfer: &Transfer, player: PlayerId) -> i128 {
    moved(transfer, player, i128::from(transfer.gold))
}

fn item_moved(transfer: &Transfer, player: PlayerId, item: EntityId) -> i128 {
    moved(transfer, player, i128::from(transfer.items.contains(&item)))
}

fn moved(transfer: &Transfer, player: PlayerId, amount: i128) -> i128 {
    i128::from(transfer.receiver == player) * amount - i128::from(transfer.giver == player) * amount
}

fn told(transfer: &Transfer) -> String {
    let Transfer { giver, receiver, request, gold, items, asked, answer, .. } = transfer;
    format!("{giver} to {receiver} {gold} gold {items:?} by request {request} at {asked:.1?}, {answer:?}")
}

/// Whether a balance can have come about.
fn judge_account(
    judgement: &mut Judgement,
    account: &Account,
    balance: u64,
    evidence: impl FnOnce() -> String,
) -> bool {
    let off = account.off_by(balance);
    if off != 0 {
        judgement.find(if off < 0 { Fault::Lost } else { Fault::Doubled }, evidence);
    }
    off == 0
}

/// What a player saw while it played. Only the first read that does not follow is told: those after it repeat it.
fn judge_reads(judgement: &mut Judgement, history: &History, player: PlayerId, first: u64, transfers: &[&Transfer]) {
    let mut settled = i128::from(first);
    let mut open: Vec<&Transfer> = Vec::new();
    let mut upcoming = transfers.iter().copied().peekable();
    for seen in history.seen(player) {
        judgement.reads += 1;
        while let Some(transfer) = upcoming.next_if(|transfer| transfer.asked <= seen.at) {
            open.push(transfer);
        }
        open.retain(|transfer| {
            let is_settled = transfer.answered.is_some_and(|answered| answered + OVERTAKEN < seen.at);
            settled += i128::from(is_settled) * gold_moved(transfer, player);
            !is_settled
        });
        let amounts = open.iter().map(|transfer| gold_moved(transfer, player));
        let account = Account { certain: settled, open: amounts.collect() };
        let follows = judge_account(judgement, &account, seen.gold, || {
            format!("{player} saw {} gold after {:.1?}: {}", seen.gold, seen.at, account.told(transfers))
        });
        if !follows {
            return;
        }
    }
}

fn judge_items(judgement: &mut Judgement, player: PlayerId, first: &Holdings, has: &Holdings, transfers: &[&Transfer]) {
    let moved = transfers.iter().flat_map(|transfer| &transfer.items);
    let items: BTreeSet<EntityId> = first.items.iter().chain(moved).copied().collect();
    for item in items {
        let had = u64::from(first.items.contains(&item));
        let account = Account::closed(had, transfers, |transfer| item_moved(transfer, player, item));
        judge_account(judgement, &account, u64::from(has.items.contains(&item)), || {
            let is = if has.items.contains(&item) { "has" } else { "does not have" };
            format!("{player} {is} item {item} in the end: {}", account.told(transfers))
        });
    }
}

/// Each item has one holder, and in a closed world those that were there are there.
fn judge_holders(judgement: &mut Judgement, history: &History, found: &BTreeMap<PlayerId, Holdings>, scope: Scope) {
    let mut holders: BTreeMap<EntityId, PlayerId> = BTreeMap::new();
    for (player, has) in found {
        for item in &has.items {
            if let Some(other) = holders.insert(*item, *player) {
                judgement.find(Fault::HeldTwice, || format!("item {item} is with {other} and with {player}"));
            }
        }
    }
    if scope == Scope::Open {
        return;
    }
    let before: BTreeSet<EntityId> = history.first().values().flat_map(|first| &first.items).copied().collect();
    for item in &before {
        if !holders.contains_key(item) {
            judgement.find(Fault::NotConserved, || format!("item {item} is with nobody any more"));
        }
    }
    for (item, player) in holders.iter().filter(|(item, _)| !before.contains(item)) {
        judgement.find(Fault::NotConserved, || format!("item {item} with {player} came from nowhere"));
    }
}

#[cfg(test)]
mod tests;
