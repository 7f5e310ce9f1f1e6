//! The conversion with AVX2: about one instruction per pixel, where a general one takes five.
//!
//! Weights are units of 1/256 (ITU-R BT.709-6, 3.2 and 3.4, scaled to limited range), so that a sample is off by less than
//! seven tenths of a level before it is rounded, and no colour leaves the limited range. Chroma's weights add up to nothing: grey
//! stays grey.

use std::arch::x86_64::{
    __m128i, __m256i, _MM_HINT_T0, _mm_prefetch, _mm_unpackhi_epi16, _mm_unpacklo_epi16, _mm256_add_epi16,
    _mm256_avg_epu8, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_extracti128_si256,
    _mm256_hadd_epi16, _mm256_maddubs_epi16, _mm256_packus_epi16, _mm256_permutevar8x32_epi32, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setr_epi32, _mm256_shuffle_ps, _mm256_srli_epi16, _mm256_xor_si256,
};
use std::mem::transmute;

use media::Picture;

use crate::Rect;
use crate::planes::{View, part};

/// Blue, green, red.
const LUMA: [i32; 3] = [16, 157, 47];
const BLUE_DIFFERENCE: [i32; 3] = [112, -86, -26];
const RED_DIFFERENCE: [i32; 3] = [-10, -102, 112];
/// What is added before the eight bits below the sample are cut off: black, or no colour, and half a unit.
const LUMA_OFFSET: i32 = (16 << 8) + 128;
const CHROMA_OFFSET: i32 = (128 << 8) + 128;
/// Pixels of a row that are converted at once.
const BLOCK: usize = 32;

/// Two rows of pixels, four bytes each.
type Pair<'a> = [&'a [u8]; 2];
/// What becomes of them: two rows of luma, one of each chroma.
type Samples<'a> = ([&'a mut [u8]; 2], [&'a mut [u8]; 2]);
/// A block of one row.
type Pixels = [u8; 4 * BLOCK];
type Luma = [u8; BLOCK];
type Chroma = [u8; BLOCK / 2];
type Vectors = [__m256i; 4];

/// Converts the frame, of an even size, into that part of the picture; `false` where this processor can't.
pub(super) fn convert(view: View<'_>, out: &mut Picture, rect: Rect) -> bool {
    if !is_x86_feature_detected!("avx2") {
        return false;
    }
    let width = view.size.width as usize;
    let [luma, blue, red] = &mut out.planes;
    for pair in 0..view.size.height / 2 {
        let (left, top) = part(0, rect.x, rect.y + 2 * pair);
        let (upper, lower) = luma.data[top * luma.stride..].split_at_mut(luma.stride);
        let (chroma_left, chroma_top) = part(1, rect.x, rect.y + 2 * pair);
        let [blue, red] = [&mut *blue, &mut *red]
            .map(|plane| &mut plane.data[chroma_top * plane.stride + chroma_left..][..width / 2]);
        let samples = ([&mut upper[left..][..width], &mut lower[left..][..width]], [blue, red]);
        // SAFETY: the processor has AVX2.
        unsafe { two_rows([view.row(2 * pair), view.row(2 * pair + 1)], samples, 2 * view.stride) };
    }
    true
}

/// An even number of pixels; the next two rows lie so many bytes ahead.
#[target_feature(enable = "avx2")]
fn two_rows([upper, lower]: Pair<'_>, ([upper_luma, lower_luma], [blue, red]): Samples<'_>, ahead: usize) {
    let pixels = upper.as_chunks().0.iter().zip(lower.as_chunks().0);
    let luma = upper_luma.as_chunks_mut().0.iter_mut().zip(lower_luma.as_chunks_mut().0);
    let chroma = blue.as_chunks_mut().0.iter_mut().zip(red.as_chunks_mut().0);
    for ((pixels, luma), chroma) in pixels.zip(luma).zip(chroma) {
        fetch(pixels.0, ahead);
        fetch(pixels.1, ahead);
        block(pixels, luma, chroma);
    }
    if upper_luma.len().is_multiple_of(BLOCK) {
        return;
    }
    // The last block begins before the end of the one before it: some pixels are converted a second time.
    if let (Some(upper), Some(lower)) = (upper.last_chunk(), lower.last_chunk())
        && let (Some(upper_luma), Some(lower_luma)) = (upper_luma.last_chunk_mut(), lower_luma.last_chunk_mut())
        && let (Some(blue), Some(red)) = (blue.last_chunk_mut(), red.last_chunk_mut())
    {
        return block((upper, lower), (upper_luma, lower_luma), (blue, red));
    }
    plain_rows([upper, lower], ([upper_luma, lower_luma], [blue, red]));
}

/// Asks for what lies so far ahead, which may be nothing of ours. Another program has just written the pixels: they are in
/// none of this core's caches, and the processor does not look across the pages of a row by itself. Two rows ahead takes
/// half of the time that none takes.
#[inline]
#[target_feature(enable = "avx2")]
fn fetch(pixels: &Pixels, ahead: usize) {
    const LINE: usize = 64;
    for line in [0, LINE] {
        _mm_prefetch::<_MM_HINT_T0>(pixels.as_ptr().wrapping_add(ahead + line).cast());
    }
}

/// Two rows of a block.
// No vector goes through a closure here: what is generic was not compiled for AVX2, and would call it for each of them.
#[inline]
#[target_feature(enable = "avx2")]
fn block(pixels: (&Pixels, &Pixels), luma: (&mut Luma, &mut Luma), chroma: (&mut Chroma, &mut Chroma)) {
    // SAFETY: bytes and vectors of them, of the same size; every pattern is valid for both.
    let (upper, lower) = unsafe { (transmute::<Pixels, Vectors>(*pixels.0), transmute::<Pixels, Vectors>(*pixels.1)) };
    let differences = differences(upper, lower);
    // Two samples of each lie in the lower half, the next two in the upper one, and so on.
    let (low, high) = (_mm256_castsi256_si128(differences), _mm256_extracti128_si256::<1>(differences));
    // SAFETY: as above.
    unsafe {
        *luma.0 = transmute::<__m256i, Luma>(brightness(upper));
        *luma.1 = transmute::<__m256i, Luma>(brightness(lower));
        *chroma.0 = transmute::<__m128i, Chroma>(_mm_unpacklo_epi16(low, high));
        *chroma.1 = transmute::<__m128i, Chroma>(_mm_unpackhi_epi16(low, high));
    }
}

/// Luma of 32 pixels.
#[inline]
#[target_feature(enable = "avx2")]
fn brightness(pixels: Vectors) -> __m256i {
    let low = brightness_of_16(pixels[0], pixels[1]);
    let high = brightness_of_16(pixels[2], pixels[3]);
    // All of this works within halves of 16 bytes: four pixels of the one, four of the other.
    _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
}

#[inline]
#[target_feature(enable = "avx2")]
fn brightness_of_16(a: __m256i, b: __m256i) -> __m256i {
    // Weights of more than 127 must be the unsigned side of the product, so pixels are the signed one, less 128.
    let (weights, flip) = (weights(LUMA), _mm256_set1_epi8(-128));
    let offset = _mm256_set1_epi16((LUMA_OFFSET + 128 * (LUMA[0] + LUMA[1] + LUMA[2])) as i16);
    let a = _mm256_maddubs_epi16(weights, _mm256_xor_si256(a, flip));
    let b = _mm256_maddubs_epi16(weights, _mm256_xor_si256(b, flip));
    _mm256_srli_epi16::<8>(_mm256_add_epi16(_mm256_hadd_epi16(a, b), offset))
}

/// Both chromas of 32 pixels of two rows: in each half of the vector eight samples of the one, then of the other.
#[inline]
#[target_feature(enable = "avx2")]
fn differences(upper: Vectors, lower: Vectors) -> __m256i {
    let low = means(_mm256_avg_epu8(upper[0], lower[0]), _mm256_avg_epu8(upper[1], lower[1]));
    let high = means(_mm256_avg_epu8(upper[2], lower[2]), _mm256_avg_epu8(upper[3], lower[3]));
    _mm256_packus_epi16(difference(low, high, BLUE_DIFFERENCE), difference(low, high, RED_DIFFERENCE))
}

/// Of the left pixel of each two and the right one.
#[inline]
#[target_feature(enable = "avx2")]
fn means(a: __m256i, b: __m256i) -> __m256i {
    let (a, b) = (_mm256_castsi256_ps(a), _mm256_castsi256_ps(b));
    let (left, right) = (_mm256_shuffle_ps::<0x88>(a, b), _mm256_shuffle_ps::<0xdd>(a, b));
    _mm256_avg_epu8(_mm256_castps_si256(left), _mm256_castps_si256(right))
}

#[inline]
#[target_feature(enable = "avx2")]
fn difference(low: __m256i, high: __m256i, of: [i32; 3]) -> __m256i {
    let weights = weights(of);
    let sums = _mm256_hadd_epi16(_mm256_maddubs_epi16(low, weights), _mm256_maddubs_epi16(high, weights));
    _mm256_srli_epi16::<8>(_mm256_add_epi16(sums, _mm256_set1_epi16(CHROMA_OFFSET as i16)))
}

/// A byte for each of a pixel's, the last of which counts nothing.
#[inline]
#[target_feature(enable = "avx2")]
fn weights([blue, green, red]: [i32; 3]) -> __m256i {
    _mm256_set1_epi32(i32::from_le_bytes([blue as u8, green as u8, red as u8, 0]))
}

/// The same, one pixel at a time: for rows that are shorter than a block.
fn plain_rows(pixels: Pair<'_>, (luma, chroma): Samples<'_>) {
    let sum = |pixel: &[u8], weights: [i32; 3]| -> i32 {
        pixel.iter().zip(weights).map(|(value, weight)| i32::from(*value) * weight).sum()
    };
    for (row, out) in pixels.iter().zip(luma) {
        for (pixel, out) in row.chunks_exact(4).zip(out) {
            *out = ((sum(pixel, LUMA) + LUMA_OFFSET) >> 8) as u8;
        }
    }
    let [blue, red] = chroma;
    let mean = |a: u8, b: u8| u8::midpoint(a, b) + ((a ^ b) & 1);
    for (at, (upper, lower)) in pixels[0].chunks_exact(8).zip(pixels[1].chunks_exact(8)).enumerate() {
        let down: [u8; 8] = std::array::from_fn(|n| mean(upper[n], lower[n]));
        let pixel: [u8; 3] = std::array::from_fn(|n| mean(down[n], down[n + 4]));
        for (out, weights) in [&mut *blue, &mut *red].into_iter().zip([BLUE_DIFFERENCE, RED_DIFFERENCE]) {
            out[at] = ((sum(&pixel, weights) + CHROMA_OFFSET) >> 8) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use media::Size;

    use super::*;

    /// Every corner of the cube of colours, and what lies between.
    fn frame(size: Size, stride: usize) -> Vec<u8> {
        let mut random = 1_u32;
        let bytes = (0..stride * size.height as usize).map(|_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match random >> 30 {
                0 => 0,
                1 => 255,
                _ => (random >> 16) as u8,
            }
        });
        bytes.collect()
    }

    #[test]
    fn blocks_and_single_pixels_give_the_same_bytes_at_every_width_and_place() {
        for width in [2_u32, 30, 32, 34, 62, 64, 66, 96, 130] {
            let size = Size { width, height: 6 };
            let stride = 4 * width as usize + 12;
            let bytes = frame(size, stride);
            let view = View { bytes: &bytes, stride, size };
            let (mut whole, mut single) =
                (Picture::black(Size { width: 140, height: 12 }), Picture::black(Size { width: 140, height: 12 }));
            let rect = Rect { x: 6, y: 4, size };
            assert!(convert(view, &mut whole, rect) || !is_x86_feature_detected!("avx2"));
            for pair in 0..3 {
                let [luma, blue, red] = &mut single.planes;
                let stride = luma.stride;
                let (upper, lower) = luma.data[(4 + 2 * pair) * stride..].split_at_mut(stride);
                let [blue, red] =
                    [blue, red].map(|plane| &mut plane.data[(2 + pair) * plane.stride + 3..][..width as usize / 2]);
                let luma = [upper, lower].map(|row| &mut row[6..][..width as usize]);
                let row = |y: usize| view.row((2 * pair + y) as u32);
                plain_rows([row(0), row(1)], (luma, [blue, red]));
            }
            for (plane, single) in whole.planes.iter().zip(&single.planes) {
                assert!(plane.data == single.data, "{width} pixels wide");
            }
        }
    }

    #[test]
    fn colours_are_those_of_the_recommendation_within_a_level_and_stay_in_range() {
        let exact = |[b, g, r]: [f64; 3]| {
            let luma = 0.2126 * r + 0.7152 * g + 0.0722 * b;
            [
                16.0 + luma * 219.0 / 255.0,
                128.0 + (b - luma) / 1.8556 * 224.0 / 255.0,
                128.0 + (r - luma) / 1.5748 * 224.0 / 255.0,
            ]
        };
        let steps = || (0..=255_u8).step_by(15);
        let mut worst = [0.0_f64; 3];
        for (b, g, r) in steps().flat_map(|b| steps().flat_map(move |g| steps().map(move |r| (b, g, r)))) {
            let pixels = [b, g, r, 77].repeat(2);
            let (mut upper, mut lower, mut blue, mut red) = ([0; 2], [0; 2], [0; 1], [0; 1]);
            plain_rows([&pixels, &pixels], ([&mut upper, &mut lower], [&mut blue, &mut red]));
            let wanted = exact([b, g, r].map(f64::from));
            for ((worst, wanted), got) in worst.iter_mut().zip(wanted).zip([upper[0], blue[0], red[0]]) {
                *worst = worst.max((wanted - f64::from(got)).abs());
                assert!((16..=240).contains(&got));
            }
            assert!(upper[0] <= 235 && (b != g || g != r || (blue[0], red[0]) == (128, 128)));
        }
        assert!(worst.iter().all(|worst| *worst < 1.2), "{worst:?}");
    }
}
