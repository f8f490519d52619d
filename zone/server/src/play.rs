//! The game that a zone serves, and its words on the wire.
//!
//! The simulation knows no protocol and the protocol no simulation; a studio that brings its own [`Game`] says here how its
//! commands and events travel.

use darkages_protocol as wire;
use darkages_sim::default_game::{AttackKind, Character, Command, Goods, Happening, ItemId, Rules};
use darkages_sim::{DefaultGame, Game, Outcome, RequestId, Subject, World};
use darkages_topology::{EntityId, PlayerId};

/// A game that can be played over the network.
pub trait Play:
    Game<Rules: Send, Character: Send, Thing: Send, Shard: Send, Command: Send, Action: Send, Event: Send, Entry: Send>
{
    /// The command that a client asks for, `None` when this game has none such.
    fn understand(command: wire::Command) -> Option<Self::Command>;

    /// The other player whose state a durable command would change, as far as it can be told before it is done. Commands with
    /// a party in common are never under way to the store at once.
    fn other_party(world: &World<Self>, command: &Self::Command) -> Option<PlayerId>;

    /// What clients are told of an event.
    fn event(event: Self::Event) -> wire::Event;

    /// What the player's own client is told of its character.
    fn self_state(character: &Self::Character) -> wire::SelfState;

    /// Raised with each change of what [`Play::self_state`] tells.
    fn version(character: &Self::Character) -> u32;

    /// Gold and items of a character, for audits.
    fn belongings(character: &Self::Character) -> (u64, Vec<EntityId>);
}

impl Play for DefaultGame {
    fn understand(command: wire::Command) -> Option<Command> {
        Some(match command {
            wire::Command::Attack { kind, target } => {
                let kind = match kind {
                    wire::AttackKind::Melee => AttackKind::Melee,
                    wire::AttackKind::Ranged => AttackKind::Ranged,
                };
                Command::Attack { kind, target }
            }
            wire::Command::PickUp { loot } => Command::PickUp { loot },
            wire::Command::Give { to, goods } => Command::Give { to, goods: goods_from(goods) },
            wire::Command::Offer { to, give, want } => {
                Command::Offer { to, give: goods_from(give), want: goods_from(want) }
            }
            wire::Command::Accept { offer } => Command::Accept { offer },
            wire::Command::Decline { offer } => Command::Decline { offer },
            wire::Command::Respawn => Command::Respawn,
        })
    }

    fn other_party(world: &World<Self>, command: &Command) -> Option<PlayerId> {
        let scene = world.scene();
        match command {
            Command::Give { to, .. } | Command::Offer { to, .. } => match scene.find(*to)? {
                Subject::Player(at) => Some(scene.player_id(at)),
                Subject::Thing(_) | Subject::Ghost(_) => None,
            },
            // Whoever asks is the receiver, so the other one is the maker.
            Command::Accept { offer } => scene.shard.offers.iter().find(|open| open.id == *offer).map(|open| open.from),
            Command::Attack { .. } | Command::PickUp { .. } | Command::Decline { .. } | Command::Respawn => None,
        }
    }

    fn event(event: Happening) -> wire::Event {
        match event {
            Happening::Hit { attacker, target, kind, damage } => {
                let kind = match kind {
                    AttackKind::Melee => wire::AttackKind::Melee,
                    AttackKind::Ranged => wire::AttackKind::Ranged,
                };
                wire::Event::Hit { attacker, target, kind, damage }
            }
            Happening::Died { entity, by } => wire::Event::Died { entity, by },
            Happening::Respawned { entity } => wire::Event::Respawned { entity },
            Happening::Received { from, goods } => wire::Event::Received { from, goods: goods_to(goods) },
            Happening::Offered { offer, from, to, give, want } => {
                wire::Event::Offered { offer, from, to, give: goods_to(give), want: goods_to(want) }
            }
            Happening::OfferClosed { offer } => wire::Event::OfferClosed { offer },
        }
    }

    fn self_state(character: &Character) -> wire::SelfState {
        let items = character.items.iter().map(|item| wire::Item { id: item.id.0, kind: item.kind }).collect();
        let Character { hit_points, gold, version, .. } = *character;
        wire::SelfState { hit_points, gold, items, version }
    }

    fn version(character: &Character) -> u32 {
        character.version
    }

    fn belongings(character: &Character) -> (u64, Vec<EntityId>) {
        (character.gold, character.items.iter().map(|item| item.id.0).collect())
    }
}

/// The rules of the default game, which most worlds start with.
pub type DefaultRules = Rules;

fn goods_from(goods: wire::Goods) -> Goods {
    Goods { gold: goods.gold, items: goods.items.into_iter().map(ItemId).collect() }
}

fn goods_to(goods: Goods) -> wire::Goods {
    wire::Goods { gold: goods.gold, items: goods.items.into_iter().map(|item| item.0).collect() }
}

/// A client's request number as the simulation knows it.
#[must_use]
pub const fn request_from(request: wire::RequestId) -> RequestId {
    RequestId(request.0)
}

/// An outcome as clients are told it.
#[must_use]
pub const fn code_of(outcome: Outcome) -> wire::ResultCode {
    use wire::ResultCode as Code;
    match outcome {
        Outcome::Done => Code::Done,
        Outcome::UnknownTarget => Code::UnknownTarget,
        Outcome::WrongTarget => Code::WrongTarget,
        Outcome::OutOfRange => Code::OutOfRange,
        Outcome::OnCooldown => Code::OnCooldown,
        Outcome::Dead => Code::Dead,
        Outcome::NotDead => Code::NotDead,
        Outcome::TargetDead => Code::TargetDead,
        Outcome::TooEarly => Code::TooEarly,
        Outcome::NotEnoughGold => Code::NotEnoughGold,
        Outcome::PurseFull => Code::PurseFull,
        Outcome::NoSuchItem => Code::NoSuchItem,
        Outcome::InventoryFull => Code::InventoryFull,
        Outcome::NothingNamed => Code::NothingNamed,
        Outcome::OfferGone => Code::OfferGone,
        Outcome::TooManyOffers => Code::TooManyOffers,
        Outcome::HandingOver => Code::HandingOver,
        Outcome::ShardFull => Code::ShardFull,
        Outcome::Game(code) => Code::Game(code),
    }
}
