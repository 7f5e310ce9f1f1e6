//! When was frame N of a device captured? A straight line through jittery stamps.
//!
//! A device counts frames by its own quartz (tens of ppm off), and its stamps jitter by a server quantum or by a
//! busy machine. This is a second-order loop over them with bounded trust in any single stamp. It only estimates;
//! what is done about the drift is [`super::timeline`]'s part.

use media::MediaTime;

/// One step of the loop believes no more than this of a stamp's deviation, so that a callback that a busy machine
/// held up by 40 ms moves the line by microseconds.
const TRUST_NS: f64 = 3e6;
/// Stamps that deviate by more than this are no jitter. One is a held-up callback; many that agree with each other
/// are lost frames, or a route that changed its latency. PipeWire's saw-tooth stays within ±4 ms.
const STEP_NS: f64 = 8e6;
/// So many such stamps in a row (0.25 s of them) move the line; a shorter run is held-up callbacks.
const STEP_RUN: u32 = 25;
/// The same for a line younger than a second, whose first stamp may have been the odd one.
const YOUNG_STEP_RUN: u32 = 10;
/// Loop bandwidth in rad/s when a line is new: settles within the first second.
const FAST: f64 = 3.0;
/// …and in the long run: averages over some 20 s, which leaves under 10 ppm of noise in the rate.
const SLOW: f64 = 0.1;
/// The rate is never learned faster than this: a second of bad stamps would be taken for 1000 ppm.
const FASTEST_RATE: f64 = 0.15;
/// Real quartz stays within 200 ppm; the loop must not follow a server's start-up hiccup beyond this.
const MAX_DRIFT: f64 = 1e-3;

/// The line: capture time as a function of the frame's number.
#[derive(Debug, Clone)]
pub(super) struct CaptureClock {
    nominal_ns: f64,
    origin: MediaTime,
    frame: u64,
    /// Nanoseconds from `origin` to the capture of `frame`.
    phase_ns: f64,
    /// Fraction by which a frame lasts longer than nominal.
    drift: f64,
    age_s: f64,
    stamps: u32,
    /// Stamps in a row that lie off the line…
    run: u32,
    /// …and the range of their deviations, in ns.
    range: (f64, f64),
}

impl CaptureClock {
    /// A line through the first stamp, at the nominal rate in Hz.
    pub(super) fn new(rate: u32, frame: u64, at: MediaTime) -> Self {
        let nominal_ns = 1e9 / f64::from(rate);
        Self {
            nominal_ns,
            origin: at,
            frame,
            phase_ns: 0.0,
            drift: 0.0,
            age_s: 0.0,
            stamps: 1,
            run: 0,
            range: (0.0, 0.0),
        }
    }

    /// Takes a later stamp in: `frame` was captured at `at`.
    pub(super) fn observe(&mut self, frame: u64, at: MediaTime) {
        let elapsed_s = frame.saturating_sub(self.frame) as f64 * self.nominal_ns / 1e9;
        let predicted = self.phase_ns + elapsed_s * 1e9 * (1.0 + self.drift);
        let deviation = signed_ns(at, self.origin) - predicted;
        let step_ns = self.lasting_step(deviation);
        let (predicted, deviation) = (predicted + step_ns, deviation - step_ns);
        // An outlier teaches nothing: neither where the line is nor how steep.
        let trusted = if deviation.abs() < STEP_NS { deviation.clamp(-TRUST_NS, TRUST_NS) } else { 0.0 };
        let bandwidth = SLOW + (FAST - SLOW) / (1.0 + self.age_s * self.age_s);
        let step = (bandwidth * elapsed_s).min(0.5);
        self.phase_ns = predicted + 2.0 * step * trusted;
        let rate_bandwidth = bandwidth.min(FASTEST_RATE);
        self.drift += rate_bandwidth * (rate_bandwidth * elapsed_s).min(0.5) * trusted / 1e9;
        self.drift = self.drift.clamp(-MAX_DRIFT, MAX_DRIFT);
        self.frame = frame;
        self.age_s += elapsed_s;
        self.stamps = self.stamps.saturating_add(1);
    }

    /// By how much the line has to move at once, after a run of stamps that agree on it; mostly 0.
    fn lasting_step(&mut self, deviation: f64) -> f64 {
        if deviation.abs() < STEP_NS {
            self.run = 0;
            return 0.0;
        }
        let (low, high) = self.range;
        self.range = (low.min(deviation), high.max(deviation));
        self.run += 1;
        // Stamps that disagree with each other are a busy machine's.
        if self.run == 1 || self.range.1 - self.range.0 > STEP_NS {
            (self.run, self.range) = (1, (deviation, deviation));
        }
        if self.run < if self.age_s < 1.0 { YOUNG_STEP_RUN } else { STEP_RUN } {
            return 0.0;
        }
        self.run = 0;
        f64::midpoint(self.range.0, self.range.1)
    }

    /// When that frame was (or will be) captured.
    pub(super) fn time_of(&self, frame: u64) -> MediaTime {
        let frames = frame as f64 - self.frame as f64;
        let ns = self.phase_ns + frames * self.nominal_ns * (1.0 + self.drift);
        MediaTime::from_nanos((self.origin.as_nanos() as i128 + ns as i128).max(0) as u64)
    }

    /// How much longer than nominal a frame of this device lasts; 1e-6 is one ppm slow.
    pub(super) fn drift(&self) -> f64 {
        self.drift
    }

    /// Stamps in the line.
    pub(super) fn stamps(&self) -> u32 {
        self.stamps
    }
}

/// `a - b` in nanoseconds.
pub(super) fn signed_ns(a: MediaTime, b: MediaTime) -> f64 {
    (i128::from(a.as_nanos()) - i128::from(b.as_nanos())) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(frame: u64, ppm: f64, jitter_ns: f64) -> MediaTime {
        let ns = frame as f64 / 48_000.0 * 1e9 * (1.0 + ppm * 1e-6) + jitter_ns;
        MediaTime::from_nanos(10_000_000_000 + ns as u64)
    }

    #[test]
    fn a_slow_device_is_recognised_through_jitter() {
        let mut clock = CaptureClock::new(48_000, 0, stamp(0, 150.0, 0.0));
        for chunk in 1..6000u64 {
            // 480 frames out of a server quantum of 512: the saw-tooth that PipeWire's stamps show.
            let jitter = ((chunk * 480) % 512) as f64 / 48_000.0 * 1e9 / 2.0;
            clock.observe(chunk * 480, stamp(chunk * 480, 150.0, jitter));
        }
        assert!((clock.drift() * 1e6 - 150.0).abs() < 20.0, "{} ppm", clock.drift() * 1e6);
    }

    #[test]
    fn held_up_callbacks_barely_move_the_line() {
        let mut clock = CaptureClock::new(48_000, 0, stamp(0, 0.0, 0.0));
        for chunk in 1..3000u64 {
            let held_up = if chunk.is_multiple_of(40) { 35e6 } else { 0.0 };
            clock.observe(chunk * 480, stamp(chunk * 480, 0.0, held_up));
        }
        let error = signed_ns(clock.time_of(1_440_000), stamp(1_440_000, 0.0, 0.0));
        assert!(error.abs() < 0.5e6, "{error} ns");
    }

    #[test]
    fn a_lasting_step_moves_the_line_within_a_second() {
        for step_ns in [500e6, 25e6, -12e6] {
            let mut clock = CaptureClock::new(48_000, 0, stamp(0, 0.0, 0.0));
            for chunk in 1..300u64 {
                let step = if chunk >= 200 { step_ns } else { 0.0 };
                clock.observe(chunk * 480, stamp(chunk * 480, 0.0, step));
            }
            let error = signed_ns(clock.time_of(144_000), stamp(144_000, 0.0, step_ns));
            assert!(error.abs() < 2e6, "a step of {step_ns} ns leaves {error} ns");
            assert!(clock.drift().abs() < 200e-6, "a step is no drift: {}", clock.drift());
        }
    }
}
