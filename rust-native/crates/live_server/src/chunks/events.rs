//! Marks in a DASH manifest: an event stream of each Period (ISO/IEC 23009-1 section 5.10.2). A player fires each when it
//! has come to its time; what the API shows of the mark is the event's message, in JSON.

use std::fmt::Write;
use std::time::SystemTime;

use super::marks::Mark;

/// What an application listens for. The number is that of the message's form.
const SCHEME: &str = "urn:tidecast:mark:1";

/// A Period's time, by the wall clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) begins: SystemTime,
    /// Nothing lies before it: what began earlier and may last is told here.
    pub(super) first: bool,
    /// `None` of the last Period, which is the place of what is to come, too.
    pub(super) ends: Option<SystemTime>,
    /// What was over by then is told no more.
    pub(super) listed: SystemTime,
}

impl Stretch {
    /// Each mark lies in the one Period in which it begins: the same event in two would fire twice.
    fn has(&self, mark: &Mark) -> bool {
        let since = self.first || mark.start_ms >= unix_ms(self.begins);
        let until = self.ends.is_none_or(|ends| mark.start_ms < unix_ms(ends));
        since && until && mark.reaches(self.listed)
    }
}

/// A Period's `EventStream`; empty where there is nothing in it. Times are milliseconds after the Period's beginning: of
/// a mark from before it, as many after the `presentationTimeOffset` that is told then.
pub(super) fn stream(marks: &[Mark], stretch: &Stretch) -> String {
    let within: Vec<&Mark> = marks.iter().filter(|mark| stretch.has(mark)).collect();
    let Some(earliest) = within.iter().map(|mark| mark.start_ms).min() else { return String::new() };
    let begins = unix_ms(stretch.begins);
    let offset = begins.saturating_sub(earliest);
    let mut out = format!("    <EventStream schemeIdUri=\"{SCHEME}\" timescale=\"1000\"");
    if offset > 0 {
        let _ = write!(out, " presentationTimeOffset=\"{offset}\"");
    }
    out.push_str(">\n");
    for mark in within {
        let at = mark.start_ms + offset - begins;
        let _ = write!(out, "      <Event presentationTime=\"{at}\"");
        if let Some(lasts) = mark.lasts() {
            let _ = write!(out, " duration=\"{}\"", lasts.as_millis());
        }
        let _ = writeln!(out, " id=\"{}\" messageData='{}'/>", mark.number, message(mark));
    }
    out + "    </EventStream>\n"
}

fn unix_ms(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// JSON in which nothing means anything to XML (or may not stand in it: section 2.2 of XML 1.0), by JSON's own escapes:
/// some players' readers, dash.js's among them, leave XML's entities in attributes as they are. All of it lies in texts.
fn message(mark: &Mark) -> String {
    let json = serde_json::to_string(mark).unwrap_or_default();
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\'' | '&' | '<' | '>' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::marks::Marks;
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Marks of a stream, each of `{…}`.
    fn marks(each: &[&str]) -> Vec<Mark> {
        let marks = Marks::default();
        for json in each {
            marks.set("live", serde_json::from_str(json).expect("a mark"), at(1000)).expect("taken");
        }
        marks.of("live")
    }

    fn stretch(begins: u64, ends: Option<u64>, first: bool) -> Stretch {
        Stretch { begins: at(begins), first, ends: ends.map(at), listed: at(1000) }
    }

    #[test]
    fn a_mark_is_an_event_at_its_time_after_the_periods_beginning_and_its_end_may_come_later() {
        let all =
            marks(&[r#"{"id": "ad", "class": "break", "start_ms": 1012500}"#, r#"{"id": "ad", "duration": 1.25}"#]);
        assert_eq!(
            stream(&all, &stretch(1000, None, true)),
            "    <EventStream schemeIdUri=\"urn:tidecast:mark:1\" timescale=\"1000\">\n      \
             <Event presentationTime=\"12500\" duration=\"1250\" id=\"0\" messageData='{\"id\":\"ad\",\"class\":\"break\",\
             \"start_ms\":1012500,\"duration\":1.25,\"planned_duration\":null,\"attributes\":{}}'/>\n    </EventStream>\n"
        );
        let open = stream(&marks(&[r#"{"id": "a"}"#]), &stretch(1000, None, true));
        assert!(!open.contains(" duration="), "{open}");
    }

    #[test]
    fn each_mark_is_in_one_period_and_what_is_over_in_none() {
        let all = marks(&[
            r#"{"id": "over", "start_ms": 900000, "duration": 99}"#,
            r#"{"id": "before", "start_ms": 990000, "duration": 60}"#,
            r#"{"id": "first", "start_ms": 1005000}"#,
            r#"{"id": "second", "start_ms": 1010000}"#,
            r#"{"id": "to come", "start_ms": 2000000}"#,
        ]);
        let first = stream(&all, &stretch(1000, Some(1010), true));
        let second = stream(&all, &stretch(1010, None, false));
        let names = |text: &str| {
            let names = text.split("{\"id\":\"").skip(1);
            names.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(names(&first), ["before", "first"]);
        assert_eq!(names(&second), ["second", "to come"]);
        // Ten seconds before the Period, and five after its beginning.
        assert!(first.contains(" presentationTimeOffset=\"10000\""), "{first}");
        assert!(first.contains("presentationTime=\"0\" duration=\"60000\" id=\"1\""), "{first}");
        assert!(first.contains("presentationTime=\"15000\" id=\"2\""), "{first}");
        assert!(!second.contains("presentationTimeOffset") && second.contains("presentationTime=\"0\" id=\"3\""));
        assert_eq!(stream(&all, &stretch(980, Some(990), false)), "", "nothing begins in it that is not over");
    }

    fn borne(lasts: Duration) {
        let corpus = [
            r#"{"id": "a", "class": "b", "start_ms": 1000000, "duration": 1.5, "planned_duration": 2e3}"#,
            r#"{"id": "\u00e9\ud83c\udf0a'<&>", "attributes": {"X-A": "b", "SCTE35-OUT": "0xFC30", "SCTE35-CMD": "0x1"}}"#,
            r#"{"id": "a", "start_ms": 253402300799999, "duration": 86400, "class": null, "attributes": {}}"#,
        ];
        let corpus = corpus.map(|text| text.as_bytes().to_vec());
        testkit::fuzz::run(&corpus, 53, lasts, |sample, dice| {
            let Ok(said) = serde_json::from_slice(sample) else { return };
            let marks = Marks::default();
            marks.set("live", serde_json::from_str(r#"{"id": "a"}"#).expect("a mark"), at(1000)).expect("taken");
            let _ = marks.set("live", said, at(1000));
            let all = marks.of("live");
            let mut lines = String::new();
            super::super::marks::write(&mut lines, &all, at(0));
            assert_eq!(lines.lines().count(), all.len(), "{lines}");
            for line in lines.lines() {
                assert!(line.starts_with("#EXT-X-DATERANGE:ID=\"") && line.matches('"').count() % 2 == 0, "{line}");
                assert!(!line.contains(char::is_control), "{line}");
            }
            let period = stretch(dice.below(3000) as u64, None, true);
            let text = stream(&all, &period);
            let within: Vec<&Mark> = all.iter().filter(|mark| period.has(mark)).collect();
            assert_eq!(text.matches(['<', '>']).count(), 2 * (2 + within.len()), "{text}");
            let messages = text.split("messageData='").skip(1).map(|rest| rest.split_once('\'').expect("its end").0);
            for (message, mark) in messages.zip(within) {
                let read: serde_json::Value = serde_json::from_str(message).expect("JSON");
                assert_eq!(read, serde_json::to_value(mark).expect("JSON"));
            }
        });
    }

    #[test]
    fn any_mark_is_borne() {
        borne(testkit::fuzz::QUICK);
    }

    #[test]
    #[ignore = "ten minutes: test:long"]
    fn any_mark_is_borne_for_long() {
        borne(testkit::fuzz::LONG);
    }

    #[test]
    fn what_a_platform_writes_is_one_attribute_and_comes_back_as_it_was() {
        let odd = "it's <b>&amp;</b> \u{fffe} \\ \u{1f30a}";
        let mut said = serde_json::json!({ "id": odd });
        said["attributes"] = serde_json::json!({ "X-A": odd });
        let text = stream(&marks(&[&said.to_string()]), &stretch(1000, None, true));
        let (_, rest) = text.split_once("messageData='").expect("a message");
        let (message, rest) = rest.split_once('\'').expect("its end");
        assert!(rest.starts_with("/>\n") && !message.contains(['<', '&', '\u{fffe}']), "{text}");
        let read: serde_json::Value = serde_json::from_str(message).expect("JSON");
        assert_eq!((&read["id"], &read["attributes"]["X-A"]), (&said["id"], &said["id"]));
    }
}
