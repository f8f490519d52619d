//! What a player wants done once.

use darkages_topology::EntityId;

use super::MessageError;
use crate::wire;

/// Items that a player can carry or name at once, at most.
pub const MAX_ITEMS: usize = 32;

/// Gold that a player can hold or name, at most: what a client's double holds exactly.
pub const MAX_GOLD: u64 = 1 << 53;

/// A client's number of a command, unique among all commands that this player ever sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// How to attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttackKind {
    /// A blow at arm's length.
    Melee,
    /// A shot.
    Ranged,
}

impl AttackKind {
    pub(super) const fn to_wire(self) -> i32 {
        match self {
            Self::Melee => wire::AttackKind::Melee as i32,
            Self::Ranged => wire::AttackKind::Ranged as i32,
        }
    }

    pub(super) fn from_wire(kind: i32) -> Result<Self, MessageError> {
        match wire::AttackKind::try_from(kind) {
            Ok(wire::AttackKind::Melee) => Ok(Self::Melee),
            Ok(wire::AttackKind::Ranged) => Ok(Self::Ranged),
            Ok(wire::AttackKind::Unspecified) | Err(_) => Err(MessageError::OutOfRange("kind")),
        }
    }
}

/// Gold and items that change hands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goods {
    /// Pieces of gold, at most [`MAX_GOLD`].
    pub gold: u64,
    /// Ids of items, at most [`MAX_ITEMS`].
    pub items: Vec<EntityId>,
}

impl Goods {
    pub(super) fn to_wire(&self) -> Option<wire::Goods> {
        let items = self.items.iter().map(|item| item.0).collect();
        Some(wire::Goods { gold: self.gold, items })
    }

    /// Goods that are not there are no goods.
    pub(super) fn from_wire(goods: Option<wire::Goods>) -> Result<Self, MessageError> {
        let wire::Goods { gold, items } = goods.unwrap_or_default();
        if gold > MAX_GOLD {
            return Err(MessageError::OutOfRange("gold"));
        }
        if items.len() > MAX_ITEMS {
            return Err(MessageError::OutOfRange("items"));
        }
        Ok(Self { gold, items: items.into_iter().map(EntityId).collect() })
    }
}

/// A command. Entities are named by the ids that snapshots show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Attack an entity.
    Attack {
        /// How.
        kind: AttackKind,
        /// Whom.
        target: EntityId,
    },
    /// Pick up what lies on the ground.
    PickUp {
        /// What.
        loot: EntityId,
    },
    /// Give gold and items away.
    Give {
        /// To whom.
        to: EntityId,
        /// What.
        goods: Goods,
    },
    /// Offer an exchange.
    Offer {
        /// To whom.
        to: EntityId,
        /// What the player gives.
        give: Goods,
        /// What it wants for it.
        want: Goods,
    },
    /// Accept an offer made to the player.
    Accept {
        /// Which.
        offer: EntityId,
    },
    /// Decline an offer made to the player, or take back its own.
    Decline {
        /// Which.
        offer: EntityId,
    },
    /// Come back to life.
    Respawn,
}

impl Command {
    pub(super) fn to_wire(&self, request: RequestId) -> wire::Command {
        use wire::command::Action as A;
        let action = match self {
            Self::Attack { kind, target } => A::Attack(wire::Attack { kind: kind.to_wire(), target: target.0 }),
            Self::PickUp { loot } => A::PickUp(wire::PickUp { loot: loot.0 }),
            Self::Give { to, goods } => A::Give(wire::Give { to: to.0, goods: goods.to_wire() }),
            Self::Offer { to, give, want } => {
                A::Offer(wire::Offer { to: to.0, give: give.to_wire(), want: want.to_wire() })
            }
            Self::Accept { offer } => A::Accept(wire::Accept { offer: offer.0 }),
            Self::Decline { offer } => A::Decline(wire::Decline { offer: offer.0 }),
            Self::Respawn => A::Respawn(wire::Respawn {}),
        };
        wire::Command { request_id: request.0, action: Some(action) }
    }

    pub(super) fn from_wire(command: wire::Command) -> Result<(RequestId, Self), MessageError> {
        use wire::command::Action as A;
        let wire::Command { request_id, action } = command;
        let command = match action.ok_or(MessageError::Missing("command"))? {
            A::Attack(wire::Attack { kind, target }) => {
                Self::Attack { kind: AttackKind::from_wire(kind)?, target: EntityId(target) }
            }
            A::PickUp(wire::PickUp { loot }) => Self::PickUp { loot: EntityId(loot) },
            A::Give(wire::Give { to, goods }) => Self::Give { to: EntityId(to), goods: Goods::from_wire(goods)? },
            A::Offer(wire::Offer { to, give, want }) => {
                Self::Offer { to: EntityId(to), give: Goods::from_wire(give)?, want: Goods::from_wire(want)? }
            }
            A::Accept(wire::Accept { offer }) => Self::Accept { offer: EntityId(offer) },
            A::Decline(wire::Decline { offer }) => Self::Decline { offer: EntityId(offer) },
            A::Respawn(wire::Respawn {}) => Self::Respawn,
        };
        Ok((RequestId(request_id), command))
    }
}
