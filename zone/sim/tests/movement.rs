//! Movement: exact on average, within the bounds, never faster than the world allows.

use darkages_sim::default_game::Rules;
use darkages_sim::input::{MAX_CREDITS, MAX_QUEUED_INPUTS};
use darkages_sim::{DefaultGame, Heading, InputRefused, InputValue, World, WorldConfig};
use darkages_topology::{InputSeq, PlayerId, Position, Rect, ShardEpoch, ShardId, Tick};

fn world() -> World<DefaultGame> {
    let bounds =
        Rect::new(Position::from_metres(-500, -500), Position::from_metres(500, 500)).expect("the bounds are sound");
    let config = WorldConfig {
        bounds,
        ground: bounds,
        shard: ShardId(1),
        epoch: ShardEpoch(1),
        seed: 7,
        rules: Rules::default(),
    };
    World::new(config).expect("the first incarnation has ids")
}

fn join(world: &mut World<DefaultGame>, player: u64, position: Position) -> PlayerId {
    let player = PlayerId(player);
    let state = world.new_player(player, position).expect("there are ids");
    world.insert_player(state).expect("the player is new");
    player
}

const EAST: InputValue = InputValue { heading: Heading(0), moving: true, sprinting: false };

#[test]
fn a_walker_moves_exactly_six_metres_a_second() {
    let mut world = world();
    let player = join(&mut world, 1, Position::from_metres(0, 0));
    for second in 1..=10 {
        for tick in (second - 1) * 60 + 1..=second * 60 {
            world.queue_input(player, InputSeq(tick), EAST).expect("the input is the next");
            world.step(Tick(tick.into()), &mut Vec::new());
        }
        let walked = world.position_of(player).expect("the player is here");
        assert_eq!(walked, Position::from_metres(6 * second as i32, 0));
    }
}

#[test]
fn a_burst_after_a_gap_is_applied_in_full() {
    let mut world = world();
    let player = join(&mut world, 1, Position::from_metres(0, 0));
    for tick in 1..=60 {
        world.step(Tick(tick), &mut Vec::new());
    }
    for seq in 1..=60 {
        world.queue_input(player, InputSeq(seq), EAST).expect("the queue has room");
    }
    for tick in 61..=75 {
        world.step(Tick(tick), &mut Vec::new());
    }
    assert_eq!(world.last_input(player), Some(InputSeq(60)));
    assert_eq!(world.position_of(player), Some(Position::from_metres(6, 0)));
}

#[test]
fn waiting_inputs_and_the_step_begun_travel_with_their_player() {
    let (mut here, mut there) = (world(), world());
    let player = join(&mut here, 1, Position::from_metres(0, 0));
    for seq in 1..=30 {
        here.queue_input(player, InputSeq(seq), EAST).expect("the queue has room");
    }
    here.step(Tick(1), &mut Vec::new());
    let state = here.remove_player(player).expect("the player is here");
    assert_eq!((state.last_input, state.pending.len()), (InputSeq(4), 26));
    there.insert_player(state).expect("the player is new there");
    // The client sends its inputs to both zones; the second copy is stale.
    assert_eq!(there.queue_input(player, InputSeq(30), EAST), Err(InputRefused::Stale));
    assert_eq!(there.queue_input(player, InputSeq(31), EAST), Ok(()));
    for tick in 2..=10 {
        there.step(Tick(tick), &mut Vec::new());
    }
    assert_eq!(there.last_input(player), Some(InputSeq(31)));
    assert_eq!(there.position_of(player), Some(Position { x: 31 * 64 / 10, y: 0 }));
}

#[test]
fn inputs_are_taken_in_order_only() {
    let mut world = world();
    let player = join(&mut world, 1, Position::from_metres(0, 0));
    assert_eq!(world.queue_input(player, InputSeq(2), EAST), Err(InputRefused::Gap));
    assert_eq!(world.queue_input(player, InputSeq(0), EAST), Err(InputRefused::Stale));
    assert_eq!(world.queue_input(player, InputSeq(5_000), EAST), Err(InputRefused::Future));
    assert_eq!(world.queue_input(PlayerId(9), InputSeq(1), EAST), Err(InputRefused::NotHere));
    for seq in 1..=MAX_QUEUED_INPUTS as u32 {
        assert_eq!(world.queue_input(player, InputSeq(seq), EAST), Ok(()));
    }
    assert_eq!(world.queue_input(player, InputSeq(1 + MAX_QUEUED_INPUTS as u32), EAST), Err(InputRefused::Full));
    assert_eq!(world.queue_input(player, InputSeq(3), EAST), Err(InputRefused::Stale));
}

#[test]
fn nobody_outruns_the_credits() {
    let mut world = world();
    let player = join(&mut world, 1, Position::from_metres(-400, 0));
    let mut seq = 0;
    for tick in 1..=600 {
        while world.queue_input(player, InputSeq(seq + 1), EAST).is_ok() {
            seq += 1;
        }
        world.step(Tick(tick), &mut Vec::new());
        let steps = i64::from(world.last_input(player).expect("the player is here").0);
        assert!(steps <= tick as i64 + i64::from(MAX_CREDITS));
    }
}
