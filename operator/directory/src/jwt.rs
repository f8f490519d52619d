//! Tickets as JSON Web Tokens: of login services that have them already. Keys come as a JWKS file, a ticket flows out.
//!
//! `EdDSA` (Ed25519) and `RS256` are taken and nothing else, by the key and never by what the token says of itself. Claims:
//!
//! | claim | meaning |
//! | --- | --- |
//! | `sub` | the player's number, as text |
//! | `aud` | the world's name, or a list with it |
//! | `exp` | when it is over, at most an hour from now, in seconds of Unix time |
//! | `jti` | makes it usable once |
//! | `nbf` | optional: from when on |
//! | `spawn` | optional: `{"x": units, "y": units}`, where a player appears who was never in the world |

use darkages_protocol::Ticket;
use darkages_protocol::ticket::{MAX_TICKET_LIFETIME_S, TicketError};
use darkages_topology::{PlayerId, Position};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey, Validation, decode, decode_header};
use ring::digest;
use ring::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use signature::Verifier;

use crate::wire;

/// Characters of a token, at most: an RS256 signature of the longest key that is taken, and claims.
pub const MAX_TOKEN_CHARS: usize = 1_900;

/// Bytes of a JWKS file, at most, and keys in it.
pub const MAX_JWKS_BYTES: u64 = 256 << 10;
const MAX_KEYS: usize = 32;

/// The keys of the issuers whose tokens are taken.
#[derive(Clone, Debug)]
pub struct Jwks(Vec<Key>);

#[derive(Clone, Debug)]
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Why a JWKS file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// It is none.
    #[error("it is no JSON Web Key Set: {0}")]
    NoSet(#[from] serde_json::Error),
    /// It has too many keys.
    #[error("it has {0} keys, at most {MAX_KEYS} are taken")]
    TooMany(usize),
    /// None of its keys can be used.
    #[error("it has no key of type OKP with curve Ed25519 and none of type RSA")]
    NoKey,
    /// A key cannot be read.
    #[error("key {id:?}: {source}")]
    Key {
        /// Its id.
        id: String,
        /// What is wrong with it.
        source: jsonwebtoken::errors::Error,
    },
}

impl Jwks {
    /// The keys of a file. Those for something else are left out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, JwksError> {
        // A second call finds that it is done.
        let _ = RING.install_default();
        let set: JwkSet = serde_json::from_str(text)?;
        if set.keys.len() > MAX_KEYS {
            return Err(JwksError::TooMany(set.keys.len()));
        }
        let usable = set.keys.iter().filter_map(|jwk| Some((jwk, algorithm(jwk)?)));
        let keys: Vec<Key> = usable
            .map(|(jwk, algorithm)| {
                let id = jwk.common.key_id.clone();
                let key = DecodingKey::from_jwk(jwk)
                    .map_err(|source| JwksError::Key { id: id.clone().unwrap_or_default(), source })?;
                Ok(Key { id, algorithm, key })
            })
            .collect::<Result<_, JwksError>>()?;
        if keys.is_empty() { Err(JwksError::NoKey) } else { Ok(Self(keys)) }
    }

    /// No keys: nobody's word is taken any more.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Checks a token's signature, world and time. Whether it is used for the first time is for the caller to check.
    ///
    /// # Errors
    /// When any of them is wrong.
    pub fn verify(&self, text: &str, world: &str, now_unix_s: u64) -> Result<Ticket, TicketError> {
        let Claims { sub, aud, exp, nbf, jti, spawn } = self.claims(text).ok_or(TicketError::WrongTicket)?;
        let player = sub.parse().map_err(|_| TicketError::WrongTicket)?;
        let is_for_world = match &aud {
            Audience::One(name) => name == world,
            Audience::Many(names) => names.iter().any(|name| name == world),
        };
        if !is_for_world {
            return Err(TicketError::OtherWorld);
        }
        if exp <= now_unix_s || nbf.is_some_and(|nbf| nbf > now_unix_s) {
            return Err(TicketError::Expired);
        }
        if exp - now_unix_s > MAX_TICKET_LIFETIME_S {
            return Err(TicketError::TooLongValid);
        }
        Ok(Ticket {
            player: PlayerId(player),
            world: world.to_owned(),
            expires_unix_s: exp,
            nonce: nonce(&sub, &jti),
            spawn: spawn.map(|wire::Place { x, y }| Position { x, y }),
        })
    }

    fn claims(&self, text: &str) -> Option<Claims> {
        if text.len() > MAX_TOKEN_CHARS {
            return None;
        }
        let header = decode_header(text).ok()?;
        // What has to be understood and is not (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return None;
        }
        let fits = |key: &&Key| key.algorithm == header.alg && (header.kid.is_none() || key.id == header.kid);
        self.0.iter().filter(fits).find_map(|key| {
            let mut validation = Validation::new(key.algorithm);
            // By the clock of the desk, and with words of ours.
            (validation.validate_exp, validation.validate_aud) = (false, false);
            validation.required_spec_claims.clear();
            decode::<Claims>(text, &key.key, &validation).ok().map(|token| token.claims)
        })
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Audience,
    exp: u64,
    #[serde(default)]
    nbf: Option<u64>,
    jti: String,
    #[serde(default)]
    spawn: Option<wire::Place>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What a key is for, if it can be used.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        _ => return None,
    };
    let signs = jwk.common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature);
    (signs && jwk.common.key_algorithm.is_none_or(|it| it == name)).then_some(algorithm)
}

/// Nonces of tickets have one size; names of tokens do not.
fn nonce(sub: &str, jti: &str) -> u128 {
    // A number has no space in it.
    let digest = digest::digest(&digest::SHA256, format!("darkages jwt {sub} {jti}").as_bytes());
    u128::from_le_bytes(*digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes"))
}

/// The two algorithms, by ring, which verifies everything else here too.
static RING: CryptoProvider =
    CryptoProvider { signer_factory: no_signer, verifier_factory: verifier, key_utils: KeyUtils::new_unimplemented() };

fn no_signer(_: &Algorithm, _: &EncodingKey) -> jsonwebtoken::errors::Result<Box<dyn JwtSigner>> {
    Err(ErrorKind::InvalidAlgorithm.into())
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> jsonwebtoken::errors::Result<Box<dyn JwtVerifier>> {
    match (algorithm, key.kind()) {
        (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(bytes)) => Ok(Box::new(Ed25519(bytes.clone()))),
        (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
            Ok(Box::new(Rs256(RsaPublicKeyComponents { n: n.clone(), e: e.clone() })))
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

struct Ed25519(Vec<u8>);

impl Verifier<Vec<u8>> for Ed25519 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Ed25519 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct Rs256(RsaPublicKeyComponents<Vec<u8>>);

impl Verifier<Vec<u8>> for Rs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = self.0.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature);
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use serde_json::{Value, json};

    use super::*;

    /// The public half of a key that `openssl genpkey` made and nobody has any more, and a token that it signed.
    const MODULUS: &str = "wY7YBuoNlEpurPQ8ql0qg30Xc-IbWz5uJL_AgMsX7JrP82s60BKGluOk5_8nSp_p181zpAv242SXruE5VUore8tfiCasiCOdqt4T\
        CWbka9zM8XF0ifskKxgbTRx7CBL5_IUsw5CwFCPK5ID9Btvq5-SUP9TkWQ_61qOKVx-hDnOeMLj_253TDxSnIo76_Wu9LisnxgxR\
        5dHSoW2YY5vo_GZBTaQwFmzuPh560hJuukC9CPHE0xbksxPVIEVVTg4NKnPdrYHLxhAclAbkuouT413bpeFRt_bdLxB4JJja_O34\
        s7yxdOwnAx2y_q70mYop07JxSl5UAB67K6SBb1dYpQ";
    const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImxvZ2luLTEifQ.eyJzdWIiOiI3IiwiYXVkIjoibWVhZG93IiwiZXhwI\
        joxMDYwLCJqdGkiOiJhLXRpY2tldCJ9.gtWGQlPouQVxHAmUBDZeNbm8bXscIZb-D6jKsUBDwKp21d8whcUyJ_eqBNKnVBpHADIC\
        7zzr5I6m5h3zT1k7bcc2iHKmCv7VfZ7xnDraZlZIAFoqd2otIs9a_hgW-s8tBhan368QWm-WZJW8Q1VV40FiIF_XXZtoUSzH42vH\
        1_uFjBczdTZtXb4_-hixr_iBgrE9KhY9jg9oWoQ2koQwFQPNvLI5D1FzzkWlFlS-cfyEBscfBvvx7lfsX9LccILtmJT7SCLAtDab\
        yYrl0cQR5fEnmBZQfu-loThxIfg3HZDGBL3sX8EY5LZTxZj7vvBRXLuNVX8qI77rkWu-MJvnGA";

    fn key_pair(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("32 bytes are a seed")
    }

    fn jwks(keys: &[(&str, u8)]) -> Value {
        let mut all: Vec<Value> = keys
            .iter()
            .map(|(id, seed)| {
                let x = URL_SAFE_NO_PAD.encode(key_pair(*seed).public_key());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x})
            })
            .collect();
        all.push(json!({"kty": "RSA", "kid": "login-1", "n": MODULUS, "e": "AQAB"}));
        json!({"keys": all})
    }

    fn keys() -> Jwks {
        Jwks::parse(&jwks(&[("first", 1), ("second", 2)]).to_string()).expect("a set")
    }

    fn token(header: &Value, claims: &Value, seed: u8) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(key_pair(seed).sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn claims() -> Value {
        json!({"sub": "7", "aud": "meadow", "exp": 1_060, "jti": "a-ticket", "spawn": {"x": 64, "y": -64}})
    }

    fn verified(change: Value) -> Result<Ticket, TicketError> {
        let mut all = claims();
        all.as_object_mut().expect("a map").extend(change.as_object().expect("a map").clone());
        keys().verify(&token(&json!({"alg": "EdDSA", "kid": "second"}), &all, 2), "meadow", 1_000)
    }

    #[test]
    fn a_token_of_either_algorithm_is_a_ticket() {
        let ticket = verified(json!({})).expect("it is good");
        assert_eq!((ticket.player, ticket.expires_unix_s), (PlayerId(7), 1_060));
        assert_eq!(ticket.spawn, Some(Position { x: 64, y: -64 }));
        let by_rsa = keys().verify(TOKEN, "meadow", 1_000).expect("it is good");
        assert_eq!((by_rsa.player, by_rsa.nonce, by_rsa.spawn), (PlayerId(7), ticket.nonce, None));
        assert!(verified(json!({"aud": ["forest", "meadow"]})).is_ok());
        assert_ne!(verified(json!({"jti": "another"})).expect("it is good").nonce, ticket.nonce);
    }

    #[test]
    fn what_a_token_says_is_held_to_the_rules_of_tickets() {
        assert_eq!(verified(json!({"aud": "forest"})), Err(TicketError::OtherWorld));
        assert_eq!(verified(json!({"exp": 1_000})), Err(TicketError::Expired));
        assert_eq!(verified(json!({"nbf": 1_001})), Err(TicketError::Expired));
        assert_eq!(verified(json!({"exp": 1_001 + MAX_TICKET_LIFETIME_S})), Err(TicketError::TooLongValid));
        for wrong in [json!({"sub": "me"}), json!({"sub": 7}), json!({"exp": "soon"}), json!({"jti": null})] {
            assert_eq!(verified(wrong.clone()), Err(TicketError::WrongTicket), "{wrong}");
        }
    }

    #[test]
    fn only_the_named_key_and_its_own_algorithm_count() {
        let refused = |header: Value, seed| keys().verify(&token(&header, &claims(), seed), "meadow", 1_000);
        let wrong = Err(TicketError::WrongTicket);
        assert_eq!(refused(json!({"alg": "EdDSA", "kid": "second"}), 1), wrong, "another's key");
        assert_eq!(refused(json!({"alg": "EdDSA", "kid": "third"}), 2), wrong, "a key that is not there");
        assert_eq!(refused(json!({"alg": "none"}), 2), wrong);
        assert_eq!(refused(json!({"alg": "RS256", "kid": "second"}), 2), wrong);
        assert_eq!(refused(json!({"alg": "EdDSA", "kid": "second", "crit": ["exp"]}), 2), wrong, "not understood");
        // The public key as a secret.
        assert_eq!(refused(json!({"alg": "HS256", "kid": "second"}), 2), wrong);
        assert!(refused(json!({"alg": "EdDSA"}), 2).is_ok(), "without a name all are tried");
        let good = token(&json!({"alg": "EdDSA"}), &claims(), 2);
        let (signed, _) = good.rsplit_once('.').expect("three parts");
        for text in ["", ".", "..", "a.b.c", signed, &format!("{good}A"), &"x".repeat(100_000)] {
            assert_eq!(keys().verify(text, "meadow", 1_000), wrong);
        }
    }

    #[test]
    fn a_file_that_has_no_key_says_what_it_should_have() {
        let refused = |text: &str| Jwks::parse(text).expect_err("refused").to_string();
        assert!(refused("{").starts_with("it is no JSON Web Key Set"));
        assert!(refused(r#"{"keys": []}"#).starts_with("it has no key of type OKP"));
        let other = json!({"keys": [
            {"kty": "RSA", "n": MODULUS, "e": "AQAB", "use": "enc"},
            {"kty": "RSA", "n": MODULUS, "e": "AQAB", "alg": "PS256"},
        ]});
        assert!(refused(&other.to_string()).starts_with("it has no key of type OKP"), "for something else");
        let many: Vec<_> = (0..33).map(|_| ("k", 1)).collect();
        assert!(refused(&jwks(&many).to_string()).starts_with("it has 34 keys"));
        let broken = json!({"keys": [{"kty": "RSA", "kid": "login-1", "n": "!", "e": "AQAB"}]});
        assert!(refused(&broken.to_string()).starts_with(r#"key "login-1""#));
    }
}
