//! Cameras: what there is, in which formats, and a capture that outlives the plug being pulled.
//!
//! An id is `camera:DEVICE?size=1280x720&fps=30&format=nv12`; each option that is left out is chosen well. What a
//! camera gives is converted to BGRA here, as everything behind this works on that.

#[cfg(target_os = "macos")]
mod av_foundation;
#[cfg(target_os = "linux")]
mod convert;
#[cfg(target_os = "linux")]
mod device;
mod formats;
#[cfg(target_os = "windows")]
mod media_foundation;
mod watch;
#[cfg(target_os = "linux")]
mod worker;

/// Cameras of Linux, by V4L2.
#[cfg(target_os = "linux")]
mod v4l2 {
    pub(super) use super::device::{describe, list};
    pub(super) use super::worker::read;
}

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use media::{FrameRate, Size, VideoFrame};
use parking_lot::Mutex;
use stream::FrameSlot;

use self::formats::Wish;
use super::backend::Backend;
use super::spec::{Spec, encode, size};
use super::{Rect, SourceInfo, SourceKind, VideoError, VideoEvent, VideoOptions};

#[cfg(target_os = "macos")]
use av_foundation as imp;
#[cfg(target_os = "windows")]
use media_foundation as imp;
#[cfg(target_os = "linux")]
use v4l2 as imp;

const PREFIX: &str = "camera:";
/// How long a camera may take to be opened and to give its first picture: USB cameras wake up within two seconds.
const OPEN_LIMIT: Duration = Duration::from_secs(6);
/// How long the thread may take to end: one wait for a picture.
const END_LIMIT: Duration = Duration::from_secs(3);

/// A camera as the list shows it.
#[derive(Debug, Clone)]
pub(super) struct Camera {
    pub(super) path: String,
    pub(super) name: String,
    /// Of the mode that would be chosen.
    pub(super) best: Size,
}

/// Whether the id is a camera's, well written or not.
pub(super) fn is_camera(id: &str) -> bool {
    id.starts_with(PREFIX)
}

/// Every camera that is plugged in.
pub(super) fn list() -> Vec<SourceInfo> {
    imp::list().into_iter().map(|camera| info(&format!("{PREFIX}{}", encode(&camera.path)), camera)).collect()
}

fn info(id: &str, camera: Camera) -> SourceInfo {
    SourceInfo {
        id: id.to_owned(),
        lasting_id: id.to_owned(),
        kind: SourceKind::Camera,
        title: camera.name,
        program: String::new(),
        area: Rect { x: 0, y: 0, width: camera.best.width, height: camera.best.height },
    }
}

/// The file of the camera's device, `/dev/video0`; `None` where a system names cameras in another way.
pub(super) fn device_file(id: &str) -> Option<PathBuf> {
    let path = parse(id).ok()?.0;
    std::fs::canonicalize(path).ok().filter(|path| path.starts_with("/dev"))
}

/// What the camera of that id is now.
pub(super) fn describe(id: &str) -> Result<SourceInfo, VideoError> {
    let (path, wish) = parse(id)?;
    Ok(info(id, imp::describe(&path, &wish)?))
}

fn parse(id: &str) -> Result<(String, Wish), VideoError> {
    let rest = id.strip_prefix(PREFIX).ok_or_else(|| VideoError::SourceNotFound(id.to_owned()))?;
    let spec = Spec::parse(id, rest)?;
    spec.allow(&["size", "fps", "format"])?;
    // Windows names devices by paths that begin with backslashes, macOS by ids of no shape.
    if spec.body.is_empty() || (cfg!(target_os = "linux") && !spec.body.starts_with('/')) {
        return Err(spec.refuse("a camera is named by the path of its device"));
    }
    let wish = Wish {
        size: spec.text("size").map(|text| size(text, 8192)).transpose()?,
        fps: spec.text("fps").map(|_| spec.number("fps", 1..=240, 30)).transpose()?,
        format: match spec.text("format") {
            Some(name) => Some(formats::Format::named(name).ok_or_else(|| spec.refuse("there is no such format"))?),
            None => None,
        },
    };
    Ok((spec.body, wish))
}

/// What the owner and the thread share.
#[derive(Debug)]
struct Shared {
    rate: Mutex<FrameRate>,
    stop: AtomicBool,
    captured: AtomicU64,
}

/// The owner's end.
#[derive(Debug)]
struct Capture {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Never gets a message: it disconnects when the thread ends.
    ended: Mutex<mpsc::Receiver<()>>,
}

/// Opens the camera and returns once its first picture lies in the slot.
pub(super) fn start(
    options: &VideoOptions,
    slot: FrameSlot<VideoFrame>,
    on_event: Box<dyn Fn(VideoEvent) + Send>,
) -> Result<Box<dyn Backend>, VideoError> {
    let (path, wish) = parse(&options.source_id)?;
    let shared = Arc::new(Shared {
        rate: Mutex::new(options.frame_rate),
        stop: AtomicBool::new(false),
        captured: AtomicU64::new(0),
    });
    let (ready, readiness) = mpsc::sync_channel(1);
    let (ending, ended) = mpsc::sync_channel(0);
    let run = {
        let shared = Arc::clone(&shared);
        move || {
            let _ending: mpsc::SyncSender<()> = ending;
            watch::run(&path, &wish, &shared, &slot, &*on_event, |outcome| ready.send(outcome).is_ok());
        }
    };
    let thread = std::thread::Builder::new()
        .name("capture-camera".to_owned())
        .spawn(run)
        .map_err(|error| VideoError::Thread(error.to_string()))?;
    let capture = Capture { shared, thread: Some(thread), ended: Mutex::new(ended) };
    match readiness.recv_timeout(OPEN_LIMIT) {
        Ok(outcome) => outcome.map(|()| Box::new(capture) as Box<dyn Backend>),
        // Dropping the capture leaves a thread that hangs in its driver behind: it ends when the driver lets go.
        Err(mpsc::RecvTimeoutError::Timeout) => Err(VideoError::CameraSilent),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(VideoError::Thread("it ended by itself".to_owned())),
    }
}

impl Backend for Capture {
    fn set_frame_rate(&self, rate: FrameRate) {
        *self.shared.rate.lock() = rate;
    }

    fn set_own_window(&self, _window: Option<u32>) {}

    fn set_cursor(&self, _cursor: bool) {}

    fn captured(&self) -> u64 {
        self.shared.captured.load(Ordering::Relaxed)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return };
        let is_own = thread.thread().id() == std::thread::current().id();
        if !is_own && self.ended.lock().recv_timeout(END_LIMIT) == Err(mpsc::RecvTimeoutError::Disconnected) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_the_device_and_what_is_wished() {
        let (path, wish) = parse("camera:/dev/video0?size=640x480&fps=25&format=yuyv").expect("an id");
        assert_eq!(path, "/dev/video0");
        assert_eq!((wish.size, wish.fps), (Some(Size { width: 640, height: 480 }), Some(25)));
        assert_eq!(wish.format, Some(formats::Format::Yuyv));
        for bad in ["camera:", "camera:/dev/video0?size=9", "camera:/dev/video0?fps=0", "camera:/d?format=gif"] {
            assert_eq!(parse(bad).expect_err(bad).code(), "bad_source");
        }
    }

    #[test]
    fn a_path_of_windows_survives_its_id() {
        let path = r"\\?\usb#vid_046d&pid_0825&mi_00#7&2a&0&0000#{e5323777-f976-4f5b-9b55-b94699c46e44}\global";
        let id = format!("{PREFIX}{}", encode(path));
        // Linux takes paths of its own kind only.
        if cfg!(not(target_os = "linux")) {
            assert_eq!(parse(&id).expect("an id").0, path);
        }
        assert_eq!(Spec::parse(&id, &id[PREFIX.len()..]).expect("a description").body, path);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_camera_that_is_not_there_is_refused_at_once() {
        let options = VideoOptions {
            source_id: "camera:/dev/tidecast-no-such-camera".to_owned(),
            frame_rate: FrameRate::new(30).expect("rate"),
            cursor: false,
            own_window: None,
            restore_token: None,
        };
        let refusal = start(&options, FrameSlot::default(), Box::new(|_| {})).expect_err("no camera");
        assert_eq!(refusal.code(), "camera_unplugged");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_device_that_is_no_camera_is_refused() {
        assert_eq!(parse("camera:0").expect_err("no path").code(), "bad_source");
        assert_eq!(describe("camera:/dev/null").expect_err("no camera").code(), "camera_refused");
    }
}
