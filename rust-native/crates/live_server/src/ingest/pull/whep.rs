//! A source that is watched by WHEP, as a player does: one str0m session on a socket of its own. Its packets become
//! access units, so that what was lost costs pictures up to the next keyframe and breaks none.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::MediaTime;
use publish::Failure;
use reqwest::Url;
use signaling::WhipSession;
use str0m::change::SdpAnswer;
use str0m::format::{Codec, FormatParams};
use str0m::media::{Direction, Frequency, KeyframeRequestKind, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::rtcp::Rtcp;
use str0m::rtp::{ExtensionValues, RawPacket};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use tokio::net::UdpSocket;
use tokio::time::sleep_until;

use super::run::{Pull, bad_address, failure, silent, taken_over};
use crate::chunks::{Next, Order, Pictures, RtpUnit, TrackClock};
use crate::ingest::desk::Desk;
use crate::ingest::unit::Unit;
use crate::relay::{MediaPacket, SourceClock, Track};

/// ICE and DTLS take a second on a bad day.
const SET_UP: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(10);
const REPORTS: Duration = Duration::from_secs(1);
/// Between two requests for a keyframe.
const WISH: Duration = Duration::from_millis(500);
/// How often what waits behind a gap is looked at.
const TICK: Duration = Duration::from_millis(20);
const LONGEST: usize = 2048;
const H264: [(u8, u8, u32); 3] = [(102, 103, 0x42_e0_1f), (106, 107, 0x4d_00_1f), (108, 109, 0x64_00_1f)];
const OPUS: u8 = 111;
/// The source's reports put its tracks on one clock; they come once a second. Without them, by arrival.
const REPORTS_COME: Duration = Duration::from_millis(2500);
/// Sound before the first picture is left out, so that both lines begin at the same word of the source's clock: its
/// first report may have been held up, and a line follows a better one slowly. Without pictures it begins after this.
const PICTURES_COME: Duration = Duration::from_secs(5);
/// Where the line of its stamps begins: what is a little earlier than the first is not below zero.
const ORIGIN: Duration = Duration::from_secs(3600);

pub(super) async fn run(pull: &Pull) -> Failure {
    match watch(pull).await {
        Ok(never) => match never {},
        Err(failure) => failure,
    }
}

/// The session on the source's server, which is told of the end.
struct Guest(Option<WhipSession>);

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some(session) = self.0.take() {
            tokio::spawn(async move {
                if let Err(error) = session.delete().await {
                    tracing::debug!(%error, "the source was not told of our end");
                }
            });
        }
    }
}

fn config() -> RtcConfig {
    let mut config = RtcConfig::new()
        .set_rtp_mode(true)
        .enable_raw_packets(true)
        .set_rtcp_report_interval_audio(REPORTS)
        .set_rtcp_report_interval_video(REPORTS)
        .clear_codecs();
    let codecs = config.codec_config();
    let format = FormatParams {
        min_p_time: Some(10),
        use_inband_fec: Some(true),
        stereo: Some(true),
        sprop_stereo: Some(true),
        ..FormatParams::default()
    };
    codecs.add_config(OPUS.into(), None, Codec::Opus, Frequency::FORTY_EIGHT_KHZ, Some(2), format);
    for (payload_type, repair, profile) in H264 {
        codecs.add_h264(payload_type.into(), Some(repair.into()), true, profile);
    }
    config
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    tracing::debug!(%error, "a source's session is broken off");
    Failure::bad_peer("WebRTC that can't be understood")
}

/// This machine's address towards the source, which is what the source can answer to.
async fn bind(endpoint: &Url) -> Result<(UdpSocket, SocketAddr), Failure> {
    let host = endpoint.host_str().ok_or_else(bad_address)?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = endpoint.port_or_known_default().unwrap_or(443);
    let lost = |error: std::io::Error| Failure::unreachable(&error);
    let mut found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await.map_err(lost)?.collect();
    found.sort_by_key(|address| !address.is_ipv4());
    let to = found.first().copied().ok_or_else(|| Failure::unreachable(&std::io::ErrorKind::NotFound.into()))?;
    let any: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 16], 0).into() };
    // Nothing is sent by this: the system only says which of its addresses it would take.
    let look = UdpSocket::bind(any).await.map_err(lost)?;
    look.connect(to).await.map_err(lost)?;
    let ip: IpAddr = look.local_addr().map_err(lost)?.ip();
    let socket = UdpSocket::bind((ip, 0)).await.map_err(lost)?;
    let address = socket.local_addr().map_err(lost)?;
    Ok((socket, address))
}

async fn watch(pull: &Pull) -> Result<std::convert::Infallible, Failure> {
    let address = pull.settings.url.expose().strip_prefix("whep+").unwrap_or_default();
    let endpoint = Url::parse(address).map_err(|_| bad_address())?;
    let (socket, local) = bind(&endpoint).await?;
    let mut rtc = config().build(Instant::now());
    rtc.add_local_candidate(Candidate::host(local, "udp").map_err(|error| broken(&error))?);
    let mut changes = rtc.sdp_api();
    let audio = changes.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
    let video = changes.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
    let (offer, pending) = changes.apply().ok_or_else(|| broken(&"no offer"))?;
    let session = signaling::whip::publish(&endpoint, pull.settings.key.as_ref(), &offer.to_sdp_string()).await?;
    let answer = session.answer.clone();
    let _guest = Guest(Some(session));
    let answer = SdpAnswer::from_sdp_string(&answer).map_err(|error| broken(&error))?;
    rtc.sdp_api().accept_answer(pending, answer).map_err(|error| broken(&error))?;
    let now = Instant::now();
    let mut source = Source {
        rtc,
        socket,
        local,
        video,
        audio,
        epoch: now,
        clock: SourceClock::new(true, true),
        orders: (Order::new(), Order::new()),
        pictures: Pictures::new(),
        lines: lines(),
        begun: None,
        shown: false,
        heard: now,
        connected: false,
        wished: None,
    };
    source.run(pull).await
}

struct Source {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    video: Mid,
    audio: Mid,
    epoch: Instant,
    clock: SourceClock,
    orders: (Order<MediaPacket>, Order<MediaPacket>),
    pictures: Pictures,
    lines: (TrackClock, TrackClock),
    /// The first packet of media.
    begun: Option<Instant>,
    /// A picture was given out.
    shown: bool,
    /// The last one.
    heard: Instant,
    connected: bool,
    wished: Option<Instant>,
}

impl Source {
    async fn run(&mut self, pull: &Pull) -> Result<std::convert::Infallible, Failure> {
        let mut desk: Option<Desk> = None;
        let (mut units, mut buffer) = (Vec::new(), [0; LONGEST]);
        loop {
            let due = self.drive().await?;
            self.take_in_order(Instant::now(), &mut units);
            for unit in units.drain(..) {
                let desk = match &mut desk {
                    Some(desk) => desk,
                    none => {
                        let desk = none.insert(Desk::new(pull.open(None).await?, &pull.hall).impatient());
                        pull.is_live();
                        desk
                    }
                };
                desk.take(unit).await.map_err(|_| taken_over())?;
            }
            let over = async {
                match &mut desk {
                    Some(desk) => desk.over().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => return Err(taken_over()),
                received = self.socket.recv_from(&mut buffer) => {
                    let Ok((length, from)) = received else { continue };
                    let datagram = &buffer[..length];
                    let Ok(receive) = Receive::new(Protocol::Udp, from, self.local, datagram) else { continue };
                    self.rtc.handle_input(Input::Receive(Instant::now(), receive)).map_err(|error| broken(&error))?;
                }
                () = sleep_until(due.into()) => {}
            }
        }
    }

    /// Sends what is due and takes in what has happened; says when to look again.
    async fn drive(&mut self) -> Result<Instant, Failure> {
        let now = Instant::now();
        let patience = if self.connected { SILENCE } else { SET_UP };
        if now.saturating_duration_since(self.heard) >= patience {
            return Err(if self.connected { silent() } else { no_media() });
        }
        let waits = self.connected && self.pictures.wait_for_keyframe();
        if waits && self.wished.is_none_or(|wished| now.saturating_duration_since(wished) >= WISH) {
            self.wished = Some(now);
            if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(self.video, None) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
        }
        self.rtc.handle_input(Input::Timeout(now)).map_err(|error| broken(&error))?;
        loop {
            match self.rtc.poll_output().map_err(|error| broken(&error))? {
                Output::Timeout(at) => return Ok(at.clamp(now, now + TICK)),
                Output::Transmit(transmit) => {
                    // A datagram that is lost here is lost as others are.
                    let _ = self.socket.send_to(&transmit.contents, transmit.destination).await;
                }
                Output::Event(event) => self.event(event)?,
            }
        }
    }

    fn event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Connected => self.connected = true,
            Event::Closed => return Err(Failure::connection_lost()),
            Event::RtpPacket(packet) => {
                let now = Instant::now();
                self.heard = now;
                self.begun.get_or_insert(now);
                let Some(track) = self.track_of(packet.header.ssrc) else { return Ok(()) };
                let sequence = *packet.seq_no;
                let packet = MediaPacket {
                    track,
                    rung: None,
                    sequence,
                    timestamp: packet.header.timestamp,
                    marker: packet.header.marker,
                    extensions: ExtensionValues::default(),
                    // Its arrival, until it is taken out in order.
                    wallclock: now,
                    synced: false,
                    payload: packet.payload,
                };
                match track {
                    Track::Video => self.orders.0.push(sequence, packet),
                    Track::Audio => self.orders.1.push(sequence, packet),
                }
            }
            Event::RawPacket(raw) => {
                if let RawPacket::RtcpRx(Rtcp::SenderReport(report)) = *raw {
                    let info = report.sender_info;
                    if let Some(track) = self.track_of(info.ssrc) {
                        self.clock.report(track, info.rtp_time.numer() as u32, info.ntp_time, Instant::now());
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn track_of(&mut self, ssrc: str0m::rtp::Ssrc) -> Option<Track> {
        let mid = self.rtc.direct_api().stream_rx(&ssrc)?.mid();
        if mid == self.video { Some(Track::Video) } else { (mid == self.audio).then_some(Track::Audio) }
    }

    fn take_in_order(&mut self, now: Instant, out: &mut Vec<Unit>) {
        let early = self.begun.is_none_or(|begun| now.saturating_duration_since(begun) < REPORTS_COME);
        if early && !self.clock.is_synced() {
            return;
        }
        let mut whole = Vec::new();
        while let Some(next) = self.orders.0.pop(now) {
            match next {
                Next::Item(packet) => {
                    let packet = self.timed(packet);
                    self.pictures.push(&packet, &mut whole);
                }
                Next::Gap => self.pictures.gap(),
            }
            for picture in whole.drain(..) {
                let sets = self.pictures.parameter_sets().filter(|_| picture.keyframe);
                let Some(pts) = self.stamp(Track::Video, &picture) else { continue };
                out.extend(sets.map(|sets| Unit::AvcSets(vec![sets.sps, sets.pps])));
                let units = nal_units(&picture.data);
                if !units.is_empty() {
                    self.shown = true;
                    out.push(Unit::Avc { dts: pts, pts, units });
                }
            }
        }
        let hold = !self.shown && self.begun.is_none_or(|begun| now.saturating_duration_since(begun) < PICTURES_COME);
        while let Some(next) = self.orders.1.pop(now) {
            let Next::Item(packet) = next else { continue };
            if hold {
                continue;
            }
            if let Some(sound) = RtpUnit::sound(&self.timed(packet))
                && let Some(pts) = self.stamp(Track::Audio, &sound)
            {
                out.push(Unit::Opus { pts, packet: sound.data });
            }
        }
    }

    /// With the moment that the source's reports say, if they do.
    fn timed(&mut self, mut packet: MediaPacket) -> MediaPacket {
        packet.wallclock = self.clock.moment(packet.track, packet.timestamp, packet.wallclock);
        packet.synced = self.clock.is_synced();
        packet
    }

    /// On a line that both tracks share; `None` where the source's clock has jumped.
    fn stamp(&mut self, track: Track, unit: &RtpUnit) -> Option<MediaTime> {
        let (after, before) = (
            unit.wallclock.saturating_duration_since(self.epoch),
            self.epoch.saturating_duration_since(unit.wallclock),
        );
        let wall = after.as_nanos() as i64 - before.as_nanos() as i64;
        let line = match track {
            Track::Video => &mut self.lines.0,
            Track::Audio => &mut self.lines.1,
        };
        let Some(at) = line.at(unit.timestamp, wall, unit.synced) else {
            self.lines = lines();
            self.pictures.gap();
            return None;
        };
        Some(MediaTime::from_nanos((ORIGIN.as_nanos() as u64).checked_add_signed(at)?))
    }
}

fn lines() -> (TrackClock, TrackClock) {
    let line = |track: Track| TrackClock::new(track.clock_rate()).relayed();
    (line(Track::Video), line(Track::Audio))
}

/// Of units behind their lengths of four bytes.
fn nal_units(data: &Bytes) -> Vec<Bytes> {
    let (mut units, mut at) = (Vec::new(), 0);
    while let Some(length) = data.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        let end = at + 4 + u32::from_be_bytes(*length) as usize;
        if end > data.len() || end == at + 4 {
            break;
        }
        units.push(data.slice(at + 4..end));
        at = end;
    }
    units
}

fn no_media() -> Failure {
    failure(
        "no_media_path",
        "the source's server took the session, but no media connection came about",
        "Check that UDP is open between this machine and the source.",
    )
}
