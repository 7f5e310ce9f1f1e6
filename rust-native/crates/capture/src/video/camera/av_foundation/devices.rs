//! Which cameras there are, whether they may be used, and their formats.

use std::time::Duration;

use block2::RcBlock;
use crossbeam_channel::bounded;
use media::Size;
use objc2::rc::Retained;
use objc2::runtime::Bool;
use objc2_av_foundation::{
    AVAuthorizationStatus, AVCaptureDevice, AVCaptureDeviceDiscoverySession, AVCaptureDeviceFormat,
    AVCaptureDevicePosition, AVCaptureDeviceTypeBuiltInWideAngleCamera, AVCaptureDeviceTypeContinuityCamera,
    AVCaptureDeviceTypeExternal, AVMediaType, AVMediaTypeVideo,
};
use objc2_core_media::CMVideoFormatDescriptionGetDimensions;
use objc2_core_video::{
    kCVPixelFormatType_420YpCbCr8BiPlanarFullRange, kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange,
    kCVPixelFormatType_422YpCbCr8, kCVPixelFormatType_422YpCbCr8_yuvs,
};
use objc2_foundation::{NSArray, NSString};

use crate::video::VideoError;
use crate::video::camera::formats::{Format, Mode};

/// The system's question stands until somebody answers it.
const ANSWER_LIMIT: Duration = Duration::from_secs(45);
/// Motion-JPEG under its two names, "dmb1" and "jpeg".
const MOTION_JPEG: [u32; 2] = [0x646d_6231, 0x6a70_6567];

fn video() -> Result<&'static AVMediaType, VideoError> {
    // SAFETY: a constant of the framework, set before any of our code runs.
    unsafe { AVMediaTypeVideo }.ok_or_else(|| VideoError::CameraRefused("this system knows no cameras".to_owned()))
}

/// Asks the user the first time.
pub(super) fn check_permission() -> Result<(), VideoError> {
    let denied = || VideoError::PermissionDenied("System Settings > Privacy & Security > Camera".to_owned());
    let video = video()?;
    // SAFETY: a class method without preconditions.
    match unsafe { AVCaptureDevice::authorizationStatusForMediaType(video) } {
        AVAuthorizationStatus::Authorized => Ok(()),
        AVAuthorizationStatus::NotDetermined => {
            let (answer, answered) = bounded(1);
            let handler = RcBlock::new(move |allowed: Bool| {
                // Whoever asked may have stopped waiting.
                let _ = answer.try_send(allowed.as_bool());
            });
            // SAFETY: a block of the kind that this method wants, of which the framework keeps its own reference.
            unsafe { AVCaptureDevice::requestAccessForMediaType_completionHandler(video, &handler) };
            if answered.recv_timeout(ANSWER_LIMIT) == Ok(true) { Ok(()) } else { Err(denied()) }
        }
        _ => Err(denied()),
    }
}

/// The unique id of every camera, and its name.
pub(super) fn all() -> Result<Vec<(String, String)>, VideoError> {
    // SAFETY: constants of the framework, and plain getters.
    unsafe {
        let kinds = NSArray::from_slice(&[
            AVCaptureDeviceTypeBuiltInWideAngleCamera,
            AVCaptureDeviceTypeExternal,
            AVCaptureDeviceTypeContinuityCamera,
        ]);
        let session = AVCaptureDeviceDiscoverySession::discoverySessionWithDeviceTypes_mediaType_position(
            &kinds,
            Some(video()?),
            AVCaptureDevicePosition::Unspecified,
        );
        let devices = session.devices();
        Ok(devices.iter().map(|device| (device.uniqueID().to_string(), device.localizedName().to_string())).collect())
    }
}

pub(super) fn find(id: &str) -> Result<Retained<AVCaptureDevice>, VideoError> {
    // SAFETY: a live string.
    unsafe { AVCaptureDevice::deviceWithUniqueID(&NSString::from_str(id)) }.ok_or(VideoError::CameraUnplugged)
}

/// A camera's modes in formats that an id may ask for, each with the device's own format that sets it.
pub(super) fn modes(device: &AVCaptureDevice) -> Vec<(Retained<AVCaptureDeviceFormat>, Mode)> {
    let mut found = Vec::new();
    // SAFETY: plain getters of live objects.
    unsafe {
        for native in device.formats().iter() {
            let description = native.formatDescription();
            let dimensions = CMVideoFormatDescriptionGetDimensions(&description);
            let sides = (u32::try_from(dimensions.width), u32::try_from(dimensions.height));
            let (Ok(width), Ok(height), Some(format)) = (sides.0, sides.1, format(description.media_sub_type())) else {
                continue;
            };
            for range in native.videoSupportedFrameRateRanges().iter() {
                let mode = Mode { format, size: Size { width, height }, fps: range.maxFrameRate() };
                found.push((native.clone(), mode));
            }
        }
    }
    found
}

/// What others there are is slower than these.
fn format(kind: u32) -> Option<Format> {
    if [kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange, kCVPixelFormatType_420YpCbCr8BiPlanarFullRange].contains(&kind)
    {
        Some(Format::Nv12)
    } else if [kCVPixelFormatType_422YpCbCr8, kCVPixelFormatType_422YpCbCr8_yuvs].contains(&kind) {
        Some(Format::Yuyv)
    } else {
        MOTION_JPEG.contains(&kind).then_some(Format::Mjpeg)
    }
}
