//! One clock for both tracks, from the publisher's sender reports.
//!
//! A sender report says which timestamp was "now" on the publisher's clock (RFC 3550 §6.4.1). The reports that viewers
//! get are written by us on our clock, so each packet carries the moment of ours at which its timestamp was "now".
//! That moment comes from the publisher's reports as soon as both tracks have one, else from the packet's arrival:
//! arrival differs between the tracks by the encoder's delay, and lip-sync with it.

use std::time::{Duration, Instant, SystemTime};

use super::packet::Track;

/// How fast the offset follows a publisher's clock that runs away, per report. Reports come about once a second and
/// quartz drifts by less than 0.1 ms in that time; a step that is much larger would be seen as a jump.
const MOST_SLEW: Duration = Duration::from_millis(1);

/// No packet is so long under way. A report that says so speaks of no packet: some are sent before the first one, with a
/// timestamp of zero, which may be hours away.
const TOO_FAR: Duration = Duration::from_secs(10);

/// The clocks of one publisher.
#[derive(Debug)]
pub(crate) struct SourceClock {
    video: Option<Mapping>,
    audio: Option<Mapping>,
    has_video: bool,
    has_audio: bool,
    /// A moment on the publisher's clock and the moment of ours at which it was (at the latest).
    anchor: Option<(SystemTime, Instant)>,
}

#[derive(Debug, Clone, Copy)]
struct Mapping {
    timestamp: u32,
    at: SystemTime,
}

impl SourceClock {
    /// For a publisher with these tracks.
    pub(crate) fn new(has_video: bool, has_audio: bool) -> Self {
        Self { video: None, audio: None, has_video, has_audio, anchor: None }
    }

    /// Takes a sender report in: on the publisher's clock it was `at` at `timestamp`; it came at `now`.
    pub(crate) fn report(&mut self, track: Track, timestamp: u32, at: SystemTime, now: Instant) {
        *self.slot(track) = Some(Mapping { timestamp, at });
        // The report was written before it came, so `now` is too late by the way it took: the shortest way seen is the
        // best guess. A clock that runs slower than ours makes every later way look longer: follow it gently.
        self.anchor = Some(match self.anchor.and_then(|anchor| Some((anchor, shift(anchor, at)?))) {
            None => (at, now),
            Some((_, expected)) if now <= expected => (at, now),
            Some((_, expected)) => (at, expected + (now - expected).min(MOST_SLEW)),
        });
    }

    /// The moment of our clock at which a timestamp was "now"; never later than the packet's arrival.
    pub(crate) fn moment(&mut self, track: Track, timestamp: u32, arrival: Instant) -> Instant {
        let Some(moment) = self.mapped(track, timestamp) else { return arrival };
        if arrival.saturating_duration_since(moment) > TOO_FAR || moment.saturating_duration_since(arrival) > TOO_FAR {
            *self.slot(track) = None;
            return arrival;
        }
        moment.min(arrival)
    }

    /// Whether the moments are the publisher's word. Both tracks or none: one mapped and one not would be out of step.
    pub(crate) fn is_synced(&self) -> bool {
        (!self.has_video || self.video.is_some()) && (!self.has_audio || self.audio.is_some())
    }

    fn mapped(&self, track: Track, timestamp: u32) -> Option<Instant> {
        if !self.is_synced() {
            return None;
        }
        let mapping = match track {
            Track::Video => self.video,
            Track::Audio => self.audio,
        }?;
        let ticks = timestamp.wrapping_sub(mapping.timestamp) as i32;
        let distance = Duration::from_secs_f64(f64::from(ticks.unsigned_abs()) / f64::from(track.clock_rate()));
        let at = if ticks >= 0 { mapping.at.checked_add(distance) } else { mapping.at.checked_sub(distance) }?;
        shift(self.anchor?, at)
    }

    fn slot(&mut self, track: Track) -> &mut Option<Mapping> {
        match track {
            Track::Video => &mut self.video,
            Track::Audio => &mut self.audio,
        }
    }
}

/// Moves a moment of the publisher's clock onto ours.
fn shift((there, here): (SystemTime, Instant), at: SystemTime) -> Option<Instant> {
    match at.duration_since(there) {
        Ok(after) => here.checked_add(after),
        Err(before) => here.checked_sub(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Differences in microseconds, rounded: NTP fractions are not exact.
    fn us(later: Instant, earlier: Instant) -> i64 {
        let nanos = later
            .checked_duration_since(earlier)
            .map_or_else(|| -(earlier.duration_since(later).as_nanos() as i64), |after| after.as_nanos() as i64);
        (nanos + 500).div_euclid(1000)
    }

    #[test]
    fn a_report_that_no_packet_can_mean_is_forgotten() {
        let mut clock = SourceClock::new(true, true);
        let (here, there) =
            (Instant::now() + Duration::from_secs(100_000), SystemTime::UNIX_EPOCH + Duration::from_secs(5_000));
        clock.report(Track::Video, 0, there, here);
        clock.report(Track::Audio, 0, there, here);
        let arrival = here + 20 * MS;
        assert_eq!(clock.moment(Track::Video, 3_000_000_000, arrival), arrival);
        assert!(!clock.is_synced());
        clock.report(Track::Video, 3_000_009_000, there + 100 * MS, here + 100 * MS);
        assert_eq!(us(clock.moment(Track::Video, 3_000_009_000, here + 150 * MS), here), 100_000);
    }

    #[test]
    fn arrival_counts_until_both_tracks_have_reported() {
        let mut clock = SourceClock::new(true, true);
        let (here, there) =
            (Instant::now() + Duration::from_secs(1000), SystemTime::UNIX_EPOCH + Duration::from_secs(5_000));
        clock.report(Track::Video, 9_000, there, here);
        assert_eq!(clock.moment(Track::Video, 9_000, here), here);
        clock.report(Track::Audio, 100, there, here);
        assert_eq!(us(clock.moment(Track::Video, 9_000 - 900, here), here), -10_000);
    }

    #[test]
    fn tracks_with_different_delays_meet_on_one_clock() {
        let mut clock = SourceClock::new(true, true);
        let (here, there) =
            (Instant::now() + Duration::from_secs(1000), SystemTime::UNIX_EPOCH + Duration::from_secs(5_000));
        clock.report(Track::Audio, 48_000, there, here);
        clock.report(Track::Video, 90_000, there + 10 * MS, here + 10 * MS);
        // Both were captured 100 ms before the audio report; video came 60 ms later than audio.
        let audio = clock.moment(Track::Audio, 48_000 - 4_800, here + 5 * MS);
        let video = clock.moment(Track::Video, 90_000 - 9_900, here + 65 * MS);
        assert!(us(video, audio).abs() <= 1, "{}", us(video, audio));
    }

    #[test]
    fn a_report_that_was_held_up_moves_the_clock_by_a_millisecond_at_most() {
        let mut clock = SourceClock::new(true, false);
        let (here, there) =
            (Instant::now() + Duration::from_secs(1000), SystemTime::UNIX_EPOCH + Duration::from_secs(5_000));
        clock.report(Track::Video, 0, there, here);
        clock.report(Track::Video, 90_000, there + 1000 * MS, here + 1080 * MS);
        let moment = clock.moment(Track::Video, 90_000, here + 2000 * MS);
        assert_eq!(us(moment, here), 1_001_000);
        clock.report(Track::Video, 180_000, there + 2000 * MS, here + 1990 * MS);
        let moment = clock.moment(Track::Video, 180_000, here + 3000 * MS);
        assert_eq!(us(moment, here), 1_990_000, "a faster way is believed at once");
    }

    #[test]
    fn no_packet_is_from_the_future() {
        let mut clock = SourceClock::new(true, false);
        let (here, there) =
            (Instant::now() + Duration::from_secs(1000), SystemTime::UNIX_EPOCH + Duration::from_secs(5_000));
        clock.report(Track::Video, 0, there, here);
        assert_eq!(clock.moment(Track::Video, 900_000, here + MS), here + MS);
    }

    #[test]
    fn timestamps_may_wrap_between_a_report_and_a_packet() {
        let mut clock = SourceClock::new(false, true);
        let (here, there) =
            (Instant::now() + Duration::from_secs(1000), SystemTime::UNIX_EPOCH + Duration::from_secs(5_000));
        clock.report(Track::Audio, u32::MAX - 479, there, here);
        assert_eq!(us(clock.moment(Track::Audio, 480, here + 100 * MS), here), 20_000);
    }
}
