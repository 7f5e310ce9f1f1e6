//! When a requested keyframe is made: at once, but never two within half a second. Pure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use media::MediaTime;

/// Least distance of two requested IDRs. Ten viewers that join together, or lose the same packet, cost one; more
/// would let one bad link fill everyone's bitrate with IDRs.
const LEAST_DISTANCE: Duration = Duration::from_millis(500);

/// Coalesces requests.
#[derive(Debug, Default)]
pub(crate) struct KeyframeRequests {
    wanted: Arc<AtomicBool>,
    last: Option<MediaTime>,
}

impl KeyframeRequests {
    /// Requests are made by setting that flag, from any thread.
    pub(crate) fn of(wanted: Arc<AtomicBool>) -> Self {
        Self { wanted, last: None }
    }

    /// Someone needs a keyframe.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::Release);
    }

    /// When the wanted keyframe may be made; `None` when none is wanted.
    pub(crate) fn due(&self) -> Option<MediaTime> {
        self.wanted.load(Ordering::Acquire).then(|| self.last.map_or(MediaTime::ZERO, |last| last + LEAST_DISTANCE))
    }

    /// Whether to force one now.
    pub(crate) fn is_due(&self, now: MediaTime) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    /// A keyframe was made, requested or not, and is about to be handed out: it serves whoever is waiting, also one who
    /// asked while it was encoded, or while its encoder was opened. One that nobody asked for does not hold back the next
    /// request.
    pub(crate) fn made(&mut self, now: MediaTime) {
        if self.wanted.swap(false, Ordering::AcqRel) {
            self.last = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> MediaTime {
        MediaTime::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn the_first_request_is_served_at_once_and_the_next_half_a_second_later() {
        let mut requests = KeyframeRequests::default();
        assert!(!requests.is_due(ms(1000)));
        requests.want();
        assert!(requests.is_due(ms(1000)));
        requests.made(ms(1000));
        requests.want();
        requests.want();
        assert!(!requests.is_due(ms(1499)));
        assert_eq!(requests.due(), Some(ms(1500)));
        assert!(requests.is_due(ms(1500)));
    }

    #[test]
    fn a_keyframe_of_the_gop_serves_who_waited() {
        let mut requests = KeyframeRequests::default();
        requests.want();
        requests.made(ms(100));
        assert_eq!(requests.due(), None);
        requests.made(ms(2000));
        requests.want();
        assert!(requests.is_due(ms(2010)), "a keyframe nobody asked for holds nobody back");
    }
}
