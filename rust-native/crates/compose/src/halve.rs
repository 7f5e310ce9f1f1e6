//! A frame at half its width and height: what is drawn at half its size or less is halved before anything else is
//! done to it, as most of what a scaler costs is the pixels that it reads.

use media::Size;

use crate::planes::View;

/// Puts the frame at half its size (rounded up) into `out` and gives back its view. A pixel is the mean of four; a
/// last odd column or row counts twice.
pub(crate) fn halved<'a>(view: View<'_>, out: &'a mut Vec<u8>) -> View<'a> {
    let size = Size { width: view.size.width.div_ceil(2), height: view.size.height.div_ceil(2) };
    let stride = 4 * size.width as usize;
    // What an earlier frame left there is written over: every pixel of this one is.
    out.resize(stride * size.height as usize, 0);
    for (y, row) in out.chunks_exact_mut(stride).enumerate() {
        let upper = 2 * y as u32;
        halve_row(view.row(upper), view.row((upper + 1).min(view.size.height - 1)), row);
    }
    View { bytes: out, stride, size }
}

/// Two rows of packed pixels become one.
fn halve_row(upper: &[u8], lower: &[u8], out: &mut [u8]) {
    let (uppers, upper_last) = upper.as_chunks::<8>();
    let (lowers, lower_last) = lower.as_chunks::<8>();
    let (pairs, last) = out.split_at_mut(4 * uppers.len());
    for ((out, upper), lower) in pairs.as_chunks_mut::<4>().0.iter_mut().zip(uppers).zip(lowers) {
        *out = mean([left(upper), right(upper), left(lower), right(lower)]);
    }
    if let (Some(upper), Some(lower), Some(out)) =
        (upper_last.first_chunk::<4>(), lower_last.first_chunk::<4>(), last.first_chunk_mut::<4>())
    {
        let (upper, lower) = (u32::from_le_bytes(*upper), u32::from_le_bytes(*lower));
        *out = mean([upper, upper, lower, lower]);
    }
}

fn left(pair: &[u8; 8]) -> u32 {
    u32::from_le_bytes([pair[0], pair[1], pair[2], pair[3]])
}

fn right(pair: &[u8; 8]) -> u32 {
    u32::from_le_bytes([pair[4], pair[5], pair[6], pair[7]])
}

/// The rounded mean of four packed pixels: two of the four bytes at a time, each with room above it for the sum.
fn mean(pixels: [u32; 4]) -> [u8; 4] {
    const ALTERNATE: u32 = 0x00ff_00ff;
    let [a, b, c, d] = pixels;
    let even = (a & ALTERNATE) + (b & ALTERNATE) + (c & ALTERNATE) + (d & ALTERNATE) + 0x0002_0002;
    let odd = (a >> 8 & ALTERNATE) + (b >> 8 & ALTERNATE) + (c >> 8 & ALTERNATE) + (d >> 8 & ALTERNATE) + 0x0002_0002;
    ((even >> 2 & ALTERNATE) | (odd >> 2 & ALTERNATE) << 8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pixel_is_the_mean_of_four_also_at_odd_edges() {
        let (width, height, padding) = (7_usize, 5_usize, 12);
        let stride = 4 * width + padding;
        let bytes: Vec<u8> = (0..stride * height).map(|at| (at * 37 % 256) as u8).collect();
        let view = View { bytes: &bytes, stride, size: Size { width: width as u32, height: height as u32 } };
        let mut out = vec![9; 3];
        let half = halved(view, &mut out);
        assert_eq!((half.size, half.stride, half.bytes.len()), (Size { width: 4, height: 3 }, 16, 48));
        for y in 0..3 {
            for x in 0..4 {
                for channel in 0..4 {
                    let at = |x: usize, y: usize| {
                        u32::from(bytes[y.min(height - 1) * stride + 4 * x.min(width - 1) + channel])
                    };
                    let sum = at(2 * x, 2 * y) + at(2 * x + 1, 2 * y) + at(2 * x, 2 * y + 1) + at(2 * x + 1, 2 * y + 1);
                    assert_eq!(u32::from(half.bytes[16 * y + 4 * x + channel]), (sum + 2) / 4, "{x}, {y}, {channel}");
                }
            }
        }
    }
}
