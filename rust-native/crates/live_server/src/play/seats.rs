//! Who has a seat: counted, shown to who runs the server, and sent away.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::http::Site;
use crate::relay::{Departed, KeyUse, Role, SessionId, Visitor, Which};

/// Somebody who was let in.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) stream: String,
    pub(super) session: SessionId,
    pub(super) from: IpAddr,
    pub(super) protocol: &'static str,
    pub(super) key: Option<KeyUse>,
}

#[derive(Debug)]
struct Taken {
    visitor: Visitor,
    away: watch::Sender<bool>,
}

/// Everyone who has a seat now.
#[derive(Debug, Default)]
pub(crate) struct Seats(Mutex<HashMap<String, Taken>>);

impl Seats {
    fn counted(&self, is: impl Fn(&Visitor) -> bool) -> usize {
        self.0.lock().values().filter(|taken| is(&taken.visitor)).count()
    }

    pub(crate) fn count(&self) -> usize {
        self.counted(|_| true)
    }

    /// How many play a stream.
    pub(crate) fn of(&self, stream: &str) -> usize {
        self.counted(|visitor| visitor.stream == stream)
    }

    /// How many of these by a protocol.
    pub(crate) fn by(&self, stream: &str, protocol: &str) -> usize {
        self.counted(|visitor| visitor.stream == stream && visitor.protocol == protocol)
    }

    pub(super) fn of_address(&self, address: IpAddr) -> usize {
        self.counted(|visitor| visitor.address == address)
    }

    pub(super) fn with_key(&self, id: &str) -> usize {
        self.counted(|visitor| visitor.key.as_deref() == Some(id))
    }

    /// Everyone, as the admin pages show them.
    pub(crate) fn visitors(&self) -> Vec<Visitor> {
        self.0.lock().values().map(|taken| taken.visitor.clone()).collect()
    }

    /// Sends some away, and says whom. Each gives its seat back by itself.
    pub(crate) fn send_away(&self, which: &Which) -> Vec<Visitor> {
        let seats = self.0.lock();
        let gone = seats.values().filter(|taken| which.is(&taken.visitor));
        gone.map(|taken| {
            taken.away.send_replace(true);
            taken.visitor.clone()
        })
        .collect()
    }
}

/// One taken seat, until it is dropped; then the platform's hook is told.
#[derive(Debug)]
pub(super) struct Place {
    site: Weak<Site>,
    newcomer: Newcomer,
    away: watch::Receiver<bool>,
}

impl Place {
    pub(super) fn new(site: &Arc<Site>, newcomer: Newcomer) -> Self {
        let visitor = Visitor {
            id: newcomer.session.public(),
            stream: newcomer.stream.clone(),
            role: Role::View,
            protocol: newcomer.protocol,
            address: newcomer.from,
            since: SystemTime::now(),
            key: newcomer.key.as_ref().map(|key| key.id.clone()),
        };
        let (away, told) = watch::channel(false);
        site.seats().0.lock().insert(newcomer.session.0.clone(), Taken { visitor, away });
        Self { site: Arc::downgrade(site), newcomer, away: told }
    }

    pub(super) fn stream(&self) -> &str {
        &self.newcomer.stream
    }

    pub(super) fn session(&self) -> &SessionId {
        &self.newcomer.session
    }

    pub(super) async fn sent_away(&mut self) {
        // The sender lies in the seats until this is dropped, but for a server that goes: then nobody says anything.
        if self.away.wait_for(|away| *away).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(site) = self.site.upgrade() else { return };
        let Newcomer { stream, session, from, protocol, .. } = &self.newcomer;
        site.seats().0.lock().remove(&session.0);
        tracing::info!(stream, protocol, session = session.public(), "a player is gone");
        let (stream, session) = (stream.clone(), session.clone());
        site.tell_departed(Departed { role: Role::View, stream, session, from: *from });
    }
}
