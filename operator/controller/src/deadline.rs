//! Calls of the API server, each with a deadline: the client itself has none, and a server that says nothing must not hold up
//! what else is to be done.

use std::time::Duration;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Something is read.
    Read,
    /// Something is written.
    Write,
}

/// How long the API server may take. Longer for what is written, because whoever gives up does not know whether it was.
const READ_WITHIN: Duration = Duration::from_secs(2);
const WRITE_WITHIN: Duration = Duration::from_secs(5);

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server refused, or is not reached.
    #[error("{}", said(.0))]
    Refused(#[from] kube::Error),
    /// It said nothing.
    #[error("the API server did not answer within {0:?}")]
    Late(Duration),
    /// Nothing was asked, because another operator may act by now.
    #[error("this operator acts no more")]
    NoMandate,
}

/// What the API server says, in its own words and no others.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => other.to_string(),
    }
}

impl CallError {
    /// The API server's own code, if it answered.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused(kube::Error::Api(status)) => Some(status.code),
            Self::Refused(_) | Self::Late(_) | Self::NoMandate => None,
        }
    }
}

/// One call with its deadline.
///
/// # Errors
/// Those of the call, and when there is no answer in time.
pub async fn within<T>(call: Call, answer: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    let limit = match call {
        Call::Read => READ_WITHIN,
        Call::Write => WRITE_WITHIN,
    };
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(CallError::Late(limit)),
    }
}
