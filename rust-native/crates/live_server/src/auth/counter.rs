//! How often an address did something in the last minute. Bounded, so that a flood can't fill the memory.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Windows are this long.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered; past it the oldest windows go, so that a flood can't fill the memory.
const MOST_ADDRESSES: usize = 4096;

/// Counts something (wrong tokens, new sessions) by address.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    by_address: HashMap<IpAddr, (u32, Instant)>,
}

impl Counter {
    /// How long an address has to wait, if it has come too often. A limit of 0 means none.
    pub(crate) fn blocked(&self, address: IpAddr, limit: u32, now: Instant) -> Option<Duration> {
        let (counted, since) = self.by_address.get(&household(address))?;
        let left = (*since + WINDOW).saturating_duration_since(now);
        (limit > 0 && *counted >= limit && !left.is_zero()).then_some(left)
    }

    /// Forgets what an address did.
    pub(crate) fn forgive(&mut self, address: IpAddr) {
        self.by_address.remove(&household(address));
    }

    /// Counts one.
    pub(crate) fn count(&mut self, address: IpAddr, now: Instant) {
        if self.by_address.len() >= MOST_ADDRESSES {
            self.by_address.retain(|_, (_, since)| now.saturating_duration_since(*since) < WINDOW);
            if self.by_address.len() >= MOST_ADDRESSES {
                self.by_address.clear();
            }
        }
        let entry = self.by_address.entry(household(address)).or_insert((0, now));
        if now.saturating_duration_since(entry.1) >= WINDOW {
            *entry = (0, now);
        }
        entry.0 = entry.0.saturating_add(1);
    }
}

/// One household has a whole /64 of IPv6 addresses: they count as one.
pub(crate) fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_comes_too_often_waits_out_its_minute() {
        let mut counter = Counter::default();
        let (start, address) = (Instant::now(), IpAddr::from([192, 0, 2, 1]));
        for _ in 0..3 {
            assert!(counter.blocked(address, 3, start).is_none());
            counter.count(address, start);
        }
        assert_eq!(counter.blocked(address, 3, start + Duration::from_secs(20)), Some(Duration::from_secs(40)));
        assert!(counter.blocked(IpAddr::from([192, 0, 2, 2]), 3, start).is_none());
        assert!(counter.blocked(address, 3, start + WINDOW).is_none());
        counter.count(address, start + WINDOW);
        assert!(counter.blocked(address, 3, start + WINDOW).is_none());
    }

    #[test]
    fn remembered_addresses_are_bounded() {
        let mut counter = Counter::default();
        let now = Instant::now();
        for n in 0..10_000u32 {
            counter.count(IpAddr::from(n.to_be_bytes()), now);
        }
        assert!(counter.by_address.len() <= MOST_ADDRESSES);
    }
}
