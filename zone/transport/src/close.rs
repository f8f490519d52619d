//! Why a session ended.

use std::fmt;

/// Why a session ended, as both sides are told. Codes and labels are stable: they are on the wire, in metrics and in logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// Nobody needed the session any more.
    Done,
    /// Nothing was heard from the peer for the idle timeout.
    IdleTimeout,
    /// The handshake was not answered in time.
    HandshakeTimeout,
    /// The peer broke the rules of this protocol.
    ProtocolViolation,
    /// The peer made this side hold more bytes than allowed.
    MemoryBound,
    /// The process is going down.
    Shutdown,
    /// The peer speaks another version of this protocol.
    VersionMismatch,
    /// The peer has no room for another session.
    EndpointFull,
    /// The peer's gatekeeper refused the token, with its own code.
    Refused(u8),
    /// The application closed the session, with its own code.
    Application(u8),
}

impl CloseReason {
    /// The stable code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::IdleTimeout => 1,
            Self::HandshakeTimeout => 2,
            Self::ProtocolViolation => 3,
            Self::MemoryBound => 4,
            Self::Shutdown => 5,
            Self::VersionMismatch => 6,
            Self::EndpointFull => 7,
            Self::Refused(_) => 8,
            Self::Application(_) => 9,
        }
    }

    /// The code that the application or the gatekeeper gave; 0 for the transport's own reasons.
    pub const fn detail(self) -> u8 {
        match self {
            Self::Refused(detail) | Self::Application(detail) => detail,
            _ => 0,
        }
    }

    /// The reason that `code` and `detail` stand for. A code from a newer version reads as a protocol violation.
    pub const fn from_wire(code: u8, detail: u8) -> Self {
        match code {
            0 => Self::Done,
            1 => Self::IdleTimeout,
            2 => Self::HandshakeTimeout,
            4 => Self::MemoryBound,
            5 => Self::Shutdown,
            6 => Self::VersionMismatch,
            7 => Self::EndpointFull,
            8 => Self::Refused(detail),
            9 => Self::Application(detail),
            _ => Self::ProtocolViolation,
        }
    }

    /// A stable name for metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::IdleTimeout => "idle_timeout",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::ProtocolViolation => "protocol_violation",
            Self::MemoryBound => "memory_bound",
            Self::Shutdown => "shutdown",
            Self::VersionMismatch => "version_mismatch",
            Self::EndpointFull => "endpoint_full",
            Self::Refused(_) => "refused",
            Self::Application(_) => "application",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(detail) | Self::Application(detail) => write!(f, "{} ({detail})", self.label()),
            _ => f.write_str(self.label()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_as_its_reason() {
        for code in 0..=9 {
            for detail in [0, 7, 255] {
                let reason = CloseReason::from_wire(code, detail);
                assert_eq!(reason.code(), code);
                assert_eq!(CloseReason::from_wire(reason.code(), reason.detail()), reason);
            }
        }
        assert_eq!(CloseReason::from_wire(200, 0), CloseReason::ProtocolViolation);
    }
}
