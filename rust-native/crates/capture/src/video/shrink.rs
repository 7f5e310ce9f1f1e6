//! A picture made small for a list.

use jpeg_encoder::{ColorType, Encoder};
use media::Size;

use super::VideoError;

/// Good enough for a list, a tenth of the bytes of the best.
const QUALITY: u8 = 80;

/// A JPEG of BGRA pixels, at most `max` large, in their own aspect; alpha is ignored.
pub(super) fn jpeg(pixels: &[u8], stride: usize, size: Size, max: Size) -> Result<Vec<u8>, VideoError> {
    let small = fit(size, max);
    let failed = |error: &dyn std::fmt::Display| VideoError::Thumbnail(error.to_string());
    let (width, height) = (u16::try_from(small.width), u16::try_from(small.height));
    let (width, height) = (width.map_err(|error| failed(&error))?, height.map_err(|error| failed(&error))?);
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, QUALITY)
        .encode(&shrink(pixels, stride, size, small), width, height, ColorType::Bgra)
        .map_err(|error| failed(&error))?;
    Ok(jpeg)
}

/// The largest size of that aspect within `max`, never more than `size` itself.
fn fit(size: Size, max: Size) -> Size {
    let scale = (f64::from(max.width) / f64::from(size.width)).min(f64::from(max.height) / f64::from(size.height));
    let side = |side: u32| ((f64::from(side) * scale.min(1.0)).round() as u32).max(1);
    Size { width: side(size.width), height: side(size.height) }
}

/// Each pixel of the result is the mean of those that it stands for.
fn shrink(pixels: &[u8], stride: usize, from: Size, to: Size) -> Vec<u8> {
    let edges = |from: u32, to: u32| -> Vec<usize> {
        (0..=to).map(|edge| (u64::from(edge) * u64::from(from) / u64::from(to)) as usize).collect()
    };
    let (columns, rows) = (edges(from.width, to.width), edges(from.height, to.height));
    let mut small = Vec::with_capacity(to.area() as usize * 4);
    for row in rows.windows(2) {
        for column in columns.windows(2) {
            let mut sums = [0_u32; 3];
            for line in row[0]..row[1] {
                let start = line * stride;
                for pixel in pixels[start + column[0] * 4..start + column[1] * 4].chunks_exact(4) {
                    sums.iter_mut().zip(pixel).for_each(|(sum, &part)| *sum += u32::from(part));
                }
            }
            let count = ((row[1] - row[0]) * (column[1] - column[0])).max(1) as u32;
            small.extend(sums.map(|sum| (sum / count) as u8));
            small.push(255);
        }
    }
    small
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn size(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    #[test]
    fn the_aspect_is_kept_within_the_limit() {
        assert_eq!(fit(size(1920, 1080), size(320, 320)), size(320, 180));
        assert_eq!(fit(size(1080, 1920), size(320, 320)), size(180, 320));
        assert_eq!(fit(size(100, 50), size(320, 180)), size(100, 50));
        assert_eq!(fit(size(4000, 1), size(320, 180)), size(320, 1));
    }

    #[test]
    fn a_pixel_is_the_mean_of_those_it_stands_for() {
        // Two rows of four pixels and one that is not part of the picture.
        let grey = |value: u8| [value, value, value, 0];
        let pixels = [[0, 10, 100, 100, 255], [20, 30, 100, 200, 255]].concat();
        let pixels: Vec<u8> = pixels.into_iter().flat_map(grey).collect();
        let small = shrink(&pixels, 20, size(4, 2), size(2, 1));
        assert_eq!(small, [[15, 15, 15, 255], [125, 125, 125, 255]].concat());
    }

    #[test]
    fn odd_sizes_lose_no_edge() {
        let pixels = vec![77; 7 * 5 * 4];
        let small = shrink(&pixels, 28, size(7, 5), size(3, 2));
        assert!(small.chunks_exact(4).all(|pixel| pixel == [77, 77, 77, 255]));
        assert_eq!(small.len(), 3 * 2 * 4);
    }
}
