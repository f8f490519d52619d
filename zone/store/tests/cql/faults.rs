//! What servers do to a driver: not there, not ours, not answering.

use std::time::{Duration, Instant};

use darkages_store::{Cql, CqlOptions, Health, OpenError, Store, health};
use darkages_topology::PlayerId;

use crate::cassandra;
use crate::scene::{SHARD, acquire, create, trade, versions};

async fn refused(url: &str, label: &str) -> String {
    let options = CqlOptions::parse(url).expect("a URL");
    let error = match Cql::open(&options, "tests").await {
        Ok(_) => panic!("{url} opens"),
        Err(error) => error,
    };
    assert_eq!(error.label(), label, "{error}");
    let text = error.to_string();
    assert!(text.contains(&options.place()) && !text.contains('\n') && !text.contains("wrong-secret"), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_there_or_does_not_let_us_in_is_named() {
    let _together = cassandra::together().await;
    let address = cassandra::shared().address;
    let text = refused(&format!("cql://cassandra:wrong-secret@{address}/k"), "denied").await;
    assert!(text.contains("check user and password"), "{text}");
    refused(&format!("cql://{address}/k"), "denied").await;
    let text = refused("cql://no-such-host.invalid/k", "unreachable").await;
    assert!(text.contains("check the addresses"), "{text}");
    refused(&format!("cql://{address}:1/k"), "unreachable").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keyspaces_of_others_are_refused_and_stay_as_they_are() {
    let _together = cassandra::together().await;
    let (foreign, other, newer) = (cassandra::new_keyspace(), cassandra::new_keyspace(), cassandra::new_keyspace());
    let session = cassandra::bare().await;
    let run = async |text: String| {
        session.query_unpaged(text, ()).await.expect("done");
    };
    let one = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    run(format!("CREATE KEYSPACE {foreign} WITH replication = {one}")).await;
    run(format!("CREATE TABLE {foreign}.shop (id int PRIMARY KEY)")).await;
    refused(&cassandra::url(&foreign, ""), "foreign").await;
    let text = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    let tables = session.query_unpaged(text, (&foreign,)).await.expect("read").into_rows_result().expect("rows");
    assert_eq!(tables.rows_num(), 1, "nothing was made");

    let options = CqlOptions::parse(&cassandra::url(&other, "")).expect("a URL");
    Cql::open(&options, "somewhere else").await.expect("it opens").close().await.expect("close");
    let text = refused(&cassandra::url(&other, ""), "other_world").await;
    assert!(text.contains("somewhere else"), "{text}");

    cassandra::open(&newer).await.close().await.expect("close");
    run(format!("UPDATE {newer}.darkages_meta SET value = '99' WHERE key = 'version'")).await;
    let text = refused(&cassandra::url(&newer, ""), "newer_version").await;
    assert!(text.contains("99"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_make_the_tables_together() {
    let _together = cassandra::together().await;
    // The moment at which they meet differs from time to time.
    for _ in 0..4 {
        let keyspace = cassandra::new_keyspace();
        let openers = (0..8).map(|_| {
            let options = CqlOptions::parse(&cassandra::url(&keyspace, "")).expect("a URL");
            tokio::spawn(async move { Cql::open(&options, "tests").await })
        });
        let mut stores = Vec::new();
        for opener in openers.collect::<Vec<_>>() {
            stores.push(opener.await.expect("no panic").unwrap_or_else(|error: OpenError| panic!("{error}")));
        }
        let fence = acquire(&stores[0], SHARD).await;
        create(&stores[1], fence, &[PlayerId(1)]).await;
        for store in &stores {
            assert_eq!(versions(store, &[PlayerId(1)]).await, [0], "all of them use the same tables");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_to_a_node_that_stands_still_end_by_their_deadline() {
    // Nobody else uses the node meanwhile.
    let _alone = cassandra::alone().await;
    let url = cassandra::url(&cassandra::new_keyspace(), "").replace("timeout=20s", "timeout=1s");
    let store = Cql::open(&CqlOptions::parse(&url).expect("a URL"), "tests").await.expect("the store opens");
    let fence = acquire(&store, SHARD).await;
    let players = [PlayerId(1), PlayerId(2)];
    create(&store, fence, &players).await;
    cassandra::shared().signal("STOP");
    let started = Instant::now();
    let (read, committed, probed) =
        tokio::join!(store.owner(PlayerId(1)), store.commit(fence, trade(&players, 1, 0)), store.probe());
    let took = started.elapsed();
    cassandra::shared().signal("CONT");
    let labels = [read.err(), committed.err(), probed.err()].map(|error| error.map(|error| error.label()));
    assert_eq!(labels, [Some("unavailable"); 3]);
    assert!(took < Duration::from_millis(2_500), "they took {took:?}");
    assert!(store.health().is_away(health::CQL));
    // Once it goes on, the same transaction is asked for until there is an answer, and counts once.
    let deadline = Instant::now() + Duration::from_secs(30);
    while store.commit(fence, trade(&players, 1, 0)).await.is_err() {
        assert!(Instant::now() < deadline, "the node does not come back");
    }
    assert_eq!(versions(&store, &players).await, [1, 1]);
    assert_eq!(store.health(), Health::default());
}
