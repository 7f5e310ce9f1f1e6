//! One rendition of an HLS source: its playlist as it goes on, and its segments as units on the line that all of the
//! source's renditions share.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use container::{FragmentReader, FragmentTrack};
use publish::Failure;
use reqwest::Url;
use tokio::time::Instant;

use super::hls_reader::Reader;
use super::playlist::{Map, Media, Segment};
use super::run::failure;
use crate::ingest::avc::Configuration;
use crate::ingest::mpeg_ts::{self, Demuxer};
use crate::ingest::pace::Line;
use crate::ingest::unit::Unit;

/// Segments that a reader stays behind (RFC 8216, section 6.3.3).
const BEHIND: usize = 3;
/// A playlist that does not grow for so many of its target durations is no live one any more.
const STILL: u32 = 6;
/// Ticks of a fragment's line in a second, and their bits: no such clock wraps.
const MICROSECONDS: u64 = 1_000_000;
const WIDE: u32 = 62;

/// Where stamps are put, so that picture and sound of different playlists lie as they were made.
pub(super) struct Lines {
    transport: Line,
    fragments: Line,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self { transport: mpeg_ts::line(), fragments: Line::new(MICROSECONDS, WIDE) }
    }
}

/// What segments are.
enum Form {
    Transport(Demuxer),
    Fragments(Fragments),
}

pub(super) struct Rendition {
    address: Url,
    media: Media,
    next: u64,
    form: Option<Form>,
    grown: Instant,
    asked: Instant,
}

impl Rendition {
    pub(super) async fn open(reader: &Reader, address: Url) -> Result<Self, Failure> {
        let asked = Instant::now();
        let media = reader.media(&address).await?;
        let next = newest(&media);
        Ok(Self { address, media, next, form: None, grown: asked, asked })
    }

    /// Nothing more comes.
    pub(super) fn is_over(&self) -> bool {
        self.media.over && !self.has_more()
    }

    fn has_more(&self) -> bool {
        self.next < self.media.first + self.media.segments.len() as u64
    }

    /// Nothing has come for long.
    pub(super) fn is_still(&self) -> bool {
        self.grown.elapsed() > self.target() * STILL
    }

    fn target(&self) -> Duration {
        Duration::from_secs(self.media.target)
    }

    /// When the playlist is to be read again, half a target duration after the last time (section 6.3.4); `None` while
    /// there is more to be read of it, or nothing more to come.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.has_more() && !self.media.over).then(|| self.asked + self.target() / 2)
    }

    /// Reads the playlist again, where that is due and nothing else is left to be read.
    pub(super) async fn look(&mut self, reader: &Reader) -> Result<(), Failure> {
        if self.due().is_none_or(|due| Instant::now() < due) {
            return Ok(());
        }
        self.asked = Instant::now();
        self.media = reader.media(&self.address).await?;
        // A source that was started anew counts from its own beginning.
        if self.media.first + (self.media.segments.len() as u64) < self.next {
            self.next = newest(&self.media);
            self.form = None;
        }
        Ok(())
    }

    /// The units of the next segment, if there is one.
    pub(super) async fn read(&mut self, reader: &mut Reader, lines: &mut Lines) -> Result<Vec<Unit>, Failure> {
        if self.next < self.media.first {
            tracing::info!("segments of a source are gone before they were read");
            self.next = self.media.first;
            self.form = None;
        }
        let Some(segment) = self.media.segments.get((self.next - self.media.first) as usize).cloned() else {
            return Ok(Vec::new());
        };
        let body = reader.segment(&self.address, &segment, self.next).await?;
        (self.next, self.grown) = (self.next + 1, Instant::now());
        let mut units = Vec::new();
        let form = self.form(reader, &segment, &mut units).await?;
        match form {
            Form::Transport(demuxer) => demuxer.take_on(&mut lines.transport, &body, &mut units),
            Form::Fragments(fragments) => fragments.take(&body, &mut lines.fragments, &mut units)?,
        }
        Ok(units)
    }

    /// What takes a segment apart: the same as the last one, where nothing has changed.
    async fn form(&mut self, reader: &Reader, segment: &Segment, out: &mut Vec<Unit>) -> Result<&mut Form, Failure> {
        let same = match (&self.form, &segment.map) {
            (Some(Form::Transport(_)), None) => !segment.discontinuity,
            (Some(Form::Fragments(fragments)), Some(map)) => fragments.map == *map,
            _ => false,
        };
        if !same {
            self.form = Some(match &segment.map {
                None => Form::Transport(Demuxer::new()),
                Some(map) => {
                    let header = reader.map(&self.address, map).await?;
                    Form::Fragments(Fragments::new(map, &header, out)?)
                }
            });
        }
        self.form.as_mut().ok_or_else(|| damaged("nothing"))
    }
}

/// The first to be read.
fn newest(media: &Media) -> u64 {
    media.first + media.segments.len().saturating_sub(BEHIND) as u64
}

pub(super) fn damaged(what: &str) -> Failure {
    failure("hls_damaged", format!("a segment of the source can't be read: {what}"), "Look into the source's packager.")
}

/// Segments of fragmented MP4 that one header belongs to.
struct Fragments {
    map: Arc<Map>,
    reader: FragmentReader,
    /// How each track's pictures are split, where it has any.
    splits: Vec<Option<Configuration>>,
}

impl Fragments {
    fn new(map: &Arc<Map>, header: &Bytes, out: &mut Vec<Unit>) -> Result<Self, Failure> {
        let reader = FragmentReader::new(header).map_err(|error| damaged(&error.to_string()))?;
        let mut splits = Vec::new();
        for track in reader.tracks() {
            let mut split = None;
            match track {
                FragmentTrack::Avc { length_size, sets } => {
                    out.push(Unit::AvcSets(sets.clone()));
                    split = Some(Configuration { length_size: *length_size, sets: sets.clone() });
                }
                FragmentTrack::Aac { config } => out.push(Unit::AacConfig(config.clone())),
                FragmentTrack::Opus => {}
                FragmentTrack::Other(true, codec) => out.push(Unit::OtherVideo(codec.clone())),
                FragmentTrack::Other(false, codec) => out.push(Unit::OtherAudio(codec.clone())),
            }
            splits.push(split);
        }
        Ok(Self { map: map.clone(), reader, splits })
    }

    fn take(&self, body: &Bytes, line: &mut Line, out: &mut Vec<Unit>) -> Result<(), Failure> {
        let samples = self.reader.read(body).map_err(|error| damaged(&error.to_string()))?;
        for sample in samples {
            // Below zero it wraps, as stamps of other lines do.
            let dts = line.place((sample.dts / 1000) as u64);
            let pts = line.beside(dts, (sample.pts - sample.dts) / 1000);
            match (&self.reader.tracks()[sample.track], &self.splits[sample.track]) {
                (FragmentTrack::Avc { .. }, Some(configuration)) => {
                    let units = configuration.split(sample.data).ok_or_else(|| damaged("a picture's lengths"))?;
                    if !units.is_empty() {
                        out.push(Unit::Avc { dts, pts, units });
                    }
                }
                (FragmentTrack::Aac { .. }, _) => out.push(Unit::Aac { pts, frame: sample.data }),
                (FragmentTrack::Opus, _) => out.push(Unit::Opus { pts, packet: sample.data }),
                _ => {}
            }
        }
        Ok(())
    }
}
