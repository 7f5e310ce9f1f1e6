//! The work on planes: bars, conversion, scaling.

use std::ops::Range;

use fast_image_resize::images::{TypedCroppedImage, TypedCroppedImageMut, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use media::{Picture, Plane, Size, VideoFrame};
use yuv::{BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix};

use crate::{ComposeError, Rect};

/// Black in limited range: luma, then both chromas.
const BLACK: [u8; 3] = [16, 128, 128];

/// Whether it is a picture of that size, with all of its memory.
pub(crate) fn is_whole(picture: &Picture, size: Size) -> bool {
    picture.size == size
        && picture.planes.iter().enumerate().all(|(index, plane)| {
            let (width, rows) = part(index, size.width, size.height);
            plane.stride >= width && plane.data.len() >= plane.stride * rows
        })
}

/// Luma numbers as they are in plane `index`.
fn part(index: usize, x: u32, y: u32) -> (usize, usize) {
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
pub(crate) fn convert(frame: &VideoFrame, out: &mut Picture, rect: Rect) -> Result<(), ComposeError> {
    let Size { width, height } = frame.size;
    // The converter wants whole strides for each row, which the last ones in a picture's lower right corner lack:
    // those two are converted aside.
    let whole = out.planes.iter().enumerate().all(|(index, plane)| {
        let (left, top) = part(index, rect.x, rect.y);
        let rows = part(index, 0, height.next_multiple_of(2)).1;
        left + (top + rows) * plane.stride <= plane.data.len()
    });
    let direct = if whole { height } else { (height - 1) & !1 };
    if direct > 0 {
        let target = out.planes.each_mut().map(|plane| (plane.stride, plane.data.as_mut_slice()));
        convert_rows(frame, 0..direct, target, rect)?;
    }
    if direct < height {
        let mut aside = Picture::black(Size { width, height: height - direct });
        let target = aside.planes.each_mut().map(|plane| (plane.stride, plane.data.as_mut_slice()));
        convert_rows(frame, direct..height, target, Rect { x: 0, y: 0, size: rect.size })?;
        for (index, (source, target)) in aside.planes.iter().zip(&mut out.planes).enumerate() {
            let (left, top) = part(index, rect.x, rect.y + direct);
            let (width, rows) = part(index, rect.size.width, (height - direct).next_multiple_of(2));
            for row in 0..rows.min(2) {
                let from = &source.data[row * source.stride..][..width];
                target.data[(top + row) * target.stride + left..][..width].copy_from_slice(from);
            }
        }
    }
    repeat_odd_edge(&mut out.planes[0], rect, frame.size);
    Ok(())
}

/// Converts those rows of the frame, the first of them even, to where `rect` begins in the planes (stride, bytes).
fn convert_rows(
    frame: &VideoFrame,
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
        width: frame.size.width,
        height: count,
    };
    let source = &frame.pixels.bytes()[rows.start as usize * frame.stride..rows.end as usize * frame.stride];
    yuv::bgra_to_yuv420(
        &mut image,
        source,
        u32::try_from(frame.stride).map_err(conversion)?,
        YuvRange::Limited,
        YuvStandardMatrix::Bt709,
        YuvConversionMode::Balanced,
    )
    .map_err(conversion)
}

/// Fills the luma column and row by which an odd size was rounded up; the chroma planes are complete.
fn repeat_odd_edge(luma: &mut Plane, rect: Rect, size: Size) {
    let (x, y) = (rect.x as usize, rect.y as usize);
    let (width, height) = (size.width as usize, size.height as usize);
    if width % 2 == 1 {
        for row in luma.data.chunks_exact_mut(luma.stride).skip(y).take(height) {
            row[x + width] = row[x + width - 1];
        }
    }
    if height % 2 == 1 {
        let last = (y + height - 1) * luma.stride + x;
        luma.data.copy_within(last..last + width.next_multiple_of(2), last + luma.stride);
    }
}

/// Draws frames at another size than their own.
#[derive(Default)]
pub(crate) struct Scaler {
    resizer: Resizer,
    /// The frame at its own size.
    converted: Option<Picture>,
}

impl Scaler {
    /// Converts the frame, then scales the three planes: one and a half bytes per pixel instead of four.
    pub(crate) fn draw(&mut self, frame: &VideoFrame, out: &mut Picture, rect: Rect) -> Result<(), ComposeError> {
        let own = frame.size.even();
        let converted = match &mut self.converted {
            Some(picture) if picture.size == own => picture,
            other => other.insert(Picture::black(own)),
        };
        convert(frame, converted, Rect { x: 0, y: 0, size: own })?;
        let smaller = rect.size.width < frame.size.width || rect.size.height < frame.size.height;
        // Both look at every source pixel. Hamming is the sharper one for text, but only where it shrinks.
        let filter = if smaller { FilterType::Hamming } else { FilterType::Bilinear };
        for (index, (source, target)) in converted.planes.iter().zip(&mut out.planes).enumerate() {
            let scale = if index == 0 { 1.0 } else { 0.5 };
            // The frame without the pixel that made it even.
            let (width, height) = (f64::from(frame.size.width) * scale, f64::from(frame.size.height) * scale);
            let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).crop(0.0, 0.0, width, height);
            let source = TypedImageRef::<U8>::from_buffer(source.stride as u32, rows(source), &source.data)
                .map_err(conversion)?;
            // Cropped twice: the filter reads beyond the crop of its options, up to the image's edge.
            let source = TypedCroppedImage::from_ref(&source, 0, 0, width.ceil() as u32, height.ceil() as u32)
                .map_err(conversion)?;
            let (left, top) = part(index, rect.x, rect.y);
            let (width, height) = part(index, rect.size.width, rect.size.height);
            let target_rows = rows(target);
            let target = TypedImage::<U8>::from_buffer(target.stride as u32, target_rows, &mut target.data)
                .map_err(conversion)?;
            let mut target = TypedCroppedImageMut::new(target, left as u32, top as u32, width as u32, height as u32)
                .map_err(conversion)?;
            self.resizer.resize_typed(&source, &mut target, &options).map_err(conversion)?;
        }
        Ok(())
    }
}

/// Rows of a plane, which is an image as wide as its stride.
fn rows(plane: &Plane) -> u32 {
    (plane.data.len() / plane.stride) as u32
}

fn conversion(error: impl std::fmt::Display) -> ComposeError {
    ComposeError::Conversion { reason: error.to_string() }
}
