//! What there is to capture.

use std::path::{Path, PathBuf};

use windows::Win32::Foundation::{CloseHandle, HWND};
use windows::Win32::System::Threading::{
    OpenProcess, PROCESS_NAME_WIN32, PROCESS_QUERY_LIMITED_INFORMATION, QueryFullProcessImageNameW,
};
use windows::Win32::UI::WindowsAndMessaging::{GetShellWindow, GetWindowThreadProcessId, IsIconic};
use windows::core::PWSTR;
use windows_capture::monitor::Monitor;
use windows_capture::window::Window;

use super::SYSTEM;
use super::target::{RealPixels, handle, is_hidden, monitor_area, window_area};
use crate::video::desktop_id::{DesktopId, What};
use crate::video::{Rect, SourceInfo, SourceKind, VideoError};

/// Windows smaller than this on a side are helpers that no one means to show.
const LEAST_SIDE: u32 = 8;
/// The longest path that Windows gives a program.
const LONGEST_PATH: usize = 32_768;

pub(super) fn list() -> Result<Vec<SourceInfo>, VideoError> {
    let _real = RealPixels::new();
    let mut sources = list_monitors()?;
    let own = std::env::current_exe().ok();
    // In the order of the stack, from the top down.
    let windows = Window::enumerate().map_err(|error| VideoError::Refused(error.to_string()))?;
    sources.extend(windows.iter().filter_map(|window| describe(window, own.as_deref())));
    Ok(sources)
}

fn list_monitors() -> Result<Vec<SourceInfo>, VideoError> {
    let monitors = Monitor::enumerate().map_err(|error| VideoError::Refused(error.to_string()))?;
    let mut sources: Vec<SourceInfo> = monitors
        .iter()
        .filter_map(|monitor| {
            let (device, area) = (monitor.device_name().ok()?, monitor_area(monitor)?);
            let title = monitor.name().ok().filter(|name| !name.trim().is_empty());
            let title = title.unwrap_or_else(|| device.trim_start_matches(r"\\.\").to_owned());
            let id = DesktopId { system: SYSTEM, what: What::Monitor(device) }.to_string();
            Some(SourceInfo {
                lasting_id: id.clone(),
                id,
                kind: SourceKind::Monitor,
                title,
                program: String::new(),
                area,
            })
        })
        .collect();
    // The desktop's origin is the primary monitor's corner.
    sources.sort_by_key(|source| (source.area.x, source.area.y) != (0, 0));
    Ok(sources)
}

/// `None` for a window that is not for capture: without a title, asleep, the desktop itself, or of this program (the
/// engine runs as another process of the very program that owns the app's window).
fn describe(window: &Window, own: Option<&Path>) -> Option<SourceInfo> {
    let hwnd = handle(window);
    let title = window.title().ok().filter(|title| !title.trim().is_empty())?;
    // SAFETY: a plain question about any handle.
    let minimised = unsafe { IsIconic(hwnd) }.as_bool();
    // SAFETY: as above.
    let is_desktop = unsafe { GetShellWindow() } == hwnd;
    if is_desktop || (is_hidden(hwnd) && !minimised) {
        return None;
    }
    let program = program(hwnd);
    if program.is_some() && program.as_deref() == own {
        return None;
    }
    // A minimised window lies far outside the desktop, but can be captured once it is shown.
    let area = if minimised { Rect::default() } else { window_area(hwnd)? };
    if !minimised && area.width.min(area.height) < LEAST_SIDE {
        return None;
    }
    let stem = program.as_deref().and_then(Path::file_stem);
    let program = stem.map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let id = DesktopId { system: SYSTEM, what: What::Window(hwnd.0.addr() as u64) }.to_string();
    Some(SourceInfo { lasting_id: id.clone(), id, kind: SourceKind::Window, title, program, area })
}

/// The file of the program that owns a window; `None` for those of the system itself.
fn program(window: HWND) -> Option<PathBuf> {
    let mut process = 0;
    // SAFETY: `process` is writable.
    unsafe { GetWindowThreadProcessId(window, Some(&raw mut process)) };
    // SAFETY: the right to ask for the name is given for every process, elevated ones too.
    let opened = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, false, process) }.ok()?;
    let mut text = vec![0_u16; LONGEST_PATH];
    let mut length = LONGEST_PATH as u32;
    // SAFETY: `text` holds `length` units, and `opened` is open until the next line.
    let asked =
        unsafe { QueryFullProcessImageNameW(opened, PROCESS_NAME_WIN32, PWSTR(text.as_mut_ptr()), &raw mut length) };
    // SAFETY: opened above, and closed once.
    let _ = unsafe { CloseHandle(opened) };
    asked.ok()?;
    text.get(..length as usize).map(|text| PathBuf::from(String::from_utf16_lossy(text)))
}
