//! A publisher by WebSocket, as `PROTOCOL.md` of the crate `signaling` describes: the other way to what WHIP opens.
//!
//! The WebSocket is the session's life: who closes it, or vanishes, has ended the session.

use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{ConnectInfo, Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use signaling::backend::{AnswererMessage, BackendIceServer, OffererMessage, SUBPROTOCOL, VERSION};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::access::Grant;
use super::reply::Problem;
use super::{From, Site};
use crate::relay::{Opening, Patched, Role, SessionId, Wish};

/// A browser's offer with every codec has 10 KB.
const LARGEST_MESSAGE: usize = 64 << 10;
/// Offerers ping every 15 s: two of them lost are no coincidence.
const SILENCE: Duration = Duration::from_secs(40);
/// From the upgrade to the first offer.
const FIRST_OFFER: Duration = Duration::from_secs(15);
/// A peer that takes nothing for this long is gone.
const WRITE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn publish(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path(stream): Path<String>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    let from = site.asker(from.ip(), &headers);
    site.authorize(Role::Publish, &stream, &headers, from).await?;
    if site.is_draining() {
        return Err(Problem::Draining);
    }
    let link = Link { site: Arc::downgrade(&site), stream, from, headers, session: None };
    Ok(upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(LARGEST_MESSAGE)
        .max_frame_size(LARGEST_MESSAGE)
        .on_upgrade(move |socket| link.serve(socket)))
}

/// An open session and the tag of its ICE session.
struct Session {
    id: SessionId,
    etag: String,
}

/// One publisher's WebSocket.
struct Link {
    /// Only as long as the server is there: a WebSocket must not keep it.
    site: Weak<Site>,
    stream: String,
    from: IpAddr,
    /// Those of the upgrade: the key is asked for with each new session, as it may have been withdrawn.
    headers: HeaderMap,
    session: Option<Session>,
}

/// Why it ends.
enum Over {
    /// The other side went.
    Gone,
    /// It is told, and closed.
    Told(AnswererMessage),
    /// The server stops, or the session ended by itself.
    Away,
}

impl Link {
    async fn serve(mut self, mut socket: WebSocket) {
        let over = self.talk(&mut socket).await;
        if let Over::Told(message) = &over {
            let _ = send(&mut socket, message).await;
        }
        let code = match over {
            Over::Gone => close_code::NORMAL,
            Over::Told(_) => close_code::POLICY,
            Over::Away => close_code::AWAY,
        };
        let close = Message::Close(Some(CloseFrame { code, reason: "".into() }));
        let _ = timeout(WRITE, socket.send(close)).await;
        self.end().await;
    }

    async fn talk(&mut self, socket: &mut WebSocket) -> Over {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (opened, mut heard) = (Instant::now(), Instant::now());
        loop {
            tokio::select! {
                message = socket.recv() => {
                    heard = Instant::now();
                    let answers = match message {
                        Some(Ok(Message::Text(text))) => match serde_json::from_str(text.as_str()) {
                            Ok(message) => self.answer(message).await,
                            Err(error) => Err(Over::Told(problem("bad_message", format!("it can't be read: {error}")))),
                        },
                        Some(Ok(Message::Binary(_))) => {
                            Err(Over::Told(problem("bad_message", "messages are text, not binary".into())))
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
                        Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Over::Gone),
                    };
                    match answers {
                        Ok(None) => {}
                        Ok(Some(answer)) => {
                            if !send(socket, &answer).await {
                                return Over::Gone;
                            }
                        }
                        Err(over) => return over,
                    }
                }
                _ = look.tick() => {
                    let idle = self.session.is_none() && opened.elapsed() >= FIRST_OFFER;
                    if idle || heard.elapsed() >= SILENCE {
                        return Over::Gone;
                    }
                    if self.site.upgrade().is_none_or(|site| !site.relay().is_running()) {
                        return Over::Away;
                    }
                }
            }
        }
    }

    async fn answer(&mut self, message: OffererMessage) -> Result<Option<AnswererMessage>, Over> {
        let site = self.site.upgrade().ok_or(Over::Away)?;
        let refused = |problem: Problem| Over::Told(problem.message());
        match message {
            OffererMessage::Hello { version: VERSION } => {
                let config = site.config();
                let ice_servers = config.rtc.ice_servers.iter().map(|server| BackendIceServer {
                    urls: server.urls.clone(),
                    username: server.username.clone(),
                    credential: server.credential.clone(),
                });
                let ice_servers = ice_servers.collect();
                Ok(Some(AnswererMessage::Hello { version: VERSION, ice_restart: true, ice_servers }))
            }
            OffererMessage::Hello { version } => {
                let text = format!("this server speaks version {VERSION}, not {version}");
                Err(Over::Told(problem("bad_version", text)))
            }
            OffererMessage::Offer { sdp, ice_restart: false } => {
                self.end().await;
                let role = Role::Publish;
                let grant: Grant =
                    site.authorize(role, &self.stream, &self.headers, self.from).await.map_err(refused)?;
                let session = SessionId::random();
                let key = site.admit(role, &self.stream, (&session, self.from), grant).await.map_err(refused)?;
                let wish = Wish::default();
                let opening =
                    Opening { role, stream: self.stream.clone(), session, from: self.from, key, offer: sdp, wish };
                let opened = site.relay().open(opening).await.map_err(|refusal| refused(Problem::Refused(refusal)))?;
                self.session = Some(Session { id: opened.session, etag: opened.etag });
                Ok(Some(AnswererMessage::Answer { sdp: opened.answer }))
            }
            OffererMessage::Offer { sdp, ice_restart: true } => {
                let Some(session) = &mut self.session else {
                    return Err(Over::Told(problem("no_such_session", "there is nothing to restart".into())));
                };
                let place = (Role::Publish, self.stream.clone(), session.id.clone());
                let patched = site.relay().patch(place, "*".to_owned(), sdp).await;
                match patched.map_err(|refusal| refused(Problem::Refused(refusal)))? {
                    Patched::Restarted { etag, answer, .. } => {
                        session.etag = etag;
                        Ok(Some(AnswererMessage::Answer { sdp: answer }))
                    }
                    Patched::Trickled => Ok(None),
                }
            }
            OffererMessage::Candidate { candidate } => {
                let line = candidate.get("candidate").and_then(|line| line.as_str()).unwrap_or_default();
                let Some(session) = self.session.as_ref().filter(|_| !line.is_empty()) else { return Ok(None) };
                let place = (Role::Publish, self.stream.clone(), session.id.clone());
                let fragment = format!("a={line}\r\n");
                // A session that is over is told by the media's end.
                let _ = site.relay().patch(place, session.etag.clone(), fragment).await;
                Ok(None)
            }
        }
    }

    /// Ends the session, if there is one.
    async fn end(&mut self) {
        if let (Some(session), Some(site)) = (self.session.take(), self.site.upgrade()) {
            let _ = site.relay().close((Role::Publish, self.stream.clone(), session.id)).await;
        }
    }
}

fn problem(code: &str, message: String) -> AnswererMessage {
    AnswererMessage::Error { code: code.to_owned(), message, is_final: true, retry_after: None }
}

async fn send(socket: &mut WebSocket, message: &AnswererMessage) -> bool {
    let Ok(text) = serde_json::to_string(message) else { return false };
    matches!(timeout(WRITE, socket.send(Message::Text(text.into()))).await, Ok(Ok(())))
}
