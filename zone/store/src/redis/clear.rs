//! Making room for another history.

use redis::{Cmd, Value, cmd};

use super::answer::{bytes, list, next, text};
use super::journal::HISTORY;
use super::scripts::Request;
use super::trouble::Trouble;
use super::{RedisStore, keys};
use crate::error::StoreError;

const ACTION: &str = "clearing the store";

/// Keys that the server looks at in one step.
pub(super) const KEYS_AT_A_TIME: usize = 1_000;

impl RedisStore {
    /// Removes everything of one history. The lists go like any other key: whoever clears holds all leases, so nobody reads
    /// them.
    pub(super) async fn clear_world(&self) -> Result<(), StoreError> {
        let history = cmd("HSET").arg(self.key(":meta")).arg(HISTORY).arg(rand::random::<u64>()).to_owned();
        self.ask(ACTION, Request::Command(history), |_| Ok(())).await?;
        let mut walk = Walk::new(&self.base);
        while let Some(scan) = walk.scan() {
            let found = |answer| walk.found(answer, |key| keys::is_of_history(&self.base, key));
            if let Some(removal) = self.ask(ACTION, Request::Command(scan), found).await? {
                self.ask(ACTION, Request::Command(removal), |_| Ok(())).await?;
            }
        }
        Ok(())
    }
}

/// A walk through all keys below a name, some at a time.
pub(super) struct Walk {
    pattern: String,
    /// Where it goes on; nowhere once it is over.
    cursor: Option<String>,
}

impl Walk {
    /// A walk through the keys that start with `base`.
    pub fn new(base: &str) -> Self {
        Self { pattern: format!("{base}:*"), cursor: Some("0".to_owned()) }
    }

    /// The next look; none when the walk is over.
    pub fn scan(&self) -> Option<Cmd> {
        let cursor = self.cursor.as_ref()?;
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(&self.pattern).arg("COUNT").arg(KEYS_AT_A_TIME);
        Some(scan)
    }

    /// Takes in what a look has found; the command that removes those of it that are `old`, if there are any.
    pub fn found(&mut self, answer: Value, mut old: impl FnMut(&[u8]) -> bool) -> Result<Option<Cmd>, Trouble> {
        let (cursor, mut found) = read_scan(answer)?;
        self.cursor = (cursor != "0").then_some(cursor);
        found.retain(|key| old(key));
        Ok((!found.is_empty()).then(|| cmd("UNLINK").arg(found).to_owned()))
    }
}

/// Where the walk goes on, and the keys that it has found.
fn read_scan(answer: Value) -> Result<(String, Vec<Vec<u8>>), Trouble> {
    let mut parts = list(answer)?.into_iter();
    let cursor = text(next(&mut parts)?)?;
    let keys: Result<_, _> = list(next(&mut parts)?)?.into_iter().map(bytes).collect();
    Ok((cursor, keys?))
}
