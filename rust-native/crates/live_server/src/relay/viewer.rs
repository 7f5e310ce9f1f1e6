//! One viewer: what it gets, and with which numbers.
//!
//! Nothing here waits for the viewer. Packets go into its session as they come; what it can't take is lost on the way
//! and asked for again from the session's own bounded history.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;
use str0m::Event;
use str0m::media::{MediaTime, Pt};
use str0m::rtp::{RtpWrite, Ssrc};

use super::connection::Connection;
use super::gop::GopCache;
use super::keyframes::ViewerBudget;
use super::negotiate::{self, Section};
use super::packet::{MediaPacket, Track};
use super::quality::{Chooser, Line};
use super::socket::Outbox;
use super::stamps::{STEP, Stamps};
use super::timeline::Rewriter;
use crate::ladder::{Quality, Rung};
use crate::relay::{Buffer, Wish};

/// A replay leaves in pieces of this many packets …
const PIECE: usize = 32;
/// … this far apart: 60 Mbit/s. All at once would overflow the player's socket buffer (208 KiB on Linux).
const PIECE_INTERVAL: Duration = Duration::from_millis(5);
/// What is sent is measured over so long, as players' reports come.
const MEASURED: Duration = Duration::from_secs(1);
/// The most that a player holds pictures back for where it decides: what browsers begin with, so that it takes back a "none"
/// (<http://www.webrtc.org/experiments/rtp-hdrext/playout-delay>; a player keeps what it was told last).
const LONGEST_BUFFER: MediaTime = MediaTime::from_secs(10);
/// Packets that may wait behind a replay; past it the viewer starts again at the next keyframe.
const MOST_WAITING: usize = 8192;

/// One outgoing track.
struct Out {
    section: Section,
    ssrc: Ssrc,
    repair: Option<Ssrc>,
    /// Whether the session knows of it yet: only from its first packet on (see [`negotiate::take_stream`]).
    declared: bool,
    payload_type: Pt,
    numbers: Rewriter,
    stamps: Stamps,
}

struct Waiting {
    packet: Arc<MediaPacket>,
    timestamp: u32,
    wallclock: Instant,
}

pub(super) struct Viewer {
    pub(super) connection: Connection,
    video: Option<Out>,
    audio: Option<Out>,
    /// Video that waits for its turn behind a replay.
    backlog: VecDeque<Waiting>,
    next_piece: Option<Instant>,
    wants_keyframe: bool,
    /// Its first picture has left.
    pictured: bool,
    pub(super) budget: ViewerBudget,
    /// What it asked for.
    pub(super) quality: Quality,
    /// What its player is told of buffering; `None`: nothing.
    pub(super) buffer: Option<Buffer>,
    /// What it is to get from that one's next keyframe on; `None` is the source.
    pub(super) target: Option<Rung>,
    /// What it gets.
    current: Option<Rung>,
    pub(super) chooser: Chooser,
    /// What is known of its line.
    pub(super) line: Line,
    /// Payload bytes since the line was looked at.
    sent: (u64, Instant),
}

impl Viewer {
    pub(super) fn new(
        mut connection: Connection,
        video: Option<Section>,
        audio: Option<Section>,
        Wish { quality, buffer }: Wish,
        now: Instant,
    ) -> Self {
        let mut random = rand::rng();
        let mut out = |section: Option<Section>| {
            let section = section?;
            let (ssrc, repair) = negotiate::take_stream(connection.rtc(), &section)?;
            // Random starts (RFC 3550 §5.1).
            let numbers = Rewriter::new(random.random(), random.random());
            let payload_type = section.payload_type;
            Some(Out { section, ssrc, repair, declared: false, payload_type, numbers, stamps: Stamps::default() })
        };
        let (video, audio) = (out(video), out(audio));
        Self {
            connection,
            video,
            audio,
            backlog: VecDeque::new(),
            next_piece: None,
            wants_keyframe: true,
            pictured: false,
            budget: ViewerBudget::new(now),
            quality,
            buffer,
            target: None,
            current: None,
            chooser: Chooser::default(),
            line: Line::default(),
            sent: (0, now),
        }
    }

    /// What it gets; `None` is the source.
    pub(super) fn current(&self) -> Option<Rung> {
        self.current
    }

    /// Whether it gets a rendition, or is to.
    pub(super) fn wants(&self, rung: Rung) -> bool {
        self.target == Some(rung) || self.current == Some(rung)
    }

    /// Whether it waits for a keyframe to change to another rendition at.
    pub(super) fn waits_to_switch(&self) -> bool {
        self.connection.is_connected() && self.video.is_some() && self.target != self.current
    }

    /// Measures what is sent to it, every now and then.
    pub(super) fn measure(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.sent.1);
        if elapsed >= MEASURED {
            self.line.sent = self.sent.0 as f64 * 8.0 / elapsed.as_secs_f64();
            self.sent = (0, now);
        }
    }

    /// After an ICE restart: str0m made streams anew for those that have sent nothing yet.
    pub(super) fn forget_new_streams(&mut self) {
        for out in [&self.video, &self.audio].into_iter().flatten().filter(|out| !out.declared) {
            negotiate::take_stream(self.connection.rtc(), &out.section);
        }
    }

    /// Whether it would show a picture if it got a keyframe.
    pub(super) fn waits_for_keyframe(&self) -> bool {
        self.connection.is_connected() && self.video.is_some() && self.wants_keyframe
    }

    /// The stream has another publisher now, or what it got is not made any more: the source's next keyframe comes next.
    pub(super) fn begin_anew(&mut self) {
        self.stop_video();
        self.current = None;
    }

    /// Which of its payload types says the stream's profile best.
    pub(super) fn set_profile(&mut self, profile: u32) {
        if let Some(out) = &mut self.video {
            out.payload_type = negotiate::payload_type_for(self.connection.rtc(), &out.section, profile);
        }
    }

    /// Starts video of a rendition at the head of its cache; its older pictures are squeezed together before the newest.
    pub(super) fn start_video(&mut self, rung: Option<Rung>, gop: &GopCache, profile: Option<u32>, now: Instant) {
        if let Some(profile) = profile {
            self.set_profile(profile);
        }
        let (Some(out), Some(packets)) = (&mut self.video, gop.packets()) else { return };
        self.current = rung;
        out.stamps.change();
        self.wants_keyframe = false;
        self.backlog.clear();
        let packets: Vec<&Arc<MediaPacket>> = packets.collect();
        let (Some(first), Some(last)) = (packets.first(), packets.last()) else { return };
        out.numbers.start_at(first.sequence);
        let mut pictures = 1;
        for pair in packets.windows(2) {
            pictures += u32::from(pair[0].timestamp != pair[1].timestamp);
        }
        let mut behind = pictures;
        let mut previous = None;
        for packet in &packets {
            if previous != Some(packet.timestamp) {
                previous = Some(packet.timestamp);
                behind -= 1;
            }
            // Never later than it was: pictures that are closer together than the step stay as they are.
            let natural = last.timestamp.wrapping_sub(packet.timestamp);
            let back = if natural <= STEP * behind { natural } else { STEP * behind };
            let moved = Duration::from_secs_f64(f64::from(back) / f64::from(Track::Video.clock_rate()));
            self.backlog.push_back(Waiting {
                packet: (*packet).clone(),
                timestamp: last.timestamp.wrapping_sub(back),
                wallclock: last.wallclock.checked_sub(moved).unwrap_or(last.wallclock),
            });
        }
        self.next_piece = Some(now);
    }

    /// Takes a packet of the live stream.
    pub(super) fn take(&mut self, packet: &Arc<MediaPacket>) {
        if !self.connection.is_connected() {
            return;
        }
        match packet.track {
            Track::Audio => {
                if let Some(out) = &mut self.audio {
                    if !out.numbers.is_started() {
                        out.numbers.start_at(packet.sequence);
                    }
                    self.sent.0 += packet.payload.len() as u64;
                    write(&mut self.connection, out, self.buffer, packet, packet.timestamp, packet.wallclock);
                }
            }
            Track::Video => {
                if self.wants_keyframe || packet.rung != self.current {
                    return;
                }
                self.sent.0 += packet.payload.len() as u64;
                if self.backlog.is_empty() {
                    if let Some(out) = &mut self.video {
                        write(&mut self.connection, out, self.buffer, packet, packet.timestamp, packet.wallclock);
                    }
                } else if self.backlog.len() >= MOST_WAITING {
                    self.stop_video();
                } else {
                    self.backlog.push_back(Waiting {
                        packet: packet.clone(),
                        timestamp: packet.timestamp,
                        wallclock: packet.wallclock,
                    });
                }
            }
        }
    }

    /// Sends what has been given to it, and the next piece of a replay if its time has come.
    pub(super) fn drive(&mut self, now: Instant, outbox: &mut Outbox<'_>, events: &mut Vec<Event>) {
        if self.next_piece.is_some_and(|at| at <= now) {
            for _ in 0..PIECE {
                let (Some(waiting), Some(out)) = (self.backlog.pop_front(), &mut self.video) else { break };
                write(&mut self.connection, out, self.buffer, &waiting.packet, waiting.timestamp, waiting.wallclock);
                if !self.pictured {
                    self.pictured = true;
                    outbox.joined(self.connection.age(now));
                }
            }
            self.next_piece = (!self.backlog.is_empty()).then_some(now + PIECE_INTERVAL);
        }
        self.connection.drive(now, outbox, events);
    }

    /// When [`Self::drive`] must be called next.
    pub(super) fn deadline(&self) -> Instant {
        let deadline = self.connection.deadline();
        self.next_piece.map_or(deadline, |piece| piece.min(deadline))
    }

    fn stop_video(&mut self) {
        self.backlog.clear();
        self.next_piece = None;
        self.wants_keyframe = true;
        if let Some(out) = &mut self.video {
            out.numbers.stop();
        }
    }
}

fn write(
    connection: &mut Connection,
    out: &mut Out,
    buffer: Option<Buffer>,
    packet: &MediaPacket,
    timestamp: u32,
    wallclock: Instant,
) {
    let (timestamp, wallclock) = if packet.track == Track::Video {
        let stamp = out.stamps.stamp(timestamp);
        let later = stamp.wrapping_sub(timestamp);
        (stamp, wallclock + Duration::from_secs_f64(f64::from(later) / f64::from(Track::Video.clock_rate())))
    } else {
        (timestamp, wallclock)
    };
    let Some((sequence, timestamp)) = out.numbers.rewrite(packet.sequence, timestamp) else { return };
    let mut api = connection.rtc().direct_api();
    if !out.declared {
        api.declare_stream_tx(out.ssrc, out.repair, out.section.mid, None);
        out.declared = true;
    }
    let Some(stream) = api.stream_tx(&out.ssrc) else { return };
    let mut extensions = packet.extensions.clone();
    if let Some(buffer) = buffer.filter(|_| packet.track == Track::Video) {
        let most = if buffer == Buffer::None { MediaTime::ZERO } else { LONGEST_BUFFER };
        extensions.play_delay_min = Some(MediaTime::ZERO);
        extensions.play_delay_max = Some(most);
    }
    let rtp = RtpWrite::new(out.payload_type, sequence.into(), timestamp, wallclock, packet.payload.clone())
        .marker(packet.marker)
        .ext_vals(extensions)
        .nackable(packet.track == Track::Video);
    stream.write_rtp(rtp);
}
