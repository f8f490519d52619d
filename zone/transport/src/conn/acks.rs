//! The receiving side of acknowledgements: which packets came, and when to say so.

use std::time::{Duration, Instant};

use super::frame::{Frame, MAX_ACK_BITS};

/// Packets that may come before an acknowledgement is sent at once: so many fit into its bits a few times over.
const MAX_UNREPORTED: u64 = 32;
/// Acknowledgements that report the same packet, so that losing some of them costs no repetition of data.
const REPORTS: usize = 3;
/// Unit of the time that an acknowledgement was held back, on the wire.
pub(super) const HELD_UNIT: Duration = Duration::from_micros(250);

#[derive(Debug)]
pub(super) struct Acks {
    delay: Duration,
    highest: Option<u64>,
    highest_at: Instant,
    /// Bit *i* stands for the number `highest - 1 - i`.
    history: u128,
    /// When an acknowledgement has to go out; `None` while nothing asked for one.
    due: Option<Instant>,
    /// Lowest packet that asked for an acknowledgement since the last one, and before the ones before it.
    floors: [Option<u64>; REPORTS],
    last_reported: u64,
    bits: [u8; MAX_ACK_BITS],
}

impl Acks {
    pub(super) const fn new(delay: Duration, now: Instant) -> Self {
        Self {
            delay,
            highest: None,
            highest_at: now,
            history: 0,
            due: None,
            floors: [None; REPORTS],
            last_reported: 0,
            bits: [0; MAX_ACK_BITS],
        }
    }

    /// Notes a packet. The socket has made sure that it is new.
    pub(super) fn note(&mut self, number: u64, asks: bool, now: Instant) {
        let in_order = match self.highest {
            None => {
                self.highest = Some(number);
                self.highest_at = now;
                number == 0
            }
            Some(highest) if number > highest => {
                let ahead = number - highest;
                self.history =
                    if ahead > 128 { 0 } else { self.history.unbounded_shl(ahead as u32) | 1 << (ahead - 1) };
                self.highest = Some(number);
                self.highest_at = now;
                ahead == 1
            }
            Some(highest) => {
                let behind = highest - number;
                if (1..=128).contains(&behind) {
                    self.history |= 1 << (behind - 1);
                }
                false
            }
        };
        if !asks {
            return;
        }
        let floor = self.floors[0].map_or(number, |floor| floor.min(number));
        self.floors[0] = Some(floor);
        let many = number >= self.last_reported + MAX_UNREPORTED;
        let due = if in_order && !many { now + self.delay } else { now };
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }

    /// When an acknowledgement has to go out, if one does.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The acknowledgement to send now, when anything asked for one.
    pub(super) fn take(&mut self, now: Instant) -> Option<Frame<'_>> {
        self.due.take()?;
        let highest = self.highest?;
        let floor = self.floors.iter().flatten().copied().min().unwrap_or(highest);
        self.floors.rotate_right(1);
        self.floors[0] = None;
        self.last_reported = highest;
        let span = highest.saturating_sub(floor).min(8 * MAX_ACK_BITS as u64);
        let wanted = span.div_ceil(8) as usize;
        self.bits = [0; MAX_ACK_BITS];
        self.bits[..wanted].copy_from_slice(&self.history.to_le_bytes()[..wanted]);
        let used = self.bits[..wanted].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let held = now.saturating_duration_since(self.highest_at).as_micros() / HELD_UNIT.as_micros();
        let held = u8::try_from(held).unwrap_or(u8::MAX);
        Some(Frame::Ack { highest: highest as u32 & 0x00ff_ffff, held, bits: &self.bits[..used] })
    }
}

/// The numbers that an acknowledgement names, highest first.
pub(super) fn acknowledged(highest: u64, bits: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let below = bits.iter().enumerate().flat_map(move |(byte, bits)| {
        (0..8).filter(move |bit| bits >> bit & 1 != 0).map(move |bit| 8 * byte as u64 + bit)
    });
    std::iter::once(highest).chain(below.filter_map(move |back| highest.checked_sub(back + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(acks: &mut Acks) -> Option<Vec<u64>> {
        let Frame::Ack { highest, bits, .. } = acks.take(Instant::now())? else {
            panic!("an acknowledgement is an ack frame")
        };
        Some(acknowledged(highest.into(), bits).collect())
    }

    #[test]
    fn nothing_is_acknowledged_that_did_not_ask() {
        let mut acks = Acks::new(Duration::from_millis(5), Instant::now());
        let now = Instant::now();
        acks.note(0, false, now);
        assert_eq!((acks.due(), named(&mut acks)), (None, None));
        acks.note(1, true, now);
        assert_eq!(acks.due(), Some(now + Duration::from_millis(5)));
        assert_eq!(named(&mut acks), Some(vec![1]));
        assert_eq!(named(&mut acks), None);
    }

    #[test]
    fn gaps_are_reported_at_once_and_what_came_is_named_several_times() {
        let mut acks = Acks::new(Duration::from_millis(5), Instant::now());
        let now = Instant::now();
        for number in [0, 1, 3, 4] {
            acks.note(number, true, now);
        }
        assert_eq!(acks.due(), Some(now));
        assert_eq!(named(&mut acks), Some(vec![4, 3, 1, 0]));
        acks.note(5, true, now);
        assert_eq!(named(&mut acks).map(|named| named.contains(&0)), Some(true));
        acks.note(2, true, now);
        assert_eq!(named(&mut acks), Some(vec![5, 4, 3, 2, 1, 0]));
    }

    #[test]
    fn a_burst_is_reported_before_it_leaves_the_bits() {
        let mut acks = Acks::new(Duration::from_millis(5), Instant::now());
        let now = Instant::now();
        for number in 0..=MAX_UNREPORTED {
            acks.note(number, true, now);
        }
        assert_eq!(acks.due(), Some(now));
        assert_eq!(named(&mut acks).map(|named| named.len()), Some(33));
    }
}
