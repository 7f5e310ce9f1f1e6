//! A picture at another size: what was decoded or composed is made smaller before it is encoded once more.

use media::{Picture, Size};

use crate::planes::{PlaneScaler, is_whole};
use crate::{ComposeError, Rect};

/// Makes pictures of one size out of pictures of any; keeps their time.
pub struct Rescaler {
    output: Size,
    planes: PlaneScaler,
}

impl Rescaler {
    /// For pictures of that size, rounded up to even numbers.
    pub fn new(output: Size) -> Self {
        Self { output: output.even(), planes: PlaneScaler::default() }
    }

    /// The size of the pictures.
    pub fn output(&self) -> Size {
        self.output
    }

    /// Draws all of `picture` into all of `out`, which becomes a picture of the output size where it isn't one.
    ///
    /// # Errors
    /// [`ComposeError::EmptyFrame`] and [`ComposeError::EmptyPicture`] where one of them has no pixel, and
    /// [`ComposeError::Conversion`] for a picture that lacks some of its memory.
    pub fn rescale(&mut self, picture: &Picture, out: &mut Picture) -> Result<(), ComposeError> {
        // Two pixels share a colour: an odd one at the edge is left out.
        let own = [picture.size.width & !1, picture.size.height & !1];
        if own.contains(&0) {
            return Err(ComposeError::EmptyFrame);
        }
        if self.output.area() == 0 {
            return Err(ComposeError::EmptyPicture);
        }
        if !is_whole(picture, picture.size) {
            return Err(ComposeError::Conversion { reason: "the picture lacks some of its rows".to_owned() });
        }
        if !is_whole(out, self.output) {
            *out = Picture::black(self.output);
        }
        self.planes.draw((picture, own.map(f64::from)), (out, Rect { x: 0, y: 0, size: self.output }));
        out.captured_at = picture.captured_at;
        Ok(())
    }
}

impl std::fmt::Debug for Rescaler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rescaler").field("output", &self.output).finish_non_exhaustive()
    }
}

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
    use media::MediaTime;

    use super::*;

    /// Left half dark, right half bright; reddish.
    fn halves(size: Size) -> Picture {
        let mut picture = Picture::black(size);
        let (width, stride) = (size.width as usize, picture.planes[0].stride);
        for row in picture.planes[0].data.chunks_exact_mut(stride) {
            row[..width / 2].fill(40);
            row[width / 2..].fill(200);
        }
        picture.planes[2].data.fill(150);
        picture.captured_at = MediaTime::from_nanos(77);
        picture
    }

    #[test]
    fn a_smaller_picture_shows_the_same_in_the_same_places() {
        for (from, to) in [((1920, 1080), (1280, 720)), ((1280, 720), (854, 480)), ((1080, 1920), (270, 480))] {
            let size = |(width, height)| Size { width, height };
            let mut out = Picture::black(Size { width: 2, height: 2 });
            Rescaler::new(size(to)).rescale(&halves(size(from)), &mut out).expect("scaled");
            assert_eq!((out.size, out.captured_at), (size(to), MediaTime::from_nanos(77)));
            let (width, stride) = (to.0 as usize, out.planes[0].stride);
            for row in out.planes[0].data.chunks_exact(stride) {
                assert!(row[..width / 2 - 4].iter().all(|luma| *luma == 40), "{from:?}");
                assert!(row[width / 2 + 4..width].iter().all(|luma| *luma == 200), "{from:?}");
            }
            let (half, stride) = (width / 2, out.planes[2].stride);
            assert!(out.planes[2].data.chunks_exact(stride).all(|row| row[..half].iter().all(|red| *red == 150)));
        }
    }

    #[test]
    fn a_picture_that_lacks_rows_is_refused() {
        let mut picture = halves(Size { width: 64, height: 64 });
        picture.planes[1].data.truncate(9);
        let mut out = Picture::black(Size { width: 32, height: 32 });
        assert!(Rescaler::new(out.size).rescale(&picture, &mut out).is_err());
    }

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
