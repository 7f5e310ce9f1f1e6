//! SRT callers: who comes with a stream id that names a stream and its key sends MPEG-TS.
//!
//! One task reads all callers' datagrams and must never wait for one of them (`srt-tokio`'s listener hands packets on in
//! turn): what a caller's task can't do at once it leaves out.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use srt_protocol::options::ByteCount;
use srt_protocol::packet::{RejectReason, ServerRejectReason};
use srt_tokio::{ConnectionRequest, SrtIncoming, SrtListener, SrtSocket};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Hall;
use super::address;
use super::desk::Desk;
use super::door::Refused;
use super::mpeg_ts::Demuxer;
use crate::config::SrtSettings;
use crate::error::ServerError;

/// A caller that sends nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// Two round trips and the platform's hook.
const SET_UP: Duration = Duration::from_secs(15);
/// SRT's own sign of life comes each second.
const IDLE: Duration = Duration::from_secs(5);
/// What may wait for its turn: the latency at 50 Mbit/s.
const BUFFER: ByteCount = ByteCount(8192 * 1500);
const GOODBYE: Duration = Duration::from_millis(500);

/// The open port.
pub(super) struct Port {
    address: SocketAddr,
    listener: SrtListener,
    incoming: SrtIncoming,
}

impl Port {
    pub(super) async fn open(address: SocketAddr, settings: &SrtSettings) -> Result<Self, ServerError> {
        let bad = |error| ServerError::from_bind(address, error);
        let socket = UdpSocket::bind(address).await.map_err(bad)?;
        let taken = socket.local_addr().map_err(bad)?;
        let mut builder = SrtListener::builder().receive_latency(settings.latency()).set(|options| {
            options.session.peer_idle_timeout = IDLE;
            options.receiver.buffer_size = BUFFER;
        });
        if let Some(passphrase) = &settings.passphrase {
            builder = builder.encryption(16, passphrase.expose());
        }
        let (listener, incoming) = builder.socket(socket).bind(taken).await.map_err(bad)?;
        Ok(Self { address: taken, listener, incoming })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves until it is told to stop.
pub(super) async fn serve(mut port: Port, hall: Hall) {
    let mut open = JoinSet::new();
    let mut stopped = hall.stopped.clone();
    loop {
        while open.try_join_next().is_some() {}
        let request = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            request = port.incoming.incoming().next() => request,
        };
        let Some(request) = request else {
            tracing::error!("the SRT port is broken");
            break;
        };
        let hall = hall.clone();
        open.spawn(async move {
            let from = request.remote();
            if let Err(end) = caller(request, hall).await {
                tracing::debug!(%from, end, "an SRT caller is gone");
            }
        });
    }
    while open.join_next().await.is_some() {}
    port.listener.close().await;
}

async fn caller(request: ConnectionRequest, hall: Hall) -> Result<(), &'static str> {
    let from: IpAddr = request.remote().ip();
    let id = request.stream_id().map(|id| id.as_str().to_owned()).unwrap_or_default();
    let admitted = match address::of_srt(&id) {
        Ok(wish) => timeout(SET_UP, hall.admit(&wish, from, "srt")).await.map_err(|_| "no answer in time")?,
        Err(true) => Err(Refused {
            status: 405,
            code: "method_not_allowed",
            reason: "this server shows streams over WHEP, not over SRT".to_owned(),
        }),
        Err(false) => Err(Refused::no_wish()),
    };
    let opened = match admitted {
        Ok(opened) => opened,
        Err(refused) => {
            let _ = request.reject(RejectReason::Server(reason(refused.status))).await;
            return Err(refused.code);
        }
    };
    let mut desk = Desk::new(opened, &hall).impatient();
    let mut socket = timeout(SET_UP, request.accept(None))
        .await
        .map_err(|_| "no connection in time")?
        .map_err(|_| "the connection can't be made")?;
    let end = publisher(&mut socket, &mut desk).await;
    let _ = timeout(GOODBYE, socket.close_and_finish()).await;
    end
}

async fn publisher(socket: &mut SrtSocket, desk: &mut Desk) -> Result<(), &'static str> {
    let (mut demuxer, mut units) = (Demuxer::new(), Vec::new());
    loop {
        let received = tokio::select! {
            () = desk.over() => return Err("sent away"),
            received = timeout(SILENCE, socket.next()) => received.map_err(|_| "silent")?,
        };
        let Some(received) = received else { return Err("the publisher has ended") };
        let (_, data) = received.map_err(|_| "the connection broke")?;
        demuxer.take(&data, &mut units);
        for unit in units.drain(..) {
            desk.take(unit).await.map_err(|_| "sent away")?;
        }
    }
}

/// SRT's reject codes are HTTP's with a thousand before them (SRT Access Control).
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
