//! Time of one tick of the default game, by number of players: all sprint, half of them fight, creatures wander.

use std::hint::black_box;
use std::time::Instant;

use darkages_sim::default_game::{AttackKind, Command, Rules};
use darkages_sim::view::EntityView;
use darkages_sim::{DefaultGame, GhostState, Heading, InputValue, Kind, RequestId, World, WorldConfig};
use darkages_topology::{EntityId, InputSeq, PlayerId, Position, Rect, ShardEpoch, ShardId, Tick};

const TICKS: u64 = 3_000;
const GHOSTS: u64 = 500;

fn main() {
    for players in [100, 500, 1_000, 2_000] {
        let mut nanos = measure(players);
        nanos.sort_unstable();
        let at = |percent: usize| nanos[(nanos.len() - 1) * percent / 100] / 1_000;
        println!("{players} players: p50 {} µs, p99 {} µs, max {} µs a tick", at(50), at(99), at(100));
    }
}

fn measure(players: u64) -> Vec<u128> {
    let bounds = Rect::new(Position::from_metres(0, 0), Position::from_metres(1_000, 1_000)).expect("sound bounds");
    let rules = Rules { npcs_per_square_km: 500, ..Rules::default() };
    let config = WorldConfig { bounds, ground: bounds, shard: ShardId(1), epoch: ShardEpoch(1), seed: 3, rules };
    let mut world = World::<DefaultGame>::new(config).expect("the first incarnation has ids");
    for player in 0..players {
        // Pairs stand together, so that shots hit.
        let pair = player / 2;
        let place = Position::from_metres((pair * 37 % 1_000) as i32, (pair * 91 % 1_000) as i32);
        let state = world.new_player(PlayerId(player), place).expect("there are ids");
        world.insert_player(state).expect("the player is new");
    }
    let mut events = Vec::new();
    let mut nanos = Vec::new();
    for tick in 1..=TICKS {
        prepare(&mut world, players, tick);
        let start = Instant::now();
        world.step(Tick(tick), &mut events);
        nanos.push(start.elapsed().as_nanos());
        black_box(world.views());
    }
    nanos.split_off(600)
}

fn prepare(world: &mut World<DefaultGame>, players: u64, tick: u64) {
    for ghost in 0..GHOSTS {
        let entity = EntityId::new(ShardId(2), ghost);
        let view = EntityView { entity, kind: Kind::Player, hit_points: 100, ..EntityView::default() };
        world.upsert_ghost(GhostState { view, player: None, from_shard: ShardId(2), tick: Tick(tick) });
    }
    for player in 0..players {
        let value = InputValue { heading: Heading((player / 2 + tick / 60) as u8), moving: true, sprinting: true };
        let _ = world.queue_input(PlayerId(player), InputSeq(tick as u32), value);
        if player.is_multiple_of(2) && (tick + player).is_multiple_of(60) {
            let target = world.entity_of(PlayerId(player + 1)).unwrap_or_default();
            let command = Command::Attack { kind: AttackKind::Ranged, target };
            let _ = world.queue_command(PlayerId(player), RequestId(tick), command);
        }
    }
}
