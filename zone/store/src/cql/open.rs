//! Opening: connecting, seeing whose keyspace it is, bringing its tables up to date, preparing statements.

use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError, MetadataError, NewSessionError,
};
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::policies::speculative_execution::SimpleSpeculativeExecutionPolicy;

use super::statements::Statements;
use super::url::CqlOptions;
use super::wire::Wire;
use super::{Inner, Lives, migrate};
use crate::check;
use crate::error::OpenError;

/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// After this long without any answer a connection is tried with a question of its own.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// A server that has not answered a read after this time is slow or gone, and another one is asked as well.
const SECOND_SERVER_AFTER: Duration = Duration::from_millis(250);

/// Seconds of a day.
const DAY_S: u32 = 24 * 3_600;

pub(super) async fn open(options: &CqlOptions, world: &str) -> Result<Inner, OpenError> {
    check::world(world)?;
    let session = bare(options).await?;
    let id = migrate::migrate(&session, options, world).await?;
    let statements = Statements::prepare(&session, options).await.map_err(|error| unreachable(options, error))?;
    let seconds = |days: u32| i32::try_from(days.saturating_mul(DAY_S)).unwrap_or(i32::MAX);
    Ok(Inner {
        id,
        wire: Wire::new(session),
        statements,
        lives: Lives { journal: seconds(options.journal_days), events: seconds(options.events_days) },
        places: Default::default(),
        times: Default::default(),
        leases: Default::default(),
        known: Default::default(),
        abandoned: Default::default(),
        listed: Default::default(),
    })
}

/// Connects to the servers without a store around it: for whoever measures what they can do, or looks at what is in them.
///
/// # Errors
/// When no server answers or lets us in.
pub async fn bare(options: &CqlOptions) -> Result<Session, OpenError> {
    connect(options).await.map_err(|error| not_connected(options, error))
}

async fn connect(options: &CqlOptions) -> Result<Session, NewSessionError> {
    // Repeating is decided in `wire`, where it is known what may happen twice. Asking a second server beside the first is
    // left to the driver, which does so only with what may.
    let second = SimpleSpeculativeExecutionPolicy { max_retry_count: 1, retry_interval: SECOND_SERVER_AFTER };
    let profile = ExecutionProfile::builder()
        .speculative_execution_policy(Some(Arc::new(second)))
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
        .request_timeout(Some(options.timeout))
        .build();
    let mut builder = SessionBuilder::new()
        .known_nodes(&options.hosts)
        .keyspaces_to_fetch([options.keyspace.as_str()])
        .connection_timeout(CONNECT_TIMEOUT)
        .keepalive_interval(KEEPALIVE)
        .default_execution_profile_handle(profile.into_handle());
    if let Some(credentials) = &options.credentials {
        builder = builder.user(&credentials.user, &credentials.password);
    }
    builder.build().await
}

/// The error for servers that do not answer, or not as they should.
pub(super) fn unreachable(
    options: &CqlOptions,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> OpenError {
    let what = format!("{}: check the addresses, that the servers run, and the network", source.into());
    OpenError::Unreachable { place: options.place(), source: what.into() }
}

fn not_connected(options: &CqlOptions, error: NewSessionError) -> OpenError {
    if is_denied(&error) {
        OpenError::Denied { place: options.place(), source: Box::new(error) }
    } else {
        unreachable(options, error)
    }
}

/// Whether servers answer and do not let us in.
fn is_denied(error: &NewSessionError) -> bool {
    let NewSessionError::MetadataError(MetadataError::ConnectionPoolError(ConnectionPoolError::Broken {
        last_connection_error: ConnectionError::ConnectionSetupRequestError(error),
    })) = error
    else {
        return false;
    };
    matches!(
        error.error,
        ConnectionSetupRequestErrorKind::MissingAuthentication
            | ConnectionSetupRequestErrorKind::DbError(DbError::AuthenticationError | DbError::Unauthorized, _)
    )
}
