//! Fuzzing without a fuzzer's own build: mutations of a corpus, the same on each run, for a while.
//!
//! Finds what noise finds: panics, endless loops, growth. It knows nothing of coverage, so a corpus must hold one
//! example of each thing that the parser tells apart.

use std::time::{Duration, Instant};

/// In the quick tests.
pub const QUICK: Duration = Duration::from_secs(5);
/// In the long ones.
pub const LONG: Duration = Duration::from_secs(600);

/// No parser takes so long for a few kilobytes, even on a machine that builds something else besides.
const LONGEST: Duration = Duration::from_secs(10);

/// Numbers that look random and are the same on each run (xorshift64*, Vigna 2014).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Any seed but zero gives another row.
    pub fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Less than `most`, or zero.
    pub fn below(&mut self, most: usize) -> usize {
        if most == 0 { 0 } else { (self.roll() % most as u64) as usize }
    }
}

/// Numbers that parsers stumble over.
const EDGES: [u8; 8] = [0, 1, 0x7f, 0x80, 0x81, 0xc0, 0xfe, 0xff];

/// One sample with a few things wrong.
pub fn mutate(corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut data = corpus.get(dice.below(corpus.len())).cloned().unwrap_or_default();
    for _ in 0..=dice.below(6) {
        let at = dice.below(data.len());
        match dice.below(8) {
            0 => data.truncate(at),
            1 if !data.is_empty() => data[at] ^= 1 << dice.below(8),
            2 if !data.is_empty() => data[at] = EDGES[dice.below(EDGES.len())],
            3 => {
                let noise: Vec<u8> = (0..dice.below(16)).map(|_| dice.roll() as u8).collect();
                data.splice(at..at, noise);
            }
            4 => {
                let end = (at + dice.below(32)).min(data.len());
                data.drain(at..end);
            }
            5 => {
                let end = (at + dice.below(64)).min(data.len());
                let piece = data[at..end].to_vec();
                let to = dice.below(data.len());
                data.splice(to..to, piece);
            }
            6 => {
                let other = &corpus[dice.below(corpus.len())];
                let from = dice.below(other.len());
                data.extend_from_slice(&other[from..]);
            }
            // A length or a count that lies, in any width.
            _ => {
                let width = 1 << dice.below(4);
                let edge = EDGES[dice.below(EDGES.len())];
                data.iter_mut().skip(at).take(width).for_each(|byte| *byte = edge);
            }
        }
    }
    data
}

/// Gives mutations to `parse` for so long; how many.
///
/// # Panics
/// Where `parse` does, with the sample in hexadecimal first, so that it can become a test of its own; and where one
/// sample takes long.
pub fn run(corpus: &[Vec<u8>], seed: u64, lasts: Duration, mut parse: impl FnMut(&[u8], &mut Dice)) -> u64 {
    let mut dice = Dice::new(seed);
    let begun = Instant::now();
    let mut count = 0;
    while begun.elapsed() < lasts {
        let sample = mutate(corpus, &mut dice);
        let told = Told(&sample);
        let at = Instant::now();
        parse(&sample, &mut dice);
        let took = at.elapsed();
        assert!(took < LONGEST, "a sample of {} bytes takes {took:?}", sample.len());
        std::mem::forget(told);
        count += 1;
    }
    count
}

/// Names the sample when its parser panics.
struct Told<'a>(&'a [u8]);

impl Drop for Told<'_> {
    #[allow(clippy::print_stderr, reason = "a test's last words")]
    fn drop(&mut self) {
        let hex: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("the sample was {hex}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutations_differ_and_are_the_same_on_each_run() {
        let corpus = [vec![1, 2, 3, 4, 5, 6, 7, 8], vec![9; 40]];
        let some = |seed| {
            let mut dice = Dice::new(seed);
            (0..200).map(|_| mutate(&corpus, &mut dice)).collect::<Vec<_>>()
        };
        assert_eq!(some(3), some(3));
        let distinct: std::collections::HashSet<_> = some(3).into_iter().collect();
        assert!(distinct.len() > 150, "{}", distinct.len());
        assert_ne!(some(3), some(4));
    }

    #[test]
    fn an_empty_corpus_is_noise() {
        let mut dice = Dice::new(1);
        (0..1000).for_each(|_| drop(mutate(&[vec![]], &mut dice)));
    }
}
