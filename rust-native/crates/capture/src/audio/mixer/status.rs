//! What the mixer's thread lets others know of an input, without a lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::InputCounters;

#[derive(Debug, Default)]
pub(super) struct Status {
    open: AtomicBool,
    underruns: AtomicU64,
    lost_frames: AtomicU64,
    realigned: AtomicU64,
}

impl Status {
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn set_open(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
    }

    pub(super) fn counters(&self) -> InputCounters {
        InputCounters {
            underruns: self.underruns.load(Ordering::Relaxed),
            lost_frames: self.lost_frames.load(Ordering::Relaxed),
            realigned: self.realigned.load(Ordering::Relaxed),
        }
    }

    pub(super) fn set_counters(&self, counters: InputCounters) {
        self.underruns.store(counters.underruns, Ordering::Relaxed);
        self.lost_frames.store(counters.lost_frames, Ordering::Relaxed);
        self.realigned.store(counters.realigned, Ordering::Relaxed);
    }
}
