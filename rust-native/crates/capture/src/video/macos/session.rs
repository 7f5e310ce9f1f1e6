//! One SCStream: frames arrive on a queue of the framework and go straight into the slot.
//!
//! The framework paces by itself, sends nothing while the source rests, draws the pointer and brings HDR to SDR.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use block2::RcBlock;
use crossbeam_channel::{Receiver, bounded};
use dispatch2::{DispatchQueue, DispatchQueueAttr, DispatchRetained};
use media::{FrameRate, Size, VideoFrame};
use objc2::rc::Retained;
use objc2::runtime::{NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{AllocAnyThread, DefinedClass, define_class, msg_send};
use objc2_core_foundation::{CGPoint, CGRect, CGSize};
use objc2_core_graphics::kCGColorSpaceSRGB;
use objc2_core_media::{CMSampleBuffer, CMTime};
use objc2_core_video::kCVPixelFormatType_32BGRA;
use objc2_foundation::NSError;
use objc2_screen_capture_kit::{
    SCScreenshotManager, SCStream, SCStreamConfiguration, SCStreamDelegate, SCStreamOutput, SCStreamOutputType,
};
use parking_lot::Mutex;
use stream::FrameSlot;

use super::content::{Carried, Found, explain, failure};
use super::surfaces::{MOST_OUT, Surfaces};
use super::{Settings, Shared, pixels};
use crate::video::desktop_id;
use crate::video::pool::Pool;
use crate::video::{Rect, VideoError, shrink};

/// Starting wakes the window server's capture service, which takes a second on a cold machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Pictures that the framework has memory for, at most eight: those that may be out, one that it draws, and one that is
/// being delivered. With fewer it drops some while one is copied, and stands still while all are out.
const QUEUE_DEPTH: isize = MOST_OUT as isize + 2;

/// Means nothing for a single picture, but has to be given.
const ONE_A_SECOND: FrameRate = match FrameRate::new(1) {
    Some(rate) => rate,
    None => panic!("one is not zero"),
};

/// Where the framework delivers.
pub(super) struct Output {
    shared: Arc<Shared>,
    slot: FrameSlot<VideoFrame>,
    pool: Mutex<Pool>,
    surfaces: Surfaces,
}

define_class!(
    // SAFETY: NSObject asks nothing of its subclasses, and this one has no Drop.
    #[unsafe(super(NSObject))]
    #[ivars = Output]
    struct StreamOutput;

    // SAFETY: it asks nothing.
    unsafe impl NSObjectProtocol for StreamOutput {}

    // SAFETY: the method has the protocol's signature.
    unsafe impl SCStreamOutput for StreamOutput {
        #[unsafe(method(stream:didOutputSampleBuffer:ofType:))]
        fn did_output(&self, _stream: &SCStream, sample: &CMSampleBuffer, kind: SCStreamOutputType) {
            if kind == SCStreamOutputType::Screen && pixels::is_complete(sample) {
                self.ivars().deliver(sample);
            }
        }
    }

    // SAFETY: as above.
    unsafe impl SCStreamDelegate for StreamOutput {
        #[unsafe(method(stream:didStopWithError:))]
        fn did_stop(&self, _stream: &SCStream, error: &NSError) {
            self.ivars().shared.end(explain(error));
        }
    }
);

impl StreamOutput {
    fn new(output: Output) -> Retained<Self> {
        let this = Self::alloc().set_ivars(output);
        // SAFETY: NSObject's own initialiser.
        unsafe { msg_send![super(this), init] }
    }
}

impl Output {
    fn deliver(&self, sample: &CMSampleBuffer) {
        match self.frame(sample) {
            Ok(Some(frame)) => {
                self.slot.put(frame);
                self.shared.captured.fetch_add(1, Ordering::Relaxed);
                self.shared.wake();
            }
            // Consumers hold every buffer: the next change brings another picture.
            Ok(None) => tracing::debug!("a picture came that nobody had room for"),
            Err(error) => self.shared.end(error),
        }
    }

    /// Where it lies, if that is wished and can be; else in memory of our own.
    fn frame(&self, sample: &CMSampleBuffer) -> Result<Option<VideoFrame>, VideoError> {
        if self.shared.surfaces.load(Ordering::Relaxed) {
            match self.surfaces.frame(sample) {
                Ok(frame) => return Ok(Some(frame)),
                Err(reason) => tracing::debug!(reason, "a picture is brought into memory"),
            }
        }
        pixels::frame(sample, &mut self.pool.lock())
    }
}

/// A running stream; ends when it is dropped.
pub(super) struct Session {
    stream: Retained<SCStream>,
    // The stream holds them weakly.
    _output: Retained<StreamOutput>,
    _queue: DispatchRetained<DispatchQueue>,
}

impl Session {
    /// # Errors
    /// `screen_permission_missing`, `display_refused`, `display_silent`.
    pub(super) fn start(
        found: &Found,
        settings: Settings,
        shared: Arc<Shared>,
        slot: FrameSlot<VideoFrame>,
    ) -> Result<Self, VideoError> {
        let size = size(found.area.width, found.area.height, found.scale);
        let (pool, surfaces) = (Mutex::new(Pool::new(size)), Surfaces::default());
        let output = StreamOutput::new(Output { shared, slot, pool, surfaces });
        let queue = DispatchQueue::new("dev.tidecast.capture", DispatchQueueAttr::SERIAL);
        let delegate = ProtocolObject::from_ref(&*output);
        // SAFETY: live objects; the delegate is kept as long as the stream.
        let stream = unsafe {
            SCStream::initWithFilter_configuration_delegate(
                SCStream::alloc(),
                &found.filter,
                &configuration(size, found.part, settings),
                Some(delegate),
            )
        };
        // SAFETY: a serial queue of our own, kept as long as the stream.
        unsafe {
            stream.addStreamOutput_type_sampleHandlerQueue_error(
                ProtocolObject::from_ref(&*output),
                SCStreamOutputType::Screen,
                Some(&queue),
            )
        }
        .map_err(|error| explain(&error))?;
        let (handler, answered) = completion();
        // SAFETY: a block of the kind that this method wants, of which the framework keeps its own reference.
        unsafe { stream.startCaptureWithCompletionHandler(Some(&handler)) };
        answered.recv_timeout(ANSWER_LIMIT).map_err(|_| VideoError::DisplaySilent)??;
        Ok(Self { stream, _output: output, _queue: queue })
    }

    /// Takes other settings or another size, in pixels, while it runs.
    pub(super) fn configure(&self, size: Size, part: Option<Rect>, settings: Settings) {
        let handler = RcBlock::new(|error: *mut NSError| {
            if !error.is_null() {
                tracing::warn!(error = %failure(error), "the capture kept its old settings");
            }
        });
        // SAFETY: as in `start`.
        unsafe {
            self.stream.updateConfiguration_completionHandler(&configuration(size, part, settings), Some(&handler))
        };
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let (handler, answered) = completion();
        // SAFETY: as in `start`.
        unsafe { self.stream.stopCaptureWithCompletionHandler(Some(&handler)) };
        // Frames that are on their way must not reach a slot that another capture has taken over.
        match answered.recv_timeout(ANSWER_LIMIT) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the capture had ended by itself"),
            Err(_) => tracing::warn!("the system did not confirm the end of the capture"),
        }
    }
}

/// Pixels of so many points.
pub(super) fn size(width: u32, height: u32, scale: f64) -> Size {
    Size { width: desktop_id::pixels(width.into(), scale), height: desktop_id::pixels(height.into(), scale) }
}

/// One JPEG of a source; blocks.
pub(super) fn screenshot(found: &Found, max: Size) -> Result<Vec<u8>, VideoError> {
    let size = size(found.area.width, found.area.height, found.scale);
    let settings = Settings { rate: ONE_A_SECOND, cursor: false };
    let (answer, answered) = bounded(1);
    let handler = RcBlock::new(move |sample: *mut CMSampleBuffer, error: *mut NSError| {
        // SAFETY: the framework gives one of the two, alive for the length of this call.
        let frame = match unsafe { sample.as_ref() } {
            Some(sample) => pixels::frame(sample, &mut Pool::new(size)),
            None => Err(failure(error)),
        };
        // Whoever asked may have stopped waiting.
        let _ = answer.try_send(Carried(frame));
    });
    // SAFETY: as in `Session::start`.
    unsafe {
        SCScreenshotManager::captureSampleBufferWithFilter_configuration_completionHandler(
            &found.filter,
            &configuration(size, found.part, settings),
            Some(&handler),
        );
    }
    let frame = answered.recv_timeout(ANSWER_LIMIT).map_err(|_| VideoError::DisplaySilent)?.0?;
    let frame = frame.ok_or_else(|| VideoError::Thumbnail("the system gave no picture".to_owned()))?;
    shrink::jpeg(frame.pixels.bytes(), frame.stride, frame.size, max)
}

fn configuration(size: Size, part: Option<Rect>, settings: Settings) -> Retained<SCStreamConfiguration> {
    // SAFETY: plain setters, with values in their ranges.
    unsafe {
        let configuration = SCStreamConfiguration::new();
        configuration.setWidth(size.width as usize);
        configuration.setHeight(size.height as usize);
        configuration.setScalesToFit(true);
        if let Some(part) = part {
            let origin = CGPoint { x: part.x.into(), y: part.y.into() };
            let size = CGSize { width: part.width.into(), height: part.height.into() };
            configuration.setSourceRect(CGRect { origin, size });
        }
        configuration.setPixelFormat(kCVPixelFormatType_32BGRA);
        configuration.setColorSpaceName(kCGColorSpaceSRGB);
        configuration.setShowsCursor(settings.cursor);
        configuration.setQueueDepth(QUEUE_DEPTH);
        // One part in a hundred shorter: a 60 Hz source at 60 frames must lose none to jitter.
        configuration.setMinimumFrameInterval(CMTime::new(99, (settings.rate.fps().min(1000) * 100) as i32));
        configuration
    }
}

type Completion = RcBlock<dyn Fn(*mut NSError)>;

fn completion() -> (Completion, Receiver<Result<(), VideoError>>) {
    let (answer, answered) = bounded(1);
    let handler = RcBlock::new(move |error: *mut NSError| {
        // Whoever asked may have stopped waiting.
        let _ = answer.try_send(if error.is_null() { Ok(()) } else { Err(failure(error)) });
    });
    (handler, answered)
}
