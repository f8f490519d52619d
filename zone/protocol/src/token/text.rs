//! Bytes as text: base64url without padding, which needs no escapes in JSON, URLs and headers.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(crate) fn to_text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn from_text(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// 32 bytes.
pub(super) mod key {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::token) fn serialize<S: Serializer>(key: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::to_text(key))
    }

    pub(in crate::token) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        let key = super::from_text(&text).and_then(|bytes| bytes.try_into().ok());
        key.ok_or_else(|| serde::de::Error::custom("not 32 bytes in base64url"))
    }
}

/// Up to the size of a sealed token.
pub(super) mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::message::MAX_TOKEN_BYTES;

    pub(in crate::token) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::to_text(bytes))
    }

    pub(in crate::token) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = super::from_text(&text).filter(|bytes| bytes.len() <= MAX_TOKEN_BYTES);
        bytes.ok_or_else(|| serde::de::Error::custom("not up to 256 bytes in base64url"))
    }
}
