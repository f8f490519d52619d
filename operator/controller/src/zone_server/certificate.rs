//! The secret with the certificate of a `ZoneServer`'s zones, as they mount it. Pure but for its randomness.

use darkages_crds::ZoneServer;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;

use super::names;
use crate::authority::{Authority, AuthorityError, CERTIFICATE_DAYS, Pair, Purpose, in_days, moment, secret, text};

/// The name by which zones are known in their certificate. It is resolved nowhere: the operator dials addresses of pods.
pub const ZONE_NAME: &str = "zone.darkages.io";

/// A certificate that is valid for less than this is replaced.
const RENEW_BEFORE_DAYS: i64 = 30;

const RENEW_AT: &str = "darkages.io/renew-at";

/// The secret that zones mount: the one that there is, or another one when its certificate ends soon or it does not trust
/// whom it should.
///
/// # Errors
/// When nothing can be signed.
pub fn zone_secret(
    authority: &Authority,
    owner: &ZoneServer,
    there: Option<&Secret>,
    now: Timestamp,
) -> Result<Secret, AuthorityError> {
    let good = there.and_then(|there| {
        let pair = Pair { certificate: text(there, "tls.crt")?, key: text(there, "tls.key")? };
        Some((pair, moment(there, RENEW_AT).filter(|renew_at| now < *renew_at)?))
    });
    let (pair, renew_at) = match good {
        Some(good) => good,
        None => {
            let pair = authority.issue(Purpose::Server(ZONE_NAME), now)?;
            (pair, in_days(now, CERTIFICATE_DAYS - RENEW_BEFORE_DAYS)?)
        }
    };
    let trusted = authority.trusted();
    let data = vec![("tls.crt", &pair.certificate), ("tls.key", &pair.key), ("ca.crt", &trusted)];
    let metadata = names::metadata(owner, names::zone_secret(&owner.name_any()));
    Ok(secret(metadata, "kubernetes.io/tls", data, Some((RENEW_AT, renew_at))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(days: i64) -> Timestamp {
        in_days("2026-01-01T00:00:00Z".parse().expect("a moment"), days).expect("not so far")
    }

    fn owner() -> ZoneServer {
        let spec = serde_json::json!({"world": "w", "bounds": {"minX": 0, "minY": 0, "maxX": 1, "maxY": 1}});
        ZoneServer::new("meadow", serde_json::from_value(spec).expect("it is one"))
    }

    #[test]
    fn zones_keep_their_certificate_until_it_ends_soon_and_hear_of_new_authorities_at_once() {
        let authority = Authority::new(day(0)).expect("keys");
        let first = zone_secret(&authority, &owner(), None, day(0)).expect("it signs");
        let later = zone_secret(&authority, &owner(), Some(&first), day(29)).expect("it signs");
        assert_eq!(first.data, later.data);
        let renewed = zone_secret(&authority, &owner(), Some(&first), day(31)).expect("it signs");
        assert_ne!(text(&first, "tls.crt"), text(&renewed, "tls.crt"));
        let rotated = authority.at(day(90)).expect("keys");
        let told = zone_secret(&rotated, &owner(), Some(&renewed), day(40)).expect("it signs");
        assert_eq!(text(&renewed, "tls.crt"), text(&told, "tls.crt"));
        assert_eq!(text(&told, "ca.crt"), Some(rotated.trusted()));
    }
}
