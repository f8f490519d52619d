//! What is bounded stays so, and what is judged on the server is judged as everywhere.

use std::sync::Arc;

use darkages_servers::redis::Server;
use darkages_store::limits::{MAX_BATCH, MAX_EVENT_BYTES};
use darkages_store::redis::{LOG_KEPT_BYTES_PER_SHARD, LOG_KEPT_PER_SHARD};
use darkages_store::{
    Checkpoint, Event, Fence, LogSeq, OpenHandoff, OwnerRecord, PlayerData, Saved, StateVersion, Store, codec, open,
};
use darkages_topology::{HandoffId, OwnerEpoch, PlayerId, ShardEpoch, ShardId, Tick};
use proptest::prelude::*;

use crate::rivals;
use crate::scene::{SHARD, WORLD, create, opened};

fn started() -> (Server, String) {
    let server = Server::start(&[]);
    let url = format!("redis://{}", server.address());
    (server, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_entries_go_when_there_are_too_many() {
    let (_server, url) = tokio::task::spawn_blocking(started).await.expect("it starts");
    let (store, fence) = opened(&url).await;
    let mut last = LogSeq(0);
    while last.0 < LOG_KEPT_PER_SHARD + 500 {
        last = store.append(fence, vec![Event::default(); MAX_BATCH]).await.expect("append");
    }
    let first = store.read_log(SHARD, LogSeq(0), 1).await.expect("read")[0].seq;
    assert_eq!(last.0 - first.0 + 1, LOG_KEPT_PER_SHARD);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_entries_go_when_they_are_too_long() {
    let (server, url) = tokio::task::spawn_blocking(started).await.expect("it starts");
    let (store, fence) = opened(&url).await;
    let event = Event { payload: vec![7; MAX_EVENT_BYTES], ..Event::default() };
    let most = LOG_KEPT_BYTES_PER_SHARD / MAX_EVENT_BYTES as u64;
    let mut last = LogSeq(0);
    while last.0 < most + 300 {
        last = store.append(fence, vec![event.clone(); 256]).await.expect("append");
    }
    let first = store.read_log(SHARD, LogSeq(0), 1).await.expect("read")[0].seq;
    let kept = last.0 - first.0 + 1;
    assert!((most - 16..most).contains(&kept), "{kept} of {most}, which have some bytes beside their payload");
    assert_eq!(server.ask::<u64>(&["XLEN", "darkages:{faults}:log:1"]), kept, "places tell how many there are");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_hundreds_is_a_few_scripts_in_one_round_trip() {
    let (server, url) = tokio::task::spawn_blocking(started).await.expect("it starts");
    let (store, fence) = opened(&url).await;
    let players: Vec<PlayerId> = (0..500).map(PlayerId).collect();
    let mut batch = Vec::new();
    for player in &players {
        let OwnerRecord { owner_epoch, data, .. } = create(&store, fence, *player).await;
        batch.push(Checkpoint { player: *player, owner_epoch, data });
    }
    server.ask::<()>(&["CONFIG", "RESETSTAT"]);
    let saved = store.save_batch(fence, batch).await.expect("save");
    assert_eq!(saved, vec![Saved::Done; players.len()]);
    assert_eq!(store.owners(&players).await.expect("read").len(), players.len());
    let stats: String = server.ask(&["INFO", "commandstats"]);
    for commands in ["cmdstat_evalsha:calls=2,", "cmdstat_mget:calls=4,", "cmdstat_mset:calls=2,"] {
        assert!(stats.contains(commands), "{stats}");
    }
}

/// Reads and writes of many players side by side, while somebody breaks their connections: each call has the answer to its own
/// question, or an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_reach_their_own_callers_while_groups_overlap() {
    let (server, url) = tokio::task::spawn_blocking(started).await.expect("it starts");
    let (store, fence) = opened(&url).await;
    for player in 0..64 {
        create(&store, fence, PlayerId(player)).await;
    }
    let callers = (0..64_u64).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let player = PlayerId(number);
            let state = |round: u64| [number.to_le_bytes(), round.to_le_bytes()].concat();
            let (mut answered, mut failed, mut last) = (0, 0, 0..=0_u64);
            for round in 1..=100 {
                let data = PlayerData { state: state(round), ..PlayerData::default() };
                match store.save_batch(fence, vec![Checkpoint { player, owner_epoch: OwnerEpoch(1), data }]).await {
                    Ok(saved) => {
                        assert_eq!(saved, [Saved::Done]);
                        last = round..=round;
                    }
                    // It may have been written.
                    Err(error) => {
                        assert!(error.may_have_applied(), "{error}");
                        (failed, last) = (failed + 1, *last.start()..=round);
                    }
                }
                if let Ok(record) = store.owner(player).await {
                    let found = record.expect("it was made").data.state;
                    let mut possible = last.clone().filter(|round| *round > 0).map(state);
                    assert!(found.is_empty() || possible.any(|state| state == found), "{player}: {found:?}");
                    answered += 1;
                }
            }
            (answered, failed)
        })
    });
    let callers: Vec<_> = callers.collect();
    for _ in 0..20 {
        server.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        tokio::task::yield_now().await;
    }
    let (mut answered, mut failed) = (0, 0);
    for caller in callers {
        let (more, less) = caller.await.expect("no panic");
        (answered, failed) = (answered + more, failed + less);
    }
    assert!(answered > 0, "some are answered; {failed} failed");
}

/// A record of any sort, and a checkpoint that often fits it.
fn cases() -> impl Strategy<Value = Vec<(OwnerRecord, OwnerEpoch, StateVersion)>> {
    let fence =
        (1..3_u32, 1..3_u64).prop_map(|(shard, epoch)| Fence { shard: ShardId(shard), epoch: ShardEpoch(epoch) });
    let open = (fence, any::<bool>(), any::<u64>()).prop_map(|(by, released, number)| OpenHandoff {
        id: HandoffId { from: by.shard, from_epoch: by.epoch, number },
        by,
        cut_tick: Tick(number ^ 7),
        released,
    });
    let state = proptest::collection::vec(any::<u8>(), 0..20);
    let record = (1..3_u32, 1..3_u64, proptest::option::of(open), 0..2_u64, state).prop_map(
        |(owner, epoch, open, version, state)| OwnerRecord {
            owner: ShardId(owner),
            owner_epoch: OwnerEpoch(epoch),
            open,
            data: PlayerData { state, version: StateVersion(version), ..PlayerData::default() },
        },
    );
    let case = (record, 1..3_u64, 0..2_u64)
        .prop_map(|(record, epoch, version)| (record, OwnerEpoch(epoch), StateVersion(version)));
    proptest::collection::vec(case, 1..60)
}

async fn judged_alike(
    server: &Server,
    store: &Arc<dyn Store>,
    fence: Fence,
    cases: Vec<(OwnerRecord, OwnerEpoch, StateVersion)>,
) {
    let mut connection = server.connection().expect("it serves");
    let (mut batch, mut expected) = (Vec::new(), Vec::new());
    for (player, (record, owner_epoch, version)) in cases.into_iter().enumerate() {
        let player = PlayerId(player as u64);
        let key = format!("darkages:{{{WORLD}}}:owner:{:016x}", player.0);
        redis::cmd("SET").arg(&key).arg(codec::encode_owner(&record)).exec(&mut connection).expect("written");
        let acts = record.owner_epoch == owner_epoch && record.is_written_by(fence);
        let fits = record.data.version == version;
        let data = PlayerData { state: vec![9; 5], version, ..PlayerData::default() };
        batch.push(Checkpoint { player, owner_epoch, data: data.clone() });
        expected.push(match (acts, fits) {
            (true, true) => (Saved::Done, OwnerRecord { data, ..record }),
            (true, false) => (Saved::OtherVersion, record),
            (false, _) => (Saved::NotOwner, record),
        });
    }
    let players: Vec<PlayerId> = batch.iter().map(|checkpoint| checkpoint.player).collect();
    let saved = store.save_batch(fence, batch).await.expect("save");
    let records = store.owners(&players).await.expect("read");
    let found: Vec<_> = saved.into_iter().zip(records.into_iter().flatten()).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_server_judges_checkpoints_as_every_driver_does() {
    let (server, url) = started();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    // Shard 1 under epoch 1, which the cases name about every fourth time.
    let (store, fence) = runtime.block_on(opened(&url));
    proptest!(ProptestConfig::with_cases(64), |(cases in cases())| {
        runtime.block_on(judged_alike(&server, &store, fence, cases));
    });
}

#[test]
fn each_state_of_a_record_has_one_successor() {
    let (server, url) = started();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    proptest!(ProptestConfig::with_cases(32), |(attempts in rivals::attempts())| {
        server.ask::<()>(&["FLUSHALL", "SYNC"]);
        let (done, records) = runtime.block_on(async {
            let store = open(&url, WORLD).await.expect("the store opens");
            rivals::rivals(store, attempts).await
        });
        rivals::check(done, records)?;
    });
}
