//! The picture itself: cells, colour bars, flash and a game-like moving scene, as a function of the stamp alone.

use super::{Content, STAMPS_PER_SECOND, Stamp, Zones, cell_bits, flash_is_on, stamp, terminal};

/// The colour bars from left to right, RGB: 75 % white, yellow, cyan, green, magenta, red, blue, and a dark grey.
pub const BARS: [[u8; 3]; 8] =
    [[191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0], [191, 0, 191], [191, 0, 0], [0, 0, 191], [40, 40, 40]];

/// Side of the square texture the scene is made of. A power of two, so that wrapping is a mask.
const TEXTURE: usize = 1024;

/// Pans of the parallax bands, pixels per second: distant landscape to near ground. The nearest one moves further
/// per frame (14 pixels at 60 Hz) than an ultrafast motion search likes, as a game does.
const PANS: [f64; 4] = [120.0, 260.0, 480.0, 840.0];

const SPRITES: u32 = 18;

/// Draws the pattern into a BGRA picture.
#[derive(Debug)]
pub struct Painter {
    content: Content,
    width: u32,
    zones: Zones,
    texture: Vec<u32>,
}

impl Painter {
    /// A painter for pictures of this size in pixels.
    #[must_use]
    pub fn new(content: Content, width: u32, height: u32) -> Self {
        Self { content, width, zones: Zones::of(content, height), texture: texture() }
    }

    /// What it draws.
    #[must_use]
    pub const fn content(&self) -> Content {
        self.content
    }

    /// Draws the picture of `stamp` into `pixels`: `width * height` values 0xffRRGGBB, that is, BGRA bytes.
    pub fn paint(&self, stamp: Stamp, pixels: &mut [u32]) {
        self.paint_fixed(pixels);
        self.paint_moving(stamp, pixels);
    }

    /// The parts that never change: once after each resize.
    pub fn paint_fixed(&self, pixels: &mut [u32]) {
        for y in self.zones.bars.clone() {
            for (x, pixel) in (0_u64..).zip(self.row(pixels, y)) {
                let bar = BARS[usize::try_from(x * 8 / u64::from(self.width)).unwrap_or(0).min(7)];
                *pixel = rgb(bar);
            }
        }
    }

    /// The parts that follow the time: motion, flash and, last, the stamp.
    pub fn paint_moving(&self, stamp: Stamp, pixels: &mut [u32]) {
        if !self.zones.motion.is_empty() {
            // A still pattern keeps its scene, so that a new stamp changes the cells alone.
            match self.content {
                Content::Terminal => self.paint_terminal(stamp, pixels),
                Content::Film => self.paint_film(stamp, pixels),
                Content::Still => self.paint_motion(0, pixels),
                _ => self.paint_motion(stamp, pixels),
            }
        }
        let flash = if flash_is_on(stamp) && self.content != Content::Still { 0xffff_ffff } else { 0xff00_0000 };
        for y in self.zones.flash.clone() {
            self.row(pixels, y).fill(flash);
        }
        let bits = cell_bits(stamp);
        for y in self.zones.stamp.clone() {
            let cell_row = (y * stamp::ROWS / self.zones.stamp.end).min(stamp::ROWS - 1);
            let row = self.row(pixels, y);
            let width = row.len();
            for column in 0..stamp::COLUMNS as usize {
                let index = cell_row as usize * stamp::COLUMNS as usize + column;
                let colour = if (bits >> (63 - index)) & 1 == 1 { 0xffff_ffff } else { 0xff00_0000 };
                let columns = stamp::COLUMNS as usize;
                row[width * column / columns..width * (column + 1) / columns].fill(colour);
            }
        }
    }

    fn row<'a>(&self, pixels: &'a mut [u32], y: u32) -> &'a mut [u32] {
        let width = self.width as usize;
        &mut pixels[y as usize * width..(y as usize + 1) * width]
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn paint_motion(&self, stamp: Stamp, pixels: &mut [u32]) {
        let seconds = (stamp % 100_000_000) as f64 / 10_000.0;
        let zone = self.zones.motion.clone();
        let height = zone.end - zone.start;
        // The camera sways, so that speed and direction change all the time.
        let sway = (seconds * 0.7).sin() * 300.0;
        let lift = ((seconds * 0.9).sin() * 60.0 + 512.0) as usize;
        for y in zone.clone() {
            let band = (((y - zone.start) * PANS.len() as u32) / height) as usize;
            let shift = (seconds * PANS[band] + sway * PANS[band] / PANS[1] + 40_000.0) as usize & (TEXTURE - 1);
            let source = ((y as usize + lift + band * 97) & (TEXTURE - 1)) * TEXTURE;
            let texture = &self.texture[source..source + TEXTURE];
            let row = self.row(pixels, y);
            let mut filled = 0;
            let mut from = shift;
            while filled < row.len() {
                let run = (TEXTURE - from).min(row.len() - filled);
                row[filled..filled + run].copy_from_slice(&texture[from..from + run]);
                filled += run;
                from = 0;
            }
        }
        for index in 0..SPRITES {
            self.paint_sprite(index, seconds, pixels);
        }
    }

    fn paint_terminal(&self, stamp: Stamp, pixels: &mut [u32]) {
        let zone = self.zones.motion.clone();
        for y in zone.clone() {
            terminal::paint_row(stamp, y - zone.start, zone.end - zone.start, self.row(pixels, y));
        }
    }

    /// Magnified and pale, so that nothing is sharp; light grain over it, new in each picture.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn paint_film(&self, stamp: Stamp, pixels: &mut [u32]) {
        const SHOT: u64 = 4 * STAMPS_PER_SECOND;
        let (shot, into) = (stamp / SHOT, (stamp % SHOT) as f64 / STAMPS_PER_SECOND as f64);
        let place = hash(shot as u32);
        // A pan of 40 to 100 pixels a second, to the left or to the right.
        let speed = (20.0 + f64::from(place >> 27)) * if place & 1 == 0 { 1.0 } else { -1.0 };
        let shift = (f64::from(place & 0x3ff) + 2048.0 + into * speed) as usize;
        let mut grain = hash(stamp as u32) | 1;
        for y in self.zones.motion.clone() {
            let source = (((y / 3) as usize + (place >> 10) as usize) & (TEXTURE - 1)) * TEXTURE;
            let texture = &self.texture[source..source + TEXTURE];
            for (x, pixel) in self.row(pixels, y).iter_mut().enumerate() {
                grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let texel = texture[(shift + x / 3) & (TEXTURE - 1)];
                // Half its contrast, so that two bits of grain can't run over.
                let pale = ((texel & 0x00fe_fefe) >> 1) + 0x0030_3030;
                *pixel = 0xff00_0000 | (pale + (grain >> 30) * 0x0001_0101);
            }
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn paint_sprite(&self, index: u32, seconds: f64, pixels: &mut [u32]) {
        let zone = self.zones.motion.clone();
        let height = zone.end - zone.start;
        let phase = f64::from(index) * 1.7;
        let side = (height / 10 + index * 3).max(4).min(height / 2).min(self.width / 2);
        let travel_x = f64::from(self.width - side);
        let travel_y = f64::from(height - side);
        let x = ((seconds * (0.9 + 0.07 * f64::from(index)) + phase).sin() * 0.5 + 0.5) * travel_x;
        let y = ((seconds * (1.3 - 0.04 * f64::from(index)) + phase * 2.0).cos() * 0.5 + 0.5) * travel_y;
        let (x, y) = (x as usize, zone.start + y as u32);
        let tint = 0x0010_2040_u32.wrapping_mul(index + 3) & 0x007f_7f7f;
        for line in 0..side {
            let source = ((line + index * 53) as usize & (TEXTURE - 1)) * TEXTURE + (index as usize * 37);
            let target = &mut self.row(pixels, y + line)[x..x + side as usize];
            for (pixel, texel) in target.iter_mut().zip(&self.texture[source..]) {
                *pixel = 0xff00_0000 | (((texel & 0x00fe_fefe) >> 1) + tint);
            }
        }
    }
}

const fn rgb([r, g, b]: [u8; 3]) -> u32 {
    0xff00_0000 | (r as u32) << 16 | (g as u32) << 8 | b as u32
}

/// Value noise of several octaves with hard edges in it: about as hard to encode as a game's ground and foliage.
fn texture() -> Vec<u32> {
    let octave = |shift: u32, seed: u32, x: u32, y: u32| -> u32 {
        let cells = TEXTURE as u32 >> shift;
        let (cx, cy) = (x >> shift, y >> shift);
        let at = |x: u32, y: u32| hash((x % cells) | (y % cells) << 12 | seed << 24) & 0xff;
        let size = 1_u32 << shift;
        let (fx, fy) = (x & (size - 1), y & (size - 1));
        let top = at(cx, cy) * (size - fx) + at(cx + 1, cy) * fx;
        let bottom = at(cx, cy + 1) * (size - fx) + at(cx + 1, cy + 1) * fx;
        (top * (size - fy) + bottom * fy) >> (2 * shift)
    };
    let mut pixels = Vec::with_capacity(TEXTURE * TEXTURE);
    for y in 0..TEXTURE as u32 {
        for x in 0..TEXTURE as u32 {
            let base = octave(7, 1, x, y) * 4 + octave(5, 2, x, y) * 3 + octave(3, 3, x, y) * 2 + octave(1, 4, x, y);
            let mut value = base / 10;
            // Bricks: straight, high-contrast edges.
            if (octave(6, 5, x, y) > 130) && (y % 32 < 2 || (x + (y / 32 % 2) * 32) % 64 < 2) {
                value /= 3;
            }
            let hue = octave(6, 6, x, y);
            let red = (value + hue / 3).min(235);
            let green = (value + (255 - hue) / 4).min(235);
            let blue = (value * 3 / 4 + 10).min(235);
            pixels.push(0xff00_0000 | red << 16 | green << 8 | blue);
        }
    }
    pixels
}

pub(super) const fn hash(value: u32) -> u32 {
    let mut v = value.wrapping_mul(0x9e37_79b1);
    v ^= v >> 15;
    v = v.wrapping_mul(0x85eb_ca77);
    v ^= v >> 13;
    v = v.wrapping_mul(0xc2b2_ae3d);
    v ^ (v >> 16)
}
