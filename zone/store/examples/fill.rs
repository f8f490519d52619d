//! Fills a new world with players, for measuring what has to do with many of them:
//! `cargo run --release -p darkages-store --example fill FILE|URL WORLD PLAYERS`.
//!
//! States are 400 bytes, of which half are the same for everybody, as those of a real game are. Players belong to eight
//! shards; every hundredth one has a transaction in the log.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use darkages_store::{
    Acquired, Checkpoint, Committed, Event, Expect, Fence, OwnerRecord, PlayerData, RequestId, StateVersion, Store,
    Swap, Swapped, TopologyDocument, TopologySwapped, Transaction, open,
};
use darkages_topology::{InputSeq, OwnerEpoch, PlayerId, Position, ShardId, Tick, Topology, ZoneId};

const SHARDS: u32 = 8;
const STATE_BYTES: usize = 400;
const BATCH: u64 = 2_000;
const LEASE: Duration = Duration::from_secs(600);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: fill FILE|URL WORLD PLAYERS";
    let (url, world) = (arguments.next().context(usage)?, arguments.next().context(usage)?);
    let players: u64 = arguments.next().context(usage)?.parse().context(usage)?;
    let start = Instant::now();
    let store = open(&url, &world).await?;
    let store = &*store;
    map(store).await?;
    let mut fences = Vec::new();
    for shard in (1..=SHARDS).map(ShardId) {
        match store.acquire(shard, &ZoneId(format!("zone-{}", shard.0)), LEASE).await? {
            Acquired::Granted(lease) => fences.push(lease.fence),
            Acquired::Held { .. } => bail!("the lease of an empty store is free"),
        }
    }
    for first in (1..=players).step_by(BATCH as usize) {
        let fence = fences[(first / BATCH) as usize % fences.len()];
        batch(store, fence, first..=players.min(first + BATCH - 1)).await?;
    }
    for fence in fences {
        store.release(fence).await?;
    }
    store.close().await?;
    println!("{players} players in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

async fn map(store: &dyn Store) -> anyhow::Result<()> {
    let ground = darkages_topology::Rect::new(Position::from_metres(0, 0), Position::from_metres(8_000, 8_000));
    let map = Topology::grid(ground.context("it has an area")?, SHARDS as usize)?;
    let document = TopologyDocument { revision: map.revision(), bytes: serde_json::to_vec(&map)? };
    let swapped = store.compare_and_swap_topology(None, document).await?;
    ensure!(swapped == TopologySwapped::Done, "there is a world already");
    Ok(())
}

async fn batch(store: &dyn Store, fence: Fence, players: std::ops::RangeInclusive<u64>) -> anyhow::Result<()> {
    let births = players.clone().map(|player| Swap {
        player: PlayerId(player),
        expect: Expect::Absent,
        next: OwnerRecord::created(fence.shard, data(player)),
    });
    let answers = store.swap(fence, births.collect()).await?;
    ensure!(answers.iter().all(|answer| *answer == Swapped::Done), "births without rivals");
    for player in players.filter(|player| player.is_multiple_of(100)).map(PlayerId) {
        let state = Checkpoint { player, owner_epoch: OwnerEpoch(1), data: data(player.0) };
        let event = Event { kind: 1, tick: Tick(player.0), payload: vec![7; 40] };
        let request = RequestId { player, number: 1 };
        let trade = Transaction { request, states: vec![state], event, answer: vec![1; 16] };
        ensure!(matches!(store.commit(fence, trade).await?, Committed::Done { .. }), "a trade without rivals");
    }
    Ok(())
}

/// Half of the state is a player's own and cannot be compressed, half is everybody's.
fn data(player: u64) -> PlayerData {
    let mut random = player;
    let mut next = || {
        random = random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (random ^ (random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ (mixed >> 29)
    };
    let mut state: Vec<u8> = (0..STATE_BYTES / 16).flat_map(|_| next().to_le_bytes()).collect();
    state.extend((0..STATE_BYTES / 2).map(|at| at as u8));
    let position = Position { x: (next() % 512_000) as i32, y: (next() % 512_000) as i32 };
    PlayerData { state, version: StateVersion(0), last_input: InputSeq(player as u32), position }
}
