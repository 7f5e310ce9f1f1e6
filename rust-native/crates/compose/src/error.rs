//! What can be wrong with a frame.

use media::Size;

/// A frame that can't be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// It has no pixels.
    #[error("the captured frame is empty")]
    EmptyFrame,
    /// The output was to have no pixels.
    #[error("the picture to draw into is empty")]
    EmptyPicture,
    /// Its memory is shorter than its size and stride say.
    #[error("a captured frame of {size} with {stride} bytes a row has only {bytes} bytes")]
    TruncatedFrame {
        /// As the frame says.
        size: Size,
        /// As the frame says.
        stride: usize,
        /// What there is.
        bytes: usize,
    },
    /// The colour conversion or the scaler refused it.
    #[error("the captured frame could not be converted: {reason}")]
    Conversion {
        /// In the library's words.
        reason: String,
    },
}

impl ComposeError {
    /// Stable, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::EmptyFrame => "empty_frame",
            Self::EmptyPicture => "empty_picture",
            Self::TruncatedFrame { .. } => "truncated_frame",
            Self::Conversion { .. } => "conversion_failed",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::EmptyFrame => "Make the captured window larger, or choose another source.",
            Self::EmptyPicture => "Choose a resolution.",
            Self::TruncatedFrame { .. } | Self::Conversion { .. } => "Choose the source again, or another one.",
        }
    }
}
