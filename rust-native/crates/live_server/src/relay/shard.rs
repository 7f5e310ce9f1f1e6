//! The loop of the media thread: commands, datagrams and time, one after the other, nothing waits for anyone.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use str0m::Event;
use tokio::sync::{mpsc, watch};

use super::connection::Connection;
use super::fed::{Fed, FedOpening, FedPublisher, Orders};
use super::negotiate::{self, Negotiated, Terms};
use super::publisher::Publisher;
use super::sdp::{self, Offered};
use super::socket::{Inbox, MediaSocket, Outbox, Run};
use super::stream::{Manners, PeerId, Stream, short};
use super::viewer::Viewer;
use super::{Command, Departed, Opened, Opening, Patched, Refusal, Role, SessionId};
use crate::config::{Config, Limits};
use crate::figures::{Figures, Totals};

/// How often the figures are written anew while nothing special happens.
const FIGURES: Duration = Duration::from_millis(500);
/// Batches of datagrams that are read before commands and timers get their turn.
const BATCHES: usize = 8;
/// Publishers' sessions that may be open on one stream: the one that is live, and a few that try to take over.
const MOST_PUBLISHERS: usize = 8;

/// Where a peer is to be found.
#[derive(Clone, Debug)]
struct Place {
    stream: String,
    role: Role,
    session: SessionId,
    from: IpAddr,
}

pub(super) struct Shard {
    socket: Option<std::net::UdpSocket>,
    terms: Terms,
    limits: Limits,
    departures: mpsc::Sender<Departed>,
    figures: Figures,
    streams: HashMap<String, Stream>,
    places: HashMap<PeerId, Place>,
    sessions: HashMap<SessionId, PeerId>,
    by_address: HashMap<SocketAddr, PeerId>,
    by_ufrag: HashMap<String, PeerId>,
    next_peer: PeerId,
    figures_due: Instant,
    events: Vec<Event>,
}

impl Shard {
    pub(super) fn new(
        socket: std::net::UdpSocket,
        config: &Config,
        figures: Figures,
        departures: mpsc::Sender<Departed>,
    ) -> io::Result<Self> {
        let now = Instant::now();
        let port = socket.local_addr()?.port();
        let manners = Manners::new(&config.publishing);
        let certificate = str0m::crypto::from_feature_flags()
            .dtls_provider
            .generate_certificate()
            .ok_or_else(|| io::Error::other("no certificate could be made"))?;
        Ok(Self {
            socket: Some(socket),
            terms: Terms { certificate, public: config.rtc.public_address.map(|ip| SocketAddr::new(ip, port)) },
            limits: config.limits.clone(),
            departures,
            figures,
            streams: config.streams.keys().map(|name| (name.clone(), Stream::new(name, manners, now))).collect(),
            places: HashMap::new(),
            sessions: HashMap::new(),
            by_address: HashMap::new(),
            by_ufrag: HashMap::new(),
            next_peer: 0,
            figures_due: now,
            events: Vec::new(),
        })
    }

    /// Runs until it is told to stop or nobody can tell it anything any more.
    pub(super) fn run(mut self, commands: mpsc::Receiver<Command>, fed: mpsc::Receiver<Fed>) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "the media thread has no event loop"),
        };
        runtime.block_on(async {
            let socket = match self.socket.take().map(MediaSocket::new) {
                Some(Ok(socket)) => socket,
                Some(Err(error)) => return tracing::error!(%error, "the media socket can't be used"),
                None => return,
            };
            self.turn(&socket, commands, fed).await;
        });
    }

    async fn turn(
        &mut self,
        socket: &MediaSocket,
        mut commands: mpsc::Receiver<Command>,
        mut fed: mpsc::Receiver<Fed>,
    ) {
        let (mut inbox, mut run) = (Inbox::new(), Run::new());
        let figures = self.figures.clone();
        loop {
            let deadline = self.streams.values().filter_map(Stream::deadline).fold(self.figures_due, Instant::min);
            tokio::select! {
                biased;
                command = commands.recv() => {
                    let mut outbox = socket.outbox(&mut run, &figures);
                    match command {
                        Some(Command::Stop) | None => {
                            let now = Instant::now();
                            self.streams.values_mut().for_each(|stream| stream.close_all(now, &mut outbox));
                            for (_, place) in std::mem::take(&mut self.places) {
                                self.depart(place);
                            }
                            return;
                        }
                        Some(command) => self.command(command, socket, &mut outbox),
                    }
                }
                Some(first) = fed.recv() => {
                    let now = Instant::now();
                    self.fed(first, now);
                    for _ in 0..BATCHES {
                        let Ok(more) = fed.try_recv() else { break };
                        self.fed(more, now);
                    }
                }
                readable = socket.readable() => {
                    if let Err(error) = readable {
                        return tracing::error!(%error, "the media socket is broken");
                    }
                    let mut outbox = socket.outbox(&mut run, &figures);
                    self.read(socket, &mut inbox, &mut outbox);
                }
                () = tokio::time::sleep_until(deadline.into()) => {}
            }
            let mut outbox = socket.outbox(&mut run, &figures);
            self.settle(&mut outbox);
        }
    }

    /// After whatever happened: packets go out, timers run, sessions that are over are taken out, figures are written.
    fn settle(&mut self, outbox: &mut Outbox<'_>) {
        let now = Instant::now();
        let mut gone = Vec::new();
        let figures_due = now >= self.figures_due;
        for stream in self.streams.values_mut() {
            stream.fan_out(now, outbox, &mut self.events);
            stream.tick(now, outbox, &mut self.events, &self.figures);
            gone.append(&mut stream.reap(now, outbox));
            stream.tell_fed();
            if stream.changed || figures_due {
                stream.changed = false;
                self.figures.set(stream.info(now));
            }
        }
        if figures_due {
            self.figures_due = now + FIGURES;
            let figures = &self.figures;
            self.streams.retain(|name, stream| {
                let over = stream.is_over();
                if over {
                    figures.remove(name);
                }
                !over
            });
        }
        for peer in gone {
            if let Some(place) = self.places.remove(&peer) {
                self.sessions.remove(&place.session);
                self.depart(place);
            }
            self.by_address.retain(|_, known| *known != peer);
            self.by_ufrag.retain(|_, known| *known != peer);
        }
    }

    fn depart(&self, place: Place) {
        let Place { stream, role, session, from } = place;
        if self.departures.try_send(Departed { role, stream, session, from }).is_err() {
            tracing::debug!("nobody hears of a session's end");
        }
    }

    /// Streams that are new are there from now on; those that are no more go when their last peer has gone.
    fn reload(&mut self, config: &Config) {
        let (now, manners) = (Instant::now(), Manners::new(&config.publishing));
        self.limits = config.limits.clone();
        for name in config.streams.keys() {
            self.streams.entry(name.clone()).or_insert_with(|| Stream::new(name, manners, now)).revive(manners);
        }
        for stream in self.streams.values_mut() {
            if !config.streams.contains_key(stream.name()) {
                stream.retire();
            }
        }
    }

    fn read(&mut self, socket: &MediaSocket, inbox: &mut Inbox, outbox: &mut Outbox<'_>) {
        for _ in 0..BATCHES {
            let now = Instant::now();
            let read = inbox.read(socket, |source, destination, bytes| {
                self.datagram(now, (source, destination), bytes, outbox);
            });
            match read {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // On some systems the answer to an earlier datagram ("port unreachable") is reported here.
                Err(error) => return tracing::debug!(%error, "reading the media socket"),
            }
        }
    }

    fn datagram(&mut self, now: Instant, path: (SocketAddr, SocketAddr), bytes: &[u8], outbox: &mut Outbox<'_>) {
        let Some(peer) = self.peer_of(now, path, bytes) else {
            Totals::add(&self.figures.totals.strays, 1);
            return;
        };
        let Some(place) = self.places.get(&peer) else { return };
        let Some(stream) = self.streams.get_mut(&place.stream) else { return };
        match place.role {
            Role::Publish => {
                if let Some(publisher) = stream.publisher(peer) {
                    publisher.connection.receive(now, path, bytes, outbox, &mut self.events);
                }
                stream.publisher_events(peer, &mut self.events, now, &self.figures);
            }
            Role::View => {
                if let Some(viewer) = stream.viewer(peer) {
                    viewer.connection.receive(now, path, bytes, outbox, &mut self.events);
                }
                stream.viewer_events(peer, &mut self.events, now);
            }
        }
    }

    /// Whose a datagram is: by its address, or for a check from a new address by the name and signature in it.
    fn peer_of(
        &mut self,
        now: Instant,
        (source, destination): (SocketAddr, SocketAddr),
        bytes: &[u8],
    ) -> Option<PeerId> {
        let known = self.by_address.get(&source).copied();
        let Some(ufrag) = ufrag_of_check(bytes) else { return known };
        let peer = *self.by_ufrag.get(ufrag)?;
        if known == Some(peer) {
            return known;
        }
        // Another session's check from a known address: a browser that reloaded, behind the same NAT mapping.
        let place = self.places.get(&peer)?;
        let stream = self.streams.get_mut(&place.stream)?;
        let accepted = match place.role {
            Role::Publish => stream.publisher(peer)?.connection.accepts(now, source, destination, bytes),
            Role::View => stream.viewer(peer)?.connection.accepts(now, source, destination, bytes),
        };
        if !accepted {
            return known;
        }
        self.by_address.insert(source, peer);
        Some(peer)
    }

    fn command(&mut self, command: Command, socket: &MediaSocket, outbox: &mut Outbox<'_>) {
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
            Command::Stop => {}
        }
    }

    fn open(&mut self, opening: Opening, socket: &MediaSocket, now: Instant) -> Result<Opened, Refusal> {
        let Opening { role, stream: name, session, from, offer } = opening;
        let (name, offer) = (name.as_str(), offer.as_str());
        let neighbours = match self.limits.viewers_per_address {
            0 => 0,
            _ => self.places.values().filter(|place| place.role == Role::View && place.from == from).count(),
        };
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
            Role::View => Offered::RecvOnly,
        };
        let terms = &self.terms;
        let Negotiated { rtc, answer, offer, video, audio } =
            catch_unwind(AssertUnwindSafe(|| negotiate::accept(direction, offer, &socket.addresses(), terms, now)))
                .unwrap_or_else(|_| Err(Refusal::NotAnOffer("it is malformed".to_owned())))?;
        let mut connection = Connection::new(rtc, session.clone(), offer, now);
        let etag = connection.etag.clone();
        self.next_peer += 1;
        let peer = self.next_peer;
        self.by_ufrag.insert(connection.ufrag(), peer);
        match role {
            Role::Publish => {
                Totals::add(&self.figures.totals.publishers_accepted, 1);
                stream.add_publisher(peer, Publisher::new(connection, video, audio));
            }
            Role::View => {
                Totals::add(&self.figures.totals.viewers_accepted, 1);
                stream.add_viewer(peer, Viewer::new(connection, video, audio, now));
            }
        }
        tracing::debug!(stream = name, session = short(&session), ?role, "a session is opened");
        self.sessions.insert(session.clone(), peer);
        self.places.insert(peer, Place { stream: name.to_owned(), role, session: session.clone(), from });
        Ok(Opened { session, answer, etag })
    }

    fn fed(&mut self, fed: Fed, now: Instant) {
        let (Fed::Batch(peer, _) | Fed::End(peer)) = &fed;
        let Some(stream) = self.places.get(peer).and_then(|place| self.streams.get_mut(&place.stream)) else { return };
        match fed {
            Fed::Batch(peer, batch) => stream.feed(peer, batch, now, &self.figures),
            Fed::End(peer) => stream.fed_has_ended(peer),
        }
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
        let FedOpening { stream, session, from, .. } = opening;
        self.sessions.insert(session.clone(), peer);
        self.places.insert(peer, Place { stream, role: Role::Publish, session, from });
        Ok((peer, heard))
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
        let public = self.terms.public;
        let (peer, connection) = self.connection(role, stream, session).ok_or(Refusal::NoSession)?;
        if if_match != "*" {
            if if_match.trim_matches('"') != connection.etag {
                return Err(Refusal::Stale);
            }
            if role == Role::Publish {
                negotiate::add_candidates(connection.rtc(), fragment);
            }
            return Ok(Patched::Trickled);
        }
        let (Some(ufrag), Some(password)) =
            (sdp::values(fragment, "ice-ufrag").next(), sdp::values(fragment, "ice-pwd").next())
        else {
            return Err(Refusal::NotAnOffer("a restart needs ice-ufrag and ice-pwd".to_owned()));
        };
        let renewed = sdp::with_credentials(&connection.offer, ufrag, password);
        let parsed = negotiate::parse(&renewed)?;
        let answer =
            connection.rtc().sdp_api().accept_offer(parsed).map_err(|error| Refusal::NotAnOffer(error.to_string()))?;
        connection.offer = renewed;
        connection.etag = crate::auth::random_hex(8);
        if role == Role::Publish {
            negotiate::add_candidates(connection.rtc(), fragment);
        }
        let (etag, ufrag) = (connection.etag.clone(), connection.ufrag());
        // The old name stays known: the last checks of the old session may still be on their way.
        self.by_ufrag.insert(ufrag, peer);
        if let Some(viewer) = self.streams.get_mut(stream).and_then(|stream| stream.viewer(peer)) {
            viewer.forget_new_streams();
        }
        let answer = sdp::finished_answer(&answer.to_sdp_string(), public);
        Ok(Patched::Restarted { etag, fragment: sdp::restart_fragment(&answer), answer })
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

/// The local half of the USERNAME of a STUN binding request (RFC 8489 §14.3, RFC 8445 §7.2.2).
fn ufrag_of_check(datagram: &[u8]) -> Option<&str> {
    const BINDING_REQUEST: [u8; 2] = [0, 1];
    const MAGIC_COOKIE: [u8; 4] = 0x2112_a442u32.to_be_bytes();
    const USERNAME: u16 = 6;
    if datagram.len() < 20 || datagram[..2] != BINDING_REQUEST || datagram[4..8] != MAGIC_COOKIE {
        return None;
    }
    let mut rest = &datagram[20..];
    while let [type_high, type_low, length_high, length_low, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        let value = tail.get(..length)?;
        if u16::from_be_bytes([*type_high, *type_low]) == USERNAME {
            return std::str::from_utf8(value).ok()?.split_once(':').map(|(local, _)| local);
        }
        rest = tail.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_known_by_the_name_in_it() {
        let mut check = vec![0, 1, 0, 20, 0x21, 0x12, 0xa4, 0x42];
        check.extend([0; 12]);
        check.extend([0x80, 0x22, 0, 2, b'x', b'y', 0, 0]);
        check.extend([0, 6, 0, 9]);
        check.extend(b"here:afar");
        check.extend([0; 3]);
        assert_eq!(ufrag_of_check(&check), Some("here"));
        for length in 0..check.len() - 4 {
            let _ = ufrag_of_check(&check[..length]);
        }
        assert_eq!(ufrag_of_check(&[0x80; 40]), None);
    }
}
