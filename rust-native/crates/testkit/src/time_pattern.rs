//! The time pattern: a picture that says when it was drawn, in what colours, and how it must look.
//!
//! A window draws it ([`window`], the binary `time-pattern`); whatever comes out at the far end of a pipeline is
//! read back with [`decode`]. The stamp survives x264 at 1 Mbit/s, scaling to 480p and 4:2:0, because each bit is
//! one large black or white cell; a checksum refuses a torn or smeared picture instead of misreading it.
//! The whole picture is a pure function of its stamp, so that a decoded one can be compared with what was drawn.
//!
//! It does not capture, encode or measure anything itself. `electron-app/tests/rigs/pattern.mjs` reads the same
//! geometry in a browser: change the two together.

mod quality;
mod scene;
mod stamp;
mod terminal;
#[cfg(target_os = "linux")]
pub mod window;

use std::time::{SystemTime, UNIX_EPOCH};

pub use quality::{psnr_luma, ssim_luma};
pub use scene::{BARS, Painter};
pub use stamp::{Luma, Region, cell_bits, decode};
pub use terminal::LINES_PER_SECOND;

/// A moment in tenths of a millisecond of `CLOCK_REALTIME`; 48 bits, good until the year 2861.
pub type Stamp = u64;

/// Stamps in one second.
pub const STAMPS_PER_SECOND: u64 = 10_000;

/// The stamp of this moment.
#[must_use]
pub fn now() -> Stamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros() / 100).unwrap_or(u64::MAX) & stamp::STAMP_MASK
}

/// What the window shows below the stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Stamp, colour bars, flash zone and some motion: one window for most checks.
    Cells,
    /// A thin stamp over a large game-like moving picture: for bitrates and the bench.
    Motion,
    /// A thin stamp over a terminal that scrolls, [`LINES_PER_SECOND`]; to be drawn as often.
    Terminal,
    /// A thin stamp over a film: soft, with grain, slow pans and a cut every four seconds; to be drawn 24 times a second.
    Film,
    /// As `Cells`, but nothing moves unless it is told to.
    Still,
    /// Stamp and colour bars only: cheap to encode, still moving at full rate.
    Bars,
    /// Stamp and a large flash zone.
    Flash,
}

impl Content {
    /// By its name on the command line.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "cells" => Self::Cells,
            "motion" => Self::Motion,
            "terminal" => Self::Terminal,
            "film" => Self::Film,
            "still" => Self::Still,
            "bars" => Self::Bars,
            "flash" => Self::Flash,
            _ => return None,
        })
    }

    /// Where the parts lie, in 64ths of the height: ends of stamp, bars, flash and motion.
    const fn ends(self) -> [u32; 4] {
        match self {
            Self::Cells | Self::Still => [16, 28, 36, 64],
            Self::Motion | Self::Terminal | Self::Film => [8, 8, 8, 64],
            Self::Bars => [16, 64, 64, 64],
            Self::Flash => [16, 16, 64, 64],
        }
    }
}

/// Rows of each part for a picture of some height; an absent part is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zones {
    /// The cells.
    pub stamp: std::ops::Range<u32>,
    /// The colour bars.
    pub bars: std::ops::Range<u32>,
    /// White for the first tenth of each second, else black.
    pub flash: std::ops::Range<u32>,
    /// The moving picture.
    pub motion: std::ops::Range<u32>,
}

impl Zones {
    /// The parts of `content` at `height` pixels.
    #[must_use]
    pub fn of(content: Content, height: u32) -> Self {
        let [stamp, bars, flash, motion] = content.ends().map(|end| (height * end + 32) / 64);
        Self { stamp: 0..stamp, bars: stamp..bars, flash: bars..flash, motion: flash..motion }
    }
}

/// Whether the flash zone is white at `stamp`.
#[must_use]
pub const fn flash_is_on(stamp: Stamp) -> bool {
    stamp % STAMPS_PER_SECOND < STAMPS_PER_SECOND / 10
}

#[cfg(test)]
mod tests;
