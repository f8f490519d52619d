//! Statements on their way to the servers: bounded in number, repeated where that is safe, and their failures in our words.
//!
//! What flows in is a prepared statement with its values; what flows out are rows, or [`StoreError::Unavailable`]. The
//! driver's own retries are off, so that this page says everything about repeating: a read or a write that may happen twice
//! is repeated [`ATTEMPTS`] times; a compare-and-swap only when it certainly was not carried out.

use std::time::Duration;

use scylla::client::session::Session;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::response::query_result::{QueryResult, QueryRowsResult};
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::value::{CqlValue, Row};
use tokio::sync::Semaphore;

use crate::error::StoreError;
use crate::health::{self, Presence};

/// Statements under way at a time; more wait. It keeps one server of two cores busy several times over, and a batch of
/// thousands from filling every connection's streams.
pub(super) const MAX_IN_FLIGHT: usize = 256;

/// Times that a statement is tried, the first included.
const ATTEMPTS: u32 = 4;

/// The pause before the second attempt; it doubles with each further one, and half of it is random.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The session, how many statements it may carry, and whether the servers carry them out.
pub(super) struct Wire {
    session: Session,
    room: Semaphore,
    pub presence: Presence,
}

/// What is to be carried out, as often as it takes.
enum Order<'a, V> {
    One(&'a PreparedStatement, V),
    /// All or nothing.
    Together(&'a Batch, Vec<V>),
}

impl Wire {
    pub fn new(session: Session) -> Self {
        Self { session, room: Semaphore::new(MAX_IN_FLIGHT), presence: Presence::new(health::CQL) }
    }

    /// Carries out a read, or a write that may happen twice.
    pub async fn run(
        &self,
        action: &'static str,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<QueryResult, StoreError> {
        self.attempt(action, Order::One(statement, values), may_help).await
    }

    /// Carries out one statement with many values, all of one partition: the servers write all of it or nothing. Each may have
    /// been written before.
    pub async fn run_together<V: SerializeRow>(
        &self,
        action: &'static str,
        statement: &PreparedStatement,
        values: Vec<V>,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.set_is_idempotent(true);
        batch.set_request_timeout(statement.get_request_timeout());
        if let Some(consistency) = statement.get_consistency() {
            batch.set_consistency(consistency);
        }
        for _ in &values {
            batch.append_statement(statement.clone());
        }
        self.attempt(action, Order::Together(&batch, values), may_help).await.map(drop)
    }

    /// Reads rows.
    pub async fn rows(
        &self,
        action: &'static str,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<QueryRowsResult, StoreError> {
        let result = self.run(action, statement, values).await?;
        result.into_rows_result().map_err(|error| unavailable(action, error))
    }

    /// Carries out a compare-and-swap; whether its condition held. After an error it may have been carried out.
    pub async fn cas(
        &self,
        action: &'static str,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<bool, StoreError> {
        let result = self.attempt(action, Order::One(statement, values), was_not_carried_out).await?;
        let rows = result.into_rows_result().map_err(|error| unavailable(action, error))?;
        // When the condition failed there are further columns, which differ from statement to statement.
        let row: Row = rows.first_row().map_err(|error| unavailable(action, error))?;
        match row.columns.first() {
            Some(Some(CqlValue::Boolean(applied))) => Ok(*applied),
            _ => Err(unavailable(action, "the answer to a compare-and-swap does not say whether it was done")),
        }
    }

    async fn attempt<V: SerializeRow>(
        &self,
        action: &'static str,
        order: Order<'_, V>,
        again: fn(&ExecutionError) -> bool,
    ) -> Result<QueryResult, StoreError> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let outcome = {
                let _room = self.room.acquire().await.map_err(|_| StoreError::Closed)?;
                match &order {
                    Order::One(statement, values) => self.session.execute_unpaged(statement, values).await,
                    Order::Together(batch, values) => self.session.batch(batch, values).await,
                }
            };
            match outcome {
                Ok(result) => {
                    self.presence.answered();
                    return Ok(result);
                }
                Err(error) if attempt < ATTEMPTS && again(&error) => {
                    tracing::debug!(action, attempt, %error, "a statement is tried again");
                    tokio::time::sleep(jittered(pause)).await;
                    pause *= 2;
                }
                Err(error) => {
                    if is_no_answer(&error) {
                        self.presence.failed();
                    }
                    return Err(unavailable(action, error));
                }
            }
        }
        Err(unavailable(action, "it was not tried"))
    }

    /// Lets nothing more through.
    pub fn close(&self) {
        self.room.close();
    }
}

/// A pause of which half is random, so that many who failed together do not come back together.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause / 2 + (pause / 2).mul_f64(rand::random::<f64>())
}

/// The error for what servers did not do, or may not have done.
pub(super) fn unavailable(
    action: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Unavailable { action, source: source.into() }
}

/// Whether nobody answered, or only that too few servers are there to do anything.
fn is_no_answer(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::EmptyPlan | ExecutionError::ConnectionPoolError(_) | ExecutionError::RequestTimeout(_) => true,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, _)) => matches!(
            error,
            DbError::Unavailable { .. }
                | DbError::IsBootstrapping
                | DbError::Overloaded
                | DbError::ReadTimeout { .. }
                | DbError::WriteTimeout { .. }
        ),
        ExecutionError::LastAttemptError(RequestAttemptError::BrokenConnectionError(_)) => true,
        _ => false,
    }
}

/// Whether a statement that may happen twice is worth another attempt: not when the servers understood and refused it.
fn may_help(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::EmptyPlan | ExecutionError::ConnectionPoolError(_) | ExecutionError::RequestTimeout(_) => true,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, _)) => !matches!(
            error,
            DbError::SyntaxError
                | DbError::Invalid
                | DbError::Unauthorized
                | DbError::AuthenticationError
                | DbError::ConfigError
                | DbError::ProtocolError
        ),
        ExecutionError::LastAttemptError(
            RequestAttemptError::UnableToAllocStreamId | RequestAttemptError::BrokenConnectionError(_),
        ) => true,
        _ => false,
    }
}

/// Whether a statement certainly never reached a replica. A timeout or a broken connection says nothing of the kind.
fn was_not_carried_out(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::EmptyPlan | ExecutionError::ConnectionPoolError(_) => true,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, _)) => {
            matches!(error, DbError::Unavailable { .. } | DbError::IsBootstrapping)
        }
        ExecutionError::LastAttemptError(RequestAttemptError::UnableToAllocStreamId) => true,
        _ => false,
    }
}
