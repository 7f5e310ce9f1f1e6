//! The last lines of the log, to be searched by the admin pages. A layer of `tracing` beside the one that writes.
//!
//! No line of ours holds a secret; what looks like one in what others wrote (an address with a key in it) is struck out
//! on the way in all the same.

use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Some hours of a small server, half a megabyte.
const KEPT: usize = 2000;
/// Bytes of one line.
const LONGEST: usize = 1000;

/// One line.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    /// Counts up from one.
    number: u64,
    /// Unix time, milliseconds.
    at_ms: u64,
    level: &'static str,
    /// Which room wrote it.
    target: String,
    text: String,
    /// The request that it was written for, as its answer's `X-Request-Id` said.
    request: Option<String>,
}

/// What is searched for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    /// Every word must be in the line, in any case.
    #[serde(default)]
    pub(crate) q: String,
    /// `error`, `warn`, `info` or `debug`: that one and worse.
    #[serde(default)]
    pub(crate) level: Option<Threshold>,
    /// Lines at the most.
    #[serde(default)]
    pub(crate) limit: Option<usize>,
}

/// The least bad level that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Threshold {
    Error,
    Warn,
    Info,
    Debug,
}

impl Threshold {
    fn admits(self, level: &str) -> bool {
        let rank = |name: &str| ["error", "warn", "info", "debug"].iter().position(|known| *known == name);
        let name = match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        };
        rank(level) <= rank(name)
    }
}

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    /// Newest first.
    lines: Vec<Line>,
    /// Lines that were looked at.
    searched: usize,
    /// The newest line's number.
    newest: u64,
}

#[derive(Debug, Default)]
struct Book {
    lines: VecDeque<Line>,
    newest: u64,
}

/// The lines. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct LogBook(Arc<Mutex<Book>>);

impl LogBook {
    /// The layer that fills it, for a subscriber of the registry's kind.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        Writer(self.clone())
    }

    pub(crate) fn newest(&self) -> u64 {
        self.0.lock().newest
    }

    pub(crate) fn search(&self, asked: &Asked) -> Found {
        let words: Vec<String> = asked.q.split_whitespace().map(str::to_lowercase).collect();
        let limit = asked.limit.unwrap_or(200).clamp(1, KEPT);
        let book = self.0.lock();
        let fits = |line: &&Line| {
            let text = || format!("{} {} {}", line.target, line.text, line.request.as_deref().unwrap_or_default());
            asked.level.is_none_or(|level| level.admits(line.level))
                && (words.is_empty() || {
                    let text = text().to_lowercase();
                    words.iter().all(|word| text.contains(word))
                })
        };
        let lines = book.lines.iter().rev().filter(fits).take(limit).cloned().collect();
        Found { lines, searched: book.lines.len(), newest: book.newest }
    }

    fn push(&self, level: &'static str, target: &str, text: &str, request: Option<String>) {
        let at_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
        let mut text = struck(text);
        if text.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
            text.truncate(end);
            text.push('…');
        }
        let mut book = self.0.lock();
        book.newest += 1;
        let number = book.newest;
        if book.lines.len() >= KEPT {
            book.lines.pop_front();
        }
        book.lines.push_back(Line { number, at_ms: at_ms as u64, level, target: target.to_owned(), text, request });
    }
}

/// Strikes out what follows a word that a secret follows.
fn struck(text: &str) -> String {
    const BEFORE: [&str; 8] =
        ["bearer ", "key=", "token=", "secret=", "password=", "passphrase=", "tc_", "tidecast_admin="];
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let next = BEFORE.iter().filter_map(|word| lower[at..].find(word).map(|found| at + found + word.len())).min();
        let Some(begin) = next else { break };
        let length = text[begin..].find(|c: char| c.is_whitespace() || "\"'&,;)}".contains(c));
        // `"key="` in a sentence has nothing behind it.
        let end = length.map_or(text.len(), |length| begin + length);
        out.push_str(&text[at..begin]);
        if end > begin {
            out.push_str("***");
        }
        at = end.max(begin);
    }
    out.push_str(&text[at..]);
    out
}

struct Writer(LogBook);

/// A request's name, kept with its span.
struct Request(String);

#[derive(Default)]
struct Words {
    message: String,
    fields: String,
    id: Option<String>,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => {
                let _ = write!(self.message, "{value:?}");
            }
            "id" => self.id = Some(format!("{value:?}").trim_matches('"').to_owned()),
            name => {
                let _ = write!(self.fields, " {name}={value:?}");
            }
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Writer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut words = Words::default();
        attributes.record(&mut words);
        if let (Some(name), Some(span)) = (words.id, context.span(id)) {
            span.extensions_mut().insert(Request(name));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let request = context.event_scope(event).and_then(|scope| {
            scope.into_iter().find_map(|span| span.extensions().get::<Request>().map(|Request(name)| name.clone()))
        });
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            _ => "debug",
        };
        self.0.push(level, event.metadata().target(), &format!("{}{}", words.message, words.fields), request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    fn asked(q: &str, level: Option<Threshold>) -> Asked {
        Asked { q: q.to_owned(), level, limit: None }
    }

    #[test]
    fn lines_are_found_by_words_levels_and_the_request_they_were_written_for() {
        let book = LogBook::default();
        let subscriber = tracing_subscriber::registry().with(book.layer());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(stream = "live", "a viewer is connected");
            let _span = tracing::info_span!("request", id = "0123456789abcdef").entered();
            tracing::warn!(stream = "other", "a wrong token");
        });
        let texts = |asked: &Asked| book.search(asked).lines.into_iter().map(|line| line.text).collect::<Vec<_>>();
        let (first, second) = ("a viewer is connected stream=\"live\"", "a wrong token stream=\"other\"");
        assert_eq!(texts(&asked("", None)), [second, first], "newest first");
        assert_eq!(texts(&asked("LIVE viewer", None)), [first]);
        assert_eq!(texts(&asked("", Some(Threshold::Warn))), [second]);
        assert_eq!(texts(&asked("0123456789abcdef", None)), [second]);
        assert!(texts(&asked("nowhere", None)).is_empty());
    }

    #[test]
    fn the_oldest_lines_go_and_long_ones_are_cut() {
        let book = LogBook::default();
        for n in 0..KEPT + 5 {
            book.push("info", "x", &format!("line {n}"), None);
        }
        book.push("info", "x", &"ä".repeat(2000), None);
        let found = book.search(&Asked { limit: Some(usize::MAX), ..Asked::default() });
        assert_eq!((found.lines.len(), found.searched, found.newest), (KEPT, KEPT, (KEPT + 6) as u64));
        assert!(found.lines[0].text.len() <= LONGEST + "…".len());
    }

    #[test]
    fn what_looks_like_a_secret_is_struck_out() {
        for (text, kept) in [
            ("asked for /x?token=abc&q=1", "asked for /x?token=***&q=1"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
            ("rtmp://h/app/live?key=hunter2 refused", "rtmp://h/app/live?key=*** refused"),
            ("the key tc_0011_aabb is wrong", "the key tc_*** is wrong"),
            ("a monkey sat here", "a monkey sat here"),
            ("key= and KEY=Ünï", "key= and KEY=***"),
        ] {
            assert_eq!(struck(text), kept);
        }
    }
}
