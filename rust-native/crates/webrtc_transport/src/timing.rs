//! One clock for both tracks: RTP timestamps and the NTP time of sender reports from the same `MediaTime`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use media::{MediaTime, Track};

/// Seconds from the NTP era's start (1900) to the Unix epoch (RFC 5905, section 6).
const NTP_UNIX_OFFSET: u64 = 2_208_988_800;

/// RTP clock of the video track (RFC 6184, section 8.2.1).
pub(crate) const VIDEO_RATE: u32 = 90_000;
/// RTP clock of the audio track (RFC 7587, section 4.1).
pub(crate) const AUDIO_RATE: u32 = 48_000;

/// The mapping of one peer, fixed at its start: a wall clock that is set meanwhile must not tear the tracks apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamClock {
    /// Wall-clock time at `MediaTime::ZERO`, since 1900.
    origin: Duration,
    /// Random start of each track's timestamps (RFC 3550, section 5.1).
    video_offset: u32,
    audio_offset: u32,
}

impl StreamClock {
    /// Ties `now` on the media clock to `wall`.
    pub(crate) fn new(now: MediaTime, wall: SystemTime, video_offset: u32, audio_offset: u32) -> Self {
        let wall = wall.duration_since(UNIX_EPOCH).unwrap_or_default() + Duration::from_secs(NTP_UNIX_OFFSET);
        let origin = wall.saturating_sub(now.since(MediaTime::ZERO));
        Self { origin, video_offset, audio_offset }
    }

    /// The RTP timestamp of that moment, from the absolute value.
    pub(crate) fn rtp(&self, track: Track, at: MediaTime) -> u32 {
        match track {
            Track::Video | Track::Hevc | Track::Av1 => self.video_offset.wrapping_add(at.ticks(VIDEO_RATE) as u32),
            Track::Audio | Track::Aac | Track::Input(_) => self.audio_offset.wrapping_add(at.ticks(AUDIO_RATE) as u32),
        }
    }

    /// The NTP timestamp (32.32 fixed point) of that moment.
    pub(crate) fn ntp(&self, at: MediaTime) -> u64 {
        let since_1900 = self.origin + at.since(MediaTime::ZERO);
        let fraction = (u64::from(since_1900.subsec_nanos()) << 32) / 1_000_000_000;
        (since_1900.as_secs() << 32) | fraction
    }

    /// The round trip that a reception report tells of (RFC 3550, section 6.4.1), `None` where it can't be known.
    ///
    /// `last_report` is the middle of the NTP time of the sender report it saw, `delay` in 1/65536 s.
    pub(crate) fn round_trip(&self, now: MediaTime, last_report: u32, delay: u32) -> Option<Duration> {
        if last_report == 0 {
            return None;
        }
        let now = (self.ntp(now) >> 16) as u32;
        let units = now.wrapping_sub(last_report).wrapping_sub(delay);
        // A receiver that rounds its delay up gives a small negative number on loopback.
        let units = if units > u32::MAX / 2 { 0 } else { units };
        Some(Duration::from_nanos(u64::from(units) * 1_000_000_000 / 65_536))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> StreamClock {
        let wall = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        StreamClock::new(MediaTime::ZERO + Duration::from_secs(100), wall, u32::MAX - 10, 7)
    }

    #[test]
    fn both_tracks_meet_at_the_same_wall_clock_time() {
        let clock = clock();
        let (a, b) = (MediaTime::ZERO + Duration::from_secs(100), MediaTime::ZERO + Duration::from_millis(101_500));
        let ntp_step = clock.ntp(b) - clock.ntp(a);
        assert_eq!(ntp_step, 3 << 31, "1.5 s in 32.32");
        assert_eq!(clock.rtp(Track::Video, b).wrapping_sub(clock.rtp(Track::Video, a)), 135_000);
        assert_eq!(clock.rtp(Track::Audio, b).wrapping_sub(clock.rtp(Track::Audio, a)), 72_000);
        assert_eq!(clock.ntp(a) >> 32, 1_800_000_000 + NTP_UNIX_OFFSET);
    }

    #[test]
    fn the_round_trip_is_what_the_report_leaves_over() {
        let clock = clock();
        let sent = MediaTime::ZERO + Duration::from_secs(200);
        let seen = (clock.ntp(sent) >> 16) as u32;
        let back = sent + Duration::from_millis(530);
        let held = 65_536 / 2;
        let round_trip = clock.round_trip(back, seen, held).expect("known");
        assert!(round_trip.abs_diff(Duration::from_millis(30)) < Duration::from_millis(1), "{round_trip:?}");
        assert_eq!(clock.round_trip(back, 0, held), None);
        assert_eq!(clock.round_trip(sent, seen, 3), Some(Duration::ZERO));
    }
}
