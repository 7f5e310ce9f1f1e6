//! The machine's own addresses: where a peer binds, and whether what it uses is still there. No sockets here.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::vec;

/// Where a peer's sockets are bound: read anew for each ICE session, so that a restart follows a change of network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Places {
    /// Loopback only: the window on this machine.
    Loopback,
    /// Each address of the machine that another one can reach, and loopback for a target on this machine.
    Every { include_loopback: bool },
}

impl Places {
    pub(crate) fn include_loopback(self) -> bool {
        matches!(self, Self::Loopback | Self::Every { include_loopback: true })
    }

    pub(crate) fn addresses(self) -> Vec<SocketAddr> {
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let mut found = match self {
            Self::Loopback => Vec::new(),
            Self::Every { .. } => reachable(),
        };
        // Without any the connection could not even be made, and would not find out when one comes.
        if self.include_loopback() || found.is_empty() {
            found.push(loopback);
        }
        found.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect()
    }
}

/// Asked by the crate whenever it binds.
impl ToSocketAddrs for Places {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        Ok(self.addresses().into_iter())
    }
}

/// The addresses of this machine that another one can reach, in a stable order.
pub(crate) fn reachable() -> Vec<IpAddr> {
    let interfaces = rtc::shared::ifaces::ifaces().unwrap_or_else(|error| {
        tracing::warn!(%error, "the network interfaces can't be listed");
        Vec::new()
    });
    let addresses = interfaces.into_iter().filter_map(|interface| interface.addr);
    let mut found: Vec<IpAddr> = addresses.map(|address| address.ip()).filter(|ip| is_reachable(*ip)).collect();
    found.sort();
    found.dedup();
    found
}

/// Neither loopback nor link-local.
fn is_reachable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
    }
}

/// More addresses than a machine has in a stream's time.
const MOST_OURS: usize = 256;

/// Sees that the network has changed under a connection. Pure: it is told what there is.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: Vec<IpAddr>,
    /// All that this machine had so far: what a connection uses may be another's address, a NAT's or a relay's.
    ours: Vec<IpAddr>,
}

impl Watch {
    pub(crate) fn new(now: Vec<IpAddr>) -> Self {
        Self { ours: now.clone(), seen: now }
    }

    /// Whether `now` differs from the last look: only then is it worth asking what a connection uses.
    pub(crate) fn differs(&self, now: &[IpAddr]) -> bool {
        self.seen != now
    }

    /// Whether `now` is another network than at the last look, and one that matters: an address of this machine that
    /// the connection uses (`path`) is gone from it, or the connection is down and may come about by a new address.
    ///
    /// An address more beside a connection that works changes nothing: what works is not torn down.
    pub(crate) fn look(&mut self, now: Vec<IpAddr>, path: &[IpAddr], connected: bool) -> bool {
        if !self.differs(&now) {
            return false;
        }
        let is_new = now.iter().any(|ip| !self.seen.contains(ip));
        let lost = path.iter().any(|ip| self.ours.contains(ip) && !now.contains(ip));
        let usable = !now.is_empty();
        for ip in &now {
            if !self.ours.contains(ip) && self.ours.len() < MOST_OURS {
                self.ours.push(*ip);
            }
        }
        self.seen = now;
        usable && (lost || !connected && is_new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn loopback_is_bound_for_a_target_on_this_machine() {
        let here = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        assert!(Places::Every { include_loopback: true }.addresses().contains(&here));
        assert!(!Places::Every { include_loopback: false }.addresses().is_empty());
        assert_eq!(Places::Loopback.addresses(), [here]);
    }

    #[test]
    fn only_the_loss_of_the_address_in_use_is_a_change_for_a_connection_that_works() {
        let mut watch = Watch::new(vec![ip(1), ip(2)]);
        assert!(!watch.look(vec![ip(1), ip(2)], &[ip(1)], true));
        assert!(!watch.look(vec![ip(1), ip(2), ip(3)], &[ip(1)], true), "one more");
        assert!(!watch.look(vec![ip(1), ip(3)], &[ip(1)], true), "another one went");
        assert!(watch.look(vec![ip(3)], &[ip(1)], true));
        assert!(!watch.look(vec![ip(3)], &[ip(1)], true), "told once");
    }

    #[test]
    fn a_connection_that_is_down_hears_of_each_new_address_and_not_of_an_empty_network() {
        let mut watch = Watch::new(vec![ip(1)]);
        assert!(!watch.look(vec![], &[ip(1)], true), "the cable is out: there is nothing to go on with");
        assert!(watch.look(vec![ip(1)], &[ip(1)], false), "and in again");
        assert!(!watch.look(vec![ip(1)], &[ip(1)], false));
    }

    #[test]
    fn a_move_over_an_empty_network_is_one_too() {
        let mut watch = Watch::new(vec![ip(1)]);
        assert!(!watch.look(vec![], &[ip(1)], true));
        assert!(watch.look(vec![ip(2)], &[ip(1)], true));
    }

    #[test]
    fn what_a_nat_or_a_relay_lends_is_not_missed() {
        let mut watch = Watch::new(vec![ip(1), ip(2)]);
        assert!(!watch.look(vec![ip(1)], &[ip(9), ip(1)], true));
        assert!(watch.look(vec![ip(2)], &[ip(9), ip(1)], true));
    }

    #[test]
    fn loopback_does_not_go_away() {
        let mut watch = Watch::new(vec![ip(1)]);
        assert!(!watch.look(vec![ip(2)], &[Ipv4Addr::LOCALHOST.into()], true));
    }
}
