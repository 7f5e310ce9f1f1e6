//! The conversion by the `yuv` crate, for processors that ours was not written for.

use std::ops::Range;

use media::{Picture, Size};
use yuv::{BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix};

use crate::planes::{View, conversion, part};
use crate::{ComposeError, Rect};

/// Converts the frame, of an even size, into that part of the picture.
pub(super) fn convert(view: View<'_>, out: &mut Picture, rect: Rect) -> Result<(), ComposeError> {
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
