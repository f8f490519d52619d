//! Datagrams in and out: the only place where an endpoint touches the outside.

mod batch;
mod udp;
mod waker;

use std::net::SocketAddr;
use std::time::Duration;

pub use udp::UdpIo;
pub use waker::Waker;

/// What an endpoint needs from its network. [`UdpIo`] is the real one; [`crate::testing::MemoryIo`] keeps everything in memory.
pub trait DatagramIo {
    /// The address that peers send to.
    fn local_addr(&self) -> SocketAddr;

    /// Copies the next datagram into `buffer`, without waiting. Answers its whole length, which is more than `buffer` holds when it
    /// was cut off, and who sent it.
    fn receive(&mut self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)>;

    /// Takes a datagram to send at the next `flush`, or earlier when many have come together.
    fn send(&mut self, to: SocketAddr, datagram: &[u8]);

    /// Sends what was taken. Answers how many datagrams the system refused since the last call; they are lost.
    fn flush(&mut self) -> u64;

    /// Waits until the waker is used, until a datagram can be received (unless `waker_only`), or for `timeout`. Answers whether the
    /// waker was used.
    fn wait(&mut self, timeout: Duration, waker_only: bool) -> bool;

    /// A handle that ends a `wait` from another thread.
    fn waker(&self) -> Waker;
}
