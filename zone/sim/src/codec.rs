//! Bytes of states between zones and in the store: bincode behind a format number, within a limit, consumed to the end.
//!
//! Clients never send these bytes, but a store or a neighbour may be of another version or broken, so decoding returns an
//! error for whatever is wrong and never takes more memory than its limit.

use bincode::config::{Configuration, Limit};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The format that this version writes and reads. Raised when the meaning of a byte changes.
pub const FORMAT: u8 = 1;

/// Bytes of one state, at most.
pub const MAX_STATE_BYTES: usize = 16 * 1024;

/// Bytes of one saved world, at most.
pub const MAX_WORLD_BYTES: usize = 256 * 1024 * 1024;

/// Why a state could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// No bytes at all.
    #[error("the state is empty")]
    Empty,
    /// Written by another version.
    #[error("the state has format {found}; this version reads format {FORMAT}")]
    Format {
        /// The number that was found.
        found: u8,
    },
    /// Bytes after the end.
    #[error("{bytes} bytes follow the end of the state")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// Longer than the limit.
    #[error("the state takes {bytes} bytes of at most {limit}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Not what the format says.
    #[error("decode the state")]
    Decode(#[source] bincode::error::DecodeError),
    /// A value that cannot be written.
    #[error("encode the state")]
    Encode(#[source] bincode::error::EncodeError),
}

impl CodecError {
    /// The reason code.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Empty => "state_empty",
            Self::Format { .. } => "state_format",
            Self::Trailing { .. } => "state_trailing_bytes",
            Self::TooLong { .. } => "state_too_long",
            Self::Decode(_) => "state_decode",
            Self::Encode(_) => "state_encode",
        }
    }
}

const fn limited<const LIMIT: usize>()
-> Configuration<bincode::config::LittleEndian, bincode::config::Varint, Limit<LIMIT>> {
    bincode::config::standard().with_limit::<LIMIT>()
}

/// The bytes of one state: the format number, then bincode with variable-length integers.
///
/// # Errors
/// When the state takes more than [`MAX_STATE_BYTES`].
pub fn encode<T: Serialize>(state: &T) -> Result<Vec<u8>, CodecError> {
    encode_within::<T, MAX_STATE_BYTES>(state)
}

/// The state in `bytes`, all of which are consumed.
///
/// # Errors
/// When the bytes are empty, of another format, too long, malformed or too many.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    decode_within::<T, MAX_STATE_BYTES>(bytes)
}

pub(crate) fn encode_within<T: Serialize, const LIMIT: usize>(state: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = vec![FORMAT];
    bincode::serde::encode_into_std_write(state, &mut bytes, limited::<LIMIT>()).map_err(CodecError::Encode)?;
    if bytes.len() > LIMIT {
        return Err(CodecError::TooLong { bytes: bytes.len(), limit: LIMIT });
    }
    Ok(bytes)
}

pub(crate) fn decode_within<T: DeserializeOwned, const LIMIT: usize>(bytes: &[u8]) -> Result<T, CodecError> {
    let (&format, body) = bytes.split_first().ok_or(CodecError::Empty)?;
    if format != FORMAT {
        return Err(CodecError::Format { found: format });
    }
    if bytes.len() > LIMIT {
        return Err(CodecError::TooLong { bytes: bytes.len(), limit: LIMIT });
    }
    let (state, used) = bincode::serde::decode_from_slice(body, limited::<LIMIT>()).map_err(CodecError::Decode)?;
    match body.len() - used {
        0 => Ok(state),
        bytes => Err(CodecError::Trailing { bytes }),
    }
}

/// 64-bit FNV-1a, which is the same on every machine and in every version of the standard library.
#[must_use]
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
