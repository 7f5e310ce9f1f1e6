//! What can be fetched of a stream now: runs, segments and parts, bounded in time and bytes.
//!
//! Numbers only grow, over runs and over restarts of the server, and what stands under a number never changes: any
//! cache may keep it.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use container::{AUDIO_RATE, CmafTrack, VIDEO_RATE};
use media::Size;

use super::segmenter::{Change, Rules};

/// Which track a resource holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// H.264.
    Video,
    /// Opus, as it was published.
    Audio,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Video, Self::Audio];

    /// In addresses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Ticks in a second.
    pub(crate) fn rate(self) -> u32 {
        match self {
            Self::Video => VIDEO_RATE,
            Self::Audio => AUDIO_RATE,
        }
    }
}

/// A piece of a segment that is served before the segment is whole.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// How long it lasts, in its track's ticks.
    pub(crate) ticks: u64,
    /// A player may start in it.
    pub(crate) independent: bool,
    /// Of a segment that is whole, a slice of it.
    pub(crate) body: Bytes,
}

/// One segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    /// Which run it belongs to.
    pub(crate) run: u64,
    /// Ticks of media time.
    pub(crate) start: u64,
    pub(crate) parts: Vec<Part>,
    /// All of it, once it is whole.
    pub(crate) body: Option<Bytes>,
}

impl Segment {
    /// Its parts' durations together, ticks.
    pub(crate) fn ticks(&self) -> u64 {
        self.parts.iter().map(|part| part.ticks).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.body.as_ref().map_or_else(|| self.parts.iter().map(|part| part.body.len()).sum(), Bytes::len)
    }
}

/// One track of a run.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) what: CmafTrack,
    pub(crate) body: Bytes,
}

/// What one publisher sends without a break: parameter sets and clock are the same throughout.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Counted from 0; each but the first begins with a discontinuity.
    pub(crate) index: u64,
    /// Its first segment's.
    pub(crate) number: u64,
    /// Media time.
    pub(crate) at: Duration,
    pub(crate) headers: Vec<Header>,
}

impl Run {
    pub(crate) fn header(&self, kind: Kind) -> Option<&Header> {
        self.headers.iter().find(|header| header.kind == kind)
    }

    /// Pixels.
    pub(crate) fn size(&self) -> Option<Size> {
        self.headers.iter().find_map(|header| match header.what {
            CmafTrack::Video { size, .. } => Some(size),
            CmafTrack::Audio(_) => None,
        })
    }
}

/// One track's segments; the last one may be in the making.
#[derive(Debug, Default)]
pub(crate) struct Rendition {
    pub(crate) segments: VecDeque<Segment>,
}

impl Rendition {
    /// The last segment that is whole.
    pub(crate) fn last_whole(&self) -> Option<&Segment> {
        self.segments.iter().rev().find(|segment| segment.body.is_some())
    }

    /// The one in the making.
    pub(crate) fn open(&self) -> Option<&Segment> {
        self.segments.back().filter(|segment| segment.body.is_none())
    }

    pub(crate) fn segment(&self, number: u64) -> Option<&Segment> {
        let first = self.segments.front()?.number;
        self.segments.get(usize::try_from(number.checked_sub(first)?).ok()?).filter(|found| found.number == number)
    }

    /// Number of the newest part, and of its segment.
    pub(crate) fn newest(&self) -> Option<(u64, usize)> {
        let segment = self.segments.iter().rev().find(|segment| !segment.parts.is_empty())?;
        Some((segment.number, segment.parts.len() - 1))
    }
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// What playlists list.
    pub(crate) listed: Duration,
    /// Of all tracks together; the oldest segments go first.
    pub(crate) bytes: usize,
}

/// Segments that no playlist lists any more stay for who has just read one.
const LINGER: Duration = Duration::from_secs(12);

/// So many segments are kept whatever they take: fewer, and no player could begin.
const FEWEST: usize = 3;

/// Everything of one stream. See the module.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) rules: Rules,
    pub(crate) room: Room,
    /// The wall clock at media time zero.
    pub(crate) origin: SystemTime,
    /// No segment lasts longer, rounded to whole seconds.
    pub(crate) target: u64,
    pub(crate) runs: VecDeque<Run>,
    renditions: [Rendition; 2],
    next_number: u64,
    next_run: u64,
    /// The publisher is gone for good.
    pub(crate) over: bool,
}

impl Window {
    /// An empty one. Segments are numbered from the wall clock's seconds on: faster than they are made, so that no
    /// number is used twice.
    pub(crate) fn new(rules: Rules, room: Room, origin: SystemTime) -> Self {
        let since = origin.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            rules,
            room,
            origin,
            // Room for the keyframe that was asked for to come half a second late.
            target: rules.segment.as_secs_f64().ceil() as u64 + 1,
            runs: VecDeque::new(),
            renditions: Default::default(),
            next_number: since.as_secs(),
            next_run: 0,
            over: false,
        }
    }

    /// The present run.
    pub(crate) fn run(&self) -> Option<&Run> {
        self.runs.back()
    }

    pub(crate) fn run_of(&self, segment: &Segment) -> Option<&Run> {
        self.runs.iter().find(|run| run.index == segment.run)
    }

    /// A run's header, by the number of its first segment.
    pub(crate) fn header(&self, kind: Kind, number: u64) -> Option<&Header> {
        self.runs.iter().find(|run| run.number == number)?.header(kind)
    }

    pub(crate) fn rendition(&self, kind: Kind) -> &Rendition {
        &self.renditions[kind as usize]
    }

    /// Tracks of which there is something.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> {
        let run = self.run();
        Kind::ALL.into_iter().filter(move |kind| run.is_some_and(|run| run.header(*kind).is_some()))
    }

    /// Takes what the segmenter made.
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Run { at, tracks } => {
                self.over = false;
                // Every track's open segments have ended with the run before.
                let newest = self
                    .renditions
                    .iter()
                    .filter_map(|rendition| rendition.segments.back())
                    .map(|last| last.number + 1);
                let number = newest.max().unwrap_or(self.next_number).max(self.next_number);
                self.next_number = number;
                let at = Duration::from_nanos(at.max(0) as u64);
                let headers =
                    tracks.into_iter().map(|(kind, what, body)| Header { kind, what, body }).collect::<Vec<_>>();
                for header in &headers {
                    let start = (at.as_nanos() * u128::from(header.kind.rate())).div_ceil(1_000_000_000) as u64;
                    self.open(header.kind, number, start);
                }
                // What has no track now would only grow old.
                for kind in Kind::ALL.into_iter().filter(|kind| headers.iter().all(|header| header.kind != *kind)) {
                    self.renditions[kind as usize].segments.clear();
                }
                self.runs.push_back(Run { index: self.next_run, number, at, headers });
                self.next_run += 1;
            }
            Change::Part(kind, part) => {
                if let Some(open) = self.renditions[kind as usize].segments.back_mut() {
                    open.parts.push(part);
                }
            }
            Change::End(kind) => self.end(kind),
        }
    }

    fn open(&mut self, kind: Kind, number: u64, start: u64) {
        let run = self.next_run;
        let segments = &mut self.renditions[kind as usize].segments;
        // A track that was away for a run can't go on: its numbers would have a hole.
        if segments.back().is_some_and(|last| last.number + 1 != number) {
            segments.clear();
        }
        segments.push_back(Segment { number, run, start, parts: Vec::new(), body: None });
    }

    fn end(&mut self, kind: Kind) {
        let Some(ended) = self.renditions[kind as usize].segments.back_mut() else { return };
        let mut whole = BytesMut::with_capacity(ended.bytes());
        ended.parts.iter().for_each(|part| whole.extend_from_slice(&part.body));
        let whole = whole.freeze();
        let mut at = 0;
        for part in &mut ended.parts {
            let end = at + part.body.len();
            part.body = whole.slice(at..end);
            at = end;
        }
        ended.body = Some(whole);
        let seconds = (ended.ticks() as f64 / f64::from(kind.rate())).round() as u64;
        let (number, start, run) = (ended.number + 1, ended.start + ended.ticks(), ended.run);
        let empty = ended.parts.is_empty();
        // It may not change, but a publisher that gives no keyframes leaves no choice: players read it anew each time.
        self.target = self.target.max(seconds);
        if empty {
            self.renditions[kind as usize].segments.pop_back();
            return;
        }
        self.renditions[kind as usize].segments.push_back(Segment {
            number,
            run,
            start,
            parts: Vec::new(),
            body: None,
        });
        self.trim();
    }

    /// After a run's end nothing is in the making.
    pub(super) fn close(&mut self) {
        for rendition in &mut self.renditions {
            if rendition.segments.back().is_some_and(|last| last.parts.is_empty()) {
                rendition.segments.pop_back();
            }
        }
    }

    fn trim(&mut self) {
        let keep = self.room.listed + LINGER;
        for kind in Kind::ALL {
            let most = (keep.as_secs_f64() * f64::from(kind.rate())) as u64;
            let rendition = &mut self.renditions[kind as usize];
            while let (Some(first), Some(last)) = (rendition.segments.front(), rendition.segments.back())
                && last.start.saturating_sub(first.start + first.ticks()) > most
            {
                rendition.segments.pop_front();
            }
        }
        while self.bytes() > self.room.bytes {
            let long = self.renditions.iter().filter(|rendition| rendition.segments.len() > FEWEST);
            let fronts = long.filter_map(|rendition| rendition.segments.front());
            let Some(oldest) = fronts.map(|first| first.number).min() else { break };
            for rendition in self.renditions.iter_mut().filter(|rendition| rendition.segments.len() > FEWEST) {
                if rendition.segments.front().is_some_and(|first| first.number == oldest) {
                    rendition.segments.pop_front();
                }
            }
        }
        let oldest =
            self.renditions.iter().filter_map(|rendition| rendition.segments.front()).map(|first| first.run).min();
        self.runs.retain(|run| oldest.is_none_or(|oldest| run.index >= oldest));
    }

    /// What is kept of all tracks.
    pub(crate) fn bytes(&self) -> usize {
        self.renditions.iter().flat_map(|rendition| &rendition.segments).map(Segment::bytes).sum()
    }

    /// The segments that a playlist lists, oldest first, the one in the making included.
    pub(crate) fn listed(&self, kind: Kind) -> impl DoubleEndedIterator<Item = &Segment> {
        let segments = &self.rendition(kind).segments;
        let most = (self.room.listed.as_secs_f64() * f64::from(kind.rate())) as u64;
        let end = segments.back().map_or(0, |last| last.start + last.ticks());
        segments.iter().filter(move |segment| end - segment.start <= most || segment.body.is_none())
    }
}
