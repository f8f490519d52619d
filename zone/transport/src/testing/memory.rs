//! Datagrams that arrive the moment they are sent.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::io::{DatagramIo, Waker};

/// Datagrams that wait at one address, at most; more are lost, as in a kernel's buffer.
const MAX_WAITING: usize = 65_536;

/// A network in memory; clones are the same network.
#[derive(Clone, Debug, Default)]
pub struct MemoryNetwork {
    net: Arc<Mutex<Net>>,
}

/// A datagram that the network carried while it was recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its sender.
    pub from: SocketAddr,
    /// Where it was sent.
    pub to: SocketAddr,
    /// Its bytes.
    pub datagram: Vec<u8>,
}

#[derive(Debug, Default)]
struct Net {
    /// Where each socket is at the moment.
    places: Vec<SocketAddr>,
    waiting: HashMap<SocketAddr, VecDeque<(Vec<u8>, SocketAddr)>>,
    recording: Option<Vec<Recorded>>,
}

impl MemoryNetwork {
    /// An empty network.
    pub fn new() -> Self {
        Self::default()
    }

    /// A socket at `address`.
    ///
    /// # Errors
    /// When the address is taken, or the system gives no waker.
    pub fn bind(&self, address: SocketAddr) -> std::io::Result<MemoryIo> {
        let waker = Waker::new()?;
        let mut net = self.lock();
        if net.waiting.insert(address, VecDeque::new()).is_some() {
            return Err(std::io::ErrorKind::AddrInUse.into());
        }
        net.places.push(address);
        Ok(MemoryIo { network: self.clone(), place: net.places.len() - 1, waker })
    }

    /// Moves a socket to another address, as when a player's network changes. What waits at the old one is lost.
    pub fn rebind(&self, old: SocketAddr, new: SocketAddr) {
        let mut net = self.lock();
        net.waiting.remove(&old);
        net.waiting.insert(new, VecDeque::new());
        net.places.iter_mut().filter(|place| **place == old).for_each(|place| *place = new);
    }

    /// Puts a datagram on the network that nobody sent.
    pub fn inject(&self, from: SocketAddr, to: SocketAddr, datagram: &[u8]) {
        self.lock().carry(from, to, datagram);
    }

    /// Begins to record what is carried.
    pub fn record(&self) {
        self.lock().recording = Some(Vec::new());
    }

    /// What was carried since `record`, or since this was called last.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.lock().recording.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Net> {
        self.net.lock().expect("nothing panics while it holds the network")
    }
}

impl Net {
    fn carry(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8]) {
        if let Some(recording) = &mut self.recording {
            recording.push(Recorded { from, to, datagram: datagram.to_vec() });
        }
        if let Some(waiting) = self.waiting.get_mut(&to)
            && waiting.len() < MAX_WAITING
        {
            waiting.push_back((datagram.to_vec(), from));
        }
    }
}

/// A socket of a [`MemoryNetwork`].
#[derive(Debug)]
pub struct MemoryIo {
    network: MemoryNetwork,
    place: usize,
    waker: Waker,
}

impl DatagramIo for MemoryIo {
    fn local_addr(&self) -> SocketAddr {
        self.network.lock().places[self.place]
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        let mut net = self.network.lock();
        let here = net.places[self.place];
        let (datagram, from) = net.waiting.get_mut(&here)?.pop_front()?;
        let kept = datagram.len().min(buffer.len());
        buffer[..kept].copy_from_slice(&datagram[..kept]);
        Some((datagram.len(), from))
    }

    fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        let mut net = self.network.lock();
        let here = net.places[self.place];
        net.carry(here, to, datagram);
    }

    fn flush(&mut self) -> u64 {
        0
    }

    /// Time does not pass by itself here.
    fn wait(&mut self, _timeout: Duration, _waker_only: bool) -> bool {
        self.waker.take()
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }
}
