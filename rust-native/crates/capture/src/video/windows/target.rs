//! One monitor or window of the desktop: found by its id, and how it stands now.

use std::ffi::c_void;
use std::mem::size_of;

use windows::Win32::Foundation::{HWND, RECT};
use windows::Win32::Graphics::Dwm::{
    DWMWA_CLOAKED, DWMWA_EXTENDED_FRAME_BOUNDS, DWMWINDOWATTRIBUTE, DwmGetWindowAttribute,
};
use windows::Win32::Graphics::Gdi::{
    GetMonitorInfoW, HMONITOR, MONITOR_DEFAULTTONEAREST, MONITORINFO, MonitorFromWindow,
};
use windows::Win32::UI::HiDpi::{
    DPI_AWARENESS_CONTEXT, DPI_AWARENESS_CONTEXT_PER_MONITOR_AWARE_V2, SetThreadDpiAwarenessContext,
};
use windows::Win32::UI::WindowsAndMessaging::{GetWindowDisplayAffinity, GetWindowRect, IsIconic, IsWindow, WDA_NONE};
use windows_capture::monitor::Monitor;
use windows_capture::window::Window;

use super::SYSTEM;
use crate::video::desktop_id::{DesktopId, What, by_edges};
use crate::video::region::RegionId;
use crate::video::{Rect, VideoError};

/// While it lives, this thread is told real pixels instead of those of a 96 dpi screen, whatever the program's
/// manifest says.
pub(super) struct RealPixels(DPI_AWARENESS_CONTEXT);

impl RealPixels {
    pub(super) fn new() -> Self {
        // SAFETY: any thread may change its own context.
        Self(unsafe { SetThreadDpiAwarenessContext(DPI_AWARENESS_CONTEXT_PER_MONITOR_AWARE_V2) })
    }
}

impl Drop for RealPixels {
    fn drop(&mut self) {
        // SAFETY: as above. A system that refused the first call gave null, which this one refuses too.
        unsafe { SetThreadDpiAwarenessContext(self.0) };
    }
}

/// What is captured.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    Monitor(Monitor),
    Window(Window),
}

/// What an id names: a target, or a part of a monitor.
#[derive(Debug, Clone)]
pub(super) struct Aim {
    pub(super) target: Target,
    part: Option<RegionId>,
}

impl Aim {
    /// # Errors
    /// `source_not_found`, `bad_source`, `display_refused`.
    pub(super) fn find(id: &str) -> Result<Self, VideoError> {
        match RegionId::parse(id) {
            Some(part) => {
                let part = part?;
                Ok(Self { target: Target::find(&part.monitor)?, part: Some(part) })
            }
            None => Ok(Self { target: Target::find(id)?, part: None }),
        }
    }

    /// Where it lies on the desktop, and which part of the target's picture that is; `whole` is the target's place.
    ///
    /// # Errors
    /// `region_outside`.
    pub(super) fn place(&self, whole: Rect) -> Result<(Rect, Option<Rect>), VideoError> {
        let Some(part) = &self.part else { return Ok((whole, None)) };
        let area = part.on(whole).ok_or(VideoError::RegionOutside)?;
        Ok((area, Some(Rect { x: area.x - whole.x, y: area.y - whole.y, ..area })))
    }
}

/// How a target stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It shows a picture, there on the desktop.
    Shown(Rect),
    /// It exists and shows none.
    Hidden,
    /// Its program forbids capture: the system would give black.
    Protected,
    /// It is no more.
    Gone,
}

impl Target {
    /// # Errors
    /// `source_not_found`, `display_refused`.
    pub(super) fn find(id: &str) -> Result<Self, VideoError> {
        let unknown = || VideoError::SourceNotFound(id.to_owned());
        match DesktopId::parse(SYSTEM, id)?.what {
            What::Monitor(name) => {
                let monitors = Monitor::enumerate().map_err(|error| VideoError::Refused(error.to_string()))?;
                let found = monitors.into_iter().find(|each| each.device_name().is_ok_and(|device| device == name));
                found.map(Self::Monitor).ok_or_else(unknown)
            }
            What::Window(handle) => {
                let handle = usize::try_from(handle).map_err(|_| unknown())?;
                let window = Self::Window(Window::from_raw_hwnd(std::ptr::without_provenance_mut(handle)));
                if window.standing() == Standing::Gone { Err(unknown()) } else { Ok(window) }
            }
        }
    }

    pub(super) fn standing(&self) -> Standing {
        match self {
            Self::Monitor(monitor) => monitor_area(monitor).map_or(Standing::Gone, Standing::Shown),
            Self::Window(window) => {
                let window = handle(window);
                // SAFETY: any value may be asked about; a stale handle is answered with "no".
                if !unsafe { IsWindow(Some(window)) }.as_bool() {
                    Standing::Gone
                } else if is_protected(window) {
                    Standing::Protected
                } else if is_hidden(window) {
                    Standing::Hidden
                } else {
                    window_area(window).map_or(Standing::Hidden, Standing::Shown)
                }
            }
        }
    }

    /// The monitor that shows it, or most of it.
    pub(super) fn monitor(&self) -> HMONITOR {
        match self {
            Self::Monitor(monitor) => HMONITOR(monitor.as_raw_hmonitor()),
            // SAFETY: a stale handle gets the nearest monitor of nowhere, the primary one.
            Self::Window(window) => unsafe { MonitorFromWindow(handle(window), MONITOR_DEFAULTTONEAREST) },
        }
    }
}

pub(super) fn handle(window: &Window) -> HWND {
    HWND(window.as_raw_hwnd())
}

/// Where a monitor lies, pixels of the whole desktop; `None` where it is unplugged.
pub(super) fn monitor_area(monitor: &Monitor) -> Option<Rect> {
    let mut info = MONITORINFO { cbSize: size_of::<MONITORINFO>() as u32, ..MONITORINFO::default() };
    // SAFETY: `info` is writable and says its size.
    let known = unsafe { GetMonitorInfoW(HMONITOR(monitor.as_raw_hmonitor()), &raw mut info) };
    known.as_bool().then(|| area(info.rcMonitor)).filter(|area| area.width > 0 && area.height > 0)
}

/// What the capture of a window shows: its frame without the invisible borders that Windows counts in.
pub(super) fn window_area(window: HWND) -> Option<Rect> {
    let bounds = attribute::<RECT>(window, DWMWA_EXTENDED_FRAME_BOUNDS).or_else(|| {
        let mut bounds = RECT::default();
        // SAFETY: `bounds` is writable.
        unsafe { GetWindowRect(window, &raw mut bounds) }.ok().map(|()| bounds)
    })?;
    Some(area(bounds)).filter(|area| area.width > 0 && area.height > 0)
}

/// Minimised, or "cloaked": on another virtual desktop, or a store program that sleeps.
pub(super) fn is_hidden(window: HWND) -> bool {
    // SAFETY: a plain question about any handle.
    unsafe { IsIconic(window) }.as_bool() || attribute::<u32>(window, DWMWA_CLOAKED).is_some_and(|cloak| cloak != 0)
}

/// Its program has taken it out of captures.
pub(super) fn is_protected(window: HWND) -> bool {
    let mut affinity = 0;
    // SAFETY: `affinity` is writable.
    unsafe { GetWindowDisplayAffinity(window, &raw mut affinity) }.is_ok() && affinity != WDA_NONE.0
}

fn attribute<T: Default + Copy>(window: HWND, name: DWMWINDOWATTRIBUTE) -> Option<T> {
    let mut value = T::default();
    // SAFETY: `value` is writable, its size is said, and the callers name the attribute's own type.
    let got = unsafe { DwmGetWindowAttribute(window, name, (&raw mut value).cast::<c_void>(), size_of::<T>() as u32) };
    got.ok().map(|()| value)
}

fn area(rect: RECT) -> Rect {
    by_edges(rect.left, rect.top, rect.right, rect.bottom)
}
