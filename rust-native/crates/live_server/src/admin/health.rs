//! How a stream is doing, by rules.

use serde::Serialize;

use super::ReportSum;
use crate::figures::StreamInfo;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// Nobody publishes.
    Offline,
    Good,
    Warning,
    Bad,
}

/// How it is, and what about it isn't good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Health {
    pub(crate) level: Level,
    /// Stable, `snake_case`.
    pub(crate) reasons: Vec<&'static str>,
}

/// Judges a stream. Past 2 % of loss repairs are heard of, past 8 % they come too late; half a second of round trip
/// leaves no time for any.
pub(crate) fn health(info: &StreamInfo, reports: &ReportSum) -> Health {
    if !info.live {
        return Health { level: Level::Offline, reasons: Vec::new() };
    }
    let loss = info.publisher_loss.unwrap_or(0.0);
    let found = [
        (loss >= 0.08, Level::Bad, "publisher_loss_high"),
        ((0.02..0.08).contains(&loss), Level::Warning, "publisher_loss"),
        (info.publisher_rtt_ms.is_some_and(|rtt| rtt >= 500.0), Level::Warning, "publisher_far"),
        (info.video_codec.is_some() && info.bitrate_kbps > 0.0 && info.fps < 0.5, Level::Warning, "no_pictures"),
        (info.video_codec.is_none(), Level::Warning, "no_video"),
        (info.audio_codec.is_none(), Level::Good, "no_audio"),
        (info.notice.is_some(), Level::Warning, "notice"),
        (reports.viewers >= 3 && reports.frozen_share >= 0.02, Level::Warning, "viewers_freeze"),
    ];
    let found: Vec<_> = found.into_iter().filter(|(is, ..)| *is).collect();
    let level = found.iter().map(|(_, level, _)| *level).max().unwrap_or(Level::Good);
    Health { level, reasons: found.into_iter().map(|(.., reason)| reason).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_as_well_as_its_worst_figure() {
        let info = StreamInfo {
            live: true,
            video_codec: Some("H264".to_owned()),
            audio_codec: Some("opus".to_owned()),
            fps: 30.0,
            bitrate_kbps: 1000.0,
            ..StreamInfo::default()
        };
        let none = ReportSum::default();
        let judged = |info: &StreamInfo| health(info, &none);
        assert_eq!(judged(&info), Health { level: Level::Good, reasons: Vec::new() });
        assert_eq!(judged(&StreamInfo::default()).level, Level::Offline);
        let lossy = StreamInfo { publisher_loss: Some(0.03), ..info.clone() };
        assert_eq!(judged(&lossy), Health { level: Level::Warning, reasons: vec!["publisher_loss"] });
        let worse = StreamInfo { publisher_loss: Some(0.2), fps: 0.0, ..info.clone() };
        assert_eq!(judged(&worse).reasons, ["publisher_loss_high", "no_pictures"]);
        assert_eq!(judged(&worse).level, Level::Bad);
        let frozen = ReportSum { viewers: 5, frozen_share: 0.1, ..none };
        assert_eq!(health(&info, &frozen).reasons, ["viewers_freeze"]);
    }
}
