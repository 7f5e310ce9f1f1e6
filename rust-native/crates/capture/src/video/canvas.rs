//! A picture in our own memory, to be painted on.

use std::sync::Arc;

use media::{Alpha, MediaTime, PixelBuffer, Size, VideoFrame};

/// The longest side of a picture that we paint or read, pixels.
pub(super) const MOST_SIDE: u32 = 16_384;
/// The most pixels of a picture that we paint or read: 256 MiB. Twice an 8K screen.
pub(super) const MOST_AREA: u64 = 64 << 20;

/// Premultiplied BGRA, rows without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Canvas {
    pub(super) size: Size,
    pub(super) pixels: Vec<u8>,
}

impl Canvas {
    /// All of one colour, given as premultiplied BGRA.
    pub(super) fn filled(size: Size, colour: [u8; 4]) -> Self {
        Self { size, pixels: colour.repeat(size.area() as usize) }
    }

    /// Fills a rectangle; what lies outside is left out.
    pub(super) fn fill(&mut self, left: u32, top: u32, width: u32, height: u32, colour: [u8; 4]) {
        let right = left.saturating_add(width).min(self.size.width);
        for row in top..top.saturating_add(height).min(self.size.height) {
            let start = (row * self.size.width + left.min(right)) as usize * 4;
            let end = (row * self.size.width + right) as usize * 4;
            self.pixels[start..end].chunks_exact_mut(4).for_each(|pixel| pixel.copy_from_slice(&colour));
        }
    }

    /// Paints a premultiplied pixel over the one that is there; outside of the picture it is lost.
    pub(super) fn blend(&mut self, x: i32, y: i32, over: [u8; 4]) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if x >= self.size.width || y >= self.size.height {
            return;
        }
        let at = (y * self.size.width + x) as usize * 4;
        let rest = 255 - u16::from(over[3]);
        for (below, over) in self.pixels[at..at + 4].iter_mut().zip(over) {
            *below = over.saturating_add(((u16::from(*below) * rest + 127) / 255) as u8);
        }
    }

    /// Paints another picture over this one, its corner there.
    pub(super) fn draw(&mut self, picture: &Self, left: i32, top: i32) {
        for (index, pixel) in picture.pixels.chunks_exact(4).enumerate() {
            let (x, y) = (index as u32 % picture.size.width, index as u32 / picture.size.width);
            if pixel[3] > 0 {
                self.blend(left + x as i32, top + y as i32, [pixel[0], pixel[1], pixel[2], pixel[3]]);
            }
        }
    }

    /// What can be seen through it.
    fn alpha(&self) -> Alpha {
        let is_opaque = self.pixels.chunks_exact(4).all(|pixel| pixel[3] == 255);
        if is_opaque { Alpha::Opaque } else { Alpha::Premultiplied }
    }

    /// As a frame, without a copy.
    pub(super) fn into_frame(self, at: MediaTime) -> VideoFrame {
        VideoFrame {
            captured_at: at,
            size: self.size,
            stride: self.size.width as usize * 4,
            alpha: self.alpha(),
            pixels: PixelBuffer::new(Arc::new(self.pixels)),
        }
    }
}

/// Premultiplied BGRA of a colour as people write it: red, green, blue, alpha.
pub(super) fn premultiply([red, green, blue, alpha]: [u8; 4]) -> [u8; 4] {
    let times = |part: u8| ((u16::from(part) * u16::from(alpha) + 127) / 255) as u8;
    [times(blue), times(green), times(red), alpha]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_multiplied_by_their_alpha() {
        assert_eq!(premultiply([255, 128, 0, 255]), [0, 128, 255, 255]);
        assert_eq!(premultiply([255, 128, 0, 128]), [0, 64, 128, 128]);
        assert_eq!(premultiply([9, 9, 9, 0]), [0; 4]);
    }

    #[test]
    fn over_leaves_what_shows_through() {
        let mut canvas = Canvas::filled(Size { width: 2, height: 1 }, [0, 0, 255, 255]);
        canvas.blend(0, 0, premultiply([0, 0, 255, 128]));
        canvas.blend(5, 0, [1; 4]);
        canvas.blend(-1, 0, [1; 4]);
        assert_eq!(canvas.pixels, [128, 0, 127, 255, 0, 0, 255, 255]);
    }

    #[test]
    fn rectangles_are_clipped() {
        let mut canvas = Canvas::filled(Size { width: 3, height: 2 }, [0; 4]);
        canvas.fill(2, 1, 9, 9, [1; 4]);
        canvas.fill(7, 0, 1, 1, [2; 4]);
        assert_eq!(canvas.pixels.iter().map(|&part| u32::from(part)).sum::<u32>(), 4);
    }
}
