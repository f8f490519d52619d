//! Where a store is: what is understood, what is refused, and that no password is printed.

use darkages_store::url::{Deployment, Node, RedisUrl, Secret, Tls};
use darkages_store::{StoreUrl, open};
use proptest::prelude::*;

fn redis(url: &str) -> RedisUrl {
    match url.parse() {
        Ok(StoreUrl::Redis(url)) => url,
        other => panic!("{url}: {other:?}"),
    }
}

fn node(host: &str, port: u16) -> Node {
    Node { host: host.to_owned(), port }
}

#[test]
fn a_path_is_a_file() {
    for (url, path) in [("world.store", "world.store"), ("redb:/var/world", "/var/world"), ("./a:b", "./a:b")] {
        assert_eq!(url.parse(), Ok(StoreUrl::Embedded(path.into())));
    }
}

#[test]
fn the_forms_of_redis_are_understood() {
    let plain = redis("redis://db");
    assert_eq!(plain.deployment, Deployment::Single(node("db", 6379)));
    assert_eq!((plain.tls, plain.user, plain.password, plain.database, plain.replicas), (None, None, None, 0, 0));
    let full = redis("rediss://me:p%40ss%3A@[::1]:7000/3?replicas=2&ca=/etc/a%20b.pem");
    assert_eq!(full.deployment, Deployment::Single(node("::1", 7000)));
    assert_eq!(full.tls, Some(Tls { ca: Some("/etc/a b.pem".into()) }));
    assert_eq!((full.user.as_deref(), full.password.as_ref().map(Secret::reveal)), (Some("me"), Some("p@ss:")));
    assert_eq!((full.database, full.replicas), (3, 2));
    let sentinel = redis("redis+sentinel://:x@a,b:1/main?db=4");
    let nodes = vec![node("a", 26379), node("b", 1)];
    assert_eq!(sentinel.deployment, Deployment::Sentinel { nodes, master: "main".into() });
    assert_eq!((sentinel.user, sentinel.database, sentinel.replicas), (None, 4, 1));
    let cluster = redis("rediss+cluster://a,b:1?replicas=0");
    assert_eq!(cluster.deployment, Deployment::Cluster(vec![node("a", 6379), node("b", 1)]));
    assert_eq!((cluster.tls, cluster.replicas), (Some(Tls { ca: None }), 0));
}

#[test]
fn what_is_wrong_is_named() {
    for (url, field) in [
        ("", "path"),
        ("mysql://a", "scheme"),
        ("redis+ring://a", "scheme"),
        ("redis://", "host"),
        ("redis://:6379", "host"),
        ("redis://a,b", "host"),
        ("redis://a:0", "port"),
        ("redis://a:70000", "port"),
        ("redis://a:x", "port"),
        ("redis://a/x", "database"),
        ("redis://me@a", "user"),
        ("redis://:p%zz@a", "password"),
        ("redis://:%ff@a", "password"),
        ("redis://a?db=1", "db"),
        ("redis://a?ca=x", "ca"),
        ("rediss://a?ca=", "ca"),
        ("redis://a?replicas=17", "replicas"),
        ("redis://a?timeout=1", "option"),
        ("redis+sentinel://a", "path"),
        ("redis+cluster://a/1", "path"),
        ("redis+cluster://a?db=1", "db"),
    ] {
        let error = url.parse::<StoreUrl>().expect_err(url);
        assert_eq!(error.field, field, "{url}: {error}");
    }
}

#[test]
fn a_list_is_redis_before_cql_and_nothing_else() {
    for redis_url in ["redis://db/3", "rediss://:x@db", "redis+sentinel://:x@a,b:1/main", "rediss+cluster://a,b:1"] {
        let url = format!("{redis_url},cql://ann:x@h,i:1/world?replication=2");
        let Ok(StoreUrl::Layered(copies, cql)) = url.parse() else { panic!("{url}") };
        assert_eq!(copies, redis(redis_url));
        assert_eq!((cql.hosts.len(), cql.keyspace.as_str()), (2, "world"));
    }
    for (url, field, hint) in [
        ("cql://h/k,redis://db", "list", "wrong order"),
        ("redis://a,redis://b", "list", "redis://…,cql://…"),
        ("cql://h/k,cql://h/l", "list", "redis://…,cql://…"),
        ("world.store,cql://h/k", "list", "redis://…,cql://…"),
        ("redis://a,cql://h/k,cql://i/k", "list", "has 3 URLs"),
        ("redis://a,redis://b,cql://h/k", "list", "has 3 URLs"),
        ("redis://a:0,cql://h/k", "port", "ports"),
        ("redis://a,cql://h", "keyspace", "missing"),
        ("redis://a,mysql://h", "scheme", "unknown"),
        ("redis+sentinel://a/main?replicas=1,cql://h/k", "replicas", "leave it out"),
    ] {
        let error = url.parse::<StoreUrl>().expect_err(url);
        assert_eq!(error.field, field, "{url}: {error}");
        assert!(error.to_string().contains(hint), "{url}: {error}");
    }
}

#[test]
fn a_password_is_not_printed() {
    let url = redis("redis://me:s3cret@db:1/2");
    assert_eq!(url.to_string(), "redis://db:1/2");
    assert!(!format!("{url:?}").contains("s3cret"));
    for wrong in [
        "redis://me:s3cret%@db",
        "redis://me:s3cret",
        "redis://:x?s3cret@db",
        "redis://s3cret@db",
        "redis://db/s3cret",
        "redis://:s3cret@a,redis://b",
        "cql://me:s3cret@h/k,redis://:s3cret@b",
        "redis://a,cql://s3cret@h/k",
    ] {
        let error = wrong.parse::<StoreUrl>().expect_err(wrong);
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_opened_by_its_path() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let url = format!("redb:{}", folder.path().join("world.store").display());
    let store = open(&url, "by-path").await.expect("a new one");
    store.probe().await.expect("it can be written");
    store.close().await.expect("it closes");
    drop(store);
    let error = open(&url, "another").await.err().expect("another world's");
    assert_eq!(error.label(), "other_world", "{error}");
    let error = open("redis://a:0", "any").await.err().expect("no port");
    assert_eq!(error.to_string(), "the store URL's port is 0, 1 to 65535 are ports");
}

proptest! {
    #[test]
    fn any_text_is_read_to_an_end(text in "(redis|rediss)(\\+sentinel|\\+cluster)?://[ -~é]{0,40}(,cql://[ -~é]{0,20})?") {
        let _ = text.parse::<StoreUrl>();
    }
}
