//! What all players of a zone share: who we are, what we know of peers and store, and how actions are pushed.

use std::collections::BTreeMap;

use darkages_store::{Expect, Fence, OwnerRecord, Phase, Swap, Swapped};
use darkages_topology::{HandoffId, OwnerEpoch, PlayerId, ShardEpoch, ShardId, Tick};

use super::action::{Action, CallId, StoreRequest};
use super::config::Config;
use super::event::Moment;
use super::lease::Standing;
use super::limits::{
    CALL_BACKOFF, CALL_TIMEOUT, MAX_INCOMING, MAX_REMEMBERED, MAX_RETRIES_UNDER_WAY, MAX_STARTS_PER_TICK,
    MAX_UNDER_WAY, MESSAGE_LIFETIME,
};
use super::message::PeerMessage;
use super::players::Players;
use super::subject::{Outcome, Subject};

/// The outside, for the length of one step.
pub(super) struct Io<'a> {
    pub now: Moment,
    pub world: &'a mut dyn Players,
    pub out: &'a mut Vec<Action>,
}

impl Io<'_> {
    pub fn tick(&self) -> Tick {
        self.now.tick
    }

    pub fn push(&mut self, action: Action) {
        self.out.push(action);
    }

    pub fn send(&mut self, to: Fence, message: PeerMessage) {
        self.out.push(Action::Send { to, message });
    }

    pub fn finished(&mut self, subject: Subject, outcome: Outcome, started: Tick) {
        let ticks = self.tick().since(started);
        self.out.push(Action::Finished { subject, outcome, ticks });
    }

    pub fn fault(&mut self, player: PlayerId, label: &'static str) {
        self.out.push(Action::Fault { player, label });
    }
}

/// What becomes of a player's entry.
pub(super) enum Then<R> {
    Stay,
    Become(R),
    Forget,
}

/// The one request to the store that a player may have under way.
#[derive(Debug, Default)]
pub(super) struct Slot {
    call: Option<Call>,
    not_before: Tick,
    /// A swap went unanswered, or the record turned out different: look before anything else.
    pub unsure: bool,
}

#[derive(Debug)]
struct Call {
    id: CallId,
    deadline: Tick,
    is_swap: bool,
}

impl Slot {
    /// Whether nothing is under way and the last failure is long enough ago.
    pub fn is_free(&self, now: Tick) -> bool {
        self.call.is_none() && now >= self.not_before
    }

    /// Whether a swap is under way, so that the record may change any moment.
    pub fn is_swapping(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.is_swap)
    }

    /// Whether nothing is under way and nothing is unknown.
    pub fn is_settled(&self) -> bool {
        self.call.is_none() && !self.unsure
    }

    /// Gives up on a request that was not answered in time. Says whether it did.
    pub fn expire(&mut self, now: Tick) -> bool {
        let expired = self.call.as_ref().is_some_and(|call| now >= call.deadline);
        if expired {
            self.failed(now);
        }
        expired
    }

    /// The request failed; what a swap did is unknown.
    pub fn failed(&mut self, now: Tick) {
        self.unsure |= self.is_swapping();
        self.call = None;
        self.not_before = now.plus(CALL_BACKOFF);
    }

    /// Leaves the store alone for so many ticks.
    pub fn wait(&mut self, now: Tick, ticks: u64) {
        self.not_before = now.plus(ticks);
    }

    /// Whether `id` is the request under way. Others were given up long ago.
    pub fn is_awaiting(&self, id: CallId) -> bool {
        self.call.as_ref().is_some_and(|call| call.id == id)
    }

    /// The answer is here, or none is awaited any more.
    pub fn answered(&mut self) {
        self.call = None;
    }

    pub fn look(&mut self, player: PlayerId, core: &mut Core, io: &mut Io<'_>) {
        self.start(player, StoreRequest::Look, false, core, io);
    }

    pub fn swap(&mut self, player: PlayerId, expect: Expect, next: OwnerRecord, core: &mut Core, io: &mut Io<'_>) {
        let swap = Swap { player, expect, next };
        self.start(player, StoreRequest::Swap(swap), true, core, io);
    }

    fn start(&mut self, player: PlayerId, request: StoreRequest, is_swap: bool, core: &mut Core, io: &mut Io<'_>) {
        core.calls += 1;
        let id = CallId(core.calls);
        self.call = Some(Call { id, deadline: io.tick().plus(CALL_TIMEOUT), is_swap });
        io.push(Action::Store { call: id, player, request });
    }
}

/// What a swap of a record at this owner epoch expects.
pub(super) const fn at(owner_epoch: OwnerEpoch, phase: Phase) -> Expect {
    Expect::At { owner_epoch, phase }
}

/// What all players of a zone share.
pub(super) struct Core {
    pub me: Fence,
    pub config: Config,
    pub standing: Standing,
    calls: u64,
    handoffs: u64,
    /// Incarnations with which there is a session.
    up: BTreeMap<ShardId, ShardEpoch>,
    /// The newest incarnation of each shard that was ever heard of; older ones are over.
    newest: BTreeMap<ShardId, ShardEpoch>,
    /// The last owner epoch under which this zone acted for players who are gone, and when that ended.
    acted: BTreeMap<PlayerId, (OwnerEpoch, Tick)>,
    /// When the old ones were forgotten last.
    forgot: Tick,
    /// Players that this zone acts for or lets in, handoffs before their release, players remembered: counted each tick, kept
    /// up in between.
    pub present: usize,
    pub incoming: usize,
    pub under_way: usize,
    pub remembered: usize,
    pub started_now: usize,
    /// Whether players are let in by handoffs.
    pub is_ready: bool,
    /// The store refused a write because this incarnation is over.
    pub is_fenced: bool,
}

impl Core {
    pub fn new(config: Config, me: Fence, standing: Standing) -> Self {
        Self {
            me,
            config,
            standing,
            calls: 0,
            handoffs: 0,
            up: BTreeMap::new(),
            newest: BTreeMap::new(),
            acted: BTreeMap::new(),
            forgot: Tick(0),
            present: 0,
            incoming: 0,
            under_way: 0,
            remembered: 0,
            started_now: 0,
            is_ready: true,
            is_fenced: false,
        }
    }

    pub fn next_handoff(&mut self) -> HandoffId {
        self.handoffs += 1;
        self.started_now += 1;
        self.under_way += 1;
        HandoffId { from: self.me.shard, from_epoch: self.me.epoch, number: self.handoffs }
    }

    /// Whether another handoff may start in this tick.
    pub fn may_start(&self) -> bool {
        self.started_now < MAX_STARTS_PER_TICK
            && self.under_way < MAX_UNDER_WAY
            && self.remembered + self.under_way < MAX_REMEMBERED
    }

    /// The same for a player for whom a handoff has failed before.
    pub fn may_start_again(&self) -> bool {
        self.may_start() && self.under_way < MAX_RETRIES_UNDER_WAY
    }

    /// Whether there is room for one more player.
    pub fn has_room(&self) -> bool {
        self.present < self.config.capacity && self.incoming < MAX_INCOMING
    }

    pub fn peer_up(&mut self, peer: Fence) {
        self.heard_of(peer);
        if !self.is_over(peer) {
            self.up.insert(peer.shard, peer.epoch);
        }
    }

    pub fn peer_down(&mut self, peer: Fence) {
        if self.up.get(&peer.shard) == Some(&peer.epoch) {
            self.up.remove(&peer.shard);
        }
    }

    pub fn heard_of(&mut self, peer: Fence) {
        let newest = self.newest.entry(peer.shard).or_insert(peer.epoch);
        *newest = peer.epoch.max(*newest);
    }

    /// The incarnation of `shard` with which there is a session.
    pub fn peer(&self, shard: ShardId) -> Option<Fence> {
        self.up.get(&shard).map(|&epoch| Fence { shard, epoch })
    }

    pub fn peers(&self) -> impl Iterator<Item = Fence> + '_ {
        self.up.iter().map(|(&shard, &epoch)| Fence { shard, epoch })
    }

    /// Whether a newer incarnation of the same shard was heard of.
    pub fn is_over(&self, peer: Fence) -> bool {
        self.newest.get(&peer.shard).is_some_and(|&epoch| epoch > peer.epoch)
    }

    /// A swap was refused. Whether that ends this incarnation is decided at the end of the step.
    pub fn refused(&mut self, swapped: &Swapped) {
        self.is_fenced |= *swapped == Swapped::Fenced;
    }

    /// Remembers under which owner epoch this zone acted for a player who is gone now.
    pub fn acted(&mut self, player: PlayerId, epoch: OwnerEpoch, now: Tick) {
        let acted = self.acted.entry(player).or_insert((epoch, now));
        *acted = (epoch.max(acted.0), now);
    }

    /// Whether a message about the player is of an old owner epoch or too old to tell.
    pub fn is_stale(&self, player: PlayerId, epoch: OwnerEpoch, sent: Tick, now: Tick) -> bool {
        now.since(sent) > MESSAGE_LIFETIME || self.acted.get(&player).is_some_and(|&(acted, _)| epoch <= acted)
    }

    /// Forgets owner epochs that no message can name any more.
    pub fn forget_old(&mut self, now: Tick) {
        if now.since(self.forgot) >= MESSAGE_LIFETIME / 4 {
            self.forgot = now;
            self.acted.retain(|_, &mut (_, when)| now.since(when) <= 2 * MESSAGE_LIFETIME);
        }
    }
}
