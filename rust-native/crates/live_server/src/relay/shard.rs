//! The loop of the media thread: commands, datagrams and time, one after the other, nothing waits for anyone.

mod commands;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use str0m::Event;
use str0m::net::Protocol;
use tokio::sync::mpsc;

use super::connection::Path;
use super::crew::Crew;
use super::fed::Fed;
use super::negotiate::Terms;
use super::socket::{Inbox, MediaSocket, Outbox, Run};
use super::stream::{Manners, PeerId, Stream, Workshop};
use super::tcp::{News, TcpPort};
use super::visitors::{KeyUse, Visitor};
use super::{Command, Departed, Role, SessionId};
use crate::config::{Config, Limits};
use crate::figures::{Figures, Totals};
use crate::ladder::Places;

/// How often the figures are written anew while nothing special happens.
const FIGURES: Duration = Duration::from_millis(500);
/// Batches of datagrams that are read before commands and timers get their turn.
const BATCHES: usize = 8;

/// Where a peer is to be found.
#[derive(Clone, Debug)]
struct Place {
    stream: String,
    role: Role,
    session: SessionId,
    from: IpAddr,
    key: Option<KeyUse>,
    protocol: &'static str,
    since: SystemTime,
}

impl Place {
    fn visitor(&self) -> Visitor {
        Visitor {
            id: self.session.public(),
            stream: self.stream.clone(),
            role: self.role,
            protocol: self.protocol,
            address: self.from,
            since: self.since,
            key: self.key.as_ref().map(|key| key.id.clone()),
        }
    }
}

/// What a shard listens on.
pub(super) struct Ports {
    pub(super) udp: std::net::UdpSocket,
    /// For peers that UDP does not reach, by the same number.
    pub(super) tcp: Option<std::net::TcpListener>,
}

pub(super) struct Shard {
    ports: Option<Ports>,
    terms: Terms,
    limits: Limits,
    departures: mpsc::Sender<Departed>,
    figures: Figures,
    streams: HashMap<String, Stream>,
    workshop: Workshop,
    places: HashMap<PeerId, Place>,
    sessions: HashMap<SessionId, PeerId>,
    by_address: HashMap<(Protocol, SocketAddr), PeerId>,
    by_ufrag: HashMap<String, PeerId>,
    next_peer: PeerId,
    figures_due: Instant,
    events: Vec<Event>,
    crew: Crew,
}

impl Shard {
    pub(super) fn new(
        ports: Ports,
        config: &Config,
        figures: Figures,
        departures: mpsc::Sender<Departed>,
        ways: mpsc::Sender<Fed>,
    ) -> io::Result<Self> {
        let now = Instant::now();
        let (port, tcp) = (ports.udp.local_addr()?.port(), ports.tcp.is_some());
        let manners = Manners::new(&config.publishing);
        let mut workshop = Workshop { places: Places::default(), ways };
        workshop.places.set_most(config.transcoding.max_renditions);
        let ladder = (&config.transcoding, &workshop);
        let streams =
            config.streams.keys().map(|name| (name.clone(), Stream::new(name, manners, ladder, now))).collect();
        let certificate = str0m::crypto::from_feature_flags()
            .dtls_provider
            .generate_certificate()
            .ok_or_else(|| io::Error::other("no certificate could be made"))?;
        Ok(Self {
            ports: Some(ports),
            terms: Terms { certificate, public: config.rtc.public_address.map(|ip| SocketAddr::new(ip, port)), tcp },
            limits: config.limits.clone(),
            departures,
            figures,
            streams,
            workshop,
            places: HashMap::new(),
            sessions: HashMap::new(),
            by_address: HashMap::new(),
            by_ufrag: HashMap::new(),
            next_peer: 0,
            figures_due: now,
            events: Vec::new(),
            crew: Crew::new(),
        })
    }

    /// Runs until it is told to stop or nobody can tell it anything any more.
    pub(super) fn run(mut self, commands: mpsc::Receiver<Command>, fed: mpsc::Receiver<Fed>) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "the media thread has no event loop"),
        };
        runtime.block_on(async {
            let Some(Ports { udp, tcp }) = self.ports.take() else { return };
            let tcp = TcpPort::new(tcp);
            match MediaSocket::new(udp, tcp.lines.clone()) {
                Ok(socket) => self.turn(&socket, tcp, commands, fed).await,
                Err(error) => tracing::error!(%error, "the media socket can't be used"),
            }
        });
    }

    async fn turn(
        &mut self,
        socket: &MediaSocket,
        mut tcp: TcpPort,
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
                news = tcp.next() => {
                    let mut outbox = socket.outbox(&mut run, &figures);
                    self.heard_by_tcp(news, &tcp, &mut outbox);
                }
                () = tokio::time::sleep_until(deadline.into()) => {}
            }
            let mut outbox = socket.outbox(&mut run, &figures);
            self.settle(&tcp, &mut outbox);
        }
    }

    /// After whatever happened: packets go out, timers run, sessions that are over are taken out, figures are written.
    fn settle(&mut self, tcp: &TcpPort, outbox: &mut Outbox<'_>) {
        let now = Instant::now();
        let mut gone = Vec::new();
        let figures_due = now >= self.figures_due;
        for stream in self.streams.values_mut() {
            stream.fan_out(now, outbox, &mut self.crew);
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
            let addresses = self.by_address.extract_if(|_, known| *known == peer).map(|(address, _)| address);
            addresses.filter(|(protocol, _)| *protocol == Protocol::Tcp).for_each(|(_, from)| tcp.lines.close(from));
            self.by_ufrag.retain(|_, known| *known != peer);
        }
    }

    fn depart(&self, place: Place) {
        let Place { stream, role, session, from, .. } = place;
        if self.departures.try_send(Departed { role, stream, session, from }).is_err() {
            tracing::debug!("nobody hears of a session's end");
        }
    }

    /// Streams that are new are there from now on; those that are no more go when their last peer has gone.
    fn reload(&mut self, config: &Config) {
        let (now, manners) = (Instant::now(), Manners::new(&config.publishing));
        self.limits = config.limits.clone();
        self.workshop.places.set_most(config.transcoding.max_renditions);
        let ladder = (&config.transcoding, &self.workshop);
        for name in config.streams.keys() {
            let fresh = || Stream::new(name, manners, ladder, now);
            let stream = self.streams.entry(name.clone()).or_insert_with(fresh);
            stream.revive(manners);
            stream.set_ladder(&config.transcoding, &self.workshop.places, now);
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
                let path = Path { protocol: Protocol::Udp, source, destination };
                self.datagram(now, path, bytes, outbox);
            });
            match read {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // On some systems the answer to an earlier datagram ("port unreachable") is reported here.
                Err(error) => return tracing::debug!(%error, "reading the media socket"),
            }
        }
    }

    fn heard_by_tcp(&mut self, news: News, tcp: &TcpPort, outbox: &mut Outbox<'_>) {
        match news {
            News::Datagram { source, destination, bytes } => {
                let path = Path { protocol: Protocol::Tcp, source, destination };
                if self.datagram(Instant::now(), path, &bytes, outbox) {
                    tcp.lines.know(source);
                }
            }
            News::Closed(source) => {
                self.by_address.remove(&(Protocol::Tcp, source));
            }
        }
    }

    /// Gives a datagram to whose it is; `false` where it is nobody's.
    fn datagram(&mut self, now: Instant, path: Path, bytes: &[u8], outbox: &mut Outbox<'_>) -> bool {
        let Some(peer) = self.peer_of(now, path, bytes) else {
            Totals::add(&self.figures.totals.strays, 1);
            return false;
        };
        let Some(place) = self.places.get(&peer) else { return false };
        let Some(stream) = self.streams.get_mut(&place.stream) else { return false };
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
        true
    }

    /// Whose a datagram is: by its address, or for a check from a new address by the name and signature in it.
    fn peer_of(&mut self, now: Instant, path: Path, bytes: &[u8]) -> Option<PeerId> {
        let from = (path.protocol, path.source);
        let known = self.by_address.get(&from).copied();
        let Some(ufrag) = ufrag_of_check(bytes) else { return known };
        let peer = *self.by_ufrag.get(ufrag)?;
        if known == Some(peer) {
            return known;
        }
        // Another session's check from a known address: a browser that reloaded, behind the same NAT mapping.
        let place = self.places.get(&peer)?;
        let stream = self.streams.get_mut(&place.stream)?;
        let accepted = match place.role {
            Role::Publish => stream.publisher(peer)?.connection.accepts(now, path, bytes),
            Role::View => stream.viewer(peer)?.connection.accepts(now, path, bytes),
        };
        if !accepted {
            return known;
        }
        self.by_address.insert(from, peer);
        Some(peer)
    }

    fn fed(&mut self, fed: Fed, now: Instant) {
        let name = match &fed {
            Fed::Batch(peer, _) | Fed::End(peer) => self.places.get(peer).map(|place| &place.stream),
            Fed::Rendition { stream, .. } => Some(stream),
        };
        let Some(stream) = name.and_then(|name| self.streams.get_mut(name)) else { return };
        match fed {
            Fed::Batch(peer, batch) => stream.feed(peer, batch, now, &self.figures),
            Fed::End(peer) => stream.fed_has_ended(peer),
            Fed::Rendition { generation, rung, made, .. } => stream.rendition(generation, rung, made, now),
        }
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
