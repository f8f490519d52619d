//! Counters of one endpoint. They only ever grow, except the gauges at the end.

/// What an endpoint did since it was bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams read from the socket.
    pub datagrams_in: u64,
    /// Their payload bytes.
    pub bytes_in: u64,
    /// Datagrams handed to the socket.
    pub datagrams_out: u64,
    /// Their payload bytes.
    pub bytes_out: u64,
    /// Messages delivered to the application.
    pub messages_in: u64,
    /// Messages taken from the application.
    pub messages_out: u64,
    /// Sessions that this endpoint accepted.
    pub sessions_accepted: u64,
    /// Sessions that this endpoint dialed and that were accepted.
    pub sessions_dialed: u64,
    /// Tokens that the gatekeeper refused.
    pub tokens_refused: u64,
    /// Packets that asked for an acknowledgement; the base of the loss ratio.
    pub packets_tracked: u64,
    /// Of those, the ones given up as lost.
    pub packets_lost: u64,
    /// Messages or fragments sent once more.
    pub messages_resent: u64,
    /// Reliable messages or fragments that arrived once more.
    pub duplicates_in: u64,
    /// Sessions that moved to another address of their peer.
    pub path_changes: u64,
    /// Times that a sending key was replaced.
    pub rekeys: u64,
    /// Gauge: sessions of any phase.
    pub sessions: usize,
    /// Gauge: bytes queued or unacknowledged over all sessions.
    pub queued_bytes: usize,
    /// Gauge: bytes held out of order or in fragments over all sessions.
    pub held_bytes: usize,
    /// Gauge: round-trip time, smoothed over all sessions' own estimates, in microseconds; 0 before the first.
    pub rtt_us: u32,
    /// Datagrams dropped, by [`DropReason`] as index.
    drops: [u64; DropReason::ALL.len()],
}

impl Stats {
    /// Datagrams dropped for `reason`.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops[reason as usize]
    }

    /// Every reason with its count.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().map(|reason| (reason, self.dropped(reason)))
    }

    pub(crate) fn drop_one(&mut self, reason: DropReason) {
        self.drops[reason as usize] += 1;
    }
}

/// Why a datagram went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum DropReason {
    /// Not one of this protocol's shapes.
    Malformed,
    /// Longer than this protocol ever sends.
    Oversized,
    /// Names a session that does not exist (any more).
    UnknownSession,
    /// Its number was seen before or is older than the window.
    Replayed,
    /// Its seal does not fit.
    BadSeal,
    /// A handshake message at a moment when it means nothing.
    UnexpectedHandshake,
    /// A cookie that this endpoint did not make for this address, or too long ago.
    BadCookie,
    /// A Noise message that does not read.
    BadHandshake,
    /// Too many handshakes from one source or at once.
    RateLimited,
    /// The kernel did not take it.
    SendRefused,
    /// The fault layer lost it.
    FaultLoss,
    /// The fault layer's partition stopped it.
    FaultPartition,
    /// The fault layer held too many delayed datagrams.
    FaultQueueFull,
}

impl DropReason {
    /// Every reason, in the order of its value.
    pub const ALL: [Self; 13] = [
        Self::Malformed,
        Self::Oversized,
        Self::UnknownSession,
        Self::Replayed,
        Self::BadSeal,
        Self::UnexpectedHandshake,
        Self::BadCookie,
        Self::BadHandshake,
        Self::RateLimited,
        Self::SendRefused,
        Self::FaultLoss,
        Self::FaultPartition,
        Self::FaultQueueFull,
    ];

    /// A stable name for metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Oversized => "oversized",
            Self::UnknownSession => "unknown_session",
            Self::Replayed => "replayed",
            Self::BadSeal => "bad_seal",
            Self::UnexpectedHandshake => "unexpected_handshake",
            Self::BadCookie => "bad_cookie",
            Self::BadHandshake => "bad_handshake",
            Self::RateLimited => "rate_limited",
            Self::SendRefused => "send_refused",
            Self::FaultLoss => "fault_loss",
            Self::FaultPartition => "fault_partition",
            Self::FaultQueueFull => "fault_queue_full",
        }
    }
}

/// What is known about one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionStats {
    /// Where its datagrams go.
    pub remote: std::net::SocketAddr,
    /// Smoothed round-trip time in microseconds; 0 before the first sample.
    pub rtt_us: u32,
    /// Packets that asked for an acknowledgement.
    pub packets_tracked: u64,
    /// Of those, the ones given up as lost.
    pub packets_lost: u64,
    /// Bytes queued or unacknowledged.
    pub queued_bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_reasons_index_their_own_counter() {
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            let mut stats = Stats::default();
            stats.drop_one(reason);
            assert_eq!(stats.drops().filter(|(_, count)| *count > 0).collect::<Vec<_>>(), [(reason, 1)]);
        }
    }
}
