//! Streams that are sent on to other servers while they are live, by the crate `publish`: the app's own destinations.
//!
//! Each forward has a reader of its own on the units that the stream's packager hands out (`chunks`), with a bounded
//! queue that skips to a keyframe, its own connection and the one retry policy: a target that is dead, slow or gone
//! harms neither the stream nor another forward. What the configuration names stays; what the API adds is kept in a file of
//! `[admin] folder` (`kept`), and without one lasts until the server ends.

mod kept;
mod run;
mod tally;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use publish::{Destination, PublishStatus};
use serde::Serialize;
use stream::Broadcast;
use tokio::sync::Notify;

use crate::config::{Config, ForwardSettings};
pub(crate) use kept::Kept;
pub(crate) use run::run;
use tally::Tally;

/// More than anyone streams to, and few enough that one stream can't take all sockets.
const MOST_PER_STREAM: usize = 16;

/// Why a forward is not added or taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ForwardProblem {
    /// The stream has one of this name.
    Exists,
    /// It has none of this name.
    Missing,
    /// It stands in the configuration.
    Configured,
    /// The stream has as many as it may.
    TooMany,
    /// The file can't be written; the text is for the log.
    NotKept(String),
}

/// What a forward may be doing, as `state` says it.
pub(crate) const STATES: [&str; 5] = ["waiting", "connecting", "live", "reconnecting", "failed"];

/// One forward, as the API shows it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ForwardInfo {
    pub(crate) stream: String,
    pub(crate) name: String,
    /// Without path and query: they may hold a key.
    pub(crate) url: String,
    /// `"configuration"` or `"api"`.
    pub(crate) origin: &'static str,
    /// `"waiting"` for the stream, `"connecting"`, `"live"`, `"reconnecting"` or `"failed"`.
    pub(crate) state: &'static str,
    /// Why it is not live, where something went wrong.
    pub(crate) code: Option<&'static str>,
    pub(crate) message: Option<String>,
    pub(crate) hint: Option<&'static str>,
    /// Of the present connection.
    pub(crate) sent_bytes: u64,
    /// Of all connections since the forward is there.
    pub(crate) sent_bytes_total: u64,
    /// What leaves, over the last three seconds.
    pub(crate) bitrate_kbps: f64,
    /// Attempts that failed and connections that broke, each followed by another attempt.
    pub(crate) reconnects: u64,
    /// Units that were left out because the target was too slow.
    pub(crate) dropped_units: u64,
    pub(crate) round_trip_ms: Option<f64>,
}

#[derive(Debug)]
struct Entry {
    settings: ForwardSettings,
    configured: bool,
    running: Option<Running>,
    tally: Tally,
    reconnects: Arc<AtomicU64>,
}

impl Entry {
    fn new(settings: ForwardSettings, configured: bool) -> Self {
        Self { settings, configured, running: None, tally: Tally::default(), reconnects: Arc::default() }
    }
}

#[derive(Debug)]
struct Running {
    destination: Destination,
    status: Arc<Mutex<PublishStatus>>,
    /// What it reads: another one after the stream's packager has ended.
    units: Broadcast<media::AccessUnit>,
}

/// By stream and name.
type Key = (String, String);

#[derive(Debug, Default)]
struct State {
    entries: Mutex<BTreeMap<Key, Entry>>,
    /// Where those of the API are kept. Held while it is written: one writer at a time, and nobody who only looks waits.
    file: Mutex<Option<PathBuf>>,
    changed: Notify,
}

/// Every forward there is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Forwards(Arc<State>);

impl Forwards {
    /// All of them, in order of their streams and names.
    pub(crate) fn all(&self) -> Vec<ForwardInfo> {
        self.0.entries.lock().iter().map(|(key, entry)| info(key, entry)).collect()
    }

    /// A stream's, in order of their names.
    pub(crate) fn of(&self, stream: &str) -> Vec<ForwardInfo> {
        let entries = self.0.entries.lock();
        entries.iter().filter(|((of, _), _)| of == stream).map(|(key, entry)| info(key, entry)).collect()
    }

    /// Takes over what a configuration's file holds, beside what is there; from now on that file is written.
    pub(crate) fn keep(&self, kept: Kept) {
        let mut file = self.0.file.lock();
        if *file == kept.file {
            return;
        }
        *file = kept.file;
        let others = {
            let mut entries = self.0.entries.lock();
            let others = entries.values().any(|entry| !entry.configured);
            for (name, settings) in kept.forwards {
                entries.entry((settings.stream.clone(), name)).or_insert_with(|| Entry::new(settings, false));
            }
            others
        };
        drop(file);
        if others {
            self.write_again();
        }
    }

    /// One more. Writes a file: never on a runtime's thread.
    ///
    /// # Errors
    /// [`ForwardProblem`].
    pub(crate) fn add(&self, name: &str, settings: ForwardSettings) -> Result<ForwardInfo, ForwardProblem> {
        let key = (settings.stream.clone(), name.to_owned());
        let file = self.0.file.lock();
        let info = {
            let mut entries = self.0.entries.lock();
            if entries.contains_key(&key) {
                return Err(ForwardProblem::Exists);
            }
            if entries.keys().filter(|(stream, _)| *stream == key.0).count() >= MOST_PER_STREAM {
                return Err(ForwardProblem::TooMany);
            }
            info(&key, entries.entry(key.clone()).or_insert(Entry::new(settings, false)))
        };
        // What would be gone with the next start is not added: who asked for it would not look again.
        self.write(file.as_deref()).inspect_err(|_| {
            self.0.entries.lock().remove(&key);
        })?;
        self.0.changed.notify_one();
        Ok(info)
    }

    /// Ends one that the API has added. Writes a file: never on a runtime's thread.
    ///
    /// # Errors
    /// [`ForwardProblem`]; with [`ForwardProblem::NotKept`] it has ended, but would be back after a restart.
    pub(crate) fn remove(&self, stream: &str, name: &str) -> Result<(), ForwardProblem> {
        let key = (stream.to_owned(), name.to_owned());
        let file = self.0.file.lock();
        {
            let mut entries = self.0.entries.lock();
            match entries.get(&key) {
                None => return Err(ForwardProblem::Missing),
                Some(entry) if entry.configured => return Err(ForwardProblem::Configured),
                // Dropped, a destination says goodbye by itself.
                Some(_) => entries.remove(&key),
            };
        }
        self.write(file.as_deref())
    }

    /// Tries again now: where it waits for its next attempt, and where it has given up.
    ///
    /// # Errors
    /// [`ForwardProblem::Missing`].
    pub(crate) fn retry(&self, stream: &str, name: &str) -> Result<(), ForwardProblem> {
        let mut entries = self.0.entries.lock();
        let entry = entries.get_mut(&(stream.to_owned(), name.to_owned())).ok_or(ForwardProblem::Missing)?;
        let Some(running) = &entry.running else { return Ok(()) };
        let status = running.status.lock().clone();
        match status {
            PublishStatus::Reconnecting { .. } => running.destination.retry_now(),
            // That one has ended; the next look starts another.
            PublishStatus::Failed { .. } => entry.running = None,
            _ => {}
        }
        self.0.changed.notify_one();
        Ok(())
    }

    fn write(&self, file: Option<&std::path::Path>) -> Result<(), ForwardProblem> {
        let Some(file) = file else { return Ok(()) };
        let own: Vec<_> = {
            let entries = self.0.entries.lock();
            let own = entries.iter().filter(|(_, entry)| !entry.configured);
            own.map(|((_, name), entry)| (name.clone(), entry.settings.clone())).collect()
        };
        kept::write(file, own.iter().map(|(name, settings)| (name.as_str(), settings))).map_err(ForwardProblem::NotKept)
    }

    /// Takes over what the configuration says; what has changed begins anew. `true`: the file has one that is gone.
    fn configure(&self, config: &Config) -> bool {
        let mut entries = self.0.entries.lock();
        let mut gone = false;
        entries.retain(|(stream, name), entry| {
            let named = config.forward.get(name).filter(|settings| settings.stream == *stream);
            let same = named == Some(&entry.settings);
            let stays = config.streams.contains_key(stream) && if entry.configured { same } else { named.is_none() };
            gone |= !stays && !entry.configured;
            stays
        });
        for (name, settings) in &config.forward {
            let key = (settings.stream.clone(), name.clone());
            entries.entry(key).or_insert_with(|| Entry::new(settings.clone(), true));
        }
        gone
    }

    /// Writes the file as it should be. Never on a runtime's thread.
    fn write_again(&self) {
        let file = self.0.file.lock();
        if let Err(ForwardProblem::NotKept(error)) = self.write(file.as_deref()) {
            tracing::error!(error, "the file of forwards can't be written");
        }
    }
}

fn info((stream, name): &Key, entry: &Entry) -> ForwardInfo {
    let status = entry.running.as_ref().map(|running| running.status.lock().clone());
    let (state, why) = match status {
        None | Some(PublishStatus::Stopped) => ("waiting", None),
        Some(PublishStatus::Live { .. }) => ("live", None),
        Some(PublishStatus::Reconnecting { code, message, hint, .. }) => ("reconnecting", Some((code, message, hint))),
        Some(PublishStatus::Failed { code, message, hint }) => ("failed", Some((code, message, hint))),
        Some(_) => ("connecting", None),
    };
    let (code, message, hint) =
        why.map_or((None, None, None), |(code, text, hint)| (Some(code), Some(text), Some(hint)));
    let health = entry.running.as_ref().and_then(|running| running.destination.health()).unwrap_or_default();
    ForwardInfo {
        stream: stream.clone(),
        name: name.clone(),
        url: entry.settings.shown(),
        origin: if entry.configured { "configuration" } else { "api" },
        state,
        code,
        message,
        hint,
        sent_bytes: health.sent_bytes,
        sent_bytes_total: entry.tally.total(),
        bitrate_kbps: if state == "live" { entry.tally.kbps().round() } else { 0.0 },
        reconnects: entry.reconnects.load(Ordering::Relaxed),
        dropped_units: health.dropped_units,
        round_trip_ms: health.round_trip.map(|time| time.as_secs_f64() * 1000.0),
    }
}
