//! Keeping a device in step with the mix: pure arithmetic over times that are passed in.

use std::time::Duration;

use media::MediaTime;

use super::capture_clock::signed_ns;

/// One block of the mix.
pub(super) const BLOCK: Duration = Duration::from_millis(10);
/// Beyond this a device is put in step at once instead of being pulled there: the ear notices 40 ms against the
/// picture, and pulling 20 ms takes 10 s.
const REALIGN_NS: f64 = 20e6;
/// An offset is pulled in over this many seconds…
const PULL_SECONDS: f64 = 5.0;
/// …but never faster than this: 0.2 % (a thirtieth of a semitone) is below what the ear hears as pitch.
const MAX_PULL: f64 = 2e-3;

/// What to do with a device's next frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Steer {
    /// Output frames per input frame (before the nominal conversion of rates).
    Ratio(f64),
    /// Too far off to be pulled: align anew.
    Realign,
}

/// How to play a device whose next frame was captured at `next`, when the mix is at `position` and a frame of the
/// device lasts `drift` longer than nominal.
pub(super) fn steer(next: MediaTime, position: MediaTime, drift: f64) -> Steer {
    let lead = signed_ns(next, position);
    if lead.abs() > REALIGN_NS {
        return Steer::Realign;
    }
    // A device that is ahead of the mix gives its frames out more slowly.
    let pull = (lead / 1e9 / PULL_SECONDS).clamp(-MAX_PULL, MAX_PULL);
    Steer::Ratio(1.0 + drift + pull)
}

/// What an unaligned device has to do before it is heard in the block that starts at `position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// Its first frame comes later than this block's start: silence until then.
    Later,
    /// Throw so many frames away; then it is in step.
    Drop(u64),
}

/// See [`Align`]; `rate` in Hz.
pub(super) fn align(next: MediaTime, position: MediaTime, rate: u32) -> Align {
    let lead = signed_ns(next, position);
    // Half a frame early is in step.
    let frames = (-lead / 1e9 * f64::from(rate)).round();
    if frames < 0.0 { Align::Later } else { Align::Drop(frames as u64) }
}

#[cfg(test)]
mod tests {
    use super::super::capture_clock::CaptureClock;
    use super::*;
    use crate::audio::resampling::Resampling;

    /// One simulated hour: the device's quartz is `ppm` off, its stamps jitter, the mix reads through the real
    /// resampler's frame counts. Returns the largest offset after the first 30 s in ms, and realignments.
    fn an_hour_at(ppm: f64) -> (f64, u32) {
        let captured = |frame: f64| {
            MediaTime::from_nanos(1_000_000_000_000 + (frame / 48_000.0 * 1e9 * (1.0 + ppm * 1e-6)) as u64)
        };
        let mut clock = CaptureClock::new(48_000, 0, captured(0.0));
        let mut resampling = Resampling::new(48_000).expect("48 kHz");
        let (mut pushed, mut consumed, mut worst, mut realigned) = (0u64, 0u64, 0.0f64, 0);
        let mut seed = 1u32;
        let input = vec![0.0; 2 * 1024];
        let mut output = [0.0; 960];
        for block in 0..360_000u64 {
            let position = MediaTime::from_nanos(1_000_000_000_000 + block * 10_000_000);
            while signed_ns(captured(pushed as f64), position) < 30e6 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // 0 to 5 ms of jitter, and now and then a callback held up by 30 ms.
                let jitter = f64::from(seed >> 8) / f64::from(1 << 24) * 5e6;
                let held_up = if seed.is_multiple_of(97) { 30e6 } else { 0.0 };
                clock.observe(pushed, captured(pushed as f64) + Duration::from_nanos((jitter + held_up) as u64));
                pushed += 480;
            }
            match steer(clock.time_of(consumed), position, clock.drift()) {
                Steer::Realign => {
                    realigned += 1;
                    consumed = (block as f64 * 480.0 / (1.0 + ppm * 1e-6)) as u64;
                }
                Steer::Ratio(ratio) => {
                    resampling.set_ratio(ratio);
                    let need = resampling.input_frames();
                    resampling.process(&input[..2 * need], &mut output).expect("sizes as asked for");
                    consumed += need as u64;
                }
            }
            if block > 3000 {
                let next = position + BLOCK;
                worst = worst.max(signed_ns(captured(consumed as f64), next).abs() / 1e6);
            }
        }
        (worst, realigned)
    }

    #[test]
    fn a_device_100_ppm_off_stays_in_step_for_an_hour() {
        for ppm in [-100.0, 0.0, 100.0] {
            let (worst, realigned) = an_hour_at(ppm);
            // The jitter's own mean (2.5 ms) is in the stamps: no estimate can take it out.
            assert!(worst < 5.0, "{ppm} ppm: {worst} ms off");
            assert_eq!(realigned, 0, "{ppm} ppm");
        }
    }

    #[test]
    fn small_offsets_are_pulled_gently_and_large_ones_at_once() {
        let position = MediaTime::from_nanos(1_000_000_000);
        let after = |ms: u64| position + Duration::from_millis(ms);
        assert_eq!(steer(position, position, 0.0), Steer::Ratio(1.0));
        assert_eq!(steer(after(15), position, 0.0), Steer::Ratio(1.002));
        assert_eq!(steer(position, after(1), 0.0), Steer::Ratio(1.0 - 0.0002));
        assert_eq!(steer(after(21), position, 0.0), Steer::Realign);
        assert_eq!(steer(position, after(21), 0.0), Steer::Realign);
    }

    #[test]
    fn alignment_drops_what_lies_before_the_block() {
        let position = MediaTime::from_nanos(1_000_000_000);
        assert_eq!(align(position, position, 48_000), Align::Drop(0));
        assert_eq!(align(position - Duration::from_millis(5), position, 48_000), Align::Drop(240));
        assert_eq!(align(position + Duration::from_millis(1), position, 48_000), Align::Later);
    }
}
