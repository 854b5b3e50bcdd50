//! Opens the port. Done once, by the core, before anything is started: a port that is taken is an error of the start.
//!
//! The socket outlives every helper. While there is none, clients wait in its queue and notice only a delay.
//!
//! What surprised us: unread bytes of clients lie in kernel memory that the container pays for, also of clients that
//! nobody has accepted yet. So the buffer is made small, before `listen`, as accepted sockets inherit it from there.

use crate::plan::HealthAddress;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socket, sockopt};
use std::io;
use std::mem::size_of;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

/// Clients that wait to be accepted. Linux's own default for the most there may be (net.core.somaxconn), so that a flood
/// or a helper that is being replaced does not make the port refuse.
const BACKLOG: i32 = 4096;

/// Unread bytes of one client; the kernel doubles it for its own needs. Twice what the head of a request may have.
const RECEIVE_BUFFER: usize = 16 * 1024;

/// A socket that listens at `at`: never blocks, not inherited by children. The error is the kernel's; the caller says
/// which address it was about.
pub fn listen(at: HealthAddress) -> io::Result<OwnedFd> {
    match at {
        HealthAddress::At(address) => open(address),
        HealthAddress::Any(port) => match open((Ipv6Addr::UNSPECIFIED, port).into()) {
            // IPv6 is not in the kernel, or is switched off (net.ipv6.conf.all.disable_ipv6).
            Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL) => {
                open((Ipv4Addr::UNSPECIFIED, port).into())
            }
            outcome => outcome,
        },
    }
    .map_err(io::Error::from)
}

fn open(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let socket = socket(
        family,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    // A container that was restarted finds its own old connections in TIME_WAIT; they are no reason to refuse.
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
    if address.is_ipv6() {
        accept_ipv4_too(&socket)?;
    }
    bind(&socket, address)?;
    // Not nix's: its Backlog refuses more than the C library's SOMAXCONN, a constant that is 128 in musl.
    // SAFETY: an open descriptor and a number.
    Errno::result(unsafe { libc::listen(socket.as_raw_fd(), BACKLOG) })?;
    Ok(socket)
}

/// Says so explicitly: net.ipv6.bindv6only may say otherwise.
fn accept_ipv4_too(socket: &OwnedFd) -> Result<(), Errno> {
    let only: libc::c_int = 0;
    // SAFETY: the kernel reads one int from a live one, of the size given.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_V6ONLY,
            (&raw const only).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    Errno::result(outcome).map(drop)
}

fn bind(socket: &OwnedFd, address: SocketAddr) -> Result<(), Errno> {
    let fd = socket.as_raw_fd();
    let outcome = match address {
        SocketAddr::V4(address) => {
            let name = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(address.ip().octets()),
                },
                sin_zero: [0; 8],
            };
            let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            // SAFETY: the name is a whole sockaddr_in and lives through the call; its length is given.
            unsafe { libc::bind(fd, (&raw const name).cast(), length) }
        }
        SocketAddr::V6(address) => {
            let name = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr {
                    s6_addr: address.ip().octets(),
                },
                sin6_scope_id: address.scope_id(),
            };
            let length = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            // SAFETY: the name is a whole sockaddr_in6 and lives through the call; its length is given.
            unsafe { libc::bind(fd, (&raw const name).cast(), length) }
        }
    };
    Errno::result(outcome).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn opened(at: HealthAddress) -> TcpListener {
        TcpListener::from(listen(at).unwrap())
    }

    #[test]
    fn any_is_reached_by_both_families_where_there_are_both() {
        let listener = opened(HealthAddress::Any(0));
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        if listener.local_addr().unwrap().is_ipv6() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
        }
    }

    #[test]
    fn a_port_that_is_taken_is_said_to_be() {
        let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let first = opened(HealthAddress::At(address));
        let taken = first.local_addr().unwrap();
        for at in [HealthAddress::At(taken), HealthAddress::Any(taken.port())] {
            let error = listen(at).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{at:?}");
        }
    }

    #[test]
    fn it_neither_blocks_nor_is_inherited() {
        let listener = opened(HealthAddress::At("127.0.0.1:0".parse().unwrap()));
        assert_eq!(
            listener.accept().unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        // SAFETY: asks for flags of a descriptor that is open.
        let flags = unsafe { libc::fcntl(listener.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    }
}
