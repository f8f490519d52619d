//! A studio's own game, written against the public interface only: tag. Whoever is "it" is faster and passes it on by touch.

use darkages_sim::motion::{MAX_SPEED, WALK_SPEED};
use darkages_sim::{
    Event, Game, InputValue, Kind, Look, Outcome, RequestId, Scene, Subject, Verdict, World, WorldConfig,
};
use darkages_topology::{EntityId, PlayerId, Position, Rect, ShardEpoch, ShardId, Tick};
use serde::{Deserialize, Serialize};

enum Tag {}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Runner {
    is_it: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Touch {
    whom: EntityId,
}

/// There are no things in this game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Nothing {}

const NOT_IT: Outcome = Outcome::Game(1);

impl Game for Tag {
    type Rules = i32;
    type Character = Runner;
    type Thing = Nothing;
    type Shard = u32;
    type Command = Touch;
    type Action = Touch;
    type Event = EntityId;
    type Entry = (PlayerId, PlayerId);

    fn new_character(scene: &mut Scene<Self>) -> Option<Runner> {
        scene.shard += 1;
        Some(Runner { is_it: scene.shard == 1 })
    }

    fn is_sound(_: &Runner) -> bool {
        true
    }

    fn is_sound_thing(thing: &Nothing) -> bool {
        match *thing {}
    }

    fn is_durable(_: &Touch) -> bool {
        true
    }

    fn speed(_: &i32, runner: &Runner, _: InputValue) -> i32 {
        if runner.is_it { MAX_SPEED } else { WALK_SPEED }
    }

    fn command(scene: &mut Scene<Self>, actor: usize, _: RequestId, touch: &Touch) -> Verdict<(PlayerId, PlayerId)> {
        if !scene.character(actor).is_it {
            return Verdict::Answer(NOT_IT);
        }
        let Some(subject) = scene.find(touch.whom) else { return Verdict::Answer(Outcome::UnknownTarget) };
        let reach = *scene.rules();
        let place = scene.position(subject);
        if !scene.position(Subject::Player(actor)).within(place, reach) {
            return Verdict::Answer(Outcome::OutOfRange);
        }
        let Subject::Player(other) = subject else { return Verdict::NeedsSameShard(touch.whom) };
        scene.character_mut(actor).is_it = false;
        scene.character_mut(other).is_it = true;
        scene.tell_around(place, touch.whom);
        let (from, to) = (scene.player_id(actor), scene.player_id(other));
        Verdict::Commit { with: Some(to), entry: (from, to) }
    }

    fn suffer(_: &mut Scene<Self>, _: Subject, _: &Touch) {}

    fn tick(_: &mut Scene<Self>) {}

    fn character_look(_: &Scene<Self>, runner: &Runner) -> Look {
        Look { kind: Kind::Player, hit_points: 100, flags: u8::from(runner.is_it) << 7 }
    }

    fn thing_look(_: &Scene<Self>, thing: &Nothing) -> Look {
        match *thing {}
    }
}

#[test]
fn a_studio_brings_its_own_game() {
    let bounds = Rect::new(Position::from_metres(0, 0), Position::from_metres(100, 100)).expect("sound bounds");
    let config = WorldConfig { bounds, ground: bounds, shard: ShardId(1), epoch: ShardEpoch(1), seed: 1, rules: 5 };
    let mut world = World::<Tag>::new(config.clone()).expect("there are ids");
    for player in 1..=2 {
        let state = world.new_player(PlayerId(player), Position::from_metres(50, 50)).expect("there are ids");
        world.insert_player(state).expect("the player is new");
    }
    let touch = Touch { whom: world.entity_of(PlayerId(2)).expect("here") };
    world.queue_command(PlayerId(2), RequestId(1), touch.clone()).expect("few commands wait");
    world.queue_command(PlayerId(1), RequestId(1), touch.clone()).expect("few commands wait");
    let mut events = Vec::new();
    world.step(Tick(1), &mut events);
    assert!(matches!(events[0], Event::Answer { player: PlayerId(2), outcome: NOT_IT, .. }));
    assert!(matches!(&events[1], Event::Happened { what, .. } if *what == touch.whom));
    assert!(matches!(events[2], Event::Transaction { player: PlayerId(1), with: Some(PlayerId(2)), .. }));
    assert_eq!(world.views().iter().map(|view| view.flags).collect::<Vec<_>>(), [0, 128]);
    let again = World::<Tag>::load(config, &world.save().expect("small")).expect("the bytes are a world");
    assert_eq!(again.state_hash().expect("small"), world.state_hash().expect("small"));
}
