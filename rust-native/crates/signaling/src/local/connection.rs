//! One WebSocket of the window, as two bounded queues.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::message::{ClientMessage, ServerMessage, VERSION};

/// An SDP is some 6 KiB, a candidate 200 bytes.
const MAX_MESSAGE: usize = 64 * 1024;
/// Messages that may wait in either direction: offer, answer and a handful of candidates.
const QUEUE: usize = 64;
/// A window that takes nothing for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// The other side gets this long to answer our close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// A ping finds a window that vanished without a word.
const PING: Duration = Duration::from_secs(15);

/// Limits of the WebSocket.
pub(super) fn limits() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE))
}

/// A window that asked for the preview. Dropping it closes the WebSocket.
#[derive(Debug)]
pub struct PreviewConnection {
    incoming: mpsc::Receiver<ClientMessage>,
    sender: PreviewSender,
}

/// Sends to one window.
#[derive(Debug, Clone)]
pub struct PreviewSender(mpsc::Sender<ServerMessage>);

impl PreviewConnection {
    /// The next message; `None` once the window is gone.
    pub async fn recv(&mut self) -> Option<ClientMessage> {
        self.incoming.recv().await
    }

    /// A handle that sends.
    pub fn sender(&self) -> PreviewSender {
        self.sender.clone()
    }
}

impl PreviewSender {
    /// Waits for a place in the queue; `false` when the window is gone.
    pub async fn send(&self, message: ServerMessage) -> bool {
        self.0.send(message).await.is_ok()
    }

    /// Sends if there is a place in the queue; for meters, of which the next one says the same.
    pub fn try_send(&self, message: ServerMessage) -> bool {
        self.0.try_send(message).is_ok()
    }

    /// Whether the window is gone.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The queues of a new connection: ours to pump, and the engine's.
pub(super) fn pair() -> (Pump, PreviewConnection) {
    let (to_engine, incoming) = mpsc::channel(QUEUE);
    let (sender, to_window) = mpsc::channel(QUEUE);
    (Pump { to_engine, to_window }, PreviewConnection { incoming, sender: PreviewSender(sender) })
}

pub(super) struct Pump {
    to_engine: mpsc::Sender<ClientMessage>,
    to_window: mpsc::Receiver<ServerMessage>,
}

/// Why a connection ends by our will.
struct Refusal {
    close: CloseCode,
    code: &'static str,
    message: String,
}

impl Pump {
    /// Moves messages until one side is gone.
    pub(super) async fn run(mut self, mut socket: Socket) {
        if !write(&mut socket, &ServerMessage::Hello { version: VERSION }).await {
            return;
        }
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        // At most one message waits for the engine; until it has taken it, nothing more is read.
        let mut waiting: Option<ClientMessage> = None;
        loop {
            tokio::select! {
                message = self.to_window.recv() => match message {
                    Some(message) if write(&mut socket, &message).await => {}
                    Some(_) => return,
                    None => return close(socket, CloseCode::Away, "").await,
                },
                permit = self.to_engine.reserve(), if waiting.is_some() => match (permit, waiting.take()) {
                    (Ok(permit), Some(message)) => permit.send(message),
                    _ => return close(socket, CloseCode::Away, "").await,
                },
                () = self.to_engine.closed() => return close(socket, CloseCode::Away, "").await,
                message = socket.next(), if waiting.is_none() => match read(message) {
                    Ok(Some(message)) => waiting = Some(message),
                    Ok(None) => {}
                    Err(Some(refusal)) => return refuse(socket, refusal).await,
                    Err(None) => return,
                },
                _ = ping.tick() => {
                    if !matches!(timeout(WRITE_TIMEOUT, socket.send(Message::Ping(Default::default()))).await, Ok(Ok(()))) {
                        return;
                    }
                }
            }
        }
    }
}

/// `Ok(None)` for what needs no attention, `Err(None)` when the window is gone.
fn read(message: Option<Result<Message, Error>>) -> Result<Option<ClientMessage>, Option<Refusal>> {
    let refusal = |close, code, message: String| Err(Some(Refusal { close, code, message }));
    match message {
        Some(Ok(Message::Text(text))) => match serde_json::from_str(text.as_str()) {
            Ok(message) => Ok(Some(message)),
            Err(error) => refusal(CloseCode::Policy, "bad_message", format!("the message can't be read: {error}")),
        },
        Some(Ok(Message::Binary(_))) => {
            refusal(CloseCode::Policy, "bad_message", "messages are text, not binary".into())
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Err(Error::Capacity(_))) => {
            refusal(CloseCode::Size, "message_too_large", format!("a message may have {MAX_MESSAGE} bytes"))
        }
        Some(Err(Error::Utf8(_))) => refusal(CloseCode::Invalid, "bad_message", "the message is not UTF-8".into()),
        Some(Ok(Message::Close(_)) | Err(_)) | None => Err(None),
    }
}

async fn write(socket: &mut Socket, message: &ServerMessage) -> bool {
    match serde_json::to_string(message) {
        Ok(text) => matches!(timeout(WRITE_TIMEOUT, socket.send(Message::text(text))).await, Ok(Ok(()))),
        Err(error) => {
            tracing::error!(%error, "a message could not be written as JSON");
            true
        }
    }
}

async fn refuse(mut socket: Socket, refusal: Refusal) {
    tracing::warn!(code = refusal.code, message = refusal.message, "the preview's connection is closed");
    let error = ServerMessage::Error { code: refusal.code.into(), message: refusal.message };
    if write(&mut socket, &error).await {
        close(socket, refusal.close, refusal.code).await;
    }
}

async fn close(mut socket: Socket, code: CloseCode, reason: &'static str) {
    let _ = timeout(CLOSE_TIMEOUT, async {
        socket.close(Some(CloseFrame { code, reason: reason.into() })).await?;
        // Until the other side closes too: a socket that is dropped with unread bytes resets the connection, and
        // the reason would be lost.
        while let Some(Ok(_)) = socket.next().await {}
        Ok::<(), Error>(())
    })
    .await;
}
