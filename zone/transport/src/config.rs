//! What an endpoint is told when it is made.

use std::net::SocketAddr;
use std::time::Duration;

use crate::fault::FaultPlan;
use crate::keys::StaticKeypair;

/// Everything that an [`crate::Endpoint`] needs to start.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// The address to bind; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The identity that dialers check.
    pub static_key: StaticKeypair,
    /// Bounds on time and memory.
    pub limits: Limits,
    /// Faults to inject from the start; `None` leaves the fault layer inert.
    pub fault: Option<FaultPlan>,
    /// Seconds since the epoch at the `now` that is passed to `bind`; gatekeepers see it move on with `now`.
    pub unix_now_s: u64,
}

impl EndpointConfig {
    /// A configuration with default limits and no faults.
    pub fn new(listen: SocketAddr, static_key: StaticKeypair, unix_now_s: u64) -> Self {
        Self { listen, static_key, limits: Limits::default(), fault: None, unix_now_s }
    }
}

/// Bounds of one endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Sessions at most, half-open ones included. Beyond it, dialers are told [`crate::CloseReason::EndpointFull`].
    pub max_sessions: usize,
    /// Accepted handshakes that have not sent a sealed packet yet, at most.
    pub max_half_open: usize,
    /// Bytes that one session may have queued or unacknowledged. Beyond it, `send` answers [`crate::SendError::QueueFull`].
    pub send_queue_bytes: usize,
    /// The same over all sessions; beyond it, `send` answers [`crate::SendError::TotalQueueFull`].
    pub total_send_queue_bytes: usize,
    /// Bytes that all sessions together may hold out of order or in fragments. The session that passes it is closed with
    /// [`crate::CloseReason::MemoryBound`]; what one session may hold is [`crate::MAX_HELD_BYTES`].
    pub total_held_bytes: usize,
    /// Silence after which a session is over.
    pub idle_timeout: Duration,
    /// Longest time without something that the peer has to acknowledge; keeps addresses mapped and round-trip times fresh.
    pub keepalive: Duration,
    /// Time after which an unanswered handshake is given up.
    pub handshake_timeout: Duration,
    /// Longest time that an acknowledgement waits for a datagram to ride on. Longer than a tick at 60 Hz by default, because a datagram of its
    /// own costs seven times as much; what went missing is reported at once in any case.
    pub ack_delay: Duration,
    /// Handshakes per second that one source address (one /64 with IPv6) may start, after a burst of four times as many.
    pub handshakes_per_source_per_s: u32,
    /// The same over all sources: what bounds the processor time that strangers can cost, at about 0.1 ms each.
    pub handshakes_per_s: u32,
    /// Datagrams taken in by one `poll`.
    pub receive_budget: usize,
    /// Messages that may wait for `next_event`; no datagram is taken in beyond it.
    pub max_pending_events: usize,
    /// Packets under one key; below 2^23, the bound for AES-GCM that this protocol keeps.
    pub rekey_after_packets: u64,
    /// `wait` comes back for datagrams at most once in this time, so that a flood of small datagrams is taken in batches.
    pub coalesce: Duration,
    /// Bytes of the kernel's receive buffer asked for (the kernel may grant less to a process without privileges).
    pub receive_buffer_bytes: usize,
    /// Bytes of the kernel's send buffer asked for.
    pub send_buffer_bytes: usize,
}

/// Packets under one key, at most.
pub const MAX_PACKETS_PER_KEY: u64 = 1 << 23;

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_sessions: 16_384,
            max_half_open: 2_048,
            send_queue_bytes: 512 * 1024,
            total_send_queue_bytes: 128 * 1024 * 1024,
            total_held_bytes: 64 * 1024 * 1024,
            idle_timeout: Duration::from_secs(10),
            keepalive: Duration::from_secs(1),
            handshake_timeout: Duration::from_secs(10),
            ack_delay: Duration::from_millis(18),
            handshakes_per_source_per_s: 256,
            handshakes_per_s: 1_024,
            receive_budget: 4_096,
            max_pending_events: 65_536,
            rekey_after_packets: MAX_PACKETS_PER_KEY / 2,
            coalesce: Duration::from_micros(500),
            // A tenth of a second of a thousand clients. More would not lose less: what a late endpoint has not read by then
            // is repeated anyway, and only makes everything after it late.
            receive_buffer_bytes: 2 * 1024 * 1024,
            send_buffer_bytes: 4 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// The first field that cannot work, with what would.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        match self {
            Self { max_sessions: 0, .. } => Err("max_sessions must be at least 1"),
            Self { receive_budget: 0, .. } => Err("receive_budget must be at least 1"),
            Self { max_pending_events: 0, .. } => Err("max_pending_events must be at least 1"),
            _ if self.rekey_after_packets == 0 || self.rekey_after_packets > MAX_PACKETS_PER_KEY => {
                Err("rekey_after_packets must be between 1 and 2^23")
            }
            _ if self.keepalive.is_zero() => Err("keepalive must be longer than zero"),
            _ if self.idle_timeout <= self.keepalive => Err("idle_timeout must be longer than keepalive"),
            _ => Ok(()),
        }
    }
}
