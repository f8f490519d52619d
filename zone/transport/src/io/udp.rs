//! A UDP socket with batched system calls.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force};
use socket2::{Domain, Protocol, Socket, Type};

use super::batch::{BATCH, Batch, SLOT};
use super::{DatagramIo, Waker};
use crate::config::Limits;

/// The real network.
pub struct UdpIo {
    socket: Socket,
    local: SocketAddr,
    waker: Waker,
    incoming: Batch,
    next_in: usize,
    count_in: usize,
    outgoing: Batch,
    count_out: usize,
    refused: u64,
}

impl UdpIo {
    /// Binds a socket.
    ///
    /// # Errors
    /// Whatever the system says, for example that the port is in use.
    pub fn bind(listen: SocketAddr, limits: &Limits) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        // Only a privileged process may pass the system's cap; the others get what the cap leaves.
        if set_socket_recv_buffer_size_force(&socket, limits.receive_buffer_bytes).is_err() {
            socket.set_recv_buffer_size(limits.receive_buffer_bytes)?;
        }
        if set_socket_send_buffer_size_force(&socket, limits.send_buffer_bytes).is_err() {
            socket.set_send_buffer_size(limits.send_buffer_bytes)?;
        }
        socket.bind(&listen.into())?;
        let local = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self {
            socket,
            local,
            waker: Waker::new()?,
            incoming: Batch::new(),
            next_in: 0,
            count_in: 0,
            outgoing: Batch::new(),
            count_out: 0,
            refused: 0,
        })
    }

    /// Gives the outgoing batch to the kernel. What it does not take is lost, as UDP allows: waiting for room would stop the game.
    fn send_batch(&mut self) {
        let mut first = 0;
        while first < self.count_out {
            match self.outgoing.send(self.socket.as_fd(), first, self.count_out) {
                Ok(sent) => first += sent.max(1),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.refused += (self.count_out - first) as u64;
                    break;
                }
                // The error is about the first datagram (no route, a firewall's refusal); the others may still pass.
                Err(_) => {
                    self.refused += 1;
                    first += 1;
                }
            }
        }
        self.count_out = 0;
    }
}

impl DatagramIo for UdpIo {
    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        loop {
            if self.next_in == self.count_in {
                self.next_in = 0;
                // An error here is about an earlier datagram that could not be delivered; there is nobody to tell.
                self.count_in = self.incoming.receive(self.socket.as_fd()).unwrap_or(0);
                if self.count_in == 0 {
                    return None;
                }
            }
            let index = self.next_in;
            self.next_in += 1;
            if let Some((bytes, length, from)) = self.incoming.get(index) {
                let kept = bytes.len().min(buffer.len());
                buffer[..kept].copy_from_slice(&bytes[..kept]);
                return Some((length, from));
            }
        }
    }

    fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        debug_assert!(datagram.len() <= SLOT);
        self.outgoing.set(self.count_out, to, datagram);
        self.count_out += 1;
        if self.count_out == BATCH {
            self.send_batch();
        }
    }

    fn flush(&mut self) -> u64 {
        self.send_batch();
        std::mem::take(&mut self.refused)
    }

    fn wait(&mut self, timeout: Duration, waker_only: bool) -> bool {
        if !waker_only && self.next_in < self.count_in {
            return self.waker.take();
        }
        // A timeout as a timespec makes this ppoll, which keeps nanoseconds.
        let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 60, tv_nsec: 0 });
        let waker = PollFd::new(&self.waker, PollFlags::IN);
        let socket = PollFd::new(&self.socket, PollFlags::IN);
        let mut both = [waker, socket];
        let count = if waker_only { 1 } else { 2 };
        // Being interrupted counts as waking up: the caller looks at the clock anyway.
        let _ = poll(&mut both[..count], Some(&timeout));
        self.waker.take()
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }
}
