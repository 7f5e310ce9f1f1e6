//! Pictures that stay in memory of the graphics card (an `IOSurface`), for an encoder that takes them there; whoever
//! asks one for its bytes has them copied, once.

use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, OnceLock};

use media::{Alpha, Native, PixelBuffer, Size, Surface, VideoFrame};
use objc2_core_foundation::{CFRetained, Type};
use objc2_core_media::CMSampleBuffer;
use objc2_core_video::CVPixelBuffer;

use super::pixels;
use crate::video::pool::copy_rows;

/// Pictures that may be out at once: one in the slot, one being encoded, one kept for repeats, and one for a consumer
/// that lags. The framework has few, and stands still while all are held.
pub(super) const MOST_OUT: usize = 4;

// CoreVideo, which `objc2-core-video` links; its own declaration would bring the crate of all of IOSurface's.
unsafe extern "C" {
    /// NULL where the picture does not lie in one.
    safe fn CVPixelBufferGetIOSurface(image: &CVPixelBuffer) -> *const c_void;
}

/// Hands pictures out, and knows how many are.
#[derive(Debug, Default)]
pub(super) struct Surfaces {
    /// Shared by each picture that is out.
    out: Arc<()>,
}

impl Surfaces {
    /// The picture where it lies.
    ///
    /// # Errors
    /// Why it has to be copied instead, in words.
    pub(super) fn frame(&self, sample: &CMSampleBuffer) -> Result<VideoFrame, &'static str> {
        // SAFETY: a live buffer.
        let image = unsafe { sample.image_buffer() }.ok_or("there is none")?;
        let size = pixels::size(&image);
        if !pixels::is_bgra(&image) || size.width == 0 || size.height == 0 {
            return Err("it is of another kind");
        }
        if CVPixelBufferGetIOSurface(&image).is_null() {
            return Err("it does not lie on the graphics card");
        }
        // One is ours.
        if Arc::strong_count(&self.out) > MOST_OUT {
            return Err("consumers hold as many as may be out");
        }
        let held = Arc::new(Held { image, _sample: sample.retain(), _out: Arc::clone(&self.out) });
        let native = Native::CvPixelBuffer(ptr::from_ref::<CVPixelBuffer>(&held.image).expose_provenance());
        let memory = Arc::new(Memory { held: Arc::clone(&held), size, bytes: OnceLock::new() });
        let stride = size.width as usize * 4;
        let pixels = PixelBuffer::on_card(Surface::new(native, held), stride * size.height as usize, memory);
        let captured_at = pixels::captured_at(sample);
        Ok(VideoFrame { captured_at, size, stride, pixels, alpha: Alpha::Opaque })
    }
}

/// Keeps a picture from being drawn over.
struct Held {
    image: CFRetained<CVPixelBuffer>,
    /// What it came in, too: the framework says nowhere which of the two it waits for.
    _sample: CFRetained<CMSampleBuffer>,
    _out: Arc<()>,
}

// SAFETY: CoreFoundation counts references atomically and lets any thread give back the last one. Nothing else is done
// with the two here but to read the pixels, between CoreVideo's lock and unlock, which any thread may.
unsafe impl Send for Held {}
// SAFETY: as above; locks that only read are counted, and don't exclude each other.
unsafe impl Sync for Held {}

/// The bytes, for whoever asks.
struct Memory {
    held: Arc<Held>,
    size: Size,
    bytes: OnceLock<Vec<u8>>,
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get_or_init(|| self.read())
    }
}

impl Memory {
    /// Rows without padding; black where they can't be read.
    fn read(&self) -> Vec<u8> {
        let stride = self.size.width as usize * 4;
        let mut bytes = vec![0; stride * self.size.height as usize];
        match pixels::with_rows(&self.held.image, |rows, row| copy_rows(rows, row, &mut bytes, stride)) {
            Ok(Some(())) => {}
            Ok(None) => tracing::warn!("a picture on the graphics card has no rows: black instead"),
            Err(error) => tracing::warn!(%error, "a picture on the graphics card could not be read: black instead"),
        }
        bytes
    }
}
