//! A player who is expected, or whose client is here while it is not known yet who owns the player. The zone does not act.

use darkages_store::{Fence, OwnerRecord, Phase, PlayerData, Swapped};
use darkages_topology::{HandoffId, OwnerEpoch, PlayerId, Tick};

use super::action::Action;
use super::core::{Core, Io, Slot, Then};
use super::entry::{Client, Role};
use super::limits::{CALL_BACKOFF, JOIN_TIMEOUT, POLL, RELEASE_LATE, RESEND, RESERVE_TIMEOUT};
use super::message::PeerMessage;
use super::owned::{Came, Closing, Owned};
use super::subject::{Cause, Dismissal, Reason, Subject};

/// A player who is expected.
pub(super) struct Incoming {
    /// The handoff by which the player comes; `None` when a client came through the directory.
    pub expected: Option<Expected>,
    /// The release, which waits for its cut tick or for the answer to a swap.
    pub held: Option<Held>,
    pub slot: Slot,
    /// The swap under way.
    pub attempt: Option<Attempt>,
    poll_at: Tick,
    resend_at: Tick,
    deadline: Tick,
}

/// A reservation.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    pub handoff: HandoffId,
    pub from: Fence,
    /// The owner epoch of the giver.
    pub owner_epoch: OwnerEpoch,
    pub reason: Reason,
}

/// A release that has arrived.
pub(super) struct Held {
    pub handoff: HandoffId,
    pub from: Fence,
    pub owner_epoch: OwnerEpoch,
    pub cut: Tick,
    pub data: PlayerData,
    pub commands: Vec<Box<[u8]>>,
}

/// A swap by which this zone gets the player.
pub(super) struct Attempt {
    cause: Cause,
    owner_epoch: OwnerEpoch,
    data: PlayerData,
}

impl Incoming {
    /// A client came through the directory.
    pub fn joining(now: Tick) -> Self {
        Self::new(None, now, now.plus(JOIN_TIMEOUT))
    }

    /// A PREPARE came.
    pub fn expected(expected: Expected, now: Tick) -> Self {
        Self::new(Some(expected), now.plus(RELEASE_LATE), now.plus(RESERVE_TIMEOUT))
    }

    /// A RELEASE came for which there is no reservation (any more).
    pub fn released(held: Held, now: Tick) -> Self {
        Self { held: Some(held), ..Self::new(None, now.plus(RELEASE_LATE), now.plus(RESERVE_TIMEOUT)) }
    }

    fn new(expected: Option<Expected>, poll_at: Tick, deadline: Tick) -> Self {
        let slot = Slot::default();
        Self { expected, held: None, slot, attempt: None, poll_at, resend_at: Tick(0), deadline }
    }

    /// A PREPARE came, for a client that is here already or in place of an older handoff.
    pub fn expect(&mut self, expected: Expected, client: Client, now: Tick) {
        let is_known = self.expected.is_some_and(|old| old.handoff == expected.handoff);
        self.expected = Some(expected);
        self.deadline = now.plus(RESERVE_TIMEOUT);
        if !is_known && !client.is_for(expected.handoff) {
            self.poll_at = now.plus(RELEASE_LATE);
        }
    }

    /// A client attached.
    pub fn attached(&mut self, player: PlayerId, client: Client, now: Tick, io: &mut Io<'_>) {
        match self.expected {
            // Its handoff was called off, and the giver has redirected it for this one.
            Some(expected) if !client.is_for(expected.handoff) => {}
            // From now on the release is close.
            Some(expected) => {
                self.poll_at = now.plus(RELEASE_LATE);
                self.tell_attached(player, expected, io);
            }
            None => {
                self.poll_at = now;
                self.deadline = now.plus(JOIN_TIMEOUT);
            }
        }
    }

    fn tell_attached(&mut self, player: PlayerId, expected: Expected, io: &mut Io<'_>) {
        self.resend_at = io.tick().plus(RESEND);
        let (handoff, subject) = (expected.handoff, Subject::Player(player));
        io.send(expected.from, PeerMessage::Attached { handoff, subject });
    }

    pub fn tick(&mut self, player: PlayerId, client: Client, core: &mut Core, io: &mut Io<'_>) -> Then<Role> {
        let now = io.tick();
        if self.slot.expire(now) {
            self.attempt = None;
        }
        if let Some(held) = &self.held {
            let is_due = now >= held.cut && self.attempt.is_none();
            return if is_due { self.take_release(player, client, core, io) } else { Then::Stay };
        }
        let waits = |expected: &Expected| client.is_for(expected.handoff) && now >= self.resend_at;
        if let Some(expected) = self.expected.filter(waits) {
            self.tell_attached(player, expected, io);
        }
        if !client.is_attached() && self.expected.is_none() && self.slot.is_settled() {
            return Then::Forget;
        }
        let may_look = self.slot.is_free(now) && core.standing.reaches_store;
        if now >= self.poll_at && may_look {
            self.poll_at = now.plus(POLL);
            self.slot.look(player, core, io);
        } else if now >= self.deadline && !core.standing.reaches_store && self.attempt.is_none() {
            // Whatever the record says is found when the client joins again.
            return dismiss(player, client, Dismissal::StoreAway, None, io);
        }
        Then::Stay
    }

    /// Acts from the release on. The record is closed afterwards, before DONE.
    fn take_release(&mut self, player: PlayerId, client: Client, core: &mut Core, io: &mut Io<'_>) -> Then<Role> {
        let Some(held) = self.held.take() else { return Then::Stay };
        self.slot.answered();
        let closing = Closing { handoff: held.handoff, from: held.from, phase: Phase::Open };
        let came = self.came(&held, io.tick());
        let owned = Owned::new(held.owner_epoch, Some(closing), Some(came));
        act(player, client, owned, &held.data, Cause::Released, held.commands, core, io)
    }

    fn came(&self, held: &Held, at: Tick) -> Came {
        let reason = self.expected.map_or(Reason::Border, |expected| expected.reason);
        Came { from: held.from.shard, at, reason }
    }

    pub fn swapped(
        &mut self,
        player: PlayerId,
        client: Client,
        swapped: &Swapped,
        core: &mut Core,
        io: &mut Io<'_>,
    ) -> Then<Role> {
        let Some(attempt) = self.attempt.take() else { return Then::Stay };
        let now = io.tick();
        match swapped {
            Swapped::Done => {
                // The giver's release may have come meanwhile: it is later than what the record had.
                let held = self.held.take().filter(|held| held.owner_epoch.next() >= attempt.owner_epoch);
                let came = held.as_ref().map(|held| self.came(held, now));
                let (data, commands) = match held {
                    Some(held) => (held.data, held.commands),
                    None => (attempt.data, Vec::new()),
                };
                let owned = Owned::new(attempt.owner_epoch, None, came);
                return act(player, client, owned, &data, attempt.cause, commands, core, io);
            }
            // Somebody may still act. Renewals come more often than this, so the time that is left says little.
            Swapped::Held { .. } => self.poll_at = now.plus(POLL),
            Swapped::Conflict(_) | Swapped::Fenced | Swapped::Illegal(_) => {
                core.refused(swapped);
                self.poll_at = now.plus(CALL_BACKOFF);
            }
        }
        Then::Stay
    }

    /// What the record says.
    pub fn seen(
        &mut self,
        player: PlayerId,
        client: Client,
        record: Option<OwnerRecord>,
        core: &mut Core,
        io: &mut Io<'_>,
    ) -> Then<Role> {
        self.attempt = None;
        if self.held.is_some() {
            return Then::Stay;
        }
        let Some(record) = record else { return self.create(player, client, core, io) };
        if record.owner != core.me.shard {
            return self.seen_elsewhere(player, client, record, core, io);
        }
        let next = match record.phase() {
            Phase::Released => Some((Cause::TakenFromRecord, record.closed(record.data.clone()))),
            Phase::Open => self.taken_over(&record, core, io),
            Phase::Closed => client.is_attached().then(|| (Cause::Claimed, record.claimed(core.me.shard))),
        };
        match next {
            Some((cause, next)) => self.attempt(player, cause, &record, next, core, io),
            // A reservation without client whose player was taken and has left already.
            None if record.open.is_none() => Then::Forget,
            None => Then::Stay,
        }
    }

    /// The giver committed and has not released. If it is over, the stored state goes on; the store knows whether it is.
    fn taken_over(&self, record: &OwnerRecord, core: &Core, io: &Io<'_>) -> Option<(Cause, OwnerRecord)> {
        let giver = record.open?.by;
        let may = core.standing.may_take_from(giver.shard, io.now.elapsed);
        may.then(|| (Cause::TakenOver, record.claimed(core.me.shard)))
    }

    /// The player is new to the world.
    fn create(&mut self, player: PlayerId, client: Client, core: &mut Core, io: &mut Io<'_>) -> Then<Role> {
        if !client.is_attached() {
            return Then::Forget;
        }
        if !core.has_room() {
            return dismiss(player, client, Dismissal::Full, None, io);
        }
        if !self.may_swap(core, io) {
            return Then::Stay;
        }
        let data = io.world.fresh(player);
        let next = OwnerRecord::created(core.me.shard, data);
        self.attempt = Some(Attempt::new(Cause::Created, &next));
        self.slot.swap(player, darkages_store::Expect::Absent, next, core, io);
        Then::Stay
    }

    /// The record is another shard's.
    fn seen_elsewhere(
        &mut self,
        player: PlayerId,
        client: Client,
        record: OwnerRecord,
        core: &mut Core,
        io: &mut Io<'_>,
    ) -> Then<Role> {
        let is_on_map = io.world.exists(record.owner);
        let here = io.world.owner_of(record.data.position);
        if !is_on_map && client.is_attached() && here == Some(core.me.shard) {
            let may = core.standing.may_take_from(record.owner, io.now.elapsed);
            let next = record.claimed(core.me.shard);
            return if may { self.attempt(player, Cause::Adopted, &record, next, core, io) } else { Then::Stay };
        }
        // A giver that has not committed yet, unless the reservation is too old.
        let waits = self.expected.is_some_and(|expected| record.owner_epoch <= expected.owner_epoch);
        if waits && io.tick() < self.deadline {
            return Then::Stay;
        }
        let owner = if is_on_map { Some(record.owner) } else { here };
        let plays_elsewhere = self.expected.is_some() || matches!(client, Client::For(_));
        let why = if plays_elsewhere { Dismissal::HandoffAborted } else { Dismissal::Elsewhere };
        dismiss(player, client, why, owner, io)
    }

    fn attempt(
        &mut self,
        player: PlayerId,
        cause: Cause,
        current: &OwnerRecord,
        next: OwnerRecord,
        core: &mut Core,
        io: &mut Io<'_>,
    ) -> Then<Role> {
        if self.may_swap(core, io) {
            self.attempt = Some(Attempt::new(cause, &next));
            self.slot.swap(player, current.expect(), next, core, io);
        }
        Then::Stay
    }

    fn may_swap(&self, core: &Core, io: &Io<'_>) -> bool {
        self.slot.is_free(io.tick()) && core.standing.may_write(io.now.elapsed)
    }
}

impl Attempt {
    fn new(cause: Cause, next: &OwnerRecord) -> Self {
        Self { cause, owner_epoch: next.owner_epoch, data: next.data.clone() }
    }
}

/// Starts to act.
#[expect(clippy::too_many_arguments, reason = "everything that a player has when the zone starts to act")]
fn act(
    player: PlayerId,
    client: Client,
    owned: Owned,
    data: &PlayerData,
    cause: Cause,
    commands: Vec<Box<[u8]>>,
    core: &mut Core,
    io: &mut Io<'_>,
) -> Then<Role> {
    let owner_epoch = owned.epoch;
    if io.world.insert(Subject::Player(player), data, owner_epoch).is_err() {
        io.fault(player, "unreadable_state");
        core.acted(player, owner_epoch, io.tick());
        return dismiss(player, client, Dismissal::Rejoin, None, io);
    }
    let client = client.is_attached();
    io.push(Action::Playing { player, owner_epoch, cause, client, commands });
    Then::Become(Role::Owned(owned))
}

/// Forgets the player and sends the client away.
pub(super) fn dismiss(
    player: PlayerId,
    client: Client,
    why: Dismissal,
    owner: Option<darkages_topology::ShardId>,
    io: &mut Io<'_>,
) -> Then<Role> {
    if client.is_attached() {
        io.push(Action::Dismiss { player, why, owner });
    }
    Then::Forget
}
