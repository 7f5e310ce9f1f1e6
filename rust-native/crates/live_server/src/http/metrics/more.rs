//! What is recorded, sent on and told, and how long viewers wait for their first picture.

use std::fmt::Write;

use super::super::Site;
use crate::alerts::Watched;
use crate::forward::{ForwardInfo, STATES};
use crate::recording::RuleInfo;

/// A metric of many: its name, help, kind, and how to read it; `None` where there is nothing to be said.
type Metric<T> = (&'static str, &'static str, &'static str, fn(&T) -> Option<f64>);

const RECORDINGS: [Metric<RuleInfo>; 7] = [
    ("tidecast_recordings", "Recordings that are kept", "gauge", |rule| Some(rule.recordings as f64)),
    ("tidecast_recordings_open", "Recordings that are being written", "gauge", |rule| Some(rule.open as f64)),
    ("tidecast_recordings_bytes", "Bytes that kept recordings take", "gauge", |rule| Some(rule.bytes as f64)),
    ("tidecast_recordings_room_bytes", "Room on the disk of a rule's folder", "gauge", |rule| {
        rule.free_bytes.map(|bytes| bytes as f64)
    }),
    ("tidecast_recordings_failing", "1 while a rule's store takes nothing", "gauge", |rule| {
        Some(f64::from(u8::from(rule.fails)))
    }),
    ("tidecast_recordings_written_bytes_total", "Media bytes written", "counter", |rule| {
        Some(rule.written_bytes as f64)
    }),
    ("tidecast_recordings_failures_total", "Attempts that a rule's store did not grant", "counter", |rule| {
        Some(rule.failures as f64)
    }),
];

const FORWARDS: [Metric<ForwardInfo>; 4] = [
    ("tidecast_forward_bitrate_kbps", "What leaves to the target, kbit/s", "gauge", |forward| {
        Some(forward.bitrate_kbps)
    }),
    ("tidecast_forward_sent_bytes_total", "Bytes sent to the target", "counter", |forward| {
        Some(forward.sent_bytes_total as f64)
    }),
    ("tidecast_forward_reconnects_total", "Failed attempts and broken connections", "counter", |forward| {
        Some(forward.reconnects as f64)
    }),
    ("tidecast_forward_dropped_units", "Units left out in the present connection", "gauge", |forward| {
        Some(forward.dropped_units as f64)
    }),
];

pub(super) fn write(site: &Site, out: &mut String) {
    let rules = site.recordings().rules();
    write_each(out, &RECORDINGS, &rules, |rule| format!("rule=\"{}\"", rule.name));
    let forwards = site.forwards().all();
    write_states(out, &forwards);
    write_each(out, &FORWARDS, &forwards, place);
    let firing: Metric<Watched> =
        ("tidecast_alert_firing", "1 from an alert's beginning to its end", "gauge", |watched| {
            Some(f64::from(u8::from(watched.state == "firing")))
        });
    write_each(out, &[firing], &site.alerts().all(), |watched| {
        format!("alert=\"{}\",subject=\"{}\"", escaped(&watched.alert), escaped(&watched.subject))
    });
    let help = "From a WebRTC viewer's offer to its first picture's first packet";
    site.figures.totals.joins.write(out, "tidecast_join_seconds", help);
    let help = "From a player's request to its first picture, as players report it";
    site.admin.joins.write(out, "tidecast_player_join_seconds", help);
}

fn place(forward: &ForwardInfo) -> String {
    format!("stream=\"{}\",forward=\"{}\"", forward.stream, forward.name)
}

/// As Prometheus has it for what is one of several: a series for each, of which one is 1.
fn write_states(out: &mut String, forwards: &[ForwardInfo]) {
    let name = "tidecast_forward_state";
    let _ = write!(out, "# HELP {name} 1 for the state that a forward is in\n# TYPE {name} gauge\n");
    for forward in forwards {
        for state in STATES {
            let is = u8::from(forward.state == state);
            let _ = writeln!(out, "{name}{{{},state=\"{state}\"}} {is}", place(forward));
        }
    }
}

fn write_each<T>(out: &mut String, metrics: &[Metric<T>], all: &[T], labels: impl Fn(&T) -> String) {
    for (name, help, kind, read) in metrics {
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for one in all {
            if let Some(value) = read(one) {
                let _ = writeln!(out, "{name}{{{}}} {value}", labels(one));
            }
        }
    }
}

/// A label's value may hold anything but these three as they are.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_name_can_hold_anything() {
        assert_eq!(escaped("C:\\a \"b\"\nc"), "C:\\\\a \\\"b\\\"\\nc");
    }
}
