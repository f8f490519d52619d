//! `ZoneConn`: laminar's connection, with channels, acknowledgements, resending, fragments and timers.
//!
//! Packets from the application come in by `process_event`, datagrams by `process_packet`; `update` sends what there is to send and
//! runs what is due. Messages out of several channels share datagrams. Everything that is kept is bounded: what is queued by the
//! endpoint (which counts it until it is acknowledged), what is held by [`MAX_HELD_BYTES`], sequences by windows.

mod acks;
mod core;
mod frame;
mod ordered;
mod outbox;
mod sent;
mod timing;
mod transmit;
mod unordered;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use laminar::{Connection, ConnectionMessenger, Packet, SocketEvent};

use self::core::Core;
use crate::close::CloseReason;
use crate::local::{Down, Up};
use crate::secure::header::MAX_PLAINTEXT;

/// Longest message of a reliable channel, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// Longest message of an unreliable channel, in bytes: these are never cut into fragments.
pub const MAX_UNRELIABLE_BYTES: usize = FRAGMENT_BYTES;
/// Bytes that one session may hold out of order, and as much again in fragments of the unordered channel (there, up to one message more).
pub const MAX_HELD_BYTES: usize = 256 * 1024;

/// Payload of a fragment: with it, its own framing and the longest acknowledgement fit into one datagram.
const FRAGMENT_BYTES: usize = 1140;
const _: () = assert!(FRAGMENT_BYTES + 7 + frame::MAX_ACK_BYTES < MAX_PLAINTEXT);
/// Fragments of one message, at most.
const MAX_FRAGMENTS: u8 = MAX_MESSAGE_BYTES.div_ceil(FRAGMENT_BYTES) as u8;
/// Sequences that a receiver keeps apart beyond the first that it misses.
const RECEIVE_WINDOW: u64 = 1024;
/// Sequences that a sender has under way. Less than the receiver keeps, because fragments of an incomplete message hold back the
/// receiver's window although they are acknowledged.
const SEND_WINDOW: u64 = RECEIVE_WINDOW - MAX_FRAGMENTS as u64;
/// What a queued message counts on top of its bytes, so that many empty ones are bounded as well.
pub(crate) const MESSAGE_COST: usize = 64;

/// The peer did what no correct peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Violation;

/// What became of a reliable message or fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accept {
    New,
    Duplicate,
    /// It would pass the bound on what is held. The packet is not acknowledged, so the peer sends it again.
    NoRoom,
}

/// One session's connection.
pub(crate) struct ZoneConn {
    address: SocketAddr,
    state: State,
}

enum State {
    /// Made, but not told that its session is open: it goes away again.
    New,
    Open(Box<Core>),
    Over,
}

/// A connection's way to the endpoint, whatever laminar makes of it.
trait Messenger: ConnectionMessenger<SocketEvent> {}
impl<M: ConnectionMessenger<SocketEvent>> Messenger for M {}

impl ZoneConn {
    fn end(&mut self, messenger: &mut impl Messenger) {
        if let State::Open(_) = std::mem::replace(&mut self.state, State::Over) {
            messenger.send_event(&self.address, SocketEvent::Disconnect(self.address));
        }
    }

    fn give_up(&mut self, messenger: &mut impl Messenger, reason: CloseReason) {
        messenger.send_packet(&self.address, &Down::close(reason));
        self.end(messenger);
    }
}

impl Connection for ZoneConn {
    type SendEvent = Packet;
    type ReceiveEvent = SocketEvent;

    fn create_connection(
        _messenger: &mut impl ConnectionMessenger<SocketEvent>,
        address: SocketAddr,
        _time: Instant,
    ) -> Self {
        Self { address, state: State::New }
    }

    /// laminar counts connections that are not established to bound them; here the handshake has done that before.
    fn is_established(&self) -> bool {
        true
    }

    fn should_drop(&mut self, _messenger: &mut impl ConnectionMessenger<SocketEvent>, _time: Instant) -> bool {
        !matches!(self.state, State::Open(_))
    }

    fn process_packet(&mut self, messenger: &mut impl ConnectionMessenger<SocketEvent>, payload: &[u8], time: Instant) {
        match (Up::read(payload), &mut self.state) {
            (Some(Up::Opened { dialed }), State::New) => {
                self.state = State::Open(Box::new(Core::new(self.address, messenger.config(), dialed, time)));
                messenger.send_event(&self.address, SocketEvent::Connect(self.address));
            }
            (Some(Up::Datagram { number, plaintext }), State::Open(core)) => {
                let taken = core.receive(number, plaintext, messenger, time);
                if let Err(Violation) = taken {
                    self.give_up(messenger, CloseReason::ProtocolViolation);
                }
            }
            (Some(Up::Closed), State::Open(_)) => self.end(messenger),
            _ => {}
        }
    }

    fn process_event(&mut self, _messenger: &mut impl ConnectionMessenger<SocketEvent>, event: Packet, _time: Instant) {
        // A message for a session that has just ended has nowhere to go; its sender hears of the end.
        if let State::Open(core) = &mut self.state {
            core.queue(event);
        }
    }

    fn update(&mut self, messenger: &mut impl ConnectionMessenger<SocketEvent>, time: Instant) {
        if let State::Open(core) = &mut self.state
            && core.is_due(time)
            && core.update(messenger, time).is_err()
        {
            self.give_up(messenger, CloseReason::IdleTimeout);
        }
    }
}

impl fmt::Debug for ZoneConn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZoneConn").field("address", &self.address).finish_non_exhaustive()
    }
}
