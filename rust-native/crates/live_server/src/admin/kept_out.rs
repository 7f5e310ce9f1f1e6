//! Who was sent away and may not come back at once: players and encoders knock again by themselves.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::auth::household;
use crate::relay::Role;

const MOST: usize = 1000;

#[derive(Debug)]
struct Entry {
    stream: String,
    role: Role,
    address: IpAddr,
    until: Instant,
}

/// See the module. By stream, role and household.
#[derive(Debug, Default)]
pub(crate) struct KeptOut(Vec<Entry>);

impl KeptOut {
    /// Keeps an address out.
    pub(crate) fn add(&mut self, stream: &str, role: Role, address: IpAddr, lasts: Duration, now: Instant) {
        self.0.retain(|entry| entry.until > now);
        if lasts.is_zero() {
            return;
        }
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push(Entry { stream: stream.to_owned(), role, address: household(address), until: now + lasts });
    }

    /// How long an address still has to stay away.
    pub(crate) fn wait(&self, stream: &str, role: Role, address: IpAddr, now: Instant) -> Option<Duration> {
        let address = household(address);
        self.0
            .iter()
            .filter(|entry| entry.stream == stream && entry.role == role && entry.address == address)
            .map(|entry| entry.until.saturating_duration_since(now))
            .filter(|left| !left.is_zero())
            .max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_kept_out_of_one_stream_may_do_everything_else_and_comes_back_later() {
        let (mut kept_out, now) = (KeptOut::default(), Instant::now());
        let address = IpAddr::from([192, 0, 2, 1]);
        kept_out.add("live", Role::Publish, address, Duration::from_secs(60), now);
        assert_eq!(kept_out.wait("live", Role::Publish, address, now), Some(Duration::from_secs(60)));
        assert_eq!(kept_out.wait("live", Role::View, address, now), None);
        assert_eq!(kept_out.wait("other", Role::Publish, address, now), None);
        assert_eq!(kept_out.wait("live", Role::Publish, IpAddr::from([192, 0, 2, 2]), now), None);
        assert_eq!(kept_out.wait("live", Role::Publish, address, now + Duration::from_secs(60)), None);
    }
}
