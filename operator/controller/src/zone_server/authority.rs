//! The authority of one `ZoneServer`'s control API: who may tell its zones what to do. Pure but for its randomness.
//!
//! There are always two authorities, and the next one is trusted long before it signs anything, so that no exchange ever
//! meets somebody who has not heard of it: at a rotation the next becomes the current one, a new next is made, and the old
//! one stays trusted until what it signed is over.

use std::collections::BTreeMap;

use darkages_crds::ZoneServer;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use super::names;

/// The name by which zones are known in their certificate. It is resolved nowhere: the operator dials addresses of pods.
pub const ZONE_NAME: &str = "zone.darkages.io";

/// How long an authority signs.
const ROTATE_AFTER_DAYS: i64 = 90;

/// How long one is valid: while it is next, current and previous, each for [`ROTATE_AFTER_DAYS`], and a month more for an
/// operator that was away.
const AUTHORITY_DAYS: i64 = 3 * ROTATE_AFTER_DAYS + 30;

/// How long a certificate is valid. Less than an authority stays trusted after it has signed for the last time.
const CERTIFICATE_DAYS: i64 = 60;

/// A certificate of the zones that is valid for less than this is replaced.
const RENEW_BEFORE_DAYS: i64 = 30;

/// Clocks that are behind ours by less than this take our certificates.
const CLOCKS_DIFFER_DAYS: i64 = 1;

const ROTATE_AT: &str = "darkages.io/rotate-at";
const RENEW_AT: &str = "darkages.io/renew-at";

/// A certificate and its key, PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A zone, which answers.
    Zone,
    /// The operator, which asks.
    Operator,
}

/// The authorities of one `ZoneServer`.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    current: Pair,
    next: Pair,
    previous: Option<String>,
    rotate_at: Timestamp,
}

/// Why there is no authority or nothing is signed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A secret that somebody broke.
    #[error("secret {secret}: {part} is missing or no text: delete the secret, and the operator makes a new one")]
    Broken {
        /// Its name.
        secret: String,
        /// What is wrong with it.
        part: &'static str,
    },
    /// Keys and certificates cannot be made, or the key of the authority is none.
    #[error("signing for the control API: {0}")]
    Sign(#[from] rcgen::Error),
    /// The clock is beyond all calendars.
    #[error("the clock of this machine: {0}")]
    Clock(#[from] jiff::Error),
}

impl Authority {
    /// New authorities.
    ///
    /// # Errors
    /// When keys cannot be made.
    pub fn new(now: Timestamp) -> Result<Self, AuthorityError> {
        let rotate_at = in_days(now, ROTATE_AFTER_DAYS)?;
        Ok(Self { current: self_signed(now)?, next: self_signed(now)?, previous: None, rotate_at })
    }

    /// The authorities after this moment: the same unless a rotation is due.
    ///
    /// # Errors
    /// When keys cannot be made.
    pub fn at(self, now: Timestamp) -> Result<Self, AuthorityError> {
        if now < self.rotate_at {
            return Ok(self);
        }
        let Self { current, next, previous: _, rotate_at: _ } = self;
        let rotate_at = in_days(now, ROTATE_AFTER_DAYS)?;
        Ok(Self { current: next, next: self_signed(now)?, previous: Some(current.certificate), rotate_at })
    }

    /// The certificates of all that are trusted.
    #[must_use]
    pub fn trusted(&self) -> String {
        let all = [Some(&self.current.certificate), Some(&self.next.certificate), self.previous.as_ref()];
        all.into_iter().flatten().map(|certificate| format!("{}\n", certificate.trim_end())).collect()
    }

    /// A new key with a certificate for it.
    ///
    /// # Errors
    /// When the authority's key is none, or keys cannot be made.
    pub fn issue(&self, purpose: Purpose, now: Timestamp) -> Result<Pair, AuthorityError> {
        let (names, usage) = match purpose {
            Purpose::Zone => (vec![ZONE_NAME.to_owned()], ExtendedKeyUsagePurpose::ServerAuth),
            Purpose::Operator => (Vec::new(), ExtendedKeyUsagePurpose::ClientAuth),
        };
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "darkages control");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        valid_for(&mut params, now, CERTIFICATE_DAYS)?;
        let key = KeyPair::generate()?;
        let issuer = Issuer::new(authority_params(now)?, KeyPair::from_pem(&self.current.key)?);
        Ok(Pair { certificate: params.signed_by(&key, &issuer)?.pem(), key: key.serialize_pem() })
    }

    /// The authorities that a secret keeps.
    ///
    /// # Errors
    /// When it is not as [`Authority::secret`] makes it.
    pub fn read(secret: &Secret) -> Result<Self, AuthorityError> {
        let part = |part| text(secret, part).ok_or_else(|| broken(secret, part));
        let at = moment(secret, ROTATE_AT).ok_or_else(|| broken(secret, ROTATE_AT))?;
        Ok(Self {
            current: Pair { certificate: part("current.crt")?, key: part("current.key")? },
            next: Pair { certificate: part("next.crt")?, key: part("next.key")? },
            previous: text(secret, "previous.crt"),
            rotate_at: at,
        })
    }

    /// The secret that keeps them.
    #[must_use]
    pub fn secret(&self, owner: &ZoneServer) -> Secret {
        let Self { current, next, previous, rotate_at } = self;
        let mut data = vec![
            ("current.crt", &current.certificate),
            ("current.key", &current.key),
            ("next.crt", &next.certificate),
            ("next.key", &next.key),
        ];
        data.extend(previous.as_ref().map(|previous| ("previous.crt", previous)));
        secret(owner, names::authority_secret(&owner.name_any()), "Opaque", data, Some((ROTATE_AT, *rotate_at)))
    }

    /// The secret that zones mount: the one that there is, or another one when its certificate ends soon or it does not trust
    /// whom it should.
    ///
    /// # Errors
    /// When nothing can be signed.
    pub fn zone_secret(
        &self,
        owner: &ZoneServer,
        there: Option<&Secret>,
        now: Timestamp,
    ) -> Result<Secret, AuthorityError> {
        let name = names::zone_secret(&owner.name_any());
        let good = there.and_then(|there| {
            let pair = Pair { certificate: text(there, "tls.crt")?, key: text(there, "tls.key")? };
            Some((pair, moment(there, RENEW_AT).filter(|renew_at| now < *renew_at)?))
        });
        let (pair, renew_at) = match good {
            Some(good) => good,
            None => (self.issue(Purpose::Zone, now)?, in_days(now, CERTIFICATE_DAYS - RENEW_BEFORE_DAYS)?),
        };
        let trusted = self.trusted();
        let data = vec![("tls.crt", &pair.certificate), ("tls.key", &pair.key), ("ca.crt", &trusted)];
        Ok(secret(owner, name, "kubernetes.io/tls", data, Some((RENEW_AT, renew_at))))
    }
}

/// A secret of texts.
pub(super) fn secret(
    owner: &ZoneServer,
    name: String,
    type_: &str,
    data: Vec<(&str, &String)>,
    at: Option<(&str, Timestamp)>,
) -> Secret {
    let mut metadata = names::metadata(owner, name);
    metadata.annotations = at.map(|(key, at)| BTreeMap::from([(key.to_owned(), at.to_string())]));
    let bytes = |text: &String| ByteString(text.clone().into_bytes());
    Secret {
        metadata,
        type_: Some(type_.to_owned()),
        data: Some(data.into_iter().map(|(key, text)| (key.to_owned(), bytes(text))).collect()),
        ..Secret::default()
    }
}

/// A value of a secret.
pub(super) fn text(secret: &Secret, key: &str) -> Option<String> {
    let ByteString(bytes) = secret.data.as_ref()?.get(key)?;
    String::from_utf8(bytes.clone()).ok().filter(|text| !text.is_empty())
}

fn moment(secret: &Secret, annotation: &str) -> Option<Timestamp> {
    secret.metadata.annotations.as_ref()?.get(annotation)?.parse().ok()
}

fn broken(secret: &Secret, part: &'static str) -> AuthorityError {
    AuthorityError::Broken { secret: secret.name_any(), part }
}

fn self_signed(now: Timestamp) -> Result<Pair, AuthorityError> {
    let key = KeyPair::generate()?;
    let certificate = authority_params(now)?.self_signed(&key)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// All authorities have one name; keys tell them apart.
fn authority_params(now: Timestamp) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "darkages control authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, now, AUTHORITY_DAYS)?;
    Ok(params)
}

fn valid_for(params: &mut CertificateParams, now: Timestamp, days: i64) -> Result<(), AuthorityError> {
    let today = TimeZone::UTC.to_datetime(now).date();
    let day = |date: Date| rcgen::date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8);
    params.not_before = day(today.checked_sub(CLOCKS_DIFFER_DAYS.days())?);
    params.not_after = day(today.checked_add(days.days())?);
    Ok(())
}

fn in_days(now: Timestamp, days: i64) -> Result<Timestamp, AuthorityError> {
    const HOURS: i64 = 24;
    Ok(now.checked_add((days * HOURS).hours())?)
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
    fn who_signs_next_was_trusted_before_and_who_signed_last_still_is() {
        let first = Authority::new(day(0)).expect("keys");
        assert!(first == first.clone().at(day(89)).expect("keys"), "nothing changes before its time");
        let second = first.clone().at(day(90)).expect("keys");
        assert!(second.current == first.next && first.trusted().contains(second.current.certificate.trim_end()));
        assert!(second.trusted().contains(first.current.certificate.trim_end()));
        let third = second.clone().at(day(180)).expect("keys");
        assert!(!third.trusted().contains(first.current.certificate.trim_end()), "what it signed is over");
    }

    #[test]
    fn a_secret_keeps_the_authorities() {
        let authority = Authority::new(day(0)).expect("keys").at(day(90)).expect("keys");
        let mut secret = authority.secret(&owner());
        assert!(Authority::read(&secret).expect("as it was written") == authority);
        secret.data.as_mut().expect("it has data").remove("next.key");
        let error = Authority::read(&secret).err().expect("it is broken").to_string();
        assert!(error.starts_with("secret meadow-authority: next.key is missing"), "{error}");
    }

    #[test]
    fn zones_keep_their_certificate_until_it_ends_soon_and_hear_of_new_authorities_at_once() {
        let authority = Authority::new(day(0)).expect("keys");
        let first = authority.zone_secret(&owner(), None, day(0)).expect("it signs");
        let later = authority.zone_secret(&owner(), Some(&first), day(29)).expect("it signs");
        assert_eq!(first.data, later.data);
        let renewed = authority.zone_secret(&owner(), Some(&first), day(31)).expect("it signs");
        assert_ne!(text(&first, "tls.crt"), text(&renewed, "tls.crt"));
        let rotated = authority.at(day(90)).expect("keys");
        let told = rotated.zone_secret(&owner(), Some(&renewed), day(40)).expect("it signs");
        assert_eq!(text(&renewed, "tls.crt"), text(&told, "tls.crt"));
        assert_eq!(text(&told, "ca.crt"), Some(rotated.trusted()));
    }
}
