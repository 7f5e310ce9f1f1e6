//! SRT callers: who comes with a stream id that names a stream and its key sends MPEG-TS, or is sent it.
//!
//! One socket, one task that reads it, and one task for each caller. The reader hands datagrams on and waits for nobody:
//! a caller's task that is behind loses some, which SRT asks for again. Who has not been let in yet has one of a bounded
//! number of places, the oldest of which makes room: addresses are easily made up. (`srt-tokio`'s own listener keeps
//! each address for ever and waits for the slowest caller, so only the protocol beneath it is used here.)

pub(super) mod caller;
mod player;

use std::collections::HashMap;
use std::io::{self, Cursor};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use socket2::{Domain, Protocol, Socket, Type};
use srt_protocol::connection::Connection;
use srt_protocol::options::{ByteCount, KeySize, Passphrase, SocketOptions};
use srt_protocol::packet::{Packet, RejectReason, ServerRejectReason};
use srt_protocol::protocol::pending_connection::listen::Listen;
use srt_protocol::protocol::pending_connection::{AccessControlRequest, AccessControlResponse, ConnectionResult};
use srt_protocol::settings::ConnInitSettings;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::address::SrtWish;
use super::door::Refused;
use super::{Hall, address, told};
use crate::config::SrtSettings;
use crate::error::ServerError;
use crate::play::Seat;
use crate::relay::FedOpened;

/// A caller's handshake, with the platform's hook in it.
const SET_UP: Duration = Duration::from_secs(15);
/// SRT's own sign of life comes each second.
pub(super) const IDLE: Duration = Duration::from_secs(5);
/// Who has not been let in yet: a place costs about a kilobyte.
const PLACES: usize = 512;
/// What may wait for its turn: the latency at 50 Mbit/s.
pub(super) const BUFFER: ByteCount = ByteCount(8192 * 1500);
/// Datagrams that may wait for one caller's task: a keyframe of 1.3 MB at once.
pub(super) const WAITING: usize = 1024;
/// What the system keeps while this task is elsewhere.
const SOCKET_BUFFER: usize = 4 << 20;
/// Larger ones are not SRT's.
pub(super) const MOST_DATAGRAM: usize = 2048;
/// After an error that a datagram sent earlier has caused.
const BREATH: Duration = Duration::from_millis(5);

/// The open port.
pub(super) struct Port {
    address: SocketAddr,
    socket: UdpSocket,
    settings: ConnInitSettings,
}

impl Port {
    pub(super) fn open(address: SocketAddr, settings: &SrtSettings) -> Result<Self, ServerError> {
        let bad = |error| ServerError::from_bind(address, error);
        let socket = bind(address).map_err(bad)?;
        let taken = socket.local_addr().map_err(bad)?;
        let mut options = SocketOptions::default();
        options.receiver.latency = settings.latency();
        options.receiver.buffer_size = BUFFER;
        options.sender.peer_latency = settings.latency();
        options.sender.buffer_size = BUFFER;
        options.session.peer_idle_timeout = IDLE;
        if let Some(passphrase) = &settings.passphrase {
            options.encryption.key_size = KeySize::AES128;
            // Its length has been looked at with the configuration.
            options.encryption.passphrase = Passphrase::try_from(passphrase.expose().to_owned()).ok();
        }
        Ok(Self { address: taken, socket, settings: options.into() })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // As much as the system gives.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// Who has not been let in yet.
struct Pending {
    listen: Listen,
    since: Instant,
    /// It has been let in, but for the last packet of its handshake.
    opened: Option<Opened>,
}

/// As what somebody was let in.
enum Opened {
    Publisher(FedOpened),
    Player(Box<Seat>),
}

/// Whether somebody may.
struct Answer {
    from: SocketAddr,
    since: Instant,
    admitted: Result<Opened, Refused>,
}

struct Reader {
    socket: Arc<UdpSocket>,
    settings: ConnInitSettings,
    hall: Hall,
    pending: HashMap<SocketAddr, Pending>,
    callers: HashMap<SocketAddr, mpsc::Sender<Packet>>,
    answers: mpsc::Sender<Answer>,
    tasks: JoinSet<SocketAddr>,
}

/// Serves until it is told to stop.
pub(super) async fn serve(port: Port, hall: Hall) {
    let (answers, mut answered) = mpsc::channel(PLACES);
    let mut stopped = hall.stopped.clone();
    let mut reader = Reader {
        socket: Arc::new(port.socket),
        settings: port.settings,
        hall,
        pending: HashMap::new(),
        callers: HashMap::new(),
        answers,
        tasks: JoinSet::new(),
    };
    let socket = reader.socket.clone();
    let mut buffer = [0; MOST_DATAGRAM];
    loop {
        tokio::select! {
            () = told(&mut stopped) => break,
            received = socket.recv_from(&mut buffer) => match received {
                Ok((length, from)) => reader.datagram(&buffer[..length], from).await,
                Err(error) => {
                    tracing::debug!(%error, "reading the SRT port");
                    tokio::time::sleep(BREATH).await;
                }
            },
            Some(answer) = answered.recv() => reader.answer(answer).await,
            Some(ended) = reader.tasks.join_next() => {
                if let Ok(from) = ended {
                    reader.callers.remove(&from);
                }
            }
        }
    }
    // Each hears of the end by its orders, and says goodbye.
    while reader.tasks.join_next().await.is_some() {}
}

impl Reader {
    async fn datagram(&mut self, datagram: &[u8], from: SocketAddr) {
        // The parser was not written for strangers: a bug in it must cost one datagram.
        let parsed = catch_unwind(|| Packet::parse(&mut Cursor::new(datagram), from.is_ipv6()));
        let Ok(Ok(packet)) = parsed else { return };
        if let Some(caller) = self.callers.get(&from) {
            // What finds no room is lost, and asked for again.
            let _ = caller.try_send(packet);
            return;
        }
        let now = Instant::now();
        let known = self.pending.contains_key(&from);
        if !known {
            self.make_room(now);
        }
        let settings = &self.settings;
        let fresh = || Pending { listen: Listen::new(settings.copy_randomize(), true), since: now, opened: None };
        let pending = self.pending.entry(from).or_insert_with(fresh);
        let result = catch_unwind(AssertUnwindSafe(|| pending.listen.handle_packet(now, Ok((packet, from)))));
        match result {
            Ok(ConnectionResult::NotHandled(_)) if known => {}
            Ok(result) => self.step(from, result).await,
            Err(_) => self.forget(from),
        }
    }

    /// The next step of a handshake.
    async fn step(&mut self, from: SocketAddr, result: ConnectionResult) {
        match result {
            ConnectionResult::SendPacket(packet) => self.send(packet).await,
            ConnectionResult::RequestAccess(request) => self.ask(request, from),
            ConnectionResult::Reject(packet, reject) => {
                tracing::debug!(%from, ?reject, "an SRT caller is rejected");
                if let Some(packet) = packet {
                    self.send(packet).await;
                }
                self.forget(from);
            }
            ConnectionResult::Connected(packet, connection) => {
                if let Some(packet) = packet {
                    self.send(packet).await;
                }
                self.open(from, connection);
            }
            ConnectionResult::NoAction => {}
            // What begins with nonsense is not remembered.
            ConnectionResult::NotHandled(_) | ConnectionResult::Failure(_) => self.forget(from),
        }
    }

    /// Asks whether a caller may; the answer comes by the channel.
    fn ask(&self, request: AccessControlRequest, from: SocketAddr) {
        let Some(since) = self.pending.get(&from).map(|pending| pending.since) else { return };
        let (hall, answers) = (self.hall.clone(), self.answers.clone());
        let id = request.stream_id.map(|id| id.as_str().to_owned()).unwrap_or_default();
        tokio::spawn(async move {
            let admitted = match address::of_srt(&id) {
                Some(wish) => match timeout(SET_UP, admit(&hall, wish, from)).await {
                    Ok(admitted) => admitted,
                    Err(_) => return,
                },
                None => Err(Refused::no_wish()),
            };
            // Dropped, the session ends by itself.
            let _ = answers.send(Answer { from, since, admitted }).await;
        });
    }

    async fn answer(&mut self, Answer { from, since, admitted }: Answer) {
        let Some(pending) = self.pending.get_mut(&from).filter(|pending| pending.since == since) else { return };
        let response = match admitted {
            Ok(opened) => {
                pending.opened = Some(opened);
                AccessControlResponse::Accepted(None)
            }
            Err(refused) => {
                tracing::debug!(%from, code = refused.code, "an SRT caller is refused");
                AccessControlResponse::Rejected(RejectReason::Server(reason(refused.status)))
            }
        };
        let result = pending.listen.handle_access_control_response(Instant::now(), response);
        self.step(from, result).await;
    }

    /// A handshake is done: its caller has a task from now on.
    fn open(&mut self, from: SocketAddr, connection: Connection) {
        let Some(opened) = self.pending.remove(&from).and_then(|pending| pending.opened) else { return };
        let (packets, inbox) = mpsc::channel(WAITING);
        self.callers.insert(from, packets);
        let (socket, hall) = (self.socket.clone(), self.hall.clone());
        self.tasks.spawn(async move {
            let end = match opened {
                Opened::Publisher(opened) => caller::run(connection, inbox, &socket, opened, &hall).await,
                Opened::Player(seat) => player::run(connection, inbox, &socket, *seat).await,
            };
            tracing::debug!(%from, end, "an SRT caller is gone");
            from
        });
    }

    async fn send(&self, (packet, to): (Packet, SocketAddr)) {
        let mut bytes = BytesMut::with_capacity(MOST_DATAGRAM);
        packet.serialize(&mut bytes);
        let _ = self.socket.send_to(&bytes, to).await;
    }

    /// Lets those go who never finished, and the oldest where no place is left.
    fn make_room(&mut self, now: Instant) {
        if self.pending.len() < PLACES {
            return;
        }
        self.pending.retain(|_, pending| now.saturating_duration_since(pending.since) < SET_UP);
        if self.pending.len() >= PLACES {
            let oldest = self.pending.iter().min_by_key(|(_, pending)| pending.since).map(|(from, _)| *from);
            oldest.into_iter().for_each(|from| self.forget(from));
        }
    }

    fn forget(&mut self, from: SocketAddr) {
        self.pending.remove(&from);
    }
}

async fn admit(hall: &Hall, wish: SrtWish, from: SocketAddr) -> Result<Opened, Refused> {
    match wish {
        SrtWish::Publish(wish) => hall.admit(&wish, from.ip(), "srt").await.map(Opened::Publisher),
        SrtWish::Play(wish) => hall.seat(&wish, from.ip(), "srt").await.map(|seat| Opened::Player(Box::new(seat))),
    }
}

/// SRT's reject codes are HTTP's with two thousand before them (SRT Access Control).
fn reason(status: u16) -> ServerRejectReason {
    match status {
        400 => ServerRejectReason::BadRequest,
        401 => ServerRejectReason::Unauthorized,
        403 => ServerRejectReason::Forbidden,
        404 => ServerRejectReason::Notfound,
        405 => ServerRejectReason::BadMode,
        409 => ServerRejectReason::Conflict,
        429 | 503 => ServerRejectReason::Overload,
        _ => ServerRejectReason::Unacceptable,
    }
}
