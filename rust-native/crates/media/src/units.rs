//! Units of measure as types.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bitrate(u32);

impl Bitrate {
    /// From bits per second.
    pub const fn from_bps(bps: u32) -> Self {
        Self(bps)
    }

    /// From kilobits (1000 bits) per second.
    pub const fn from_kbps(kbps: u32) -> Self {
        Self(kbps.saturating_mul(1000))
    }

    /// Bits per second.
    pub const fn as_bps(self) -> u32 {
        self.0
    }

    /// Kilobits per second, rounded down.
    pub const fn as_kbps(self) -> u32 {
        self.0 / 1000
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kbit/s", self.as_kbps())
    }
}

/// Whole pictures per second, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FrameRate(u32);

impl FrameRate {
    /// `None` for zero.
    pub const fn new(fps: u32) -> Option<Self> {
        if fps == 0 { None } else { Some(Self(fps)) }
    }

    /// Pictures per second.
    pub const fn fps(self) -> u32 {
        self.0
    }

    /// Time from one picture to the next.
    pub const fn interval(self) -> Duration {
        Duration::from_nanos(1_000_000_000 / self.0 as u64)
    }
}

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

impl Size {
    /// Both numbers rounded up to even ones, as 4:2:0 needs.
    pub const fn even(self) -> Self {
        Self { width: self.width.next_multiple_of(2), height: self.height.next_multiple_of(2) }
    }

    /// Pixels in all.
    pub const fn area(self) -> u64 {
        self.width as u64 * self.height as u64
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}", self.width, self.height)
    }
}
