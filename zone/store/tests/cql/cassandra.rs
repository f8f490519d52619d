//! The node that the tests of this binary share, who may use it, and how a store or a bare session is opened at it.

use std::sync::Mutex;

pub use darkages_servers::cassandra::{CQL_PORT, Node, new_keyspace, shared, url};
use darkages_store::{Cql, CqlOptions};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Who may use the shared node: many together, or one that stops it alone.
static USERS: RwLock<()> = RwLock::const_new(());

/// Held by a test that uses the shared node like any other.
pub async fn together() -> RwLockReadGuard<'static, ()> {
    USERS.read().await
}

/// Held by a test that does to the shared node what nobody else could bear.
pub async fn alone() -> RwLockWriteGuard<'static, ()> {
    USERS.write().await
}

/// Keyspaces one after the other, each gone when the next is asked for: half a hundred would be more than a small node bears.
pub struct Keyspaces {
    session: Session,
    current: Mutex<String>,
}

impl Keyspaces {
    pub async fn new() -> Self {
        Self { session: bare().await, current: Mutex::default() }
    }

    /// Goes on to a keyspace that nobody has used.
    pub async fn go_on(&self) {
        let before = std::mem::replace(&mut *self.current.lock().expect("no case panicked"), new_keyspace());
        if !before.is_empty() {
            self.session.query_unpaged(format!("DROP KEYSPACE {before}"), ()).await.expect("it is there");
        }
    }

    /// The one that is used now.
    pub fn current(&self) -> String {
        self.current.lock().expect("no case panicked").clone()
    }
}

/// Opens a keyspace at the shared node.
pub async fn open(keyspace: &str) -> Cql {
    let options = CqlOptions::parse(&url(keyspace, "")).expect("a URL");
    Cql::open(&options, "tests").await.expect("the store opens")
}

/// The server without the driver.
pub async fn bare() -> Session {
    let node = format!("{}:{CQL_PORT}", shared().address);
    SessionBuilder::new().known_node(node).user("cassandra", "cassandra").build().await.expect("a session")
}
