//! Servers that refuse, and places that are refused: one clear line each, and nothing is changed.

use std::time::{Duration, Instant};

use darkages_servers::redis::{self as deployments, Server};
use darkages_servers::{DEADLINE, free_port};
use darkages_store::{OpenError, PlayerData, StateVersion, open};
use darkages_topology::{PlayerId, ZoneId};

use crate::scene::{SHARD, WORLD, commit_in_the_end, create, opened, trade};

async fn started() -> (Server, String) {
    let server = tokio::task::spawn_blocking(|| Server::start(&[])).await.expect("it starts");
    let url = format!("redis://{}", server.address());
    (server, url)
}

async fn refused(url: &str, world: &str) -> OpenError {
    match open(url, world).await {
        Ok(_) => panic!("{url} must not be opened as {world}"),
        Err(error) => error,
    }
}

/// Everything that a server keeps, to see that it was left as it is.
fn contents(server: &Server) -> Vec<String> {
    let mut keys: Vec<String> = server.ask(&["KEYS", "*"]);
    keys.sort();
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_memory_is_told_and_got_over() {
    let (server, url) = started().await;
    let (store, fence) = opened(&url).await;
    create(&store, fence, PlayerId(1)).await;
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    let error = store.commit(fence, trade(PlayerId(1), PlayerData::default())).await.expect_err("no memory");
    assert!(error.to_string().contains("Redis has reached maxmemory"), "{error}");
    let error = store.probe().await.expect_err("it cannot be written");
    assert!(error.to_string().contains("maxmemory"), "{error}");
    let record = store.owner(PlayerId(1)).await.expect("reading needs no memory").expect("created");
    assert_eq!(record.data.version, StateVersion(0), "nothing was written");
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    commit_in_the_end(&store, fence, trade(PlayerId(1), PlayerData::default())).await;
    store.probe().await.expect("it can be written again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_refused_and_not_printed() {
    let start = || Server::start_with(&["--requirepass", "right"], ":right@", |_| {});
    let server = tokio::task::spawn_blocking(start).await.expect("it starts");
    let url = format!("redis://{}", server.address());
    for login in [":wr0ng@", "who:wr0ng@", ""] {
        let error = refused(&url.replace("redis://", &format!("redis://{login}")), WORLD).await;
        let line = error.to_string();
        assert!(line.contains("password") && !line.contains("wr0ng"), "{line}");
    }
    open(&url.replace("redis://", "redis://:right@"), WORLD).await.expect("the right one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_holds_something_else_is_refused_and_left_as_it_is() {
    let (server, url) = started().await;
    server.ask::<()>(&["SET", "shop:basket", "7"]);
    let error = refused(&url, WORLD).await;
    assert!(matches!(&error, OpenError::ForeignKeys { key, .. } if key == "shop:basket"), "{error}");
    assert_eq!(contents(&server), ["shop:basket"]);
    server.ask::<()>(&["DEL", "shop:basket"]);
    open(&url, WORLD).await.expect("an empty one is taken").close().await.expect("it closes");
    let ours = contents(&server);
    let error = refused(&url, "another").await;
    assert!(matches!(&error, OpenError::OtherWorld { found, .. } if found == WORLD), "{error}");
    let marker = format!("darkages:{{{WORLD}}}:meta");
    server.ask::<()>(&["HSET", &marker, "format", "2"]);
    let error = refused(&url, WORLD).await;
    assert!(matches!(&error, OpenError::NewerVersion { found: 2, supported: 1, .. }), "{error}");
    server.ask::<()>(&["HSET", &marker, "format", "one"]);
    let error = refused(&url, WORLD).await;
    assert!(matches!(&error, OpenError::Corrupt { .. }), "{error}");
    assert_eq!(contents(&server), ours);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_would_lose_players_are_refused() {
    let (server, url) = started().await;
    for (setting, bad, good) in [
        ("appendonly", "no", "yes"),
        ("appendfsync", "everysec", "always"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
    ] {
        server.ask::<()>(&["CONFIG", "SET", setting, bad]);
        let error = refused(&url, WORLD).await;
        assert!(matches!(&error, OpenError::Unsuitable { .. }) && error.to_string().contains(setting), "{error}");
        server.ask::<()>(&["CONFIG", "SET", setting, good]);
    }
    let error = refused(&format!("{url}?replicas=1"), WORLD).await;
    assert!(error.to_string().contains("0 of 1 replicas confirmed"), "{error}");
    assert_eq!(contents(&server), [""; 0], "not even the world's marker");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_and_a_name_that_sentinels_do_not_know_are_refused() {
    let pair = tokio::task::spawn_blocking(deployments::pair).await.expect("it starts");
    let error = refused(&format!("redis://{}", pair.servers[1].address()), WORLD).await;
    assert!(error.to_string().contains("is a replica"), "{error}");
    // Nobody is there at all.
    let nowhere = free_port();
    let error = refused(&format!("redis://127.0.0.1:{nowhere}"), WORLD).await;
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    // A server that is no sentinel.
    let error = refused(&format!("redis+sentinel://{}/main", pair.servers[0].address()), WORLD).await;
    assert_eq!(error.label(), "unreachable", "{error}");
    let error = refused(&format!("redis+cluster://{}", pair.servers[0].address()), WORLD).await;
    assert!(error.to_string().contains("cluster"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_somebody_else_are_refused() {
    let tls = tokio::task::spawn_blocking(deployments::tls).await.expect("it starts");
    let stranger = tokio::task::spawn_blocking(deployments::tls).await.expect("it starts");
    let ca = stranger.url.split_once("?ca=").expect("a file").1;
    let (address, _) = tls.url.split_once("?ca=").expect("a file");
    let error = refused(&format!("{address}?ca={ca}"), WORLD).await;
    assert!(error.to_string().contains("certificate"), "{error}");
    let error = refused(&format!("{address}?ca=/nowhere/ca.pem"), WORLD).await;
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_world_that_was_flushed_is_not_begun_anew() {
    let (mut server, url) = started().await;
    let (store, fence) = opened(&url).await;
    create(&store, fence, PlayerId(1)).await;
    server.ask::<()>(&["FLUSHALL"]);
    let server = tokio::task::spawn_blocking(move || {
        server.kill();
        server.restart(&[]);
        server
    });
    let server = server.await.expect("it starts again");
    let (zone, ttl) = (ZoneId("z".into()), Duration::from_secs(1));
    let asked = Instant::now();
    loop {
        let error = store.acquire(SHARD, &zone, ttl).await.expect_err("the world is gone");
        if error.to_string().contains("flushed") {
            break;
        }
        assert!(asked.elapsed() < DEADLINE, "{error}");
        tokio::time::sleep(Duration::from_millis(16)).await;
    }
    assert_eq!(contents(&server), [""; 0], "nothing is written into what is no world");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_another_kind_are_told_as_damage() {
    let (server, url) = started().await;
    let (store, fence) = opened(&url).await;
    create(&store, fence, PlayerId(1)).await;
    let owner = |player: u64| format!("darkages:{{{WORLD}}}:owner:{player:016x}");
    server.ask::<()>(&["LPUSH", &owner(2), "x"]);
    server.ask::<()>(&["SET", &owner(3), "\u{1}x"]);
    for player in [2, 3].map(PlayerId) {
        let read = store.owner(player).await;
        let traded = store.commit(fence, trade(player, PlayerData::default())).await;
        if player == PlayerId(3) {
            assert_eq!(read.expect_err("damaged").label(), "corrupt");
        } else {
            assert_eq!(read.expect("MGET passes over lists"), None);
        }
        let error = traded.expect_err("damaged");
        assert_eq!(error.label(), "corrupt", "{error}");
    }
    commit_in_the_end(&store, fence, trade(PlayerId(1), PlayerData::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_were_flushed_are_loaded_again() {
    let (server, url) = started().await;
    let (store, fence) = opened(&url).await;
    server.ask::<()>(&["SCRIPT", "FLUSH"]);
    create(&store, fence, PlayerId(1)).await;
}
