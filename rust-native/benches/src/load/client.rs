//! A WebRTC peer as far as both sides of the load have it in common: offer, answer, ICE, DTLS.

use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use super::http::post_offer;
use super::inbox::prepare;
use super::{Plan, Problem};

pub(super) struct Client {
    pub(super) rtc: Rtc,
    pub(super) socket: UdpSocket,
    address: SocketAddr,
    server: Option<SocketAddr>,
    pub(super) video: Mid,
    pub(super) connected: bool,
    pub(super) ended: bool,
    deadline: Instant,
}

/// Dynamic, ours to choose in an offer.
pub(super) const PAYLOAD_TYPE: u8 = 96;

impl Client {
    /// Offers one video track to that path.
    pub(super) fn open(plan: &Plan, path: &str, key: Option<&str>, direction: Direction) -> Result<Self, Problem> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        prepare(&socket)?;
        let address = socket.local_addr()?;
        let mut config = RtcConfig::new().set_rtp_mode(true).clear_codecs();
        config.codec_config().add_h264(PAYLOAD_TYPE.into(), Some((PAYLOAD_TYPE + 1).into()), true, 0x42_e01f);
        let mut rtc = config.build(Instant::now());
        rtc.add_local_candidate(Candidate::host(address, "udp")?);
        let mut changes = rtc.sdp_api();
        let video = changes.add_media(MediaKind::Video, direction, Some("load".to_owned()), None, None);
        let (offer, pending) = changes.apply().ok_or("nothing to offer")?;
        let answer = post_offer(&plan.server, path, key, &offer.to_sdp_string())?;
        rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer)?)?;
        let deadline = Instant::now();
        Ok(Self { rtc, socket, address, server: None, video, connected: false, ended: false, deadline })
    }

    /// Gives the peer a datagram of the server's.
    pub(super) fn take(&mut self, bytes: &[u8], each: impl FnMut(Event)) -> Result<(), Problem> {
        // Who asks first is us.
        let Some(source) = self.server else { return Ok(()) };
        let Ok(receive) = Receive::new(Protocol::Udp, source, self.address, bytes) else { return Ok(()) };
        self.rtc.handle_input(Input::Receive(Instant::now(), receive))?;
        self.drain(each)
    }

    /// Lets the peer's clocks run, where one is due.
    pub(super) fn tick(&mut self, each: impl FnMut(Event)) -> Result<(), Problem> {
        let now = Instant::now();
        if now < self.deadline {
            return Ok(());
        }
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain(each)
    }

    /// Sends what the peer has to send; `each` gets the events that are not about the connection.
    pub(super) fn drain(&mut self, mut each: impl FnMut(Event)) -> Result<(), Problem> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return Ok(());
                }
                Output::Transmit(transmit) => {
                    // All that is sent goes to the server's one socket, and all that comes is from there.
                    self.server = Some(transmit.destination);
                    // What the system has no room for is lost, as on any network.
                    let _ = self.socket.send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::Closed) => self.ended = true,
                Output::Event(event) => each(event),
            }
        }
    }
}
