//! What may steer the encode now: the session's side of adaptation.

use std::sync::atomic::Ordering;

use encoder::Preset;
use media::{Bitrate, FrameRate};
use publish::PathLimit;

use crate::adaptation::Freedom;
use crate::destinations::Entry;
use crate::governor::Ceiling;
use crate::pipeline::Wish;
use crate::session::Session;
use crate::steering::Course;
use crate::{Aim, Destination, Effort, LimitedBy, PathTrouble, Tuning};

impl Session {
    pub(crate) fn tune(&mut self, tuning: Tuning) {
        self.tuning = tuning;
        self.pipeline.control().wish(self.wish());
        self.canvases.each().for_each(|(_, encode, _, _)| encode.wish(self.wish()));
    }

    /// What the user wants of every encode.
    pub(crate) fn wish(&self) -> Wish {
        let ceiling = match self.tuning.effort {
            Effort::Least => Ceiling::Least,
            Effort::Room => Ceiling::Room,
        };
        let Tuning { intra_refresh, zero_copy, .. } = self.tuning;
        Wish { ceiling, preset: self.held.preset, intra_refresh, zero_copy }
    }

    /// Tells the steering what holds now; cheap enough for every order.
    pub(crate) fn steer(&self) {
        self.steering.set(self.course(None, self.settings.kbps));
        for (id, _, settings, steering) in self.canvases.each() {
            steering.set(self.course(Some(id), settings.kbps));
        }
    }

    fn course(&self, canvas: Option<&str>, kbps: u32) -> Course {
        let running = |entry: &Entry| entry.running.as_ref().map(|(number, running)| (*number, running.pulse()));
        let primary = self.destinations.primary(canvas).and_then(running);
        let freedom = if primary.is_some() { self.freedom(canvas) } else { Freedom::Nothing };
        Course { wanted: Bitrate::from_kbps(kbps), primary, freedom }
    }

    fn freedom(&self, canvas: Option<&str>) -> Freedom {
        let takes_any_size =
            |entry: &Entry| matches!(entry.target, Destination::LocalServer | Destination::Whip { .. });
        let mut running =
            self.destinations.iter().filter(|entry| entry.canvas.as_deref() == canvas && entry.running.is_some());
        let fixed = running.any(|entry| !takes_any_size(entry));
        // The replay buffer is the main canvas's.
        let replay = canvas.is_none() && self.recordings.replay_stats().is_some();
        freedom(self.tuning, self.recordings.is_of(canvas), fixed || replay)
    }

    /// For the figures.
    pub(crate) fn aim(&self) -> Aim {
        let Ok(wanted) = self.settings.config() else { return Aim::default() };
        let bearing = self.steering.bearing();
        let (config, cap) = bearing.allowed.map_or((wanted, wanted.frame_rate), |allowed| allowed.apply(&wanted));
        let counters = self.pipeline.counters();
        let every = counters.every.load(Ordering::Relaxed).max(1);
        let lowered = config.bitrate != wanted.bitrate || config.size != wanted.size || cap != wanted.frame_rate;
        let fps = cap.fps().min(wanted.frame_rate.fps().div_ceil(every));
        Aim {
            wanted_kbps: wanted.bitrate.as_kbps(),
            target_kbps: config.bitrate.as_kbps(),
            estimate_kbps: bearing.estimate.map(Bitrate::as_kbps),
            width: config.size.width,
            height: config.size.height,
            fps: FrameRate::new(fps).map_or(1, FrameRate::fps),
            limited_by: match (lowered, every) {
                (true, _) => LimitedBy::Network,
                (false, 1) => LimitedBy::Nothing,
                (false, _) => LimitedBy::Machine,
            },
            trouble: match bearing.limit {
                PathLimit::None => PathTrouble::None,
                PathLimit::Delay => PathTrouble::Delay,
                PathLimit::Loss => PathTrouble::Loss,
            },
            held_for_recording: bearing.short && self.tuning.adapt && self.freedom(None) == Freedom::Nothing,
            preset: match counters.preset.load(Ordering::Relaxed) {
                1 => Preset::Superfast,
                2 => Preset::Veryfast,
                _ => Preset::Ultrafast,
            }
            .name()
            .to_owned(),
        }
    }
}

/// What a network may change, where a recording runs or doesn't, and where something is on the encode that takes no
/// other size in mid-stream: services of RTMP, players of MPEG-TS, the replay buffer.
fn freedom(tuning: Tuning, records: bool, fixed_size: bool) -> Freedom {
    if !tuning.adapt || (records && !tuning.adapt_recording) {
        Freedom::Nothing
    } else if records || fixed_size {
        Freedom::Bitrate
    } else {
        Freedom::Picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_lowered_only_with_leave_and_keeps_its_size_in_any_case() {
        let usual = Tuning::DEFAULT;
        assert_eq!(freedom(usual, false, false), Freedom::Picture);
        assert_eq!(freedom(usual, true, false), Freedom::Nothing);
        let leave = Tuning { adapt_recording: true, ..usual };
        assert_eq!(freedom(leave, true, false), Freedom::Bitrate);
        assert_eq!(freedom(leave, false, true), Freedom::Bitrate);
        let off = Tuning { adapt: false, ..leave };
        assert_eq!(freedom(off, false, false), Freedom::Nothing);
    }
}
