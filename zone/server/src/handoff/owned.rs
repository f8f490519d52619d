//! A player for whom this zone acts.

use darkages_store::{Fence, OwnerRecord, Phase, Swapped};
use darkages_topology::{HandoffId, OwnerEpoch, PlayerId, ShardId, Tick};

use super::action::Action;
use super::core::{Core, Io, Slot, Then, at};
use super::entry::Role;
use super::leaving::Leaving;
use super::limits::{CALL_BACKOFF, DURABLE_STAY, MAX_COMMAND_BYTES, MAX_COMMANDS, MIN_STAY, RETRY_FIRST, RETRY_MOST};
use super::message::PeerMessage;
use super::outgoing::{Outgoing, Progress};
use super::subject::{Dismissal, Outcome, Reason, Subject};

/// A player for whom this zone acts.
pub(super) struct Owned {
    /// Under which owner epoch.
    pub epoch: OwnerEpoch,
    /// The handoff by which the player came, while the record still has it open.
    pub closing: Option<Closing>,
    /// From where the player came last.
    pub came: Option<Came>,
    pub want: Option<Want>,
    pub out: Option<Outgoing>,
    pub slot: Slot,
    pub is_leaving: bool,
    /// Requests that wait for the taker.
    pub commands: Vec<Box<[u8]>>,
    retry_at: Tick,
    failures: u32,
}

/// A handoff that this zone has taken and not closed yet.
#[derive(Clone, Copy)]
pub(super) struct Closing {
    pub handoff: HandoffId,
    pub from: Fence,
    /// What the record is believed to say: open, or released.
    pub phase: Phase,
}

/// How a player came here.
#[derive(Clone, Copy)]
pub(super) struct Came {
    pub from: ShardId,
    pub at: Tick,
    pub reason: Reason,
}

/// Where a player ought to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Want {
    pub to: ShardId,
    pub reason: Reason,
    pub since: Tick,
}

impl Owned {
    pub fn new(epoch: OwnerEpoch, closing: Option<Closing>, came: Option<Came>) -> Self {
        Self {
            epoch,
            closing,
            came,
            want: None,
            out: None,
            slot: Slot::default(),
            is_leaving: false,
            commands: Vec::new(),
            retry_at: Tick(0),
            failures: 0,
        }
    }

    /// Whether a durable action may start: the record is certainly this zone's, closed, and stays so.
    pub fn is_durable(&self) -> bool {
        self.closing.is_none() && self.slot.is_settled() && !self.is_leaving && !self.is_handing_over()
    }

    /// Whether requests go along to the taker.
    pub fn is_handing_over(&self) -> bool {
        self.out.as_ref().is_some_and(|out| !matches!(out.progress, Progress::Asked | Progress::Redirected))
    }

    /// The owner epoch that the record has, so that a checkpoint is taken.
    pub fn write_epoch(&self) -> Option<OwnerEpoch> {
        match &self.out {
            _ if self.closing.is_some() || self.slot.unsure => None,
            Some(Outgoing { progress: Progress::Committing(_), .. }) => None,
            Some(Outgoing { progress: Progress::Committed(_) | Progress::TakingBack, .. }) => Some(self.epoch.next()),
            _ => Some(self.epoch),
        }
    }

    /// Whether a swap may be sent now.
    pub fn may_swap(&self, core: &Core, io: &Io<'_>) -> bool {
        !self.slot.unsure && self.slot.is_free(io.tick()) && core.standing.may_write(io.now.elapsed)
    }

    pub fn back_off(&mut self, now: Tick) {
        let wait = RETRY_FIRST.saturating_mul(1 << self.failures.min(16)).min(RETRY_MOST);
        self.failures += 1;
        self.retry_at = now.plus(wait);
    }

    pub fn resume(&mut self, player: PlayerId, io: &mut Io<'_>) {
        if !self.commands.is_empty() {
            let commands = std::mem::take(&mut self.commands);
            io.push(Action::Resume { player, commands });
        }
    }

    /// A request for the taker. When no handoff is under way any more, or too many wait, it comes back at once.
    pub fn command(&mut self, player: PlayerId, command: Box<[u8]>, io: &mut Io<'_>) {
        let fits = self.commands.len() < MAX_COMMANDS && command.len() <= MAX_COMMAND_BYTES;
        if self.is_handing_over() && fits {
            self.commands.push(command);
        } else {
            io.push(Action::Resume { player, commands: vec![command] });
        }
    }

    pub fn wanted(&mut self, player: PlayerId, want: Want, core: &mut Core, io: &mut Io<'_>) {
        // The parties of a durable action are brought together first; where they stand matters afterwards.
        if self.keeps_durable_want(want.since) && want.reason != Reason::Durable {
            return;
        }
        if want.to == core.me.shard {
            self.stay(player, core, io);
            return;
        }
        let since =
            self.want.filter(|old| (old.to, old.reason) == (want.to, want.reason)).map_or(want.since, |old| old.since);
        self.want = Some(Want { since, ..want });
        if self.out.as_ref().is_some_and(|out| out.to.shard != want.to) {
            self.abort(player, Outcome::WantedElsewhere, core, io);
        }
    }

    pub fn unwanted(&mut self, player: PlayerId, core: &mut Core, io: &mut Io<'_>) {
        if !self.keeps_durable_want(io.tick()) {
            self.stay(player, core, io);
        }
    }

    fn stay(&mut self, player: PlayerId, core: &mut Core, io: &mut Io<'_>) {
        if self.want.take().is_some() {
            self.abort(player, Outcome::WantedElsewhere, core, io);
        }
    }

    fn keeps_durable_want(&self, now: Tick) -> bool {
        self.want.is_some_and(|want| want.reason == Reason::Durable && now.since(want.since) < DURABLE_STAY)
    }

    pub fn tick(&mut self, player: PlayerId, client: bool, core: &mut Core, io: &mut Io<'_>) -> Then<Role> {
        self.slot.expire(io.tick());
        if self.slot.unsure {
            if self.slot.is_free(io.tick()) && core.standing.reaches_store {
                self.slot.look(player, core, io);
            }
            return Then::Stay;
        }
        if self.closing.is_some() {
            self.close(player, core, io);
        } else if self.out.is_some() {
            return self.tick_out(player, client, core, io);
        } else if self.is_leaving {
            return self.leave(player, core, io);
        } else if let Some((want, to)) = self.due(core, io.tick()) {
            self.start(player, client, want, to, core, io);
        }
        Then::Stay
    }

    /// The handoff that ought to start now.
    fn due(&self, core: &Core, now: Tick) -> Option<(Want, Fence)> {
        let want = self.want?;
        let stays = self.came.is_some_and(|came| {
            let stay = match came.reason {
                Reason::Durable => DURABLE_STAY,
                Reason::Border | Reason::Ground => MIN_STAY,
            };
            want.reason == Reason::Border && came.from == want.to && now.since(came.at) < stay
        });
        let may_start = if self.failures == 0 { core.may_start() } else { core.may_start_again() };
        let may = !stays && now >= self.retry_at && self.slot.is_settled() && may_start;
        core.peer(want.to).filter(|_| may).map(|to| (want, to))
    }

    /// Closes the record of the handoff by which the player came.
    fn close(&mut self, player: PlayerId, core: &mut Core, io: &mut Io<'_>) {
        let Some(closing) = self.closing.filter(|_| self.may_swap(core, io)) else { return };
        let Some(data) = io.world.capture(Subject::Player(player)) else { return };
        let next = OwnerRecord { owner: core.me.shard, owner_epoch: self.epoch, open: None, data };
        self.slot.swap(player, at(self.epoch, closing.phase), next, core, io);
    }

    /// The record is closed: the giver may forget.
    pub fn closed(&mut self, player: PlayerId, io: &mut Io<'_>) {
        if let Some(closing) = self.closing.take() {
            io.send(closing.from, PeerMessage::Done { handoff: closing.handoff, subject: Subject::Player(player) });
        }
    }

    /// Stops for good and saves the final state.
    fn leave(&mut self, player: PlayerId, core: &mut Core, io: &mut Io<'_>) -> Then<Role> {
        let subject = Subject::Player(player);
        if !self.may_swap(core, io) || io.world.is_busy(player) {
            return Then::Stay;
        }
        let Some(data) = io.world.capture(subject) else { return Then::Stay };
        io.world.remove(subject, None);
        let mut leaving = Leaving::new(self.epoch, data);
        leaving.save(player, core, io);
        Then::Become(Role::Leaving(leaving))
    }

    pub fn swapped(
        &mut self,
        player: PlayerId,
        client: bool,
        swapped: &Swapped,
        core: &mut Core,
        io: &mut Io<'_>,
    ) -> Then<Role> {
        if *swapped != Swapped::Done {
            core.refused(swapped);
            self.slot.unsure = true;
            self.slot.wait(io.tick(), CALL_BACKOFF);
            return Then::Stay;
        }
        match self.out.as_ref().map(|out| out.progress) {
            _ if self.closing.is_some() => self.closed(player, io),
            Some(Progress::Committing(open)) => {
                if let Some(out) = &mut self.out {
                    out.progress = Progress::Committed(open);
                }
                return self.tick_out(player, client, core, io);
            }
            Some(Progress::TakingBack) => {
                let owner_epoch = self.epoch.next().next();
                self.raised(player, owner_epoch, core, io);
            }
            _ => {}
        }
        Then::Stay
    }

    /// What the record says, after a doubt or a conflict.
    pub fn seen(
        &mut self,
        player: PlayerId,
        client: bool,
        record: Option<&OwnerRecord>,
        core: &mut Core,
        io: &mut Io<'_>,
    ) -> Then<Role> {
        let Some(record) = record else { return self.lost(player, None, core, io) };
        let is_mine = record.owner == core.me.shard;
        let next = self.epoch.next();
        match (record.owner_epoch, record.open) {
            (epoch, None) if is_mine && epoch == self.epoch => {
                self.closed(player, io);
                self.not_committed();
            }
            (epoch, Some(_)) if is_mine && epoch == self.epoch && self.closing.is_some() => {
                self.closing = self.closing.map(|closing| Closing { phase: record.phase(), ..closing });
            }
            (epoch, Some(open)) if epoch == next && open.by == core.me && !open.released => {
                self.committed(record, open, core, io.tick());
                return self.tick_out(player, client, core, io);
            }
            // Only this incarnation writes a closed record of this shard while it lives: one of its own swaps was late.
            (epoch, None) if is_mine && epoch > self.epoch => self.raised(player, epoch, core, io),
            _ => return self.lost(player, Some(record.owner), core, io),
        }
        Then::Stay
    }

    /// Somebody else owns the player: stop at once.
    fn lost(&mut self, player: PlayerId, owner: Option<ShardId>, core: &mut Core, io: &mut Io<'_>) -> Then<Role> {
        io.world.remove(Subject::Player(player), owner.filter(|owner| *owner != core.me.shard));
        self.lose_out(player, core, io);
        io.push(Action::Dismiss { player, why: Dismissal::Rejoin, owner });
        Then::Forget
    }
}
