//! One running camera: pictures go from a queue of the framework straight into the slot.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dispatch2::{DispatchQueue, DispatchQueueAttr, DispatchRetained};
use media::{Clock, FrameRate, MonotonicClock, VideoFrame};
use objc2::rc::Retained;
use objc2::runtime::{AnyObject, NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{AllocAnyThread, DefinedClass, define_class, msg_send};
use objc2_av_foundation::{
    AVCaptureConnection, AVCaptureDevice, AVCaptureDeviceFormat, AVCaptureDeviceInput, AVCaptureOutput,
    AVCaptureSession, AVCaptureVideoDataOutput, AVCaptureVideoDataOutputSampleBufferDelegate,
};
use objc2_core_foundation::CFString;
use objc2_core_media::{CMSampleBuffer, CMTime};
use objc2_core_video::{kCVPixelBufferPixelFormatTypeKey, kCVPixelFormatType_32BGRA};
use objc2_foundation::{NSDictionary, NSNumber, NSString};
use parking_lot::Mutex;
use stream::FrameSlot;

use super::devices;
use crate::video::VideoError;
use crate::video::camera::formats::{Mode, Wish, choose};
use crate::video::macos::pixels;
use crate::video::pacing::Pacer;
use crate::video::pool::Pool;

/// What the camera's thread and the framework's queue share.
#[derive(Debug)]
pub(super) struct State {
    /// The most pictures per second.
    pub(super) rate: Mutex<FrameRate>,
    /// Pictures put into the slot that the thread has not counted yet.
    pub(super) fresh: AtomicU64,
}

/// Where the framework delivers.
pub(super) struct Output {
    state: Arc<State>,
    slot: FrameSlot<VideoFrame>,
    // Only ever taken on the one queue; a mutex because the framework does not promise that to the compiler.
    work: Mutex<(Pool, Pacer)>,
}

define_class!(
    // SAFETY: NSObject asks nothing of its subclasses, and this one has no Drop.
    #[unsafe(super(NSObject))]
    #[ivars = Output]
    struct CameraOutput;

    // SAFETY: it asks nothing.
    unsafe impl NSObjectProtocol for CameraOutput {}

    // SAFETY: the method has the protocol's signature.
    unsafe impl AVCaptureVideoDataOutputSampleBufferDelegate for CameraOutput {
        #[unsafe(method(captureOutput:didOutputSampleBuffer:fromConnection:))]
        fn did_output(&self, _output: &AVCaptureOutput, sample: &CMSampleBuffer, _connection: &AVCaptureConnection) {
            self.ivars().deliver(sample);
        }
    }
);

impl CameraOutput {
    fn new(output: Output) -> Retained<Self> {
        let this = Self::alloc().set_ivars(output);
        // SAFETY: NSObject's own initialiser.
        unsafe { msg_send![super(this), init] }
    }
}

impl Output {
    fn deliver(&self, sample: &CMSampleBuffer) {
        let (pool, pacer) = &mut *self.work.lock();
        let now = MonotonicClock.now();
        pacer.set_rate(*self.state.rate.lock());
        if now < pacer.ready_at() {
            return;
        }
        match pixels::frame(sample, pool) {
            Ok(Some(frame)) => {
                pacer.grabbed(now, now);
                self.slot.put(frame);
                self.state.fresh.fetch_add(1, Ordering::Relaxed);
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "a picture of the camera could not be read"),
        }
    }
}

/// A running camera; ends, and its light goes out, when it is dropped.
pub(super) struct Feed {
    session: Retained<AVCaptureSession>,
    device: Retained<AVCaptureDevice>,
    // The session holds them weakly.
    _output: Retained<CameraOutput>,
    _queue: DispatchRetained<DispatchQueue>,
}

impl Feed {
    /// # Errors
    /// `camera_format`, `camera_busy`, `camera_refused`.
    pub(super) fn start(
        device: &Retained<AVCaptureDevice>,
        wish: &Wish,
        state: Arc<State>,
        slot: FrameSlot<VideoFrame>,
    ) -> Result<Self, VideoError> {
        let (native, chosen) = choose_mode(device, wish)?;
        tracing::info!(?chosen, "camera opened");
        let work = Mutex::new((Pool::new(chosen.size), Pacer::new(*state.rate.lock())));
        let output = CameraOutput::new(Output { state, slot, work });
        let queue = DispatchQueue::new("dev.tidecast.camera", DispatchQueueAttr::SERIAL);
        let refused = || VideoError::CameraRefused("the session does not take it".to_owned());
        // SAFETY: live objects; the delegate and the queue are kept as long as the session, and what is added was asked
        // for first, as the methods want.
        unsafe {
            let session = AVCaptureSession::new();
            let input = AVCaptureDeviceInput::deviceInputWithDevice_error(device).map_err(|error| {
                let reason = error.localizedDescription().to_string();
                if device.isInUseByAnotherApplication() {
                    VideoError::CameraBusy
                } else {
                    VideoError::CameraRefused(reason)
                }
            })?;
            let data = AVCaptureVideoDataOutput::new();
            data.setVideoSettings(Some(&settings()));
            data.setAlwaysDiscardsLateVideoFrames(true);
            data.setSampleBufferDelegate_queue(Some(ProtocolObject::from_ref(&*output)), Some(&queue));
            if !session.canAddInput(&input) || !session.canAddOutput(&data) {
                return Err(refused());
            }
            session.addInput(&input);
            session.addOutput(&data);
            run(&session, device, &native, chosen)?;
            Ok(Self { session, device: device.clone(), _output: output, _queue: queue })
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        // SAFETY: a plain getter.
        unsafe { self.device.isConnected() }
    }

    /// Why a camera that was opened gives nothing.
    pub(super) fn silence(&self) -> VideoError {
        // SAFETY: a plain getter.
        if unsafe { self.device.isInUseByAnotherApplication() } {
            VideoError::CameraBusy
        } else {
            VideoError::CameraSilent
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // SAFETY: a live session; the call waits for what is under way.
        unsafe { self.session.stopRunning() };
    }
}

/// The best mode for the wish, and the device's own format that sets it.
pub(super) fn choose_mode(
    device: &AVCaptureDevice,
    wish: &Wish,
) -> Result<(Retained<AVCaptureDeviceFormat>, Mode), VideoError> {
    let none =
        || VideoError::CameraFormat("neither NV12, YUYV nor MJPEG, or not the one that was asked for".to_owned());
    let modes = devices::modes(device);
    let chosen = choose(&modes.iter().map(|(_, mode)| *mode).collect::<Vec<_>>(), wish).ok_or_else(none)?;
    modes.into_iter().find(|(_, mode)| *mode == chosen).ok_or_else(none)
}

/// Starts with that format. The device is locked over the start: a session would set its preset's format otherwise.
fn run(
    session: &AVCaptureSession,
    device: &AVCaptureDevice,
    native: &AVCaptureDeviceFormat,
    chosen: Mode,
) -> Result<(), VideoError> {
    // SAFETY: live objects; the format is one of the device's own, its fastest rate is one of the format's, and the
    // device is locked while both are set.
    unsafe {
        device
            .lockForConfiguration()
            .map_err(|error| VideoError::CameraRefused(error.localizedDescription().to_string()))?;
        device.setActiveFormat(native);
        // The range's own duration: one that is off by rounding makes the framework throw.
        for range in native.videoSupportedFrameRateRanges().iter() {
            if (range.maxFrameRate() - chosen.fps).abs() < 1e-6 {
                let fastest: CMTime = range.minFrameDuration();
                device.setActiveVideoMinFrameDuration(fastest);
                break;
            }
        }
        session.startRunning();
        device.unlockForConfiguration();
    }
    Ok(())
}

/// BGRA, whatever the camera gives.
fn settings() -> Retained<NSDictionary<NSString, AnyObject>> {
    // SAFETY: a constant of the framework; strings are toll-free bridged.
    let key = unsafe { &*std::ptr::from_ref::<CFString>(kCVPixelBufferPixelFormatTypeKey).cast::<NSString>() };
    let bgra = NSNumber::new_u32(kCVPixelFormatType_32BGRA);
    let value: &AnyObject = &bgra;
    NSDictionary::from_slices(&[key], &[value])
}
