//! Reliable messages that were not acknowledged yet, in the order of their sequences.

use std::collections::VecDeque;

use laminar::Packet;

use super::frame::{Fragment, Frame, Stream};
use super::{FRAGMENT_BYTES, MESSAGE_COST, SEND_WINDOW};

/// One reliable stream's sending side.
#[derive(Debug)]
pub(super) struct Outbox {
    stream: Stream,
    /// Sequence of the first entry; everything below it was acknowledged.
    base: u64,
    /// Sequence of the first entry that was never sent.
    unsent: u64,
    entries: VecDeque<Entry>,
    /// Sequences that were lost, oldest first.
    resend: VecDeque<u64>,
}

#[derive(Debug)]
struct Entry {
    body: Body,
    /// Queue bytes that are free when this is acknowledged.
    cost: usize,
    state: State,
}

/// Short messages stay in the packet that the application handed over.
#[derive(Debug)]
enum Body {
    Whole(Packet),
    Part(Fragment, Box<[u8]>),
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    OnTheWay,
    Acknowledged,
}

impl Outbox {
    pub(super) const fn new(stream: Stream) -> Self {
        Self { stream, base: 0, unsent: 0, entries: VecDeque::new(), resend: VecDeque::new() }
    }

    /// Takes a message; a long one becomes fragments with sequences of their own.
    pub(super) fn push(&mut self, message: Packet) {
        let length = message.payload().len();
        if length <= FRAGMENT_BYTES {
            let cost = length + MESSAGE_COST;
            self.entries.push_back(Entry { body: Body::Whole(message), cost, state: State::Waiting });
            return;
        }
        let count = length.div_ceil(FRAGMENT_BYTES) as u8;
        for (index, part) in (0..count).zip(message.payload().chunks(FRAGMENT_BYTES)) {
            let cost = part.len() + if index == 0 { MESSAGE_COST } else { 0 };
            let body = Body::Part(Fragment { index, count }, part.into());
            self.entries.push_back(Entry { body, cost, state: State::Waiting });
        }
    }

    /// The sequence to send next: lost ones first, then new ones as far as the peer keeps room for them.
    pub(super) fn next(&mut self) -> Option<u64> {
        while let Some(sequence) = self.resend.front() {
            if self.entry(*sequence).is_some_and(|entry| entry.state == State::Waiting) {
                return Some(*sequence);
            }
            self.resend.pop_front();
        }
        let end = (self.base + self.entries.len() as u64).min(self.base + SEND_WINDOW);
        (self.unsent < end).then_some(self.unsent)
    }

    /// The frame of a sequence that `next` answered.
    pub(super) fn frame(&self, sequence: u64) -> Option<Frame<'_>> {
        let (fragment, payload) = match &self.entry(sequence)?.body {
            Body::Whole(packet) => (None, packet.payload()),
            Body::Part(fragment, part) => (Some(*fragment), &part[..]),
            Body::Gone => return None,
        };
        Some(Frame::Reliable { stream: self.stream, sequence: sequence as u16, fragment, payload })
    }

    /// Notes that the sequence that `next` answered is on its way. Answers whether it was sent before.
    pub(super) fn sent(&mut self, sequence: u64) -> bool {
        let again = sequence < self.unsent;
        if again {
            self.resend.pop_front();
        } else {
            self.unsent = sequence + 1;
        }
        if let Some(entry) = self.entry_mut(sequence) {
            entry.state = State::OnTheWay;
        }
        again
    }

    /// The packet with this sequence was lost.
    pub(super) fn lost(&mut self, sequence: u64) {
        if let Some(entry) = self.entry_mut(sequence)
            && entry.state == State::OnTheWay
        {
            entry.state = State::Waiting;
            self.resend.push_back(sequence);
        }
    }

    /// The peer has this sequence. Answers how many queue bytes are free again.
    pub(super) fn acknowledged(&mut self, sequence: u64) -> usize {
        let Some(entry) = self.entry_mut(sequence) else { return 0 };
        if entry.state == State::Acknowledged {
            return 0;
        }
        entry.state = State::Acknowledged;
        entry.body = Body::Gone;
        let freed = entry.cost;
        while self.entries.front().is_some_and(|entry| entry.state == State::Acknowledged) {
            self.entries.pop_front();
            self.base += 1;
        }
        freed
    }

    fn entry(&self, sequence: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(sequence.checked_sub(self.base)?).ok()?)
    }

    fn entry_mut(&mut self, sequence: u64) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(sequence.checked_sub(self.base)?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Packet {
        Packet::reliable_unordered("[100::1]:1".parse().unwrap(), vec![7; bytes])
    }

    #[test]
    fn all_queue_bytes_come_back_whatever_the_order() {
        let mut outbox = Outbox::new(Stream::Ordered);
        let lengths = [0, 1, FRAGMENT_BYTES, FRAGMENT_BYTES + 1, 3 * FRAGMENT_BYTES];
        lengths.iter().for_each(|length| outbox.push(message(*length)));
        let mut sequences = Vec::new();
        while let Some(sequence) = outbox.next() {
            assert!(outbox.frame(sequence).is_some());
            assert!(!outbox.sent(sequence));
            sequences.push(sequence);
        }
        assert_eq!(sequences, (0..8).collect::<Vec<_>>());
        let freed: usize = sequences.iter().rev().map(|sequence| outbox.acknowledged(*sequence)).sum();
        assert_eq!(freed, lengths.iter().sum::<usize>() + lengths.len() * MESSAGE_COST);
        assert!(outbox.entries.is_empty());
        assert_eq!(outbox.acknowledged(3), 0);
    }

    #[test]
    fn lost_sequences_go_first_and_only_once() {
        let mut outbox = Outbox::new(Stream::Ordered);
        (0..5).for_each(|_| outbox.push(message(1)));
        for _ in 0..3 {
            let sequence = outbox.next().unwrap();
            outbox.sent(sequence);
        }
        outbox.lost(1);
        outbox.lost(1);
        outbox.lost(0);
        outbox.acknowledged(0);
        assert_eq!(outbox.next(), Some(1));
        assert!(outbox.sent(1));
        assert_eq!(outbox.next(), Some(3));
    }

    #[test]
    fn no_more_is_sent_than_the_peer_keeps_room_for() {
        let mut outbox = Outbox::new(Stream::Ordered);
        (0..SEND_WINDOW + 10).for_each(|_| outbox.push(message(1)));
        let mut count = 0;
        while let Some(sequence) = outbox.next() {
            outbox.sent(sequence);
            count += 1;
        }
        assert_eq!(count, SEND_WINDOW);
        outbox.acknowledged(0);
        assert_eq!(outbox.next(), Some(SEND_WINDOW));
    }
}
