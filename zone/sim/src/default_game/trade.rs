//! Gifts, exchanges and loot: gold and items from hand to hand, all at once or not at all.

use darkages_topology::{EntityId, PlayerId, Tick};
use serde::{Deserialize, Serialize};

use super::{DefaultGame, Entry, Goods, Happening, Loot, Thing};
use crate::event::Outcome;
use crate::game::{Subject, Verdict};
use crate::scene::Scene;
use crate::view::Kind;

/// How far apart two players may trade, in metres.
pub const TRADE_RANGE_M: i32 = 10;
/// How far loot may lie, in metres.
pub const PICKUP_RANGE_M: i32 = 3;
/// Ticks after which an offer expires: 10 s.
pub const OFFER_LIFETIME_TICKS: u64 = 600;
/// Open offers of one player, at most.
pub const MAX_OFFERS_PER_PLAYER: usize = 4;
/// Open offers on one shard, at most.
pub const MAX_OFFERS: usize = 4_096;

/// An open offer. It is dropped when a party leaves the shard: nothing has changed hands yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Its id, unique in the world.
    pub id: EntityId,
    /// Who makes it.
    pub from: PlayerId,
    /// To whom.
    pub to: PlayerId,
    /// What the maker gives.
    pub give: Goods,
    /// What the maker wants.
    pub want: Goods,
    /// When it is over.
    pub until: Tick,
}

/// Why a deal does not happen: a code, or something that has to happen first.
enum No {
    Refused(Outcome),
    NeedsSameShard(EntityId),
    PartyHandingOver(EntityId),
}

impl From<Outcome> for No {
    fn from(outcome: Outcome) -> Self {
        Self::Refused(outcome)
    }
}

fn verdict(result: Result<Verdict<Entry>, No>) -> Verdict<Entry> {
    result.unwrap_or_else(|no| match no {
        No::Refused(outcome) => Verdict::Answer(outcome),
        No::NeedsSameShard(other) => Verdict::NeedsSameShard(other),
        No::PartyHandingOver(other) => Verdict::PartyHandingOver(other),
    })
}

pub(super) fn pick_up(scene: &mut Scene<DefaultGame>, actor: usize, loot: EntityId) -> Verdict<Entry> {
    verdict(try_pick_up(scene, actor, loot))
}

fn try_pick_up(scene: &mut Scene<DefaultGame>, actor: usize, entity: EntityId) -> Result<Verdict<Entry>, No> {
    if scene.character(actor).is_dead() {
        return Err(Outcome::Dead.into());
    }
    let subject = scene.find(entity).ok_or(Outcome::UnknownTarget)?;
    if !scene.position(Subject::Player(actor)).within(scene.position(subject), PICKUP_RANGE_M) {
        return Err(Outcome::OutOfRange.into());
    }
    let at = match subject {
        Subject::Thing(at) => at,
        Subject::Ghost(at) if scene.ghost(at).view.kind == Kind::Loot => return Err(No::NeedsSameShard(entity)),
        Subject::Player(_) | Subject::Ghost(_) => return Err(Outcome::WrongTarget.into()),
    };
    let Thing::Loot(loot) = scene.thing(at) else { return Err(Outcome::WrongTarget.into()) };
    scene.character(actor).check_holds(loot.gold, loot.items.len(), &Goods::default())?;
    let Thing::Loot(Loot { gold, items, until: _ }) = scene.remove_thing(at).thing else {
        return Err(Outcome::WrongTarget.into());
    };
    scene.character_mut(actor).put_loot(gold, items.clone());
    let player = scene.player_id(actor);
    Ok(Verdict::Commit { with: None, entry: Entry::PickedUp { player, loot: entity, gold, items } })
}

/// The player who is `entity`, when a deal with it is possible here and now.
fn partner(scene: &Scene<DefaultGame>, actor: usize, entity: EntityId) -> Result<usize, No> {
    if scene.character(actor).is_dead() {
        return Err(Outcome::Dead.into());
    }
    let subject = scene.find(entity).ok_or(Outcome::UnknownTarget)?;
    if subject == Subject::Player(actor) {
        return Err(Outcome::WrongTarget.into());
    }
    if !scene.position(Subject::Player(actor)).within(scene.position(subject), TRADE_RANGE_M) {
        return Err(Outcome::OutOfRange.into());
    }
    match subject {
        Subject::Player(at) if scene.is_frozen(at) => Err(No::PartyHandingOver(entity)),
        Subject::Player(at) if scene.character(at).is_dead() => Err(Outcome::TargetDead.into()),
        Subject::Player(at) => Ok(at),
        Subject::Ghost(at) if scene.ghost(at).player.is_some() => Err(No::NeedsSameShard(entity)),
        Subject::Ghost(_) | Subject::Thing(_) => Err(Outcome::WrongTarget.into()),
    }
}

pub(super) fn give(scene: &mut Scene<DefaultGame>, actor: usize, to: EntityId, goods: &Goods) -> Verdict<Entry> {
    verdict(try_give(scene, actor, to, goods))
}

fn try_give(scene: &mut Scene<DefaultGame>, actor: usize, to: EntityId, goods: &Goods) -> Result<Verdict<Entry>, No> {
    if goods.is_nothing() {
        return Err(Outcome::NothingNamed.into());
    }
    let receiver = partner(scene, actor, to)?;
    scene.character(actor).check_has(goods)?;
    scene.character(receiver).check_holds(goods.gold, goods.items.len(), &Goods::default())?;
    let taken = scene.character_mut(actor).take(goods);
    scene.character_mut(receiver).put(taken);
    let (from, to) = (scene.player_id(actor), scene.player_id(receiver));
    scene.tell(to, Happening::Received { from: scene.player_entity(actor), goods: goods.clone() });
    Ok(Verdict::Commit { with: Some(to), entry: Entry::Gave { from, to, goods: goods.clone() } })
}

pub(super) fn offer(
    scene: &mut Scene<DefaultGame>,
    actor: usize,
    to: EntityId,
    give: &Goods,
    want: &Goods,
) -> Verdict<Entry> {
    verdict(try_offer(scene, actor, to, give, want))
}

fn try_offer(
    scene: &mut Scene<DefaultGame>,
    actor: usize,
    to: EntityId,
    give: &Goods,
    want: &Goods,
) -> Result<Verdict<Entry>, No> {
    if give.is_nothing() && want.is_nothing() {
        return Err(Outcome::NothingNamed.into());
    }
    let receiver = partner(scene, actor, to)?;
    scene.character(actor).check_has(give)?;
    // Whether the receiver has what is wanted is its own business until it accepts: an offer must not probe a bag.
    if want.items.len() > super::MAX_ITEMS {
        return Err(Outcome::NoSuchItem.into());
    }
    let (from, to_player) = (scene.player_id(actor), scene.player_id(receiver));
    let offers = &scene.shard.offers;
    if offers.iter().filter(|offer| offer.from == from).count() >= MAX_OFFERS_PER_PLAYER {
        return Err(Outcome::TooManyOffers.into());
    }
    if offers.len() >= MAX_OFFERS {
        return Err(Outcome::ShardFull.into());
    }
    let id = scene.mint().ok_or(Outcome::ShardFull)?;
    let until = scene.tick().plus(OFFER_LIFETIME_TICKS);
    let (give, want) = (give.clone(), want.clone());
    let told =
        Happening::Offered { offer: id, from: scene.player_entity(actor), to, give: give.clone(), want: want.clone() };
    scene.shard.offers.push(Offer { id, from, to: to_player, give, want, until });
    scene.tell(from, told.clone());
    scene.tell(to_player, told);
    Ok(Verdict::Answer(Outcome::Done))
}

pub(super) fn accept(scene: &mut Scene<DefaultGame>, actor: usize, offer: EntityId) -> Verdict<Entry> {
    verdict(try_accept(scene, actor, offer))
}

fn try_accept(scene: &mut Scene<DefaultGame>, actor: usize, id: EntityId) -> Result<Verdict<Entry>, No> {
    let to = scene.player_id(actor);
    let at = find_offer(scene, id, |offer| offer.to == to)?;
    let Some(maker) = scene.find_player(scene.shard.offers[at].from) else {
        close_offer(scene, at);
        return Err(Outcome::OfferGone.into());
    };
    partner(scene, actor, scene.player_entity(maker))?;
    let Offer { from, give, want, .. } = scene.shard.offers[at].clone();
    scene.character(maker).check_has(&give)?;
    scene.character(actor).check_has(&want)?;
    scene.character(maker).check_holds(want.gold, want.items.len(), &give)?;
    scene.character(actor).check_holds(give.gold, give.items.len(), &want)?;
    let given = scene.character_mut(maker).take(&give);
    let wanted = scene.character_mut(actor).take(&want);
    scene.character_mut(maker).put(wanted);
    scene.character_mut(actor).put(given);
    close_offer(scene, at);
    scene.tell(from, Happening::Received { from: scene.player_entity(actor), goods: want.clone() });
    Ok(Verdict::Commit { with: Some(from), entry: Entry::Exchanged { offer: id, from, to, give, want } })
}

pub(super) fn decline(scene: &mut Scene<DefaultGame>, actor: usize, offer: EntityId) -> Verdict<Entry> {
    let player = scene.player_id(actor);
    Verdict::Answer(match find_offer(scene, offer, |offer| offer.to == player || offer.from == player) {
        Ok(at) => {
            close_offer(scene, at);
            Outcome::Done
        }
        Err(outcome) => outcome,
    })
}

fn find_offer(scene: &Scene<DefaultGame>, id: EntityId, may: impl Fn(&Offer) -> bool) -> Result<usize, Outcome> {
    scene.shard.offers.iter().position(|offer| offer.id == id && may(offer)).ok_or(Outcome::OfferGone)
}

fn close_offer(scene: &mut Scene<DefaultGame>, at: usize) {
    let Offer { id, from, to, .. } = scene.shard.offers.remove(at);
    scene.tell(from, Happening::OfferClosed { offer: id });
    scene.tell(to, Happening::OfferClosed { offer: id });
}

/// Offers are in the order in which they expire.
pub(super) fn expire_offers(scene: &mut Scene<DefaultGame>) {
    while scene.shard.offers.first().is_some_and(|offer| offer.until <= scene.tick()) {
        close_offer(scene, 0);
    }
}
