//! A small JPEG of a source, by GDI: a capture session for each would flash its yellow border on Windows 10.

use std::ffi::c_void;
use std::mem::size_of;
use std::ptr::null_mut;

use media::Size;
use windows::Win32::Foundation::HWND;
use windows::Win32::Graphics::Gdi::{
    BI_RGB, BITMAPINFO, BITMAPINFOHEADER, BitBlt, CreateCompatibleDC, CreateDIBSection, DIB_RGB_COLORS, DeleteDC,
    DeleteObject, GdiFlush, GetDC, HBITMAP, HDC, HGDIOBJ, ReleaseDC, SRCCOPY, SelectObject,
};
use windows::Win32::Storage::Xps::{PRINT_WINDOW_FLAGS, PrintWindow};
use windows::Win32::UI::WindowsAndMessaging::{GetWindowRect, IsHungAppWindow, PW_RENDERFULLCONTENT};

use super::target::{Aim, RealPixels, Standing, Target, handle};
use crate::video::desktop_id::by_edges;
use crate::video::{Rect, VideoError, shrink};

/// See [`crate::video::thumbnail`].
pub(super) fn thumbnail(id: &str, max: Size) -> Result<Vec<u8>, VideoError> {
    let _real = RealPixels::new();
    let aim = Aim::find(id)?;
    let area = match aim.target.standing() {
        Standing::Shown(whole) => aim.place(whole)?.0,
        Standing::Hidden => return Err(VideoError::SourceMinimised),
        Standing::Protected => return Err(VideoError::ProtectedContent),
        Standing::Gone => return Err(VideoError::SourceNotFound(id.to_owned())),
    };
    let canvas = match aim.target {
        Target::Monitor(_) => {
            let canvas = Canvas::new(Size { width: area.width, height: area.height })?;
            canvas.copy_screen(area)?;
            canvas
        }
        Target::Window(window) => {
            let whole = whole_window(handle(&window))?;
            let canvas = Canvas::new(Size { width: whole.width, height: whole.height })?;
            canvas.print(handle(&window))?;
            canvas
        }
    };
    let size = canvas.size;
    shrink::jpeg(canvas.bytes(), size.width as usize * 4, size, max)
}

/// A window with its invisible borders, as it prints itself.
fn whole_window(window: HWND) -> Result<Rect, VideoError> {
    let mut bounds = windows::Win32::Foundation::RECT::default();
    // SAFETY: `bounds` is writable.
    unsafe { GetWindowRect(window, &raw mut bounds) }.map_err(|_| VideoError::SourceClosed)?;
    Ok(by_edges(bounds.left, bounds.top, bounds.right, bounds.bottom))
}

/// A bitmap in memory that GDI draws into: BGRX, rows from the top, without padding.
struct Canvas {
    size: Size,
    context: HDC,
    bitmap: HBITMAP,
    replaced: HGDIOBJ,
    pixels: *mut c_void,
}

impl Canvas {
    fn new(size: Size) -> Result<Self, VideoError> {
        let failed = |what: &str| VideoError::Thumbnail(format!("no {what} in memory"));
        let (width, height) = (i32::try_from(size.width), i32::try_from(size.height));
        let (Ok(width @ 1..), Ok(height @ 1..)) = (width, height) else { return Err(failed("empty picture")) };
        // SAFETY: without a device to be compatible with, the screen's is taken.
        let context = unsafe { CreateCompatibleDC(None) };
        if context.is_invalid() {
            return Err(failed("drawing context"));
        }
        let info = BITMAPINFO {
            bmiHeader: BITMAPINFOHEADER {
                biSize: size_of::<BITMAPINFOHEADER>() as u32,
                biWidth: width,
                // Rows from the top.
                biHeight: -height,
                biPlanes: 1,
                biBitCount: 32,
                biCompression: BI_RGB.0,
                ..BITMAPINFOHEADER::default()
            },
            ..BITMAPINFO::default()
        };
        let mut pixels = null_mut();
        // SAFETY: `info` says what it is, and `pixels` is writable.
        let bitmap =
            unsafe { CreateDIBSection(Some(context), &raw const info, DIB_RGB_COLORS, &raw mut pixels, None, 0) };
        let Ok(bitmap) = bitmap else {
            // SAFETY: made above, and not used any more.
            let _ = unsafe { DeleteDC(context) };
            return Err(failed("bitmap"));
        };
        // SAFETY: both were made above.
        let replaced = unsafe { SelectObject(context, bitmap.into()) };
        Ok(Self { size, context, bitmap, replaced, pixels })
    }

    fn copy_screen(&self, area: Rect) -> Result<(), VideoError> {
        // SAFETY: the whole screen's context, given back below.
        let screen = unsafe { GetDC(None) };
        let (width, height) = (self.size.width as i32, self.size.height as i32);
        // SAFETY: both contexts are live, and the target is as large as what is copied.
        let copied = unsafe { BitBlt(self.context, 0, 0, width, height, Some(screen), area.x, area.y, SRCCOPY) };
        // SAFETY: taken above.
        unsafe { ReleaseDC(None, screen) };
        copied.map_err(|error| VideoError::Thumbnail(error.to_string()))
    }

    fn print(&self, window: HWND) -> Result<(), VideoError> {
        // SAFETY: a plain question. A window that hangs would hold us up with it.
        if unsafe { IsHungAppWindow(window) }.as_bool() {
            return Err(VideoError::Thumbnail("its program does not react".to_owned()));
        }
        // SAFETY: the context is live; a window that is gone meanwhile is answered with "no".
        let printed = unsafe { PrintWindow(window, self.context, PRINT_WINDOW_FLAGS(PW_RENDERFULLCONTENT)) };
        if printed.as_bool() { Ok(()) } else { Err(VideoError::Thumbnail("it does not print itself".to_owned())) }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: drawing may be queued until this call; it takes nothing.
        let _ = unsafe { GdiFlush() };
        let length = self.size.width as usize * self.size.height as usize * 4;
        // SAFETY: the bitmap's own memory, which has that length and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.pixels.cast::<u8>(), length) }
    }
}

impl Drop for Canvas {
    fn drop(&mut self) {
        // SAFETY: all three are this value's own; the bitmap is taken out of the context before it is deleted.
        unsafe {
            SelectObject(self.context, self.replaced);
            let _ = DeleteObject(self.bitmap.into());
            let _ = DeleteDC(self.context);
        }
    }
}
