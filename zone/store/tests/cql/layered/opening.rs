//! Opening: without Redis, without CQL, on what is not ours, and on tables of the version before.

use std::time::Instant;

use darkages_servers::free_port;
use darkages_servers::redis::Server;
use darkages_store::{OpenError, Saved, Store, health, open};
use darkages_topology::PlayerId;

use super::{DEADLINE, Tiers, WORLD, eventually, flushed, mark, record, save};
use crate::cassandra;
use crate::scene::{SHARD, acquire, create, trade, versions};

const PLAYERS: [PlayerId; 3] = [PlayerId(1), PlayerId(2), PlayerId(u64::MAX)];

async fn refused(url: &str) -> OpenError {
    match open(url, WORLD).await {
        Ok(_) => panic!("{url} must not be opened"),
        Err(error) => {
            assert!(!error.to_string().contains('\n'), "one line: {error}");
            error
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_opens_without_redis_and_uses_it_once_it_is_there() {
    let _together = cassandra::together().await;
    let mut tiers = Tiers::start().await;
    tiers.redis.kill();
    let store = tiers.open().await;
    assert!(store.health().is_away(health::REDIS) && !store.health().is_away(health::CQL));
    let fence = acquire(&*store, SHARD).await;
    create(&*store, fence, &PLAYERS).await;
    let made = record(&*store, PLAYERS[0]).await;
    assert_eq!(save(&*store, fence, PLAYERS[0], &made, 1).await, Saved::Done);
    assert_eq!(store.health().unsaved, 0, "it went to CQL before it was answered");
    assert_eq!(mark(&record(&*store, PLAYERS[0]).await.data), 1);
    let tiers = tokio::task::spawn_blocking(move || {
        tiers.redis.restart(&[]);
        tiers
    });
    let tiers = tiers.await.expect("it starts");
    eventually("Redis is back", || store.health().away.is_empty().then_some(())).await;
    // The first makes a copy, the second goes into it.
    for mark in 2..4 {
        assert_eq!(save(&*store, fence, PLAYERS[0], &made, mark).await, Saved::Done);
    }
    assert_eq!(store.health().cache_hits, 1);
    tiers.copy_of(PLAYERS[0]).await;
    assert_eq!(mark(&record(&*store, PLAYERS[0]).await.data), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_not_open_without_cql() {
    let tiers = tokio::task::spawn_blocking(|| Server::start(&[])).await.expect("it starts");
    let error = refused(&format!("redis://{},cql://127.0.0.1:{}/world", tiers.address(), free_port())).await;
    assert!(matches!(&error, OpenError::Unreachable { place, .. } if place.starts_with("cql://")), "{error}");
    assert_eq!(tiers.ask::<Vec<String>>(&["KEYS", "*"]), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_of_somebody_else_is_refused_and_left_as_it_is() {
    let _together = cassandra::together().await;
    let tiers = Tiers::start().await;
    let (redis, address) = (&tiers.redis, tiers.redis.address());
    let keys = || {
        let mut keys: Vec<String> = redis.ask(&["KEYS", "*"]);
        keys.sort();
        keys
    };
    redis.ask::<()>(&["SET", "shop:basket", "7"]);
    let error = refused(&tiers.url()).await;
    assert!(matches!(&error, OpenError::ForeignKeys { key, .. } if key == "shop:basket"), "{error}");
    assert_eq!(keys(), ["shop:basket"]);
    redis.ask::<()>(&["FLUSHALL"]);

    let elsewhere = format!("redis://{address},{}", cassandra::url(&cassandra::new_keyspace(), ""));
    open(&elsewhere, "elsewhere").await.expect("it opens").close().await.expect("it closes");
    let error = refused(&tiers.url()).await;
    assert!(matches!(&error, OpenError::OtherWorld { found, .. } if found == "elsewhere"), "{error}");
    redis.ask::<()>(&["FLUSHALL"]);

    redis.ask::<()>(&["CONFIG", "SET", "appendonly", "yes"]);
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let alone = format!("redis://{address}");
    open(&alone, WORLD).await.expect("it keeps a world").close().await.expect("it closes");
    let ours = keys();
    let error = refused(&tiers.url()).await;
    assert!(matches!(&error, OpenError::Unsuitable { .. }) && error.to_string().contains("itself"), "{error}");
    assert_eq!(keys(), ours);
    redis.ask::<()>(&["FLUSHALL"]);

    tiers.open().await.close().await.expect("it closes");
    let error = refused(&alone).await;
    assert!(matches!(&error, OpenError::Unsuitable { .. }) && error.to_string().contains("copies"), "{error}");
    redis.ask::<()>(&["SET", &format!("darkages:cache:{{{WORLD}}}:meta"), "2"]);
    tiers.open().await.close().await.expect("a marker of another keyspace is none of ours");
    let marker: Vec<String> = redis.ask(&["KEYS", &format!("darkages:cache:{{{WORLD}}}:*:meta")]);
    redis.ask::<()>(&["SET", &marker[0], "2"]);
    let error = refused(&tiers.url()).await;
    assert!(matches!(&error, OpenError::NewerVersion { found: 2, supported: 1, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_and_a_wrong_password_are_refused() {
    let _together = cassandra::together().await;
    let tiers = Tiers::start().await;
    let primary = tokio::task::spawn_blocking(|| Server::start_with(&["--requirepass", "right"], ":right@", |_| {}));
    let primary = primary.await.expect("it starts");
    let url = tiers.url().replace(&tiers.redis.address(), &format!(":wr0ng@{}", primary.address()));
    let error = refused(&url).await;
    assert!(error.to_string().contains("password") && !error.to_string().contains("wr0ng"), "{error}");
    tiers.redis.ask::<()>(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
    let error = refused(&tiers.url()).await;
    assert!(error.to_string().contains("is a replica"), "{error}");
}

/// Tables of the first version had checkpoints in the owner records.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_the_first_version_are_brought_to_this_one_with_what_they_hold() {
    let _together = cassandra::together().await;
    let tiers = Tiers::start().await;
    let keyspace = &tiers.keyspace;
    let before = cassandra::open(keyspace).await;
    let fence = acquire(&before, SHARD).await;
    create(&before, fence, &PLAYERS).await;
    before.commit(fence, trade(&PLAYERS, 5, 0)).await.expect("commit");
    let kept = before.owners(&PLAYERS).await.expect("read");
    before.close().await.expect("close");
    let session = cassandra::bare().await;
    for change in [
        format!("DROP TABLE {keyspace}.snapshots"),
        format!("DELETE FROM {keyspace}.darkages_meta WHERE key = 'id'"),
        format!("UPDATE {keyspace}.darkages_meta SET value = '1' WHERE key = 'version'"),
    ] {
        session.query_unpaged(change, ()).await.expect("done");
    }
    let asked = Instant::now();
    let (one, two) = tokio::join!(tiers.open(), tiers.open());
    assert!(asked.elapsed() < DEADLINE, "{:?}", asked.elapsed());
    for store in [&one, &two] {
        assert_eq!(store.owners(&PLAYERS).await.expect("read"), kept, "as it was");
    }
    let old = record(&*one, PLAYERS[1]).await;
    assert_eq!(save(&*one, fence, PLAYERS[1], &old, 9).await, Saved::Done, "the lease goes on");
    flushed(&*one).await;
    let third = cassandra::open(keyspace).await;
    assert_eq!(mark(&record(&third, PLAYERS[1]).await.data), 9);
    assert_eq!(versions(&third, &PLAYERS).await, [1, 1, 1]);
}
