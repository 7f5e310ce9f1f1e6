//! Renditions of the picture as tracks: each has the source's segments, by number and to the tick, so that a player may
//! change at any of them. One begins where a segment of the source does, with a keyframe; its pictures come later than
//! the source's, never earlier, so where segments begin is known by then.

use std::collections::{BTreeMap, VecDeque};

use container::{CmafTrack, ContainerError, Sample, cmaf_header};

use super::segmenter::{Change, Rules};
use super::track::Track;
use super::window::Kind;
use crate::ladder::Rung;

/// Beginnings of the source's segments that are remembered: a rendition that comes later than eight of them is none.
const MOST: usize = 8;

/// One rendition.
#[derive(Debug)]
struct Lower {
    track: Track,
    /// Where its next segments begin.
    boundaries: VecDeque<u64>,
}

/// All of a stream's. See the module. Times are ticks of 90 kHz.
#[derive(Debug)]
pub(super) struct LowerTracks {
    rules: Rules,
    tracks: BTreeMap<Rung, Lower>,
    /// Where the source's newest segments begin.
    starts: VecDeque<u64>,
}

impl LowerTracks {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, tracks: BTreeMap::new(), starts: VecDeque::new() }
    }

    /// The source's run begins there.
    pub(super) fn begin(&mut self, at: u64) {
        self.starts = VecDeque::from([at]);
    }

    /// A segment of the source does.
    pub(super) fn boundary(&mut self, at: u64, out: &mut Vec<Change>) {
        self.starts.push_back(at);
        if self.starts.len() > MOST {
            self.starts.pop_front();
        }
        self.tracks.retain(|rung, lower| {
            lower.boundaries.push_back(at);
            let near = lower.boundaries.len() <= MOST;
            if !near {
                out.push(Change::Leave(*rung));
            }
            near
        });
    }

    /// Takes a picture; `what` comes with keyframes.
    pub(super) fn push(
        &mut self,
        rung: Rung,
        sample: Sample,
        what: Option<CmafTrack>,
        out: &mut Vec<Change>,
    ) -> Result<(), ContainerError> {
        if let Some(what) = what.filter(|_| sample.keyframe) {
            if self.tracks.get(&rung).is_some_and(|lower| lower.track.what != what) {
                self.leave(rung, out);
            }
            if !self.tracks.contains_key(&rung) && self.starts.contains(&sample.time) {
                let header = cmaf_header(&what)?;
                out.push(Change::Join(rung, sample.time, what.clone(), header));
                let track = Track::new(Kind::Lower(rung), what, self.rules, sample.time);
                let boundaries = self.starts.iter().copied().filter(|start| *start > sample.time).collect();
                self.tracks.insert(rung, Lower { track, boundaries });
            }
        }
        let Some(Lower { track, boundaries }) = self.tracks.get_mut(&rung) else { return Ok(()) };
        while let Some(boundary) = boundaries.front().copied().filter(|boundary| *boundary <= sample.time) {
            boundaries.pop_front();
            // Of a picture that was left out there the one before takes the place: the segment begins all the same.
            track.cut(boundary, out)?;
        }
        if track.takes(sample.time) { track.push(sample, out) } else { Ok(()) }
    }

    /// One is not made any more.
    pub(super) fn leave(&mut self, rung: Rung, out: &mut Vec<Change>) {
        if self.tracks.remove(&rung).is_some() {
            out.push(Change::Leave(rung));
        }
    }

    /// The source's run has ended there, and theirs with it.
    pub(super) fn finish(&mut self, end: u64, out: &mut Vec<Change>) -> Result<(), ContainerError> {
        self.starts.clear();
        for (rung, Lower { mut track, boundaries }) in std::mem::take(&mut self.tracks) {
            if track.end() + u64::from(LATE) < end || !boundaries.is_empty() {
                // It lacks whole segments, or the end of one: what the source has could not be found in it.
                out.push(Change::Leave(rung));
                continue;
            }
            track.cut(end, out)?;
        }
        Ok(())
    }
}

/// A rendition's end may lack so much of the source's: what was still being made.
const LATE: u32 = 45_000;

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use bytes::Bytes;
    use media::Size;
    use media::h264::ParameterSets;

    use super::super::mpd;
    use super::super::playlist::{self, Variant};
    use super::super::segmenter::Segmenter;
    use super::super::window::{Room, Window};
    use super::*;

    const RULES: Rules = Rules { part: Duration::from_millis(500), segment: Duration::from_secs(2) };
    const ROOM: Room = Room { listed: Duration::from_secs(40), bytes: 64 << 20 };
    const RUNG: Rung = Rung(240);
    const LOWER: Kind = Kind::Lower(RUNG);
    const PICTURE: i64 = 33_333_333;
    /// A rendition comes so many pictures after its source.
    const BEHIND: i64 = 4;

    fn picture(level: u8, width: u32, height: u32) -> CmafTrack {
        let (sps, pps) = (vec![0x67, 0x42, 0xc0, level].into(), Bytes::from_static(&[0x68, 0xce]));
        CmafTrack::Video { parameter_sets: ParameterSets { sps, pps }, size: Size { width, height } }
    }

    /// Thirty pictures a second, a keyframe each two seconds.
    struct Show {
        segmenter: Segmenter,
        window: Window,
        changes: Vec<Change>,
        number: i64,
    }

    impl Show {
        fn new() -> Self {
            let window = Window::new(RULES, ROOM, SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
            let mut show = Self { segmenter: Segmenter::new(RULES), window, changes: Vec::new(), number: 0 };
            let what = picture(0x1f, 640, 360);
            show.segmenter.begin(0, Some(what), false, &mut show.changes).expect("begun");
            show
        }

        /// `made`: the rendition is, too.
        fn run(&mut self, pictures: i64, made: bool) {
            for _ in 0..pictures {
                let (at, keyframe) = (self.number * PICTURE, self.number % 60 == 0);
                self.segmenter.picture_at(at, keyframe, vec![7; 1000].into(), &mut self.changes).expect("taken");
                let late = self.number - BEHIND;
                if made && late >= 0 {
                    let what = (late % 60 == 0).then(|| picture(0x1f, 426, 240));
                    let unit = (late * PICTURE, late % 60 == 0, Bytes::from(vec![8; 300]));
                    self.segmenter.lower_at(RUNG, unit, what, &mut self.changes).expect("taken");
                }
                self.changes.drain(..).for_each(|change| self.window.apply(change));
                self.number += 1;
            }
        }

        fn segments(&self, kind: Kind) -> Vec<(u64, u64, u64)> {
            let whole = self.window.listed(kind).filter(|segment| segment.body.is_some());
            whole.map(|segment| (segment.number, segment.start, segment.ticks())).collect()
        }
    }

    #[test]
    fn a_rendition_has_the_sources_segments_from_the_one_at_whose_keyframe_it_begins() {
        let mut show = Show::new();
        show.run(90, false);
        show.run(500, true);
        let (source, lower) = (show.segments(Kind::Video), show.segments(LOWER));
        assert_eq!(lower.first().map(|first| first.0), Some(source[2].0), "it began in the middle of the second");
        assert_eq!(lower.as_slice(), &source[2..2 + lower.len()]);
        assert!(source.len() - 2 - lower.len() <= 1, "{lower:?}");
        let text = playlist::media(&show.window, LOWER, false, "", &[]).expect("a playlist");
        let first = source[2].0;
        assert!(text.contains(&format!("#EXT-X-MEDIA-SEQUENCE:{first}\n")), "{text}");
        assert!(text.contains(&format!("#EXT-X-MAP:URI=\"240p-{first}.mp4\"\n")), "{text}");
        assert!(text.contains(&format!("\n240p-{first}.m4s\n")) && text.contains("INDEPENDENT=YES"), "{text}");
        assert!(show.window.header(LOWER, first).is_some() && show.window.header(Kind::Video, first).is_none());
    }

    #[test]
    fn every_quality_is_listed_with_what_is_known_of_it() {
        let mut show = Show::new();
        let (frame_rate, codecs) = (Some(30), Some("avc1.42c01e".to_owned()));
        let source = Variant { kind: Kind::Video, size: None, bitrate: 0, codecs: None, frame_rate };
        let size = Some(Size { width: 426, height: 240 });
        let variants = [source, Variant { kind: LOWER, size, bitrate: 300_000, codecs, frame_rate }];
        show.run(200, false);
        let idle = playlist::multivariant(&show.window, &variants, "").expect("a playlist");
        let lower = "#EXT-X-STREAM-INF:BANDWIDTH=300000,CODECS=\"avc1.42c01e\",RESOLUTION=426x240,FRAME-RATE=30.000\n240p.m3u8\n";
        assert!(idle.ends_with(lower), "{idle}");
        assert!(idle.contains("RESOLUTION=640x360,FRAME-RATE=30.000\nvideo.m3u8\n"), "{idle}");
        show.run(400, true);
        let running = playlist::multivariant(&show.window, &variants, "").expect("a playlist");
        assert!(running.contains("CODECS=\"avc1.42c01f\",RESOLUTION=426x240"), "what it really is: {running}");
        let manifest = mpd::manifest(&show.window, "../", "", SystemTime::now(), &[]).expect("a manifest");
        assert_eq!(manifest.matches("<AdaptationSet ").count(), 1, "{manifest}");
        assert!(manifest.contains("<Representation id=\"240p\" codecs=\"avc1.42c01f\""), "{manifest}");
        assert!(manifest.contains("width=\"426\" height=\"240\""), "{manifest}");
    }

    #[test]
    fn one_that_was_away_begins_anew_and_leaves_nothing_stale() {
        let mut show = Show::new();
        show.run(300, true);
        assert!(show.segments(LOWER).len() >= 3);
        show.segmenter.lower_gone(RUNG, &mut show.changes);
        show.run(130, false);
        assert!(show.segments(LOWER).is_empty() && show.window.lower().next().is_none());
        show.run(200, true);
        let (source, lower) = (show.segments(Kind::Video), show.segments(LOWER));
        assert!(!lower.is_empty() && lower.iter().all(|segment| source.contains(segment)), "{lower:?}");
        assert!(lower[0].0 > source[5].0);
    }

    #[test]
    fn one_that_falls_eight_segments_behind_is_none_until_it_begins_anew() {
        let mut show = Show::new();
        show.run(300, true);
        show.run(60 * (MOST as i64 - 1), false);
        assert!(!show.segments(LOWER).is_empty(), "it may still come");
        show.run(120, false);
        assert!(show.segments(LOWER).is_empty());
        show.run(200, true);
        assert!(!show.segments(LOWER).is_empty());
    }

    #[test]
    fn a_picture_that_was_left_out_at_a_segments_beginning_moves_no_boundary() {
        let mut show = Show::new();
        show.run(100, true);
        // The keyframe of number 120 comes in this time, and is not given.
        show.run(60, false);
        show.run(200, true);
        let (source, lower) = (show.segments(Kind::Video), show.segments(LOWER));
        assert_eq!(lower.as_slice(), &source[..lower.len()]);
        assert!(lower.len() >= 4);
    }
}
