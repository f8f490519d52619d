//! What a tick tells the zone: answers, transactions to make durable, actions to carry, and what players saw happen.

use darkages_topology::{EntityId, PlayerId, Position, ShardId, Tick};
use serde::{Deserialize, Serialize};

use crate::game::Game;
use crate::state::ActionId;

/// A client's number of a command, unique among all commands that this player ever sends: a client that joins anew goes on
/// from a higher number, because a durable command under a number that was answered before is answered again and not done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// The result of a command. The labels are the codes that clients, metrics and logs share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// It was done.
    Done,
    /// No such entity in sight.
    UnknownTarget,
    /// The target is not of the kind that this can be done to, or is the player itself.
    WrongTarget,
    /// The target is too far away.
    OutOfRange,
    /// Done too recently.
    OnCooldown,
    /// The player is dead.
    Dead,
    /// The player is not dead.
    NotDead,
    /// The target is dead.
    TargetDead,
    /// It is too early to respawn.
    TooEarly,
    /// The player does not have that much gold.
    NotEnoughGold,
    /// The receiver cannot hold that much gold.
    PurseFull,
    /// The player does not have that item, or it was named twice.
    NoSuchItem,
    /// The receiver cannot carry that many items.
    InventoryFull,
    /// Neither gold nor items were named.
    NothingNamed,
    /// The offer was taken back, has expired or never was.
    OfferGone,
    /// The player has as many open offers as it may.
    TooManyOffers,
    /// A party is being handed over to another zone; try again at once.
    HandingOver,
    /// The shard holds as much of this as it can.
    ShardFull,
    /// A code of the studio's own game.
    Game(u16),
}

impl Outcome {
    /// Every outcome that this crate knows, for counters that start at zero.
    pub const ALL: [Self; 18] = [
        Self::Done,
        Self::UnknownTarget,
        Self::WrongTarget,
        Self::OutOfRange,
        Self::OnCooldown,
        Self::Dead,
        Self::NotDead,
        Self::TargetDead,
        Self::TooEarly,
        Self::NotEnoughGold,
        Self::PurseFull,
        Self::NoSuchItem,
        Self::InventoryFull,
        Self::NothingNamed,
        Self::OfferGone,
        Self::TooManyOffers,
        Self::HandingOver,
        Self::ShardFull,
    ];

    /// The code.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::UnknownTarget => "unknown_target",
            Self::WrongTarget => "wrong_target",
            Self::OutOfRange => "out_of_range",
            Self::OnCooldown => "on_cooldown",
            Self::Dead => "dead",
            Self::NotDead => "not_dead",
            Self::TargetDead => "target_dead",
            Self::TooEarly => "too_early",
            Self::NotEnoughGold => "not_enough_gold",
            Self::PurseFull => "purse_full",
            Self::NoSuchItem => "no_such_item",
            Self::InventoryFull => "inventory_full",
            Self::NothingNamed => "nothing_named",
            Self::OfferGone => "offer_gone",
            Self::TooManyOffers => "too_many_offers",
            Self::HandingOver => "handing_over",
            Self::ShardFull => "shard_full",
            Self::Game(_) => "game",
        }
    }
}

/// Why a command comes back undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deferral {
    /// The player who asks is between COMMIT and RELEASE: the command goes along to the next owner.
    HandingOver,
    /// The other party is between COMMIT and RELEASE: ask again once it is gone, when it is a ghost.
    PartyHandingOver {
        /// The other party.
        other: EntityId,
    },
    /// The other party is a ghost: bring both onto one shard, then ask again.
    NeedsSameShard {
        /// The other party.
        other: EntityId,
        /// The shard that it was last seen on.
        shard: ShardId,
    },
}

/// What a tick tells the zone.
pub enum Event<G: Game> {
    /// The result of a command, to be sent at once.
    Answer {
        /// Who asked.
        player: PlayerId,
        /// What was asked.
        request: RequestId,
        /// The result.
        outcome: Outcome,
    },
    /// A durable command was done: commit the states that these players have now and the entry in one transaction, and only
    /// then send the result.
    Transaction {
        /// Who asked.
        player: PlayerId,
        /// What was asked.
        request: RequestId,
        /// The result to send once it is durable.
        outcome: Outcome,
        /// The other player whose state changed.
        with: Option<PlayerId>,
        /// The game's record of what was done ([`Game::Entry`], encoded by [`crate::codec`]).
        entry: Vec<u8>,
    },
    /// A durable command that had been done before was asked again. Its result may be sent once its transaction is durable,
    /// which it is unless this zone still waits for it.
    Repeated {
        /// Who asked.
        player: PlayerId,
        /// What was asked.
        request: RequestId,
        /// The result of the first time.
        outcome: Outcome,
    },
    /// A command comes back undone, for the zone to keep or to carry along.
    Deferred {
        /// Who asked.
        player: PlayerId,
        /// What was asked.
        request: RequestId,
        /// The command.
        command: G::Command,
        /// What has to happen first.
        why: Deferral,
    },
    /// An action against an entity of another shard, to be carried there and given to
    /// [`World::apply_remote`](crate::World::apply_remote).
    Remote {
        /// Its id.
        id: ActionId,
        /// The target.
        target: EntityId,
        /// The shard that owned the target when it was last seen.
        shard: ShardId,
        /// When it was done.
        sent: Tick,
        /// The action ([`Game::Action`], encoded by [`crate::codec`]).
        action: Vec<u8>,
    },
    /// Something that players who see the place are told.
    Happened {
        /// Where.
        position: Position,
        /// What happened.
        what: G::Event,
    },
    /// Something that one player is told.
    Told {
        /// Who.
        player: PlayerId,
        /// What.
        what: G::Event,
    },
}
