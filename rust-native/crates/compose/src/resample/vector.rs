//! The two steps of [`super::Resampler`] that a compiler does not turn into vector code by itself, with SSE2, which every
//! x86-64 has, and in plain Rust for the others.

/// Bytes of a vector.
pub(super) const LANES: usize = 16;
/// Half a unit of the weights: what is cut off at the end is then rounded.
const HALF: u16 = super::UNIT / 2;

pub(super) type Bytes = [u8; LANES];

#[cfg(target_arch = "x86_64")]
pub(super) use sse2::{interleaved, weighted};

#[cfg(not(target_arch = "x86_64"))]
pub(super) use plain::{interleaved, weighted};

#[cfg(any(test, not(target_arch = "x86_64")))]
mod plain {
    use super::{Bytes, HALF, LANES};

    /// The sum of the columns, each with its weight.
    pub(in super::super) fn weighted(columns: &[Bytes], weights: &[u16]) -> Bytes {
        let mut sums = [HALF; LANES];
        for (column, weight) in columns.iter().zip(weights) {
            for (sum, byte) in sums.iter_mut().zip(column) {
                *sum += u16::from(*byte) * weight;
            }
        }
        sums.map(|sum| (sum >> 8) as u8)
    }

    /// A byte of the one, a byte of the other, and so on.
    pub(in super::super) fn interleaved(a: Bytes, b: Bytes) -> [Bytes; 2] {
        let mut both = [[0; LANES]; 2];
        for (place, bytes) in both.as_flattened_mut().as_chunks_mut::<2>().0.iter_mut().enumerate() {
            *bytes = [a[place], b[place]];
        }
        both
    }
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi16, _mm_mullo_epi16, _mm_packus_epi16, _mm_set1_epi16, _mm_setzero_si128, _mm_srli_epi16,
        _mm_unpackhi_epi8, _mm_unpacklo_epi8,
    };
    use std::mem::transmute;

    use super::{Bytes, HALF};

    /// The sum of the columns, each with its weight.
    pub(in super::super) fn weighted(columns: &[Bytes], weights: &[u16]) -> Bytes {
        // SAFETY: SSE2 is a part of every x86-64; sixteen bytes and a vector of them have the same size, and every pattern
        // is valid for both.
        unsafe {
            let zero = _mm_setzero_si128();
            let mut sums = [_mm_set1_epi16(HALF as i16); 2];
            for (column, weight) in columns.iter().zip(weights) {
                let column = transmute::<Bytes, __m128i>(*column);
                let weight = _mm_set1_epi16(*weight as i16);
                for (sum, half) in
                    sums.iter_mut().zip([_mm_unpacklo_epi8(column, zero), _mm_unpackhi_epi8(column, zero)])
                {
                    *sum = _mm_add_epi16(*sum, _mm_mullo_epi16(half, weight));
                }
            }
            let [low, high] = sums;
            transmute::<__m128i, Bytes>(_mm_packus_epi16(_mm_srli_epi16::<8>(low), _mm_srli_epi16::<8>(high)))
        }
    }

    /// A byte of the one, a byte of the other, and so on.
    pub(in super::super) fn interleaved(a: Bytes, b: Bytes) -> [Bytes; 2] {
        // SAFETY: as above.
        unsafe {
            let (a, b) = (transmute::<Bytes, __m128i>(a), transmute::<Bytes, __m128i>(b));
            [_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b)].map(|half| transmute::<__m128i, Bytes>(half))
        }
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::{LANES, plain, sse2};

    #[test]
    fn every_processor_gives_the_same_bytes() {
        let column = |seed: usize| std::array::from_fn::<u8, LANES, _>(|lane| (lane * 37 + seed * 101) as u8);
        let columns = [column(1), column(2), [255; LANES], column(9)];
        for weights in [[64, 64, 64, 64], [0, 0, 256, 0], [1, 200, 54, 1], [256, 0, 0, 0]] {
            assert_eq!(plain::weighted(&columns, &weights), sse2::weighted(&columns, &weights));
        }
        assert_eq!(plain::interleaved(columns[0], columns[1]), sse2::interleaved(columns[0], columns[1]));
    }
}
