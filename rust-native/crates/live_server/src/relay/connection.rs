//! One peer's WebRTC session, driven by hand: datagrams and time in, datagrams and events out.
//!
//! A bug in parsing what a stranger sends must cost that stranger's session, not the server: a panic inside str0m is
//! caught here and ends the session.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use str0m::net::{Protocol, Receive};
use str0m::{Event, Input, Output, Rtc};

use super::SessionId;
use super::socket::Outbox;

/// A peer that isn't heard for this long is gone. Browsers check every 2.5 s and report every second; four checks lost
/// in a row are no coincidence.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// A publisher that isn't heard for this long is shown as interrupted: its reports come every second, its checks every
/// two or three.
pub(super) const HUSH: Duration = Duration::from_secs(4);
/// A session that hasn't connected by then won't: ICE and DTLS take a second on a bad day.
const SET_UP: Duration = Duration::from_secs(15);

/// Which way a datagram came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    pub(super) protocol: Protocol,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
}

impl Path {
    /// What str0m takes it for, if it is any of its protocols.
    fn receive<'a>(&self, datagram: &'a [u8]) -> Option<Receive<'a>> {
        Receive::new(self.protocol, self.source, self.destination, datagram).ok()
    }
}

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It said so (DELETE or DTLS close).
    Closed,
    /// It isn't heard any more.
    Silent,
    /// It never connected.
    NeverConnected,
    /// It sent what can't be.
    Broken,
}

pub(super) struct Connection {
    rtc: Rtc,
    pub(super) session: SessionId,
    /// The strong entity tag of the ICE session (RFC 9725 §4.3.1), without quotes.
    pub(super) etag: String,
    /// The offer, for an ICE restart.
    pub(super) offer: String,
    opened: Instant,
    heard: Instant,
    connected: bool,
    deadline: Instant,
    end: Option<End>,
}

impl Connection {
    pub(super) fn new(rtc: Rtc, session: SessionId, offer: String, now: Instant) -> Self {
        let etag = crate::auth::random_hex(8);
        Self { rtc, session, etag, offer, opened: now, heard: now, connected: false, deadline: now, end: None }
    }

    /// The session itself, for a change; [`Self::drive`] is due from then on.
    pub(super) fn rtc(&mut self) -> &mut Rtc {
        self.deadline = self.opened;
        &mut self.rtc
    }

    /// The user name fragment by which the peer's checks are known.
    pub(super) fn ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    /// How long ago its offer came.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.opened)
    }

    /// Whether it was heard a moment ago: media, reports or checks.
    pub(super) fn is_heard(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) < HUSH
    }

    /// Whether and why it is over.
    pub(super) fn end(&self) -> Option<End> {
        self.end
    }

    /// When [`Self::drive`] must be called next.
    pub(super) fn deadline(&self) -> Instant {
        let patience = if self.connected { self.heard + SILENCE } else { self.opened + SET_UP };
        self.deadline.min(patience)
    }

    /// Whether a datagram from an address that isn't known yet is the peer's, checked by its signature.
    pub(super) fn accepts(&self, now: Instant, path: Path, datagram: &[u8]) -> bool {
        path.receive(datagram).is_some_and(|receive| self.rtc.accepts(&Input::Receive(now, receive)))
    }

    /// Takes a datagram in; events are added to `events`.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &[u8],
        outbox: &mut Outbox<'_>,
        events: &mut Vec<Event>,
    ) {
        if self.end.is_some() {
            return;
        }
        let Some(receive) = path.receive(datagram) else { return };
        self.heard = now;
        self.guarded(|this| {
            this.rtc.handle_input(Input::Receive(now, receive))?;
            this.drain(outbox, events)
        });
    }

    /// Lets time pass: after every change, and when the deadline has come.
    pub(super) fn drive(&mut self, now: Instant, outbox: &mut Outbox<'_>, events: &mut Vec<Event>) {
        if self.end.is_some() {
            return;
        }
        if self.connected && now.saturating_duration_since(self.heard) >= SILENCE {
            self.end = Some(End::Silent);
            return;
        }
        if !self.connected && now.saturating_duration_since(self.opened) >= SET_UP {
            self.end = Some(End::NeverConnected);
            return;
        }
        self.guarded(|this| {
            this.rtc.handle_input(Input::Timeout(now))?;
            this.drain(outbox, events)
        });
    }

    /// Says goodbye: BYE and DTLS close leave at once.
    pub(super) fn close(&mut self, now: Instant, outbox: &mut Outbox<'_>) {
        if matches!(self.end, None | Some(End::Silent)) {
            self.end = None;
            self.guarded(|this| {
                this.rtc.close()?;
                this.rtc.handle_input(Input::Timeout(now))?;
                this.drain(outbox, &mut Vec::new())
            });
        }
        self.end.get_or_insert(End::Closed);
    }

    fn drain(&mut self, outbox: &mut Outbox<'_>, events: &mut Vec<Event>) -> Result<(), str0m::RtcError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    self.deadline = at;
                    return Ok(());
                }
                Output::Transmit(transmit) if transmit.proto == Protocol::Tcp => {
                    outbox.push_tcp(transmit.destination, &transmit.contents);
                }
                Output::Transmit(transmit) => outbox.push(transmit.source, transmit.destination, &transmit.contents),
                Output::Event(event) => {
                    match &event {
                        Event::Connected => self.connected = true,
                        Event::Closed => self.end = Some(End::Closed),
                        _ => {}
                    }
                    events.push(event);
                }
            }
        }
    }

    fn guarded(&mut self, work: impl FnOnce(&mut Self) -> Result<(), str0m::RtcError>) {
        match catch_unwind(AssertUnwindSafe(|| work(self))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::info!(%error, "a session is broken off");
                self.end = Some(End::Broken);
            }
            Err(_) => {
                tracing::error!("a session met a bug and is broken off");
                self.end = Some(End::Broken);
            }
        }
    }
}
