//! HTTP-FLV, and the same over a WebSocket: an FLV file that ends with the stream, for flv.js, mpegts.js and players that
//! know nothing newer.
//!
//! The socket pulls: nothing is made for a player that reads nothing, whose queue skips meanwhile, and whose connection
//! ends when it reads nothing for long (`patient`).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket};
use axum::extract::{ConnectInfo, Path, Query, State, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use rtmp::{Muxer, flv};
use serde::Deserialize;
use tokio::time::timeout;

use super::reply::Problem;
use super::{From, Site};
use crate::auth;
use crate::play::Seat;

const FLV: &str = "video/x-flv";
/// A message that isn't taken in this time: the player is gone, or reads nothing.
const SLOWEST_MESSAGE: Duration = Duration::from_secs(10);
/// Units that are there already go out together, up to this size.
const PIECE: usize = 64 << 10;

#[derive(Debug, Deserialize)]
pub(super) struct Ask {
    token: Option<String>,
}

/// `/live/{stream}.flv`, by GET or by WebSocket.
pub(super) async fn play(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path(file): Path<String>,
    asked: Result<Query<Ask>, QueryRejection>,
    headers: HeaderMap,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let stream = file.strip_suffix(".flv").ok_or(Problem::NoSuchPage)?;
    let Query(ask) = asked.map_err(|_| Problem::BadQuery)?;
    let token = auth::bearer(&headers).or(ask.token.as_deref());
    let from = site.asker(from.ip(), &headers);
    let over_socket = socket.is_ok();
    let seat = site.seat(stream, token, from, if over_socket { "ws-flv" } else { "http-flv" }).await?;
    let show = Show::new(seat);
    match socket {
        Ok(socket) => Ok(socket.on_upgrade(|socket| into_socket(show, socket))),
        Err(_) => {
            let pieces = futures_util::stream::unfold(show, async |mut show| {
                let piece = show.next().await?;
                Some((Ok::<_, std::convert::Infallible>(piece), show))
            });
            let mut response = Body::from_stream(pieces).into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(FLV));
            Ok(response)
        }
    }
}

/// Sends until the stream is over, or the player is gone.
async fn into_socket(mut show: Show, mut socket: WebSocket) {
    loop {
        tokio::select! {
            piece = show.next() => {
                let Some(piece) = piece else { break };
                match timeout(SLOWEST_MESSAGE, socket.send(Message::Binary(piece))).await {
                    Ok(Ok(())) => {}
                    _ => return,
                }
            }
            // What players say is nothing to us; their end is.
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            }
        }
    }
    let _ = timeout(SLOWEST_MESSAGE, socket.send(Message::Close(None))).await;
}

/// A seat and the file that is written for it.
struct Show {
    seat: Seat,
    muxer: Muxer,
    file: flv::File,
    /// What is written and not sent yet: the head at first.
    piece: Bytes,
}

impl Show {
    fn new(seat: Seat) -> Self {
        let mut file = flv::File::new(seat.pictures, seat.sound);
        Self { muxer: seat.muxer(), piece: file.take(), seat, file }
    }

    /// The next bytes; `None` at the end. Cancel-safe.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.piece.is_empty() {
            return Some(std::mem::take(&mut self.piece));
        }
        while self.file.is_empty() {
            let unit = self.seat.next().await?;
            self.muxer.write(&unit, &mut self.file);
            while self.file.len() < PIECE
                && let Some(unit) = self.seat.next_now()
            {
                self.muxer.write(&unit, &mut self.file);
            }
        }
        Some(self.file.take())
    }
}
