//! What clients asked for, what they were told, and what they saw.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use darkages_topology::{EntityId, PlayerId};
use serde::{Deserialize, Serialize};

/// Transfers that a history keeps, at most: 200 players who trade for a week. One that is longer is not judged, see
/// [`History::is_whole`].
pub const MAX_TRANSFERS: usize = 1 << 22;

/// Times at which players saw what they have, at most.
pub const MAX_SEEN: usize = 1 << 23;

/// What somebody has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdings {
    /// Pieces of gold.
    pub gold: u64,
    /// Items, each by an id that is unique in the world.
    pub items: BTreeSet<EntityId>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It was acknowledged: from then on it must be there whatever happens.
    Done,
    /// It was refused: nothing may come of it.
    Refused,
    /// Nobody answered: it happened or not, whole.
    Unknown,
}

/// Belongings that one player gave another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Who gave.
    pub giver: PlayerId,
    /// Who got it.
    pub receiver: PlayerId,
    /// The giver's number of the request.
    pub request: u64,
    /// Pieces of gold.
    pub gold: u64,
    /// Items.
    pub items: Vec<EntityId>,
    /// When it was asked for, since the start of the history.
    pub asked: Duration,
    /// When the answer came; `None` as long as there is none.
    pub answered: Option<Duration>,
    /// The answer.
    pub answer: Answer,
}

/// Gold that a player was told to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When, since the start of the history.
    pub at: Duration,
    /// Pieces of gold.
    pub gold: u64,
}

/// The history of one run. Times that are passed in never go back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct History {
    first: BTreeMap<PlayerId, Holdings>,
    last: BTreeMap<PlayerId, Holdings>,
    seen: BTreeMap<PlayerId, Vec<Seen>>,
    seen_count: usize,
    transfers: Vec<Transfer>,
    /// Places in `transfers` of those that wait for an answer.
    #[serde(skip)]
    under_way: HashMap<(PlayerId, u64), usize>,
    left_out: u64,
}

impl History {
    /// A player was told what it has.
    pub fn saw(&mut self, player: PlayerId, at: Duration, holdings: Holdings) {
        if self.seen_count < MAX_SEEN {
            self.seen_count += 1;
            self.seen.entry(player).or_default().push(Seen { at, gold: holdings.gold });
        } else {
            self.left_out += 1;
        }
        self.first.entry(player).or_insert_with(|| holdings.clone());
        self.last.insert(player, holdings);
    }

    /// A transfer is asked for; its answer is [`Answer::Unknown`] until one comes.
    pub fn asked(&mut self, transfer: Transfer) {
        if self.transfers.len() >= MAX_TRANSFERS {
            self.left_out += 1;
            return;
        }
        self.under_way.insert((transfer.giver, transfer.request), self.transfers.len());
        self.transfers.push(transfer);
    }

    /// A request was answered. Says whether it was a transfer that waited for its answer.
    pub fn answered(&mut self, giver: PlayerId, request: u64, at: Duration, done: bool) -> bool {
        let Some(place) = self.under_way.remove(&(giver, request)) else { return false };
        let transfer = &mut self.transfers[place];
        transfer.answered = Some(at);
        transfer.answer = if done { Answer::Done } else { Answer::Refused };
        true
    }

    /// What players had when they were first told.
    #[must_use]
    pub const fn first(&self) -> &BTreeMap<PlayerId, Holdings> {
        &self.first
    }

    /// What players had when they were last told.
    #[must_use]
    pub const fn last(&self) -> &BTreeMap<PlayerId, Holdings> {
        &self.last
    }

    /// What a player was told to have, in the order of time.
    #[must_use]
    pub fn seen(&self, player: PlayerId) -> &[Seen] {
        self.seen.get(&player).map_or(&[], Vec::as_slice)
    }

    /// All transfers, in the order in which they were asked for.
    #[must_use]
    pub fn transfers(&self) -> &[Transfer] {
        &self.transfers
    }

    /// Transfers with this answer.
    #[must_use]
    pub fn count(&self, answer: Answer) -> u64 {
        self.transfers.iter().filter(|transfer| transfer.answer == answer).count() as u64
    }

    /// Whether nothing was left out for lack of room.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.left_out == 0
    }
}
