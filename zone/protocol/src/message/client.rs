//! What a client says besides inputs.

use prost::Message;

use super::command::{Command, RequestId};
use super::{MessageError, decode};
use crate::wire;

/// Bytes of a client's message, at most: a trade of all that two players can carry has 600.
pub const MAX_CLIENT_MESSAGE_BYTES: usize = 1_024;

/// A client's message, on the reliable ordered channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// Something to be done once.
    Command {
        /// Its number, unique among all commands of this player.
        request: RequestId,
        /// What.
        command: Command,
    },
    /// The player leaves the world.
    Leave,
    /// Asks for the world's time.
    Ping {
        /// Comes back unchanged.
        cookie: u64,
    },
}

impl ClientMessage {
    /// The bytes to send.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        use wire::client_message::Message as M;
        let message = match self {
            Self::Command { request, command } => M::Command(command.to_wire(*request)),
            Self::Leave => M::Leave(wire::Leave {}),
            Self::Ping { cookie } => M::Ping(wire::Ping { cookie: *cookie }),
        };
        wire::ClientMessage { message: Some(message) }.encode_to_vec()
    }

    /// Parses a client's bytes.
    ///
    /// # Errors
    /// When they are no message of this version or break a range.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        use wire::client_message::Message as M;
        let message: wire::ClientMessage = decode(bytes, MAX_CLIENT_MESSAGE_BYTES)?;
        Ok(match message.message.ok_or(MessageError::Missing("message"))? {
            M::Command(command) => {
                let (request, command) = Command::from_wire(command)?;
                Self::Command { request, command }
            }
            M::Leave(wire::Leave {}) => Self::Leave,
            M::Ping(wire::Ping { cookie }) => Self::Ping { cookie },
        })
    }
}
