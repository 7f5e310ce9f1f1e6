//! A WebRTC receiver that shares no code with our peer: str0m, on a thread and a socket of its own.

#![allow(dead_code, unreachable_pub, reason = "each test crate uses a part of it")]

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use str0m::change::SdpOffer;
use str0m::media::{KeyframeRequestKind, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};
use tokio::sync::mpsc;

/// What it hears.
#[derive(Debug)]
pub enum Heard {
    Connected,
    Unit(Unit),
    /// A sender report: this RTP time of that track was at that wall-clock time.
    Report(MediaKind, SystemTime, u64),
    Gone,
}

/// One picture or sound, put together again.
#[derive(Debug, Clone)]
pub struct Unit {
    pub kind: MediaKind,
    /// RTP ticks, extended.
    pub ticks: u64,
    pub data: Arc<[u8]>,
    pub contiguous: bool,
    pub keyframe: bool,
}

pub struct Receiver {
    pub answer: String,
    pub heard: mpsc::UnboundedReceiver<Heard>,
    controls: Arc<Controls>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Controls {
    stop: AtomicBool,
    silent: AtomicBool,
    ask_keyframe: AtomicBool,
    /// One of so many video packets is thrown away; 0 for none.
    lose: AtomicU32,
    lost: AtomicU32,
}

impl Receiver {
    /// Answers the offer from a socket on `ip`.
    pub fn answer(offer: &str, ip: IpAddr) -> Self {
        let socket = UdpSocket::bind((ip, 0)).expect("a socket");
        let address = socket.local_addr().expect("its address");
        let mut rtc = Rtc::builder()
            .clear_codecs()
            .enable_h264(true)
            .enable_opus(true, false)
            .set_rtcp_report_interval_video(Duration::from_millis(200))
            .set_rtcp_report_interval_audio(Duration::from_millis(200))
            .build(Instant::now());
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("a candidate"));
        let offer = SdpOffer::from_sdp_string(offer).expect("an offer");
        let answer = rtc.sdp_api().accept_offer(offer).expect("an acceptable offer").to_sdp_string();
        let (to_test, heard) = mpsc::unbounded_channel();
        let controls = Arc::new(Controls::default());
        let thread = {
            let controls = Arc::clone(&controls);
            std::thread::spawn(move || run(rtc, &socket, address, &controls, &to_test))
        };
        Self { answer, heard, controls, thread: Some(thread) }
    }

    pub fn ask_keyframe(&self) {
        self.controls.ask_keyframe.store(true, Ordering::Relaxed);
    }

    /// From now on, throws away one of `n` video packets at their first transmission.
    pub fn lose_one_of(&self, n: u32) {
        self.controls.lose.store(n, Ordering::Relaxed);
    }

    pub fn lost(&self) -> u32 {
        self.controls.lost.load(Ordering::Relaxed)
    }

    /// Neither sends nor hears any more, as behind a cut cable.
    pub fn cut(&self) {
        self.controls.silent.store(true, Ordering::Relaxed);
    }

    /// The next thing heard; panics after half a minute.
    pub async fn next(&mut self) -> Heard {
        let heard = tokio::time::timeout(Duration::from_secs(30), self.heard.recv()).await;
        heard.expect("something is heard within half a minute").expect("the receiver runs")
    }

    pub async fn next_unit(&mut self, kind: MediaKind) -> Unit {
        loop {
            match self.next().await {
                Heard::Unit(unit) if unit.kind == kind => return unit,
                Heard::Gone => panic!("the receiver ended"),
                _ => {}
            }
        }
    }

    pub async fn until_connected(&mut self) {
        while !matches!(self.next().await, Heard::Connected) {}
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.controls.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(
    mut rtc: Rtc,
    socket: &UdpSocket,
    address: SocketAddr,
    controls: &Controls,
    heard: &mpsc::UnboundedSender<Heard>,
) {
    let mut buffer = vec![0; 2000];
    let mut tracks: Vec<(Mid, MediaKind)> = Vec::new();
    let mut dice = 0_u32;
    while !controls.stop.load(Ordering::Relaxed) {
        if controls.ask_keyframe.swap(false, Ordering::Relaxed) {
            let mid = tracks.iter().find(|(_, kind)| *kind == MediaKind::Video).expect("a video track").0;
            let mut writer = rtc.writer(mid).expect("its writer");
            writer.request_keyframe(None, KeyframeRequestKind::Pli).expect("a request");
        }
        let until = match rtc.poll_output().expect("output") {
            Output::Timeout(until) => until,
            Output::Transmit(packet) => {
                if !controls.silent.load(Ordering::Relaxed) {
                    let _ = socket.send_to(&packet.contents, packet.destination);
                }
                continue;
            }
            Output::Event(event) => {
                hear(event, &mut tracks, heard);
                continue;
            }
        };
        if !rtc.is_alive() {
            let _ = heard.send(Heard::Gone);
            return;
        }
        // Short, so that the test's wishes are seen.
        let wait = until.saturating_duration_since(Instant::now()).min(Duration::from_millis(20));
        if wait.is_zero() {
            rtc.handle_input(Input::Timeout(Instant::now())).expect("time");
            continue;
        }
        socket.set_read_timeout(Some(wait)).expect("a timeout");
        let input = match socket.recv_from(&mut buffer) {
            Ok(_) if controls.silent.load(Ordering::Relaxed) => continue,
            Ok((size, source)) => {
                if is_lost(&buffer[..size], controls, &mut dice) {
                    continue;
                }
                let Ok(contents) = buffer[..size].try_into() else { continue };
                Input::Receive(Instant::now(), Receive { proto: Protocol::Udp, source, destination: address, contents })
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Input::Timeout(Instant::now())
            }
            // A closed port on the other side.
            Err(_) => continue,
        };
        rtc.handle_input(input).expect("input");
    }
    rtc.disconnect();
    while let Ok(Output::Transmit(packet)) = rtc.poll_output() {
        let _ = socket.send_to(&packet.contents, packet.destination);
    }
}

/// H.264's payload type in our offers.
const VIDEO: u8 = 102;

fn is_lost(packet: &[u8], controls: &Controls, dice: &mut u32) -> bool {
    let one_of = controls.lose.load(Ordering::Relaxed);
    let is_rtp = matches!(packet.first(), Some(128..192));
    if one_of == 0 || !is_rtp || packet[1] & 0x7f != VIDEO {
        return false;
    }
    *dice = dice.wrapping_add(1);
    let lost = dice.is_multiple_of(one_of);
    controls.lost.fetch_add(u32::from(lost), Ordering::Relaxed);
    lost
}

fn hear(event: Event, tracks: &mut Vec<(Mid, MediaKind)>, heard: &mpsc::UnboundedSender<Heard>) {
    let kind = |tracks: &[(Mid, MediaKind)], mid| tracks.iter().find(|(other, _)| *other == mid).expect("a track").1;
    let message = match event {
        Event::Connected => Heard::Connected,
        Event::MediaAdded(added) => return tracks.push((added.mid, added.kind)),
        Event::MediaData(data) => Heard::Unit(Unit {
            kind: kind(tracks, data.mid),
            ticks: data.time.numer(),
            contiguous: data.contiguous,
            keyframe: data.is_keyframe(),
            data: data.data,
        }),
        Event::SenderFeedback(report) => {
            let info = report.sender_info;
            Heard::Report(kind(tracks, report.mid), info.ntp_time, info.rtp_time.numer())
        }
        _ => return,
    };
    let _ = heard.send(message);
}
