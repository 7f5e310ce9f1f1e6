//! What of a publisher's pictures is encoded anew: those that WebRTC has no place for, and smaller renditions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

use super::recording::{every_stream, named};

/// `[transcoding]`: what of a publisher's media is made anew for viewers, and only while one watches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TranscodingSettings {
    /// Streams whose pictures may be encoded anew at the same time: those with B-frames, which WebRTC has no place
    /// for. Past it a stream has sound only. A picture of 1080p costs a core about 15 ms; 0 for none at all.
    pub most_videos: u32,
    /// Renditions of all streams that may be made at the same time; what does not fit is not offered. 0 for none.
    pub max_renditions: u32,
    /// Seconds that a rendition is made for when nobody watches it any more. 1 to 600.
    pub linger_seconds: u32,
    /// Which streams have renditions, by rules with a name; the first of the names that takes a stream counts.
    pub ladder: BTreeMap<String, LadderSettings>,
}

/// `[transcoding.ladder.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LadderSettings {
    /// Names of streams; a `*` at the end stands for anything. Every stream by default.
    #[serde(default = "every_stream")]
    pub streams: Vec<String>,
    /// What is made beside the source, wherever the source is larger.
    pub renditions: Vec<RenditionSettings>,
}

/// One rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenditionSettings {
    /// Pixels of the picture's shorter side, even: 720 is called `720p`, of an upright picture, too.
    pub height: u16,
    /// Bits per second of the picture, kbit/s; 2.7 per pixel of a 16:9 picture by default (720p: 2488).
    #[serde(default)]
    pub kbps: Option<u32>,
}

impl Default for TranscodingSettings {
    fn default() -> Self {
        // Two at 1080p30 are what a small machine carries beside its other work. A rendition of 720p30 costs 0.4 of a core,
        // of a source of 1080p. Who reloads a page, or pauses for a moment, comes back within ten seconds.
        Self { most_videos: 2, max_renditions: 4, linger_seconds: 10, ladder: BTreeMap::new() }
    }
}

/// More, and players have no use for the difference.
const MOST: usize = 6;

impl TranscodingSettings {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(1..=600).contains(&self.linger_seconds) {
            return Err("transcoding.linger_seconds must lie between 1 and 600".to_owned());
        }
        for (name, ladder) in &self.ladder {
            let wrong = |what: &str| Err(format!("transcoding.ladder.{name}.renditions {what}"));
            if ladder.renditions.is_empty() || ladder.renditions.len() > MOST {
                return wrong("must list one to six");
            }
            let heights: BTreeSet<u16> = ladder.renditions.iter().map(|rendition| rendition.height).collect();
            if heights.len() < ladder.renditions.len() {
                return wrong("names a height twice");
            }
            if heights.iter().any(|height| !(144..=2160).contains(height) || height % 2 == 1) {
                return wrong("must have even heights from 144 to 2160");
            }
            let kbps = ladder.renditions.iter().filter_map(|rendition| rendition.kbps);
            if kbps.into_iter().any(|kbps| !(50..=50_000).contains(&kbps)) {
                return wrong("must have a kbps from 50 to 50000");
            }
        }
        Ok(())
    }

    /// A stream's renditions; none, where no rule takes it.
    pub(crate) fn of(&self, stream: &str) -> &[RenditionSettings] {
        let mut ladders = self.ladder.values().filter(|ladder| named(&ladder.streams, stream));
        ladders.next().map_or(&[], |ladder| &ladder.renditions)
    }

    pub(crate) fn linger(&self) -> Duration {
        Duration::from_secs(u64::from(self.linger_seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> TranscodingSettings {
        toml::from_str(text).expect("it can be read")
    }

    #[test]
    fn a_stream_has_the_renditions_of_the_first_rule_that_takes_it() {
        let settings = read(
            "max_renditions = 2\n[ladder.a-cams]\nstreams = [\"cam-*\"]\nrenditions = [{ height = 480, kbps = 900 }]\n\
             [ladder.rest]\nrenditions = [{ height = 720 }, { height = 360 }]\n",
        );
        assert_eq!(settings.check(), Ok(()));
        let heights = |stream: &str| settings.of(stream).iter().map(|one| one.height).collect::<Vec<_>>();
        assert_eq!((heights("cam-1"), heights("live")), (vec![480], vec![720, 360]));
        assert!(TranscodingSettings::default().of("live").is_empty());
    }

    #[test]
    fn renditions_that_no_encoder_could_make_are_refused_by_name() {
        for (renditions, what) in [
            ("[]", "one to six"),
            ("[{ height = 721 }]", "even"),
            ("[{ height = 72 }]", "even"),
            ("[{ height = 720 }, { height = 720, kbps = 900 }]", "twice"),
            ("[{ height = 720, kbps = 5 }]", "kbps"),
        ] {
            let settings = read(&format!("[ladder.all]\nrenditions = {renditions}\n"));
            let reason = settings.check().expect_err(renditions);
            assert!(reason.starts_with("transcoding.ladder.all.renditions ") && reason.contains(what), "{reason}");
        }
        let hasty = TranscodingSettings { linger_seconds: 0, ..TranscodingSettings::default() };
        assert!(hasty.check().is_err_and(|reason| reason.starts_with("transcoding.linger_seconds ")));
    }
}
