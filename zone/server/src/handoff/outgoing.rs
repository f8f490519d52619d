//! The giver's side of a handoff before its release.

use darkages_store::{Fence, OpenHandoff, OwnerRecord, Phase};
use darkages_topology::{HandoffId, OwnerEpoch, PlayerId, ShardEpoch, Tick};

use super::action::Action;
use super::config::Variant;
use super::core::{Core, Io, Then, at};
use super::entry::Role;
use super::limits::{ATTACH_TIMEOUT, COMMIT_TIMEOUT, CUT_LEAD, PREPARE_TIMEOUT, RESEND};
use super::message::PeerMessage;
use super::owned::{Owned, Want};
use super::released::Released;
use super::subject::{Outcome, Reason, Subject};

/// A handoff of a player for whom this zone still acts.
pub(super) struct Outgoing {
    pub id: HandoffId,
    pub to: Fence,
    pub progress: Progress,
    reason: Reason,
    started: Tick,
    resend_at: Tick,
    deadline: Tick,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// PREPARE was sent.
    Asked,
    /// T is ready; the client was told to attach there.
    Redirected,
    /// Everything is ready for the commit.
    Ready,
    /// The commit is with the store.
    Committing(OpenHandoff),
    /// The record says so. This zone acts until the cut.
    Committed(OpenHandoff),
    /// The record says so, and this zone wants the player back. It must not release any more.
    TakingBack,
}

impl Progress {
    /// Whether the record is certainly as it was, so that an abort needs no store.
    const fn is_before_commit(self) -> bool {
        matches!(self, Self::Asked | Self::Redirected | Self::Ready)
    }
}

impl Outgoing {
    /// A handoff at this point, with nothing to send again.
    pub const fn resumed(id: HandoffId, to: Fence, progress: Progress, started: Tick) -> Self {
        Self { id, to, progress, reason: Reason::Ground, started, resend_at: started, deadline: started }
    }

    /// Nothing is awaited any more but the commit.
    fn be_ready(&mut self, now: Tick) {
        self.progress = Progress::Ready;
        self.deadline = now.plus(COMMIT_TIMEOUT);
    }

    /// Whether the record is certainly as it was.
    pub const fn is_before_commit(&self) -> bool {
        self.progress.is_before_commit()
    }

    /// Whether the commit is with the store.
    pub const fn is_committing(&self) -> bool {
        matches!(self.progress, Progress::Committing(_))
    }

    /// A handoff that was given up, found committed, and is to be taken back.
    fn found(open: OpenHandoff, record: &OwnerRecord, now: Tick) -> Self {
        let to = Fence { shard: record.owner, epoch: ShardEpoch(0) };
        Self::resumed(open.id, to, Progress::TakingBack, now)
    }
}

impl Owned {
    /// Sends PREPARE.
    pub fn start(&mut self, player: PlayerId, client: bool, want: Want, to: Fence, core: &mut Core, io: &mut Io<'_>) {
        let now = io.tick();
        let id = core.next_handoff();
        let deadline = now.plus(PREPARE_TIMEOUT);
        let reason = want.reason;
        self.out = Some(Outgoing { reason, deadline, ..Outgoing::resumed(id, to, Progress::Asked, now) });
        self.send_prepare(player, client, io);
    }

    fn send_prepare(&mut self, player: PlayerId, client: bool, io: &mut Io<'_>) {
        let subject = Subject::Player(player);
        let (Some(out), Some(data)) = (self.out.as_mut(), io.world.capture(subject)) else { return };
        let sent = io.tick();
        out.resend_at = sent.plus(RESEND);
        let (handoff, owner_epoch, reason) = (out.id, self.epoch, out.reason);
        let message = PeerMessage::Prepare { handoff, subject, owner_epoch, reason, client, sent, data };
        io.send(out.to, message);
    }

    /// T has reserved a slot.
    pub fn prepared(&mut self, player: PlayerId, client: bool, from: Fence, handoff: HandoffId, io: &mut Io<'_>) {
        let epoch = self.epoch.next();
        let Some(out) = self.out_of(from, handoff).filter(|out| out.progress == Progress::Asked) else { return };
        if client {
            out.progress = Progress::Redirected;
            out.deadline = io.tick().plus(ATTACH_TIMEOUT);
            io.push(Action::Redirect { player, handoff, to: out.to, owner_epoch: epoch });
        } else {
            out.be_ready(io.tick());
        }
    }

    /// The client came back with a new session that knows of no redirect.
    pub fn redirect_again(&self, player: PlayerId, io: &mut Io<'_>) {
        if let Some(out) = self.out.as_ref().filter(|out| out.progress == Progress::Redirected) {
            let owner_epoch = self.epoch.next();
            io.push(Action::Redirect { player, handoff: out.id, to: out.to, owner_epoch });
        }
    }

    /// The client is attached to T.
    pub fn attached_there(&mut self, player: PlayerId, from: Fence, handoff: HandoffId, io: &mut Io<'_>) {
        match self.out_of(from, handoff) {
            Some(out) if matches!(out.progress, Progress::Asked | Progress::Redirected) => {
                out.be_ready(io.tick());
            }
            Some(_) => {}
            // T waits for a handoff that was given up, and its abort was lost.
            None => io.send(from, PeerMessage::Abort { handoff, subject: Subject::Player(player) }),
        }
    }

    pub fn refused(&mut self, player: PlayerId, from: Fence, handoff: HandoffId, core: &mut Core, io: &mut Io<'_>) {
        if self.out_of(from, handoff).is_some_and(|out| out.progress == Progress::Asked) {
            self.abort(player, Outcome::Refused, core, io);
        }
    }

    fn out_of(&mut self, from: Fence, handoff: HandoffId) -> Option<&mut Outgoing> {
        self.out.as_mut().filter(|out| out.id == handoff && out.to == from)
    }

    /// Gives the handoff up, if the record is certainly untouched. Says whether none is under way now.
    pub fn abort(&mut self, player: PlayerId, outcome: Outcome, core: &mut Core, io: &mut Io<'_>) -> bool {
        let Some(out) = &self.out else { return true };
        if !out.progress.is_before_commit() || !self.slot.is_settled() {
            return false;
        }
        if !matches!(outcome, Outcome::WantedElsewhere | Outcome::Left) {
            self.back_off(io.tick());
        }
        self.wind_up(player, outcome, core, io);
        true
    }

    /// Ends a handoff that did not move the player.
    fn wind_up(&mut self, player: PlayerId, outcome: Outcome, core: &mut Core, io: &mut Io<'_>) {
        let Some(out) = self.out.take() else { return };
        core.under_way = core.under_way.saturating_sub(1);
        let subject = Subject::Player(player);
        io.send(out.to, PeerMessage::Abort { handoff: out.id, subject });
        if out.progress != Progress::Asked {
            io.push(Action::CancelRedirect { player, handoff: out.id });
        }
        io.finished(subject, outcome, out.started);
        self.resume(player, io);
    }

    /// The next thing that is due of a handoff under way.
    pub fn tick_out(&mut self, player: PlayerId, client: bool, core: &mut Core, io: &mut Io<'_>) -> Then<Role> {
        let Some(out) = self.out.as_ref() else { return Then::Stay };
        let now = io.tick();
        let (progress, to) = (out.progress, out.to);
        if progress.is_before_commit() && self.slot.is_settled() && core.peer(to.shard) != Some(to) {
            self.abort(player, Outcome::PeerLost, core, io);
            return Then::Stay;
        }
        match progress {
            Progress::Asked if now >= out.deadline => _ = self.abort(player, Outcome::NoAnswer, core, io),
            Progress::Asked if now >= out.resend_at => self.send_prepare(player, client, io),
            Progress::Redirected if !client => _ = self.abort(player, Outcome::ClientGone, core, io),
            Progress::Redirected if now >= out.deadline => _ = self.abort(player, Outcome::AttachTimeout, core, io),
            Progress::Ready if now >= out.deadline && self.slot.is_settled() => {
                _ = self.abort(player, Outcome::StoreAway, core, io)
            }
            Progress::Ready => return self.commit(player, core, io),
            Progress::Committed(open) => {
                // T is over and never acted: a release would reach nobody, and nothing was released yet.
                if core.is_over(to) {
                    self.set_progress(Progress::TakingBack);
                } else if now >= open.cut_tick {
                    return self.release(player, open, core, io);
                }
            }
            Progress::TakingBack => self.take_back(player, core, io),
            Progress::Asked | Progress::Redirected | Progress::Committing(_) => {}
        }
        Then::Stay
    }

    fn set_progress(&mut self, progress: Progress) {
        if let Some(out) = &mut self.out {
            out.progress = progress;
        }
    }

    /// COMMIT, unless something of the player is with the store.
    fn commit(&mut self, player: PlayerId, core: &mut Core, io: &mut Io<'_>) -> Then<Role> {
        let now = io.tick();
        if !self.may_swap(core, io) || io.world.is_busy(player) {
            return Then::Stay;
        }
        let (Some(out), Some(data)) = (self.out.as_mut(), io.world.capture(Subject::Player(player))) else {
            return Then::Stay;
        };
        let open = OpenHandoff { id: out.id, by: core.me, cut_tick: now.plus(CUT_LEAD), released: false };
        let next = OwnerRecord { owner: out.to.shard, owner_epoch: self.epoch.next(), open: Some(open), data };
        out.progress = Progress::Committing(open);
        self.slot.swap(player, at(self.epoch, Phase::Closed), next, core, io);
        if core.config.variant == Variant::ReleaseBeforeCommit {
            return self.release(player, open, core, io);
        }
        Then::Stay
    }

    /// The record says that this zone committed `open`.
    pub fn committed(&mut self, record: &OwnerRecord, open: OpenHandoff, core: &Core, now: Tick) {
        match &mut self.out {
            Some(out) if out.progress == Progress::TakingBack => {}
            Some(out) if out.id == open.id => {
                // Its reservation at T may be gone, and the client with it: better to keep the player here.
                let is_too_late = now >= out.deadline || core.is_over(out.to);
                out.progress = if is_too_late { Progress::TakingBack } else { Progress::Committed(open) };
            }
            Some(out) => *out = Outgoing { started: out.started, ..Outgoing::found(open, record, now) },
            None => self.out = Some(Outgoing::found(open, record, now)),
        }
    }

    /// RELEASE: stops, then says so. The order is the point: nobody acts after a release was made for another.
    fn release(&mut self, player: PlayerId, open: OpenHandoff, core: &mut Core, io: &mut Io<'_>) -> Then<Role> {
        let subject = Subject::Player(player);
        let (Some(out), Some(data)) = (self.out.take(), io.world.capture(subject)) else { return Then::Stay };
        io.world.remove(subject, Some(out.to.shard));
        core.under_way = core.under_way.saturating_sub(1);
        core.remembered += 1;
        let (to, cut) = (out.to, io.tick());
        io.push(Action::Released { player, to, cut });
        let commands = std::mem::take(&mut self.commands);
        let mut released = Released::new(open, to, self.epoch, out.started, cut, data, commands);
        released.send(player, io);
        Then::Become(Role::Released(released))
    }

    /// Takes a committed handoff back that is not released.
    fn take_back(&mut self, player: PlayerId, core: &mut Core, io: &mut Io<'_>) {
        if !self.may_swap(core, io) {
            return;
        }
        let Some(data) = io.world.capture(Subject::Player(player)) else { return };
        let committed = self.epoch.next();
        let next = OwnerRecord { owner: core.me.shard, owner_epoch: committed.next(), open: None, data };
        self.slot.swap(player, at(committed, Phase::Open), next, core, io);
    }

    /// The record is this shard's under a higher owner epoch: a take-back came through.
    pub fn raised(&mut self, player: PlayerId, owner_epoch: OwnerEpoch, core: &mut Core, io: &mut Io<'_>) {
        self.closed(player, io);
        self.epoch = owner_epoch;
        io.push(Action::EpochRaised { player, owner_epoch: self.epoch });
        self.back_off(io.tick());
        self.wind_up(player, Outcome::TakenBack, core, io);
    }

    /// A look has shown that the commit did not happen. It may still arrive; the same swap is made again, so that at most
    /// one of the two is done.
    pub fn not_committed(&mut self) {
        if let Some(out) = self.out.as_mut().filter(|out| matches!(out.progress, Progress::Committing(_))) {
            out.progress = Progress::Ready;
        }
    }

    /// Counts the handoff as lost with the player.
    pub fn lose_out(&mut self, player: PlayerId, core: &mut Core, io: &mut Io<'_>) {
        if let Some(out) = self.out.take() {
            core.under_way = core.under_way.saturating_sub(1);
            io.finished(Subject::Player(player), Outcome::Lost, out.started);
        }
    }
}
