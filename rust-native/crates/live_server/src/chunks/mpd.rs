//! The DASH manifest (ISO/IEC 23009-1) over the same chunks: a window in, text out.
//!
//! Segments begin where keyframes are and so differ in length, which a `SegmentTimeline` says exactly. What is not whole
//! yet is not in it: DASH's own low-latency mode needs segments of one length known beforehand, which would cut
//! pictures' groups apart. A player stands two segments and a little behind; who wants less reads LL-HLS.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use super::events::{self, Stretch};
use super::marks::Mark;
use super::playlist::date_time;
use super::window::{Kind, Run, Segment, Window};

/// The manifest; `base` leads from its address to the chunks' folder. `None` before anything is there.
pub(crate) fn manifest(window: &Window, base: &str, query: &str, now: SystemTime, marks: &[Mark]) -> Option<String> {
    window.run()?;
    let target = window.target;
    let mut head = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" \
         profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" type=\"{}\" availabilityStartTime=\"{}\" \
         publishTime=\"{}\" minBufferTime=\"PT1S\" maxSegmentDuration=\"PT{target}S\" timeShiftBufferDepth=\"PT{}S\" \
         suggestedPresentationDelay=\"PT{}S\"",
        "dynamic",
        date_time(window.origin),
        date_time(now),
        window.room.listed.as_secs(),
        delay(window),
    );
    if window.over {
        // Nothing more comes: no reason to look again (section 5.3.1.2).
        let end = window.kinds().filter_map(|kind| window.rendition(kind).last_whole().map(|last| end_of(last, kind)));
        let _ = write!(head, " mediaPresentationDuration=\"{}\"", duration(end.max().unwrap_or_default()));
    } else {
        let _ = write!(head, " minimumUpdatePeriod=\"PT1S\"");
    }
    let mut out = head + ">\n";
    let _ = writeln!(out, "  <BaseURL>{base}</BaseURL>");
    let mut periods: Vec<(&Run, String)> = Vec::new();
    for run in &window.runs {
        let sets: String = Kind::ALL.into_iter().filter_map(|kind| adaptation_set(window, run, kind, query)).collect();
        if !sets.is_empty() {
            periods.push((run, sets));
        }
    }
    let listed = since(window);
    for (index, (run, sets)) in periods.iter().enumerate() {
        let stretch = Stretch {
            begins: window.origin + run.at,
            first: index == 0,
            ends: periods.get(index + 1).map(|(next, _)| window.origin + next.at),
            listed,
        };
        let events = events::stream(marks, &stretch);
        let (id, start) = (run.index, duration(run.at));
        let _ = write!(out, "  <Period id=\"r{id}\" start=\"{start}\">\n{events}{sets}  </Period>\n");
    }
    let direct = date_time(now);
    let _ = write!(out, "  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:direct:2014\" value=\"{direct}\"/>\n</MPD>\n");
    (!periods.is_empty()).then_some(out)
}

/// The wall clock at the first of what is listed.
fn since(window: &Window) -> SystemTime {
    let first = |kind: Kind| window.listed(kind).next().map(|first| first.start as f64 / f64::from(kind.rate()));
    let first = Kind::ALL.into_iter().filter_map(first).map(Duration::from_secs_f64).min();
    window.origin + first.unwrap_or_default()
}

fn end_of(segment: &Segment, kind: Kind) -> Duration {
    Duration::from_secs_f64((segment.start + segment.ticks()) as f64 / f64::from(kind.rate()))
}

/// ISO 8601.
fn duration(time: Duration) -> String {
    format!("PT{}.{:03}S", time.as_secs(), time.subsec_millis())
}

/// A track, and what is made of it: players change from one representation to another at any segment.
fn adaptation_set(window: &Window, run: &Run, kind: Kind, query: &str) -> Option<String> {
    let lower = window.lower().filter(|lower| kind == Kind::Video && covers(window, run, *lower));
    let representations = std::iter::once(kind).chain(lower);
    let representations: String = representations.filter_map(|kind| representation(window, run, kind, query)).collect();
    let (name, id) = (kind.name(), u8::from(kind == Kind::Audio));
    (!representations.is_empty()).then(|| {
        format!(
            "    <AdaptationSet id=\"{id}\" contentType=\"{name}\" mimeType=\"{name}/mp4\" segmentAlignment=\"true\" \
             startWithSAP=\"1\">\n{representations}    </AdaptationSet>\n"
        )
    })
}

/// Whether a rendition goes back as far as players stand behind, or as the source does: who changes to one that does not
/// finds nothing where it plays, and waits there for ever.
fn covers(window: &Window, run: &Run, lower: Kind) -> bool {
    let of_run = |kind| window.listed(kind).filter(|segment| segment.run == run.index && segment.body.is_some());
    let (Some(first), Some(source)) = (of_run(lower).next(), of_run(Kind::Video).next()) else { return false };
    let end = of_run(Kind::Video).next_back().map_or(0, |last| last.start + last.ticks());
    let behind = (delay(window) + window.target) * u64::from(Kind::Video.rate());
    first.start <= source.start.max(end.saturating_sub(behind))
}

/// Seconds that players are to stay behind.
fn delay(window: &Window) -> u64 {
    window.target + 1
}

fn representation(window: &Window, run: &Run, kind: Kind, query: &str) -> Option<String> {
    let header = run.header(kind)?;
    let listed = window.listed(kind).filter(|segment| segment.run == run.index && segment.body.is_some());
    let segments: Vec<&Segment> = listed.collect();
    let first = segments.first()?;
    let (name, rate, codecs) = (kind.name(), kind.rate(), header.what.codecs());
    let bytes: usize = segments.iter().map(|segment| segment.bytes()).sum();
    let ticks: u64 = segments.iter().map(|segment| segment.ticks()).sum();
    let bandwidth = (bytes as f64 * 8.0 * f64::from(rate) / ticks.max(1) as f64) as u64;
    let offset = (run.at.as_nanos() * u128::from(rate) / 1_000_000_000) as u64;
    let query = query.replace('&', "&amp;");
    let mut out = format!("      <Representation id=\"{name}\" codecs=\"{codecs}\" bandwidth=\"{}\"", bandwidth.max(1));
    match run.size(kind) {
        Some(size) => {
            let _ = writeln!(out, " width=\"{}\" height=\"{}\">", size.width, size.height);
        }
        None => {
            out.push_str(
                " audioSamplingRate=\"48000\">\n        <AudioChannelConfiguration \
                 schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" value=\"2\"/>\n",
            );
        }
    }
    let _ = write!(
        out,
        "        <SegmentTemplate timescale=\"{rate}\" initialization=\"{name}-{}.mp4{query}\" \
         media=\"{name}-$Number$.m4s{query}\" startNumber=\"{}\" presentationTimeOffset=\"{offset}\">\n          \
         <SegmentTimeline>\n",
        header.number, first.number
    );
    for segment in segments {
        let _ = writeln!(out, "            <S t=\"{}\" d=\"{}\"/>", segment.start, segment.ticks());
    }
    out.push_str("          </SegmentTimeline>\n        </SegmentTemplate>\n      </Representation>\n");
    Some(out)
}
