//! Recordings of live streams, by rule: written from the files that HLS serves, so that nothing is decoded or packed
//! twice; listed, played and deleted over HTTP (`http/recordings.rs`).
//!
//! `writer` takes a stream's segments to its rule's `store` (a folder or a bucket); `book` is what one recording holds,
//! `retention` what has to go. A recording lasts from a publisher's first segment until nobody waits for it any more: a
//! publisher's return within the grace time is a break in the same recording.

mod book;
mod download;
mod retention;
mod store;
mod writer;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use object_store::GetRange;
use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use book::with_query;
pub(crate) use store::StoreError;

use crate::chunks::Kind;
use crate::config::RecordingSettings;
use crate::http::Site;
use book::{Book, Meta};
use retention::{Kept, Retention};
use store::Store;
use writer::Writer;

/// Between two looks at the configuration.
const LOOK: Duration = Duration::from_millis(500);
/// Between two looks at what has to go.
const SWEEP: Duration = Duration::from_secs(5);
/// Between two attempts to open or list a store.
const AGAIN: Duration = Duration::from_secs(10);
/// How long the last segments may take to be written at shutdown.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// A rule in force.
#[derive(Debug)]
struct Rule {
    name: String,
    settings: RecordingSettings,
    store: Store,
    problem: Mutex<Option<String>>,
    /// Attempts that the store did not grant.
    failures: AtomicU64,
    /// Bytes of chunks and headers.
    written: AtomicU64,
}

impl Rule {
    /// Whether that is news.
    fn fail(&self, problem: String) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.problem.lock().replace(problem).is_none()
    }

    fn succeed(&self) {
        if self.problem.lock().take().is_some() {
            tracing::info!(rule = self.name, "recordings can be written again");
        }
    }
}

/// One recording, as the API shows it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RecordingInfo {
    /// The rule it was made by.
    pub(crate) rule: String,
    #[serde(flatten)]
    pub(crate) meta: Meta,
    /// It goes on.
    pub(crate) open: bool,
    /// Why its rule's store takes nothing now.
    pub(crate) problem: Option<&'static str>,
    /// What to open in a player.
    pub(crate) playlist: String,
}

/// A rule, as the admin pages and the metrics show it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RuleInfo {
    pub(crate) name: String,
    pub(crate) streams: Vec<String>,
    /// The folder, or the bucket.
    pub(crate) place: String,
    pub(crate) split_minutes: u32,
    pub(crate) keep_days: Option<f64>,
    pub(crate) keep_gb: Option<f64>,
    /// Recordings that are there, those that are being written among them.
    pub(crate) recordings: usize,
    pub(crate) open: usize,
    /// What they take.
    pub(crate) bytes: u64,
    /// Room on the disk of a folder.
    pub(crate) free_bytes: Option<u64>,
    /// The store takes or gives nothing now.
    pub(crate) fails: bool,
    /// Since the rule is in force.
    pub(crate) failures: u64,
    pub(crate) written_bytes: u64,
}

#[derive(Debug)]
struct Entry {
    meta: Meta,
    /// While it is written.
    book: Option<Book>,
}

/// By rule, stream and id.
type Key = (String, String, String);

/// What is known of all recordings.
#[derive(Debug, Default)]
struct State {
    rules: RwLock<BTreeMap<String, Arc<Rule>>>,
    entries: RwLock<BTreeMap<Key, Entry>>,
    /// Counts what has changed in the list: who shows it asks again only then.
    version: AtomicU64,
}

impl State {
    fn has_changed(&self) {
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    fn is_current(&self, rule: &Arc<Rule>) -> bool {
        self.rules.read().get(&rule.name).is_some_and(|now| Arc::ptr_eq(now, rule))
    }

    fn note(&self, rule: &Arc<Rule>, meta: &Meta, book: Option<&Book>) {
        if !self.is_current(rule) {
            return;
        }
        let key = (rule.name.clone(), meta.stream.clone(), meta.id.clone());
        self.entries.write().insert(key, Entry { meta: meta.clone(), book: book.cloned() });
        self.has_changed();
    }
}

/// Everything that was recorded, and is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recordings(Arc<State>);

impl Recordings {
    /// All of them, oldest first within a stream.
    pub(crate) fn all(&self) -> Vec<RecordingInfo> {
        self.0.entries.read().iter().map(|(key, entry)| self.info(key, entry)).collect()
    }

    pub(crate) fn get(&self, rule: &str, stream: &str, id: &str) -> Option<RecordingInfo> {
        let key = (rule.to_owned(), stream.to_owned(), id.to_owned());
        self.0.entries.read().get(&key).map(|entry| self.info(&key, entry))
    }

    /// Another number after each change.
    pub(crate) fn version(&self) -> u64 {
        self.0.version.load(Ordering::Relaxed)
    }

    /// Every rule in force. Asks disks how much room they have: never on a runtime's thread.
    pub(crate) fn rules(&self) -> Vec<RuleInfo> {
        let rules: Vec<_> = self.0.rules.read().values().cloned().collect();
        let mut sums: BTreeMap<String, (usize, usize, u64)> = BTreeMap::new();
        for ((rule, ..), entry) in self.0.entries.read().iter() {
            let sum = sums.entry(rule.clone()).or_default();
            *sum = (sum.0 + 1, sum.1 + usize::from(entry.book.is_some()), sum.2 + entry.meta.bytes);
        }
        let show = |rule: Arc<Rule>| {
            let (recordings, open, bytes) = sums.get(&rule.name).copied().unwrap_or_default();
            let settings = &rule.settings;
            RuleInfo {
                name: rule.name.clone(),
                streams: settings.streams.clone(),
                place: settings.place(),
                split_minutes: settings.split_minutes,
                keep_days: settings.keep_days,
                keep_gb: settings.keep_gb,
                recordings,
                open,
                bytes,
                free_bytes: settings.folder.as_deref().and_then(record::free_bytes),
                fails: rule.problem.lock().is_some(),
                failures: rule.failures.load(Ordering::Relaxed),
                written_bytes: rule.written.load(Ordering::Relaxed),
            }
        };
        rules.into_iter().map(show).collect()
    }

    /// Folders on this machine that are recorded to.
    pub(crate) fn folders(&self) -> Vec<std::path::PathBuf> {
        self.0.rules.read().values().filter_map(|rule| rule.settings.folder.clone()).collect()
    }

    /// A file of a recording, or a part of it; also its whole length and where the part lies.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn read(
        &self,
        (rule, stream, id): (&str, &str, &str),
        file: &str,
        range: Option<GetRange>,
    ) -> Result<(Bytes, u64, std::ops::Range<u64>), StoreError> {
        let store = self.rule(rule)?.store.clone();
        // Of one that is written the playlists are given without their end.
        let key = (rule.to_owned(), stream.to_owned(), id.to_owned());
        let kind = file.strip_suffix(".m3u8").and_then(Kind::named).filter(|kind| Kind::ALL.contains(kind));
        let open = match (self.0.entries.read().get(&key), kind) {
            (None, _) => return Err(StoreError::Missing),
            (Some(entry), Some(kind)) => entry.book.as_ref().map(|book| book.media(kind, false)),
            (Some(_), None) => None,
        };
        if let Some(text) = open {
            let length = text.len() as u64;
            return Ok((text.into(), length, 0..length));
        }
        store.get((stream, id), file, range).await
    }

    /// Deletes a recording that is not being written.
    ///
    /// # Errors
    /// [`StoreError`]; it is no longer listed in any case.
    pub(crate) async fn delete(&self, rule: &str, stream: &str, id: &str) -> Result<(), StoreError> {
        let store = self.rule(rule)?.store.clone();
        self.0.entries.write().remove(&(rule.to_owned(), stream.to_owned(), id.to_owned()));
        self.0.has_changed();
        store.delete(stream, id).await
    }

    fn info(&self, (rule, stream, id): &Key, entry: &Entry) -> RecordingInfo {
        let open = entry.book.is_some();
        // What has ended has nothing to do with it. The log has the store's words, which may name machines.
        let fails = open && self.0.rules.read().get(rule).is_some_and(|rule| rule.problem.lock().is_some());
        RecordingInfo {
            rule: rule.clone(),
            meta: entry.meta.clone(),
            open,
            problem: fails.then_some("store_fails"),
            playlist: format!("/recordings/{rule}/{stream}/{id}/index.m3u8"),
        }
    }

    fn rule(&self, rule: &str) -> Result<Arc<Rule>, StoreError> {
        self.0.rules.read().get(rule).cloned().ok_or(StoreError::Missing)
    }

    async fn sweep(&self, now: SystemTime) {
        let rules: Vec<_> = self.0.rules.read().values().cloned().collect();
        for rule in rules {
            let retention = Retention {
                age: rule.settings.keep_days.map(|days| Duration::from_secs_f64(days * 86_400.0)),
                bytes: rule.settings.keep_gb.map(|gigabytes| (gigabytes * 1e9) as u64),
            };
            let kept: Vec<Kept> = {
                let entries = self.0.entries.read();
                let own = entries.iter().filter(|((of, ..), _)| *of == rule.name);
                own.map(|((_, stream, id), entry)| Kept {
                    key: (stream.clone(), id.clone()),
                    ended: Duration::from_millis(entry.meta.began_ms + entry.meta.duration_ms),
                    bytes: entry.meta.bytes,
                    open: entry.book.is_some(),
                })
                .collect()
            };
            for (stream, id) in retention.surplus(&kept, now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
            {
                match self.delete(&rule.name, &stream, &id).await {
                    Ok(()) => tracing::info!(rule = rule.name, stream, id, "a recording was kept long enough"),
                    Err(error) => tracing::warn!(rule = rule.name, stream, id, %error, "a recording can't be deleted"),
                }
            }
        }
    }
}

/// A writer at work.
struct Work {
    rule: Arc<Rule>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Keeps what is recorded in step with the configuration, until the server stops; then what is open is closed.
pub(crate) async fn run(site: Arc<Site>, mut stop: watch::Receiver<bool>) {
    let state = site.recordings().0.clone();
    let mut works: HashMap<(String, String), Work> = HashMap::new();
    let mut asked: HashMap<String, Instant> = HashMap::new();
    let mut swept = Instant::now();
    while !*stop.borrow() {
        let config = site.config();
        state.rules.write().retain(|name, rule| config.recording.get(name) == Some(&rule.settings));
        state.entries.write().retain(|(name, ..), _| state.rules.read().contains_key(name));
        for (name, settings) in &config.recording {
            let known = state.rules.read().contains_key(name);
            if known || asked.get(name).is_some_and(|asked| asked.elapsed() < AGAIN) {
                continue;
            }
            match Store::open(settings) {
                Ok(store) => {
                    let (settings, problem) = (settings.clone(), Mutex::default());
                    let (failures, written) = (AtomicU64::default(), AtomicU64::default());
                    let rule = Arc::new(Rule { name: name.clone(), settings, store, problem, failures, written });
                    state.rules.write().insert(name.clone(), rule.clone());
                    tokio::spawn(list(state.clone(), rule));
                }
                Err(error) => {
                    asked.insert(name.clone(), Instant::now());
                    tracing::error!(rule = name, %error, "a recording's store can't be opened");
                }
            }
        }
        // Writers of rules that have changed, or streams that are gone, end by themselves.
        for ((_, stream), work) in &works {
            if !state.is_current(&work.rule)
                || !config.streams.contains_key(stream)
                || !work.rule.settings.takes(stream)
            {
                work.stop.send_replace(true);
            }
        }
        works.retain(|_, work| !work.task.is_finished());
        let rules: Vec<_> = state.rules.read().values().cloned().collect();
        for rule in rules {
            for stream in config.streams.keys().filter(|stream| rule.settings.takes(stream)) {
                works.entry((rule.name.clone(), stream.clone())).or_insert_with(|| {
                    let (stop, stopped) = watch::channel(false);
                    let writer = Writer::new(rule.clone(), state.clone(), stream);
                    let task = tokio::spawn(writer.run(site.clone(), stopped));
                    Work { rule: rule.clone(), stop, task }
                });
            }
        }
        if swept.elapsed() >= SWEEP {
            swept = Instant::now();
            site.recordings().sweep(SystemTime::now()).await;
        }
        let _ = tokio::time::timeout(LOOK, stop.wait_for(|stop| *stop)).await;
    }
    works.values().for_each(|work| {
        work.stop.send_replace(true);
    });
    let last = async {
        for (_, work) in works {
            let _ = work.task.await;
        }
    };
    if tokio::time::timeout(LAST_WRITES, last).await.is_err() {
        tracing::warn!("a recording's last seconds were not written in time");
    }
}

/// Learns what a store holds from before; asks until it answers.
async fn list(state: Arc<State>, rule: Arc<Rule>) {
    loop {
        match rule.store.all().await {
            Ok(found) => {
                let mut entries = state.entries.write();
                for meta in found {
                    let key = (rule.name.clone(), meta.stream.clone(), meta.id.clone());
                    entries.entry(key).or_insert(Entry { meta, book: None });
                }
                state.has_changed();
                return;
            }
            Err(error) => {
                if rule.fail(error.to_string()) {
                    tracing::error!(rule = rule.name, %error, "what is recorded can't be listed");
                }
                tokio::time::sleep(AGAIN).await;
                // The rule is gone: so is the wish.
                if !state.is_current(&rule) {
                    return;
                }
            }
        }
    }
}
