//! Who reads files: HLS and DASH know no sessions, so one is made of what comes from one address with one token.
//!
//! It begins with the first request, which the platform is asked about as about any other viewer, and ends when nothing
//! was asked for a while. Behind a cache the cache is the only reader: then the platform must ask the cache's questions.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::Site;
use super::access::Grant;
use super::reply::Problem;
use crate::relay::{Departed, KeyUse, Refusal, Role, SessionId, Visitor, Which};

/// A player asks several times in a target duration; one that paused has gone after a while.
const SILENCE: Duration = Duration::from_secs(30);
const SWEEP: Duration = Duration::from_secs(5);
/// Some hundred bytes each.
const MOST: usize = 50_000;

/// By stream, address, and a digest of the token.
type Key = (String, IpAddr, [u8; 8]);

#[derive(Debug)]
struct Reader {
    session: SessionId,
    seen: Instant,
    since: SystemTime,
    used: Option<KeyUse>,
}

impl Reader {
    fn visitor(&self, (stream, address, _): &Key) -> Visitor {
        Visitor {
            id: self.session.public(),
            stream: stream.clone(),
            role: Role::View,
            protocol: "hls",
            address: *address,
            since: self.since,
            key: self.used.as_ref().map(|key| key.id.clone()),
        }
    }
}

/// Everyone who read something lately.
#[derive(Debug, Default)]
pub(super) struct Readers(Mutex<HashMap<Key, Reader>>);

impl Readers {
    fn is_known(&self, key: &Key, now: Instant) -> bool {
        let mut readers = self.0.lock();
        readers.get_mut(key).map(|reader| reader.seen = now).is_some()
    }

    fn insert(&self, key: Key, session: SessionId, used: Option<KeyUse>, now: Instant) {
        self.0.lock().entry(key).or_insert(Reader { session, seen: now, since: SystemTime::now(), used });
    }

    /// How many read with a key.
    fn with_key(&self, id: &str) -> usize {
        self.0.lock().values().filter(|reader| reader.used.as_ref().is_some_and(|used| used.id == id)).count()
    }

    /// Everyone, as the admin pages show them.
    pub(super) fn visitors(&self) -> Vec<Visitor> {
        self.0.lock().iter().map(|(key, reader)| reader.visitor(key)).collect()
    }

    /// Takes some out. They are asked for their right to read as if they had never come.
    pub(super) fn send_away(&self, which: &Which) -> Vec<(Visitor, Departed)> {
        let gone = self.0.lock().extract_if(|key, reader| which.is(&reader.visitor(key))).collect::<Vec<_>>();
        gone.into_iter().map(|(key, reader)| (reader.visitor(&key), departed((key, reader)))).collect()
    }

    /// How many read a stream.
    pub(super) fn of(&self, stream: &str) -> u32 {
        self.0.lock().keys().filter(|(name, ..)| name == stream).count() as u32
    }

    /// Takes those out that were silent for so long.
    fn gone(&self, silence: Duration, now: Instant) -> Vec<Departed> {
        let over = |reader: &Reader| now.saturating_duration_since(reader.seen) >= silence;
        let gone = self.0.lock().extract_if(|_, reader| over(reader)).collect::<Vec<_>>();
        gone.into_iter().map(departed).collect()
    }
}

fn departed(((stream, from, _), Reader { session, .. }): (Key, Reader)) -> Departed {
    Departed { role: Role::View, stream, session, from }
}

impl Site {
    /// Lets somebody read who has the token: once for all that comes of it.
    pub(super) async fn admit_reader(
        &self,
        stream: &str,
        token: Option<&str>,
        from: IpAddr,
        grant: Grant,
    ) -> Result<(), Problem> {
        let now = Instant::now();
        let mut short = [0; 8];
        short.copy_from_slice(&digest(&SHA256, token.unwrap_or_default().as_bytes()).as_ref()[..8]);
        let key = (stream.to_owned(), from, short);
        if self.readers.is_known(&key, now) {
            return Ok(());
        }
        if self.readers.0.lock().len() >= MOST {
            return Err(Problem::Refused(Refusal::Full));
        }
        let session = SessionId::random();
        let used = self.admit(Role::View, stream, (&session, from), grant).await?;
        if used.as_ref().is_some_and(|used| used.is_full(self.readers.with_key(&used.id))) {
            return Err(Problem::Refused(Refusal::FullKey));
        }
        tracing::info!(stream, session = session.public(), "a reader of files begins");
        self.readers.insert(key, session, used, now);
        Ok(())
    }
}

/// Tells who has gone, until the server stops.
pub(crate) async fn sweep(site: Arc<Site>, departures: mpsc::Sender<Departed>, mut stop: watch::Receiver<bool>) {
    loop {
        let stopped = tokio::time::timeout(SWEEP, stop.wait_for(|stop| *stop)).await.is_ok();
        let silence = if stopped { Duration::ZERO } else { SILENCE };
        for departed in site.readers.gone(silence, Instant::now()) {
            let _ = departures.try_send(departed);
        }
        if stopped {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_one_as_long_as_it_asks() {
        let (readers, now) = (Readers::default(), Instant::now());
        let key = |from: &str| ("live".to_owned(), from.parse().expect("an address"), [0; 8]);
        assert!(!readers.is_known(&key("192.0.2.1"), now));
        readers.insert(key("192.0.2.1"), SessionId::random(), None, now);
        readers.insert(key("192.0.2.2"), SessionId::random(), None, now);
        assert!(readers.is_known(&key("192.0.2.1"), now + SILENCE));
        assert_eq!(readers.of("live"), 2);
        let gone = readers.gone(SILENCE, now + SILENCE);
        assert_eq!(gone.iter().map(|gone| gone.from.to_string()).collect::<Vec<_>>(), ["192.0.2.2"]);
        assert_eq!((readers.of("live"), readers.of("other")), (1, 0));
    }
}
