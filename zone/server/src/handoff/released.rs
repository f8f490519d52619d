//! A player whom this zone has released, remembered until the record shows that the taker has them.

use darkages_store::{Fence, OpenHandoff, OwnerRecord, Phase, PlayerData, Swapped};
use darkages_topology::{HandoffId, OwnerEpoch, PlayerId, Tick};

use super::config::Variant;
use super::core::{Core, Io, Slot, Then, at};
use super::entry::Role;
use super::limits::{CALL_BACKOFF, POLL, RELEASE_SILENCE, RESEND};
use super::message::PeerMessage;
use super::outgoing::{Outgoing, Progress};
use super::owned::Owned;
use super::subject::{Outcome, Subject};

/// A player whom this zone has released. It does not act for them any more, whatever happens.
pub(super) struct Released {
    pub open: OpenHandoff,
    pub to: Fence,
    /// The owner epoch under which this zone acted; the taker's is one higher.
    pub acted: OwnerEpoch,
    pub slot: Slot,
    started: Tick,
    cut: Tick,
    data: PlayerData,
    commands: Vec<Box<[u8]>>,
    resend_at: Tick,
    /// When the taker counts as silent.
    silent_at: Tick,
}

impl Released {
    pub fn new(
        open: OpenHandoff,
        to: Fence,
        acted: OwnerEpoch,
        started: Tick,
        cut: Tick,
        data: PlayerData,
        commands: Vec<Box<[u8]>>,
    ) -> Self {
        let slot = Slot::default();
        let silent_at = cut.plus(RELEASE_SILENCE);
        Self { open, to, acted, slot, started, cut, data, commands, resend_at: cut, silent_at }
    }

    pub const fn id(&self) -> HandoffId {
        self.open.id
    }

    /// The taker's owner epoch.
    pub const fn epoch(&self) -> OwnerEpoch {
        self.acted.next()
    }

    /// RELEASE, as often as needed; it keeps the tick of the first time, by which its age is judged.
    pub fn send(&mut self, player: PlayerId, io: &mut Io<'_>) {
        self.resend_at = io.tick().plus(RESEND);
        let message = PeerMessage::Release {
            handoff: self.id(),
            subject: Subject::Player(player),
            owner_epoch: self.epoch(),
            cut: self.cut,
            sent: self.cut,
            data: self.data.clone(),
            commands: self.commands.clone(),
        };
        io.send(self.to, message);
    }

    pub fn tick(&mut self, player: PlayerId, core: &mut Core, io: &mut Io<'_>) -> Then<Role> {
        let now = io.tick();
        self.slot.expire(now);
        let is_taker_over = core.is_over(self.to);
        if now >= self.resend_at && !is_taker_over {
            self.send(player, io);
        }
        if (now < self.silent_at && !is_taker_over) || !self.slot.is_free(now) || !core.standing.reaches_store {
            return Then::Stay;
        }
        if core.config.variant == Variant::DoubleRelease && !core.standing.is_over() {
            return self.act_again(player, io);
        }
        // The final state goes into the record. This needs no lease: the record names this incarnation, and it has stopped.
        let open = OpenHandoff { released: true, ..self.open };
        let next =
            OwnerRecord { owner: self.to.shard, owner_epoch: self.epoch(), open: Some(open), data: self.data.clone() };
        self.slot.swap(player, at(self.epoch(), Phase::Open), next, core, io);
        Then::Stay
    }

    pub fn swapped(&mut self, player: PlayerId, swapped: &Swapped, core: &mut Core, io: &mut Io<'_>) -> Then<Role> {
        if *swapped == Swapped::Done {
            return self.end(player, Outcome::ThroughStore, core, io);
        }
        self.slot.wait(io.tick(), CALL_BACKOFF);
        Then::Stay
    }

    /// What the record says after a conflict.
    pub fn seen(
        &mut self,
        player: PlayerId,
        record: Option<&OwnerRecord>,
        core: &mut Core,
        io: &mut Io<'_>,
    ) -> Then<Role> {
        let Some(record) = record else { return self.end(player, Outcome::Lost, core, io) };
        if record.owner_epoch < self.epoch() {
            return match core.config.variant {
                Variant::ReleaseBeforeCommit => self.never_committed(player, io),
                _ => self.end(player, Outcome::Lost, core, io),
            };
        }
        match record.phase() {
            Phase::Open if record.owner_epoch == self.epoch() => {
                self.slot.wait(io.tick(), POLL);
                Then::Stay
            }
            Phase::Released if record.owner_epoch == self.epoch() => self.end(player, Outcome::ThroughStore, core, io),
            _ => self.end(player, Outcome::Completed, core, io),
        }
    }

    /// The taker has the player: DONE came, or a message that only a later owner sends.
    pub fn end(&self, player: PlayerId, outcome: Outcome, core: &mut Core, io: &mut Io<'_>) -> Then<Role> {
        core.remembered = core.remembered.saturating_sub(1);
        io.finished(Subject::Player(player), outcome, self.started);
        Then::Forget
    }

    /// What [`Variant::ReleaseBeforeCommit`] does when its commit did not happen.
    fn never_committed(&self, player: PlayerId, io: &mut Io<'_>) -> Then<Role> {
        if io.world.insert(Subject::Player(player), &self.data, self.acted).is_err() {
            return Then::Forget;
        }
        Then::Become(Role::Owned(Owned::new(self.acted, None, None)))
    }

    /// What [`Variant::DoubleRelease`] does instead of remembering.
    fn act_again(&self, player: PlayerId, io: &mut Io<'_>) -> Then<Role> {
        if io.world.insert(Subject::Player(player), &self.data, self.acted).is_err() {
            return Then::Forget;
        }
        let mut owned = Owned::new(self.acted, None, None);
        owned.out = Some(Outgoing::resumed(self.id(), self.to, Progress::Committed(self.open), self.started));
        Then::Become(Role::Owned(owned))
    }
}
