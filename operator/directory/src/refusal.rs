//! What the directory answers when it says no.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// A refused request. Each has its own status and code; the body is [`ErrorBody`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: the body is not the JSON that the call takes.
    #[error("{0}")]
    Malformed(&'static str),
    /// 408: the body did not arrive in time.
    #[error("the body did not arrive in time: send it with the head")]
    Slow,
    /// 413: the body is larger than any request.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// Bytes that a body may have.
        limit: usize,
    },
    /// 401: nobody who may issue tickets signed this one.
    #[error("the ticket was not issued for this world: ask for a new one")]
    WrongTicket,
    /// 401: the ticket's time is over.
    #[error("the ticket has expired: ask for a new one")]
    ExpiredTicket,
    /// 401: a ticket for another world.
    #[error("the ticket is for another world: ask for one for this world")]
    OtherWorld,
    /// 401: a ticket that is valid for longer than any may be.
    #[error("the ticket is valid for longer than an hour: issue it for less, or set the issuer's clock")]
    TooLongValid,
    /// 409: a ticket admits once.
    #[error("the ticket was used before: ask for a new one")]
    ReplayedTicket,
    /// 429: this address asked too often.
    #[error("too many requests from this address: try again in {} ms", wait.as_millis())]
    TooMany {
        /// How long to wait.
        wait: Duration,
    },
    /// 503: the world admits no more players.
    #[error("the world is full: try again later")]
    WorldFull,
    /// 503: the zone of that ground starts or is being replaced.
    #[error("no zone is ready for that place: try again in a moment")]
    NoZoneReady,
    /// 503: the store cannot say who owns the player or whether the ticket is new.
    #[error("the store does not answer: try again in a moment")]
    StoreUnavailable,
    /// 503: the map has as many watchers as it serves.
    #[error("too many watch the map already: try again later")]
    TooManyWatchers,
}

/// Body of every refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Code for programs, see [`Refusal::label`].
    pub error: String,
    /// Sentence for people.
    pub message: String,
}

impl Refusal {
    /// Static label: the code in the body, in metrics and in logs.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Slow => "slow",
            Self::TooLarge { .. } => "too_large",
            Self::WrongTicket => "wrong_ticket",
            Self::ExpiredTicket => "expired_ticket",
            Self::OtherWorld => "other_world",
            Self::TooLongValid => "too_long_valid_ticket",
            Self::ReplayedTicket => "replayed_ticket",
            Self::TooMany { .. } => "too_many",
            Self::WorldFull => "world_full",
            Self::NoZoneReady => "no_zone_ready",
            Self::StoreUnavailable => "store_unavailable",
            Self::TooManyWatchers => "too_many_watchers",
        }
    }

    /// HTTP status of the answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongTicket | Self::ExpiredTicket | Self::OtherWorld | Self::TooLongValid => StatusCode::UNAUTHORIZED,
            Self::ReplayedTicket => StatusCode::CONFLICT,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::WorldFull | Self::NoZoneReady | Self::StoreUnavailable | Self::TooManyWatchers => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// How long the caller should wait, in whole seconds as the header has it; `None` when waiting does not help.
    const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooMany { wait } => Some(if wait.subsec_nanos() > 0 { wait.as_secs() + 1 } else { wait.as_secs() }),
            Self::NoZoneReady | Self::StoreUnavailable => Some(1),
            Self::WorldFull | Self::TooManyWatchers => Some(10),
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = ErrorBody { error: self.label().to_owned(), message: self.to_string() };
        let mut response = (self.status(), [(CACHE_CONTROL, "no-store")], axum::Json(body)).into_response();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
