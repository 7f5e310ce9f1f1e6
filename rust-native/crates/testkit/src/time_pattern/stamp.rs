//! The stamp as bits and cells: 48 bits of time and 16 of checksum, 16 columns by 4 rows.

use super::{Content, Stamp, Zones};

pub(super) const COLUMNS: u32 = 16;
pub(super) const ROWS: u32 = 4;
pub(super) const STAMP_MASK: u64 = (1 << 48) - 1;

/// White and black must differ by this much before a picture is believed to hold cells at all: a flat grey card
/// would otherwise be thresholded into noise.
const MIN_CONTRAST: f64 = 70.0;

/// How far, in cells, the pattern may lie from where it is expected (a window's frame, a rounded scale).
const SHIFTS: [f64; 5] = [0.0, -0.3, 0.3, -0.6, 0.6];

/// A picture to read: one byte of luma (or of any colour channel) per `step` bytes.
#[derive(Debug, Clone, Copy)]
pub struct Luma<'a> {
    /// The bytes.
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes from one pixel to the next: 1 for a luma plane, 4 for BGRA.
    pub step: usize,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// Where the pattern lies in a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Region {
    /// The whole picture.
    #[must_use]
    pub fn whole(width: u32, height: u32) -> Self {
        Self { x: 0.0, y: 0.0, width: f64::from(width), height: f64::from(height) }
    }
}

/// CRC-16/CCITT-FALSE over the six bytes of the stamp.
fn checksum(stamp: Stamp) -> u16 {
    let mut crc = 0xffff_u16;
    for byte in &stamp.to_be_bytes()[2..] {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
    }
    crc
}

/// The 64 cells of a stamp, the first one in the highest bit; white is 1.
#[must_use]
pub fn cell_bits(stamp: Stamp) -> u64 {
    ((stamp & STAMP_MASK) << 16) | u64::from(checksum(stamp & STAMP_MASK))
}

/// Reads the stamp of a picture that shows `content` in `region`. `None` where none can be read for certain.
#[must_use]
pub fn decode(picture: Luma<'_>, content: Content, region: Region) -> Option<Stamp> {
    SHIFTS
        .iter()
        .flat_map(|dy| SHIFTS.iter().map(move |dx| (*dx, *dy)))
        .find_map(|(dx, dy)| decode_at(picture, content, region, dx, dy))
}

fn decode_at(picture: Luma<'_>, content: Content, region: Region, dx: f64, dy: f64) -> Option<Stamp> {
    // The share of the height comes from whole pixels of a large picture, so that rounding doesn't matter here.
    let share = f64::from(Zones::of(content, 6400).stamp.end) / 6400.0;
    let cell_width = region.width / f64::from(COLUMNS);
    let cell_height = region.height * share / f64::from(ROWS);
    let mut levels = [0.0_f64; 64];
    for (index, level) in (0_u32..).zip(levels.iter_mut()) {
        let centre_x = region.x + cell_width * (f64::from(index % COLUMNS) + 0.5 + dx);
        let centre_y = region.y + cell_height * (f64::from(index / COLUMNS) + 0.5 + dy);
        *level = mean(picture, centre_x, centre_y, cell_width * 0.2, cell_height * 0.2)?;
    }
    let (low, high) = levels.iter().fold((255.0_f64, 0.0_f64), |(low, high), v| (low.min(*v), high.max(*v)));
    if high - low < MIN_CONTRAST {
        return None;
    }
    let middle = (low + high) / 2.0;
    let bits = levels.iter().fold(0_u64, |bits, level| (bits << 1) | u64::from(*level > middle));
    let stamp = bits >> 16;
    (cell_bits(stamp) == bits).then_some(stamp)
}

/// Mean level of the box around a point; `None` where it leaves the picture.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn mean(picture: Luma<'_>, x: f64, y: f64, half_width: f64, half_height: f64) -> Option<f64> {
    let (left, right) = ((x - half_width).floor(), (x + half_width).floor());
    let (top, bottom) = ((y - half_height).floor(), (y + half_height).floor());
    if left < 0.0 || top < 0.0 || right >= f64::from(picture.width) || bottom >= f64::from(picture.height) {
        return None;
    }
    let (mut sum, mut count) = (0.0, 0.0);
    for row in top as usize..=bottom as usize {
        for column in left as usize..=right as usize {
            sum += f64::from(*picture.data.get(row * picture.stride + column * picture.step)?);
            count += 1.0;
        }
    }
    Some(sum / count)
}
