//! A captured frame becomes the picture that is encoded: placed, scaled, converted.
//!
//! BGRA in, I420 with the BT.709 matrix in limited range out (ITU-R BT.709-6, ITU-T H.273). The source keeps its
//! aspect; what it doesn't fill is black. A picture that is one already can be made smaller ([`Rescaler`], [`halve`]).
//! Several sources at once are a [`Stage`]: a scene, of which only what changed is drawn again. No thread, no queue and no
//! device lives here: one call does one picture.

mod blend;
mod card;
mod convert;
mod error;
mod geometry;
mod halve;
mod key;
mod layer;
mod placement;
mod planes;
mod raster;
mod region;
mod resample;
mod rescale;
mod stage;
mod tiles;

use media::{Picture, Size, VideoFrame};

pub use blend::dissolve;
pub use card::Card;
pub use error::ComposeError;
pub use geometry::{Rect, fit};
pub use rescale::{Rescaler, half_size, halve};
pub use stage::{Counts, Stage};

use planes::{Scaler, View};

/// Makes pictures of one size out of frames of any.
pub struct Composer {
    output: Size,
    scaler: Scaler,
}

impl Composer {
    /// For pictures of that size, rounded up to even numbers.
    pub fn new(output: Size) -> Self {
        Self { output: output.even(), scaler: Scaler::default() }
    }

    /// The size of the pictures.
    pub fn output(&self) -> Size {
        self.output
    }

    /// Draws the frame into `out`, which becomes a picture of the output size where it isn't one, and takes over the
    /// frame's time. The whole picture is written: it may have held anything before.
    ///
    /// Where the frame needs no scaling it is converted straight into `out`, in one pass.
    ///
    /// # Errors
    /// [`ComposeError::EmptyFrame`] and [`ComposeError::TruncatedFrame`] for frames that are not what they say;
    /// `out` is then unchanged.
    pub fn compose(&mut self, frame: &VideoFrame, out: &mut Picture) -> Result<(), ComposeError> {
        check(frame)?;
        if self.output.area() == 0 {
            return Err(ComposeError::EmptyPicture);
        }
        if !planes::is_whole(out, self.output) {
            *out = Picture::black(self.output);
        }
        let rect = fit(frame.size, self.output);
        planes::blacken_around(out, rect);
        if rect.size == frame.size.even() {
            convert::convert(View::whole(frame), out, rect)?;
        } else {
            self.scaler.draw(View::whole(frame), out, rect)?;
        }
        out.captured_at = frame.captured_at;
        Ok(())
    }
}

impl std::fmt::Debug for Composer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Composer").field("output", &self.output).finish_non_exhaustive()
    }
}

fn check(frame: &VideoFrame) -> Result<(), ComposeError> {
    if frame.size.area() == 0 {
        return Err(ComposeError::EmptyFrame);
    }
    let needed = frame.stride.checked_mul(frame.size.height as usize);
    let got = frame.pixels.length();
    if frame.stride < 4 * frame.size.width as usize || needed.is_none_or(|needed| got < needed) {
        return Err(ComposeError::TruncatedFrame { size: frame.size, stride: frame.stride, bytes: got });
    }
    Ok(())
}
