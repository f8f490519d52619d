//! Sessions of clients: inputs that wait, what each is shown, and how much each may ask.

use std::collections::{BTreeMap, HashMap};

use darkages_protocol::InputValue;
use darkages_topology::{EntityId, InputSeq, OwnerEpoch, PlayerId, Tick};
use darkages_transport::SessionId;

use crate::handoff::InputBuffer;
use crate::replication::view::ClientView;

/// Reliable messages that a client may send in one second, at most. Players act some times a second; the rest is abuse.
const MAX_MESSAGES_PER_S: u32 = 60;

/// Input datagrams that a client may send in one second, at most: three times what it makes, for repetitions after a gap.
const MAX_INPUTS_PER_S: u32 = 180;

/// Ticks over which the two are counted.
const COUNTED_TICKS: u64 = 60;

/// Messages that were not understood after which a client is closed: one may be a bug, this many are not.
pub const MAX_BAD_MESSAGES: u32 = 32;

/// What counts against a client's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// An input datagram.
    Input,
    /// A reliable message.
    Message,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    /// Its session.
    pub session: SessionId,
    /// Its player.
    pub player: PlayerId,
    /// Its entity, once that is known and it was welcomed.
    pub entity: Option<EntityId>,
    /// The owner epoch under which this zone acts for it; `None` while it does not.
    pub acting: Option<OwnerEpoch>,
    /// Inputs that are not yet in the world.
    pub inputs: InputBuffer<InputValue>,
    /// The oldest input that it still holds, once it has said so: what it was told to be applied lies before it.
    pub oldest: Option<InputSeq>,
    /// What it is shown.
    pub view: ClientView,
    /// The version of its character that it was told.
    pub told_version: Option<u32>,
    /// Which of the ticks between two snapshots is its own, so that not all are sent at once.
    pub phase: u64,
    /// Messages that were not understood.
    pub bad_messages: u32,
    /// Whether it came from another zone by a redirect, so that its inputs are numbered already.
    pub is_redirected: bool,
    /// Whether this zone knows where the numbers of its inputs stand.
    is_numbered: bool,
    counted_since: Tick,
    counted_inputs: u32,
    counted_messages: u32,
}

impl Client {
    /// A client of `player` whose newest applied input is `applied`, if this zone knows.
    #[must_use]
    pub fn new(
        session: SessionId,
        player: PlayerId,
        applied: Option<InputSeq>,
        is_redirected: bool,
        now: Tick,
    ) -> Self {
        Self {
            session,
            player,
            entity: None,
            acting: None,
            inputs: InputBuffer::new(applied.unwrap_or_default()),
            oldest: None,
            view: ClientView::default(),
            told_version: None,
            phase: u64::from(session.get()),
            bad_messages: 0,
            is_redirected,
            is_numbered: applied.is_some(),
            counted_since: now,
            counted_inputs: 0,
            counted_messages: 0,
        }
    }

    /// The inputs up to `newest` are in the state that this zone goes on from.
    pub fn goes_on_after(&mut self, newest: InputSeq) {
        self.inputs.applied(newest);
        self.is_numbered = true;
    }

    /// The newest input that this zone knows, by which the numbers of others are completed: only their low bits travel. `None`
    /// while it would be a guess. That is so for a client that was redirected here by a zone, when this one has crashed and
    /// forgotten whom it expects.
    #[must_use]
    pub fn numbered_after(&self) -> Option<InputSeq> {
        self.is_numbered.then(|| self.inputs.last_applied())
    }

    /// Whether the client can be told that `applied` is the newest applied input. One that plays on from another zone may have
    /// been told more by it, and that is never taken back: the inputs in between are left out first.
    #[must_use]
    pub fn can_hear(&self, applied: InputSeq) -> bool {
        match self.oldest {
            Some(oldest) => oldest <= applied.next(),
            None => !self.is_redirected,
        }
    }

    /// Counts what the client sent. False when it is more than it may.
    pub fn may(&mut self, load: Load, now: Tick) -> bool {
        if now.since(self.counted_since) >= COUNTED_TICKS {
            (self.counted_since, self.counted_inputs, self.counted_messages) = (now, 0, 0);
        }
        let (count, most) = match load {
            Load::Input => (&mut self.counted_inputs, MAX_INPUTS_PER_S),
            Load::Message => (&mut self.counted_messages, MAX_MESSAGES_PER_S),
        };
        *count = count.saturating_add(1);
        *count <= most
    }
}

/// All clients of a zone. A player has one session at a time.
#[derive(Debug, Default)]
pub struct Clients {
    by_player: BTreeMap<PlayerId, Client>,
    by_session: HashMap<SessionId, PlayerId>,
}

impl Clients {
    /// Takes in a client. Returns the session that the player had before.
    pub fn insert(&mut self, client: Client) -> Option<SessionId> {
        self.by_session.insert(client.session, client.player);
        let old = self.by_player.insert(client.player, client)?;
        self.by_session.remove(&old.session);
        Some(old.session)
    }

    /// The client of a session.
    pub fn of_session(&mut self, session: SessionId) -> Option<&mut Client> {
        self.by_player.get_mut(self.by_session.get(&session)?)
    }

    /// The client of a player.
    pub fn of_player(&mut self, player: PlayerId) -> Option<&mut Client> {
        self.by_player.get_mut(&player)
    }

    /// Whether the player has a client.
    #[must_use]
    pub fn has(&self, player: PlayerId) -> bool {
        self.by_player.contains_key(&player)
    }

    /// Forgets a session; returns its client.
    pub fn remove_session(&mut self, session: SessionId) -> Option<Client> {
        let player = self.by_session.remove(&session)?;
        self.by_player.remove(&player)
    }

    /// Forgets a player's client.
    pub fn remove_player(&mut self, player: PlayerId) -> Option<Client> {
        let client = self.by_player.remove(&player)?;
        self.by_session.remove(&client.session);
        Some(client)
    }

    /// All clients, by player.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Client> {
        self.by_player.values_mut()
    }

    /// All clients, by player.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.by_player.values()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_player.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_player.is_empty()
    }
}
