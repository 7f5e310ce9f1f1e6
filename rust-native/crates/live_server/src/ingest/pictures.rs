//! What happens to a publisher's pictures: they pass through, or are encoded anew because they are reordered.
//!
//! It is decided by what comes. Pictures whose decoding and presentation times agree pass at once; where they differ, a
//! few are looked at for B slices first (some publishers only delay their presentation times).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use media::h264::{NAL_TYPE, PPS, ParameterSets, SPS};
use media::{Bitrate, FrameRate, MediaTime, Size};
use tokio::sync::Semaphore;

use super::avc;
use super::pace::Pace;
use super::picture::{Job, Measured, PictureWorker, packets};
use crate::relay::{FedPacket, Feeder};

/// Pictures that are looked at: no encoder puts more B-frames in a row, and 16 are what H.264 can hold back.
const LOOKED_AT: usize = 17;
/// The group of pictures that is kept, so that encoding anew can begin in the middle of it: 12 MiB are 16 s at 6 Mbit/s.
const MOST_BYTES: usize = 12 << 20;
/// Below what fits the worker's queue.
const MOST_PICTURES: usize = super::picture::WAITING - 64;
/// Encoding anew in one pass needs more bits for the same picture.
const MORE_BITS: f64 = 1.3;

const USUAL_RATE: FrameRate = match FrameRate::new(30) {
    Some(rate) => rate,
    None => panic!("thirty is not zero"),
};

#[derive(Debug, Clone)]
struct Kept {
    pts: MediaTime,
    units: Vec<Bytes>,
    /// The parameter sets that belong in front, if it is a keyframe without its own.
    sets: Vec<Bytes>,
}

impl Kept {
    fn annex_b(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.units.iter().map(|unit| unit.len() + 4).sum());
        for unit in self.sets.iter().chain(&self.units) {
            out.extend_from_slice(&[0, 0, 0, 1]);
            out.extend_from_slice(unit);
        }
        out
    }
}

enum Mode {
    /// Not known yet.
    Looking,
    Passing,
    /// Encoded anew.
    Anew,
}

/// One publisher's pictures.
pub(super) struct Pictures {
    mode: Mode,
    sets: Vec<Bytes>,
    group: VecDeque<Kept>,
    group_bytes: usize,
    /// The group's keyframe is in it.
    whole: bool,
    newest: Option<MediaTime>,
    looked_at: usize,
    worker: Option<PictureWorker>,
    /// One was left out for want of room: nothing is of use until the next keyframe.
    broken: bool,
    places: Arc<Semaphore>,
    asked: u32,
    /// There was no place to encode it anew.
    pub(super) no_place: bool,
    /// What viewers were sent so far does not go on.
    stopped: bool,
}

impl Pictures {
    pub(super) fn new(places: Arc<Semaphore>) -> Self {
        Self {
            mode: Mode::Looking,
            sets: Vec::new(),
            group: VecDeque::new(),
            group_bytes: 0,
            whole: false,
            newest: None,
            looked_at: 0,
            worker: None,
            broken: false,
            places,
            asked: 0,
            no_place: false,
            stopped: false,
        }
    }

    /// Parameter sets that came by themselves.
    pub(super) fn set_parameters(&mut self, sets: Vec<Bytes>) {
        self.sets = sets;
    }

    /// The picture's size and the profile-level-id of what viewers get.
    pub(super) fn describe(&self) -> (Option<Size>, Option<u32>) {
        let find = |kind: u8| self.sets.iter().find(|set| set[0] & NAL_TYPE == kind && (kind != SPS || set.len() >= 4));
        let (Some(sps), Some(pps)) = (find(SPS), find(PPS)) else { return (None, None) };
        let size = ParameterSets { sps: sps.clone(), pps: pps.clone() }.size();
        let profile = match self.mode {
            // Constrained baseline: what every browser was told first.
            Mode::Anew => 0x42_e0_1f,
            _ => u32::from_be_bytes([0, sps[1], sps[2], sps[3]]),
        };
        (size, Some(profile))
    }

    /// Whether what viewers were sent so far does not go on; said once.
    pub(super) fn has_stopped(&mut self) -> bool {
        std::mem::take(&mut self.stopped)
    }

    /// Whether viewers get pictures that are made anew, keyframes when they ask.
    pub(super) fn is_anew(&self) -> bool {
        matches!(self.mode, Mode::Anew)
    }

    /// Takes one picture in decoding order. `wanted`: somebody watches. `asked`: keyframes that were asked for so far.
    pub(super) fn take(
        &mut self,
        (dts, pts): (MediaTime, MediaTime),
        units: Vec<Bytes>,
        (wanted, asked): (bool, u32),
        (pace, feeder): (&Pace, &Feeder),
    ) -> Vec<FedPacket> {
        let Some(kept) = self.keep(pts, units) else { return Vec::new() };
        let reordered = avc::has_b_slice(&kept.units) || self.newest.is_some_and(|newest| pts < newest);
        self.newest = self.newest.max(Some(pts));
        match self.mode {
            Mode::Looking => {
                self.looked_at += 1;
                if reordered {
                    self.mode = Mode::Anew;
                } else if dts == pts || self.looked_at >= LOOKED_AT {
                    self.mode = Mode::Passing;
                    let passed = self.group.iter();
                    return passed
                        .flat_map(|kept| packets(&kept.sets, &kept.units, kept.pts, pace.moment(kept.pts)))
                        .collect();
                } else {
                    return Vec::new();
                }
            }
            Mode::Passing if reordered => (self.mode, self.stopped) = (Mode::Anew, true),
            Mode::Passing => return packets(&kept.sets, &kept.units, pts, pace.moment(pts)),
            Mode::Anew => {}
        }
        self.make_anew(&kept, wanted, asked, pace, feeder);
        Vec::new()
    }

    /// Adds a picture to the group; `None` for one that nothing can be done with.
    fn keep(&mut self, pts: MediaTime, units: Vec<Bytes>) -> Option<Kept> {
        let own: Vec<Bytes> = units.iter().filter(|unit| matches!(unit[0] & NAL_TYPE, SPS | PPS)).cloned().collect();
        if own.iter().any(|set| set[0] & NAL_TYPE == SPS && set.len() >= 4) {
            self.sets.clone_from(&own);
        }
        let keyframe = avc::is_keyframe(&units);
        let sets = if keyframe && own.is_empty() { self.sets.clone() } else { Vec::new() };
        if keyframe {
            if sets.is_empty() && own.is_empty() {
                // Nobody could decode it.
                return None;
            }
            self.group.clear();
            (self.group_bytes, self.whole, self.broken) = (0, true, false);
        }
        if self.sets.is_empty() || (!self.whole && self.group.is_empty() && matches!(self.mode, Mode::Looking)) {
            return None;
        }
        let kept = Kept { pts, units, sets };
        self.group_bytes += kept.units.iter().map(Bytes::len).sum::<usize>();
        if self.group_bytes > MOST_BYTES || self.group.len() >= MOST_PICTURES {
            self.group.clear();
            self.whole = false;
        }
        if self.whole {
            self.group.push_back(kept.clone());
        }
        Some(kept)
    }

    fn make_anew(&mut self, kept: &Kept, wanted: bool, asked: u32, pace: &Pace, feeder: &Feeder) {
        if !wanted {
            self.stopped |= self.worker.take().is_some();
            self.no_place = false;
            return;
        }
        let keyframe = asked != self.asked;
        self.asked = asked;
        let job = |kept: &Kept, past: bool, keyframe: bool| Job {
            pts: kept.pts,
            moment: pace.moment(kept.pts),
            access_unit: kept.annex_b(),
            past,
            keyframe,
        };
        if let Some(worker) = &self.worker {
            self.broken |= !self.broken && !worker.push(job(kept, false, keyframe));
            return;
        }
        // In the middle of a group: what lies before is decoded, so that the next picture can be.
        if !self.whole {
            return;
        }
        let Ok(permit) = self.places.clone().try_acquire_owned() else {
            self.no_place = true;
            return;
        };
        self.no_place = false;
        match PictureWorker::start(self.measure(), feeder.clone(), permit) {
            Ok(worker) => {
                let last = self.group.len().saturating_sub(1);
                for (index, kept) in self.group.iter().enumerate() {
                    self.broken |= !worker.push(job(kept, index < last, true));
                }
                self.worker = Some(worker);
            }
            Err(error) => tracing::error!(%error, "no thread to encode pictures"),
        }
    }

    /// Rate and bits of the group so far; guesses while it is too short to say.
    fn measure(&self) -> Measured {
        let first = self.group.front().map_or(MediaTime::ZERO, |kept| kept.pts);
        let seconds = self.newest.unwrap_or(first).since(first).as_secs_f64();
        let (size, _) = self.describe();
        let pixels = size.map_or(1280.0 * 720.0, |size| size.area() as f64);
        let (fps, bps) = if self.group.len() > 5 && seconds > 0.1 {
            ((self.group.len() - 1) as f64 / seconds, self.group_bytes as f64 * 8.0 / seconds)
        } else {
            (30.0, pixels * 3.0)
        };
        // A short group is mostly keyframe, and a still one nearly nothing: a picture needs a tenth of a bit per pixel,
        // and gets no more than three tenths.
        let bps = (bps * MORE_BITS).clamp(pixels * 2.0, pixels * 9.0).clamp(300_000.0, 20_000_000.0);
        let fps = (fps.round() as u32).clamp(5, 120);
        Measured { frame_rate: FrameRate::new(fps).unwrap_or(USUAL_RATE), bitrate: Bitrate::from_bps(bps as u32) }
    }
}
