//! What a player is told that happened.

use darkages_topology::EntityId;

use super::MessageError;
use super::command::{AttackKind, Goods};
use crate::wire;

/// Something that happened in sight of the player or to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody was hit.
    Hit {
        /// By whom.
        attacker: EntityId,
        /// Who.
        target: EntityId,
        /// How.
        kind: AttackKind,
        /// Hit points lost.
        damage: u8,
    },
    /// Somebody died.
    Died {
        /// Who.
        entity: EntityId,
        /// By whom.
        by: EntityId,
    },
    /// Somebody came back to life.
    Respawned {
        /// Who.
        entity: EntityId,
    },
    /// The player got a gift, or the other side of an exchange.
    Received {
        /// From whom.
        from: EntityId,
        /// What.
        goods: Goods,
    },
    /// An offer was made by or to the player.
    Offered {
        /// The offer's id.
        offer: EntityId,
        /// Who makes it.
        from: EntityId,
        /// To whom.
        to: EntityId,
        /// What the maker gives.
        give: Goods,
        /// What the maker wants.
        want: Goods,
    },
    /// An offer by or to the player is over: accepted, declined, taken back or expired.
    OfferClosed {
        /// The offer's id.
        offer: EntityId,
    },
}

impl Event {
    pub(super) fn to_wire(&self) -> wire::Event {
        use wire::event::Event as E;
        let event = match self {
            Self::Hit { attacker, target, kind, damage } => E::Hit(wire::Hit {
                attacker: attacker.0,
                target: target.0,
                kind: kind.to_wire(),
                damage: u32::from(*damage),
            }),
            Self::Died { entity, by } => E::Died(wire::Died { entity: entity.0, by: by.0 }),
            Self::Respawned { entity } => E::Respawned(wire::Respawned { entity: entity.0 }),
            Self::Received { from, goods } => E::Received(wire::Received { from: from.0, goods: goods.to_wire() }),
            Self::Offered { offer, from, to, give, want } => E::Offered(wire::Offered {
                offer: offer.0,
                from: from.0,
                to: to.0,
                give: give.to_wire(),
                want: want.to_wire(),
            }),
            Self::OfferClosed { offer } => E::OfferClosed(wire::OfferClosed { offer: offer.0 }),
        };
        wire::Event { event: Some(event) }
    }

    pub(super) fn from_wire(event: wire::Event) -> Result<Self, MessageError> {
        use wire::event::Event as E;
        Ok(match event.event.ok_or(MessageError::Missing("event"))? {
            E::Hit(wire::Hit { attacker, target, kind, damage }) => Self::Hit {
                attacker: EntityId(attacker),
                target: EntityId(target),
                kind: AttackKind::from_wire(kind)?,
                damage: u8::try_from(damage).map_err(|_| MessageError::OutOfRange("damage"))?,
            },
            E::Died(wire::Died { entity, by }) => Self::Died { entity: EntityId(entity), by: EntityId(by) },
            E::Respawned(wire::Respawned { entity }) => Self::Respawned { entity: EntityId(entity) },
            E::Received(wire::Received { from, goods }) => {
                Self::Received { from: EntityId(from), goods: Goods::from_wire(goods)? }
            }
            E::Offered(wire::Offered { offer, from, to, give, want }) => Self::Offered {
                offer: EntityId(offer),
                from: EntityId(from),
                to: EntityId(to),
                give: Goods::from_wire(give)?,
                want: Goods::from_wire(want)?,
            },
            E::OfferClosed(wire::OfferClosed { offer }) => Self::OfferClosed { offer: EntityId(offer) },
        })
    }
}
