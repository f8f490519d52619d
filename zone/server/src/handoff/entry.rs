//! One player of a zone: the role that the zone has for them.

use darkages_store::Swapped;
use darkages_topology::{HandoffId, OwnerEpoch, PlayerId};

use super::action::CallId;
use super::core::{Core, Io, Then};
use super::event::StoreAnswer;
use super::incoming::Incoming;
use super::leaving::Leaving;
use super::owned::Owned;
use super::released::Released;

/// What a zone is for a player.
pub(super) enum Role {
    /// Expects the player, or finds out whether it may act. Does not act.
    Incoming(Incoming),
    /// Acts.
    Owned(Owned),
    /// Has acted and stopped; remembers the final state.
    Released(Released),
    /// Has stopped for good; the final state is on its way to the record.
    Leaving(Leaving),
}

/// The client of a player at this zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// There is none.
    Away,
    /// It came through the directory.
    Here,
    /// It attached for this handoff, by its giver's redirect.
    For(HandoffId),
}

impl Client {
    pub const fn is_attached(self) -> bool {
        !matches!(self, Self::Away)
    }

    /// Whether it is here when this handoff is done. One that attached for another handoff is not: that was called off, and
    /// the client hangs up as soon as it hears of it.
    pub fn is_for(self, handoff: HandoffId) -> bool {
        match self {
            Self::Away => false,
            Self::Here => true,
            Self::For(of) => of == handoff,
        }
    }
}

/// A player of a zone.
pub(super) struct Entry {
    pub client: Client,
    pub role: Role,
}

impl Entry {
    /// Whether the zone acts for the player.
    pub const fn acts(&self) -> bool {
        matches!(self.role, Role::Owned(_))
    }

    pub fn tick(&mut self, player: PlayerId, core: &mut Core, io: &mut Io<'_>) -> Then<Role> {
        match &mut self.role {
            Role::Incoming(incoming) => incoming.tick(player, self.client, core, io),
            Role::Owned(owned) => owned.tick(player, self.client.is_attached(), core, io),
            Role::Released(released) => released.tick(player, core, io),
            Role::Leaving(leaving) => leaving.tick(player, core, io),
        }
    }

    /// The store answered. `None` as answer says that it did not.
    pub fn stored(
        &mut self,
        player: PlayerId,
        call: CallId,
        answer: StoreAnswer,
        core: &mut Core,
        io: &mut Io<'_>,
    ) -> Then<Role> {
        let slot = match &mut self.role {
            Role::Incoming(incoming) => &mut incoming.slot,
            Role::Owned(owned) => &mut owned.slot,
            Role::Released(released) => &mut released.slot,
            Role::Leaving(leaving) => &mut leaving.slot,
        };
        if !slot.is_awaiting(call) {
            return Then::Stay;
        }
        let seen = match answer {
            StoreAnswer::Unavailable => {
                slot.failed(io.tick());
                if let Role::Incoming(incoming) = &mut self.role {
                    incoming.attempt = None;
                }
                return Then::Stay;
            }
            StoreAnswer::Looked(record) | StoreAnswer::Swapped(Swapped::Conflict(record)) => {
                slot.answered();
                slot.unsure = false;
                record
            }
            StoreAnswer::Swapped(swapped) => {
                slot.answered();
                return self.swapped(player, &swapped, core, io);
            }
        };
        match &mut self.role {
            Role::Incoming(incoming) => incoming.seen(player, self.client, seen, core, io),
            Role::Owned(owned) => owned.seen(player, self.client.is_attached(), seen.as_ref(), core, io),
            Role::Released(released) => released.seen(player, seen.as_ref(), core, io),
            Role::Leaving(leaving) => leaving.seen(player, self.client.is_attached(), core, io),
        }
    }

    fn swapped(&mut self, player: PlayerId, swapped: &Swapped, core: &mut Core, io: &mut Io<'_>) -> Then<Role> {
        if let Swapped::Illegal(why) = swapped {
            io.fault(player, why.label());
        }
        match &mut self.role {
            Role::Incoming(incoming) => incoming.swapped(player, self.client, swapped, core, io),
            Role::Owned(owned) => owned.swapped(player, self.client.is_attached(), swapped, core, io),
            Role::Released(released) => released.swapped(player, swapped, core, io),
            Role::Leaving(leaving) => leaving.swapped(player, self.client.is_attached(), swapped, core, io),
        }
    }

    /// The owner epoch under which this zone acted for the player, where it did.
    pub const fn acted(&self) -> Option<OwnerEpoch> {
        match &self.role {
            Role::Incoming(_) => None,
            Role::Owned(owned) => Some(owned.epoch),
            Role::Released(released) => Some(released.acted),
            Role::Leaving(leaving) => Some(leaving.epoch),
        }
    }
}
