//! Playlists (RFC 8216 and draft-pantos-hls-rfc8216bis): a window in, text out.
//!
//! Addresses are relative, so that any cache in front may have a name of its own. `query` is appended to each: empty,
//! or the token with which a player came that can't send headers.

use std::fmt::Write;
use std::time::Duration;

use media::Size;

use super::marks::{self, Mark};
use super::window::{Kind, Rendition, Segment, Window};

/// Segments nearer to the end than this many target durations have their parts listed (section 6.2.2 of the draft).
const PARTS_FOR: u64 = 3;
/// Delta updates leave out what is further from the end than this many target durations: six are the least.
const SKIP_AFTER: u64 = 6;

/// A quality of the picture that a player may ask for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Variant {
    pub(crate) kind: Kind,
    pub(crate) size: Option<Size>,
    /// The most that is known of it beforehand, bit/s; 0: nothing.
    pub(crate) bitrate: u64,
    /// What its parameter sets are going to say, where there are none yet.
    pub(crate) codecs: Option<String>,
    /// Pictures per second, where it is known.
    pub(crate) frame_rate: Option<u32>,
}

/// The multivariant playlist; `None` before anything is there. `variants`: the source first.
pub(crate) fn multivariant(window: &Window, variants: &[Variant], query: &str) -> Option<String> {
    let run = window.run()?;
    let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:9\n");
    let codecs = |kind| run.header(kind).map(|header| header.what.codecs());
    let (video, audio) = (codecs(Kind::Video), codecs(Kind::Audio));
    let Some(video) = video else {
        let (kind, codecs) = (Kind::Audio, audio?);
        let bandwidth = peak(window, kind).max(1);
        let _ =
            write!(out, "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},CODECS=\"{codecs}\"\n{}.m3u8{query}\n", kind.name());
        return Some(out);
    };
    if audio.is_some() {
        let _ = writeln!(
            out,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Sound\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",\
             URI=\"audio.m3u8{query}\""
        );
    }
    for variant in variants {
        let kind = variant.kind;
        let source = (kind == Kind::Video).then(|| video.clone());
        let Some(picture) = codecs(kind).or(source).or_else(|| variant.codecs.clone()) else { continue };
        let bandwidth = (peak(window, kind).max(variant.bitrate) + peak(window, Kind::Audio)).max(1);
        let both: Vec<_> = std::iter::once(picture).chain(audio.clone()).collect();
        let _ = write!(out, "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},CODECS=\"{}\"", both.join(","));
        if let Some(size) = run.size(kind).or(variant.size) {
            let _ = write!(out, ",RESOLUTION={}x{}", size.width, size.height);
        }
        if let Some(rate) = variant.frame_rate {
            let _ = write!(out, ",FRAME-RATE={rate}.000");
        }
        if audio.is_some() {
            out.push_str(",AUDIO=\"sound\"");
        }
        let _ = write!(out, "\n{}.m3u8{query}\n", kind.name());
    }
    Some(out)
}

/// The largest bit rate of a track's segments (section 4.4.6.2), bit/s.
fn peak(window: &Window, kind: Kind) -> u64 {
    let rate = |segment: &Segment| {
        (segment.bytes() as f64 * 8.0 * f64::from(kind.rate()) / segment.ticks().max(1) as f64) as u64
    };
    let whole = window.listed(kind).filter(|segment| segment.ticks() > 0);
    whole.map(rate).max().unwrap_or(0)
}

fn seconds(ticks: u64, kind: Kind) -> f64 {
    ticks as f64 / f64::from(kind.rate())
}

/// A track's playlist; `None` where there is no such track. `skip`: a delta update was asked for.
pub(crate) fn media(window: &Window, kind: Kind, skip: bool, query: &str, marks: &[Mark]) -> Option<String> {
    let segments: Vec<&Segment> = window.listed(kind).collect();
    let first = segments.first()?;
    let name = kind.name();
    let (target, part) = (window.target, window.rules.part.as_secs_f64());
    let mut out = format!(
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:{target}\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={:.3},HOLD-BACK={:.1},CAN-SKIP-UNTIL={:.1}\n\
         #EXT-X-PART-INF:PART-TARGET={part:.3}\n#EXT-X-MEDIA-SEQUENCE:{}\n",
        part * 3.0,
        target as f64 * 3.0,
        (target * SKIP_AFTER) as f64,
        first.number,
    );
    // The tag before a run's first segment counts until that segment has gone.
    let starts =
        |segment: &Segment| segment.run > 0 && window.run_of(segment).is_some_and(|run| run.number == segment.number);
    let before = first.run - u64::from(starts(first));
    if before > 0 {
        let _ = writeln!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{before}");
    }
    let date = |segment: &Segment| window.origin + Duration::from_secs_f64(seconds(segment.start, kind));
    marks::write(&mut out, marks, date(first));
    let end = segments.last().map_or(0, |last| last.start + last.ticks());
    let from_end = |segment: &Segment| seconds(end - segment.start, kind);
    let skipped = if skip {
        let far = |segment: &&&Segment| from_end(segment) > (target * SKIP_AFTER) as f64 && segment.body.is_some();
        segments.iter().take_while(far).count()
    } else {
        0
    };
    if skipped > 0 {
        let _ = writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}");
    }
    let mut run = skipped.checked_sub(1).map(|last| segments[last].run);
    for segment in &segments[skipped..] {
        if starts(segment) {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if run != Some(segment.run)
            && let Some(header) = window.run_of(segment).and_then(|run| run.header(kind))
        {
            let _ = writeln!(out, "#EXT-X-MAP:URI=\"{name}-{}.mp4{query}\"", header.number);
            run = Some(segment.run);
        }
        if !segment.parts.is_empty() {
            let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", date_time(date(segment)));
        }
        if from_end(segment) <= (target * PARTS_FOR) as f64 {
            for (index, part) in segment.parts.iter().enumerate() {
                let independent = if part.independent { ",INDEPENDENT=YES" } else { "" };
                let _ = writeln!(
                    out,
                    "#EXT-X-PART:DURATION={:.5},URI=\"{name}-{}.{index}.m4s{query}\"{independent}",
                    seconds(part.ticks, kind),
                    segment.number
                );
            }
        }
        if segment.body.is_some() {
            let _ =
                write!(out, "#EXTINF:{:.5},\n{name}-{}.m4s{query}\n", seconds(segment.ticks(), kind), segment.number);
        }
    }
    if window.over {
        out.push_str("#EXT-X-ENDLIST\n");
        return Some(out);
    }
    if let Some(open) = window.rendition(kind).open() {
        let hint = format!("{name}-{}.{}.m4s{query}", open.number, open.parts.len());
        let _ = writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{hint}\"");
    }
    for other in window.kinds().filter(|other| *other != kind) {
        if let Some((number, part)) = window.rendition(other).newest() {
            let name = other.name();
            let _ =
                writeln!(out, "#EXT-X-RENDITION-REPORT:URI=\"{name}.m3u8{query}\",LAST-MSN={number},LAST-PART={part}");
        }
    }
    Some(out)
}

/// What a blocking reload asks for (section 6.2.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// `_HLS_msn`.
    pub(crate) number: u64,
    /// `_HLS_part`.
    pub(crate) part: Option<usize>,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is there.
    Here,
    /// It will come.
    ToCome,
    /// It lies too far ahead to be waited for.
    TooFar,
}

impl Wanted {
    /// Whether a track has it.
    pub(crate) fn standing(self, rendition: &Rendition) -> Standing {
        let Some(newest) = rendition.segments.back() else { return Standing::ToCome };
        let whole = newest.number.saturating_sub(u64::from(newest.body.is_none()));
        if self.number <= whole {
            return Standing::Here;
        }
        // "more than two greater than the last" is a mistake of the player's.
        if self.number > whole + 2 {
            return Standing::TooFar;
        }
        match self.part {
            Some(part) if self.number == newest.number && part < newest.parts.len() => Standing::Here,
            _ => Standing::ToCome,
        }
    }
}

/// RFC 3339, UTC, milliseconds.
pub(crate) fn date_time(at: std::time::SystemTime) -> String {
    let since = at.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, rest) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Days to a civil date, years beginning in March (H. Hinnant, "chrono-compatible low-level date algorithms").
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 { (month + 3, year + era * 400) } else { (month - 9, year + era * 400 + 1) };
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}
