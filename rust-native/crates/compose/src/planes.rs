//! The work on planes: bars, conversion, scaling.

use std::ops::Range;

use media::{Picture, Size, VideoFrame};
use yuv::{BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix};

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

/// Converts the frame into that part of the picture, pixel by pixel; a last odd column or row is written twice.
pub(crate) fn convert(view: View<'_>, out: &mut Picture, rect: Rect) -> Result<(), ComposeError> {
    let Size { width, height } = view.size;
    let (even_width, even_height) = (width & !1, height & !1);
    if even_width > 0 && even_height > 0 {
        convert_even(view.part(0, 0, Size { width: even_width, height: even_height }), out, rect)?;
    }
    // The converter gets the chroma of odd edges wrong: they are given to it as even ones.
    if width > even_width && even_height > 0 {
        let strip: Vec<u8> = (0..even_height).flat_map(|y| view.row(y)[4 * even_width as usize..].repeat(2)).collect();
        let strip = View { bytes: &strip, stride: 8, size: Size { width: 2, height: even_height } };
        convert_even(strip, out, Rect { x: rect.x + even_width, ..rect })?;
    }
    if height > even_height {
        let mut row = view.row(even_height).to_vec();
        if width > even_width {
            row.extend_from_within(4 * even_width as usize..);
        }
        let stride = row.len();
        let strip = row.repeat(2);
        let strip = View { bytes: &strip, stride, size: Size { width: width.next_multiple_of(2), height: 2 } };
        convert_even(strip, out, Rect { y: rect.y + even_height, ..rect })?;
    }
    Ok(())
}

/// [`convert`] for even sizes.
fn convert_even(view: View<'_>, out: &mut Picture, rect: Rect) -> Result<(), ComposeError> {
    let Size { width, height } = view.size;
    // The converter wants whole strides for each row, which the last ones in a picture's or a frame's lower right
    // corner lack: those two are converted aside.
    let whole_rows = view.bytes.len() >= view.stride * height as usize;
    let whole = whole_rows
        && out.planes.iter().enumerate().all(|(index, plane)| {
            let (left, top) = part(index, rect.x, rect.y);
            let rows = part(index, 0, height).1;
            left + (top + rows) * plane.stride <= plane.data.len()
        });
    let direct = if whole { height } else { (height - 1) & !1 };
    if direct > 0 {
        let target = out.planes.each_mut().map(|plane| (plane.stride, plane.data.as_mut_slice()));
        convert_rows(view, 0..direct, target, rect)?;
    }
    if direct < height {
        let aside_size = Size { width, height: height - direct };
        let mut aside = Picture::black(aside_size);
        let target = aside.planes.each_mut().map(|plane| (plane.stride, plane.data.as_mut_slice()));
        convert_rows(view, direct..height, target, Rect { x: 0, y: 0, size: aside_size })?;
        for (index, (source, target)) in aside.planes.iter().zip(&mut out.planes).enumerate() {
            let (left, top) = part(index, rect.x, rect.y + direct);
            let (width, rows) = part(index, width, height - direct);
            for row in 0..rows {
                let from = &source.data[row * source.stride..][..width];
                target.data[(top + row) * target.stride + left..][..width].copy_from_slice(from);
            }
        }
    }
    Ok(())
}

/// Converts those rows of the frame, the first of them even, to where `rect` begins in the planes (stride, bytes).
fn convert_rows(
    view: View<'_>,
    rows: Range<u32>,
    planes: [(usize, &mut [u8]); 3],
    rect: Rect,
) -> Result<(), ComposeError> {
    let count = rows.end - rows.start;
    let strides = planes.each_ref().map(|(stride, _)| *stride as u32);
    let mut index = 0;
    // Exactly the rows: the converter takes what is left over for a last odd row.
    let [y_plane, u_plane, v_plane] = planes.map(|(stride, data)| {
        let (left, top) = part(index, rect.x, rect.y);
        let rows = if index == 0 { count } else { count.div_ceil(2) } as usize;
        index += 1;
        BufferStoreMut::Borrowed(&mut data[top * stride + left..][..rows * stride])
    });
    let mut image = YuvPlanarImageMut {
        y_plane,
        y_stride: strides[0],
        u_plane,
        u_stride: strides[1],
        v_plane,
        v_stride: strides[2],
        width: view.size.width,
        height: count,
    };
    let mut source = &view.bytes[rows.start as usize * view.stride..];
    let mut padded = Vec::new();
    if source.len() < count as usize * view.stride {
        padded.extend_from_slice(source);
        padded.resize(count as usize * view.stride, 0);
        source = &padded;
    } else {
        source = &source[..count as usize * view.stride];
    }
    yuv::bgra_to_yuv420(
        &mut image,
        source,
        u32::try_from(view.stride).map_err(conversion)?,
        YuvRange::Limited,
        YuvStandardMatrix::Bt709,
        YuvConversionMode::Balanced,
    )
    .map_err(conversion)
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
