//! When it is time to look for another network: at once where the system tells of its addresses, and else by the clock.
//!
//! A list of all addresses costs some 100 µs with what wakes for it: four a second are a good part of what a still desktop
//! costs.

use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Where the system tells nothing: who moves waits for this.
const LOOK: Duration = Duration::from_millis(250);
/// Where it does, in case that something was missed.
const GLANCE: Duration = Duration::from_secs(5);

/// See the module.
pub(crate) struct Addresses {
    news: Option<UdpSocket>,
    look: Interval,
}

impl Addresses {
    /// Needs a tokio runtime around it.
    pub(crate) fn new() -> Self {
        let news = subscribe();
        let look = by_the_clock(if news.is_some() { GLANCE } else { LOOK });
        Self { news, look }
    }

    /// Returns when they may have changed. Cancel-safe.
    pub(crate) async fn may_differ(&mut self) {
        let Some(news) = &self.news else {
            self.look.tick().await;
            return;
        };
        // Which message it was does not matter, nor that some were lost: all addresses are looked at.
        let mut message = [0; 64];
        let heard = tokio::select! {
            _ = self.look.tick() => Ok(0),
            heard = news.recv(&mut message) => heard,
        };
        if heard.is_err() {
            // Some were lost, or it is broken: from now on by the clock, which misses nothing.
            self.news = None;
            self.look = by_the_clock(LOOK);
        }
    }
}

fn by_the_clock(period: Duration) -> Interval {
    let mut look = interval(period);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look
}

/// A socket that gets a message for each address that comes or goes (rtnetlink(7)). As a "UDP" socket it is read like any
/// other: a receive is a receive.
#[cfg(target_os = "linux")]
fn subscribe() -> Option<UdpSocket> {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no pointers; a descriptor that comes out is nobody's yet.
    let socket = unsafe {
        let raw = libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE);
        if raw < 0 {
            return None;
        }
        OwnedFd::from_raw_fd(raw)
    };
    // SAFETY: plain data, for which zeros are valid; the kernel gives the port.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    address.nl_groups = (libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR) as u32;
    let length = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
    // SAFETY: the address is whole and lives through the call.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    if bound != 0 {
        return None;
    }
    UdpSocket::from_std(socket.into()).ok()
}

#[cfg(not(target_os = "linux"))]
fn subscribe() -> Option<UdpSocket> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_is_heard_and_not_asked_four_times_a_second() {
        let mut addresses = Addresses::new();
        assert!(addresses.news.is_some());
        addresses.may_differ().await;
        // An address of this machine may come or go meanwhile, but not each quarter of a second.
        let quiet = async {
            for _ in 0..6 {
                addresses.may_differ().await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_millis(1800), quiet).await.is_err());
    }
}
