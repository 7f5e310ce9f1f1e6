//! Packed pixels (BGRA, full range) to planes (ITU-R BT.709, limited range, a chroma sample for four pixels): the largest
//! piece of work beside the encoder, done for everything that changed on a screen.

use media::{Picture, Size};

use crate::planes::View;
use crate::{ComposeError, Rect};

#[cfg(target_arch = "x86_64")]
mod avx2;
mod library;

/// Converts the frame into that part of the picture, pixel by pixel; a last odd column or row is written twice.
pub(crate) fn convert(view: View<'_>, out: &mut Picture, rect: Rect) -> Result<(), ComposeError> {
    let Size { width, height } = view.size;
    let (even_width, even_height) = (width & !1, height & !1);
    if even_width > 0 && even_height > 0 {
        convert_even(view.part(0, 0, Size { width: even_width, height: even_height }), out, rect)?;
    }
    // Chroma has no odd edges: they are given on as even ones.
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
    #[cfg(target_arch = "x86_64")]
    if avx2::convert(view, out, rect) {
        return Ok(());
    }
    library::convert(view, out, rect)
}
