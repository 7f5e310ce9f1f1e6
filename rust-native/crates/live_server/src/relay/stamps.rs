//! Time stamps that never go back where one picture's encoding takes the place of another.

use std::time::Duration;

/// Pictures that are late follow each other by this much on the player's clock: it hurries through them.
const SQUEEZED: Duration = Duration::from_millis(1);
/// The same in ticks of 90 kHz.
pub(super) const STEP: u32 = (SQUEEZED.as_millis() as u32) * 90;

/// The time stamps of one line of pictures, as they are sent.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    /// The newest picture's.
    newest: Option<u32>,
    catch_up: Option<CatchUp>,
}

/// A rendition is made of the source and so comes later, and of several encodings one comes after the other: who changes
/// has seen the first pictures' times already. They follow what was sent last, closely, until they are newer.
#[derive(Debug, Clone, Copy)]
struct CatchUp {
    /// What was sent last before the change.
    until: u32,
    /// The present picture's own time stamp, and the one it is sent with.
    own: u32,
    sent: u32,
}

impl Stamps {
    /// What comes next is of another encoding.
    pub(super) fn change(&mut self) {
        // No picture of the past has this time: the first one is another.
        let own = |newest: u32| newest.wrapping_add(1);
        self.catch_up = self.newest.map(|newest| CatchUp { until: newest, own: own(newest), sent: newest });
    }

    /// The time stamp with which a packet is sent. `timestamp` is its own.
    pub(super) fn stamp(&mut self, timestamp: u32) -> u32 {
        let newer = |one: u32, other: u32| one.wrapping_sub(other) as i32 > 0;
        if let Some(catch_up) = &mut self.catch_up {
            if !newer(timestamp, catch_up.until) {
                if catch_up.own != timestamp {
                    (catch_up.own, catch_up.sent) = (timestamp, catch_up.sent.wrapping_add(STEP));
                }
                self.newest = Some(catch_up.sent);
                return catch_up.sent;
            }
            self.catch_up = None;
        }
        if self.newest.is_none_or(|newest| newer(timestamp, newest)) {
            self.newest = Some(timestamp);
        }
        timestamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_later_than_its_source_follows_closely_and_then_goes_on_in_its_own_time() {
        let mut stamps = Stamps::default();
        let first = u32::MAX - 6000;
        let source: Vec<u32> = (0..5).map(|n| stamps.stamp(first.wrapping_add(n * 3000))).collect();
        assert_eq!(source[4], first.wrapping_add(12_000));
        // The rendition's keyframe is the third picture once more.
        stamps.change();
        let mut sent = Vec::new();
        for n in [2, 2, 3, 4, 5, 6] {
            sent.push(stamps.stamp(first.wrapping_add(n * 3000)).wrapping_sub(source[4]));
        }
        assert_eq!(sent, [STEP, STEP, 2 * STEP, 3 * STEP, 3000, 6000]);
    }
}
