//! Every place the stream goes to: any number at once, each living and failing alone.

use std::time::Instant;

use publish::{Destination as Publication, Health, PublishStatus};

use crate::command::Destination;
use crate::event::{DestinationState, DestinationStats, Problem, PublishState};

/// The one that `start_publish` and `stop_publish` mean.
pub(crate) const PUBLISH: &str = "publish";

/// One destination, running or not.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) target: Destination,
    /// Which it takes; `None` is the main one.
    pub(crate) canvas: Option<String>,
    pub(crate) state: PublishState,
    pub(crate) problem: Option<Problem>,
    /// With the number under which it was started: a late word of an earlier one is ignored.
    pub(crate) running: Option<(u64, Publication)>,
    sent: (Instant, u64),
}

/// All of them, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Destinations {
    entries: Vec<Entry>,
    /// One for each canvas, where one was chosen.
    chosen: Vec<String>,
}

impl Destinations {
    pub(crate) fn get(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.id == id)
    }

    /// The running one that was started under that number.
    pub(crate) fn by_number(&mut self, number: u64) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.running.as_ref().is_some_and(|(running, _)| *running == number))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Adds one, or gives the one of that id another name, target and canvas; what ran there is handed back to be
    /// stopped.
    pub(crate) fn put(
        &mut self,
        id: &str,
        name: String,
        target: Destination,
        canvas: Option<String>,
    ) -> Option<Publication> {
        if let Some(entry) = self.get_mut(id) {
            (entry.name, entry.target, entry.canvas) = (name, target, canvas);
            return entry.take();
        }
        self.entries.push(Entry {
            id: id.to_owned(),
            name,
            target,
            canvas,
            state: PublishState::Idle,
            problem: None,
            running: None,
            sent: (Instant::now(), 0),
        });
        None
    }

    /// Forgets one; what ran there is handed back to be stopped. `None` where there is none of that id.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Option<Publication>> {
        let at = self.entries.iter().position(|entry| entry.id == id)?;
        self.chosen.retain(|chosen| chosen != id);
        Some(self.entries.remove(at).take())
    }

    /// Everything that runs and is wanted by `which`, handed back to be stopped.
    pub(crate) fn take_all(&mut self, which: impl Fn(&Entry) -> bool) -> Vec<Publication> {
        self.entries.iter_mut().filter(|entry| which(entry)).filter_map(Entry::take).collect()
    }

    /// Chooses the one that owns its canvas's bitrate. `false` where there is none of that id.
    pub(crate) fn choose_primary(&mut self, id: &str) -> bool {
        let Some(at) = self.entries.iter().position(|entry| entry.id == id) else { return false };
        let canvas = &self.entries[at].canvas;
        let entries = &self.entries;
        self.chosen.retain(|chosen| entries.iter().any(|entry| entry.id == *chosen && entry.canvas != *canvas));
        self.chosen.push(id.to_owned());
        true
    }

    /// The chosen one of a canvas. While it rests the first that runs stands in for it: somebody's path must be
    /// listened to.
    pub(crate) fn primary(&self, canvas: Option<&str>) -> Option<&Entry> {
        let takes = |entry: &&Entry| entry.canvas.as_deref() == canvas;
        let chosen = self.chosen.iter().filter_map(|id| self.get(id)).find(takes);
        let runs = |entry: &&Entry| entry.running.is_some();
        chosen.filter(runs).or_else(|| self.entries.iter().filter(takes).find(runs)).or(chosen)
    }

    /// Any of that canvas that runs needs a picture in each interval, changed or not.
    pub(crate) fn want_constant_rate(&self, canvas: Option<&str>) -> bool {
        let takes = |entry: &&Entry| entry.canvas.as_deref() == canvas && entry.running.is_some();
        self.entries.iter().filter(takes).any(|entry| entry.target.wants_constant_rate())
    }

    pub(crate) fn any_running(&self) -> bool {
        self.entries.iter().any(|entry| entry.running.is_some())
    }

    /// The state event's part.
    pub(crate) fn states(&self) -> Vec<DestinationState> {
        let steers = |entry: &Entry| self.primary(entry.canvas.as_deref()).is_some_and(|its| its.id == entry.id);
        let state = |entry: &Entry| DestinationState {
            id: entry.id.clone(),
            name: entry.name.clone(),
            kind: entry.target.kind().to_owned(),
            primary: steers(entry),
            canvas: entry.canvas.clone(),
            state: entry.state.clone(),
            problem: entry.problem.clone(),
        };
        self.entries.iter().map(state).collect()
    }

    /// The figures since the last call, of those that run.
    pub(crate) fn stats(&mut self, now: Instant) -> Vec<DestinationStats> {
        self.entries.iter_mut().filter(|entry| entry.running.is_some()).map(|entry| entry.stats(now)).collect()
    }
}

impl Entry {
    /// It runs from now on, under that number.
    pub(crate) fn begin(&mut self, number: u64, publication: Publication) {
        self.running = Some((number, publication));
        self.state = PublishState::Connecting;
        self.problem = None;
        self.sent = (Instant::now(), 0);
    }

    /// It rests from now on.
    pub(crate) fn take(&mut self) -> Option<Publication> {
        self.state = PublishState::Idle;
        self.problem = None;
        self.running.take().map(|(_, publication)| publication)
    }

    /// What it says of itself; a problem that is new is handed back.
    pub(crate) fn on_status(&mut self, status: PublishStatus) -> Option<Problem> {
        let before = self.problem.take();
        match status {
            PublishStatus::Connecting => self.state = PublishState::Connecting,
            PublishStatus::Live { .. } => {
                let since_ms = match self.state {
                    PublishState::Live { since_ms } => since_ms,
                    _ => unix_ms(),
                };
                self.state = PublishState::Live { since_ms };
            }
            PublishStatus::Reconnecting { attempt, retry_in, code, message, hint } => {
                let retry_in_ms = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
                self.state = PublishState::Reconnecting { attempt, retry_in_ms, code: code.to_owned() };
                self.problem = Some(Problem::new(code, message, hint));
                // Once per break: the state counts the further attempts.
                return (attempt == 1 && before.is_none()).then(|| self.problem.clone()).flatten();
            }
            PublishStatus::Failed { code, message, hint } => {
                self.state = PublishState::Failed { code: code.to_owned() };
                self.problem = Some(Problem::new(code, message, hint));
                self.running = None;
                return self.problem.clone();
            }
            _ => self.state = PublishState::Idle,
        }
        None
    }

    /// Figures of the connection, where there is one.
    pub(crate) fn health(&self) -> Option<Health> {
        self.running.as_ref().and_then(|(_, publication)| publication.health())
    }

    fn stats(&mut self, now: Instant) -> DestinationStats {
        let health = self.health().unwrap_or_default();
        let (then, before) = std::mem::replace(&mut self.sent, (now, health.sent_bytes));
        let seconds = now.saturating_duration_since(then).as_secs_f64().max(1e-3);
        // A new connection's sum starts at zero: then the sum itself is the difference.
        let bytes = health.sent_bytes.checked_sub(before).unwrap_or(health.sent_bytes);
        let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1000.0;
        DestinationStats {
            id: self.id.clone(),
            sent_kbps: bytes as f64 * 8.0 / 1000.0 / seconds,
            dropped_units: health.dropped_units,
            queue_ms: ms(health.queue),
            round_trip_ms: health.round_trip.map(ms),
            loss: health.loss,
            first_byte_ms: health.first_byte.map(ms),
            encodings: health.encodings,
        }
    }
}

fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    use media::Bitrate;
    use publish::MpegTsTarget;
    use stream::Broadcast;

    fn with(ids: &[&str]) -> Destinations {
        let mut destinations = Destinations::default();
        for id in ids {
            destinations.put(id, id.to_uppercase(), Destination::LocalServer, None);
        }
        destinations
    }

    fn reconnecting(attempt: u32) -> PublishStatus {
        PublishStatus::Reconnecting {
            attempt,
            retry_in: Duration::from_secs(2),
            code: "connection_lost",
            message: "lost".to_owned(),
            hint: "wait",
        }
    }

    #[test]
    fn the_primary_is_the_chosen_one_until_it_is_removed() {
        let mut destinations = with(&["a", "b"]);
        assert!(destinations.primary(None).is_none(), "nothing runs and nothing is chosen");
        assert!(destinations.choose_primary("b") && !destinations.choose_primary("c"));
        assert_eq!(destinations.states().iter().map(|state| state.primary).collect::<Vec<_>>(), [false, true]);
        assert!(matches!(destinations.remove("b"), Some(None)));
        assert!(destinations.primary(None).is_none() && destinations.remove("b").is_none());
    }

    #[tokio::test]
    async fn while_the_chosen_one_rests_the_first_that_runs_stands_in_for_it() {
        let mut destinations = with(&["a", "b", "c"]);
        assert!(destinations.choose_primary("c"));
        let start = |destinations: &mut Destinations, id: &str| {
            let target = MpegTsTarget { url: "udp://127.0.0.1:9".to_owned(), target_bitrate: Bitrate::from_kbps(1) };
            let publication = Publication::start(target, Broadcast::default(), Arc::new(|| {}), |_| {});
            destinations.get_mut(id).expect("added").begin(1, publication);
        };
        let primary = |destinations: &Destinations| destinations.primary(None).map(|entry| entry.id.clone());
        assert_eq!(primary(&destinations).as_deref(), Some("c"), "nothing runs: the choice is shown");
        start(&mut destinations, "b");
        assert_eq!(primary(&destinations).as_deref(), Some("b"));
        start(&mut destinations, "c");
        assert_eq!(primary(&destinations).as_deref(), Some("c"));
        let stopped = destinations.get_mut("c").and_then(Entry::take).expect("it ran");
        assert_eq!(primary(&destinations).as_deref(), Some("b"));
        stopped.stop().await;
    }

    #[test]
    fn each_canvas_has_a_primary_of_its_own() {
        let mut destinations = with(&["a", "b"]);
        let target = || Destination::MpegTs { url: "udp://127.0.0.1:9".to_owned() };
        for id in ["c", "d"] {
            destinations.put(id, String::new(), target(), Some("tall".to_owned()));
        }
        assert!(
            destinations.choose_primary("b") && destinations.choose_primary("c") && destinations.choose_primary("d")
        );
        let primary = |canvas| destinations.primary(canvas).map(|entry| entry.id.as_str());
        assert_eq!((primary(None), primary(Some("tall")), primary(Some("wide"))), (Some("b"), Some("d"), None));
        let marked: Vec<_> =
            destinations.states().into_iter().filter(|each| each.primary).map(|each| each.id).collect();
        assert_eq!(marked, ["b", "d"]);
    }

    #[test]
    fn a_break_is_told_once_and_its_reason_stays_until_it_is_live() {
        let mut destinations = with(&["a"]);
        let entry = destinations.get_mut("a").expect("added");
        assert_eq!(entry.on_status(reconnecting(1)).map(|problem| problem.code), Some("connection_lost".to_owned()));
        assert_eq!(entry.on_status(reconnecting(2)), None);
        assert_eq!(entry.problem.as_ref().map(|problem| problem.hint.as_str()), Some("wait"));
        assert_eq!(entry.on_status(PublishStatus::Live { resumed: true }), None);
        assert!(entry.problem.is_none() && matches!(entry.state, PublishState::Live { .. }));
    }

    #[test]
    fn putting_it_again_changes_it_and_keeps_its_place() {
        let mut destinations = with(&["a", "b"]);
        destinations.put("a", "other".to_owned(), Destination::LocalServer, None);
        let names: Vec<_> = destinations.iter().map(|entry| entry.name.clone()).collect();
        assert_eq!(names, ["other", "B"]);
    }
}
