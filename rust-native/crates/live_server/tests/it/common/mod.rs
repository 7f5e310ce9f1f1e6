//! Peers for the tests: a publisher and viewers made of str0m, over real UDP on loopback, stepped by the test itself.
#![allow(unreachable_pub)]

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use live_server::{Config, LiveServer};
use media::Secret;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::{Codec, FormatParams};
use str0m::media::{Direction, Frequency, MediaKind, MediaTime, Mid, Pt, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::rtp::rtcp::Rtcp;
use str0m::rtp::{Extension, RawPacket, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

pub const KEY: &str = "publish-key-for-tests";
pub const TOKEN: &str = "view-token-for-tests";
pub const SDP: &str = "application/sdp";
pub const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// Generous: the machine may be busy with other builds.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub async fn server() -> LiveServer {
    LiveServer::start(config()).await.expect("the server starts")
}

pub fn config() -> Config {
    let anywhere = "127.0.0.1:0".parse().expect("an address");
    Config::with_stream(anywhere, "live", Secret::new(KEY), Some(Secret::new(TOKEN)))
}

pub fn url(server: &LiveServer, path: &str) -> String {
    format!("http://{}{path}", server.http_addr())
}

pub struct Sdp {
    pub text: String,
    pending: SdpPendingOffer,
}

/// One RTP packet that a viewer got.
#[derive(Debug, Clone)]
pub struct Got {
    pub video: bool,
    pub sequence: u64,
    pub timestamp: u32,
    pub marker: bool,
    /// The least and the most that a player is to hold it back.
    pub play_delay: Option<(MediaTime, MediaTime)>,
    pub payload: Vec<u8>,
}

/// A sender report that a viewer got.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    pub video: bool,
    pub at: SystemTime,
    pub timestamp: u32,
}

pub struct Peer {
    pub rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    video: Mid,
    audio: Mid,
    pub connected: bool,
    pub closed: bool,
    pub got: Vec<Got>,
    pub reports: Vec<Report>,
    pub keyframe_requests: Vec<Instant>,
    /// Of which encoding each was.
    pub requested: Vec<Option<Rid>>,
    pub answer: String,
    pub session: String,
    pub etag: String,
    /// A viewer that reads nothing.
    pub stuck: bool,
    /// Every so many media datagrams are lost on the way in and out.
    pub lose: Option<u32>,
    /// It keeps what it sent, and sends it again to who lost it.
    pub repairs: bool,
    media_datagrams: u32,
    video_ssrc: u32,
}

fn rtc_config() -> RtcConfig {
    let mut config = RtcConfig::new()
        .set_rtp_mode(true)
        .set_extension(5, Extension::PlayoutDelay)
        .enable_raw_packets(true)
        .set_rtcp_report_interval_audio(Duration::from_millis(200))
        .set_rtcp_report_interval_video(Duration::from_millis(200))
        .clear_codecs();
    let codecs = config.codec_config();
    codecs.add_config(
        111.into(),
        None,
        Codec::Opus,
        Frequency::FORTY_EIGHT_KHZ,
        Some(2),
        FormatParams { min_p_time: Some(10), use_inband_fec: Some(true), ..FormatParams::default() },
    );
    codecs.add_h264(96.into(), Some(97.into()), true, 0x42e01f);
    config
}

impl Peer {
    /// A peer and its offer.
    pub fn new(direction: Direction) -> (Self, Sdp) {
        Self::of_encodings(direction, &[])
    }

    /// The same, with a picture in several encodings of these names.
    fn of_encodings(direction: Direction, rids: &[&str]) -> (Self, Sdp) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_nonblocking(true).expect("a socket that doesn't wait");
        let address = socket.local_addr().expect("its address");
        let mut rtc = rtc_config().build(Instant::now());
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("a candidate"));
        let mut changes = rtc.sdp_api();
        let stream = || Some("stream".to_owned());
        let audio = changes.add_media(MediaKind::Audio, direction, stream(), None, None);
        let mut simulcast = Simulcast::new();
        rids.iter().for_each(|rid| simulcast.add_send_layer(SimulcastLayer::new(rid)));
        let simulcast = (!rids.is_empty()).then_some(simulcast);
        let video = changes.add_media(MediaKind::Video, direction, stream(), None, simulcast);
        let (offer, pending) = changes.apply().expect("an offer");
        let text = offer.to_sdp_string();
        let peer = Self {
            rtc,
            socket,
            address,
            video,
            audio,
            connected: false,
            closed: false,
            got: Vec::new(),
            reports: Vec::new(),
            keyframe_requests: Vec::new(),
            requested: Vec::new(),
            answer: String::new(),
            session: String::new(),
            etag: String::new(),
            stuck: false,
            lose: None,
            repairs: true,
            media_datagrams: 0,
            video_ssrc: 0,
        };
        (peer, Sdp { text, pending })
    }

    /// A peer that posted its offer and got an answer.
    async fn open(server: &LiveServer, path: &str, token: &str, direction: Direction) -> Self {
        Self::open_with(server, path, token, Self::new(direction)).await
    }

    async fn open_with(server: &LiveServer, path: &str, token: &str, (mut peer, sdp): (Self, Sdp)) -> Self {
        let response = post(server, path, Some(token), SDP, sdp.text.clone()).await;
        assert_eq!(response.status(), 201, "{path}");
        let header = |name: &str| response.headers()[name].to_str().expect("a header").to_owned();
        (peer.session, peer.etag) = (header("location"), header("etag"));
        let answer = response.text().await.expect("an answer");
        peer.accept(sdp, &answer);
        peer.answer = answer;
        peer
    }

    pub fn accept(&mut self, sdp: Sdp, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).expect("an answer that can be read");
        self.rtc.sdp_api().accept_answer(sdp.pending, answer).expect("an answer that can be used");
    }

    pub async fn publisher(server: &LiveServer) -> Self {
        Self::open(server, "/whip/live", KEY, Direction::SendOnly).await
    }

    /// A publisher of one picture in several encodings.
    pub async fn publisher_of(server: &LiveServer, rids: &[&str]) -> Self {
        Self::open_with(server, "/whip/live", KEY, Self::of_encodings(Direction::SendOnly, rids)).await
    }

    pub async fn viewer(server: &LiveServer) -> Self {
        Self::open(server, "/whep/live", TOKEN, Direction::RecvOnly).await
    }

    /// A viewer who asks for something in its address.
    pub async fn viewer_of(server: &LiveServer, query: &str) -> Self {
        Self::open(server, &format!("/whep/live?{query}"), TOKEN, Direction::RecvOnly).await
    }

    /// Says what the line carries, as a player does.
    pub fn estimate(&mut self, bits_per_second: u64) {
        let mid = self.video;
        let mut api = self.rtc.direct_api();
        let stream = api.stream_rx_by_mid(mid, None).expect("a stream");
        stream.request_remb(bits_per_second.into());
    }

    /// Reads what has come and sends what is due; never waits.
    pub fn step(&mut self) {
        let mut buffer = vec![0; 4096];
        while !self.stuck
            && let Ok((length, source)) = self.socket.recv_from(&mut buffer)
        {
            if self.is_lost(&buffer[..length]) {
                continue;
            }
            let Ok(receive) = Receive::new(Protocol::Udp, source, self.address, &buffer[..length]) else { continue };
            self.rtc.handle_input(Input::Receive(Instant::now(), receive)).expect("input is taken");
            self.drain();
        }
        self.rtc.handle_input(Input::Timeout(Instant::now())).expect("time is taken");
        self.drain();
    }

    /// RTP has version 2 and a payload type that isn't RTCP's (RFC 5761 §4).
    fn is_lost(&mut self, datagram: &[u8]) -> bool {
        let Some(every) = self.lose else { return false };
        let rtp = datagram[0] >> 6 == 2 && !(192..224).contains(&datagram[1]);
        self.media_datagrams += u32::from(rtp);
        rtp && self.media_datagrams.is_multiple_of(every)
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().expect("output") {
                Output::Timeout(_) => return,
                Output::Transmit(transmit) if self.is_lost(&transmit.contents) => {}
                Output::Transmit(transmit) => {
                    let _ = self.socket.send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::Closed) => self.closed = true,
                Output::Event(Event::KeyframeRequest(request)) => {
                    self.keyframe_requests.push(Instant::now());
                    self.requested.push(request.rid);
                }
                Output::Event(Event::RtpPacket(packet)) => self.take(packet),
                Output::Event(Event::RawPacket(raw)) => {
                    if let RawPacket::RtcpRx(Rtcp::SenderReport(report)) = *raw {
                        let video = *report.sender_info.ssrc == self.video_ssrc;
                        let info = report.sender_info;
                        self.reports.push(Report { video, at: info.ntp_time, timestamp: info.rtp_time.numer() as u32 });
                    }
                }
                Output::Event(_) => {}
            }
        }
    }

    fn take(&mut self, packet: RtpPacket) {
        let mid = self.rtc.direct_api().stream_rx(&packet.header.ssrc).expect("a known stream").mid();
        if mid == self.video {
            self.video_ssrc = *packet.header.ssrc;
        }
        self.got.push(Got {
            video: mid == self.video,
            sequence: *packet.seq_no,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            play_delay: packet.header.ext_vals.play_delay_min.zip(packet.header.ext_vals.play_delay_max),
            payload: packet.payload.to_vec(),
        });
    }

    /// Sends one packet.
    pub fn send(
        &mut self,
        video: bool,
        sequence: u64,
        timestamp: u32,
        marker: bool,
        payload: &[u8],
        wallclock: Instant,
    ) {
        let payload_type: Pt = if video { 96.into() } else { 111.into() };
        let rtp = RtpWrite::new(payload_type, sequence.into(), timestamp, wallclock, payload);
        self.write(video, None, rtp.marker(marker).nackable(video && self.repairs));
    }

    /// Sends one packet of an encoding.
    pub fn write(&mut self, video: bool, encoding: Option<Rid>, rtp: RtpWrite) {
        let mid = if video { self.video } else { self.audio };
        let mut api = self.rtc.direct_api();
        api.stream_tx_by_mid(mid, encoding).expect("a stream").write_rtp(rtp);
        self.rtc.handle_input(Input::Timeout(Instant::now())).expect("time is taken");
        self.drain();
    }

    /// Asks for a keyframe, as a player does that has lost something.
    pub fn ask_for_keyframe(&mut self) {
        let mid = self.video;
        let mut api = self.rtc.direct_api();
        let stream = api.stream_rx_by_mid(mid, None).expect("a stream");
        stream.request_keyframe(str0m::media::KeyframeRequestKind::Pli);
    }

    pub fn close(&mut self) {
        self.rtc.close().expect("closed");
        self.drain();
    }

    pub fn video(&self) -> Vec<&Got> {
        self.got.iter().filter(|got| got.video).collect()
    }
}

pub async fn post(
    server: &LiveServer,
    path: &str,
    token: Option<&str>,
    kind: &str,
    body: impl Into<String>,
) -> reqwest::Response {
    let request = reqwest::Client::new().post(url(server, path)).header("Content-Type", kind).body(body.into());
    let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
    request.send().await.expect("an answer")
}

/// Steps the peers until the condition holds.
pub fn until(peers: &mut [&mut Peer], what: &str, mut holds: impl FnMut(&mut [&mut Peer]) -> bool) {
    let end = Instant::now() + PATIENCE;
    loop {
        peers.iter_mut().for_each(|peer| peer.step());
        if holds(peers) {
            return;
        }
        assert!(Instant::now() < end, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Makes access units with numbers in them, and sends them on one clock with sound beside.
pub struct Source {
    sequence: u64,
    audio_sequence: u64,
    pub frames: u32,
    pub sent: Vec<Vec<u8>>,
}

/// 30 pictures a second.
pub const FRAME: u32 = 3000;

impl Source {
    pub fn new(first_sequence: u64) -> Self {
        let (frames, sent) = (0, Vec::new());
        Self { sequence: first_sequence, audio_sequence: first_sequence + 7, frames, sent }
    }

    /// One picture of three packets (a keyframe begins with its parameter sets) and one packet of sound.
    pub fn frame(&mut self, peer: &mut Peer, keyframe: bool) {
        let number = self.frames.to_be_bytes();
        let mut packets: Vec<Vec<u8>> = Vec::new();
        if keyframe {
            let sps: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xf6, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04];
            let mut sets = vec![24, 0, sps.len() as u8];
            sets.extend(sps);
            sets.extend([0, 8, 0x68, 0xce, 0x3c, 0x80]);
            sets.extend(number);
            packets.push(sets);
            packets.push([&[0x7c, 0x85], &number[..], &[7; 900]].concat());
            packets.push([&[0x7c, 0x45], &number[..], &[8; 500]].concat());
        } else {
            packets.push([&[0x7c, 0x81], &number[..], &[1; 900]].concat());
            packets.push([&[0x7c, 0x01], &number[..], &[2; 900]].concat());
            packets.push([&[0x7c, 0x41], &number[..], &[3; 77]].concat());
        }
        let timestamp = 1_000_000u32.wrapping_add(self.frames * FRAME);
        let last = packets.len() - 1;
        for (index, payload) in packets.into_iter().enumerate() {
            peer.send(true, self.sequence, timestamp, index == last, &payload, Instant::now());
            self.sequence += 1;
            self.sent.push(payload);
        }
        let sound = [&[0xfc], &number[..], &[9; 40]].concat();
        peer.send(
            false,
            self.audio_sequence,
            5_000_000u32.wrapping_add(self.frames * 1600),
            false,
            &sound,
            Instant::now(),
        );
        self.audio_sequence += 1;
        self.frames += 1;
    }

    /// Sends frames in real time until the condition holds; a keyframe first, then one whenever it is asked for.
    pub fn run(&mut self, peers: &mut [&mut Peer], what: &str, mut holds: impl FnMut(&mut [&mut Peer]) -> bool) {
        let end = Instant::now() + PATIENCE;
        let mut next = Instant::now();
        let mut asked = peers[0].keyframe_requests.len();
        loop {
            peers.iter_mut().for_each(|peer| peer.step());
            if holds(peers) {
                return;
            }
            if Instant::now() >= next {
                let now_asked = peers[0].keyframe_requests.len();
                let keyframe = self.frames == 0 || now_asked > asked;
                asked = now_asked;
                self.frame(peers[0], keyframe);
                next = Instant::now() + Duration::from_millis(33);
            }
            assert!(Instant::now() < end, "waited too long: {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
