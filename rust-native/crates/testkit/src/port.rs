//! Ports for programs that have to be told one.
//!
//! A port that the system gives for "any" may be given to the next socket as soon as it is let go: while tests run
//! beside each other, that was now and then one of theirs, before the program had it. Below the range that the system
//! gives from (`ip_local_port_range`) only who asks for a port by its number gets it.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the system has other ranges than Linux has by default, these are below them too.
const FIRST: u32 = 10_000;
const COUNT: u32 = 10_000;

/// An even port that nobody has, by TCP or UDP, and nobody gets by chance; nor the next one, which RTP takes for RTCP
/// (RFC 3550 section 11).
///
/// # Panics
/// Where all are taken.
pub fn free() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Programs that run at the same time begin at different places.
    let start = std::process::id().wrapping_mul(7919) % COUNT;
    let mut tried = 0;
    loop {
        let number = (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT * 2 + FIRST;
        let port = u16::try_from(number).expect("below 65536");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
        tried += 1;
        assert!(tried < COUNT, "every port is taken");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_and_what_is_held_never() {
        let first = free();
        let held = TcpListener::bind(("127.0.0.1", free())).expect("it is free");
        let held = held.local_addr().expect("its address").port();
        assert!((0..100).map(|_| free()).all(|port| port != first && port != held));
    }
}
