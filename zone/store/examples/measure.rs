//! Measures the embedded store on this machine's disk: `cargo run -p darkages-store --example measure [FOLDER]`.
//!
//! Prints the latency of single swaps, of 300 at once, and of durable transactions beside the checkpoints of 1,000 players.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use darkages_store::{
    Acquired, Checkpoint, Committed, Embedded, Event, Expect, Fence, OwnerRecord, PlayerData, RequestId, Saved,
    StateVersion, Store, Swap, Swapped, Transaction,
};
use darkages_topology::{InputSeq, OwnerEpoch, PlayerId, Position, ShardId, ZoneId};
use tokio::task::JoinSet;

const PLAYERS: u64 = 1_000;
const STATE_BYTES: usize = 400;
const SHARD: ShardId = ShardId(1);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let path = folder.join(format!("darkages-measure-{}.store", std::process::id()));
    let store: Arc<dyn Store> = Arc::new(Embedded::open(&path, "measure")?);
    let measured = measure(&store).await;
    store.close().await?;
    println!("file: {} KiB", std::fs::metadata(&path)?.len() / 1024);
    std::fs::remove_file(&path)?;
    measured
}

async fn measure(store: &Arc<dyn Store>) -> anyhow::Result<()> {
    let Acquired::Granted(lease) = store.acquire(SHARD, &ZoneId("z".into()), Duration::from_secs(600)).await? else {
        bail!("the lease of an empty store is free")
    };
    let fence = lease.fence;
    let births = (0..PLAYERS).map(|player| Swap {
        player: PlayerId(player),
        expect: Expect::Absent,
        next: OwnerRecord::created(SHARD, data(1)),
    });
    store.swap(fence, births.collect()).await?;
    let mut single = Vec::new();
    for player in 0..100 {
        single.push(swap_once(store, fence, PlayerId(player)).await?);
    }
    print("one swap at a time", &mut single, None);
    for at_once in [30, 300, 1_000] {
        let start = Instant::now();
        let mut swaps = JoinSet::new();
        for player in 0..at_once {
            let store = Arc::clone(store);
            swaps.spawn(async move { swap_once(&store, fence, PlayerId(player)).await });
        }
        let mut times = swaps.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        print(&format!("{at_once} swaps at once"), &mut times, Some(start.elapsed()));
    }
    transactions_beside_checkpoints(store, fence).await
}

async fn swap_once(store: &Arc<dyn Store>, fence: Fence, player: PlayerId) -> anyhow::Result<Duration> {
    let record = store.owner(player).await?.context("the player was made")?;
    let swap = Swap { player, expect: record.expect(), next: record.claimed(SHARD) };
    let start = Instant::now();
    let answers = store.swap(fence, vec![swap]).await?;
    if answers != [Swapped::Done] {
        bail!("a swap without rivals got {answers:?}");
    }
    Ok(start.elapsed())
}

/// One second in the life of a busy zone: checkpoints of 1,000 players four times, 100 trades.
async fn transactions_beside_checkpoints(store: &Arc<dyn Store>, fence: Fence) -> anyhow::Result<()> {
    let mut epochs = Vec::new();
    for (player, record) in store.scan_owners(None, PLAYERS as usize).await? {
        epochs.push((player, record.owner_epoch));
    }
    let saver = tokio::spawn({
        let (store, epochs) = (Arc::clone(store), epochs.clone());
        async move {
            let mut times = Vec::new();
            for turn in 0..8 {
                // Those who trade are left out: their versions rise meanwhile.
                let batch = epochs.iter().skip(200).map(|(player, epoch)| save(*player, *epoch, turn)).collect();
                let start = Instant::now();
                let answers = store.save_batch(fence, batch).await?;
                times.push(start.elapsed());
                if answers.iter().any(|answer| *answer != Saved::Done) {
                    bail!("a checkpoint was refused");
                }
                tokio::time::sleep(Duration::from_millis(125)).await;
            }
            Ok(times)
        }
    });
    let start = Instant::now();
    let mut trades = JoinSet::new();
    for pair in 0..100 {
        let (store, epochs) = (Arc::clone(store), epochs.clone());
        trades.spawn(async move {
            tokio::time::sleep(Duration::from_millis(pair as u64 * 10)).await;
            let states = [2 * pair, 2 * pair + 1].map(|index| save(epochs[index].0, epochs[index].1, 0)).to_vec();
            let request = RequestId { player: states[0].player, number: pair as u64 };
            let start = Instant::now();
            let trade = Transaction { request, states, event: Event::default(), answer: vec![1; 16] };
            match store.commit(fence, trade).await? {
                Committed::Done { .. } => Ok(start.elapsed()),
                other => bail!("a trade without rivals got {other:?}"),
            }
        });
    }
    let mut times = trades.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    print("trades (100/s) beside 6,400 checkpoints/s", &mut times, Some(start.elapsed()));
    let mut times = saver.await??;
    print("batches of 800 checkpoints", &mut times, None);
    Ok(())
}

fn save(player: PlayerId, owner_epoch: OwnerEpoch, mark: u32) -> Checkpoint {
    Checkpoint { player, owner_epoch, data: data(mark) }
}

fn data(mark: u32) -> PlayerData {
    let state = vec![mark as u8; STATE_BYTES];
    PlayerData { state, version: StateVersion(0), last_input: InputSeq(mark), position: Position { x: 0, y: 0 } }
}

fn print(what: &str, times: &mut [Duration], whole: Option<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    print!("{what}: n {} p50 {:.2?} p99 {:.2?} max {:.2?}", times.len(), at(50), at(99), at(100));
    match whole {
        Some(whole) => println!(", {:.0}/s", times.len() as f64 / whole.as_secs_f64()),
        None => println!(),
    }
}
