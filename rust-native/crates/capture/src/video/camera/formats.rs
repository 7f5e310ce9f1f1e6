//! Which of a camera's modes to use: policy only.

use media::Size;

/// A pixel format that can be read here, the best one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Format {
    /// 4:2:0 in two planes: half the bytes of YUYV.
    Nv12,
    /// 4:2:2 packed.
    Yuyv,
    /// JPEG pictures: what USB 2 cameras give at large sizes; costs a decode each.
    Mjpeg,
}

impl Format {
    #[cfg(target_os = "linux")]
    pub(super) const ALL: [Self; 3] = [Self::Nv12, Self::Yuyv, Self::Mjpeg];

    /// As V4L2 calls it.
    #[cfg(target_os = "linux")]
    pub(super) const fn fourcc(self) -> [u8; 4] {
        match self {
            Self::Nv12 => *b"NV12",
            Self::Yuyv => *b"YUYV",
            Self::Mjpeg => *b"MJPG",
        }
    }

    /// As an id names it.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "nv12" => Some(Self::Nv12),
            "yuyv" => Some(Self::Yuyv),
            "mjpeg" => Some(Self::Mjpeg),
            _ => None,
        }
    }
}

/// Something a camera can do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mode {
    pub(super) format: Format,
    pub(super) size: Size,
    /// The most pictures per second at that size.
    pub(super) fps: f64,
}

/// What the id asks for; what it leaves open is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Wish {
    pub(super) size: Option<Size>,
    pub(super) fps: Option<u32>,
    pub(super) format: Option<Format>,
}

/// Of a camera that may choose itself: more is scaled away in most layouts, and costs USB bandwidth and light.
const DEFAULT_MOST: Size = Size { width: 1920, height: 1080 };
/// A face moves well enough at this rate: a larger picture is worth more than a higher rate.
const DEFAULT_FPS: u32 = 30;
/// A camera of 29.97 counts as one of 30.
const NEARLY: f64 = 0.95;

/// The best mode for a wish; `None` where there is none in a format that is asked for.
///
/// First the rate is met, then the size: the wished one or the nearest to it, else the largest within full HD; then
/// the cheaper format.
pub(super) fn choose(modes: &[Mode], wish: &Wish) -> Option<Mode> {
    let fps = f64::from(wish.fps.unwrap_or(DEFAULT_FPS));
    let rank = |mode: &Mode| {
        let rate = (mode.fps / (fps * NEARLY)).min(1.0);
        let (width, height) = (f64::from(mode.size.width), f64::from(mode.size.height));
        let size = match wish.size {
            Some(size) => -((width - f64::from(size.width)).abs() + (height - f64::from(size.height)).abs()),
            None if mode.size.width <= DEFAULT_MOST.width && mode.size.height <= DEFAULT_MOST.height => width * height,
            // Too large: the smallest of these.
            None => -width * height,
        };
        // A wished size counts more than the rate: it was asked for by name.
        if wish.size.is_some() { (size, rate) } else { (rate, size) }
    };
    let allowed = modes.iter().filter(|mode| wish.format.is_none_or(|format| format == mode.format));
    allowed.copied().max_by(|a, b| {
        let (one, other) = (rank(a), rank(b));
        one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)).then(b.format.cmp(&a.format))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn mode(format: Format, width: u32, height: u32, fps: f64) -> Mode {
        Mode { format, size: Size { width, height }, fps }
    }

    /// A usual USB 2 webcam.
    const WEBCAM: [Mode; 6] = [
        mode(Format::Yuyv, 640, 480, 30.0),
        mode(Format::Yuyv, 1280, 720, 10.0),
        mode(Format::Yuyv, 1920, 1080, 5.0),
        mode(Format::Mjpeg, 640, 480, 30.0),
        mode(Format::Mjpeg, 1280, 720, 30.0),
        mode(Format::Mjpeg, 1920, 1080, 29.97),
    ];

    #[test]
    fn the_largest_picture_that_keeps_the_rate_is_chosen() {
        assert_eq!(choose(&WEBCAM, &Wish::default()), Some(WEBCAM[5]));
        let slow = Wish { fps: Some(5), ..Wish::default() };
        assert_eq!(choose(&WEBCAM, &slow), Some(WEBCAM[2]), "the cheaper format where both keep the rate");
    }

    #[test]
    fn a_wished_size_is_met_in_the_format_that_keeps_the_rate() {
        let wish = |width, height| Wish { size: Some(Size { width, height }), ..Wish::default() };
        assert_eq!(choose(&WEBCAM, &wish(1280, 720)), Some(WEBCAM[4]));
        assert_eq!(choose(&WEBCAM, &wish(640, 480)), Some(WEBCAM[0]));
        assert_eq!(choose(&WEBCAM, &wish(700, 500)), Some(WEBCAM[0]));
    }

    #[test]
    fn a_wished_format_is_kept_or_refused() {
        let wish = |format| Wish { format: Some(format), ..Wish::default() };
        assert_eq!(choose(&WEBCAM, &wish(Format::Yuyv)), Some(WEBCAM[0]));
        assert_eq!(choose(&WEBCAM, &wish(Format::Nv12)), None);
        assert_eq!(choose(&[], &Wish::default()), None);
    }

    #[test]
    fn more_than_full_hd_is_not_taken_unasked() {
        let modes = [mode(Format::Nv12, 3840, 2160, 30.0), mode(Format::Nv12, 1920, 1080, 60.0)];
        assert_eq!(choose(&modes, &Wish::default()), Some(modes[1]));
        let only = [mode(Format::Nv12, 3840, 2160, 30.0), mode(Format::Nv12, 2560, 1440, 30.0)];
        assert_eq!(choose(&only, &Wish::default()), Some(only[1]));
    }
}
