//! What macOS lets us share, and one source of it as a filter.

use std::time::Duration;

use block2::RcBlock;
use crossbeam_channel::bounded;
use objc2::AllocAnyThread;
use objc2::rc::Retained;
use objc2_core_graphics::{CGPreflightScreenCaptureAccess, CGRequestScreenCaptureAccess};
use objc2_foundation::{NSArray, NSError};
use objc2_screen_capture_kit::{
    SCContentFilter, SCDisplay, SCRunningApplication, SCShareableContent, SCStreamErrorCode, SCWindow,
};

use super::SYSTEM;
use crate::video::desktop_id::{DesktopId, What, by_points};
use crate::video::region::RegionId;
use crate::video::{Rect, SourceInfo, SourceKind, VideoError};

/// The window server answers within milliseconds; under load within a second.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Windows smaller than this on a side are helpers that no one means to show, points.
const LEAST_SIDE: u32 = 32;

/// Something of Apple's on its way from a queue of the framework to the thread that asked for it.
pub(super) struct Carried<T>(pub(super) T);

// SAFETY: used for ScreenCaptureKit's objects only, which the framework itself hands from queue to queue, and each is
// given away whole: the sender keeps nothing of it.
unsafe impl<T> Send for Carried<T> {}

/// # Errors
/// `screen_permission_missing`: the system asks the user the first time, and takes effect after a restart.
pub(super) fn check_permission() -> Result<(), VideoError> {
    if CGPreflightScreenCaptureAccess() || CGRequestScreenCaptureAccess() {
        Ok(())
    } else {
        Err(VideoError::PermissionMissing("screen recording is switched off for it"))
    }
}

/// Asks for everything that can be shared now; blocks.
fn shareable() -> Result<Retained<SCShareableContent>, VideoError> {
    check_permission()?;
    let (answer, answered) = bounded(1);
    let handler = RcBlock::new(move |content: *mut SCShareableContent, error: *mut NSError| {
        // SAFETY: the framework gives one of the two, alive for the length of this call.
        let result = match unsafe { Retained::retain(content) } {
            Some(content) => Ok(Carried(content)),
            None => Err(failure(error)),
        };
        // Whoever asked may have stopped waiting.
        let _ = answer.try_send(result);
    });
    // SAFETY: the block is of the kind that this method wants, and the framework keeps its own reference.
    unsafe {
        SCShareableContent::getShareableContentExcludingDesktopWindows_onScreenWindowsOnly_completionHandler(
            true, false, &handler,
        );
    }
    let content = answered.recv_timeout(ANSWER_LIMIT).map_err(|_| VideoError::DisplaySilent)??;
    Ok(content.0)
}

pub(super) fn list() -> Result<Vec<SourceInfo>, VideoError> {
    let content = shareable()?;
    // SAFETY: plain getters of a live object, here and below.
    let (displays, windows) = unsafe { (content.displays(), content.windows()) };
    let mut sources: Vec<SourceInfo> =
        displays.iter().enumerate().map(|(index, display)| describe_display(&display, index)).collect();
    // The desktop's origin is the corner of the main display.
    sources.sort_by_key(|source| (source.area.x, source.area.y) != (0, 0));
    sources.extend(windows.iter().filter_map(|window| describe_window(&window)));
    Ok(sources)
}

fn describe_display(display: &SCDisplay, index: usize) -> SourceInfo {
    // SAFETY: plain getters.
    let (number, frame) = unsafe { (display.displayID(), display.frame()) };
    let id = DesktopId { system: SYSTEM, what: What::Monitor(number.to_string()) }.to_string();
    SourceInfo {
        lasting_id: id.clone(),
        id,
        kind: SourceKind::Monitor,
        title: format!("Display {}", index + 1),
        program: String::new(),
        area: by_points(frame.origin.x, frame.origin.y, frame.size.width, frame.size.height),
    }
}

/// `None` for what is no window to a user: menus, the dock, and those of this app.
fn describe_window(window: &SCWindow) -> Option<SourceInfo> {
    // SAFETY: plain getters.
    let (layer, owner, title, frame, number) = unsafe {
        (window.windowLayer(), window.owningApplication(), window.title(), window.frame(), window.windowID())
    };
    let owner = owner?;
    let title = title.map(|title| title.to_string()).filter(|title| !title.trim().is_empty())?;
    let area = by_points(frame.origin.x, frame.origin.y, frame.size.width, frame.size.height);
    if layer != 0 || is_own(&owner) || area.width.min(area.height) < LEAST_SIDE {
        return None;
    }
    // SAFETY: a plain getter.
    let program = unsafe { owner.applicationName() }.to_string();
    let id = DesktopId { system: SYSTEM, what: What::Window(number.into()) }.to_string();
    Some(SourceInfo { lasting_id: id.clone(), id, kind: SourceKind::Window, title, program, area })
}

/// This process, or the app that holds it: the engine runs in a child process of the one that owns the window.
fn is_own(application: &SCRunningApplication) -> bool {
    // SAFETY: a plain getter, and a call that always succeeds.
    let (process, parent) = unsafe { (application.processID(), libc::getppid()) };
    process == parent || u32::try_from(process) == Ok(std::process::id())
}

/// A source that is there now.
pub(super) struct Found {
    pub(super) filter: Retained<SCContentFilter>,
    /// The window, where it is one.
    pub(super) window: Option<u32>,
    pub(super) area: Rect,
    /// Of the display's picture, points; `None` is all of it.
    pub(super) part: Option<Rect>,
    /// Pixels per point.
    pub(super) scale: f64,
}

/// # Errors
/// `source_not_found`, `screen_permission_missing`, `display_silent`.
pub(super) fn find(id: &str) -> Result<Found, VideoError> {
    let unknown = || VideoError::SourceNotFound(id.to_owned());
    let region = RegionId::parse(id).transpose()?;
    let what = DesktopId::parse(SYSTEM, region.as_ref().map_or(id, |region| &region.monitor))?.what;
    let content = shareable()?;
    let (filter, window) = match what {
        What::Monitor(name) => {
            // SAFETY: a plain getter.
            let displays = unsafe { content.displays() };
            // SAFETY: a plain getter of a live display.
            let number = |display: &SCDisplay| unsafe { display.displayID() };
            let display = displays.iter().find(|each| number(each).to_string() == name);
            let display = display.ok_or_else(unknown)?;
            (whole_display(&content, &display), None)
        }
        What::Window(number) => {
            // SAFETY: a plain getter.
            let windows = unsafe { content.windows() };
            // SAFETY: a plain getter of a live window.
            let number_of = |window: &SCWindow| unsafe { window.windowID() };
            let window = windows.iter().find(|each| u64::from(number_of(each)) == number);
            let window = window.ok_or_else(unknown)?;
            // SAFETY: a live window of the content just given.
            let filter =
                unsafe { SCContentFilter::initWithDesktopIndependentWindow(SCContentFilter::alloc(), &window) };
            (filter, Some(number_of(&window)))
        }
    };
    // SAFETY: plain getters (macOS 14 and newer, which is what the app asks for).
    let (content, scale) = unsafe { (filter.contentRect(), filter.pointPixelScale()) };
    let whole = by_points(content.origin.x, content.origin.y, content.size.width, content.size.height);
    let area = match region {
        Some(region) => region.on(whole).ok_or(VideoError::RegionOutside)?,
        None => whole,
    };
    let part = (area != whole).then(|| Rect { x: area.x - whole.x, y: area.y - whole.y, ..area });
    Ok(Found { filter, window, area, part, scale: scale.into() })
}

/// A display without the app's own windows.
fn whole_display(content: &SCShareableContent, display: &SCDisplay) -> Retained<SCContentFilter> {
    // SAFETY: a plain getter.
    let applications = unsafe { content.applications() };
    let own: Vec<Retained<SCRunningApplication>> = applications.iter().filter(|each| is_own(each)).collect();
    let (own, none) = (NSArray::from_retained_slice(&own), NSArray::new());
    // SAFETY: live objects of the content just given.
    unsafe {
        SCContentFilter::initWithDisplay_excludingApplications_exceptingWindows(
            SCContentFilter::alloc(),
            display,
            &own,
            &none,
        )
    }
}

/// What an error of the framework means; null stands for one that it did not name.
pub(super) fn failure(error: *mut NSError) -> VideoError {
    // SAFETY: null, or an error that is alive for the length of the handler that was given it.
    let Some(error) = (unsafe { error.as_ref() }) else {
        return VideoError::Refused("the system gave no reason".to_owned());
    };
    explain(error)
}

pub(super) fn explain(error: &NSError) -> VideoError {
    let reason = error.localizedDescription().to_string();
    match SCStreamErrorCode(error.code()) {
        SCStreamErrorCode::UserDeclined | SCStreamErrorCode::MissingEntitlements => {
            VideoError::PermissionMissing("screen recording was declined")
        }
        SCStreamErrorCode::NoCaptureSource | SCStreamErrorCode::NoWindowList | SCStreamErrorCode::NoDisplayList => {
            VideoError::SourceClosed
        }
        SCStreamErrorCode::UserStopped => VideoError::Refused("it was stopped in the menu bar".to_owned()),
        SCStreamErrorCode::SystemStoppedStream
        | SCStreamErrorCode::FailedApplicationConnectionInvalid
        | SCStreamErrorCode::FailedApplicationConnectionInterrupted => VideoError::DisplayLost(reason),
        _ => VideoError::Refused(reason),
    }
}
