//! Sessions and nonces: one session a player, one use a nonce, and an end to both.

use std::time::Duration;

use super::Factory;
use super::scene::{ANNE, BEN, Scene};
use crate::limits::MAX_EXPIRY;
use crate::session::{NonceUse, Session};

const LIFE: Duration = Duration::from_secs(2);
const PAST_LIFE: Duration = Duration::from_millis(2_500);

pub(super) async fn all(factory: &dyn Factory) {
    a_player_has_one_session(factory).await;
    sessions_end(factory).await;
    a_nonce_is_used_once(factory).await;
}

fn session(id: u128) -> Session {
    Session { player: ANNE, id, data: vec![id as u8; 3], expires: Duration::ZERO }
}

fn id(session: Option<Session>) -> Option<u128> {
    session.map(|session| session.id)
}

async fn a_player_has_one_session(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let store = &scene.store;
    assert_eq!(store.session(ANNE).await.expect("read"), None);
    assert_eq!(id(store.open_session(session(1), LIFE).await.expect("open")), None);
    assert_eq!(id(store.open_session(session(2), LIFE).await.expect("open")), Some(1), "the first one is named");
    let open = store.session(ANNE).await.expect("read").expect("open");
    assert_eq!((open.player, open.id, open.data), (ANNE, 2, vec![2; 3]));
    assert!(open.expires > Duration::from_secs(1_600_000_000), "the store says when it ends");
    assert_eq!(store.session(BEN).await.expect("read"), None);
    assert!(!store.close_session(ANNE, 1).await.expect("close"), "the first one is over already");
    assert!(store.close_session(ANNE, 2).await.expect("close"));
    assert!(!store.close_session(ANNE, 2).await.expect("close"), "closed once");
    assert_eq!(store.session(ANNE).await.expect("read"), None);
    assert!(store.open_session(session(3), MAX_EXPIRY * 2).await.is_err(), "no session is for ever");
}

async fn sessions_end(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    scene.store.open_session(session(1), LIFE).await.expect("open");
    scene.pass(PAST_LIFE).await;
    assert_eq!(scene.store.session(ANNE).await.expect("read"), None, "expired");
    assert!(!scene.store.close_session(ANNE, 1).await.expect("close"));
    assert_eq!(id(scene.store.open_session(session(2), LIFE).await.expect("open")), None, "nobody is thrown out");
    scene.pass(PAST_LIFE).await;
    scene.store.purge_expired(100).await.expect("purge");
    assert_eq!(scene.store.purge_expired(100).await.expect("purge"), 0, "nothing is left");
}

async fn a_nonce_is_used_once(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    scene.store.open_session(session(1), LIFE).await.expect("open");
    let opened = scene.store.session(ANNE).await.expect("read").expect("open");
    let expires = opened.expires.as_secs() + 1;
    assert_eq!(scene.store.use_nonce(u128::MAX, expires).await.expect("use"), NonceUse::First);
    assert_eq!(scene.store.use_nonce(u128::MAX, expires).await.expect("use"), NonceUse::Again);
    assert_eq!(scene.store.use_nonce(7, expires).await.expect("use"), NonceUse::First);
    assert_eq!(scene.store.use_nonce(8, 1).await.expect("use"), NonceUse::Expired);
    let scene = scene.reopen().await;
    assert_eq!(scene.store.use_nonce(7, expires).await.expect("use"), NonceUse::Again, "durable");
    scene.pass(PAST_LIFE * 2).await;
    let late = scene.store.use_nonce(7, expires).await.expect("use");
    assert_ne!(late, NonceUse::First, "an expired token opens nothing, remembered or not");
    scene.store.purge_expired(100).await.expect("purge");
    assert_eq!(scene.store.use_nonce(7, expires).await.expect("use"), NonceUse::Expired);
}
