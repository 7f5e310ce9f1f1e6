//! Live media as files, for players and caches: HLS, LL-HLS and DASH.

use std::time::Duration;

use serde::Deserialize;

use crate::chunks::{Room, Rules};

/// `[hls]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HlsSettings {
    /// Whether streams can be read so at all.
    pub enabled: bool,
    /// Pack every stream while it is live; else while somebody reads it.
    pub always: bool,
    /// Milliseconds of a part: what a low-latency player gets at once. 200 to 1000.
    pub part_ms: u64,
    /// Milliseconds after which a segment ends with the next keyframe, which is asked of the publisher. 1000 to 10000.
    pub segment_ms: u64,
    /// Seconds that playlists reach back. 12 to 3600.
    pub window_seconds: u64,
    /// Megabytes that one stream's window may take; the oldest goes first.
    pub memory_mb: usize,
}

impl Default for HlsSettings {
    fn default() -> Self {
        // Half a second: a player stands three parts behind, and asks some five times a second. Two seconds of a segment
        // are a keyframe each two seconds, which costs a real picture 5 to 10 % of its bits. Forty seconds are more than
        // the eighteen after which delta updates leave segments out.
        Self { enabled: true, always: false, part_ms: 500, segment_ms: 2000, window_seconds: 40, memory_mb: 128 }
    }
}

impl HlsSettings {
    pub(crate) fn check(&self) -> Result<(), String> {
        let in_range = [
            ("part_ms", (200..=1000).contains(&self.part_ms), "200 and 1000"),
            ("segment_ms", (1000..=10_000).contains(&self.segment_ms), "1000 and 10000"),
            ("window_seconds", (12..=3600).contains(&self.window_seconds), "12 and 3600"),
            ("memory_mb", (8..=65_536).contains(&self.memory_mb), "8 and 65536"),
        ];
        match in_range.into_iter().find(|(_, fine, _)| !fine) {
            Some((field, _, range)) => Err(format!("hls.{field} must lie between {range}")),
            None => Ok(()),
        }
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules { part: Duration::from_millis(self.part_ms), segment: Duration::from_millis(self.segment_ms) }
    }

    pub(crate) fn room(&self) -> Room {
        Room { listed: Duration::from_secs(self.window_seconds), bytes: self.memory_mb << 20 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_player_could_follow_is_refused_by_name() {
        assert_eq!(HlsSettings::default().check(), Ok(()));
        let short = HlsSettings { part_ms: 20, ..HlsSettings::default() };
        assert!(short.check().is_err_and(|reason| reason.starts_with("hls.part_ms ")));
    }
}
