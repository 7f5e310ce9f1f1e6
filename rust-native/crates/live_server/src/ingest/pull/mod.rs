//! Sources that are called instead of calling: a stream that is fetched by RTMP, SRT, HLS or WHEP.
//!
//! What a source sends goes the way of what a publisher sends, so that viewers, recordings and forwards know no
//! difference. One source for each stream, from the configuration or, until the server ends, by the API; always, or
//! while somebody watches. One retry policy, that of destinations; a source that went is waited for without an end.

mod byte_range;
mod hls;
mod hls_reader;
mod playlist;
mod rendition;
mod rtmp;
mod run;
mod srt;
mod whep;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use publish::Failure;
use serde::Serialize;
use tokio::sync::{Notify, watch};

use crate::config::{Config, PullSettings, PullWhen};
pub(crate) use run::run;

/// Why a source is not set or taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PullProblem {
    /// The stream has none.
    Missing,
    /// It stands in the configuration.
    Configured,
}

/// How a source is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Status {
    /// Nobody watches.
    #[default]
    Waiting,
    Connecting,
    Live,
    Reconnecting(Failure),
    /// Only the user can change it.
    Failed(Failure),
}

/// A stream's source, as the API shows it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PullInfo {
    /// Without path and query: they may hold a key.
    pub(crate) url: String,
    /// `"rtmp"`, `"srt"`, `"hls"` or `"whep"`.
    pub(crate) protocol: &'static str,
    pub(crate) when: PullWhen,
    /// `"configuration"` or `"api"`.
    pub(crate) origin: &'static str,
    /// `"waiting"` for somebody who watches, `"connecting"`, `"live"`, `"reconnecting"` or `"failed"`.
    pub(crate) state: &'static str,
    /// Why it is not live, where something went wrong.
    pub(crate) code: Option<&'static str>,
    pub(crate) message: Option<String>,
    pub(crate) hint: Option<&'static str>,
}

#[derive(Debug)]
struct Entry {
    settings: PullSettings,
    configured: bool,
    status: Arc<Mutex<Status>>,
    /// Ends the task when it is dropped.
    running: Option<watch::Sender<()>>,
    /// When somebody last watched, or asked for it in vain.
    wished: Option<Instant>,
}

impl Entry {
    fn new(settings: PullSettings, configured: bool) -> Self {
        Self { settings, configured, status: Arc::default(), running: None, wished: None }
    }

    fn info(&self) -> PullInfo {
        let (state, why) = match self.status.lock().clone() {
            Status::Waiting => ("waiting", None),
            Status::Connecting => ("connecting", None),
            Status::Live => ("live", None),
            Status::Reconnecting(failure) => ("reconnecting", Some(failure)),
            Status::Failed(failure) => ("failed", Some(failure)),
        };
        PullInfo {
            url: self.settings.shown(),
            protocol: self.settings.protocol().map_or("", |protocol| protocol.name()),
            when: self.settings.when,
            origin: if self.configured { "configuration" } else { "api" },
            state,
            code: why.as_ref().map(|failure| failure.code),
            hint: why.as_ref().map(|failure| failure.hint),
            message: why.map(|failure| failure.message),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    entries: Mutex<BTreeMap<String, Entry>>,
    changed: Notify,
}

/// Every source there is, by the stream that it feeds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulls(Arc<State>);

impl Pulls {
    pub(crate) fn of(&self, stream: &str) -> Option<PullInfo> {
        self.0.entries.lock().get(stream).map(Entry::info)
    }

    /// Somebody who may watch the stream asks for it.
    pub(crate) fn wish(&self, stream: &str) {
        if let Some(entry) = self.0.entries.lock().get_mut(stream) {
            entry.wished = Some(Instant::now());
            if entry.running.is_none() && entry.settings.when == PullWhen::Watched {
                self.0.changed.notify_one();
            }
        }
    }

    /// Sets a stream's source until the server ends; another one that the API has set makes way.
    ///
    /// # Errors
    /// [`PullProblem::Configured`].
    pub(crate) fn set(&self, stream: &str, settings: PullSettings) -> Result<PullInfo, PullProblem> {
        let mut entries = self.0.entries.lock();
        match entries.get(stream) {
            Some(entry) if entry.configured => return Err(PullProblem::Configured),
            Some(entry) if entry.settings == settings => return Ok(entry.info()),
            _ => {}
        }
        let entry = Entry::new(settings, false);
        let info = entry.info();
        entries.insert(stream.to_owned(), entry);
        self.0.changed.notify_one();
        Ok(info)
    }

    /// Ends one that the API has set.
    ///
    /// # Errors
    /// [`PullProblem`].
    pub(crate) fn remove(&self, stream: &str) -> Result<(), PullProblem> {
        let mut entries = self.0.entries.lock();
        match entries.get(stream) {
            None => Err(PullProblem::Missing),
            Some(entry) if entry.configured => Err(PullProblem::Configured),
            Some(_) => {
                entries.remove(stream);
                Ok(())
            }
        }
    }

    /// Takes over what the configuration says; what has changed begins anew.
    fn configure(&self, config: &Config) {
        let mut entries = self.0.entries.lock();
        entries.retain(|stream, entry| {
            let named = config.pull.get(stream);
            let stays = if entry.configured { named == Some(&entry.settings) } else { named.is_none() };
            stays && config.streams.contains_key(stream)
        });
        for (stream, settings) in &config.pull {
            entries.entry(stream.clone()).or_insert_with(|| Entry::new(settings.clone(), true));
        }
    }
}
