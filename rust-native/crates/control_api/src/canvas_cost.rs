//! What a further canvas would cost on this machine, and whether there is room for it. Pure.
//!
//! The work of a picture grows with its pixels: what was measured on one size is taken for another in proportion. The
//! governor judges later what came true; here it is said before anything is opened.

use media::Size;

use crate::{CanvasCost, CanvasRoom, VideoSettings, lower};

/// Above this share of the time to the next picture a hard one would be late, as for the governor.
const MOST_OF_AN_INTERVAL: f64 = 0.8;
/// The rest is for what comes and goes: a keyframe, a page, the system itself.
const MOST_OF_THE_MACHINE: f64 = 0.85;
/// Fewer pictures than that in a second are those of a still screen, which cost less than others.
const TELLING: f64 = 10.0;

/// A picture's work, as it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    ms: f64,
    pixels: f64,
    live: bool,
}

impl Measured {
    /// By the encoders' probe.
    pub(crate) fn of_probe(ms_per_1080p_frame: f64) -> Self {
        Self { ms: ms_per_1080p_frame, pixels: 1920.0 * 1080.0, live: false }
    }

    /// By what ran in the last second; `None` where that says little.
    pub(crate) fn of_second(fps: f64, ms: f64, width: u32, height: u32) -> Option<Self> {
        let pixels = f64::from(width) * f64::from(height);
        (fps >= TELLING && ms > 0.0 && pixels > 0.0).then_some(Self { ms, pixels, live: true })
    }

    fn ms_of(&self, wanted: &VideoSettings) -> f64 {
        self.ms * f64::from(wanted.width) * f64::from(wanted.height) / self.pixels
    }

    /// Cores, where every picture is another one.
    pub(crate) fn cores_of(&self, wanted: &VideoSettings) -> f64 {
        self.ms_of(wanted) * f64::from(wanted.fps) / 1000.0
    }
}

/// The machine now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Machine {
    pub(crate) cores: f64,
    pub(crate) busy: f64,
    /// A governor leaves pictures out.
    pub(crate) short: bool,
}

/// Of a canvas with these settings, in the place of what it was `before`, if it was.
pub(crate) fn cost(
    measured: &Measured,
    wanted: &VideoSettings,
    before: Option<&VideoSettings>,
    machine: Machine,
) -> CanvasCost {
    let ms_per_picture = measured.ms_of(wanted);
    let more = measured.cores_of(wanted) - before.map_or(0.0, |before| measured.cores_of(before));
    let room = if before.is_some() && more <= 0.0 {
        // What gets cheaper is never refused.
        CanvasRoom::Enough
    } else {
        room(ms_per_picture, more, wanted.fps, machine)
    };
    let (cores, busy_cores) = (more.max(0.0), machine.busy);
    CanvasCost { ms_per_picture, cores, busy_cores, machine_cores: machine.cores, measured_live: measured.live, room }
}

/// Of the lower encodings of a canvas with these settings, all together, beside it. They have a thread of their own: a
/// picture is late there only where one of theirs takes too long.
pub(crate) fn simulcast_cost(measured: &Measured, wanted: &VideoSettings, machine: Machine) -> CanvasCost {
    let lower = lower::sizes(Size { width: wanted.width, height: wanted.height });
    let lower: Vec<_> = lower.map(|size| VideoSettings { width: size.width, height: size.height, ..*wanted }).collect();
    let cores: f64 = lower.iter().map(|wanted| measured.cores_of(wanted)).sum();
    let ms_per_picture: f64 = lower.iter().map(|wanted| measured.ms_of(wanted)).sum();
    let room = room(ms_per_picture, cores, wanted.fps, machine);
    let (busy_cores, machine_cores) = (machine.busy, machine.cores);
    CanvasCost { ms_per_picture, cores, busy_cores, machine_cores, measured_live: measured.live, room }
}

/// Whether there is room for so many cores more, at so much work for a picture.
fn room(ms_per_picture: f64, more: f64, fps: u32, machine: Machine) -> CanvasRoom {
    if ms_per_picture > MOST_OF_AN_INTERVAL * 1000.0 / f64::from(fps.max(1)) {
        CanvasRoom::PictureTooSlow
    } else if machine.short {
        CanvasRoom::MachineShort
    } else if machine.busy + more > MOST_OF_THE_MACHINE * machine.cores {
        CanvasRoom::MachineFull
    } else {
        CanvasRoom::Enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulcast_costs_the_pixels_of_half_and_quarter() {
        let measured = Measured::of_second(30.0, 16.0, 1280, 720).expect("pictures that moved");
        let both = simulcast_cost(&measured, &settings(1280, 720, 30), IDLE);
        assert!((both.ms_per_picture - 5.0).abs() < 1e-9 && (both.cores - 0.15).abs() < 1e-9, "{both:?}");
        assert_eq!(both.room, CanvasRoom::Enough);
        let half = simulcast_cost(&measured, &settings(854, 480, 30), IDLE);
        assert!(half.ms_per_picture < 1.9, "a quarter of 480 lines is left out: {half:?}");
        assert_eq!(
            simulcast_cost(&measured, &settings(1280, 720, 30), Machine { busy: 3.3, ..IDLE }).room,
            CanvasRoom::MachineFull
        );
        assert_eq!(simulcast_cost(&measured, &settings(480, 320, 30), IDLE).cores, 0.0, "nothing to offer");
    }

    const IDLE: Machine = Machine { cores: 4.0, busy: 0.5, short: false };

    fn settings(width: u32, height: u32, fps: u32) -> VideoSettings {
        VideoSettings { width, height, fps, ..VideoSettings::DEFAULT }
    }

    #[test]
    fn the_cost_is_the_pixels_times_the_pictures() {
        let measured = Measured::of_second(30.0, 6.0, 1280, 720).expect("pictures that moved");
        let it = cost(&measured, &settings(720, 1280, 30), None, IDLE);
        assert!((it.ms_per_picture - 6.0).abs() < 1e-9 && (it.cores - 0.18).abs() < 1e-9, "{it:?}");
        assert!(it.measured_live && it.room == CanvasRoom::Enough);
        let larger = cost(&measured, &settings(1080, 1920, 60), None, IDLE);
        assert!((larger.cores - 0.18 * 2.25 * 2.0).abs() < 1e-9, "{larger:?}");
        assert!(!cost(&Measured::of_probe(9.0), &settings(720, 1280, 30), None, IDLE).measured_live);
    }

    #[test]
    fn each_reason_that_there_is_no_room_is_told_apart() {
        let measured = Measured::of_probe(9.0);
        let room = |wanted, machine| cost(&measured, &wanted, None, machine).room;
        assert_eq!(room(settings(1920, 1080, 60), IDLE), CanvasRoom::Enough);
        assert_eq!(room(settings(3840, 2160, 30), IDLE), CanvasRoom::PictureTooSlow);
        assert_eq!(room(settings(1920, 1080, 30), Machine { busy: 3.2, ..IDLE }), CanvasRoom::MachineFull);
        assert_eq!(room(settings(640, 360, 30), Machine { short: true, ..IDLE }), CanvasRoom::MachineShort);
    }

    #[test]
    fn a_change_costs_the_difference_and_less_is_always_taken() {
        let measured = Measured::of_probe(9.0);
        let (old, full) = (settings(1280, 720, 30), Machine { cores: 2.0, busy: 1.69, short: true });
        assert_eq!(cost(&measured, &settings(640, 360, 30), Some(&old), full).room, CanvasRoom::Enough);
        assert_eq!(cost(&measured, &old, Some(&old), full).room, CanvasRoom::Enough);
        let more = cost(&measured, &settings(1280, 720, 60), Some(&old), full);
        assert_eq!(more.room, CanvasRoom::MachineShort);
        assert!((more.cores - 0.12).abs() < 1e-9, "{more:?}");
    }

    #[test]
    fn a_still_screen_says_nothing_of_the_cost() {
        assert_eq!(Measured::of_second(1.0, 1.5, 1280, 720), None);
        assert_eq!(Measured::of_second(30.0, 0.0, 1280, 720), None);
    }
}
