//! Packets on their way: what they carried, so that an acknowledgement or a loss finds its messages.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::frame::Stream;

/// Packets remembered at most; older ones count as lost.
pub(super) const MAX_REMEMBERED: usize = 1024;
/// Packets that must be acknowledged after one before it counts as overtaken.
const OVERTAKEN_BY: u64 = 3;
/// A lost packet is remembered this long, in case its acknowledgement is only late.
const REMEMBER_LOST: Duration = Duration::from_secs(1);

/// One message or fragment in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) stream: Stream,
    pub(super) sequence: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    OnTheWay,
    Lost,
    Acknowledged,
}

#[derive(Debug)]
struct Packet {
    number: u64,
    at: Instant,
    /// Where its messages begin, counted over all messages ever carried, and how many there are.
    first: u64,
    count: u8,
    state: State,
}

/// The record, in order of packet numbers. Messages of all packets share one ring, so that a packet needs no memory of its own.
#[derive(Debug, Default)]
pub(super) struct Sent {
    packets: VecDeque<Packet>,
    carried: VecDeque<Carried>,
    carried_before: u64,
    on_the_way: usize,
    highest_acknowledged: Option<u64>,
}

/// What an acknowledgement brought.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Round-trip time of the highest packet, when it was acknowledged just now.
    pub(super) sample: Option<Duration>,
    pub(super) newly_acknowledged: bool,
}

impl Sent {
    /// Notes a packet that asks for an acknowledgement.
    pub(super) fn push(&mut self, number: u64, at: Instant, carried: &[Carried]) {
        let first = self.carried_before + self.carried.len() as u64;
        self.carried.extend(carried);
        self.packets.push_back(Packet { number, at, first, count: carried.len() as u8, state: State::OnTheWay });
        self.on_the_way += 1;
    }

    /// Whether another packet can be remembered without forgetting one that is on its way.
    pub(super) fn has_room(&self) -> bool {
        self.packets.len() < MAX_REMEMBERED
    }

    pub(super) const fn on_the_way(&self) -> usize {
        self.on_the_way
    }

    pub(super) const fn highest_acknowledged(&self) -> Option<u64> {
        self.highest_acknowledged
    }

    /// Takes the numbers of an acknowledgement, highest first; `done` gets every message that they carried.
    pub(super) fn acknowledge(
        &mut self,
        numbers: impl Iterator<Item = u64>,
        now: Instant,
        mut done: impl FnMut(Carried),
    ) -> Outcome {
        let mut outcome = Outcome::default();
        for (place, number) in numbers.enumerate() {
            if self.highest_acknowledged.is_none_or(|highest| number > highest) {
                self.highest_acknowledged = Some(number);
            }
            let Ok(index) = self.packets.binary_search_by_key(&number, |packet| packet.number) else { continue };
            let packet = &mut self.packets[index];
            if packet.state == State::Acknowledged {
                continue;
            }
            if packet.state == State::OnTheWay {
                self.on_the_way -= 1;
            }
            packet.state = State::Acknowledged;
            outcome.newly_acknowledged = true;
            if place == 0 {
                outcome.sample = Some(now.saturating_duration_since(packet.at));
            }
            let first = (packet.first - self.carried_before) as usize;
            self.carried.range(first..first + usize::from(packet.count)).copied().for_each(&mut done);
        }
        self.trim(now);
        outcome
    }

    /// Finds packets that were overtaken by acknowledged ones, or that got no answer for `timeout`; `lost` gets their messages. Answers
    /// how many packets were lost, and whether any of them by timeout.
    pub(super) fn find_lost(
        &mut self,
        now: Instant,
        overtaken: Duration,
        timeout: Duration,
        mut lost: impl FnMut(Carried),
    ) -> (u32, bool) {
        let (mut count, mut by_timeout) = (0, false);
        for packet in &mut self.packets {
            if packet.state != State::OnTheWay {
                continue;
            }
            let age = now.saturating_duration_since(packet.at);
            let behind = self.highest_acknowledged.is_some_and(|highest| {
                highest >= packet.number + OVERTAKEN_BY || (highest > packet.number && age >= overtaken)
            });
            let silent = age >= timeout;
            if !behind && !silent {
                // Later packets are younger and less far behind.
                break;
            }
            by_timeout |= !behind;
            packet.state = State::Lost;
            self.on_the_way -= 1;
            count += 1;
            let first = (packet.first - self.carried_before) as usize;
            self.carried.range(first..first + usize::from(packet.count)).copied().for_each(&mut lost);
        }
        self.trim(now);
        (count, by_timeout)
    }

    /// When `find_lost` would next find something if no acknowledgement comes.
    pub(super) fn next_loss(&self, overtaken: Duration, timeout: Duration) -> Option<Instant> {
        let packet = self.packets.iter().find(|packet| packet.state == State::OnTheWay)?;
        let behind = self.highest_acknowledged.is_some_and(|highest| highest > packet.number);
        Some(packet.at + if behind { overtaken.min(timeout) } else { timeout })
    }

    /// Forgets packets at the front that nothing more can be learned about.
    fn trim(&mut self, now: Instant) {
        while let Some(packet) = self.packets.front() {
            let done = match packet.state {
                State::Acknowledged => true,
                State::OnTheWay => false,
                State::Lost => {
                    now.saturating_duration_since(packet.at) >= REMEMBER_LOST || self.packets.len() > MAX_REMEMBERED / 2
                }
            };
            if !done {
                return;
            }
            let count = usize::from(packet.count);
            self.carried.drain(..count);
            self.carried_before += count as u64;
            self.packets.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn ordered(sequence: u64) -> Carried {
        Carried { stream: Stream::Ordered, sequence }
    }

    fn ten() -> (Sent, Instant) {
        let (mut sent, start) = (Sent::default(), Instant::now());
        for number in 0..10 {
            // Numbers have gaps: packets that ask for nothing are not remembered.
            sent.push(2 * number, start + MS * number as u32, &[ordered(2 * number), ordered(2 * number + 1)]);
        }
        (sent, start)
    }

    #[test]
    fn acknowledgements_find_their_messages_once() {
        let (mut sent, start) = ten();
        let mut done = Vec::new();
        let outcome =
            sent.acknowledge([4, 3, 2, 99].into_iter(), start + MS * 20, |carried| done.push(carried.sequence));
        assert_eq!(done, [4, 5, 2, 3]);
        assert_eq!(outcome.sample, Some(MS * 18));
        let again = sent.acknowledge([4].into_iter(), start + MS * 30, |_| panic!("already done"));
        assert!(again.sample.is_none() && !again.newly_acknowledged);
        assert_eq!(sent.on_the_way(), 8);
    }

    #[test]
    fn overtaken_packets_are_lost_and_a_late_acknowledgement_still_counts() {
        let (mut sent, start) = ten();
        sent.acknowledge([6].into_iter(), start + MS * 10, |_| {});
        let mut lost = Vec::new();
        let found = sent.find_lost(start + MS * 10, MS * 50, MS * 100, |carried| lost.push(carried.sequence));
        assert_eq!((found, lost), ((2, false), vec![0, 1, 2, 3]));
        // Packet 4 is overtaken by one only: it gets until the time for that.
        assert_eq!(sent.next_loss(MS * 50, MS * 100), Some(start + MS * 52));
        let mut done = Vec::new();
        sent.acknowledge([0].into_iter(), start + MS * 11, |carried| done.push(carried.sequence));
        assert_eq!(done, [0, 1]);
    }

    #[test]
    fn silence_loses_everything_and_memory_is_given_back() {
        let (mut sent, start) = ten();
        let (count, by_timeout) = sent.find_lost(start + MS * 200, MS * 50, MS * 100, |_| {});
        assert_eq!((count, by_timeout), (10, true));
        assert_eq!(sent.on_the_way(), 0);
        assert_eq!(sent.next_loss(MS * 50, MS * 100), None);
        sent.find_lost(start + MS * 2000, MS * 50, MS * 100, |_| {});
        assert!(sent.packets.is_empty() && sent.carried.is_empty());
    }
}
