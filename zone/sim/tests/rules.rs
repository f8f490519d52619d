//! The default game's rules, one by one.

use darkages_sim::default_game::{
    AttackKind, Command, Goods, Happening, Item, Loot, MAX_OFFERS_PER_PLAYER, MELEE_COOLDOWN_TICKS,
    OFFER_LIFETIME_TICKS, RESPAWN_AT_TICKS, RESPAWN_FROM_TICKS, Rules, Thing,
};
use darkages_sim::event::Deferral;
use darkages_sim::ghost::GHOST_LIFETIME_TICKS;
use darkages_sim::state::{ACTION_LIFETIME_TICKS, MAX_SEEN_ACTIONS};
use darkages_sim::view::FLAG_DEAD;
use darkages_sim::world::MAX_WAITING_COMMANDS;
use darkages_sim::{
    ActionId, Applied, CommandRefused, DefaultGame, EntityView, Event, GhostState, Kind, Outcome, RequestId, Shown,
    Subject, World, WorldConfig, codec,
};
use darkages_topology::{EntityId, PlayerId, Position, Rect, ShardEpoch, ShardId, Tick};

const ANN: PlayerId = PlayerId(1);
const BEN: PlayerId = PlayerId(2);

/// A shard with two players, 2 m apart.
struct Stage {
    world: World<DefaultGame>,
    request: u64,
    events: Vec<Event<DefaultGame>>,
}

impl Stage {
    fn new() -> Self {
        Self::with_creatures(0)
    }

    fn with_creatures(npcs_per_square_km: u32) -> Self {
        let (min, max) = (Position::from_metres(-250, -250), Position::from_metres(250, 250));
        let bounds = Rect::new(min, max).expect("the bounds are sound");
        let rules = Rules { npcs_per_square_km, ..Rules::default() };
        let config = WorldConfig { bounds, ground: bounds, shard: ShardId(1), epoch: ShardEpoch(1), seed: 5, rules };
        let world = World::new(config).expect("the first incarnation has ids");
        let mut stage = Self { world, request: 0, events: Vec::new() };
        stage.join(ANN, Position::from_metres(0, 0));
        stage.join(BEN, Position::from_metres(2, 0));
        stage.steps(1);
        stage
    }

    fn join(&mut self, player: PlayerId, position: Position) {
        let state = self.world.new_player(player, position).expect("there are ids");
        self.world.insert_player(state).expect("the player is new");
    }

    fn steps(&mut self, ticks: u64) {
        for _ in 0..ticks {
            self.world.step(self.world.tick().plus(1), &mut self.events);
        }
    }

    /// Asks, steps once and gives the answer.
    fn ask(&mut self, player: PlayerId, command: Command) -> Result<Outcome, Deferral> {
        self.request += 1;
        let request = RequestId(self.request);
        self.world.queue_command(player, request, command).expect("few commands wait");
        self.steps(1);
        let mut answers = self.events.iter().filter_map(|event| match event {
            Event::Answer { request: r, outcome, .. } | Event::Transaction { request: r, outcome, .. } => {
                (*r == request).then_some(Ok(*outcome))
            }
            Event::Deferred { request: r, why, .. } => (*r == request).then_some(Err(*why)),
            _ => None,
        });
        let answer = answers.next().expect("each command is answered");
        assert!(answers.next().is_none(), "each command is answered once");
        answer
    }

    fn hit(&mut self, player: PlayerId, kind: AttackKind, target: EntityId) -> Result<Outcome, Deferral> {
        self.ask(player, Command::Attack { kind, target })
    }

    fn kill_ben(&mut self) {
        let ben = self.entity(BEN);
        while self.world.character(BEN).is_some_and(|ben| !ben.is_dead()) {
            self.hit(ANN, AttackKind::Melee, ben).expect("nobody is handed over");
        }
    }

    fn entity(&self, player: PlayerId) -> EntityId {
        self.world.entity_of(player).expect("the player is here")
    }

    fn gold(&self, player: PlayerId) -> u64 {
        self.world.character(player).expect("the player is here").gold
    }

    fn item(&self, player: PlayerId, at: usize) -> Item {
        self.world.character(player).expect("the player is here").items[at]
    }

    fn offers(&self) -> Vec<EntityId> {
        self.world.scene().shard.offers.iter().map(|offer| offer.id).collect()
    }

    fn show_ghost(&mut self, player: PlayerId, position: Position) -> EntityId {
        let entity = EntityId::new(ShardId(2), player.0);
        let view = EntityView { entity, position, hit_points: 100, ..EntityView::default() };
        let ghost = GhostState { view, player: Some(player), from_shard: ShardId(2), tick: self.world.tick() };
        assert_eq!(self.world.upsert_ghost(ghost), Shown::Done);
        entity
    }
}

fn gold(gold: u64) -> Goods {
    Goods { gold, items: Vec::new() }
}

#[test]
fn a_blow_needs_range_a_living_target_and_patience() {
    let mut stage = Stage::new();
    let (ann, ben) = (stage.entity(ANN), stage.entity(BEN));
    assert_eq!(stage.hit(ANN, AttackKind::Melee, ben), Ok(Outcome::Done));
    assert_eq!(stage.world.character(BEN).expect("here").hit_points, 90);
    assert_eq!(stage.hit(ANN, AttackKind::Melee, ben), Ok(Outcome::OnCooldown));
    assert_eq!(stage.hit(ANN, AttackKind::Ranged, ben), Ok(Outcome::Done));
    stage.steps(MELEE_COOLDOWN_TICKS);
    assert_eq!(stage.hit(ANN, AttackKind::Melee, ben), Ok(Outcome::Done));
    assert_eq!(stage.hit(ANN, AttackKind::Melee, ann), Ok(Outcome::WrongTarget));
    assert_eq!(stage.hit(ANN, AttackKind::Melee, EntityId(77)), Ok(Outcome::UnknownTarget));
    stage.join(PlayerId(3), Position::from_metres(20, 0));
    let far = stage.entity(PlayerId(3));
    stage.steps(60);
    assert_eq!(stage.hit(ANN, AttackKind::Melee, far), Ok(Outcome::OutOfRange));
    assert_eq!(stage.hit(ANN, AttackKind::Ranged, far), Ok(Outcome::Done));
}

#[test]
fn the_dead_stand_still_until_they_respawn() {
    let mut stage = Stage::new();
    let (ann, ben) = (stage.entity(ANN), stage.entity(BEN));
    assert_eq!(stage.ask(BEN, Command::Respawn), Ok(Outcome::NotDead));
    stage.kill_ben();
    assert_eq!(stage.hit(BEN, AttackKind::Ranged, ann), Ok(Outcome::Dead));
    assert_eq!(stage.hit(ANN, AttackKind::Ranged, ben), Ok(Outcome::TargetDead));
    assert_eq!(stage.ask(BEN, Command::Give { to: ann, goods: gold(1) }), Ok(Outcome::Dead));
    assert_eq!(stage.ask(ANN, Command::Give { to: ben, goods: gold(1) }), Ok(Outcome::TargetDead));
    assert_eq!(stage.ask(BEN, Command::Respawn), Ok(Outcome::TooEarly));
    assert!(stage.world.views().iter().any(|view| view.entity == ben && view.flags & FLAG_DEAD != 0));
    stage.steps(RESPAWN_FROM_TICKS);
    assert_eq!(stage.ask(BEN, Command::Respawn), Ok(Outcome::Done));
    let character = stage.world.character(BEN).expect("here");
    assert_eq!((character.hit_points, character.gold), (100, 100));
    assert_eq!(stage.world.position_of(BEN), Some(Position::from_metres(50, 50)));
}

#[test]
fn the_dead_come_back_unasked() {
    let mut stage = Stage::new();
    stage.kill_ben();
    stage.steps(RESPAWN_AT_TICKS);
    assert!(!stage.world.character(BEN).expect("here").is_dead());
}

#[test]
fn a_creature_leaves_loot_that_one_player_gets() {
    let mut stage = Stage::with_creatures(400);
    stage.steps(300);
    let npc = stage.world.views().iter().find(|view| view.kind == Kind::Npc).copied().expect("creatures have come");
    let mut ann = stage.world.remove_player(ANN).expect("here");
    ann.body.position = npc.position;
    stage.world.insert_player(ann).expect("just left");
    let before = stage.world.gold_total();
    while stage.world.views().iter().any(|view| view.entity == npc.entity) {
        stage.hit(ANN, AttackKind::Ranged, npc.entity).expect("nobody is handed over");
    }
    let loot = stage.world.views().iter().find(|view| view.kind == Kind::Loot).copied().expect("it left loot");
    let drop = stage.world.gold_total() - before;
    assert!((1..=20).contains(&drop));
    assert_eq!(stage.ask(BEN, Command::PickUp { loot: loot.entity }), Ok(Outcome::OutOfRange));
    let mut ann = stage.world.remove_player(ANN).expect("here");
    ann.body.position = loot.position;
    stage.world.insert_player(ann).expect("just left");
    assert_eq!(stage.ask(ANN, Command::PickUp { loot: loot.entity }), Ok(Outcome::Done));
    assert_eq!(stage.gold(ANN), 100 + drop);
    assert_eq!(stage.ask(ANN, Command::PickUp { loot: loot.entity }), Ok(Outcome::UnknownTarget));
}

#[test]
fn loot_that_nobody_wants_is_accounted_for() {
    let mut stage = Stage::new();
    let until = stage.world.tick().plus(10);
    let mut state = stage.world.new_player(PlayerId(9), Position::from_metres(9, 9)).expect("there are ids");
    let thing = Thing::Loot(Loot { gold: 7, items: std::mem::take(&mut state.character.items), until });
    let loot = darkages_sim::ThingState { entity: state.entity, body: state.body, seen: state.seen, thing };
    stage.world.insert_thing(loot).expect("there is room");
    stage.steps(10);
    assert_eq!(stage.world.scene().shard.gold_destroyed, 7);
    assert_eq!(stage.world.scene().shard.items_destroyed, 2);
}

#[test]
fn a_gift_moves_exactly_what_was_named() {
    let mut stage = Stage::new();
    let (ann, ben) = (stage.entity(ANN), stage.entity(BEN));
    let item = stage.item(ANN, 1);
    let goods = Goods { gold: 30, items: vec![item.id] };
    assert_eq!(stage.ask(ANN, Command::Give { to: ben, goods: goods.clone() }), Ok(Outcome::Done));
    assert!(stage.events.iter().any(|event| matches!(event,
        Event::Transaction { player, with, entry, .. } if *player == ANN && *with == Some(BEN) && !entry.is_empty())));
    assert_eq!((stage.gold(ANN), stage.gold(BEN)), (70, 130));
    assert_eq!(stage.item(BEN, 2), item);
    assert_eq!(stage.ask(ANN, Command::Give { to: ben, goods }), Ok(Outcome::NoSuchItem));
    assert_eq!(stage.ask(ANN, Command::Give { to: ben, goods: gold(71) }), Ok(Outcome::NotEnoughGold));
    assert_eq!(stage.ask(ANN, Command::Give { to: ben, goods: gold(0) }), Ok(Outcome::NothingNamed));
    assert_eq!(stage.ask(ANN, Command::Give { to: ann, goods: gold(1) }), Ok(Outcome::WrongTarget));
    let twice = Goods { gold: 0, items: vec![stage.item(ANN, 0).id; 2] };
    assert_eq!(stage.ask(ANN, Command::Give { to: ben, goods: twice }), Ok(Outcome::NoSuchItem));
}

#[test]
fn a_durable_request_is_done_once_also_after_a_handoff() {
    let mut stage = Stage::new();
    let give = Command::Give { to: stage.entity(BEN), goods: gold(10) };
    assert_eq!(stage.ask(ANN, give.clone()), Ok(Outcome::Done));
    let bytes = stage.world.remove_player(ANN).expect("here").encode().expect("short");
    let state = darkages_sim::PlayerState::decode(&bytes).expect("the bytes are a state");
    stage.world.insert_player(state).expect("just left");
    stage.world.queue_command(ANN, RequestId(stage.request), give).expect("few commands wait");
    stage.steps(1);
    assert!(stage.events.iter().any(|event| matches!(event, Event::Repeated { outcome: Outcome::Done, .. })));
    assert_eq!(stage.gold(ANN), 90);
}

#[test]
fn an_exchange_happens_when_both_sides_agree() {
    let mut stage = Stage::new();
    let (item, price) = (stage.item(ANN, 0), gold(60));
    let give = Goods { gold: 0, items: vec![item.id] };
    let offer = Command::Offer { to: stage.entity(BEN), give, want: price };
    assert_eq!(stage.ask(ANN, offer.clone()), Ok(Outcome::Done));
    let told = stage.events.iter().filter(|event| matches!(event, Event::Told { what: Happening::Offered { .. }, .. }));
    assert_eq!(told.count(), 2);
    let id = stage.offers()[0];
    assert_eq!(stage.ask(ANN, Command::Accept { offer: id }), Ok(Outcome::OfferGone));
    assert_eq!(stage.ask(BEN, Command::Accept { offer: id }), Ok(Outcome::Done));
    assert_eq!((stage.gold(ANN), stage.gold(BEN)), (160, 40));
    assert_eq!(stage.item(BEN, 2), item);
    assert_eq!(stage.ask(BEN, Command::Accept { offer: id }), Ok(Outcome::OfferGone));
    assert_eq!(stage.ask(ANN, offer), Ok(Outcome::NoSuchItem));
}

#[test]
fn offers_are_few_and_end() {
    let mut stage = Stage::new();
    let offer = Command::Offer { to: stage.entity(BEN), give: gold(1), want: gold(500) };
    for _ in 0..MAX_OFFERS_PER_PLAYER {
        assert_eq!(stage.ask(ANN, offer.clone()), Ok(Outcome::Done));
    }
    assert_eq!(stage.ask(ANN, offer.clone()), Ok(Outcome::TooManyOffers));
    let offers = stage.offers();
    assert_eq!(stage.ask(BEN, Command::Decline { offer: offers[0] }), Ok(Outcome::Done));
    assert_eq!(stage.ask(ANN, Command::Decline { offer: offers[1] }), Ok(Outcome::Done));
    assert_eq!(stage.ask(BEN, Command::Accept { offer: offers[2] }), Ok(Outcome::NotEnoughGold));
    stage.steps(OFFER_LIFETIME_TICKS);
    assert!(stage.offers().is_empty());
    assert_eq!(stage.ask(ANN, offer), Ok(Outcome::Done));
    stage.world.remove_player(ANN).expect("here");
    let last = stage.offers()[0];
    assert_eq!(stage.ask(BEN, Command::Accept { offer: last }), Ok(Outcome::OfferGone));
    assert!(stage.offers().is_empty());
}

#[test]
fn nothing_durable_starts_while_a_party_is_handed_over() {
    let mut stage = Stage::new();
    let ben = stage.entity(BEN);
    stage.world.freeze(ANN, true);
    let give = Command::Give { to: ben, goods: gold(1) };
    assert_eq!(stage.ask(ANN, give.clone()), Err(Deferral::HandingOver));
    assert_eq!(stage.hit(ANN, AttackKind::Melee, ben), Ok(Outcome::Done));
    stage.world.freeze(ANN, false);
    stage.world.freeze(BEN, true);
    assert_eq!(stage.ask(ANN, give.clone()), Err(Deferral::PartyHandingOver { other: ben }));
    stage.world.freeze(BEN, false);
    assert_eq!(stage.ask(ANN, give.clone()), Ok(Outcome::Done));
    // A command whose player left before the tick comes back, too.
    stage.world.queue_command(ANN, RequestId(900), give.clone()).expect("few commands wait");
    stage.world.remove_player(ANN).expect("here");
    stage.steps(1);
    assert!(stage.events.iter().any(|event| matches!(event,
        Event::Deferred { request: RequestId(900), command, why: Deferral::HandingOver, .. } if *command == give)));
}

#[test]
fn a_deal_across_the_border_waits_and_a_blow_travels() {
    let mut stage = Stage::new();
    let cat = stage.show_ghost(PlayerId(3), Position::from_metres(1, 1));
    let needs = Err(Deferral::NeedsSameShard { other: cat, shard: ShardId(2) });
    assert_eq!(stage.ask(ANN, Command::Give { to: cat, goods: gold(1) }), needs);
    assert_eq!(stage.hit(ANN, AttackKind::Melee, cat), Ok(Outcome::Done));
    let remote = stage.events.iter().find_map(|event| match event {
        Event::Remote { target, shard, action, .. } => Some((*target, *shard, action.clone())),
        _ => None,
    });
    let (target, shard, action) = remote.expect("the blow travels");
    assert_eq!((target, shard), (cat, ShardId(2)));
    assert!(codec::decode::<darkages_sim::default_game::Action>(&action).is_ok());
}

#[test]
fn a_blow_from_another_shard_lands_once_wherever_its_target_goes() {
    let mut stage = Stage::new();
    let ben = stage.entity(BEN);
    let action = darkages_sim::default_game::Action::Hit { attacker: EntityId(5), kind: AttackKind::Melee };
    let action = codec::encode(&action).expect("short");
    let id = |number| ActionId { shard: ShardId(2), epoch: ShardEpoch(1), number };
    let now = stage.world.tick();
    let apply = |stage: &mut Stage, number, target| {
        stage.world.apply_remote(id(number), target, now, &action).expect("the bytes are an action")
    };
    assert_eq!(apply(&mut stage, 1, ben), Applied::Done);
    assert_eq!(apply(&mut stage, 1, ben), Applied::Duplicate);
    let state = stage.world.remove_player(BEN).expect("here");
    assert_eq!(apply(&mut stage, 2, ben), Applied::NotHere);
    stage.world.insert_player(state).expect("just left");
    assert_eq!(apply(&mut stage, 1, ben), Applied::Duplicate);
    for number in 2..=MAX_SEEN_ACTIONS as u64 {
        assert_eq!(apply(&mut stage, number, ben), Applied::Done);
    }
    assert_eq!(apply(&mut stage, 999, ben), Applied::Crowded);
    stage.steps(ACTION_LIFETIME_TICKS + 1);
    assert_eq!(apply(&mut stage, 1, ben), Applied::Expired);
    assert!(stage.world.apply_remote(id(1), ben, now, &[1, 200, 7]).is_err());
}

#[test]
fn ghosts_follow_their_owner_and_fade() {
    let mut stage = Stage::new();
    let place = Position::from_metres(1, 1);
    let cat = stage.show_ghost(PlayerId(3), place);
    let mut old = *stage.world.ghosts().next().expect("it is shown");
    old.tick = Tick(0);
    assert_eq!(stage.world.upsert_ghost(old), Shown::Older);
    old.view.entity = stage.entity(ANN);
    assert_eq!(stage.world.upsert_ghost(old), Shown::Owned);
    stage.steps(u64::from(GHOST_LIFETIME_TICKS));
    assert!(stage.world.views().iter().any(|view| view.entity == cat));
    stage.steps(1);
    assert!(stage.world.views().iter().all(|view| view.entity != cat));
    // The owner of a ghost may become this shard, and the ghost makes way.
    let ann = stage.world.remove_player(ANN).expect("here");
    let view = EntityView { entity: ann.entity, ..EntityView::default() };
    let ghost = GhostState { view, player: Some(ANN), from_shard: ShardId(2), tick: stage.world.tick() };
    assert_eq!(stage.world.upsert_ghost(ghost), Shown::Done);
    stage.world.insert_player(ann).expect("only its ghost is here");
    assert_eq!(stage.world.ghosts().count(), 0);
    assert!(matches!(stage.world.scene().find(stage.entity(ANN)), Some(Subject::Player(_))));
}

#[test]
fn creatures_keep_to_their_shards_ground() {
    let mut stage = Stage::with_creatures(400);
    let ground = Rect::new(Position::from_metres(-250, -250), Position::from_metres(0, 250)).expect("sound");
    stage.world.set_ground(ground);
    stage.steps(2_000);
    let things: Vec<_> = stage.world.things().collect();
    assert!(
        (45..=55).contains(&things.len()),
        "{} creatures on an eighth of 400 to the square kilometre",
        things.len()
    );
    assert!(things.iter().all(|(_, position)| ground.contains(*position)));
}

#[test]
fn waiting_commands_are_bounded() {
    let mut stage = Stage::new();
    for request in 0..u64::from(MAX_WAITING_COMMANDS) {
        stage.world.queue_command(ANN, RequestId(request), Command::Respawn).expect("there is room");
    }
    let refused = stage.world.queue_command(ANN, RequestId(99), Command::Respawn);
    assert_eq!(refused, Err(CommandRefused::Full));
    stage.steps(1);
    assert_eq!(stage.world.queue_command(ANN, RequestId(99), Command::Respawn), Ok(()));
}
