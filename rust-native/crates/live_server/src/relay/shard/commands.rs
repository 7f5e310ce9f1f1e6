//! What the media thread is asked for: sessions opened, changed and ended, who is here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Instant, SystemTime};

use tokio::sync::watch;

use super::super::connection::Connection;
use super::super::fed::{FedOpening, FedPublisher, Orders};
use super::super::negotiate::{self, Negotiated, Renewed};
use super::super::publisher::Publisher;
use super::super::sdp::{self, Offered};
use super::super::socket::{MediaSocket, Outbox};
use super::super::stream::{PeerId, Stream};
use super::super::viewer::Viewer;
use super::super::visitors::{Visitor, Which};
use super::super::{Command, LayerState, Opened, Opening, Patched, Refusal, Role, SessionId, Wish};
use super::{Place, Shard};
use crate::figures::Totals;

/// Publishers' sessions that may be open on one stream: the one that is live, and a few that try to take over.
const MOST_PUBLISHERS: usize = 8;

/// Reads what a stranger wrote: a bug that it meets is its own refusal, and must not end the thread that carries
/// everybody's media.
fn guarded<T>(read: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        tracing::error!("what a peer wrote met a bug and is refused");
        Err(Refusal::NotAnOffer("it is malformed".to_owned()))
    })
}

impl Shard {
    pub(super) fn command(&mut self, command: Command, socket: &MediaSocket, outbox: &mut Outbox<'_>) {
        let now = Instant::now();
        match command {
            Command::Open { opening, answer } => {
                let opened = self.open(opening, socket, now);
                let _ = answer.send(opened);
            }
            Command::OpenFed { opening, answer } => {
                // Nobody who has gone meanwhile is kept: the other end of `orders` goes with the answer.
                let opened = self.open_fed(opening, now);
                let _ = answer.send(opened);
            }
            Command::Reload { config } => self.reload(&config),
            Command::Pack { stream, outlet } => {
                if let Some(stream) = self.streams.get_mut(&stream) {
                    stream.pack(outlet);
                }
            }
            Command::Patch { role, stream, session, if_match, fragment, answer } => {
                let patched = self.patch(role, &stream, &session, &if_match, &fragment);
                let _ = answer.send(patched);
            }
            Command::Close { role, stream, session, answer } => {
                let connection = self.connection(role, &stream, &session);
                let closed = connection.map(|(_, connection)| connection.close(now, outbox)).ok_or(Refusal::NoSession);
                let _ = answer.send(closed);
            }
            Command::Visitors { answer } => {
                let _ = answer.send(Ok(self.places.values().map(Place::visitor).collect()));
            }
            Command::SendAway { which, answer } => {
                let _ = answer.send(Ok(self.send_away(&which, now, outbox)));
            }
            Command::Cached { stream, answer } => {
                let cached = self.streams.get(&stream).map(Stream::cached).unwrap_or_default();
                let _ = answer.send(Ok(cached));
            }
            Command::Layer { stream, session, wish, answer } => {
                let _ = answer.send(self.layers(&stream, &session, wish, now));
            }
            Command::Stop => {}
        }
    }

    fn open(&mut self, opening: Opening, socket: &MediaSocket, now: Instant) -> Result<Opened, Refusal> {
        let Opening { role, stream: name, session, from, key, offer, wish } = opening;
        let (name, offer) = (name.as_str(), offer.as_str());
        let neighbours = match self.limits.viewers_per_address {
            0 => 0,
            _ => self.places.values().filter(|place| place.role == Role::View && place.from == from).count(),
        };
        let with_key = key.as_ref().map_or(0, |key| self.viewers_with(&key.id));
        let viewers: usize = self.streams.values().map(Stream::viewer_count).sum();
        let stream = self.streams.get_mut(name).ok_or(Refusal::NotLive)?;
        let direction = match role {
            Role::Publish if stream.is_taken(now) => return Err(Refusal::AlreadyLive),
            Role::Publish if stream.publisher_count() >= MOST_PUBLISHERS => return Err(Refusal::Full),
            Role::Publish => Offered::SendOnly,
            Role::View if !stream.is_live() => return Err(Refusal::NotLive),
            Role::View if viewers >= self.limits.viewers as usize => return Err(Refusal::Full),
            Role::View if neighbours > 0 && neighbours >= self.limits.viewers_per_address as usize => {
                return Err(Refusal::FullAddress);
            }
            Role::View if key.as_ref().is_some_and(|key| key.is_full(with_key)) => return Err(Refusal::FullKey),
            Role::View if stream.has_qualities() => Offered::RecvMeasured,
            Role::View => Offered::RecvOnly,
        };
        let terms = &self.terms;
        let Negotiated { rtc, answer, offer, video, audio, encodings } =
            guarded(|| negotiate::accept(direction, offer, &socket.addresses(), terms, now))?;
        let mut connection = Connection::new(rtc, session.clone(), offer, now);
        let etag = connection.etag.clone();
        self.next_peer += 1;
        let peer = self.next_peer;
        self.by_ufrag.insert(connection.ufrag(), peer);
        match role {
            Role::Publish => {
                Totals::add(&self.figures.totals.publishers_accepted, 1);
                stream.add_publisher(peer, Publisher::new(connection, video, audio, encodings));
            }
            Role::View => {
                Totals::add(&self.figures.totals.viewers_accepted, 1);
                stream.add_viewer(peer, Viewer::new(connection, video, audio, wish, now));
            }
        }
        tracing::debug!(stream = name, session = session.public(), ?role, "a session is opened");
        self.sessions.insert(session.clone(), peer);
        let protocol = match role {
            Role::Publish => "whip",
            Role::View => "whep",
        };
        let since = SystemTime::now();
        let place = Place { stream: name.to_owned(), role, session: session.clone(), from, key, protocol, since };
        self.places.insert(peer, place);
        Ok(Opened { session, answer, etag })
    }

    fn open_fed(&mut self, opening: FedOpening, now: Instant) -> Result<(PeerId, watch::Receiver<Orders>), Refusal> {
        let stream = self.streams.get_mut(&opening.stream).ok_or(Refusal::NotLive)?;
        if stream.is_taken(now) {
            return Err(Refusal::AlreadyLive);
        }
        if stream.publisher_count() >= MOST_PUBLISHERS {
            return Err(Refusal::Full);
        }
        let (orders, heard) = watch::channel(Orders::default());
        self.next_peer += 1;
        let peer = self.next_peer;
        stream.add_fed(peer, FedPublisher::new(&opening, orders, now));
        Totals::add(&self.figures.totals.publishers_accepted, 1);
        let FedOpening { stream, session, from, key, protocol } = opening;
        self.sessions.insert(session.clone(), peer);
        let since = SystemTime::now();
        self.places.insert(peer, Place { stream, role: Role::Publish, session, from, key, protocol, since });
        Ok((peer, heard))
    }

    fn viewers_with(&self, key: &str) -> usize {
        let with = |place: &&Place| place.role == Role::View && place.key.as_ref().is_some_and(|used| used.id == key);
        self.places.values().filter(with).count()
    }

    /// Ends sessions; they are taken out as if they had ended by themselves.
    fn send_away(&mut self, which: &Which, now: Instant, outbox: &mut Outbox<'_>) -> Vec<Visitor> {
        let mut gone = Vec::new();
        for (peer, place) in &self.places {
            let visitor = place.visitor();
            if which.is(&visitor)
                && let Some(stream) = self.streams.get_mut(&place.stream)
            {
                tracing::info!(stream = place.stream, role = ?place.role, session = visitor.id, "somebody is sent away");
                stream.send_away(*peer, now, outbox);
                gone.push(visitor);
            }
        }
        gone
    }

    /// RFC 9725 §4.3: candidates, or a restart of ICE.
    fn patch(
        &mut self,
        role: Role,
        stream: &str,
        session: &SessionId,
        if_match: &str,
        fragment: &str,
    ) -> Result<Patched, Refusal> {
        let answers = (self.terms.public, self.terms.tcp);
        let (peer, connection) = self.connection(role, stream, session).ok_or(Refusal::NoSession)?;
        if if_match != "*" {
            if if_match.trim_matches('"') != connection.etag {
                return Err(Refusal::Stale);
            }
            if role == Role::Publish {
                guarded(|| {
                    negotiate::add_candidates(connection.rtc(), fragment);
                    Ok(())
                })?;
            }
            return Ok(Patched::Trickled);
        }
        let offer = connection.offer.clone();
        let Renewed { offer, answer } = guarded(|| {
            let renewed = negotiate::renew(connection.rtc(), &offer, fragment, answers)?;
            if role == Role::Publish {
                negotiate::add_candidates(connection.rtc(), fragment);
            }
            Ok(renewed)
        })?;
        connection.offer = offer;
        connection.etag = crate::auth::random_hex(8);
        let (etag, ufrag) = (connection.etag.clone(), connection.ufrag());
        // The old name stays known: the last checks of the old session may still be on their way.
        self.by_ufrag.insert(ufrag, peer);
        if let Some(viewer) = self.streams.get_mut(stream).and_then(|stream| stream.viewer(peer)) {
            viewer.forget_new_streams();
        }
        Ok(Patched::Restarted { etag, fragment: sdp::restart_fragment(&answer), answer })
    }

    fn layers(
        &mut self,
        stream: &str,
        session: &SessionId,
        wish: Option<Wish>,
        now: Instant,
    ) -> Result<LayerState, Refusal> {
        let (peer, _) = self.connection(Role::View, stream, session).ok_or(Refusal::NoSession)?;
        self.streams.get_mut(stream).ok_or(Refusal::NoSession)?.layers(peer, wish, now)
    }

    fn connection(&mut self, role: Role, stream: &str, session: &SessionId) -> Option<(PeerId, &mut Connection)> {
        let peer = *self.sessions.get(session)?;
        let place = self.places.get(&peer).filter(|place| place.stream == stream && place.role == role)?;
        let stream = self.streams.get_mut(&place.stream)?;
        let connection = match place.role {
            Role::Publish => &mut stream.publisher(peer)?.connection,
            Role::View => &mut stream.viewer(peer)?.connection,
        };
        connection.end().is_none().then_some((peer, connection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_in_reading_what_a_peer_wrote_is_that_peers_refusal() {
        let refused = guarded::<()>(|| panic!("a bug, as a candidate might meet one"));
        assert_eq!(refused, Err(Refusal::NotAnOffer("it is malformed".to_owned())));
        assert_eq!(guarded::<()>(|| Err(Refusal::Stale)), Err(Refusal::Stale));
        assert_eq!(guarded(|| Ok(7)), Ok(7));
    }
}
