//! RTP to one address: H.264 and Opus on two ports, reports on the port above each, and the description that players
//! open. Nobody answers: what is known of the receiver is what it reports, and that its port is not closed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use media::h264::ParameterSets;
use media::{AccessUnit, Bitrate, Clock, MonotonicClock, Track};
use stream::{LagPolicy, Lanes};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::destination::{Context, End, PublishStatus, until_stopped};
use crate::failure::Failure;
use crate::health::Gauges;
use crate::udp::{Outlet, bind_for, resolve};

mod packet;
mod rtcp;
mod sdp;

use packet::Packetizer;
use rtcp::WallClock;

/// Units that may wait: a second and a half of 60 pictures and 50 sounds. There is no one to wait for but the system.
const QUEUE: usize = 160;
/// A player that joins puts sound and picture in step at the second report. Five seconds is the standard's rule for
/// groups of unknown size, which may be divided for a stream of some bits (RFC 3550, section 6.2).
const REPORT: Duration = Duration::from_secs(1);
/// Packets that leave at once. A receiver's buffer is often 200 KB: a large picture at full speed fills it.
const BURST: usize = 16;
/// A large picture's pauses take no longer than these together.
const MOST_PAUSES: usize = 8;
const PAUSE: Duration = Duration::from_millis(1);
/// The longest report that is read whole.
const LONGEST_REPORT: usize = 1500;

/// Where to, and where players find out.
#[derive(Debug, Clone)]
pub(crate) struct RtpLink {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) sdp_file: Option<PathBuf>,
    pub(crate) bitrate: Bitrate,
}

/// One session to be.
pub(crate) struct Session<'a> {
    pub(crate) context: &'a Context,
    pub(crate) link: &'a RtpLink,
    /// The stream was live before.
    pub(crate) resumed: bool,
}

/// One track on its way.
struct Lane {
    packets: Packetizer,
    outlet: Outlet,
    reports: UdpSocket,
    /// Where reports go.
    to: SocketAddr,
}

struct Open {
    video: Lane,
    audio: Lane,
    clock: WallClock,
    name: String,
    description: Description,
}

/// What was described last.
struct Description {
    session: u64,
    version: u64,
    sets: Option<ParameterSets>,
}

impl Session<'_> {
    /// Runs to its end; also since when it was live, if it was.
    pub(crate) async fn run(self, stopped: &mut watch::Receiver<bool>) -> (End, Option<Instant>) {
        let gauges = self.context.shared.begin();
        let mut live_since = None;
        let opened = tokio::select! {
            () = until_stopped(stopped) => return (End::Stopped, None),
            opened = Open::open(self.link) => opened,
        };
        let outcome = match opened {
            Ok(mut open) => {
                let sent = self.send(&mut open, &gauges, &mut live_since, stopped).await;
                open.goodbye().await;
                sent
            }
            Err(failure) => Err(failure),
        };
        (outcome.map_or_else(End::Failed, |()| End::Stopped), live_since)
    }

    async fn send(
        &self,
        open: &mut Open,
        gauges: &Gauges,
        live_since: &mut Option<Instant>,
        stopped: &mut watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let mut units = self.context.hub.subscribe_to(Lanes::WEBRTC, QUEUE, LagPolicy::SkipToKeyframe);
        (self.context.request_keyframe)();
        let mut report = interval(REPORT);
        report.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut of_video, mut of_audio) = ([0; LONGEST_REPORT], [0; LONGEST_REPORT]);
        let mut packets = Vec::new();
        let mut begun = false;
        loop {
            let Open { video, audio, .. } = open;
            tokio::select! {
                () = until_stopped(stopped) => return Ok(()),
                settled = video.outlet.settled() => {
                    settled?;
                    *live_since = Some(Instant::now());
                    (self.context.on_status)(PublishStatus::Live { resumed: self.resumed });
                }
                _ = report.tick(), if begun => open.report().await,
                read = video.reports.recv_from(&mut of_video) => open.heard(read.ok().map(|(n, _)| &of_video[..n]), gauges),
                read = audio.reports.recv_from(&mut of_audio) => open.heard(read.ok().map(|(n, _)| &of_audio[..n]), gauges),
                unit = units.recv() => {
                    // The producer goes with the engine: whoever owns this destination stops it then.
                    let Ok(unit) = unit else { return Err(Failure::connection_lost()) };
                    // Sound before the first picture would make players wait for a picture that is long gone.
                    begun |= unit.track == Track::Video;
                    if !begun {
                        continue;
                    }
                    open.describe(&unit, self.link).await?;
                    packets.clear();
                    let bytes = open.send(&unit, &mut packets).await?;
                    gauges.sent(unit.pts, bytes, units.stats());
                }
            }
        }
    }
}

impl Open {
    async fn open(link: &RtpLink) -> Result<Self, Failure> {
        let unreachable = |error: std::io::Error| Failure::unreachable(&error);
        let to = resolve(&link.host, link.port).await.map_err(unreachable)?;
        let lane = async |above: u16, kind, rate| {
            let at = |above: u16| SocketAddr::new(to.ip(), link.port + above);
            let outlet = Outlet::open(at(above)).await?;
            Ok::<_, std::io::Error>(Lane {
                packets: Packetizer::new(kind, rate),
                // A packet of sound may be longer than one of a picture, and is alone.
                outlet: if kind == sdp::VIDEO_TYPE { outlet.in_runs_of(packet::LONGEST) } else { outlet },
                reports: bind_for(to).await?,
                to: at(above + 1),
            })
        };
        Ok(Self {
            video: lane(0, sdp::VIDEO_TYPE, container_rate(Track::Video)).await.map_err(unreachable)?,
            audio: lane(2, sdp::AUDIO_TYPE, container_rate(Track::Audio)).await.map_err(unreachable)?,
            clock: WallClock::read(MonotonicClock.now()),
            // Says nothing of the machine or its user (RFC 7022, section 4.2).
            name: format!("{:016x}", rand::random::<u64>()),
            description: Description { session: rand::random::<u32>().into(), version: 0, sets: None },
        })
    }

    /// Writes the description where it says something new.
    async fn describe(&mut self, unit: &AccessUnit, link: &RtpLink) -> Result<(), Failure> {
        if unit.track != Track::Video || !unit.keyframe {
            return Ok(());
        }
        let Some(sets) = ParameterSets::find(&unit.payload) else { return Ok(()) };
        if self.description.sets.as_ref() == Some(&sets) {
            return Ok(());
        }
        self.description.version += 1;
        if let Some(file) = link.sdp_file.clone() {
            let address = |address: std::io::Result<SocketAddr>| address.map_err(|_| Failure::connection_lost());
            let text = sdp::Description {
                to: address(self.video.outlet.socket.peer_addr())?,
                from: address(self.video.outlet.socket.local_addr())?.ip(),
                session: self.description.session,
                version: self.description.version,
                bitrate: link.bitrate,
                sets: &sets,
            }
            .text();
            let saved = tokio::task::spawn_blocking(move || sdp::save(&file, &text)).await;
            saved.map_err(|_| Failure::connection_lost())?.map_err(|error| not_described(&error))?;
        }
        self.description.sets = Some(sets);
        Ok(())
    }

    /// How many bytes it was.
    async fn send(&mut self, unit: &AccessUnit, packets: &mut Vec<Bytes>) -> Result<usize, Failure> {
        let is_video = unit.track == Track::Video;
        let lane = if is_video { &mut self.video } else { &mut self.audio };
        lane.packets.write(unit, packets);
        let burst = BURST.max(packets.len().div_ceil(MOST_PAUSES));
        for (at, together) in packets.chunks(burst).enumerate() {
            if at > 0 {
                sleep(PAUSE).await;
            }
            match lane.outlet.send_all(together.iter().map(|packet| &packet[..])).await {
                // Who opened the picture's port only wants no sound.
                Err(failure) if is_video || failure.code != Failure::nobody_listens().code => return Err(failure),
                _ => {}
            }
        }
        Ok(packets.iter().map(Bytes::len).sum())
    }

    async fn report(&self) {
        let now = MonotonicClock.now();
        for lane in [&self.video, &self.audio] {
            let report = rtcp::sender_report(&lane.packets, &self.clock, now, &self.name);
            let _ = lane.reports.send_to(&report, lane.to).await;
        }
    }

    async fn goodbye(&self) {
        let now = MonotonicClock.now();
        for lane in [&self.video, &self.audio] {
            let report = rtcp::goodbye(&lane.packets, &self.clock, now, &self.name);
            let _ = lane.reports.send_to(&report, lane.to).await;
        }
    }

    /// Takes a receiver's report, from wherever it comes: groups have many. One that names no track of ours is none.
    fn heard(&self, packet: Option<&[u8]>, gauges: &Gauges) {
        let Some(packet) = packet else { return };
        for report in rtcp::receptions(packet, &self.clock, MonotonicClock.now()) {
            if [self.video.packets.ssrc, self.audio.packets.ssrc].contains(&report.ssrc) {
                gauges.path(report.round_trip.or(gauges.read().round_trip), Some(report.loss));
            }
        }
    }
}

/// Ticks a second (RFC 6184 and RFC 7587, section 4.1).
fn container_rate(track: Track) -> u32 {
    match track {
        Track::Video | Track::Hevc | Track::Av1 => 90_000,
        Track::Audio | Track::Aac | Track::Input(_) => 48_000,
    }
}

fn not_described(error: &std::io::Error) -> Failure {
    Failure {
        is_final: true,
        ..Failure::new(
            "sdp_not_written",
            format!("the description for players could not be written: {}", error.kind()),
            "Choose another file for the description, in a folder that you may write to.",
        )
    }
}

/// The name is known and a port can be opened; more can't be asked without sending.
pub(crate) async fn test(link: &RtpLink) -> Result<(), Failure> {
    Open::open(link).await.map(drop)
}
