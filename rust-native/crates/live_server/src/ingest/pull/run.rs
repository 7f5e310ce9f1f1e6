//! Starts sources when they are wanted, and again when they break.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use publish::{Failure, RetryPolicy, Verdict};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Entry, Status};
use crate::config::{PullProtocol, PullSettings, PullWhen};
use crate::http::Problem;
use crate::ingest::{Hall, told};
use crate::relay::{FedOpened, FedOpening, Refusal, SessionId};

/// Between two looks at who watches.
const LOOK: Duration = Duration::from_millis(500);
/// Who reloads a page, or asks again for a stream that was not there yet, does so within this.
const NOBODY_FOR: Duration = Duration::from_secs(8);
/// The policy gives a destination up after a quarter of an hour; a source is asked for as long as it is wanted, at its
/// slowest pace.
const LONGEST_DOWN: Duration = Duration::from_secs(10 * 60);

/// Works until the server stops.
pub(crate) async fn run(hall: Hall) {
    let pulls = hall.site.pulls().clone();
    let mut stopped = hall.stopped.clone();
    // With this task all of them end.
    let mut tasks = JoinSet::new();
    while !*stopped.borrow() {
        while tasks.try_join_next().is_some() {}
        pulls.configure(&hall.site.config());
        let now = Instant::now();
        for (stream, entry) in pulls.0.entries.lock().iter_mut() {
            if hall.site.is_watched(stream) {
                entry.wished = Some(now);
            }
            look(&hall, (stream, entry), &mut tasks, now);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = pulls.0.changed.notified() => {}
            () = told(&mut stopped) => {}
        }
    }
    pulls.0.entries.lock().values_mut().for_each(|entry| entry.running = None);
    while tasks.join_next().await.is_some() {}
}

/// Starts or ends one, as it is wanted.
fn look(hall: &Hall, (stream, entry): (&str, &mut Entry), tasks: &mut JoinSet<()>, now: Instant) {
    let lately = entry.wished.is_some_and(|wished| now.saturating_duration_since(wished) < NOBODY_FOR);
    let wanted = lately || entry.settings.when == PullWhen::Always;
    if !wanted && entry.running.take().is_some() {
        tracing::info!(stream, "nobody watches: the source is left");
    } else if wanted && entry.running.is_none() {
        let (stop, stopped) = watch::channel(());
        entry.running = Some(stop);
        let pull = Pull {
            hall: hall.clone(),
            stream: stream.to_owned(),
            settings: entry.settings.clone(),
            status: entry.status.clone(),
        };
        tasks.spawn(keep(pull, stopped));
    }
}

/// One source at work.
pub(super) struct Pull {
    pub(super) hall: Hall,
    pub(super) stream: String,
    pub(super) settings: PullSettings,
    status: Arc<Mutex<Status>>,
}

/// Connects again and again until it is told to stop.
async fn keep(pull: Pull, mut stopped: watch::Receiver<()>) {
    let (mut attempt, mut down_since) = (0, Instant::now());
    *pull.status.lock() = Status::Connecting;
    loop {
        let began = Instant::now();
        let failure = tokio::select! {
            failure = pull.attempt() => failure,
            // Nothing is ever sent: it is told by its end.
            _ = stopped.changed() => break,
        };
        if std::mem::replace(&mut *pull.status.lock(), Status::Connecting) == Status::Live {
            (attempt, down_since) = (0, Instant::now());
        }
        attempt += 1;
        let policy = RetryPolicy {
            attempt,
            down_for: down_since.elapsed().min(LONGEST_DOWN),
            is_final: failure.is_final,
            retry_after: failure.retry_after,
            loopback: pull.settings.is_here(),
            took: began.elapsed(),
        };
        let (stream, code) = (&pull.stream, failure.code);
        let Verdict::Retry(pause) = policy.verdict(rand::random()) else {
            tracing::error!(stream, code, message = failure.message, "a source has failed");
            *pull.status.lock() = Status::Failed(failure);
            // Until its settings change, or nobody wants it any more.
            let _ = stopped.changed().await;
            break;
        };
        tracing::warn!(stream, code, message = failure.message, "a source is interrupted");
        *pull.status.lock() = Status::Reconnecting(failure);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopped.changed() => break,
        }
    }
    *pull.status.lock() = Status::Waiting;
}

impl Pull {
    /// One connection, from its beginning to its end.
    async fn attempt(&self) -> Failure {
        match self.settings.protocol() {
            Some(PullProtocol::Rtmp) => Box::pin(super::rtmp::run(self)).await,
            Some(PullProtocol::Srt) => Box::pin(super::srt::run(self)).await,
            Some(PullProtocol::Hls) => Box::pin(super::hls::run(self)).await,
            Some(PullProtocol::Whep) => Box::pin(super::whep::run(self)).await,
            None => bad_address(),
        }
    }

    /// A place in the stream for what the source sends.
    pub(super) async fn open(&self, from: Option<SocketAddr>) -> Result<FedOpened, Failure> {
        let opening = FedOpening {
            stream: self.stream.clone(),
            session: SessionId::random(),
            from: from.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |from| from.ip().to_canonical()),
            key: None,
            protocol: self.settings.protocol().map_or("", PullProtocol::name),
        };
        self.hall.site.relay().open_fed(opening).await.map_err(|refusal| in_the_way(&refusal))
    }

    /// The source sends.
    pub(super) fn is_live(&self) {
        tracing::info!(stream = self.stream, "a source is live");
        *self.status.lock() = Status::Live;
    }
}

pub(super) fn failure(code: &'static str, message: impl Into<String>, hint: &'static str) -> Failure {
    Failure { code, message: message.into(), hint, is_final: false, retry_after: None, waited: Duration::ZERO }
}

pub(super) fn bad_address() -> Failure {
    let hint = "Correct the source's address; see the README for what it may be.";
    Failure { is_final: true, ..failure("bad_url", "the source's address can't be used", hint) }
}

/// The stream was taken from us, or the server stops.
pub(super) fn taken_over() -> Failure {
    failure(
        "stream_in_use",
        "another publisher has the stream",
        "End the other publisher of this stream, or take the source away.",
    )
}

pub(super) fn silent() -> Failure {
    failure("source_silent", "the source sends nothing any more", "Look whether its publisher is still there.")
}

fn in_the_way(refusal: &Refusal) -> Failure {
    match refusal {
        Refusal::AlreadyLive => taken_over(),
        other => failure("source_refused", other.to_string(), Problem::Refused(other.clone()).hint()),
    }
}
