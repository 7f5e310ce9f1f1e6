//! A V4L2 device: found, asked what it can do, opened in one mode.
//!
//! By the `v4l` crate and not by `nokhwa`, which wraps it here: `nokhwa` waits for a picture without an end, turns
//! the errors that tell "unplugged" from "busy" into texts, and decodes by a C library.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use media::Size;
use parking_lot::Mutex;
use v4l::capability::Flags;
use v4l::format::{Colorspace, FourCC, Quantization};
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture as _;
use v4l::video::capture::Parameters;
use v4l::{Device, Fraction};

use super::Camera;
use super::convert::Layout;
use super::formats::{Format, Mode, Wish, choose};
use crate::video::VideoError;

/// Links whose names stay the same from one plugging in to the next.
const LASTING: &str = "/dev/v4l/by-id";
/// Sizes that are tried with a camera that takes any.
const USUAL: [(u32, u32); 7] =
    [(3840, 2160), (2560, 1440), (1920, 1080), (1280, 720), (960, 540), (640, 480), (640, 360)];

/// Every device that gives pictures in a format that can be read here.
pub(super) fn list() -> Vec<Camera> {
    let lasting = lasting_names();
    let entries = std::fs::read_dir("/dev").map(|entries| entries.flatten().collect()).unwrap_or_else(|_| Vec::new());
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("video")?.parse::<u32>().ok();
    let mut paths: Vec<(u32, PathBuf)> =
        entries.iter().filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect();
    paths.sort();
    let mut cameras = Vec::new();
    for (_, path) in paths {
        let name = lasting.get(&path).unwrap_or(&path).to_string_lossy().into_owned();
        match known(&path, &name) {
            Ok(camera) => cameras.push(camera),
            Err(error) => tracing::debug!(path = name, %error, "not a camera for us"),
        }
    }
    cameras
}

/// What the device is, asked once per plugging in: a list that is read every few seconds must not wake each camera
/// every few seconds.
fn known(path: &Path, name: &str) -> Result<Camera, VideoError> {
    static KNOWN: Mutex<Vec<(Plugged, Camera)>> = Mutex::new(Vec::new());
    let metadata = std::fs::metadata(path).map_err(|error| explain(&error))?;
    let plugged =
        Plugged { path: path.to_owned(), node: metadata.ino(), since: (metadata.ctime(), metadata.ctime_nsec()) };
    let mut known = KNOWN.lock();
    if let Some((_, camera)) = known.iter().find(|(other, _)| *other == plugged) {
        return Ok(camera.clone());
    }
    let camera = describe(name, &Wish::default())?;
    known.retain(|(other, _)| other.path != plugged.path);
    known.push((plugged, camera.clone()));
    Ok(camera)
}

/// What tells one plugging in from the next: the device's file is made anew.
#[derive(Debug, PartialEq)]
struct Plugged {
    path: PathBuf,
    node: u64,
    since: (i64, i64),
}

/// From a device to its lasting name.
fn lasting_names() -> HashMap<PathBuf, PathBuf> {
    let Ok(links) = std::fs::read_dir(LASTING) else { return HashMap::new() };
    links.flatten().filter_map(|link| Some((std::fs::canonicalize(link.path()).ok()?, link.path()))).collect()
}

/// What the device at that path is.
pub(super) fn describe(path: &str, wish: &Wish) -> Result<Camera, VideoError> {
    let device = open(path)?;
    let name = device.query_caps().map_err(|error| explain(&error))?.card;
    let best = choose(&modes(&device)?, wish).ok_or_else(no_format)?.size;
    Ok(Camera { path: path.to_owned(), name, best })
}

fn no_format() -> VideoError {
    VideoError::CameraFormat("neither NV12, YUYV nor MJPEG, or not the one that was asked for".to_owned())
}

fn open(path: &str) -> Result<Device, VideoError> {
    let device = Device::with_path(path).map_err(|error| explain(&error))?;
    let capabilities = device.query_caps().map_err(|error| explain(&error))?.capabilities;
    if !capabilities.contains(Flags::VIDEO_CAPTURE | Flags::STREAMING) {
        return Err(VideoError::CameraFormat("it gives no pictures".to_owned()));
    }
    Ok(device)
}

/// What an error of the device means (errno, `v4l2` documentation "Generic Error Codes").
pub(super) fn explain(error: &io::Error) -> VideoError {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => VideoError::PermissionDenied(error.to_string()),
        Some(libc::EBUSY) => VideoError::CameraBusy,
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO | libc::EIO | libc::EPIPE) => VideoError::CameraUnplugged,
        _ if error.kind() == io::ErrorKind::TimedOut => VideoError::CameraSilent,
        _ => VideoError::CameraRefused(error.to_string()),
    }
}

/// All that the device can do, in formats that can be read here.
fn modes(device: &Device) -> Result<Vec<Mode>, VideoError> {
    let offered = device.enum_formats().map_err(|error| explain(&error))?;
    let mut modes = Vec::new();
    for format in Format::ALL {
        let fourcc = FourCC::new(&format.fourcc());
        if !offered.iter().any(|offer| offer.fourcc == fourcc) {
            continue;
        }
        // A driver that can't list its sizes is asked for the usual ones when it is opened.
        let Ok(sizes) = device.enum_framesizes(fourcc) else {
            let size = device.format().map(|now| Size { width: now.width, height: now.height });
            modes.extend(size.ok().map(|size| Mode { format, size, fps: 30.0 }));
            continue;
        };
        for size in sizes.into_iter().flat_map(|size| sizes_of(&size.size)) {
            modes.push(Mode { format, size, fps: most_fps(device, fourcc, size) });
        }
    }
    Ok(modes)
}

fn sizes_of(sizes: &FrameSizeEnum) -> Vec<Size> {
    match sizes {
        FrameSizeEnum::Discrete(size) => vec![Size { width: size.width, height: size.height }],
        FrameSizeEnum::Stepwise(steps) => {
            let fits = |value: u32, least: u32, most: u32, step: u32| {
                (least..=most).contains(&value) && (value - least).is_multiple_of(step.max(1))
            };
            let usual = USUAL.iter().filter(|&&(width, height)| {
                fits(width, steps.min_width, steps.max_width, steps.step_width)
                    && fits(height, steps.min_height, steps.max_height, steps.step_height)
            });
            let mut sizes: Vec<Size> = usual.map(|&(width, height)| Size { width, height }).collect();
            if sizes.is_empty() {
                sizes.push(Size { width: steps.max_width, height: steps.max_height });
            }
            sizes
        }
    }
}

fn most_fps(device: &Device, fourcc: FourCC, size: Size) -> f64 {
    let intervals = device.enum_frameintervals(fourcc, size.width, size.height).unwrap_or_default();
    let fps = intervals.iter().map(|interval| match &interval.interval {
        FrameIntervalEnum::Discrete(interval) => rate_of(*interval),
        FrameIntervalEnum::Stepwise(steps) => rate_of(steps.min),
    });
    // A driver that doesn't tell is believed to do the usual.
    fps.reduce(f64::max).unwrap_or(30.0)
}

fn rate_of(interval: Fraction) -> f64 {
    f64::from(interval.denominator) / f64::from(interval.numerator.max(1))
}

/// Opens the device in the best mode for the wish. Gives back what its bytes mean, and the rate that it took.
pub(super) fn prepare(path: &str, wish: &Wish) -> Result<(Device, Layout, f64), VideoError> {
    let device = open(path)?;
    let mode = choose(&modes(&device)?, wish).ok_or_else(no_format)?;
    let mut format = device.format().map_err(|error| explain(&error))?;
    (format.width, format.height) = (mode.size.width, mode.size.height);
    format.fourcc = FourCC::new(&mode.format.fourcc());
    // The driver's own for the new size.
    (format.stride, format.size) = (0, 0);
    let got = device.set_format(&format).map_err(|error| explain(&error))?;
    // A driver gives the nearest it can: another format can't be read, another size can.
    if got.fourcc != format.fourcc {
        return Err(VideoError::CameraFormat(format!("it gave {} in place of {}", got.fourcc, format.fourcc)));
    }
    let wanted = wish.fps.map_or(mode.fps, |fps| f64::from(fps).min(mode.fps));
    let wanted = if wish.fps.is_none() { wanted.min(60.0) } else { wanted };
    let interval = Fraction::new(1000, (wanted * 1000.0).round() as u32);
    // Some drivers have no rate to set: they give what they give.
    let rate = match device.set_params(&Parameters::new(interval)) {
        Ok(taken) => rate_of(taken.interval),
        Err(error) => {
            tracing::debug!(%error, "the camera takes no rate");
            wanted
        }
    };
    let least_stride = match mode.format {
        Format::Nv12 => got.width,
        Format::Yuyv => got.width * 2,
        Format::Mjpeg => 0,
    };
    let layout = Layout {
        format: mode.format,
        size: Size { width: got.width, height: got.height },
        stride: got.stride.max(least_stride),
        bt709: matches!(got.colorspace, Colorspace::Rec709),
        full_range: matches!(got.quantization, Quantization::FullRange),
    };
    tracing::info!(path, ?layout, rate, "camera opened");
    Ok((device, layout, rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart() {
        for (number, code) in [
            (libc::EACCES, "permission_denied"),
            (libc::EBUSY, "camera_busy"),
            (libc::ENODEV, "camera_unplugged"),
            (libc::ENOENT, "camera_unplugged"),
            (libc::EINVAL, "camera_refused"),
        ] {
            assert_eq!(explain(&io::Error::from_raw_os_error(number)).code(), code);
        }
        assert_eq!(explain(&io::Error::from(io::ErrorKind::TimedOut)).code(), "camera_silent");
    }

    #[test]
    fn a_camera_that_takes_any_size_is_asked_for_the_usual_ones() {
        let steps = |max_width, max_height, step| {
            FrameSizeEnum::Stepwise(v4l::framesize::Stepwise {
                min_width: 16,
                max_width,
                step_width: step,
                min_height: 16,
                max_height,
                step_height: step,
            })
        };
        let sizes = sizes_of(&steps(1920, 1080, 2));
        assert_eq!(sizes.first(), Some(&Size { width: 1920, height: 1080 }));
        assert_eq!(sizes.len(), 5);
        assert_eq!(sizes_of(&steps(100, 90, 1)), [Size { width: 100, height: 90 }]);
    }
}
