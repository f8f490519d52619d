//! The way out and in below the sealing: datagram I/O behind the fault layer, with its counters.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use crate::fault::{Fate, FaultLayer, Way};
use crate::io::DatagramIo;
use crate::stats::Stats;

pub(crate) struct Outlet<D> {
    pub(crate) io: D,
    pub(crate) fault: FaultLayer,
    pub(crate) stats: Stats,
    /// The time of the poll that is under way.
    pub(crate) now: Instant,
    /// Delayed datagrams that have now arrived.
    ripe: VecDeque<(Box<[u8]>, SocketAddr)>,
}

impl<D: DatagramIo> Outlet<D> {
    pub(crate) fn new(io: D, fault: FaultLayer, now: Instant) -> Self {
        Self { io, fault, stats: Stats::default(), now, ripe: VecDeque::new() }
    }

    /// Sends a datagram, unless a fault keeps it.
    pub(crate) fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.stats.datagrams_out += 1;
        self.stats.bytes_out += datagram.len() as u64;
        match self.fault.judge(Way::Out, to, datagram, self.now) {
            Fate::Pass => self.io.send(to, datagram),
            Fate::Held => {}
            Fate::Dropped(reason) => self.stats.drop_one(reason),
        }
    }

    /// Copies the next datagram into `buffer`; its length may be more than `buffer` holds. A datagram that a fault keeps counts as
    /// empty, so that a flood of them cannot hold the caller here.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        let (length, from) = match self.ripe.pop_front() {
            Some((datagram, from)) => {
                buffer[..datagram.len()].copy_from_slice(&datagram);
                (datagram.len(), from)
            }
            None => {
                let (length, from) = self.io.receive(buffer)?;
                let kept = &buffer[..length.min(buffer.len())];
                match self.fault.judge(Way::In, from, kept, self.now) {
                    Fate::Pass => {}
                    Fate::Held => return Some((0, from)),
                    Fate::Dropped(reason) => {
                        self.stats.drop_one(reason);
                        return Some((0, from));
                    }
                }
                (length, from)
            }
        };
        self.stats.datagrams_in += 1;
        self.stats.bytes_in += length as u64;
        Some((length, from))
    }

    /// Moves on what the fault layer has held long enough.
    pub(crate) fn release(&mut self) {
        while let Some(delayed) = self.fault.release(self.now) {
            match delayed.way {
                Way::Out => self.io.send(delayed.peer, &delayed.datagram),
                Way::In => self.ripe.push_back((delayed.datagram, delayed.peer)),
            }
        }
    }

    pub(crate) fn flush(&mut self) {
        let refused = self.io.flush();
        for _ in 0..refused {
            self.stats.drop_one(crate::stats::DropReason::SendRefused);
        }
    }
}
