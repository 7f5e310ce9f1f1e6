//! The work on planes: bars and scaling.

use media::{Picture, Size, VideoFrame};

use crate::convert::convert;
use crate::halve::halved;
use crate::resample::{Filter, Resampler, Taps};
use crate::{ComposeError, Rect};

/// Black in limited range: luma, then both chromas.
const BLACK: [u8; 3] = [16, 128, 128];

/// A part of a frame, whole pixels.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// From its first pixel to the end of the frame's memory.
    pub(crate) bytes: &'a [u8],
    pub(crate) stride: usize,
    pub(crate) size: Size,
}

impl<'a> View<'a> {
    /// All of the frame, which was checked.
    pub(crate) fn whole(frame: &'a VideoFrame) -> Self {
        Self { bytes: frame.pixels.bytes(), stride: frame.stride, size: frame.size }
    }

    /// What begins at that pixel of it and has that size; it lies within.
    pub(crate) fn part(self, x: u32, y: u32, size: Size) -> Self {
        Self { bytes: &self.bytes[y as usize * self.stride + 4 * x as usize..], stride: self.stride, size }
    }

    /// Its pixels of one row.
    pub(crate) fn row(self, y: u32) -> &'a [u8] {
        &self.bytes[y as usize * self.stride..][..4 * self.size.width as usize]
    }
}

/// Whether it is a picture of that size, with all of its memory.
pub(crate) fn is_whole(picture: &Picture, size: Size) -> bool {
    picture.size == size
        && picture.planes.iter().enumerate().all(|(index, plane)| {
            let (width, rows) = part(index, size.width, size.height);
            plane.stride >= width && plane.data.len() >= plane.stride * rows
        })
}

/// Luma numbers as they are in plane `index`.
pub(crate) fn part(index: usize, x: u32, y: u32) -> (usize, usize) {
    let shift = u32::from(index > 0);
    ((x >> shift) as usize, (y >> shift) as usize)
}

/// Makes everything outside `rect` black.
pub(crate) fn blacken_around(out: &mut Picture, rect: Rect) {
    let Size { width, height } = out.size;
    for (index, plane) in out.planes.iter_mut().enumerate() {
        let (left, top) = part(index, rect.x, rect.y);
        let (right, bottom) = part(index, rect.x + rect.size.width, rect.y + rect.size.height);
        let (width, rows) = part(index, width, height);
        let stride = plane.stride;
        plane.data[..top * stride].fill(BLACK[index]);
        plane.data[bottom * stride..rows * stride].fill(BLACK[index]);
        if left > 0 || right < width {
            for row in plane.data[top * stride..bottom * stride].chunks_exact_mut(stride) {
                row[..left].fill(BLACK[index]);
                row[right..width].fill(BLACK[index]);
            }
        }
    }
}

/// Draws frames at another size than their own.
#[derive(Default)]
pub(crate) struct Scaler {
    planes: PlaneScaler,
    /// The frame at its own size.
    converted: Option<Picture>,
    /// Memory of halved frames.
    halves: Vec<Vec<u8>>,
}

impl Scaler {
    /// Halves the frame as long as it is at least twice as large as its place; then converts it and scales the three
    /// planes: one and a half bytes per pixel instead of four. What is exactly a half or a quarter goes straight to
    /// its place.
    pub(crate) fn draw(&mut self, view: View<'_>, out: &mut Picture, rect: Rect) -> Result<(), ComposeError> {
        self.draw_halved(view, [view.size.width, view.size.height].map(f64::from), out, rect)
    }

    /// `own` is the frame's size without what halving an odd one added.
    fn draw_halved(
        &mut self,
        view: View<'_>,
        own: [f64; 2],
        out: &mut Picture,
        rect: Rect,
    ) -> Result<(), ComposeError> {
        let wanted = [rect.size.width, rect.size.height].map(f64::from);
        if own == wanted {
            return convert(view, out, rect);
        }
        if own[0] < 2.0 * wanted[0] || own[1] < 2.0 * wanted[1] {
            return self.resize(view, own, out, rect);
        }
        let mut memory = self.halves.pop().unwrap_or_default();
        let done = self.draw_halved(halved(view, &mut memory), own.map(|side| side / 2.0), out, rect);
        self.halves.push(memory);
        done
    }

    fn resize(&mut self, view: View<'_>, own: [f64; 2], out: &mut Picture, rect: Rect) -> Result<(), ComposeError> {
        let even = view.size.even();
        let converted = match &mut self.converted {
            Some(picture) if picture.size == even => picture,
            other => other.insert(Picture::black(even)),
        };
        convert(view, converted, Rect { x: 0, y: 0, size: even })?;
        self.planes.draw((converted, own), (out, rect));
        Ok(())
    }
}

/// Draws the three planes of pictures at another size than their own.
#[derive(Debug, Default)]
pub(crate) struct PlaneScaler {
    resampler: Resampler,
    /// Across and down, of luma and of both chromas.
    taps: [[Taps; 2]; 2],
}

impl PlaneScaler {
    /// What of a picture has that size, from its corner, into that part of another. Both are whole.
    pub(crate) fn draw(&mut self, (source, own): (&Picture, [f64; 2]), (out, rect): (&mut Picture, Rect)) {
        let smaller = f64::from(rect.size.width) < own[0] || f64::from(rect.size.height) < own[1];
        // Both look at every source pixel. Hamming is the sharper one for text, but only where it shrinks.
        let filter = if smaller { Filter::Hamming } else { Filter::Triangle };
        for (index, (source, target)) in source.planes.iter().zip(&mut out.planes).enumerate() {
            let [across, down] = &mut self.taps[index.min(1)];
            let (width, height) = part(index, rect.size.width, rect.size.height);
            // The frame without the pixel that made it even.
            let own = own.map(|side| if index == 0 { side } else { side * 0.5 });
            across.prepare(own[0], width, filter);
            down.prepare(own[1], height, filter);
            let (from, to) = ((source.data.as_slice(), source.stride), (target.data.as_mut_slice(), target.stride));
            self.resampler.draw(from, to, part(index, rect.x, rect.y), (across, down));
        }
    }
}

pub(crate) fn conversion(error: impl std::fmt::Display) -> ComposeError {
    ComposeError::Conversion { reason: error.to_string() }
}
