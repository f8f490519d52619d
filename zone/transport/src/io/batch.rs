//! Many datagrams in one system call. The only unsafe code of the workspace: neither the standard library nor rustix offers
//! `recvmmsg` and `sendmmsg`, and one call per datagram costs several times as much as sealing it.

#![allow(unsafe_code)]

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Datagrams in one system call.
pub(super) const BATCH: usize = 64;
/// Bytes kept of one received datagram; longer than any that this protocol sends.
pub(super) const SLOT: usize = 1536;

/// Room for a batch of datagrams with their addresses. Everything is reused; nothing is allocated per datagram.
pub(super) struct Batch {
    bytes: Vec<[u8; SLOT]>,
    lengths: [usize; BATCH],
    addresses: [Name; BATCH],
}

/// A socket address in the kernel's form.
#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Batch {
    pub(super) fn new() -> Self {
        // SAFETY: both forms of a name are plain integers, for which zero is a valid value; a family of zero reads as no address.
        let unnamed: Name = unsafe { mem::zeroed() };
        Self { bytes: vec![[0; SLOT]; BATCH], lengths: [0; BATCH], addresses: [unnamed; BATCH] }
    }

    /// One received datagram: its bytes as far as they were kept, its whole length and its sender.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], usize, SocketAddr)> {
        let length = self.lengths[index];
        Some((&self.bytes[index][..length.min(SLOT)], length, self.addresses[index].read()?))
    }

    /// Puts one datagram in its place for `send`.
    pub(super) fn set(&mut self, index: usize, to: SocketAddr, datagram: &[u8]) {
        self.bytes[index][..datagram.len()].copy_from_slice(datagram);
        self.lengths[index] = datagram.len();
        self.addresses[index] = Name::write(to);
    }

    /// Receives up to [`BATCH`] datagrams without waiting; answers how many.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let (mut headers, _vectors) = self.headers(0..BATCH, SLOT);
        // SAFETY: every header points to its own vector, slot and name, which live in `self` and in `_vectors` until after the call, and
        // gives their true sizes; BATCH headers exist.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT | libc::MSG_TRUNC,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (length, header) in self.lengths.iter_mut().zip(&headers[..count]) {
            *length = header.msg_len as usize;
        }
        Ok(count)
    }

    /// Sends the datagrams `first..end` without waiting; answers how many of them the kernel took.
    pub(super) fn send(&mut self, socket: BorrowedFd<'_>, first: usize, end: usize) -> io::Result<usize> {
        let (mut headers, _vectors) = self.headers(first..end, 0);
        // SAFETY: as for `receive`; `end - first` headers were filled and no more are named.
        let count = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), (end - first) as libc::c_uint, libc::MSG_DONTWAIT)
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    /// Headers for the slots of `range`, each with room for `room` bytes or, when that is zero, with the length of its datagram.
    fn headers(
        &mut self,
        range: std::ops::Range<usize>,
        room: usize,
    ) -> ([libc::mmsghdr; BATCH], Box<[libc::iovec; BATCH]>) {
        // SAFETY: vectors and headers are integers and pointers, for which zero is a valid value that points nowhere.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { MaybeUninit::zeroed().assume_init() };
        // SAFETY: as above.
        let mut vectors: Box<[libc::iovec; BATCH]> = unsafe { Box::new(MaybeUninit::zeroed().assume_init()) };
        for (index, slot) in range.enumerate() {
            let name = &mut self.addresses[slot];
            let name_bytes = if room > 0 { size_of::<Name>() } else { name.bytes() };
            vectors[index].iov_base = self.bytes[slot].as_mut_ptr().cast();
            vectors[index].iov_len = if room > 0 { room } else { self.lengths[slot] };
            let header = &mut headers[index].msg_hdr;
            header.msg_name = std::ptr::from_mut(name).cast();
            header.msg_namelen = name_bytes as libc::socklen_t;
            header.msg_iov = &raw mut vectors[index];
            header.msg_iovlen = 1;
        }
        (headers, vectors)
    }
}

impl Name {
    fn family(&self) -> libc::c_int {
        // SAFETY: both forms begin with the family.
        libc::c_int::from(unsafe { self.v4.sin_family })
    }

    fn bytes(&self) -> usize {
        if self.family() == libc::AF_INET { size_of::<libc::sockaddr_in>() } else { size_of::<libc::sockaddr_in6>() }
    }

    fn read(&self) -> Option<SocketAddr> {
        match self.family() {
            libc::AF_INET => {
                // SAFETY: the family says which form it is.
                let v4 = unsafe { self.v4 };
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(v4.sin_port))))
            }
            libc::AF_INET6 => {
                // SAFETY: the family says which form it is.
                let v6 = unsafe { self.v6 };
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                Some(SocketAddr::V6(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id)))
            }
            _ => None,
        }
    }

    fn write(address: SocketAddr) -> Self {
        // SAFETY: as in `Batch::new`.
        let mut name: Self = unsafe { mem::zeroed() };
        match address {
            SocketAddr::V4(address) => {
                name.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: address.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
                    sin_zero: [0; 8],
                };
            }
            SocketAddr::V6(address) => {
                name.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: 0,
                    sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                    sin6_scope_id: address.scope_id(),
                };
            }
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_from_the_kernels_form() {
        for text in ["127.0.0.1:80", "255.1.2.3:65535", "[::1]:1", "[2001:db8::7]:443"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Name::write(address).read(), Some(address));
        }
        let batch = Batch::new();
        assert!(batch.get(0).is_none());
    }
}
