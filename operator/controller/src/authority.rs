//! Authorities that the operator makes and keeps in secrets: of the control API of one `ZoneServer`, who may tell its zones what
//! to do, and of its own metrics API, which the API server asks. Pure but for their randomness.
//!
//! There are always two authorities, and the next one is trusted long before it signs anything, so that no exchange ever
//! meets somebody who has not heard of it: at a rotation the next becomes the current one, a new next is made, and the old
//! one stays trusted until what it signed is over.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// How long an authority signs.
const ROTATE_AFTER_DAYS: i64 = 90;

/// How long one is valid: while it is next, current and previous, each for [`ROTATE_AFTER_DAYS`], and a month more for an
/// operator that was away.
const AUTHORITY_DAYS: i64 = 3 * ROTATE_AFTER_DAYS + 30;

/// How long a certificate is valid. Less than an authority stays trusted after it has signed for the last time.
pub const CERTIFICATE_DAYS: i64 = 60;

/// Clocks that are behind ours by less than this take our certificates.
const CLOCKS_DIFFER_DAYS: i64 = 1;

const ROTATE_AT: &str = "darkages.io/rotate-at";

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
pub enum Purpose<'a> {
    /// Whoever answers, under this name.
    Server(&'a str),
    /// Whoever asks.
    Client,
}

/// The authorities for one purpose.
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
    #[error("making a certificate: {0}")]
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
    pub fn issue(&self, purpose: Purpose<'_>, now: Timestamp) -> Result<Pair, AuthorityError> {
        let (names, usage) = match purpose {
            Purpose::Server(name) => (vec![name.to_owned()], ExtendedKeyUsagePurpose::ServerAuth),
            Purpose::Client => (Vec::new(), ExtendedKeyUsagePurpose::ClientAuth),
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

    /// The secret that keeps them, of this name and with these owners.
    #[must_use]
    pub fn secret(&self, metadata: ObjectMeta) -> Secret {
        let Self { current, next, previous, rotate_at } = self;
        let mut data = vec![
            ("current.crt", &current.certificate),
            ("current.key", &current.key),
            ("next.crt", &next.certificate),
            ("next.key", &next.key),
        ];
        data.extend(previous.as_ref().map(|previous| ("previous.crt", previous)));
        secret(metadata, "Opaque", data, Some((ROTATE_AT, *rotate_at)))
    }
}

/// A secret of texts.
pub(crate) fn secret(
    mut metadata: ObjectMeta,
    type_: &str,
    data: Vec<(&str, &String)>,
    at: Option<(&str, Timestamp)>,
) -> Secret {
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
pub(crate) fn text(secret: &Secret, key: &str) -> Option<String> {
    let ByteString(bytes) = secret.data.as_ref()?.get(key)?;
    String::from_utf8(bytes.clone()).ok().filter(|text| !text.is_empty())
}

/// A moment that a secret is marked with.
pub(crate) fn moment(secret: &Secret, annotation: &str) -> Option<Timestamp> {
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

/// The moment so many days later.
pub(crate) fn in_days(now: Timestamp, days: i64) -> Result<Timestamp, AuthorityError> {
    const HOURS: i64 = 24;
    Ok(now.checked_add((days * HOURS).hours())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(days: i64) -> Timestamp {
        in_days("2026-01-01T00:00:00Z".parse().expect("a moment"), days).expect("not so far")
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
        let mut secret =
            authority.secret(ObjectMeta { name: Some("meadow-authority".into()), ..ObjectMeta::default() });
        assert!(Authority::read(&secret).expect("as it was written") == authority);
        secret.data.as_mut().expect("it has data").remove("next.key");
        let error = Authority::read(&secret).err().expect("it is broken").to_string();
        assert!(error.starts_with("secret meadow-authority: next.key is missing"), "{error}");
    }
}
