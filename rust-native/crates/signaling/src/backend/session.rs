//! One WebSocket to a backend, from its handshake on; the connection below it is the caller's.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use futures_util::{SinkExt, StreamExt};
use media::Secret;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, USER_AGENT};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::Url;

use super::BackendError;
use super::message::{AnswererMessage, BackendIceServer, OffererMessage, SUBPROTOCOL, VERSION};

/// For the upgrade, the hello, and each answer: a round trip and what an SFU takes to make a session.
const ANSWER: Duration = Duration::from_secs(10);
/// A server that takes nothing for this long is gone.
const WRITE: Duration = Duration::from_secs(5);
/// The other side gets this long to answer our close.
const CLOSE: Duration = Duration::from_secs(1);
/// Proxies close what is idle for a minute, and a dead TCP path is found by nothing else.
const PING: Duration = Duration::from_secs(15);
/// Two pings without any sign of life.
const SILENCE: Duration = Duration::from_secs(35);
/// An SDP is some 6 KiB, a candidate 200 bytes.
const MAX_MESSAGE: usize = 256 * 1024;
/// Candidates that may come between an offer and its answer; more is no machine.
const MAX_EARLY: usize = 64;
/// A server that asks for a longer pause is asked again after this one.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

/// What a backend says by itself.
#[derive(Debug, Clone, PartialEq)]
pub enum BackendEvent {
    /// A candidate of its side: the JSON of an `RTCIceCandidateInit`, or `null`.
    Candidate(String),
    /// No more; the error says why.
    Over(BackendError),
}

/// The signalling with one backend. Dropping it breaks the connection off.
#[derive(Debug)]
pub struct BackendSession<S> {
    socket: WebSocketStream<S>,
    early: VecDeque<String>,
    ping: Interval,
    heard: Instant,
    /// It knows ICE restarts.
    pub can_restart: bool,
    /// STUN and TURN servers that it offers.
    pub ice_servers: Vec<BackendIceServer>,
}

/// Whether an address is one of a backend, and whom to connect to: host, port, and whether by TLS.
///
/// # Errors
/// [`BackendError::BadUrl`].
pub fn place(url: &Url) -> Result<(String, u16, bool), BackendError> {
    let tls = match url.scheme() {
        "wss" => true,
        "ws" => false,
        _ => return Err(BackendError::BadUrl),
    };
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(BackendError::BadUrl)?;
    let port = url.port_or_known_default().ok_or(BackendError::BadUrl)?;
    Ok((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port, tls))
}

impl<S: AsyncRead + AsyncWrite + Unpin> BackendSession<S> {
    /// Upgrades a connection to `url`'s host, says hello and hears the answer. Redirects are not followed, so the key
    /// goes to that host only.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn open(stream: S, url: &Url, key: Option<&Secret>) -> Result<Self, BackendError> {
        place(url)?;
        // What a URL holds besides is not for the server.
        let mut address = url.clone();
        address.set_fragment(None);
        let _ = (address.set_username(""), address.set_password(None));
        let mut request = address.as_str().into_client_request().map_err(|_| BackendError::BadUrl)?;
        let headers = request.headers_mut();
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("Tidecast/", env!("CARGO_PKG_VERSION"))));
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
                .map_err(|_| BackendError::Unauthorized(401))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let limits = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        let (socket, _) = match timeout(ANSWER, client_async_with_config(request, stream, Some(limits))).await {
            Ok(opened) => opened.map_err(refusal)?,
            Err(_) => return Err(BackendError::NoAnswer),
        };
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        let (early, heard) = (VecDeque::new(), Instant::now());
        let mut session = Self { socket, early, ping, heard, can_restart: false, ice_servers: Vec::new() };
        session.send(&OffererMessage::Hello { version: VERSION }).await?;
        match timeout(ANSWER, session.next()).await {
            Ok(Ok(AnswererMessage::Hello { version: VERSION, ice_restart, ice_servers })) => {
                session.can_restart = ice_restart;
                session.ice_servers = ice_servers;
                Ok(session)
            }
            Ok(Ok(AnswererMessage::Hello { version, .. })) => {
                Err(BackendError::OtherVersion { theirs: version, ours: VERSION })
            }
            Ok(Ok(AnswererMessage::Error { code, message, is_final, retry_after })) => {
                Err(told(code, message, is_final, retry_after))
            }
            Ok(Ok(_)) => Err(BackendError::NotSignalling("its first message is no hello".into())),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(BackendError::NoAnswer),
        }
    }

    /// Offers a new connection, or an ICE restart of the one that is there; gives the answer (SDP). Candidates that
    /// come before it are kept for [`Self::recv`].
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn offer(&mut self, sdp: &str, ice_restart: bool) -> Result<String, BackendError> {
        self.send(&OffererMessage::Offer { sdp: sdp.to_owned(), ice_restart }).await?;
        match timeout(ANSWER, self.answer()).await {
            Ok(answer) => answer,
            Err(_) => Err(BackendError::NoAnswer),
        }
    }

    async fn answer(&mut self) -> Result<String, BackendError> {
        loop {
            match self.next().await? {
                AnswererMessage::Answer { sdp } => return Ok(sdp),
                AnswererMessage::Candidate { candidate } if self.early.len() < MAX_EARLY => {
                    self.early.push_back(candidate.to_string());
                }
                AnswererMessage::Candidate { .. } => {
                    return Err(BackendError::NotSignalling("candidates without an end".into()));
                }
                AnswererMessage::Error { code, message, is_final, retry_after } => {
                    return Err(told(code, message, is_final, retry_after));
                }
                AnswererMessage::Restart => return Err(BackendError::AskedAnew),
                AnswererMessage::Hello { .. } => {}
            }
        }
    }

    /// Tells a candidate: the JSON of an `RTCIceCandidateInit`, or `null` after the last.
    ///
    /// # Errors
    /// [`BackendError::Closed`].
    pub async fn candidate(&mut self, json: &str) -> Result<(), BackendError> {
        let candidate = serde_json::from_str(json).unwrap_or(serde_json::Value::Null);
        self.send(&OffererMessage::Candidate { candidate }).await
    }

    /// What the backend says by itself. May be cancelled and called again; keeps the connection alive meanwhile.
    pub async fn recv(&mut self) -> BackendEvent {
        if let Some(candidate) = self.early.pop_front() {
            return BackendEvent::Candidate(candidate);
        }
        loop {
            tokio::select! {
                message = read(&mut self.socket, &mut self.heard) => return match message {
                    Ok(AnswererMessage::Candidate { candidate }) => BackendEvent::Candidate(candidate.to_string()),
                    Ok(AnswererMessage::Restart) => BackendEvent::Over(BackendError::AskedAnew),
                    Ok(AnswererMessage::Error { code, message, is_final, retry_after }) => {
                        BackendEvent::Over(told(code, message, is_final, retry_after))
                    }
                    // An answer to an offer that was given up.
                    Ok(AnswererMessage::Hello { .. } | AnswererMessage::Answer { .. }) => continue,
                    Err(error) => BackendEvent::Over(error),
                },
                _ = self.ping.tick() => {
                    let gone = self.heard.elapsed() >= SILENCE;
                    let sent = timeout(WRITE, self.socket.send(Message::Ping(Default::default()))).await;
                    if gone || !matches!(sent, Ok(Ok(()))) {
                        return BackendEvent::Over(BackendError::Closed);
                    }
                }
            }
        }
    }

    /// Ends the session: the close is its sign.
    pub async fn close(mut self) {
        let _ = timeout(CLOSE, async {
            self.socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() })).await?;
            while let Some(Ok(_)) = self.socket.next().await {}
            Ok::<(), Error>(())
        })
        .await;
    }

    async fn next(&mut self) -> Result<AnswererMessage, BackendError> {
        read(&mut self.socket, &mut self.heard).await
    }

    async fn send(&mut self, message: &OffererMessage) -> Result<(), BackendError> {
        let text = serde_json::to_string(message).map_err(|error| BackendError::NotSignalling(error.to_string()))?;
        match timeout(WRITE, self.socket.send(Message::text(text))).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(BackendError::Closed),
        }
    }
}

/// The next message; what keeps the connection alive is passed over.
async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    heard: &mut Instant,
) -> Result<AnswererMessage, BackendError> {
    loop {
        let message = socket.next().await;
        *heard = Instant::now();
        match message {
            Some(Ok(Message::Text(text))) => {
                return serde_json::from_str(text.as_str())
                    .map_err(|error| BackendError::NotSignalling(format!("a message can't be read: {error}")));
            }
            Some(Ok(Message::Binary(_))) => return Err(BackendError::NotSignalling("a message is not text".into())),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(Error::Capacity(_))) => {
                return Err(BackendError::NotSignalling(format!("a message has more than {MAX_MESSAGE} bytes")));
            }
            Some(Err(Error::Utf8(_))) => return Err(BackendError::NotSignalling("a message is not UTF-8".into())),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(BackendError::Closed),
        }
    }
}

fn told(code: String, message: String, is_final: bool, retry_after: Option<u32>) -> BackendError {
    // A stranger's texts: bounded, one line.
    let short = |text: String| -> String { text.chars().filter(|c| !c.is_control()).take(200).collect() };
    let retry_after = retry_after.map(|seconds| Duration::from_secs(seconds.into()).min(MAX_RETRY_AFTER));
    BackendError::Refused { code: short(code), message: short(message), is_final, retry_after }
}

/// What a failed upgrade means.
fn refusal(error: Error) -> BackendError {
    match error {
        Error::Http(response) => {
            let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let retry_after = retry_after.and_then(|value| crate::whip::pause(value, SystemTime::now()));
            BackendError::from_status(response.status().as_u16(), retry_after)
        }
        Error::Io(_)
        | Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::HandshakeIncomplete | ProtocolError::ResetWithoutClosingHandshake) => {
            BackendError::Closed
        }
        other => BackendError::NotSignalling(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_whom_to_connect_to() {
        let of = |text: &str| place(&Url::parse(text).expect("a URL"));
        assert_eq!(of("wss://a.example/x"), Ok(("a.example".into(), 443, true)));
        assert_eq!(of("ws://[::1]:9000/x?y"), Ok(("::1".into(), 9000, false)));
        assert_eq!(of("http://a.example/"), Err(BackendError::BadUrl));
    }

    #[test]
    fn a_strangers_words_are_short_and_of_one_line() {
        let BackendError::Refused { code, message, retry_after, .. } =
            told("a\nb".into(), "x".repeat(9999), false, Some(u32::MAX))
        else {
            panic!("another kind");
        };
        assert_eq!((code.as_str(), message.len(), retry_after), ("ab", 200, Some(MAX_RETRY_AFTER)));
    }
}
