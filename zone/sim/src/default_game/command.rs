//! What players ask for in the default game, what they are told, and what is recorded.

use darkages_topology::{EntityId, PlayerId};
use serde::{Deserialize, Serialize};

use super::{Goods, Item};

/// How to attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AttackKind {
    /// A blow at arm's length.
    Melee,
    /// A shot.
    Ranged,
}

/// What players ask for. Entities are named by the ids that snapshots show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// What an entity does to one of another shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// It hits it.
    Hit {
        /// Who hits.
        attacker: EntityId,
        /// How.
        kind: AttackKind,
    },
}

/// What players are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
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

/// The record of a durable command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// A gift.
    Gave {
        /// Who gave.
        from: PlayerId,
        /// Who got.
        to: PlayerId,
        /// What.
        goods: Goods,
    },
    /// An exchange.
    Exchanged {
        /// The offer.
        offer: EntityId,
        /// Who made it.
        from: PlayerId,
        /// Who accepted it.
        to: PlayerId,
        /// What the maker gave.
        give: Goods,
        /// What the maker got.
        want: Goods,
    },
    /// Loot was picked up.
    PickedUp {
        /// By whom.
        player: PlayerId,
        /// The loot.
        loot: EntityId,
        /// Gold in it.
        gold: u64,
        /// Items in it.
        items: Vec<Item>,
    },
}
