//! One RTP packet of a stream, as every viewer shares it: payload untouched, numbers on the stream's own time line.

use std::sync::Arc;
use std::time::Instant;

use str0m::rtp::ExtensionValues;

use crate::ladder::Rung;

/// Which of the two tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Track {
    /// H.264, 90 kHz.
    Video,
    /// Opus, 48 kHz.
    Audio,
}

impl Track {
    /// RTP clock, Hz.
    pub(crate) fn clock_rate(self) -> u32 {
        match self {
            Self::Video => 90_000,
            Self::Audio => 48_000,
        }
    }
}

/// One packet on the stream's time line (see `timeline`).
#[derive(Debug)]
pub(crate) struct MediaPacket {
    pub(crate) track: Track,
    /// Which rendition of the picture it is; `None` for the source, and for sound. Each has its own sequence.
    pub(crate) rung: Option<Rung>,
    /// Never wraps, never goes back when a publisher returns.
    pub(crate) sequence: u64,
    /// Wraps; goes on in step with the wall clock when a publisher returns.
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    /// Those that mean something from end to end.
    pub(crate) extensions: ExtensionValues,
    /// When the timestamp was "now" on this machine's clock, the same for both tracks (see `clock`).
    pub(crate) wallclock: Instant,
    /// Whether the publisher's own reports say so, for every track it has; else it is the packet's arrival.
    pub(crate) synced: bool,
    pub(crate) payload: Arc<[u8]>,
}

#[cfg(test)]
impl MediaPacket {
    pub(crate) fn for_tests(sequence: u64, timestamp: u32, payload: &[u8]) -> Self {
        Self {
            track: Track::Video,
            rung: None,
            sequence,
            timestamp,
            marker: false,
            extensions: ExtensionValues::default(),
            wallclock: Instant::now(),
            synced: true,
            payload: payload.into(),
        }
    }
}
