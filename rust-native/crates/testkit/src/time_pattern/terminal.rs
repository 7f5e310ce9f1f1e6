//! A terminal that scrolls: what a build prints, at a steady rate, as a function of the stamp alone.

use super::{STAMPS_PER_SECOND, Stamp};

/// Lines in a second: a compiler at work. Who draws this often draws each line once.
pub const LINES_PER_SECOND: u64 = 8;

/// A cell of the screen, pixels.
const CELL: (u32, u32) = (8, 16);
/// A letter's pixels are this large, as of a small bitmap font drawn twice as large.
const DOT: u32 = 2;
const LETTER: (u32, u32) = (3, 5);

const BACKGROUND: u32 = 0xff1e_1e1e;
/// What a terminal's usual colours are.
const COLOURS: [u32; 6] = [0xffcc_cccc, 0xffcc_cccc, 0xff4e_c9b0, 0xffdc_dcaa, 0xff56_9cd6, 0xffd1_6969];

/// a to z and 0 to 9, five rows of three dots each, the first dot in the highest of fifteen bits.
const LETTERS: [u16; 36] = [
    0b010_101_111_101_101,
    0b110_101_110_101_110,
    0b011_100_100_100_011,
    0b110_101_101_101_110,
    0b111_100_110_100_111,
    0b111_100_110_100_100,
    0b011_100_101_101_011,
    0b101_101_111_101_101,
    0b111_010_010_010_111,
    0b001_001_001_101_010,
    0b101_101_110_101_101,
    0b100_100_100_100_111,
    0b101_111_111_101_101,
    0b110_101_101_101_101,
    0b010_101_101_101_010,
    0b110_101_110_100_100,
    0b010_101_101_110_011,
    0b110_101_110_101_101,
    0b011_100_010_001_110,
    0b111_010_010_010_010,
    0b101_101_101_101_111,
    0b101_101_101_101_010,
    0b101_101_111_111_101,
    0b101_101_010_101_101,
    0b101_101_010_010_010,
    0b111_001_010_100_111,
    0b111_101_101_101_111,
    0b010_110_010_010_111,
    0b110_001_010_100_111,
    0b110_001_010_001_110,
    0b101_101_111_001_001,
    0b111_100_110_001_110,
    0b011_100_111_101_111,
    0b111_001_010_010_010,
    0b111_101_111_101_111,
    0b111_101_111_001_110,
];

/// The number of the last line that was printed by then.
fn newest(stamp: Stamp) -> u64 {
    stamp * LINES_PER_SECOND / STAMPS_PER_SECOND
}

/// The pixels of row `y` of a terminal that is `height` high, at that moment; its last line is at the bottom.
pub(super) fn paint_row(stamp: Stamp, y: u32, height: u32, row: &mut [u32]) {
    row.fill(BACKGROUND);
    // Whole lines from the bottom up: what is left over at the top stays empty.
    let from_below = height - 1 - y;
    let (line, dot_row) = (from_below / CELL.1, (CELL.1 - 1 - from_below % CELL.1) / DOT);
    if line >= height / CELL.1 || !(1..=LETTER.1).contains(&dot_row) {
        return;
    }
    let line = newest(stamp).wrapping_sub(u64::from(line)) as u32;
    let columns = row.len() as u32 / CELL.0;
    // A third of the width up to nearly all of it, as a build's lines are.
    let length = columns / 3 + super::scene::hash(line) % (columns / 2).max(1);
    for column in 0..length.min(columns) {
        let letter = super::scene::hash(line.wrapping_mul(977).wrapping_add(column));
        // Words of about six letters, each word of one colour.
        if letter.is_multiple_of(7) {
            continue;
        }
        let word = super::scene::hash(line ^ (column / 9) << 20);
        let colour = COLOURS[(word % COLOURS.len() as u32) as usize];
        let dots = LETTERS[(letter >> 8) as usize % LETTERS.len()] >> (3 * (LETTER.1 - dot_row)) & 0b111;
        for dot in (0..LETTER.0).filter(|dot| dots >> (LETTER.0 - 1 - dot) & 1 == 1) {
            let left = (column * CELL.0 + dot * DOT) as usize;
            row[left..left + DOT as usize].fill(colour);
        }
    }
}
