//! An open connection: what arrived, what is queued, and when something has to happen.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use laminar::{Config, Packet, SocketEvent};

use super::acks::{Acks, HELD_UNIT, acknowledged};
use super::frame::{Frame, Frames, Stream};
use super::ordered::Ordered;
use super::outbox::Outbox;
use super::sent::{Carried, Sent};
use super::timing::{RoundTrip, Window};
use super::transmit::Draft;
use super::unordered::Unordered;
use super::{Accept, Messenger, Violation};
use crate::channel::Channel;
use crate::local::Report;
use crate::secure::header::nearest;

/// An acknowledgement waits this long for a datagram to ride on, unless the configuration says otherwise.
const DEFAULT_ACK_DELAY: Duration = Duration::from_millis(18);

/// Nothing was heard for too long.
pub(super) struct Idle;

pub(super) struct Core {
    pub(super) address: SocketAddr,
    idle_timeout: Duration,
    pub(super) keepalive: Duration,
    pub(super) next_number: u64,
    pub(super) acks: Acks,
    pub(super) sent: Sent,
    pub(super) trip: RoundTrip,
    pub(super) window: Window,
    pub(super) outboxes: [Outbox; 2],
    pub(super) unreliable: VecDeque<Packet>,
    ordered: Ordered,
    unordered: Unordered,
    /// Highest packet that brought a sequenced message.
    latest_sequenced: Option<u64>,
    last_heard: Instant,
    /// When something that asks for an acknowledgement last went out.
    pub(super) last_asked: Instant,
    pub(super) ping: bool,
    /// When the window last shrank: losses of one round trip count once.
    shrunk_at: Option<Instant>,
    /// Something is queued or came in, so the next update has work.
    dirty: bool,
    pub(super) due: Instant,
    /// The wake-up that the endpoint knows of.
    announced: Option<Instant>,
    pub(super) report: Report,
    pub(super) draft: Draft,
}

impl Core {
    pub(super) fn new(address: SocketAddr, config: &Config, dialed: bool, now: Instant) -> Self {
        // laminar's configuration has no field for it; its socket's polling time, which nothing else uses here, carries it.
        let ack_delay = config.socket_polling_timeout.unwrap_or(DEFAULT_ACK_DELAY);
        Self {
            address,
            idle_timeout: config.idle_connection_timeout,
            keepalive: config.heartbeat_interval.unwrap_or(config.idle_connection_timeout / 4),
            next_number: 0,
            acks: Acks::new(ack_delay, now),
            sent: Sent::default(),
            trip: RoundTrip::new(ack_delay),
            window: Window::new(),
            outboxes: [Outbox::new(Stream::Ordered), Outbox::new(Stream::Unordered)],
            unreliable: VecDeque::new(),
            ordered: Ordered::default(),
            unordered: Unordered::default(),
            latest_sequenced: None,
            last_heard: now,
            last_asked: now,
            // The accepting side learns from the dialer's first sealed packet that the session is open.
            ping: dialed,
            shrunk_at: None,
            dirty: true,
            due: now,
            announced: None,
            report: Report::default(),
            draft: Draft::new(),
        }
    }

    /// Takes a message from the application.
    pub(super) fn queue(&mut self, packet: Packet) {
        self.dirty = true;
        match Channel::of(&packet) {
            Channel::ReliableOrdered => self.outboxes[0].push(packet),
            Channel::ReliableUnordered => self.outboxes[1].push(packet),
            Channel::UnreliableSequenced | Channel::Unreliable => self.unreliable.push_back(packet),
        }
    }

    /// Takes in an authentic datagram.
    pub(super) fn receive(
        &mut self,
        number: u64,
        plaintext: &[u8],
        messenger: &mut impl Messenger,
        now: Instant,
    ) -> Result<(), Violation> {
        self.last_heard = now;
        let (mut asks, mut room) = (false, true);
        for frame in Frames::new(plaintext) {
            match frame.map_err(|_| Violation)? {
                Frame::Ping => asks = true,
                Frame::Ack { highest, held, bits } => self.take_ack(highest, HELD_UNIT * held.into(), bits, now),
                Frame::Unreliable(payload) => self.deliver(messenger, Channel::Unreliable, payload.to_vec()),
                Frame::Sequenced(payload) => {
                    if self.latest_sequenced.is_none_or(|latest| number >= latest) {
                        self.latest_sequenced = Some(number);
                        self.deliver(messenger, Channel::UnreliableSequenced, payload.to_vec());
                    }
                }
                Frame::Reliable { stream, sequence, fragment, payload } => {
                    asks = true;
                    let address = self.address;
                    let channel = match stream {
                        Stream::Ordered => Channel::ReliableOrdered,
                        Stream::Unordered => Channel::ReliableUnordered,
                    };
                    let deliver = |message| {
                        messenger.send_event(&address, SocketEvent::Packet(channel.packet(address, message)));
                    };
                    let accept = match stream {
                        Stream::Ordered => self.ordered.take(sequence, fragment, payload, deliver)?,
                        Stream::Unordered => self.unordered.take(sequence, fragment, payload, deliver)?,
                    };
                    match accept {
                        Accept::New => {}
                        Accept::Duplicate => self.report.duplicates += 1,
                        Accept::NoRoom => room = false,
                    }
                }
            }
        }
        // What did not fit must come again, so its packet stays unacknowledged.
        if room {
            self.acks.note(number, asks, now);
            self.dirty |= self.acks.due().is_some_and(|due| due <= now);
        }
        self.pull_due();
        Ok(())
    }

    fn deliver(&self, messenger: &mut impl Messenger, channel: Channel, message: Vec<u8>) {
        messenger.send_event(&self.address, SocketEvent::Packet(channel.packet(self.address, message)));
    }

    fn take_ack(&mut self, highest: u32, held: Duration, bits: &[u8], now: Instant) {
        let Some(newest) = self.next_number.checked_sub(1) else { return };
        let highest = nearest(newest, highest.into(), 24);
        if highest > newest {
            return;
        }
        let (outboxes, freed) = (&mut self.outboxes, &mut self.report.freed);
        let outcome = self.sent.acknowledge(acknowledged(highest, bits), now, |Carried { stream, sequence }| {
            *freed += outboxes[stream as usize].acknowledged(sequence) as u32;
        });
        if outcome.newly_acknowledged {
            self.trip.answered();
            self.window.acknowledged(self.sent.on_the_way());
            self.dirty = true;
        }
        if let Some(sample) = outcome.sample {
            self.trip.sample(sample.checked_sub(held).unwrap_or(sample));
        }
    }

    /// Whether an update has anything to do.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.dirty || now >= self.due
    }

    /// Runs timers, sends what there is to send and tells the endpoint about it.
    pub(super) fn update(&mut self, messenger: &mut impl Messenger, now: Instant) -> Result<(), Idle> {
        self.dirty = false;
        if now.saturating_duration_since(self.last_heard) >= self.idle_timeout {
            return Err(Idle);
        }
        self.find_lost(now);
        if now.saturating_duration_since(self.last_asked) >= self.keepalive {
            self.ping = true;
        }
        self.transmit(messenger, now);
        self.due = self.next_due();
        self.report.held = (self.ordered.held_bytes() + self.unordered.held_bytes()) as u32;
        self.send_report(messenger, now);
        Ok(())
    }

    fn find_lost(&mut self, now: Instant) {
        let (outboxes, timeout) = (&mut self.outboxes, self.trip.timeout());
        let lost = |Carried { stream, sequence }: Carried| outboxes[stream as usize].lost(sequence);
        let (count, by_timeout) = self.sent.find_lost(now, self.trip.overtaken(), timeout, lost);
        self.report.lost += count;
        if by_timeout {
            self.trip.timed_out();
            self.window.timed_out();
            // Even with nothing left to send again, an answer is wanted: it says whether the path works.
            self.ping = true;
        } else if count > 0 && self.shrunk_at.is_none_or(|at| now.saturating_duration_since(at) >= timeout) {
            self.shrunk_at = Some(now);
            self.window.lost();
        }
    }

    fn next_due(&self) -> Instant {
        let idle = self.last_heard + self.idle_timeout;
        let keepalive = self.last_asked + self.keepalive;
        let loss = self.sent.next_loss(self.trip.overtaken(), self.trip.timeout());
        [Some(idle.min(keepalive)), loss, self.acks.due()].into_iter().flatten().min().unwrap_or(idle)
    }

    /// After a datagram came in, something may be due earlier than thought; never later until the next update.
    fn pull_due(&mut self) {
        if let Some(due) = self.acks.due() {
            self.due = self.due.min(due);
        }
        if self.announced.is_none_or(|announced| self.due < announced) {
            // The endpoint learns of it with the report of this poll's update.
            self.dirty = true;
        }
    }

    fn send_report(&mut self, messenger: &mut impl Messenger, now: Instant) {
        if self.announced.is_none_or(|announced| announced <= now || self.due < announced) {
            self.announced = Some(self.due);
            self.report.wake_in = Some(self.due.saturating_duration_since(now));
        }
        self.report.rtt_us = self.trip.smoothed_us();
        messenger.send_packet(&self.address, &self.report.write());
        self.report = Report::default();
    }
}
