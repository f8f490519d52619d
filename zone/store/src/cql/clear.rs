//! What is known of the logs as a whole, and making room for another history.

use std::time::Duration;

use super::Inner;
use super::leases::GUARD;
use super::log::UNDECIDED;
use super::wire::unavailable;
use crate::error::StoreError;
use crate::journal::{Kept, LogState};

/// Servers take a write for one that came before the tables were emptied when their clocks say so. This is longer than they
/// may differ, so that none of the next history is.
const AFTER_CLEARING: Duration = Duration::from_millis(2 * GUARD.as_millis() as u64);

impl Inner {
    /// A transaction is stamped when it begins, and decided or called off within [`UNDECIDED`] of that and the time of a
    /// call.
    pub async fn log_state(&self, deadline: Duration) -> Result<LogState, StoreError> {
        const ACTION: &str = "looking at the log";
        let rows = self.wire.rows(ACTION, &self.statements.read_history, ()).await?;
        let found: Option<(String,)> = rows.maybe_first_row().map_err(|error| unavailable(ACTION, error))?;
        let damaged =
            |_| StoreError::Corrupt { what: "the number of the history".to_owned(), reason: "it is no number" };
        let history = found.map_or(Ok(0), |(digits,)| digits.parse()).map_err(damaged)?;
        let now = Duration::from_millis(self.now(ACTION).await?.unsigned_abs());
        let settled = now.saturating_sub(UNDECIDED + deadline + GUARD);
        let life = Duration::from_secs(u64::from(self.lives.journal.unsigned_abs()));
        Ok(LogState { history, now: now + GUARD, settled, kept: Kept::Since(now.saturating_sub(life)) })
    }

    pub async fn clear(&self) -> Result<(), StoreError> {
        const ACTION: &str = "clearing the store";
        let history = rand::random::<u64>().to_string();
        if !self.wire.cas(ACTION, &self.statements.first_history, (&history,)).await? {
            self.wire.cas(ACTION, &self.statements.next_history, (&history,)).await?;
        }
        // Copies of this history's records, wherever they are, are nobody's from the next opening on.
        self.wire.cas(ACTION, &self.statements.forget_id, ()).await?;
        let Self { statements, .. } = self;
        for statement in [
            &statements.clear_owners,
            &statements.clear_owned,
            &statements.clear_players,
            &statements.clear_requests,
            &statements.clear_journal,
            &statements.clear_events,
            &statements.clear_sessions,
            &statements.clear_snapshots,
        ] {
            self.wire.run(ACTION, statement, ()).await?;
        }
        self.known.forget_all();
        tokio::time::sleep(AFTER_CLEARING).await;
        Ok(())
    }
}
