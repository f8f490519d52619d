//! Messages on the reliable channels, as types of the world.
//!
//! Bytes become a generated protobuf struct, whose every field is then parsed; what breaks a range is refused as a whole.

mod client;
mod command;
mod event;
mod zone;

pub use client::{ClientMessage, MAX_CLIENT_MESSAGE_BYTES};
pub use command::{AttackKind, Command, Goods, MAX_GOLD, MAX_ITEMS, RequestId};
pub use event::Event;
pub use zone::{Item, MAX_TOKEN_BYTES, MAX_ZONE_MESSAGE_BYTES, Pong, Redirect, SelfState, Welcome, ZoneMessage};

/// Why a message is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// More bytes than a message of its kind may have.
    #[error("a message of {got} bytes, at most {most} are allowed")]
    TooLong {
        /// Its size.
        got: usize,
        /// The bound.
        most: usize,
    },
    /// No valid protobuf.
    #[error("bytes that are no protobuf message")]
    NotProtobuf(#[source] prost::DecodeError),
    /// Nothing is in it that this version knows.
    #[error("a message without anything that this version knows in {0}")]
    Missing(&'static str),
    /// A field breaks its range.
    #[error("a message whose {0} is out of range")]
    OutOfRange(&'static str),
}

impl MessageError {
    /// Every label, for counters that start at zero.
    pub const LABELS: [&'static str; 4] =
        ["message_too_long", "message_not_protobuf", "message_missing", "message_out_of_range"];

    /// The reason code.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "message_too_long",
            Self::NotProtobuf(_) => "message_not_protobuf",
            Self::Missing(_) => "message_missing",
            Self::OutOfRange(_) => "message_out_of_range",
        }
    }
}

fn decode<M: prost::Message + Default>(bytes: &[u8], most: usize) -> Result<M, MessageError> {
    if bytes.len() > most {
        return Err(MessageError::TooLong { got: bytes.len(), most });
    }
    M::decode(bytes).map_err(MessageError::NotProtobuf)
}

#[cfg(test)]
mod tests;
