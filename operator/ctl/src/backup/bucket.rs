//! A bucket that speaks S3: Amazon's, or a server of one's own.
//!
//! Region, endpoint and credentials come from the usual environment variables (`AWS_REGION`, `AWS_ENDPOINT_URL`,
//! `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`), or, in a cloud, from the machine itself, so that no secret stands on a
//! command line. TLS is rustls over ring, with the system's list of authorities; an endpoint without TLS has to be allowed
//! with `AWS_ALLOW_HTTP=true`.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use crate::exit::BadInput;

/// Attempts after the first one of each request.
const MAX_RETRIES: usize = 5;

/// Time for all attempts of one request; a file has at most 4.5 MiB.
const RETRY_FOR: Duration = Duration::from_secs(60);

/// The bucket that `s3://bucket/prefix` names, and the prefix.
///
/// # Errors
/// When it names none, or the environment does not fit.
pub fn open(flag: &str, place: &str) -> Result<(Arc<dyn ObjectStore>, Path), BadInput> {
    let bad = |problem: String| BadInput::new(format!("{flag} {place}: {problem}"));
    let rest = place.strip_prefix("s3://").unwrap_or(place);
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(bad("it names no bucket: give s3://bucket/prefix".to_owned()));
    }
    let prefix = Path::parse(prefix.trim_matches('/')).map_err(|error| bad(format!("{error}: give a plain prefix")))?;
    // That somebody else was first is as good: there is one provider in this program.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let retry = RetryConfig { backoff: BackoffConfig::default(), max_retries: MAX_RETRIES, retry_timeout: RETRY_FOR };
    let store = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry).build();
    let store = store.map_err(|error| bad(format!("{error}: set AWS_ENDPOINT_URL, AWS_REGION and credentials")))?;
    Ok((Arc::new(store), prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_split_into_bucket_and_prefix() {
        let prefix =
            |place| open("--to", place).map(|(_, prefix)| prefix.to_string()).map_err(|error| error.to_string());
        assert_eq!(prefix("s3://worlds").as_deref(), Ok(""));
        assert_eq!(prefix("s3://worlds/eu/one/").as_deref(), Ok("eu/one"));
        assert!(prefix("s3://").is_err_and(|said| said.contains("give s3://bucket/prefix")));
        assert!(prefix("s3://worlds/a//b").is_err_and(|said| said.contains("--to s3://worlds/a//b")));
    }
}
