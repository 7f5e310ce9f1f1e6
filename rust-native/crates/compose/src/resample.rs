//! A plane of bytes at another size: rows first, then columns, sixteen rows at a time.
//!
//! A general resizer goes along each row with a window of two to four pixels, which no vector unit likes: 100 million
//! instructions for a 1080p picture on its way to 720p, ten times its conversion. Here both passes add up whole runs of
//! bytes with one weight each, as the columns of sixteen rows lie side by side when it is their turn.

mod vector;

use std::f64::consts::PI;

use vector::LANES;

/// Weights are whole 256ths, so that 256 of the brightest byte fit sixteen bits.
const UNIT: u16 = 256;

/// How one pixel is made of its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Every source pixel counts, and text stays sharp: for what shrinks.
    Hamming,
    /// Straight lines between pixels: for what grows.
    Triangle,
}

impl Filter {
    /// At that distance, in pixels of the coarser side; nothing counts from 1 on.
    fn weight(self, distance: f64) -> f64 {
        let distance = distance.abs();
        match self {
            _ if distance >= 1.0 => 0.0,
            Self::Triangle => 1.0 - distance,
            Self::Hamming if distance == 0.0 => 1.0,
            Self::Hamming => {
                let angle = distance * PI;
                angle.sin() / angle * (0.54 + 0.46 * angle.cos())
            }
        }
    }
}

/// Where each pixel of one direction comes from. Kept, as trigonometry for each picture would cost as much as the picture.
#[derive(Debug, Default)]
pub(crate) struct Taps {
    made_for: Option<(f64, usize, Filter)>,
    /// First source pixel, and where its weights begin.
    spans: Vec<(usize, usize)>,
    weights: Vec<u16>,
}

impl Taps {
    /// For `own` source pixels, which need not be whole, and so many others.
    pub(crate) fn prepare(&mut self, own: f64, wanted: usize, filter: Filter) {
        if self.made_for == Some((own, wanted, filter)) {
            return;
        }
        self.made_for = Some((own, wanted, filter));
        self.spans.clear();
        self.weights.clear();
        let last = own.ceil() as usize;
        let step = own / wanted as f64;
        let reach = step.max(1.0);
        let mut exact = Vec::new();
        for target in 0..wanted {
            let centre = (target as f64 + 0.5) * step;
            let first = ((centre - reach + 0.5).max(0.0) as usize).min(last - 1);
            let end = ((centre + reach + 0.5) as usize).clamp(first + 1, last);
            exact.clear();
            exact.extend((first..end).map(|pixel| filter.weight((pixel as f64 + 0.5 - centre) / reach)));
            self.spans.push((first, self.weights.len()));
            self.add(&exact);
        }
        // So that each span's end is where the next one begins.
        self.spans.push((0, self.weights.len()));
    }

    /// In whole numbers whose sum is exactly one unit: flat places stay as bright as they were.
    fn add(&mut self, exact: &[f64]) {
        let sum: f64 = exact.iter().sum();
        let begin = self.weights.len();
        let scale = if sum > 0.0 { f64::from(UNIT) / sum } else { 0.0 };
        self.weights.extend(exact.iter().map(|weight| (weight * scale).round() as u16));
        let total: u16 = self.weights[begin..].iter().sum();
        if let Some(largest) = self.weights[begin..].iter_mut().max() {
            *largest = (*largest + UNIT).saturating_sub(total);
        }
    }

    /// First source pixel and weights of one target pixel.
    fn of(&self, target: usize) -> (usize, &[u16]) {
        let (first, begin) = self.spans[target];
        (first, &self.weights[begin..self.spans[target + 1].1])
    }

    fn len(&self) -> usize {
        self.spans.len() - 1
    }
}

/// Memory between the two passes.
#[derive(Debug, Default)]
pub(crate) struct Resampler {
    sums: Vec<u16>,
    /// Some rows, one after the other, each a whole number of vectors long.
    rows: Vec<[u8; LANES]>,
    /// Source columns of the same rows, each as many bytes as there are lanes.
    columns: Vec<[u8; LANES]>,
    /// Target columns.
    done: Vec<[u8; LANES]>,
}

impl Resampler {
    /// Draws `source` (its bytes and its stride) at `left`, `top` of `target`, as large as the taps say. Both are large
    /// enough.
    pub(crate) fn draw(
        &mut self,
        (source, stride): (&[u8], usize),
        (target, target_stride): (&mut [u8], usize),
        (left, top): (usize, usize),
        (across, down): (&Taps, &Taps),
    ) {
        let width = across.of(across.len() - 1);
        let width = width.0 + width.1.len();
        let vectors = width.div_ceil(LANES);
        let vectors_done = across.len().div_ceil(LANES);
        self.sums.resize(width, 0);
        self.rows.resize(LANES * vectors.max(vectors_done), [0; LANES]);
        self.columns.resize(LANES * vectors, [0; LANES]);
        self.done.resize(LANES * vectors_done, [0; LANES]);
        for begin in (0..down.len()).step_by(LANES) {
            let rows = LANES.min(down.len() - begin);
            for row in 0..rows {
                let (first, weights) = down.of(begin + row);
                add_rows(&source[first * stride..], stride, weights, &mut self.sums);
                for (byte, sum) in self.rows[row * vectors..].as_flattened_mut().iter_mut().zip(&self.sums) {
                    *byte = (sum >> 8) as u8;
                }
            }
            turn(&self.rows, vectors, &mut self.columns);
            for (place, done) in self.done.iter_mut().enumerate().take(across.len()) {
                let (first, weights) = across.of(place);
                *done = vector::weighted(&self.columns[first..first + weights.len()], weights);
            }
            turn_back(&self.done, vectors_done, &mut self.rows);
            for row in 0..rows {
                let at = (top + begin + row) * target_stride + left;
                let bytes = self.rows[row * vectors_done..].as_flattened();
                target[at..at + across.len()].copy_from_slice(&bytes[..across.len()]);
            }
        }
    }
}

/// Each row with its weight, all of them together; four rows in one go, as an enlargement has two and a usual reduction
/// three or four.
fn add_rows(source: &[u8], stride: usize, weights: &[u16], sums: &mut [u16]) {
    // Half a unit first: what is cut off at the end is then rounded.
    sums.fill(UNIT / 2);
    for (group, weights) in weights.chunks(4).enumerate() {
        let weight = |row: usize| weights.get(row).copied().unwrap_or(0);
        let row = |row: usize| &source[(4 * group + row.min(weights.len() - 1)) * stride..][..sums.len()];
        let (rows, weights) = ([0, 1, 2, 3].map(row), [0, 1, 2, 3].map(weight));
        let [first, second, third, fourth] = rows;
        for ((((sum, a), b), c), d) in sums.iter_mut().zip(first).zip(second).zip(third).zip(fourth) {
            // Wrapping, though nothing wraps (see `UNIT`): a check of each sum would keep the vector unit out.
            let term = |byte: &u8, weight: u16| u16::from(*byte).wrapping_mul(weight);
            let upper = term(a, weights[0]).wrapping_add(term(b, weights[1]));
            let lower = term(c, weights[2]).wrapping_add(term(d, weights[3]));
            *sum = sum.wrapping_add(upper).wrapping_add(lower);
        }
    }
}

/// Rows of so many vectors to columns.
fn turn(rows: &[[u8; LANES]], vectors: usize, columns: &mut [[u8; LANES]]) {
    for (vector, columns) in columns.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let mut block = [[0; LANES]; LANES];
        block.iter_mut().enumerate().for_each(|(row, to)| *to = rows[row * vectors + vector]);
        *columns = transposed(block);
    }
}

/// Columns to rows of so many vectors.
fn turn_back(columns: &[[u8; LANES]], vectors: usize, rows: &mut [[u8; LANES]]) {
    for (vector, columns) in columns.as_chunks::<LANES>().0.iter().enumerate() {
        let block = transposed(*columns);
        block.iter().enumerate().for_each(|(row, from)| rows[row * vectors + vector] = *from);
    }
}

/// Rows for columns: four times each half's bytes are laid between the other's, which is what vector units have an
/// instruction for, and what no compiler finds by itself.
fn transposed(mut block: [[u8; LANES]; LANES]) -> [[u8; LANES]; LANES] {
    for _ in 0..LANES.ilog2() {
        let mut next = [[0; LANES]; LANES];
        for (pair, next) in next.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            *next = vector::interleaved(block[pair], block[pair + LANES / 2]);
        }
        block = next;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(source: &[u8], (width, height): (usize, usize), (to_width, to_height): (usize, usize)) -> Vec<u8> {
        let filter = if to_width < width || to_height < height { Filter::Hamming } else { Filter::Triangle };
        let (mut across, mut down) = (Taps::default(), Taps::default());
        across.prepare(width as f64, to_width, filter);
        down.prepare(height as f64, to_height, filter);
        let mut target = vec![7; to_width * to_height];
        Resampler::default().draw((source, width), (&mut target, to_width), (0, 0), (&across, &down));
        target
    }

    /// The same, by the formula.
    fn exact(source: &[u8], (width, height): (usize, usize), (to_width, to_height): (usize, usize)) -> Vec<f64> {
        let filter = if to_width < width || to_height < height { Filter::Hamming } else { Filter::Triangle };
        let weights = |own: usize, wanted: usize, place: usize| -> Vec<f64> {
            let step = own as f64 / wanted as f64;
            let centre = (place as f64 + 0.5) * step;
            let each: Vec<f64> = (0..own).map(|n| filter.weight((n as f64 + 0.5 - centre) / step.max(1.0))).collect();
            let sum: f64 = each.iter().sum();
            each.iter().map(|weight| weight / sum).collect()
        };
        let mut out = Vec::new();
        for y in 0..to_height {
            let rows = weights(height, to_height, y);
            for x in 0..to_width {
                let columns = weights(width, to_width, x);
                let value = |(y, row): (usize, &f64)| -> f64 {
                    columns.iter().enumerate().map(|(x, weight)| f64::from(source[y * width + x]) * weight * row).sum()
                };
                out.push(rows.iter().enumerate().map(value).sum());
            }
        }
        out
    }

    #[test]
    fn every_size_is_what_the_formula_says_within_two_levels() {
        let mut seed = 1_u32;
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        };
        for (from, to) in [
            ((48, 27), (32, 18)),
            ((33, 50), (29, 31)),
            ((20, 20), (33, 47)),
            ((64, 17), (33, 40)),
            ((7, 3), (2, 2)),
            ((2, 2), (5, 5)),
            ((1, 1), (3, 2)),
        ] {
            let source: Vec<u8> = (0..from.0 * from.1).map(|_| noise()).collect();
            let (got, expected) = (drawn(&source, from, to), exact(&source, from, to));
            for (place, (got, expected)) in got.iter().zip(&expected).enumerate() {
                assert!(
                    (f64::from(*got) - expected).abs() <= 2.0,
                    "{from:?} to {to:?} at {place}: {got} for {expected}"
                );
            }
        }
    }

    #[test]
    fn flat_places_keep_their_level_exactly() {
        for level in [0, 1, 16, 127, 235, 255] {
            let source = vec![level; 150 * 90];
            for to in [(100, 60), (149, 89), (76, 46), (211, 133)] {
                assert!(drawn(&source, (150, 90), to).iter().all(|got| *got == level), "{level} at {to:?}");
            }
        }
    }

    #[test]
    fn only_its_own_place_is_drawn() {
        let (mut across, mut down) = (Taps::default(), Taps::default());
        across.prepare(30.0, 20, Filter::Hamming);
        down.prepare(30.0, 20, Filter::Hamming);
        let mut target = vec![9; 64 * 64];
        Resampler::default().draw((&[200; 30 * 30], 30), (&mut target, 64), (3, 5), (&across, &down));
        for (place, got) in target.iter().enumerate() {
            let inside = (3..23).contains(&(place % 64)) && (5..25).contains(&(place / 64));
            assert_eq!(*got, if inside { 200 } else { 9 }, "{place}");
        }
    }
}
