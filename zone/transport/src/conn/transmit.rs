//! Packing what is queued into datagrams.

use std::time::Instant;

use super::MESSAGE_COST;
use super::Messenger;
use super::core::Core;
use super::frame::{Frame, MAX_FRAMES, Stream};
use super::sent::Carried;
use crate::channel::Channel;
use crate::local::{DOWN_PREFIX, Down};
use crate::secure::header::MAX_PLAINTEXT;

/// Numbers that may be unacknowledged while two bytes of a number are enough for the peer, with a wide margin.
const SHORT_NUMBER_SPAN: u64 = 1 << 14;

/// A datagram in the making; its memory is reused.
pub(super) struct Draft {
    bytes: Vec<u8>,
    carried: Vec<Carried>,
}

/// What goes into the next datagram after acknowledgement and ping.
#[derive(Default)]
struct Plan {
    used: usize,
    frames: usize,
    unreliable: usize,
}

impl Draft {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::with_capacity(DOWN_PREFIX + MAX_PLAINTEXT), carried: Vec::with_capacity(MAX_FRAMES) }
    }
}

impl Plan {
    fn admit(&mut self, cost: usize) -> bool {
        let fits = self.used + cost <= MAX_PLAINTEXT && self.frames < MAX_FRAMES;
        if fits {
            self.used += cost;
            self.frames += 1;
        }
        fits
    }
}

impl Core {
    /// Sends everything that may go now.
    pub(super) fn transmit(&mut self, messenger: &mut impl Messenger, now: Instant) {
        while self.wants_to_send(now) {
            if !self.send_one(messenger, now) {
                return;
            }
        }
    }

    fn wants_to_send(&mut self, now: Instant) -> bool {
        self.ping
            || !self.unreliable.is_empty()
            || self.acks.due().is_some_and(|due| due <= now)
            || (self.may_carry_reliable() && self.outboxes.iter_mut().any(|outbox| outbox.next().is_some()))
    }

    fn may_carry_reliable(&self) -> bool {
        self.window.allows(self.sent.on_the_way()) && self.sent.has_room()
    }

    /// Sends one datagram with as much as fits. Answers whether there was anything.
    fn send_one(&mut self, messenger: &mut impl Messenger, now: Instant) -> bool {
        let number = self.next_number;
        let acknowledged = self.sent.highest_acknowledged().map_or(0, |highest| highest + 1);
        let long = number - acknowledged >= SHORT_NUMBER_SPAN;
        let bytes = &mut self.draft.bytes;
        bytes.clear();
        bytes.extend_from_slice(&Down::datagram_prefix(number, long));
        let mut plan = Plan::default();
        if let Some(ack) = self.acks.take(now) {
            plan.admit(ack.cost());
            ack.write(bytes, false);
        }
        // A ping is worth a frame only when nothing else asks.
        let ping = std::mem::take(&mut self.ping);
        let reliable = self.plan_reliable(&mut plan, ping);
        self.plan_unreliable(&mut plan);
        if plan.frames == 0 {
            return false;
        }
        let asks = ping || reliable > 0;
        if ping && reliable == 0 {
            Frame::Ping.write(&mut self.draft.bytes, false);
        }
        self.write_planned(&plan);
        self.next_number += 1;
        messenger.send_packet(&self.address, &self.draft.bytes);
        if asks {
            self.sent.push(number, now, &self.draft.carried);
            self.last_asked = now;
            self.report.tracked += 1;
        }
        true
    }

    /// Chooses reliable messages; they are noted in `draft.carried` in the order in which they go out.
    fn plan_reliable(&mut self, plan: &mut Plan, ping: bool) -> usize {
        self.draft.carried.clear();
        if ping {
            // Its place is kept free until it is known whether it is needed.
            plan.used += 1;
            plan.frames += 1;
        }
        if !self.may_carry_reliable() {
            return 0;
        }
        for stream in [Stream::Ordered, Stream::Unordered] {
            let outbox = &mut self.outboxes[stream as usize];
            while let Some(sequence) = outbox.next() {
                if !outbox.frame(sequence).is_some_and(|frame| plan.admit(frame.cost())) {
                    break;
                }
                self.report.resent += u32::from(outbox.sent(sequence));
                self.draft.carried.push(Carried { stream, sequence });
            }
        }
        self.draft.carried.len()
    }

    fn plan_unreliable(&mut self, plan: &mut Plan) {
        for packet in &self.unreliable {
            if !plan.admit(unreliable_frame(packet).cost()) {
                break;
            }
            plan.unreliable += 1;
        }
    }

    /// Writes the chosen messages; the last one goes without its length.
    fn write_planned(&mut self, plan: &Plan) {
        let mut left = self.draft.carried.len() + plan.unreliable;
        for Carried { stream, sequence } in &self.draft.carried {
            left -= 1;
            if let Some(frame) = self.outboxes[*stream as usize].frame(*sequence) {
                frame.write(&mut self.draft.bytes, left == 0);
            }
        }
        for packet in self.unreliable.drain(..plan.unreliable) {
            left -= 1;
            unreliable_frame(&packet).write(&mut self.draft.bytes, left == 0);
            self.report.freed += (packet.payload().len() + MESSAGE_COST) as u32;
        }
    }
}

fn unreliable_frame(packet: &laminar::Packet) -> Frame<'_> {
    match Channel::of(packet) {
        Channel::UnreliableSequenced => Frame::Sequenced(packet.payload()),
        _ => Frame::Unreliable(packet.payload()),
    }
}
