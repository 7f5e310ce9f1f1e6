//! Colour bars with a stamp that moves: what is seen at the other end, and when it was made.
//!
//! Above, eight bars of full saturation (white, yellow, cyan, green, magenta, red, blue, black). Below them a strip
//! with the number of the millisecond in binary, 32 fields from left to right, highest bit first: bright is one. A
//! white mark runs along the strip's lower edge once in two seconds.

use std::sync::Arc;

use media::{Alpha, MediaTime, PixelBuffer, Size, VideoFrame};

use crate::video::canvas::Canvas;

const BARS: [[u8; 4]; 8] = [
    [255, 255, 255, 255],
    [0, 255, 255, 255],
    [255, 255, 0, 255],
    [0, 255, 0, 255],
    [255, 0, 255, 255],
    [0, 0, 255, 255],
    [255, 0, 0, 255],
    [0, 0, 0, 255],
];
const ONE: [u8; 4] = [235, 235, 235, 255];
const ZERO: [u8; 4] = [40, 40, 40, 255];
/// Binary digits of the stamp.
const DIGITS: u32 = 32;
/// Time of the mark from the left edge to the right one, milliseconds.
const SWEEP_MS: u64 = 2000;
/// Pictures that may be out at once, as in a device's pool.
const MOST_BUFFERS: usize = 6;

/// The pattern and the memory of its frames.
#[derive(Debug)]
pub(super) struct Pattern {
    bars: Canvas,
    buffers: Vec<Arc<Vec<u8>>>,
}

/// The strip's first row and its height.
fn strip(size: Size) -> (u32, u32) {
    let height = (size.height / 6).max(1);
    (size.height - height, height)
}

impl Pattern {
    pub(super) fn new(size: Size) -> Self {
        let mut bars = Canvas::filled(size, BARS[7]);
        let count = BARS.len() as u32;
        for (index, &colour) in (0..).zip(&BARS) {
            let (left, right) = (edge(size.width, index, count), edge(size.width, index + 1, count));
            bars.fill(left, 0, right - left, strip(size).0, colour);
        }
        Self { bars, buffers: Vec::new() }
    }

    /// The picture at the beginning of time.
    pub(super) fn still(&self) -> Canvas {
        let mut canvas = self.bars.clone();
        stamp(&mut canvas, MediaTime::ZERO);
        canvas
    }

    /// The picture at that time; `None` while consumers hold all memory.
    pub(super) fn frame(&mut self, at: MediaTime) -> Option<VideoFrame> {
        let size = self.bars.size;
        let free = self.buffers.iter_mut().position(|buffer| Arc::get_mut(buffer).is_some());
        let index = match free {
            Some(index) => index,
            None if self.buffers.len() < MOST_BUFFERS => {
                self.buffers.push(Arc::new(self.bars.pixels.clone()));
                self.buffers.len() - 1
            }
            None => return None,
        };
        let pixels = Arc::get_mut(&mut self.buffers[index])?;
        // Only the strip differs from one picture to the next.
        let mut canvas = Canvas { size, pixels: std::mem::take(pixels) };
        stamp(&mut canvas, at);
        *pixels = canvas.pixels;
        let pixels: Arc<Vec<u8>> = Arc::clone(&self.buffers[index]);
        let stride = size.width as usize * 4;
        Some(VideoFrame { captured_at: at, size, stride, pixels: PixelBuffer::new(pixels), alpha: Alpha::Opaque })
    }
}

/// Where the `index`th of `count` fields begins.
fn edge(width: u32, index: u32, count: u32) -> u32 {
    (u64::from(width) * u64::from(index) / u64::from(count)) as u32
}

fn stamp(canvas: &mut Canvas, at: MediaTime) {
    let size = canvas.size;
    let (top, height) = strip(size);
    let value = at.as_millis() as u32;
    for index in 0..DIGITS {
        let (left, right) = (edge(size.width, index, DIGITS), edge(size.width, index + 1, DIGITS));
        let is_one = value >> (DIGITS - 1 - index) & 1 == 1;
        canvas.fill(left, top, right - left, height, if is_one { ONE } else { ZERO });
    }
    let rail = (height / 4).max(1);
    canvas.fill(0, size.height - rail, size.width, rail, BARS[7]);
    let width = (size.width / 24).max(2);
    let way = u64::from(size.width.saturating_sub(width));
    let left = (way * (at.as_millis() % SWEEP_MS) / SWEEP_MS) as u32;
    canvas.fill(left, size.height - rail, width, rail, BARS[0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn pixel(frame: &VideoFrame, x: u32, y: u32) -> [u8; 4] {
        let at = y as usize * frame.stride + x as usize * 4;
        frame.pixels.bytes()[at..at + 4].try_into().expect("four bytes")
    }

    #[test]
    fn the_stamp_tells_the_millisecond() {
        let mut pattern = Pattern::new(Size { width: 640, height: 360 });
        for ms in [0_u64, 1, 123_456_789, u64::from(u32::MAX)] {
            let frame = pattern.frame(MediaTime::ZERO + Duration::from_millis(ms)).expect("a frame");
            let read = (0..32)
                .fold(0_u64, |value, index| value << 1 | u64::from(pixel(&frame, index * 20 + 10, 305)[0] > 128));
            assert_eq!(read, ms);
        }
    }

    #[test]
    fn the_bars_stand_and_the_mark_moves() {
        let mut pattern = Pattern::new(Size { width: 640, height: 360 });
        let first = pattern.frame(MediaTime::ZERO).expect("a frame");
        let second = pattern.frame(MediaTime::ZERO + Duration::from_millis(1000)).expect("a frame");
        for frame in [&first, &second] {
            for (index, colour) in (0..).zip(BARS) {
                assert_eq!(pixel(frame, index * 80 + 40, 100), colour);
            }
        }
        assert_eq!((pixel(&first, 5, 359)[0], pixel(&second, 5, 359)[0]), (255, 0));
        assert_eq!(pixel(&second, 320, 359)[0], 255);
    }

    #[test]
    fn consumers_that_hold_all_memory_get_no_more() {
        let mut pattern = Pattern::new(Size { width: 16, height: 12 });
        let held: Vec<_> = (0..MOST_BUFFERS).map(|_| pattern.frame(MediaTime::ZERO).expect("a frame")).collect();
        assert!(pattern.frame(MediaTime::ZERO).is_none());
        drop(held);
        assert!(pattern.frame(MediaTime::ZERO).is_some());
    }
}
