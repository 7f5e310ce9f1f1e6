//! Segmenter, window and playlists together, in simulated time: what RFC 8216bis and Apple's rules ask of them.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use container::CmafTrack;
use media::Size;
use media::h264::ParameterSets;

use super::mpd;
use super::playlist::{self, Standing, Wanted};
use super::segmenter::{Change, Rules, Segmenter};
use super::window::{Kind, Room, Window};

mod lists;

const RULES: Rules = Rules { part: Duration::from_millis(500), segment: Duration::from_secs(2) };
const ROOM: Room = Room { listed: Duration::from_secs(40), bytes: 64 << 20 };
/// 2023-11-14T22:13:20Z
const ORIGIN: u64 = 1_700_000_000;
const SOUND: &[u8] = &[0xfc, 1, 2, 3];

fn picture() -> CmafTrack {
    let (sps, pps) = (Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1f]), Bytes::from_static(&[0x68, 0xce]));
    CmafTrack::Video { parameter_sets: ParameterSets { sps, pps }, size: Size { width: 640, height: 360 } }
}

/// A publisher: pictures at a rate with some jitter, sound each 20 ms, keyframes when they are wanted.
struct Show {
    segmenter: Segmenter,
    window: Window,
    now: i64,
    next_sound: i64,
    key_in: Option<i64>,
    changes: Vec<Change>,
    pictures: u64,
}

impl Show {
    fn new() -> Self {
        Self::with(ROOM)
    }

    fn with(room: Room) -> Self {
        let origin = SystemTime::UNIX_EPOCH + Duration::from_secs(ORIGIN);
        Self {
            segmenter: Segmenter::new(RULES),
            window: Window::new(RULES, room, origin),
            now: 1_000_000_000,
            next_sound: 1_000_000_000,
            key_in: None,
            changes: Vec::new(),
            pictures: 0,
        }
    }

    /// Ten seconds, three without a publisher, and ten more.
    fn two_runs() -> Self {
        let mut show = Self::new();
        show.begin(true);
        show.run(10.0, 30.0, true);
        show.finish();
        show.go_on_after(3);
        show
    }

    /// Ten seconds of the next run, so many seconds after the last one's end.
    fn go_on_after(&mut self, seconds: i64) {
        self.now += seconds * 1_000_000_000;
        self.next_sound = self.now;
        self.begin(true);
        self.run(10.0, 30.0, true);
    }

    fn begin(&mut self, audio: bool) {
        self.segmenter.begin(self.now, Some(picture()), audio, &mut self.changes).unwrap();
        self.key_in = Some(0);
    }

    fn run(&mut self, seconds: f64, fps: f64, sound: bool) {
        self.run_sized(seconds, fps, sound, 1000);
    }

    fn run_sized(&mut self, seconds: f64, fps: f64, sound: bool, bytes: usize) {
        let end = self.now + (seconds * 1e9) as i64;
        while self.now < end {
            let jitter = [0, 4_000_000, -3_000_000, 2_000_000][(self.pictures % 4) as usize];
            let at = self.now + jitter;
            while sound && self.next_sound < self.now {
                self.segmenter
                    .sound_at(self.next_sound, Bytes::from_static(SOUND), self.now, &mut self.changes)
                    .unwrap();
                self.next_sound += 20_000_000;
            }
            // A keyframe comes 100 ms after it is wanted.
            if self.key_in.is_none() && self.segmenter.wants_keyframe() {
                self.key_in = Some(self.now + 100_000_000);
            }
            let key = self.key_in.is_some_and(|due| due <= self.now);
            if key {
                self.key_in = None;
            }
            self.segmenter.picture_at(at.max(1_000_000_000), key, vec![7; bytes].into(), &mut self.changes).unwrap();
            self.segmenter.tick(self.now, &mut self.changes).unwrap();
            self.changes.drain(..).for_each(|change| self.window.apply(change));
            self.now += (1e9 / fps) as i64;
            self.pictures += 1;
        }
    }

    fn finish(&mut self) {
        self.segmenter.finish(&mut self.changes).unwrap();
        self.changes.drain(..).for_each(|change| self.window.apply(change));
        self.window.close();
    }

    fn media(&self, kind: Kind) -> String {
        playlist::media(&self.window, kind, false, "", &[]).expect("a playlist")
    }
}

/// `NAME=value` of a tag.
fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let list = line.split_once(':')?.1;
    list.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn tag<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

/// Each segment: its number, duration and its parts' durations, and whether they are independent.
#[derive(Debug, Default, Clone)]
struct Seen {
    number: u64,
    duration: Option<f64>,
    parts: Vec<(f64, bool)>,
}

/// Reads a playlist and checks what must hold for every one.
fn check(text: &str) -> Vec<Seen> {
    let target: f64 = tag(text, "#EXT-X-TARGETDURATION").unwrap().parse().unwrap();
    let part: f64 = attribute(text.lines().find(|line| line.starts_with("#EXT-X-PART-INF")).unwrap(), "PART-TARGET")
        .unwrap()
        .parse()
        .unwrap();
    let control = text.lines().find(|line| line.starts_with("#EXT-X-SERVER-CONTROL")).unwrap();
    let number = |name: &str| attribute(control, name).unwrap().parse::<f64>().unwrap();
    assert_eq!(attribute(control, "CAN-BLOCK-RELOAD"), Some("YES"));
    assert!(number("PART-HOLD-BACK") >= part * 3.0 - 1e-9, "section 4.4.3.8: at least twice, should be three times");
    assert!(number("HOLD-BACK") >= target * 3.0 && number("CAN-SKIP-UNTIL") >= target * 6.0);
    let mut next: u64 = tag(text, "#EXT-X-MEDIA-SEQUENCE").unwrap().parse().unwrap();
    if let Some(skipped) = text.lines().find(|line| line.starts_with("#EXT-X-SKIP")) {
        next += attribute(skipped, "SKIPPED-SEGMENTS").unwrap().parse::<u64>().unwrap();
    }
    let (mut seen, mut present) = (Vec::new(), Seen { number: next, ..Seen::default() });
    for line in text.lines() {
        if line.starts_with("#EXT-X-PART:") {
            let duration: f64 = attribute(line, "DURATION").unwrap().parse().unwrap();
            let index = format!("-{}.{}.m4s", present.number, present.parts.len());
            assert!(attribute(line, "URI").unwrap().contains(&index), "{line}");
            assert!(duration <= part + 1e-4, "no part is longer than the target: {line}");
            present.parts.push((duration, attribute(line, "INDEPENDENT") == Some("YES")));
        } else if let Some(duration) = line.strip_prefix("#EXTINF:") {
            let duration: f64 = duration.trim_end_matches(',').parse().unwrap();
            assert!(duration.round() <= target, "section 4.4.3.1: {line}");
            if !present.parts.is_empty() {
                let sum: f64 = present.parts.iter().map(|(duration, _)| duration).sum();
                assert!((sum - duration).abs() < 1e-3, "parts make up their segment: {sum} and {duration}");
            }
            present.duration = Some(duration);
        } else if !line.starts_with('#') {
            assert!(line.contains(&format!("-{}.m4s", present.number)), "{line}");
            next += 1;
            seen.push(std::mem::replace(&mut present, Seen { number: next, ..Seen::default() }));
        }
    }
    for segment in seen.iter().chain([&present]) {
        let last = segment.parts.len().saturating_sub(usize::from(segment.duration.is_some()));
        for (duration, _) in &segment.parts[..last] {
            assert!(*duration >= part * 0.85 - 1e-4, "a part within a segment has 85 % of its target: {segment:?}");
        }
    }
    seen.push(present);
    seen
}

#[test]
fn parts_and_segments_keep_the_lengths_that_were_promised_at_every_common_rate() {
    for fps in [15.0, 24.0, 25.0, 29.97, 30.0, 50.0, 60.0] {
        let mut show = Show::new();
        show.begin(true);
        show.run(20.0, fps, true);
        for kind in Kind::ALL {
            let segments = check(&show.media(kind));
            assert!((7..=11).contains(&segments.len()), "{fps}: {}", segments.len());
            let in_parts = segments.iter().filter(|segment| !segment.parts.is_empty());
            assert!(in_parts.clone().all(|segment| segment.parts[0].1), "a segment begins with a keyframe");
        }
    }
}

#[test]
fn sound_and_picture_have_the_same_numbers_for_the_same_time() {
    let mut show = Show::new();
    show.begin(true);
    show.run(30.0, 30.0, true);
    let video: Vec<_> = show.window.listed(Kind::Video).cloned().collect();
    for segment in &video[1..video.len() - 1] {
        let sound = show.window.rendition(Kind::Audio).segment(segment.number).expect("the same number");
        let (picture, sound) = (segment.start as f64 / 90_000.0, sound.start as f64 / 48_000.0);
        assert!((picture - sound).abs() <= 0.011, "{}: {picture} and {sound}", segment.number);
    }
    let newest = show.window.rendition(Kind::Audio).newest().expect("a part");
    let report = format!("#EXT-X-RENDITION-REPORT:URI=\"audio.m3u8\",LAST-MSN={},LAST-PART={}", newest.0, newest.1);
    assert!(show.media(Kind::Video).contains(&report));
}

#[test]
fn sound_that_stops_is_filled_with_silence_and_keeps_its_numbers() {
    let mut show = Show::new();
    show.begin(true);
    show.run(6.0, 30.0, true);
    show.run(10.0, 30.0, false);
    show.next_sound = show.now;
    show.run(6.0, 30.0, true);
    let (video, audio) = (show.window.rendition(Kind::Video), show.window.rendition(Kind::Audio));
    let (video, audio) = (video.last_whole().unwrap(), audio.last_whole().unwrap());
    assert!(video.number.abs_diff(audio.number) <= 1);
    let apart = video.start as f64 / 90_000.0 - audio.start as f64 / 48_000.0;
    assert!(video.number != audio.number || apart.abs() < 0.02, "{apart}");
    let mut end = None;
    for segment in &show.window.rendition(Kind::Audio).segments {
        assert!(end.is_none_or(|end| end == segment.start), "no hole");
        end = Some(segment.start + segment.ticks());
    }
}

#[test]
fn a_still_picture_costs_one_long_part_and_no_hole() {
    let mut show = Show::new();
    show.begin(true);
    show.run(4.0, 30.0, true);
    show.run(8.0, 1.0, true);
    show.run(4.0, 30.0, true);
    let mut end = None;
    for segment in &show.window.rendition(Kind::Video).segments {
        assert!(end.is_none_or(|end| end == segment.start));
        end = Some(segment.start + segment.ticks());
    }
    check(&show.media(Kind::Audio));
}

#[test]
fn a_publisher_that_gives_no_keyframes_gets_longer_segments_and_the_target_says_so() {
    let mut show = Show::new();
    show.begin(false);
    show.run(1.0, 30.0, false);
    show.key_in = Some(i64::MAX);
    show.run(30.0, 30.0, false);
    let segments = check(&show.media(Kind::Video));
    assert_eq!(show.window.target, 12);
    assert!(segments.len() >= 2);
}

#[test]
fn the_window_is_bounded_in_time_and_numbers_go_on() {
    let mut show = Show::new();
    show.begin(true);
    show.run(200.0, 30.0, true);
    let text = show.media(Kind::Video);
    let segments = check(&text);
    let listed: f64 = segments.iter().filter_map(|segment| segment.duration).sum();
    assert!((34.0..=40.1).contains(&listed), "{listed}");
    assert!(segments[0].number > ORIGIN + 60);
    let kept = show.window.rendition(Kind::Video).segments.len();
    assert!(kept > segments.len() && kept < segments.len() + 10, "what was just listed can still be had: {kept}");
}

#[test]
fn the_window_is_bounded_in_bytes() {
    let mut show = Show::with(Room { bytes: 3 << 20, ..ROOM });
    show.begin(true);
    show.run_sized(60.0, 30.0, true, 10_000);
    assert!(show.window.bytes() <= (3 << 20) + 700_000, "{}", show.window.bytes());
    check(&show.media(Kind::Video));
}

#[test]
fn a_delta_update_leaves_out_what_is_older_than_it_promised() {
    let mut show = Show::new();
    show.begin(true);
    show.run(60.0, 30.0, true);
    let (whole, delta) = (show.media(Kind::Video), playlist::media(&show.window, Kind::Video, true, "", &[]).unwrap());
    let (all, some) = (check(&whole), check(&delta));
    assert!(some.len() < all.len() && delta.len() < whole.len());
    assert!(delta.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS="));
    let until: f64 = some.iter().filter_map(|segment| segment.duration).sum();
    assert!(until >= 18.0 - 3.0, "{until}");
    assert_eq!(all.last().map(|segment| segment.number), some.last().map(|segment| segment.number));
    assert!(!delta.contains("#EXT-X-MAP"), "it is the skipped segments'");
}

#[test]
fn a_publishers_return_is_a_discontinuity_with_a_header_of_its_own() {
    let mut show = Show::new();
    show.begin(true);
    show.run(10.0, 30.0, true);
    show.finish();
    let before = show.media(Kind::Video);
    assert!(!before.contains("PRELOAD-HINT"), "nothing is in the making");
    show.go_on_after(5);
    for kind in Kind::ALL {
        let text = show.media(kind);
        check(&text);
        assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1);
        assert_eq!(text.matches("#EXT-X-MAP").count(), 2);
        assert!(!text.contains("#EXT-X-DISCONTINUITY-SEQUENCE"), "nothing of it has gone yet");
        let run = show.window.run().expect("a run").number;
        let tail = text.split("#EXT-X-DISCONTINUITY\n").nth(1).unwrap();
        assert!(tail.starts_with(&format!("#EXT-X-MAP:URI=\"{}-{run}.mp4\"", kind.name())), "{tail}");
    }
    show.run(28.0, 30.0, true);
    assert_eq!(tag(&show.media(Kind::Video), "#EXT-X-DISCONTINUITY-SEQUENCE"), None, "the first of it is still listed");
    show.run(30.0, 30.0, true);
    assert_eq!(tag(&show.media(Kind::Video), "#EXT-X-DISCONTINUITY-SEQUENCE"), Some("1"));
}

#[test]
fn what_stands_under_an_address_never_changes() {
    let mut show = Show::new();
    show.begin(true);
    let mut kept = std::collections::HashMap::new();
    for _ in 0..60 {
        show.run(0.5, 30.0, true);
        for segment in &show.window.rendition(Kind::Video).segments {
            for (index, part) in segment.parts.iter().enumerate() {
                let before = kept.entry((segment.number, index)).or_insert_with(|| part.body.clone());
                assert_eq!(*before, part.body);
            }
            if let Some(body) = &segment.body {
                let joined: Vec<u8> = segment.parts.iter().flat_map(|part| part.body.to_vec()).collect();
                assert_eq!(joined, body.to_vec());
            }
        }
    }
    assert!(kept.len() > 50);
}

#[test]
fn a_blocking_reload_waits_for_what_comes_next_and_for_nothing_else() {
    let mut show = Show::new();
    show.begin(true);
    show.run(10.3, 30.0, true);
    let rendition = show.window.rendition(Kind::Video);
    let open = rendition.open().expect("one in the making");
    let ask = |number, part| Wanted { number, part }.standing(rendition);
    let (number, parts) = (open.number, open.parts.len());
    assert_eq!(ask(number - 1, None), Standing::Here);
    assert_eq!(ask(number - 1, Some(99)), Standing::Here, "past a segment's end is the next one's first");
    assert_eq!(ask(number, None), Standing::ToCome);
    assert_eq!(ask(number, Some(parts)), Standing::ToCome);
    assert_eq!(ask(number + 1, Some(0)), Standing::ToCome);
    assert_eq!(ask(number + 2, None), Standing::TooFar);
    if parts > 0 {
        assert_eq!(ask(number, Some(parts - 1)), Standing::Here);
    }
    let hint = format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"video-{number}.{parts}.m4s\"");
    assert!(show.media(Kind::Video).contains(&hint));
}

#[test]
fn the_end_is_said_when_it_is_for_good() {
    let mut show = Show::new();
    show.begin(true);
    show.run(7.0, 30.0, true);
    show.finish();
    show.window.over = true;
    let text = show.media(Kind::Video);
    assert!(text.ends_with("#EXT-X-ENDLIST\n") && !text.contains("PRELOAD-HINT"));
    let (video, audio) = (show.window.rendition(Kind::Video), show.window.rendition(Kind::Audio));
    assert_eq!(video.segments.len(), audio.segments.len());
    let manifest = mpd::manifest(&show.window, "../", "", SystemTime::now(), &[]).unwrap();
    assert!(manifest.contains("mediaPresentationDuration") && !manifest.contains("minimumUpdatePeriod"));
}
