//! Bytes of states: golden, consumed to the end, and harmless whatever they are.

use darkages_sim::codec::{self, CodecError, FORMAT};
use darkages_sim::default_game::{Character, Goods, Item, ItemId, Npc, Rules, Thing};
use darkages_sim::event::{Outcome, RequestId};
use darkages_sim::save::LoadError;
use darkages_sim::{
    Body, DefaultGame, Heading, InputValue, InsertError, Mint, MintError, PlayerState, SpeedClass, ThingState, World,
    WorldConfig,
};
use darkages_topology::{EntityId, InputSeq, PlayerId, Position, Rect, ShardEpoch, ShardId, Tick};
use proptest::prelude::*;

fn config(shard: u32) -> WorldConfig<Rules> {
    let bounds = Rect::new(Position::from_metres(-100, -100), Position::from_metres(100, 100)).expect("sound bounds");
    let rules = Rules { npcs_per_square_km: 500, ..Rules::default() };
    WorldConfig { bounds, ground: bounds, shard: ShardId(shard), epoch: ShardEpoch(2), seed: 1, rules }
}

fn state() -> PlayerState<Character> {
    let mut world = World::<DefaultGame>::new(config(3)).expect("there are ids");
    let mut state = world.new_player(PlayerId(77), Position::from_metres(10, -20)).expect("there are ids");
    state.body.heading = Heading(200);
    state.body.speed = SpeedClass::Sprinting;
    state.body.remainder.x = 491_520;
    state.last_input = InputSeq(4_321);
    state.pending.push(InputValue { heading: Heading(9), moving: true, sprinting: false });
    state.character.dead_since = Some(Tick(600));
    state.character.hit_points = 0;
    state
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_bytes_of_a_player_are_these() {
    // Changed bytes need a new format number, or stores and neighbours of the older version misread them.
    let bytes = state().encode().expect("the state is short");
    insta::assert_snapshot!(hex(&bytes));
    assert_eq!(PlayerState::decode(&bytes).expect("the bytes are a state"), state());
}

#[test]
fn the_bytes_of_a_creature_are_these() {
    let home = Position::from_metres(-3, 4);
    let thing = Thing::Npc(Npc { hit_points: 80, home, walking: true, until: Tick(12_345) });
    let entity = EntityId::new(ShardId(3), 99);
    let state = ThingState { entity, body: Body::at(home), seen: Default::default(), thing };
    let bytes = state.encode().expect("the state is short");
    insta::assert_snapshot!(hex(&bytes));
    assert_eq!(ThingState::decode(&bytes).expect("the bytes are a state"), state);
}

#[test]
fn bytes_that_are_no_state_say_why() {
    let decode = |bytes: &[u8]| PlayerState::<Character>::decode(bytes).map_err(|error| error.label());
    let bytes = state().encode().expect("the state is short");
    assert_eq!(decode(&[]), Err("state_empty"));
    assert_eq!(decode(&[FORMAT + 1, 0]), Err("state_format"));
    assert_eq!(decode(&bytes[..bytes.len() - 1]), Err("state_decode"));
    assert_eq!(decode(&[bytes.as_slice(), &[0]].concat()), Err("state_trailing_bytes"));
    assert_eq!(decode(&[FORMAT; codec::MAX_STATE_BYTES + 1]), Err("state_too_long"));
}

#[test]
fn the_longest_state_fits() {
    let mut state = state();
    let far = |number| EntityId::new(ShardId(0xff_ffff), (1_u64 << 40) - number);
    state.character.items = (1..=32).map(|n| Item { id: ItemId(far(n)), kind: u16::MAX }).collect();
    state.pending = vec![InputValue { heading: Heading(255), moving: true, sprinting: true }; 128];
    let bytes = state.encode().expect("the state is short");
    assert!(bytes.len() < codec::MAX_STATE_BYTES / 4, "{} bytes", bytes.len());
    let long = Goods { gold: 0, items: vec![ItemId(far(1)); 4_000] };
    assert!(matches!(codec::encode(&long), Err(CodecError::TooLong { .. })));
}

#[test]
fn states_that_no_rule_leads_to_are_not_taken_in() {
    let mut world = World::<DefaultGame>::new(config(3)).expect("there are ids");
    let refused = |change: fn(&mut PlayerState<Character>)| {
        let mut state = state();
        change(&mut state);
        World::<DefaultGame>::new(config(3)).expect("there are ids").insert_player(state)
    };
    assert_eq!(refused(|_| {}), Ok(()));
    assert_eq!(refused(|state| state.body.position.x = i32::MAX), Err(InsertError::Unsound));
    assert_eq!(refused(|state| state.body.remainder.y = -1), Err(InsertError::Unsound));
    assert_eq!(refused(|state| state.credits = 255), Err(InsertError::Unsound));
    assert_eq!(refused(|state| state.character.gold = u64::MAX), Err(InsertError::Unsound));
    assert_eq!(refused(|state| state.character.hit_points = 101), Err(InsertError::Unsound));
    assert_eq!(refused(|state| state.pending = vec![InputValue::default(); 129]), Err(InsertError::Unsound));
    world.insert_player(state()).expect("the state is sound");
    assert_eq!(world.insert_player(state()), Err(InsertError::AlreadyHere));
}

#[test]
fn the_hash_of_a_world_is_the_same_everywhere() {
    let mut world = World::<DefaultGame>::new(config(3)).expect("there are ids");
    world.insert_player(state()).expect("the state is sound");
    let mut events = Vec::new();
    for tick in 1..=1_000 {
        world.step(Tick(tick), &mut events);
    }
    insta::assert_snapshot!(format!("{:016x}", world.state_hash().expect("the world is small")));
}

#[test]
fn a_world_of_another_shard_is_not_loaded() {
    let world = World::<DefaultGame>::new(config(3)).expect("there are ids");
    let bytes = world.save().expect("the world is small");
    assert!(matches!(World::<DefaultGame>::load(config(4), &bytes), Err(LoadError::OtherShard { .. })));
    assert!(World::<DefaultGame>::load(config(3), &bytes).is_ok());
}

#[test]
fn no_incarnation_makes_the_ids_of_another() {
    let mint = |epoch| Mint::new(ShardId(9), ShardEpoch(epoch));
    let first = |epoch| mint(epoch).expect("there are ids").entity().expect("there are ids");
    assert_ne!(first(1), first(2));
    assert_eq!(first(4_095).shard(), ShardId(9));
    assert_eq!(mint(4_096), Err(MintError::EpochsUsedUp { shard: ShardId(9), epoch: ShardEpoch(4_096) }));
}

#[test]
fn outcomes_survive_their_bytes() {
    for outcome in Outcome::ALL.into_iter().chain([Outcome::Game(513)]) {
        let bytes = codec::encode(&(RequestId(1), outcome)).expect("short");
        assert_eq!(codec::decode::<(RequestId, Outcome)>(&bytes).expect("an outcome").1, outcome);
    }
}

proptest! {
    #[test]
    fn broken_bytes_never_harm(flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = state().encode().expect("the state is short");
        for (at, value) in flips {
            *at.get_mut(&mut bytes[1..]) = value;
        }
        if let Ok(state) = PlayerState::<Character>::decode(&bytes) {
            let mut world = World::<DefaultGame>::new(config(3)).expect("there are ids");
            if world.insert_player(state).is_ok() {
                for tick in 1..100 {
                    world.step(Tick(tick), &mut Vec::new());
                }
                prop_assert!(world.views().iter().all(|view| world.scene().bounds().contains(view.position)));
            }
        }
    }

    #[test]
    fn broken_worlds_never_harm(flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut world = World::<DefaultGame>::new(config(3)).expect("there are ids");
        world.insert_player(state()).expect("the state is sound");
        for tick in 1..200 {
            world.step(Tick(tick), &mut Vec::new());
        }
        let mut bytes = world.save().expect("the world is small");
        for (at, value) in flips {
            *at.get_mut(&mut bytes[1..]) = value;
        }
        let _ = World::<DefaultGame>::load(config(3), &bytes);
    }

    #[test]
    fn a_heading_points_where_it_should(dx in -20_000i32..20_000, dy in -20_000i32..20_000) {
        prop_assume!((dx, dy) != (0, 0));
        let heading = Heading::towards(Position { x: 5, y: 7 }, Position { x: 5 + dx, y: 7 + dy });
        let wanted = f64::from(dy).atan2(f64::from(dx)).to_degrees().rem_euclid(360.0) * 256.0 / 360.0;
        let off = (f64::from(heading.0) - wanted).rem_euclid(256.0);
        prop_assert!(!(0.05..=254.9).contains(&off), "{} for {wanted}", heading.0);
    }

    #[test]
    fn no_direction_is_longer_than_one(heading in any::<u8>()) {
        let (x, y) = (i64::from(Heading(heading).cosine()), i64::from(Heading(heading).sine()));
        let length = x * x + y * y;
        prop_assert!((16_381 * 16_381..=16_384 * 16_384).contains(&length));
    }
}
