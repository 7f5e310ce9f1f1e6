//! Marks in a stream's time (EXT-X-DATERANGE, RFC 8216 section 4.3.2.7): the place of an advertisement, a chapter, or
//! whatever a platform means by their class. They are told by the wall clock, as EXT-X-PROGRAM-DATE-TIME is. What DASH
//! makes of them is in `events`.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::playlist::date_time;

/// Of one stream. Each stands in every playlist while any of its time is listed.
const MOST: usize = 200;
/// Streams with marks: where anybody may publish, anybody may think of names.
const MOST_STREAMS: usize = 1000;
/// After its end, or its beginning where that is all that is known, nothing lists it any more.
const KEPT: Duration = Duration::from_secs(24 * 3600);
const LONGEST_TEXT: usize = 128;
const LONGEST_VALUE: usize = 1024;
const MOST_ATTRIBUTES: usize = 16;
/// Seconds.
const LONGEST: f64 = 86_400.0;
/// The last millisecond of the year 9999, which RFC 3339 ends with.
const LAST_MS: f64 = 253_402_300_799_999.0;

/// One stretch of a stream's time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Mark {
    /// Its `id` in DASH, which takes numbers alone.
    #[serde(skip)]
    pub(super) number: u32,
    id: String,
    class: Option<String>,
    /// Unix time, milliseconds.
    pub(super) start_ms: u64,
    /// Seconds; `None` as long as its end is not known.
    duration: Option<f64>,
    /// What the duration will be, seconds.
    planned_duration: Option<f64>,
    attributes: BTreeMap<String, String>,
}

/// What a platform says of one: a new one, or the duration of one that it began before.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    id: String,
    #[serde(default)]
    class: Option<String>,
    /// Now, where it is left out.
    #[serde(default)]
    start_ms: Option<f64>,
    #[serde(default)]
    duration: Option<f64>,
    #[serde(default)]
    planned_duration: Option<f64>,
    #[serde(default)]
    attributes: Option<BTreeMap<String, String>>,
}

/// Why a mark isn't taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MarkProblem {
    Bad(&'static str),
    /// Players have read something else of it.
    Differs,
    TooMany,
}

impl Mark {
    fn start(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.start_ms)
    }

    /// What it lasts, or is said to be going to; `None` where nobody has said.
    pub(super) fn lasts(&self) -> Option<Duration> {
        self.duration.or(self.planned_duration).map(Duration::from_secs_f64)
    }

    /// `None` where nobody has said.
    fn end(&self) -> Option<SystemTime> {
        Some(self.start() + self.lasts()?)
    }

    /// Whether any of its time may lie at or after `since`.
    pub(super) fn reaches(&self, since: SystemTime) -> bool {
        self.end().is_none_or(|end| end >= since)
    }

    /// Takes in what is said of it later: only what was open.
    fn complete(&mut self, said: Said) -> Result<(), MarkProblem> {
        let differs = |is: &Option<f64>, said: &Option<f64>| said.is_some() && is.is_some() && is != said;
        if said.class.is_some_and(|class| self.class.as_ref() != Some(&class))
            || said.start_ms.is_some_and(|start| self.start_ms != start as u64)
            || said.attributes.is_some_and(|attributes| self.attributes != attributes)
            || differs(&self.duration, &said.duration)
            || (said.planned_duration.is_some() && self.planned_duration != said.planned_duration)
        {
            return Err(MarkProblem::Differs);
        }
        self.duration = self.duration.or(said.duration);
        Ok(())
    }
}

impl Said {
    fn check(&self) -> Result<(), MarkProblem> {
        let text = |text: &str, longest| {
            text.chars().count() <= longest && !text.contains(|c: char| c == '"' || c.is_control())
        };
        let texts = [Some(&self.id), self.class.as_ref()];
        if !texts.into_iter().flatten().all(|each| !each.is_empty() && text(each, LONGEST_TEXT)) {
            return Err(MarkProblem::Bad("id and class are of 1 to 128 characters, without quotes and line breaks"));
        }
        if self.start_ms.is_some_and(|start| start.fract() != 0.0 || !(0.0..=LAST_MS).contains(&start)) {
            return Err(MarkProblem::Bad("start_ms is Unix time in whole milliseconds"));
        }
        let durations = [self.duration, self.planned_duration];
        if !durations.into_iter().flatten().all(|seconds| (0.0..=LONGEST).contains(&seconds)) {
            return Err(MarkProblem::Bad("durations lie between 0 and 86400 seconds"));
        }
        let attributes = self.attributes.iter().flatten();
        if attributes.clone().count() > MOST_ATTRIBUTES {
            return Err(MarkProblem::Bad("a mark has 16 attributes at most"));
        }
        let name = |name: &str| {
            let own = name.strip_prefix("X-").is_some_and(|own| !own.is_empty());
            let letters = name.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'-');
            own && letters && name.len() <= LONGEST_TEXT
        };
        let cue = |value: &str| {
            let digits = value.strip_prefix("0x").unwrap_or_default();
            !digits.is_empty() && value.len() <= LONGEST_VALUE && digits.bytes().all(|c| c.is_ascii_hexdigit())
        };
        let good =
            |key: &str, value: &str| if is_cue(key) { cue(value) } else { name(key) && text(value, LONGEST_VALUE) };
        if !attributes.clone().all(|(key, value)| good(key, value)) {
            return Err(MarkProblem::Bad(
                "attributes are X-NAME with a text, or SCTE35-CMD, SCTE35-OUT and SCTE35-IN with 0x and hexadecimal digits",
            ));
        }
        Ok(())
    }

    fn begin(self, number: u32, now: SystemTime) -> Mark {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        Mark {
            number,
            id: self.id,
            class: self.class,
            start_ms: self.start_ms.map_or(now, |start| start as u64),
            duration: self.duration,
            planned_duration: self.planned_duration,
            attributes: self.attributes.unwrap_or_default(),
        }
    }
}

/// A message of SCTE 35, which is written in hexadecimal and without quotes (section 4.3.2.7.1).
fn is_cue(name: &str) -> bool {
    matches!(name, "SCTE35-CMD" | "SCTE35-OUT" | "SCTE35-IN")
}

/// The marks of every stream. A restart of the server forgets them, as it does the playlists.
#[derive(Debug, Default)]
pub(crate) struct Marks(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    streams: HashMap<String, Vec<Mark>>,
    /// The next mark's number.
    next: u32,
}

impl Marks {
    /// Begins a mark (`true`), or says more of one that is there.
    pub(crate) fn set(&self, stream: &str, said: Said, now: SystemTime) -> Result<(Mark, bool), MarkProblem> {
        said.check()?;
        let mut book = self.0.lock();
        let Book { streams: all, next } = &mut *book;
        if !all.contains_key(stream) && all.len() >= MOST_STREAMS {
            all.values_mut().for_each(|marks| forget_old(marks, now));
            all.retain(|_, marks| !marks.is_empty());
            if all.len() >= MOST_STREAMS {
                return Err(MarkProblem::TooMany);
            }
        }
        let marks = all.entry(stream.to_owned()).or_default();
        forget_old(marks, now);
        if let Some(mark) = marks.iter_mut().find(|mark| mark.id == said.id) {
            mark.complete(said)?;
            return Ok((mark.clone(), false));
        }
        if marks.len() >= MOST {
            return Err(MarkProblem::TooMany);
        }
        let mark = said.begin(*next, now);
        *next = next.wrapping_add(1);
        marks.insert(marks.partition_point(|other| other.start_ms <= mark.start_ms), mark.clone());
        Ok((mark, true))
    }

    /// A stream's, in order of their beginnings.
    pub(crate) fn of(&self, stream: &str) -> Vec<Mark> {
        self.0.lock().streams.get(stream).cloned().unwrap_or_default()
    }
}

fn forget_old(marks: &mut Vec<Mark>, now: SystemTime) {
    marks.retain(|mark| mark.end().unwrap_or(mark.start()) + KEPT >= now);
}

/// The lines of a playlist whose first segment begins at `since`.
pub(super) fn write(out: &mut String, marks: &[Mark], since: SystemTime) {
    for mark in marks.iter().filter(|mark| mark.reaches(since)) {
        let _ = write!(out, "#EXT-X-DATERANGE:ID=\"{}\"", mark.id);
        if let Some(class) = &mark.class {
            let _ = write!(out, ",CLASS=\"{class}\"");
        }
        let _ = write!(out, ",START-DATE=\"{}\"", date_time(mark.start()));
        for (name, seconds) in [("DURATION", mark.duration), ("PLANNED-DURATION", mark.planned_duration)] {
            if let Some(seconds) = seconds {
                let _ = write!(out, ",{name}={seconds:.3}");
            }
        }
        for (name, value) in &mark.attributes {
            let _ = if is_cue(name) { write!(out, ",{name}={value}") } else { write!(out, ",{name}=\"{value}\"") };
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> Said {
        serde_json::from_str(json).expect("a mark")
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn lines(marks: &Marks, since: u64) -> String {
        let mut out = String::new();
        write(&mut out, &marks.of("live"), at(since));
        out
    }

    #[test]
    fn a_mark_is_listed_as_long_as_its_time_is_and_its_end_may_come_later() {
        let marks = Marks::default();
        let begun = said(
            r#"{"id": "ad-1", "class": "ad", "planned_duration": 30, "attributes": {"X-SLOT": "7", "SCTE35-OUT": "0xFC30"}}"#,
        );
        let (_, new) = marks.set("live", begun, at(1_700_000_000)).expect("taken");
        assert!(new);
        let head = "#EXT-X-DATERANGE:ID=\"ad-1\",CLASS=\"ad\",START-DATE=\"2023-11-14T22:13:20.000Z\"";
        let tail = "PLANNED-DURATION=30.000,SCTE35-OUT=0xFC30,X-SLOT=\"7\"\n";
        assert_eq!(lines(&marks, 1_700_000_000), format!("{head},{tail}"));
        let (_, new) =
            marks.set("live", said(r#"{"id": "ad-1", "duration": 12.5}"#), at(1_700_000_013)).expect("taken");
        assert!(!new);
        assert_eq!(lines(&marks, 1_700_000_012), format!("{head},DURATION=12.500,{tail}"));
        assert_eq!(lines(&marks, 1_700_000_013), "");
        assert_eq!(marks.of("other"), []);
    }

    #[test]
    fn what_players_have_read_of_a_mark_can_not_change() {
        let marks = Marks::default();
        marks.set("live", said(r#"{"id": "a", "start_ms": 5000, "duration": 1}"#), at(5)).expect("taken");
        for other in [r#""duration": 2"#, r#""start_ms": 6000"#, r#""class": "b""#, r#""attributes": {"X-A": "b"}"#] {
            let refused = marks.set("live", said(&format!("{{\"id\": \"a\", {other}}}")), at(5));
            assert_eq!(refused, Err(MarkProblem::Differs), "{other}");
        }
        assert!(marks.set("live", said(r#"{"id": "a", "start_ms": 5000, "duration": 1}"#), at(5)).is_ok());
    }

    #[test]
    fn names_without_end_fill_no_memory_and_make_room_when_their_marks_are_old() {
        let marks = Marks::default();
        let mark = |second: u64| said(&format!("{{\"id\": \"a\", \"start_ms\": {}, \"duration\": 1}}", 1000 * second));
        for number in 0..MOST_STREAMS {
            marks.set(&format!("s{number}"), mark(5), at(5)).expect("taken");
        }
        assert_eq!(marks.set("one-more", mark(5), at(5)), Err(MarkProblem::TooMany));
        let day = KEPT.as_secs() + 10;
        assert!(marks.set("one-more", mark(day), at(day)).is_ok());
        assert_eq!(marks.0.lock().streams.len(), 1);
    }

    #[test]
    fn what_would_break_a_playlist_is_refused() {
        for bad in [
            r#"{"id": ""}"#,
            r#"{"id": "a\"b"}"#,
            r#"{"id": "a\nb"}"#,
            r#"{"id": "a", "start_ms": 0.5}"#,
            r#"{"id": "a", "duration": -1}"#,
            r#"{"id": "a", "attributes": {"x-a": "b"}}"#,
            r#"{"id": "a", "attributes": {"ID": "b"}}"#,
            r#"{"id": "a", "attributes": {"X-A": "b\"c"}}"#,
            r#"{"id": "a", "attributes": {"SCTE35-IN": "FC"}}"#,
        ] {
            assert!(matches!(Marks::default().set("live", said(bad), at(0)), Err(MarkProblem::Bad(_))), "{bad}");
        }
    }

    #[test]
    fn old_marks_make_room_and_too_many_are_refused() {
        let marks = Marks::default();
        let one = |id: usize| said(&format!("{{\"id\": \"{id}\", \"duration\": 1}}"));
        for id in 0..MOST {
            marks.set("live", one(id), at(0)).expect("taken");
        }
        assert_eq!(marks.set("live", one(MOST), at(100)), Err(MarkProblem::TooMany));
        assert!(marks.set("live", one(MOST), at(100_000)).is_ok());
    }
}
