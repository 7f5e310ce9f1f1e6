//! A picture at another size: what was decoded is made smaller before it is encoded once more.

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
}
