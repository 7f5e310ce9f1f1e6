//! Pictures on their way from a device to an encoder.

use std::fmt;
use std::sync::Arc;

use crate::{MediaTime, Size, Surface};

/// Pixel memory that belongs to whoever captured it and returns there when the last clone is dropped.
///
/// A capture pool keeps one clone of each `Arc` itself: a buffer is free when its count is one.
#[derive(Clone)]
pub struct PixelBuffer {
    memory: Arc<dyn AsRef<[u8]> + Send + Sync>,
    length: usize,
    surface: Option<Surface>,
}

impl PixelBuffer {
    /// Wraps shared memory, without a copy.
    pub fn new(memory: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Self {
        let length = (*memory).as_ref().len();
        Self { memory, length, surface: None }
    }

    /// Pixels on a graphics card. `memory` reads them back where somebody asks for bytes, once, and gives at least
    /// `length` of them, also where the card fails (black then).
    pub fn on_card(surface: Surface, length: usize, memory: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Self {
        Self { memory, length, surface: Some(surface) }
    }

    /// The bytes; read back from the card where they lie there.
    pub fn bytes(&self) -> &[u8] {
        (*self.memory).as_ref()
    }

    /// How many bytes there are, without reading any.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Where they lie, if that is a graphics card.
    pub fn surface(&self) -> Option<&Surface> {
        self.surface.as_ref()
    }
}

impl fmt::Debug for PixelBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PixelBuffer({} bytes, {:?})", self.length, self.surface)
    }
}

/// What the fourth byte of a pixel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Alpha {
    /// Nothing: it may hold anything, every pixel is opaque. Screens, windows, cameras.
    #[default]
    Opaque,
    /// How opaque the pixel is, 0 to 255, and blue, green and red are multiplied by it already (in sRGB, as painters
    /// do): each is at most the alpha, and "over" is `source + below * (255 - alpha) / 255`. Whoever ignores the
    /// alpha sees the picture on black. Picture files and text.
    Premultiplied,
}

/// One captured picture, in memory or on a graphics card: 8-bit BGRA, full-range sRGB, rows from the top; the fourth byte is what [`Alpha`] says.
#[derive(Debug, Clone)]
pub struct VideoFrame {
    /// When the device's pixels were read.
    pub captured_at: MediaTime,
    /// Width and height in pixels; any parity.
    pub size: Size,
    /// Bytes from one row to the next, at least `4 * width`.
    pub stride: usize,
    /// At least `stride * height` bytes.
    pub pixels: PixelBuffer,
    /// Whether pixels may be seen through.
    pub alpha: Alpha,
}

/// One plane of a [`Picture`]: 8-bit samples, rows from the top.
#[derive(Debug, Clone, Default)]
pub struct Plane {
    /// `stride * rows` bytes.
    pub data: Vec<u8>,
    /// Bytes from one row to the next; a multiple of 32, for SIMD.
    pub stride: usize,
}

/// A picture ready for an encoder: planar 4:2:0 (I420), BT.709 matrix, limited range, even width and height.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Luma width and height.
    pub size: Size,
    /// Y (width × height), U and V (half of each).
    pub planes: [Plane; 3],
    /// When the newest pixels in it were captured.
    pub captured_at: MediaTime,
}

impl Picture {
    /// A black picture; `size` is rounded up to even numbers.
    pub fn black(size: Size) -> Self {
        let size = size.even();
        let plane = |width: u32, height: u32, value: u8| {
            let stride = (width as usize).next_multiple_of(32);
            Plane { data: vec![value; stride * height as usize], stride }
        };
        let (half_width, half_height) = (size.width / 2, size.height / 2);
        Self {
            size,
            planes: [
                plane(size.width, size.height, 16),
                plane(half_width, half_height, 128),
                plane(half_width, half_height, 128),
            ],
            captured_at: MediaTime::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_is_limited_range_and_even() {
        let picture = Picture::black(Size { width: 33, height: 17 });
        assert_eq!(picture.size, Size { width: 34, height: 18 });
        assert_eq!(picture.planes[0].stride, 64);
        assert_eq!(picture.planes[1].data.len(), 32 * 9);
        assert_eq!((picture.planes[0].data[0], picture.planes[2].data[0]), (16, 128));
    }
}
