//! A process that is killed in the middle of writing: everything that it was told is durable is there.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use darkages_store::{
    Acquired, Checkpoint, Committed, Embedded, Event, Expect, Fence, LogSeq, OwnerRecord, PlayerData, RequestId,
    StateVersion, Store, Swap, Swapped, Transaction,
};
use darkages_topology::{OwnerEpoch, PlayerId, ShardEpoch, ShardId, ZoneId};

/// Set for the child: the file that it writes until it is killed.
const CHILD_PATH: &str = "DARKAGES_CRASH_CHILD";
const SHARD: ShardId = ShardId(1);
const WRITERS: u64 = 8;
const KILLS: u64 = 5;
const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("world.store");
    let mut acknowledged = vec![0; WRITERS as usize];
    for kill in 1..=KILLS {
        // A different moment each time, some of them long before the first flush of checkpoints.
        run_and_kill(&path, &mut acknowledged, 20 * kill * kill);
        let store = Embedded::open(&path, "crash").expect("it opens after a kill");
        for (player, count) in acknowledged.iter_mut().enumerate() {
            let record = store.owner(PlayerId(player as u64)).await.expect("read").expect("created");
            assert!(record.data.version.0 >= *count, "player {player} was promised {count}: {record:?}");
            *count = record.data.version.0;
        }
        let entries = logged(&store).await;
        assert_eq!(
            entries,
            acknowledged.iter().sum::<u64>(),
            "a transaction is in the log exactly when its states are"
        );
        let view = store.look(SHARD).await.expect("look").expect("acquired");
        assert_eq!((view.fence.epoch, view.left), (ShardEpoch(kill), None), "leases end with the process");
    }
}

async fn logged(store: &Embedded) -> u64 {
    let (mut entries, mut from) = (0, LogSeq(0));
    loop {
        let page = store.read_log(SHARD, from, 1_000).await.expect("read");
        let Some(last) = page.last() else { return entries };
        from = last.seq.next();
        entries += page.iter().filter(|entry| entry.request.is_some()).count() as u64;
    }
}

/// Starts the child and kills it after so many acknowledgements. Raises what each player was promised.
fn run_and_kill(path: &Path, acknowledged: &mut [u64], after: u64) {
    let mut child = Command::new(std::env::current_exe().expect("the test itself"))
        .args(["--exact", "the_child_that_is_killed", "--nocapture", "--ignored"])
        .env(CHILD_PATH, path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let deadline = Instant::now() + DEADLINE;
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let mut seen = 0;
    for line in lines {
        assert!(Instant::now() < deadline, "the child acknowledges nothing");
        let Some((player, version)) = line.strip_prefix("ack ").and_then(|ack| ack.split_once(' ')) else { continue };
        let player: usize = player.parse().expect("a number");
        acknowledged[player] = acknowledged[player].max(version.parse().expect("a number"));
        seen += 1;
        if seen == after {
            // What it still says after this line counts as well: the loop goes on until the pipe ends.
            child.kill().expect("it runs");
        }
    }
    let ended = child.wait().expect("it ended");
    assert!(!ended.success() && seen >= after, "it was killed, it did not end by itself: {ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs until it is killed; the test above starts it"]
async fn the_child_that_is_killed() {
    let Some(path) = std::env::var_os(CHILD_PATH).map(PathBuf::from) else { return };
    let store: Arc<dyn Store> = Arc::new(Embedded::open(&path, "crash").expect("it opens"));
    let Acquired::Granted(lease) = store.acquire(SHARD, &ZoneId("z".into()), DEADLINE).await.expect("acquire") else {
        panic!("leases end with the process")
    };
    let fence = lease.fence;
    let writers = (0..WRITERS).map(|player| tokio::spawn(trade_for_ever(Arc::clone(&store), fence, PlayerId(player))));
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("it writes until it is killed");
    }
}

async fn trade_for_ever(store: Arc<dyn Store>, fence: Fence, player: PlayerId) {
    let next = OwnerRecord::created(SHARD, PlayerData::default());
    let born = store.swap(fence, vec![Swap { player, expect: Expect::Absent, next }]).await.expect("swap");
    let (owner_epoch, mut version) = match born.as_slice() {
        [Swapped::Conflict(Some(record))] => (record.owner_epoch, record.data.version),
        _ => (OwnerEpoch(1), StateVersion(0)),
    };
    loop {
        let data = PlayerData { state: vec![version.0 as u8; 300], version, ..PlayerData::default() };
        let checkpoint = Checkpoint { player, owner_epoch, data };
        store.save_batch(fence, vec![checkpoint.clone()]).await.expect("save");
        let request = RequestId { player, number: version.0 };
        let trade = Transaction { request, states: vec![checkpoint], event: Event::default(), answer: vec![1] };
        let done = store.commit(fence, trade).await.expect("commit");
        assert!(matches!(done, Committed::Done { .. }), "{done:?}");
        version = version.next();
        println!("ack {} {}", player.0, version.0);
    }
}
