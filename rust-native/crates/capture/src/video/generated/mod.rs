//! Sources that no device gives: a picture file, a text, a colour, a test pattern.
//!
//! Each is described whole by its id. They give a frame when their picture changes and none otherwise: a colour or a
//! text has no thread at all, a picture file is only asked now and then whether it was written anew.

mod file;
mod pattern;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use media::{Clock, FrameRate, MonotonicClock, Size, VideoFrame};
use parking_lot::{Condvar, Mutex};
use stream::FrameSlot;

use self::file::PictureFile;
use self::pattern::Pattern;
use super::backend::Backend;
use super::canvas::{Canvas, MOST_AREA, premultiply};
use super::spec::{Spec, colour, size};
use super::{Rect, SourceInfo, SourceKind, VideoError, VideoEvent, VideoOptions};

pub(super) use text::{can_write, label};

/// Of a colour or pattern that doesn't say its own.
const DEFAULT_SIZE: Size = Size { width: 1920, height: 1080 };
/// The longest side of a colour or pattern, pixels.
const MOST_PAINTED_SIDE: u32 = 7680;

/// What a generated source shows.
#[derive(Debug)]
enum Content {
    /// The same for ever.
    Still(Canvas),
    File(PictureFile),
    Pattern(Pattern),
}

/// The kind that the id's first word names; `None` for ids of devices.
fn kind_of(id: &str) -> Option<(SourceKind, &str)> {
    let (scheme, rest) = id.split_once(':')?;
    let kind = match scheme {
        "image" => SourceKind::Image,
        "text" => SourceKind::Text,
        "color" => SourceKind::Color,
        "pattern" => SourceKind::Pattern,
        _ => return None,
    };
    Some((kind, rest))
}

/// Whether the id is one of a generated source, well written or not.
pub(super) fn is_generated(id: &str) -> bool {
    kind_of(id).is_some()
}

/// Paints or reads what the id describes.
fn open(id: &str) -> Result<(SourceKind, String, Content), VideoError> {
    let (kind, rest) = kind_of(id).ok_or_else(|| VideoError::SourceNotFound(id.to_owned()))?;
    let spec = Spec::parse(id, rest)?;
    let content = match kind {
        SourceKind::Image => {
            spec.allow(&[])?;
            Content::File(PictureFile::open(&spec.body)?)
        }
        SourceKind::Text => Content::Still(text::paint(&spec)?),
        SourceKind::Color => {
            spec.allow(&["size"])?;
            let colour = premultiply(colour(&spec.body)?);
            Content::Still(Canvas::filled(painted_size(&spec)?, colour))
        }
        _ => {
            spec.allow(&["size"])?;
            if spec.body != "bars" {
                return Err(spec.refuse("the only pattern is “bars”"));
            }
            Content::Pattern(Pattern::new(painted_size(&spec)?))
        }
    };
    let title = match kind {
        SourceKind::Image => spec.body.rsplit(['/', '\\']).next().unwrap_or_default().to_owned(),
        SourceKind::Color => format!("#{}", spec.body.trim_start_matches('#').to_ascii_uppercase()),
        SourceKind::Text => spec.body.lines().next().unwrap_or_default().to_owned(),
        _ => spec.body,
    };
    Ok((kind, title, content))
}

fn painted_size(spec: &Spec<'_>) -> Result<Size, VideoError> {
    let size = spec.text("size").map_or(Ok(DEFAULT_SIZE), |text| size(text, MOST_PAINTED_SIDE))?;
    if size.area() > MOST_AREA { Err(spec.refuse("it is too large")) } else { Ok(size) }
}

impl Content {
    fn picture(&self) -> Canvas {
        match self {
            Self::Still(canvas) => canvas.clone(),
            Self::File(file) => file.picture().clone(),
            Self::Pattern(pattern) => pattern.still(),
        }
    }
}

/// What the list shows of it.
pub(super) fn describe(id: &str) -> Result<SourceInfo, VideoError> {
    let (kind, title, content) = open(id)?;
    let Size { width, height } = content.picture().size;
    let area = Rect { x: 0, y: 0, width, height };
    Ok(SourceInfo { id: id.to_owned(), lasting_id: id.to_owned(), kind, title, program: String::new(), area })
}

/// Its picture as it is now.
pub(super) fn still(id: &str) -> Result<Canvas, VideoError> {
    Ok(open(id)?.2.picture())
}

/// Puts its picture, and from then on each change of it.
pub(super) fn start(
    options: &VideoOptions,
    slot: FrameSlot<VideoFrame>,
    on_event: Box<dyn Fn(VideoEvent) + Send>,
) -> Result<Box<dyn Backend>, VideoError> {
    let (_, _, content) = open(&options.source_id)?;
    on_event(VideoEvent::Area(None));
    slot.put(content.picture().into_frame(MonotonicClock.now()));
    let shared = Arc::new(Shared {
        orders: Mutex::new(Orders { rate: options.frame_rate, stop: false }),
        changed: Condvar::new(),
        captured: AtomicU64::new(1),
    });
    let run: Box<dyn FnOnce() + Send> = match content {
        Content::Still(_) => return Ok(Box::new(Capture { shared, thread: None })),
        Content::File(file) => {
            let shared = Arc::clone(&shared);
            Box::new(move || watch(file, &shared, &slot, &*on_event))
        }
        Content::Pattern(pattern) => {
            let shared = Arc::clone(&shared);
            Box::new(move || animate(pattern, &shared, &slot))
        }
    };
    let thread = std::thread::Builder::new()
        .name("capture-generated".to_owned())
        .spawn(run)
        .map_err(|error| VideoError::Thread(error.to_string()))?;
    Ok(Box::new(Capture { shared, thread: Some(thread) }))
}

#[derive(Debug)]
struct Orders {
    rate: FrameRate,
    stop: bool,
}

/// What the owner and the thread share.
#[derive(Debug)]
struct Shared {
    orders: Mutex<Orders>,
    changed: Condvar,
    captured: AtomicU64,
}

impl Shared {
    /// Waits for that long; `false` when the owner wants it to end.
    fn rest(&self, time: Duration) -> bool {
        let mut orders = self.orders.lock();
        if !orders.stop {
            self.changed.wait_for(&mut orders, time);
        }
        !orders.stop
    }

    fn put(&self, slot: &FrameSlot<VideoFrame>, frame: VideoFrame) {
        slot.put(frame);
        self.captured.fetch_add(1, Ordering::Relaxed);
    }
}

/// A picture file that is written anew shows anew; one that is gone or half written keeps its last picture and says so.
fn watch(mut file: PictureFile, shared: &Shared, slot: &FrameSlot<VideoFrame>, on_event: &dyn Fn(VideoEvent)) {
    let mut failed = None;
    while shared.rest(file::LOOK_EVERY) {
        match file.look() {
            Ok(changed) => {
                if changed {
                    shared.put(slot, file.picture().clone().into_frame(MonotonicClock.now()));
                }
                if failed.take().is_some() {
                    on_event(VideoEvent::Resumed);
                }
            }
            Err(error) if failed.as_ref() == Some(&error) => {}
            Err(error) => {
                failed = Some(error.clone());
                on_event(VideoEvent::Paused(error));
            }
        }
    }
}

fn animate(mut pattern: Pattern, shared: &Shared, slot: &FrameSlot<VideoFrame>) {
    let clock = MonotonicClock;
    let mut due = clock.now();
    loop {
        // From the absolute value, so that no error adds up; after a stop of the machine it goes on from now.
        due = due.max(clock.now() - Duration::from_secs(1)) + shared.orders.lock().rate.interval();
        while clock.now() < due {
            if !shared.rest(due.since(clock.now())) {
                return;
            }
        }
        if shared.orders.lock().stop {
            return;
        }
        let now = clock.now();
        if let Some(frame) = pattern.frame(now) {
            shared.put(slot, frame);
        }
    }
}

/// The owner's end.
#[derive(Debug)]
struct Capture {
    shared: Arc<Shared>,
    /// `None` for what never changes.
    thread: Option<JoinHandle<()>>,
}

impl Backend for Capture {
    fn set_frame_rate(&self, rate: FrameRate) {
        self.shared.orders.lock().rate = rate;
    }

    fn set_own_window(&self, _window: Option<u32>) {}

    fn set_cursor(&self, _cursor: bool) {}

    fn captured(&self) -> u64 {
        self.shared.captured.load(Ordering::Relaxed)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.orders.lock().stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}
