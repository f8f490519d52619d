//! The machine: takes events apart, and asks each player's entry.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darkages_store::Fence;
use darkages_topology::{HandoffId, OwnerEpoch, PlayerId, ShardId, Tick};

use super::action::{Action, CallId};
use super::config::{Config, Variant};
use super::core::{Core, Io, Then};
use super::entry::{Client, Entry, Role};
use super::event::{Event, Moment, StoreAnswer};
use super::incoming::Incoming;
use super::lease::Standing;
use super::npc::Npcs;
use super::owned::{Owned, Want};
use super::players::Players;
use super::subject::{Cause, Dismissal, Outcome, Subject};

/// Why a durable action may not start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotNow {
    /// This zone does not act for the player.
    NotHere,
    /// A handoff is being committed: pass the request as [`Event::Command`].
    HandingOver,
    /// The record of the handoff by which the player came is not closed yet, or is being looked up: a moment.
    Settling,
    /// The store does not answer, or the lease is not certain.
    StoreAway,
}

impl NotNow {
    /// A static reason code.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotHere => "not_here",
            Self::HandingOver => "handing_over",
            Self::Settling => "settling",
            Self::StoreAway => "store_away",
        }
    }
}

/// How many players a machine holds in which role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Acted for, those on their way out included.
    pub acting: usize,
    /// Of these, on their way out.
    pub outgoing: usize,
    /// Expected, or let in.
    pub incoming: usize,
    /// Released and remembered.
    pub remembered: usize,
    /// Gone, with the final state on its way to the record.
    pub leaving: usize,
    /// NPCs that were released and not yet acknowledged.
    pub npcs: usize,
}

/// All handoffs of one incarnation of a shard. See the [module](super) for what a driver does with it.
pub struct ZoneMachine {
    pub(super) core: Core,
    pub(super) players: BTreeMap<PlayerId, Entry>,
    pub(super) npcs: Npcs,
}

impl ZoneMachine {
    /// The machine of the incarnation `me`, whose lease may be relied upon until `lease_until` (see [`Event::Lease`]).
    #[must_use]
    pub fn new(config: Config, me: Fence, lease_until: Duration) -> Self {
        let core = Core::new(config, me, Standing::new(lease_until));
        Self { core, players: BTreeMap::new(), npcs: Npcs::default() }
    }

    /// The incarnation.
    #[must_use]
    pub const fn fence(&self) -> Fence {
        self.core.me
    }

    /// Whether this incarnation acts for its players at `now`. Checked before each send and each write.
    #[must_use]
    pub fn may_act(&self, now: Duration) -> bool {
        if self.core.config.variant == Variant::NoFencing {
            return !self.core.standing.is_over();
        }
        self.core.standing.covers(now)
    }

    /// Whether checkpoints and transactions may be written at `now`: under the lease itself, with a store that answers.
    #[must_use]
    pub fn may_write(&self, now: Duration) -> bool {
        self.core.standing.may_write(now)
    }

    /// Whether this incarnation is over for good.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.core.standing.is_over()
    }

    /// Whether this zone acts for the player.
    #[must_use]
    pub fn acts_for(&self, player: PlayerId) -> bool {
        self.players.get(&player).is_some_and(Entry::acts)
    }

    /// Whether a durable action of the player may start at `now`.
    ///
    /// # Errors
    /// Why not.
    pub fn may_start_durable(&self, player: PlayerId, now: Duration) -> Result<(), NotNow> {
        let Some(Entry { role: Role::Owned(owned), .. }) = self.players.get(&player) else {
            return Err(NotNow::NotHere);
        };
        if owned.is_handing_over() {
            return Err(NotNow::HandingOver);
        }
        if !self.core.standing.may_write(now) {
            return Err(NotNow::StoreAway);
        }
        if owned.is_durable() { Ok(()) } else { Err(NotNow::Settling) }
    }

    /// The owner epoch that checkpoints and transactions of the player carry now; `None` when there is nothing to write:
    /// the record is about to change, or this zone does not act for the player.
    #[must_use]
    pub fn write_epoch(&self, player: PlayerId) -> Option<OwnerEpoch> {
        match &self.players.get(&player)?.role {
            Role::Owned(owned) => owned.write_epoch(),
            _ => None,
        }
    }

    /// The owner epoch under which this zone acts for the player: what snapshots carry.
    #[must_use]
    pub fn owner_epoch(&self, player: PlayerId) -> Option<OwnerEpoch> {
        match &self.players.get(&player)?.role {
            Role::Owned(owned) => Some(owned.epoch),
            _ => None,
        }
    }

    /// The taker of the player, while the commit of their handoff is with the store.
    #[must_use]
    pub fn committing_to(&self, player: PlayerId) -> Option<ShardId> {
        match &self.players.get(&player)?.role {
            Role::Owned(owned) => owned.out.as_ref().filter(|out| out.is_committing()).map(|out| out.to.shard),
            _ => None,
        }
    }

    /// The handoff for which this zone expects the player's client.
    #[must_use]
    pub fn expects(&self, player: PlayerId) -> Option<HandoffId> {
        match &self.players.get(&player)?.role {
            Role::Incoming(incoming) => incoming.expected.map(|expected| expected.handoff),
            _ => None,
        }
    }

    /// Whether a final state is remembered that a taker may need still.
    #[must_use]
    pub fn remembers(&self) -> bool {
        self.remembered().next().is_some()
    }

    /// Players who were released and not yet taken, as far as this zone knows. Its frames to neighbours go on showing them,
    /// because nobody else may show them yet (I6).
    pub fn remembered(&self) -> impl Iterator<Item = PlayerId> + '_ {
        let released = |entry: &Entry| matches!(entry.role, Role::Released(_));
        self.players.iter().filter(move |(_, entry)| released(entry)).map(|(&player, _)| player)
    }

    /// Whether this machine holds nobody and nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.players.is_empty() && self.npcs.is_empty()
    }

    /// How many players it holds in which role. Walks over all of them.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { npcs: self.npcs.released(), ..Counts::default() };
        for entry in self.players.values() {
            match &entry.role {
                Role::Owned(owned) => {
                    counts.acting += 1;
                    counts.outgoing += usize::from(owned.out.is_some());
                }
                Role::Incoming(_) => counts.incoming += 1,
                Role::Released(_) => counts.remembered += 1,
                Role::Leaving(_) => counts.leaving += 1,
            }
        }
        counts
    }

    /// Lets one event happen. Actions are pushed to `out` in the order in which they are to be carried out.
    pub fn step(&mut self, now: Moment, event: Event, world: &mut impl Players, out: &mut Vec<Action>) {
        let mut io = Io { now, world, out };
        self.fence_off(&mut io);
        self.event(event, &mut io);
        if std::mem::take(&mut self.core.is_fenced) && self.core.standing.holds_lease(now.elapsed) {
            self.stop("fenced", &mut io);
        }
    }

    fn event(&mut self, event: Event, io: &mut Io<'_>) {
        match event {
            Event::Tick => self.tick(io),
            Event::Ready { ready } => self.core.is_ready = ready,
            Event::Lease { until } => self.core.standing.extend(until),
            Event::LeaseOver => self.stop("lease_over", io),
            Event::WriteFenced => self.core.is_fenced = true,
            Event::StoreReach { reached } => self.core.standing.reaches_store = reached,
            Event::OperatorAnswer { round, reaches_store } => {
                self.core.standing.answered(round, None, reaches_store, io)
            }
            Event::PeerUp { peer } => self.core.peer_up(peer),
            Event::PeerDown { peer } => self.core.peer_down(peer),
            Event::Peer { from, to, message } => self.message(from, to, message, io),
            Event::Stored { call, player, answer } => self.stored(player, call, answer, io),
            Event::WriteRefused { player, owner_epoch } => {
                self.with_owned(
                    player,
                    |owned, _, _| owned.slot.unsure |= owned.write_epoch() == Some(owner_epoch),
                    io,
                );
            }
            Event::Attached { player, handoff } => self.attached(player, handoff, io),
            Event::Detached { player } => self.detached(player),
            Event::Leave { player } => self.leave(player, io),
            Event::Command { player, command } => {
                self.with_owned(player, |owned, _, io| owned.command(player, command, io), io);
            }
            Event::Want { subject: Subject::Player(player), to, reason } => {
                let want = Want { to, reason, since: io.tick() };
                self.with_owned(player, |owned, core, io| owned.wanted(player, want, core, io), io);
            }
            Event::Want { subject: Subject::Npc(entity), to, .. } => self.npcs.wanted(entity, to, &mut self.core, io),
            Event::Unwant { subject: Subject::Player(player) } => {
                self.with_owned(player, |owned, core, io| owned.unwanted(player, core, io), io);
            }
            Event::Unwant { subject: Subject::Npc(entity) } => self.npcs.unwanted(entity, io),
        }
    }

    fn fence_off(&mut self, io: &mut Io<'_>) {
        if !self.is_over() && !self.may_act(io.now.elapsed) {
            self.stop(if self.core.standing.reaches_store { "lease_over" } else { "cut_off" }, io);
        }
    }

    /// This incarnation is over: nobody is acted for any more. What was released is remembered.
    fn stop(&mut self, why: &'static str, io: &mut Io<'_>) {
        if self.is_over() || self.core.config.variant == Variant::NoFencing {
            return;
        }
        self.core.standing.end();
        let core = &mut self.core;
        self.players.retain(|&player, entry| {
            if let Role::Owned(owned) = &mut entry.role {
                io.world.remove(Subject::Player(player), None);
                owned.lose_out(player, core, io);
            }
            matches!(entry.role, Role::Released(_))
        });
        self.npcs.stop(io);
        io.push(Action::StopAll { why });
    }

    fn tick(&mut self, io: &mut Io<'_>) {
        self.count();
        self.core.forget_old(io.tick());
        let players = &self.players;
        self.core.probe(|| open_to(players), io);
        let core = &mut self.core;
        self.players.retain(|&player, entry| {
            let then = entry.tick(player, core, io);
            apply(player, entry, then, core, io.tick())
        });
        self.npcs.tick(core, io);
    }

    fn count(&mut self) {
        let counts = self.counts();
        let core = &mut self.core;
        core.present = counts.acting + counts.incoming;
        core.incoming = counts.incoming;
        core.under_way = counts.outgoing;
        core.remembered = counts.remembered;
        core.started_now = 0;
    }

    pub(super) fn with(
        &mut self,
        player: PlayerId,
        act: impl FnOnce(&mut Entry, &mut Core, &mut Io<'_>) -> Then<Role>,
        io: &mut Io<'_>,
    ) {
        let Some(entry) = self.players.get_mut(&player) else { return };
        let then = act(entry, &mut self.core, io);
        if !apply(player, entry, then, &mut self.core, io.tick()) {
            self.players.remove(&player);
        }
    }

    pub(super) fn with_owned(
        &mut self,
        player: PlayerId,
        act: impl FnOnce(&mut Owned, &mut Core, &mut Io<'_>),
        io: &mut Io<'_>,
    ) {
        if let Some(Entry { role: Role::Owned(owned), .. }) = self.players.get_mut(&player) {
            act(owned, &mut self.core, io);
        }
    }

    fn stored(&mut self, player: PlayerId, call: CallId, answer: StoreAnswer, io: &mut Io<'_>) {
        self.with(player, |entry, core, io| entry.stored(player, call, answer, core, io), io);
    }

    fn attached(&mut self, player: PlayerId, handoff: Option<HandoffId>, io: &mut Io<'_>) {
        let now = io.tick();
        if self.is_over() {
            io.push(Action::Dismiss { player, why: Dismissal::Rejoin, owner: None });
            return;
        }
        let client = handoff.map_or(Client::Here, Client::For);
        let entry = self.players.entry(player);
        let entry = entry.or_insert_with(|| Entry { client, role: Role::Incoming(Incoming::joining(now)) });
        entry.client = client;
        match &mut entry.role {
            Role::Incoming(incoming) => incoming.attached(player, client, now, io),
            Role::Owned(owned) => {
                owned.is_leaving = false;
                let owner_epoch = owned.epoch;
                let (cause, client, commands) = (Cause::Reattached, true, Vec::new());
                io.push(Action::Playing { player, owner_epoch, cause, client, commands });
                owned.redirect_again(player, io);
            }
            Role::Released(released) => {
                entry.client = Client::Away;
                let owner = Some(released.to.shard);
                io.push(Action::Dismiss { player, why: Dismissal::Elsewhere, owner });
            }
            // The final state comes first; then the client joins like any other.
            Role::Leaving(_) => {}
        }
    }

    fn detached(&mut self, player: PlayerId) {
        if let Some(entry) = self.players.get_mut(&player) {
            entry.client = Client::Away;
        }
    }

    fn leave(&mut self, player: PlayerId, io: &mut Io<'_>) {
        self.with_owned(
            player,
            |owned, core, io| {
                owned.is_leaving = true;
                owned.abort(player, Outcome::Left, core, io);
            },
            io,
        );
    }
}

/// Lets an entry become what it becomes. Says whether it stays.
fn apply(player: PlayerId, entry: &mut Entry, then: Then<Role>, core: &mut Core, now: Tick) -> bool {
    let then = match then {
        Then::Stay => return true,
        Then::Become(role) => Some(role),
        Then::Forget => None,
    };
    if let Some(epoch) = entry.acted() {
        core.acted(player, epoch, now);
    }
    match then {
        Some(role) => entry.role = role,
        None => return false,
    }
    true
}

/// The shards to which records of ours are open, or may be.
fn open_to(players: &BTreeMap<PlayerId, Entry>) -> BTreeSet<ShardId> {
    let owned = players.values().filter_map(|entry| match &entry.role {
        Role::Owned(owned) => owned.out.as_ref(),
        _ => None,
    });
    owned.filter(|out| !out.is_before_commit()).map(|out| out.to.shard).collect()
}
