//! Which parts of a raster can be skipped or copied instead of blended: most of an overlay is one or the other.

use media::Plane;

use crate::region::Area;

/// Luma pixels on a side: a chroma tile is then 8 samples wide, half a SIMD register.
const SIDE: usize = 16;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing to be seen.
    Clear,
    /// Nothing below it to be seen.
    Solid,
    /// Both, or something between.
    Mixed,
}

/// The kinds of all tiles of a raster, row by row.
#[derive(Debug)]
pub(crate) struct Tiles {
    across: usize,
    kinds: Vec<Kind>,
    width: usize,
    height: usize,
}

impl Tiles {
    /// Looks at an alpha plane of `width`×`height`.
    pub(crate) fn of(alpha: &Plane, width: usize, height: usize) -> Self {
        let across = width.div_ceil(SIDE);
        let mut kinds = Vec::with_capacity(across * height.div_ceil(SIDE));
        for top in (0..height).step_by(SIDE) {
            for left in (0..width).step_by(SIDE) {
                let end = (left + SIDE).min(width);
                let rows = top..(top + SIDE).min(height);
                let all = |value: u8| {
                    rows.clone().all(|y| alpha.data[y * alpha.stride..][left..end].iter().all(|a| *a == value))
                };
                kinds.push(if all(0) {
                    Kind::Clear
                } else if all(255) {
                    Kind::Solid
                } else {
                    Kind::Mixed
                });
            }
        }
        Self { across, kinds, width, height }
    }

    /// Calls `draw` for each run of tiles of one kind that shows something within `clip` (of the raster, even).
    pub(crate) fn runs(&self, clip: Area, mut draw: impl FnMut(Kind, Area)) {
        let rows = (clip.y as usize / SIDE)..((clip.y + clip.height) as usize).div_ceil(SIDE);
        let columns = (clip.x as usize / SIDE)..((clip.x + clip.width) as usize).div_ceil(SIDE).min(self.across);
        for row in rows.take_while(|row| row * SIDE < self.height) {
            let kinds = &self.kinds[row * self.across..][..self.across];
            let mut column = columns.start;
            while column < columns.end {
                let kind = kinds[column];
                let first = column;
                while column < columns.end && kinds[column] == kind {
                    column += 1;
                }
                if kind == Kind::Clear {
                    continue;
                }
                let run = Area {
                    x: (first * SIDE) as i32,
                    y: (row * SIDE) as i32,
                    width: ((column * SIDE).min(self.width) - first * SIDE) as i32,
                    height: (((row + 1) * SIDE).min(self.height) - row * SIDE) as i32,
                };
                if let Some(run) = run.shared(clip) {
                    draw(kind, run);
                }
            }
        }
    }

    /// Whether nothing below can be seen anywhere.
    pub(crate) fn is_solid(&self) -> bool {
        self.kinds.iter().all(|kind| *kind == Kind::Solid)
    }
}
