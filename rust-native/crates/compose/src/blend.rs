//! Samples laid over samples. Loops over slices, written so that the compiler makes SIMD of them.

use media::{Picture, Plane};

use crate::planes::part;
use crate::region::Area;

/// `value / 255`, rounded, for products of two bytes.
fn div255(value: u16) -> u16 {
    let value = value + 128;
    (value + (value >> 8)) >> 8
}

/// `value * by / 255`, rounded.
pub(crate) fn scaled(value: u8, by: u8) -> u8 {
    div255(u16::from(value) * u16::from(by)) as u8
}

/// One rectangle of a plane onto one of another: rows of both, and the same rows of `alpha` where there is one.
struct Rows {
    from: (usize, usize),
    to: (usize, usize),
    width: usize,
    rows: usize,
}

impl Rows {
    /// `area` is of the raster; `origin` is where the raster begins in the picture. The area lies within both.
    fn of(index: usize, area: Area, origin: (i32, i32)) -> Self {
        let from = part(index, area.x as u32, area.y as u32);
        let to = part(index, (origin.0 + area.x) as u32, (origin.1 + area.y) as u32);
        let (width, rows) = part(index, area.width as u32, area.height as u32);
        Self { from, to, width, rows }
    }

    fn source<'a>(&self, plane: &'a Plane, row: usize) -> &'a [u8] {
        &plane.data[(self.from.1 + row) * plane.stride + self.from.0..][..self.width]
    }

    fn target<'a>(&self, plane: &'a mut Plane, row: usize) -> &'a mut [u8] {
        let start = (self.to.1 + row) * plane.stride + self.to.0;
        &mut plane.data[start..][..self.width]
    }
}

/// Copies that area of `from` to where `origin` puts it.
pub(crate) fn copy(from: &Picture, area: Area, out: &mut Picture, origin: (i32, i32)) {
    for (index, (source, target)) in from.planes.iter().zip(&mut out.planes).enumerate() {
        let rows = Rows::of(index, area, origin);
        for row in 0..rows.rows {
            rows.target(target, row).copy_from_slice(rows.source(source, row));
        }
    }
}

/// Lays premultiplied samples over what is there; `below` is what shines through, of 255.
pub(crate) fn over_uniform(from: &Picture, below: u8, area: Area, out: &mut Picture, origin: (i32, i32)) {
    let below = u16::from(below);
    for (index, (source, target)) in from.planes.iter().zip(&mut out.planes).enumerate() {
        let rows = Rows::of(index, area, origin);
        for row in 0..rows.rows {
            for (to, from) in rows.target(target, row).iter_mut().zip(rows.source(source, row)) {
                *to = (u16::from(*from) + div255(u16::from(*to) * below)).min(255) as u8;
            }
        }
    }
}

/// Lays premultiplied samples over what is there, each with its own alpha; chroma has the second alpha plane.
pub(crate) fn over(from: &Picture, alpha: [&Plane; 2], area: Area, out: &mut Picture, origin: (i32, i32)) {
    for (index, (source, target)) in from.planes.iter().zip(&mut out.planes).enumerate() {
        let alpha = alpha[index.min(1)];
        let rows = Rows::of(index, area, origin);
        for row in 0..rows.rows {
            over_row(rows.source(source, row), rows.source(alpha, row), rows.target(target, row));
        }
    }
}

/// One row of [`over`]. Runs are short, two or three tiles: eights of fixed length become SIMD without a long rest.
fn over_row(from: &[u8], alpha: &[u8], to: &mut [u8]) {
    let laid =
        |from: u8, alpha: u8, to: u8| (u16::from(from) + div255(u16::from(to) * u16::from(255 - alpha))).min(255) as u8;
    let ((froms, from), (alphas, alpha)) = (from.as_chunks::<8>(), alpha.as_chunks::<8>());
    let (tos, to) = to.as_chunks_mut::<8>();
    for ((to, from), alpha) in tos.iter_mut().zip(froms).zip(alphas) {
        *to = std::array::from_fn(|at| laid(from[at], alpha[at], to[at]));
    }
    for ((to, from), alpha) in to.iter_mut().zip(from).zip(alpha) {
        *to = laid(*from, *alpha, *to);
    }
}

/// Makes an area of the picture black.
pub(crate) fn blacken(out: &mut Picture, area: Area) {
    for (index, target) in out.planes.iter_mut().enumerate() {
        let rows = Rows::of(index, Area { x: 0, y: 0, ..area }, (area.x, area.y));
        for row in 0..rows.rows {
            rows.target(target, row).fill(if index == 0 { 16 } else { 128 });
        }
    }
}

/// Mixes two pictures of one size: `share` 0 is `from`, 1 is `to`. `out` becomes a picture of that size.
pub fn dissolve(from: &Picture, to: &Picture, share: f64, out: &mut Picture) {
    if out.size != to.size {
        *out = Picture::black(to.size);
    }
    let new = (share.clamp(0.0, 1.0) * 256.0).round() as u16;
    let old = 256 - new;
    for ((from, to), out) in from.planes.iter().zip(&to.planes).zip(&mut out.planes) {
        for ((out, from), to) in out.data.iter_mut().zip(&from.data).zip(&to.data) {
            *out = ((u16::from(*from) * old + u16::from(*to) * new + 128) >> 8) as u8;
        }
    }
    out.captured_at = to.captured_at.max(from.captured_at);
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::Size;

    #[test]
    fn a_255th_is_rounded() {
        for value in 0..=255_u16 {
            for by in 0..=255_u16 {
                let exact = (f64::from(value) * f64::from(by) / 255.0).round() as u16;
                assert_eq!(div255(value * by), exact);
            }
        }
    }

    #[test]
    fn a_dissolve_begins_with_one_and_ends_with_the_other() {
        let size = Size { width: 32, height: 2 };
        let (dark, mut light, mut out) = (Picture::black(size), Picture::black(size), Picture::black(size));
        light.planes[0].data.fill(235);
        for (share, luma) in [(0.0, 16), (0.5, 126), (1.0, 235)] {
            dissolve(&dark, &light, share, &mut out);
            assert_eq!(out.planes[0].data[0], luma);
        }
    }
}
