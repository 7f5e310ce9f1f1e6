//! A composed picture at half its width and height: what a lower encoding of it is made from.

use media::{Picture, Size};

/// Half of that, each side even, as 4:2:0 needs: what is left over at the right and the lower edge is cut.
pub fn half_size(size: Size) -> Size {
    Size { width: (size.width / 2) & !1, height: (size.height / 2) & !1 }
}

/// Draws the picture at [`half_size`] into `out`, whose memory is used again where it fits. A pixel is the mean of four.
pub fn halve(picture: &Picture, out: &mut Picture) {
    let size = half_size(picture.size);
    if out.size != size {
        *out = Picture::black(size);
    }
    out.captured_at = picture.captured_at;
    for (n, (from, to)) in picture.planes.iter().zip(&mut out.planes).enumerate() {
        let (width, height) = if n == 0 { (size.width, size.height) } else { (size.width / 2, size.height / 2) };
        let (width, height) = (width as usize, height as usize);
        let stride = to.stride.max(1);
        let pairs = from.data.chunks(2 * from.stride.max(1));
        for (row, pair) in to.data.chunks_mut(stride).zip(pairs).take(height) {
            let (upper, lower) = pair.split_at(from.stride.min(pair.len()));
            halve_row(upper, lower, &mut row[..width]);
        }
    }
}

fn halve_row(upper: &[u8], lower: &[u8], out: &mut [u8]) {
    let (upper, lower) = (upper.as_chunks::<2>().0, lower.as_chunks::<2>().0);
    for ((out, upper), lower) in out.iter_mut().zip(upper).zip(lower) {
        let sum = u16::from(upper[0]) + u16::from(upper[1]) + u16::from(lower[0]) + u16::from(lower[1]);
        *out = ((sum + 2) >> 2) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pixel_is_the_mean_of_four_and_odd_edges_are_cut() {
        let mut picture = Picture::black(Size { width: 22, height: 10 });
        for plane in &mut picture.planes {
            plane.data.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at * 37 % 256) as u8);
        }
        let mut half = Picture::black(Size { width: 2, height: 2 });
        halve(&picture, &mut half);
        assert_eq!(half.size, Size { width: 10, height: 4 });
        for (n, (from, to)) in picture.planes.iter().zip(&half.planes).enumerate() {
            let (width, height) = if n == 0 { (10, 4) } else { (5, 2) };
            for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
                let at = |x: usize, y: usize| u32::from(from.data[y * from.stride + x]);
                let sum = at(2 * x, 2 * y) + at(2 * x + 1, 2 * y) + at(2 * x, 2 * y + 1) + at(2 * x + 1, 2 * y + 1);
                assert_eq!(u32::from(to.data[y * to.stride + x]), (sum + 2) / 4, "plane {n}, {x}, {y}");
            }
        }
    }

    #[test]
    fn a_half_is_even() {
        assert_eq!(half_size(Size { width: 1366, height: 768 }), Size { width: 682, height: 384 });
        assert_eq!(half_size(Size { width: 1280, height: 720 }), Size { width: 640, height: 360 });
    }
}
