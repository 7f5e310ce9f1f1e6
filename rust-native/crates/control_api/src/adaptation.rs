//! How good the one encode may be for the path of the primary destination. Pure.
//!
//! Down at once, up carefully. A long shortage takes picture size and rate as well, so that the few bits draw
//! something that can be read; they come back when there has been room for a while. What the encode may not do
//! (lower a recording without leave, change the size under a recording) is said by [`Freedom`].

use std::time::{Duration, Instant};

use encoder::VideoConfig;
use media::{Bitrate, FrameRate, Size};

/// How much of the estimate the encode takes: the rest is for repairs, headers, and the encoder's own unevenness.
const SHARE: f64 = 0.9;
/// Less of it while our own pacer holds something back, so that it drains: per second of queue.
const DRAIN: f64 = 0.6;
/// A queue that is no more than a keyframe on its way.
const SHORT_QUEUE: Duration = Duration::from_millis(50);
/// Opus at 128 kbit/s, with its headers.
const SOUND: f64 = 145_000.0;
/// Below this no picture is worth sending; also not below half of what was asked for, where that is less.
const FLOOR: f64 = 150_000.0;
/// Steps smaller than this share are not worth telling an encoder.
const STEP: f64 = 0.03;
/// After it was lowered nothing is raised for so long.
const CALM: Duration = Duration::from_secs(1);
/// Growth in a second: the estimate itself rises slowly, this only keeps it from jumping.
const GROWTH: f64 = 0.15;
/// Where nobody estimates: the queue that is a shortage, the queue that is none, and how it is tried again.
const LONG_QUEUE: Duration = Duration::from_millis(400);
const NO_QUEUE: Duration = Duration::from_millis(150);
const BLIND_DOWN: f64 = 0.75;
const BLIND_UP: f64 = 0.04;
const BLIND_LOSS: f64 = 0.10;
/// Two lowerings of that kind are that far apart: the queue must have had time to answer.
const BLIND_SETTLE: Duration = Duration::from_millis(300);
/// Bytes that stand still for so long while the sound alone is fifty packets a second: the connection is stuck.
const STUCK: Duration = Duration::from_millis(500);
/// How long a shortage lasts before the picture gets smaller, and room before it grows again. Each change is a new
/// keyframe, and is seen.
const LONG_SHORTAGE: Duration = Duration::from_secs(4);
const LONG_ROOM: Duration = Duration::from_secs(8);

/// What a step leaves of the picture.
struct Rung {
    /// Of each side, in quarters.
    quarters: u32,
    /// The most pictures per second.
    most_fps: u32,
    /// It is taken below this share of the wished-for bitrate, and left above the second one.
    below: f64,
    above: f64,
}

/// From the best to the least.
const RUNGS: [Rung; 4] = [
    Rung { quarters: 4, most_fps: u32::MAX, below: 1.0, above: 1.0 },
    Rung { quarters: 3, most_fps: 30, below: 0.50, above: 0.75 },
    Rung { quarters: 2, most_fps: 30, below: 0.28, above: 0.45 },
    Rung { quarters: 2, most_fps: 15, below: 0.14, above: 0.25 },
];

/// What a network may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Freedom {
    /// Nothing: nobody is live, the user switched it off, or a recording runs without the user's leave.
    #[default]
    Nothing,
    /// The bitrate: a file or a service is on the same encode that takes no other size in mid-stream.
    Bitrate,
    /// Size and frame rate too.
    Picture,
}

/// How the primary destination's path looks now.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Path {
    /// What congestion control thinks it carries.
    pub(crate) estimate: Option<Bitrate>,
    /// What waits in front of it.
    pub(crate) queue: Duration,
    /// Share of packets lost.
    pub(crate) loss: Option<f64>,
    /// Bytes sent since the connection stands.
    pub(crate) sent: u64,
}

/// What the encode is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rendition {
    /// Video bits per second.
    pub(crate) bitrate: Bitrate,
    /// Index into the rungs; 0 is the whole picture.
    rung: usize,
}

impl Rendition {
    /// As it was asked for.
    #[cfg(test)]
    pub(crate) fn whole(bitrate: Bitrate) -> Self {
        Self { bitrate, rung: 0 }
    }

    /// What to encode of what was asked for. The frame rate is a cap on what is composed.
    pub(crate) fn apply(&self, wanted: &VideoConfig) -> (VideoConfig, FrameRate) {
        let rung = &RUNGS[self.rung];
        let side = |pixels: u32| ((pixels * rung.quarters / 4).next_multiple_of(2)).max(16);
        let size = Size { width: side(wanted.size.width), height: side(wanted.size.height) };
        let size = if rung.quarters == 4 { wanted.size } else { size };
        let fps = wanted.frame_rate.fps().min(rung.most_fps);
        let bitrate = Bitrate::from_bps(self.bitrate.as_bps().min(wanted.bitrate.as_bps()));
        (VideoConfig { bitrate, size, ..*wanted }, FrameRate::new(fps).unwrap_or(wanted.frame_rate))
    }
}

/// The policy's memory.
#[derive(Debug, Default)]
pub(crate) struct Adaptation {
    /// Bits per second; `None` before the first step, when it is what was asked for.
    current: Option<f64>,
    rung: usize,
    lowered: Option<Instant>,
    stepped: Option<Instant>,
    /// Since when the next rung down, or up, would be the right one.
    short_since: Option<Instant>,
    room_since: Option<Instant>,
    /// When the sum of sent bytes last moved, and over what rate.
    sent: Option<(Instant, u64)>,
    rate: f64,
    queue: Duration,
    short: bool,
}

impl Adaptation {
    /// Whether the path carries less than was asked for, obeyed or not.
    pub(crate) fn is_short(&self) -> bool {
        self.short
    }

    /// What the encode is allowed from `now` on; to be asked about twenty times a second. `path` is `None` while
    /// the destination has no connection.
    pub(crate) fn step(&mut self, now: Instant, wanted: Bitrate, path: Option<&Path>, freedom: Freedom) -> Rendition {
        let wish = f64::from(wanted.as_bps());
        let Some(path) = path else {
            self.sent = None;
            // A connection that comes back finds what it had; one that never was, all.
            let bps = if freedom == Freedom::Nothing { wish } else { self.current.unwrap_or(wish).min(wish) };
            if freedom == Freedom::Nothing {
                *self = Self::default();
            }
            return self.rendition(bps);
        };
        let floor = FLOOR.min(wish / 2.0);
        let before = self.current.unwrap_or(wish).min(wish);
        let ceiling = match path.estimate {
            Some(estimate) => told(estimate, path.queue),
            None => self.guessed(now, before, path),
        };
        let ceiling = ceiling.clamp(floor, wish);
        self.short = ceiling < wish * (1.0 - STEP);
        if freedom == Freedom::Nothing {
            let short = self.short;
            *self = Self { sent: self.sent, rate: self.rate, short, stepped: Some(now), ..Self::default() };
            return self.rendition(wish);
        }
        let seconds = self.stepped.replace(now).map_or(0.0, |then| now.duration_since(then).as_secs_f64().min(0.5));
        let next = if ceiling < before * (1.0 - STEP) || (ceiling < before && ceiling == floor) {
            self.lowered = Some(now);
            ceiling
        } else if ceiling > before && self.lowered.is_none_or(|at| now.duration_since(at) >= CALM) {
            (before * (1.0 + GROWTH).powf(seconds)).min(ceiling)
        } else {
            before
        };
        self.current = Some(next);
        if freedom == Freedom::Picture {
            self.climb(now, next / wish);
        } else {
            (self.rung, self.short_since, self.room_since) = (0, None, None);
        }
        self.rendition(next)
    }

    fn rendition(&self, bps: f64) -> Rendition {
        Rendition { bitrate: Bitrate::from_bps(bps as u32), rung: self.rung }
    }

    /// Where nobody estimates, the queue speaks: what waits, waits because the path is full.
    fn guessed(&mut self, now: Instant, before: f64, path: &Path) -> f64 {
        let (since, bytes) = *self.sent.get_or_insert((now, path.sent));
        let elapsed = now.duration_since(since);
        if path.sent < bytes {
            self.sent = Some((now, path.sent));
        } else if path.sent > bytes && elapsed >= Duration::from_millis(200) {
            self.rate = (path.sent - bytes) as f64 * 8.0 / elapsed.as_secs_f64();
            self.sent = Some((now, path.sent));
        }
        let stuck = path.sent == bytes && path.sent > 0 && elapsed >= STUCK;
        let grows = path.queue >= self.queue;
        self.queue = path.queue;
        let lossy = path.loss.is_some_and(|loss| loss >= BLIND_LOSS);
        let settled = self.lowered.is_none_or(|at| now.duration_since(at) >= BLIND_SETTLE);
        let seconds = self.stepped.map_or(0.0, |then| now.duration_since(then).as_secs_f64().min(0.5));
        if (stuck || lossy || (path.queue >= LONG_QUEUE && grows)) && settled {
            let carried = if self.rate > 0.0 { self.rate } else { before };
            before.min(carried) * BLIND_DOWN
        } else if path.queue <= NO_QUEUE && !stuck && !lossy {
            before * (1.0 + BLIND_UP).powf(seconds)
        } else {
            before
        }
    }

    /// Size and frame rate, one rung at a time.
    fn climb(&mut self, now: Instant, share: f64) {
        let lower = RUNGS.get(self.rung + 1).is_some_and(|rung| share < rung.below);
        let higher = self.rung > 0 && share > RUNGS[self.rung].above;
        let since = |mark: &mut Option<Instant>, holds: bool| {
            if !holds {
                *mark = None;
                return Duration::ZERO;
            }
            now.duration_since(*mark.get_or_insert(now))
        };
        if since(&mut self.short_since, lower) >= LONG_SHORTAGE {
            self.rung += 1;
            self.short_since = None;
        }
        if since(&mut self.room_since, higher) >= LONG_ROOM {
            self.rung -= 1;
            self.room_since = None;
        }
    }
}

/// What is left for the picture of what the path is said to carry.
fn told(estimate: Bitrate, queue: Duration) -> f64 {
    let waits = queue.saturating_sub(SHORT_QUEUE).as_secs_f64().min(0.5);
    f64::from(estimate.as_bps()) * (SHARE - waits * DRAIN) - SOUND
}

#[cfg(test)]
#[path = "adaptation_tests.rs"]
mod tests;
