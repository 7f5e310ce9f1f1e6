//! Streams that are sent on to other servers while they are live, by the crate `publish`: the app's own destinations.
//!
//! Each forward has a reader of its own on the units that the stream's packager hands out (`chunks`), with a bounded
//! queue that skips to a keyframe, its own connection and the one retry policy: a target that is dead, slow or gone
//! harms neither the stream nor another forward. What the configuration names stays; what the API adds lasts until the
//! server ends.

mod run;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use publish::{Destination, PublishStatus};
use serde::Serialize;
use stream::Broadcast;
use tokio::sync::Notify;

use crate::config::{Config, ForwardSettings};
pub(crate) use run::run;

/// More than anyone streams to, and few enough that one stream can't take all sockets.
const MOST_PER_STREAM: usize = 16;

/// Why a forward is not added or taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ForwardProblem {
    /// The stream has one of this name.
    Exists,
    /// It has none of this name.
    Missing,
    /// It stands in the configuration.
    Configured,
    /// The stream has as many as it may.
    TooMany,
}

/// One forward, as the API shows it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ForwardInfo {
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
    /// Units that were left out because the target was too slow.
    pub(crate) dropped_units: u64,
    pub(crate) round_trip_ms: Option<f64>,
}

#[derive(Debug)]
struct Entry {
    settings: ForwardSettings,
    configured: bool,
    running: Option<Running>,
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
    changed: Notify,
}

/// Every forward there is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Forwards(Arc<State>);

impl Forwards {
    /// A stream's, in order of their names.
    pub(crate) fn of(&self, stream: &str) -> Vec<ForwardInfo> {
        let entries = self.0.entries.lock();
        entries.iter().filter(|((of, _), _)| of == stream).map(|((_, name), entry)| info(name, entry)).collect()
    }

    /// One more, until the server ends.
    ///
    /// # Errors
    /// [`ForwardProblem`].
    pub(crate) fn add(&self, name: &str, settings: ForwardSettings) -> Result<ForwardInfo, ForwardProblem> {
        let key = (settings.stream.clone(), name.to_owned());
        let mut entries = self.0.entries.lock();
        if entries.contains_key(&key) {
            return Err(ForwardProblem::Exists);
        }
        if entries.keys().filter(|(stream, _)| *stream == key.0).count() >= MOST_PER_STREAM {
            return Err(ForwardProblem::TooMany);
        }
        let entry = entries.entry(key).or_insert(Entry { settings, configured: false, running: None });
        self.0.changed.notify_one();
        Ok(info(name, entry))
    }

    /// Ends one that the API has added.
    ///
    /// # Errors
    /// [`ForwardProblem`].
    pub(crate) fn remove(&self, stream: &str, name: &str) -> Result<(), ForwardProblem> {
        let key = (stream.to_owned(), name.to_owned());
        let mut entries = self.0.entries.lock();
        match entries.get(&key) {
            None => Err(ForwardProblem::Missing),
            Some(entry) if entry.configured => Err(ForwardProblem::Configured),
            Some(_) => {
                // Dropped, a destination says goodbye by itself.
                entries.remove(&key);
                Ok(())
            }
        }
    }

    /// Takes over what the configuration says; what has changed begins anew.
    fn configure(&self, config: &Config) {
        let mut entries = self.0.entries.lock();
        entries.retain(|(stream, name), entry| {
            let named = config.forward.get(name).filter(|settings| settings.stream == *stream);
            let same = named == Some(&entry.settings);
            config.streams.contains_key(stream) && if entry.configured { same } else { named.is_none() }
        });
        for (name, settings) in &config.forward {
            let key = (settings.stream.clone(), name.clone());
            entries.entry(key).or_insert_with(|| Entry { settings: settings.clone(), configured: true, running: None });
        }
    }
}

fn info(name: &str, entry: &Entry) -> ForwardInfo {
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
        name: name.to_owned(),
        url: entry.settings.shown(),
        origin: if entry.configured { "configuration" } else { "api" },
        state,
        code,
        message,
        hint,
        sent_bytes: health.sent_bytes,
        dropped_units: health.dropped_units,
        round_trip_ms: health.round_trip.map(|time| time.as_secs_f64() * 1000.0),
    }
}
