//! What can be fetched of a stream now: runs, segments and parts, bounded in time and bytes.
//!
//! Numbers only grow, over runs and over restarts of the server, and what stands under a number never changes: any
//! cache may keep it.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use container::CmafTrack;
use media::Size;

pub(crate) use super::kind::Kind;
use super::segmenter::{Change, Rules};
use crate::ladder::Rung;

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
    /// In its address: that of the first segment it belongs to.
    pub(crate) number: u64,
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

    /// Pixels of a picture.
    pub(crate) fn size(&self, kind: Kind) -> Option<Size> {
        match self.header(kind)?.what {
            CmafTrack::Video { size, .. } => Some(size),
            CmafTrack::Audio(_) => None,
        }
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
    /// Those that are made of the source, while they are.
    lower: BTreeMap<Rung, Rendition>,
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
            lower: BTreeMap::new(),
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
        self.runs.iter().flat_map(|run| &run.headers).find(|header| header.kind == kind && header.number == number)
    }

    pub(crate) fn rendition(&self, kind: Kind) -> &Rendition {
        static NOTHING: Rendition = Rendition { segments: VecDeque::new() };
        match kind {
            Kind::Video => &self.renditions[0],
            Kind::Audio => &self.renditions[1],
            Kind::Lower(rung) => self.lower.get(&rung).unwrap_or(&NOTHING),
        }
    }

    fn rendition_mut(&mut self, kind: Kind) -> &mut Rendition {
        match kind {
            Kind::Video => &mut self.renditions[0],
            Kind::Audio => &mut self.renditions[1],
            Kind::Lower(rung) => self.lower.entry(rung).or_default(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Rendition> {
        self.renditions.iter().chain(self.lower.values())
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Rendition> {
        self.renditions.iter_mut().chain(self.lower.values_mut())
    }

    /// Renditions of the picture of which there is something, the largest first.
    pub(crate) fn lower(&self) -> impl Iterator<Item = Kind> {
        self.lower.keys().rev().map(|rung| Kind::Lower(*rung))
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
                let newest = self.all().filter_map(|rendition| rendition.segments.back()).map(|last| last.number + 1);
                let number = newest.max().unwrap_or(self.next_number).max(self.next_number);
                self.next_number = number;
                let at = Duration::from_nanos(at.max(0) as u64);
                let header = |(kind, what, body)| Header { kind, number, what, body };
                let headers = tracks.into_iter().map(header).collect::<Vec<_>>();
                for header in &headers {
                    let start = (at.as_nanos() * u128::from(header.kind.rate())).div_ceil(1_000_000_000) as u64;
                    self.open(header.kind, number, start);
                }
                // What has no track now would only grow old.
                for kind in Kind::ALL.into_iter().filter(|kind| headers.iter().all(|header| header.kind != *kind)) {
                    self.rendition_mut(kind).segments.clear();
                }
                self.runs.push_back(Run { index: self.next_run, number, at, headers });
                self.next_run += 1;
            }
            Change::Part(kind, part) => {
                if let Some(open) = self.rendition_mut(kind).segments.back_mut() {
                    open.parts.push(part);
                }
            }
            Change::End(kind) => self.end(kind),
            Change::Join(rung, start, what, body) => self.join(rung, start, what, body),
            Change::Leave(rung) => {
                self.lower.remove(&rung);
            }
        }
    }

    /// A rendition of the picture begins where one of the source's segments does.
    fn join(&mut self, rung: Rung, start: u64, what: CmafTrack, body: Bytes) {
        let (kind, source) = (Kind::Lower(rung), &self.renditions[0].segments);
        // A run's first segment may begin a tick later than its first picture: it is rounded up.
        let Some((number, start)) = source
            .iter()
            .find(|segment| segment.start.abs_diff(start) <= 1)
            .map(|segment| (segment.number, segment.start))
        else {
            return;
        };
        let Some(run) = self.runs.back_mut() else { return };
        let index = run.index;
        run.headers.retain(|header| header.kind != kind);
        run.headers.push(Header { kind, number, what, body });
        let segments = &mut self.lower.entry(rung).or_default().segments;
        // A rendition that was away can't go on: its numbers would have a hole.
        if segments.back().is_some_and(|last| last.number + 1 != number) {
            segments.clear();
        }
        segments.push_back(Segment { number, run: index, start, parts: Vec::new(), body: None });
    }

    fn open(&mut self, kind: Kind, number: u64, start: u64) {
        let run = self.next_run;
        let segments = &mut self.rendition_mut(kind).segments;
        // A track that was away for a run can't go on: its numbers would have a hole.
        if segments.back().is_some_and(|last| last.number + 1 != number) {
            segments.clear();
        }
        segments.push_back(Segment { number, run, start, parts: Vec::new(), body: None });
    }

    fn end(&mut self, kind: Kind) {
        let Some(ended) = self.rendition_mut(kind).segments.back_mut() else { return };
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
            self.rendition_mut(kind).segments.pop_back();
            return;
        }
        self.rendition_mut(kind).segments.push_back(Segment { number, run, start, parts: Vec::new(), body: None });
        self.trim();
    }

    /// After a run's end nothing is in the making.
    pub(super) fn close(&mut self) {
        for rendition in self.all_mut() {
            if rendition.segments.back().is_some_and(|last| last.parts.is_empty()) {
                rendition.segments.pop_back();
            }
        }
    }

    fn trim(&mut self) {
        let keep = self.room.listed + LINGER;
        for kind in Kind::ALL.into_iter().chain(self.lower().collect::<Vec<_>>()) {
            let most = (keep.as_secs_f64() * f64::from(kind.rate())) as u64;
            let rendition = self.rendition_mut(kind);
            while let (Some(first), Some(last)) = (rendition.segments.front(), rendition.segments.back())
                && last.start.saturating_sub(first.start + first.ticks()) > most
            {
                rendition.segments.pop_front();
            }
        }
        while self.bytes() > self.room.bytes {
            let long = self.all().filter(|rendition| rendition.segments.len() > FEWEST);
            let fronts = long.filter_map(|rendition| rendition.segments.front());
            let Some(oldest) = fronts.map(|first| first.number).min() else { break };
            for rendition in self.all_mut().filter(|rendition| rendition.segments.len() > FEWEST) {
                if rendition.segments.front().is_some_and(|first| first.number == oldest) {
                    rendition.segments.pop_front();
                }
            }
        }
        let oldest = self.all().filter_map(|rendition| rendition.segments.front()).map(|first| first.run).min();
        self.runs.retain(|run| oldest.is_none_or(|oldest| run.index >= oldest));
    }

    /// What is kept of all tracks.
    pub(crate) fn bytes(&self) -> usize {
        self.all().flat_map(|rendition| &rendition.segments).map(Segment::bytes).sum()
    }

    /// The segments that a playlist lists, oldest first, the one in the making included.
    pub(crate) fn listed(&self, kind: Kind) -> impl DoubleEndedIterator<Item = &Segment> {
        let segments = &self.rendition(kind).segments;
        let most = (self.room.listed.as_secs_f64() * f64::from(kind.rate())) as u64;
        let end = segments.back().map_or(0, |last| last.start + last.ticks());
        segments.iter().filter(move |segment| end - segment.start <= most || segment.body.is_none())
    }
}
