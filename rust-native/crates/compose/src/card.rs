//! What is shown in place of a source that is gone: never a silent black.
//!
//! Words need fonts, which are others' business: whoever loses a source may bring the card that says why.

use std::sync::Arc;

use media::{Alpha, MediaTime, PixelBuffer, Size, VideoFrame};

/// Blue, green, red: dark slate with a red frame and light letters.
const GROUND: [u8; 4] = [0x3a, 0x2c, 0x24, 255];
const FRAME: [u8; 4] = [0x4d, 0x4d, 0xe0, 255];
const INK: [u8; 4] = [0xf0, 0xf0, 0xf0, 255];

/// The letters of [`TEXT`], five by seven, the leftmost column in the highest of five bits.
const LETTERS: [(char, [u8; 7]); 8] = [
    ('C', [0b01110, 0b10001, 0b10000, 0b10000, 0b10000, 0b10001, 0b01110]),
    ('E', [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111]),
    ('L', [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111]),
    ('O', [0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110]),
    ('R', [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001]),
    ('S', [0b01111, 0b10000, 0b10000, 0b01110, 0b00001, 0b00001, 0b11110]),
    ('T', [0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100]),
    ('U', [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110]),
];
const TEXT: &str = "SOURCE LOST";
/// Dots from one letter to the next.
const PITCH: usize = 6;

/// Paints a card of any size; the default one says "SOURCE LOST".
#[derive(Clone)]
pub struct Card(Arc<dyn Fn(Size) -> VideoFrame + Send + Sync>);

impl Card {
    /// `paint` gives an opaque frame of the size that it is asked for. It is called where the scene is composed, for
    /// each place that the source has in it, not for each picture.
    pub fn new(paint: impl Fn(Size) -> VideoFrame + Send + Sync + 'static) -> Self {
        Self(Arc::new(paint))
    }

    pub(crate) fn paint(&self, size: Size) -> VideoFrame {
        (self.0)(size)
    }

    /// Whether it is the same one, and not one that looks like it.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Default for Card {
    fn default() -> Self {
        Self::new(source_lost)
    }
}

impl std::fmt::Debug for Card {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Card")
    }
}

/// "SOURCE LOST", as large as fits.
fn source_lost(size: Size) -> VideoFrame {
    let (width, height) = (size.width as usize, size.height as usize);
    let mut pixels = GROUND.repeat(width * height);
    let mut fill = |x: usize, y: usize, across: usize, down: usize, colour: [u8; 4]| {
        for row in y..(y + down).min(height) {
            let end = (x + across).min(width);
            if x < end {
                pixels[4 * (row * width + x)..4 * (row * width + end)]
                    .chunks_exact_mut(4)
                    .for_each(|pixel| pixel.copy_from_slice(&colour));
            }
        }
    };
    let edge = (width.min(height) / 60).max(1);
    fill(0, 0, width, edge, FRAME);
    fill(0, height.saturating_sub(edge), width, edge, FRAME);
    fill(0, 0, edge, height, FRAME);
    fill(width.saturating_sub(edge), 0, edge, height, FRAME);
    let columns = TEXT.len() * PITCH - 1;
    // Two thirds of the width, a third of the height; on a stamp there is the frame alone.
    let dot = (width * 2 / 3 / columns).min(height / 3 / 7);
    let (left, top) = ((width - (dot * columns).min(width)) / 2, (height - (dot * 7).min(height)) / 2);
    for (index, letter) in TEXT.chars().enumerate() {
        let Some((_, rows)) = LETTERS.iter().find(|(name, _)| *name == letter) else { continue };
        for (row, bits) in rows.iter().enumerate() {
            for column in (0..5).filter(|column| bits & (0b10000 >> column) != 0) {
                fill(left + dot * (index * PITCH + column), top + dot * row, dot, dot, INK);
            }
        }
    }
    VideoFrame {
        captured_at: MediaTime::ZERO,
        size,
        stride: 4 * width,
        pixels: PixelBuffer::new(Arc::new(pixels)),
        alpha: Alpha::Opaque,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_is_there_and_every_size_can_be_drawn() {
        assert!(TEXT.chars().all(|letter| letter == ' ' || LETTERS.iter().any(|(name, _)| *name == letter)));
        for (width, height) in [(2, 2), (2, 1080), (1920, 2), (320, 180), (1920, 1080), (1080, 1920)] {
            let card = source_lost(Size { width, height });
            let light = card.pixels.bytes().chunks_exact(4).filter(|pixel| pixel[..3] == INK[..3]).count();
            assert_eq!(light > 0, width.min(height) > 100, "{width}×{height}: {light}");
        }
    }
}
