//! Our two links in the crate's interceptor chain: what leaves is counted at the wire, and sender reports are
//! written from the media clock.
//!
//! The crate's own sender reports take the moment a packet was *sent* for its timestamp's moment. Video waits
//! longer for its encoder than sound does, so two tracks reported that way drift apart at the receiver by that
//! difference. Ours map both from [`StreamClock`].

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{Clock, MonotonicClock, Track};
use rtc::interceptor::{Attribute, AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp;
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtcp::source_description::{SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem};
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use rtc::shared::error::Error;
use rtc::shared::marshal::MarshalSize;

use crate::congestion::Target;
use crate::layers::{MOST_LAYERS, Tags};
use crate::stats::Counters;
use crate::timing::StreamClock;

/// Nearest to the wire, below the crate's own `CongestionControl` (1000): only here every packet, repairs
/// included, passes at the moment it leaves.
pub(crate) const WIRE_SLOT: usize = 500;

/// Reports come fast at first, as a receiver aligns the tracks only once it has a report of each.
const FIRST_REPORTS: Duration = Duration::from_millis(250);
/// How many of those.
const FIRST_REPORT_COUNT: u32 = 8;
/// The pace after that: what browsers use for video.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The synchronisation sources of one peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources {
    /// Of each encoding of the picture, the highest first; the others are used where several are sent.
    pub(crate) layers: [Flow; MOST_LAYERS],
    pub(crate) audio: u32,
}

/// An encoding's packets, and those that are sent again in their place (RFC 4588).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    pub(crate) media: u32,
    pub(crate) repair: u32,
}

impl Sources {
    /// Whose packets have that number.
    pub(crate) fn layer(&self, ssrc: u32) -> Option<usize> {
        self.layers.iter().position(|flow| flow.media == ssrc)
    }

    /// Whose repairs have that number.
    pub(crate) fn repaired_by(&self, ssrc: u32) -> Option<usize> {
        self.layers.iter().position(|flow| flow.repair == ssrc)
    }
}

/// Packets that wait for the next link.
#[derive(Default)]
struct Belt {
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

/// Counts what leaves, and names the encoding of each packet where there are several: repairs are made below everybody
/// who could have named them before.
pub(crate) struct WireCounter {
    sources: Sources,
    counters: Arc<Counters>,
    /// Where there is a pacer: the rate it follows while the other side reports no arrivals, as the crate's own
    /// congestion control tells it nothing then.
    pace: Option<Target>,
    /// Set once the answer has taken several encodings.
    tags: Arc<OnceLock<Tags>>,
    belt: Belt,
}

impl WireCounter {
    pub(crate) fn new(
        sources: Sources,
        counters: Arc<Counters>,
        pace: Option<Target>,
        tags: Arc<OnceLock<Tags>>,
    ) -> Self {
        Self { sources, counters, pace, tags, belt: Belt::default() }
    }
}

/// Writes sender reports, reads receiver reports and keyframe requests.
pub(crate) struct Reporter {
    sources: Sources,
    clock: StreamClock,
    cname: Bytes,
    counters: Arc<Counters>,
    /// Packets and payload bytes of each track (RFC 3550, section 6.4.1).
    video: [(u32, u32); MOST_LAYERS],
    audio: (u32, u32),
    next: Option<Instant>,
    written: u32,
    belt: Belt,
}

impl Reporter {
    pub(crate) fn new(sources: Sources, clock: StreamClock, cname: String, counters: Arc<Counters>) -> Self {
        Self {
            sources,
            clock,
            cname: cname.into(),
            counters,
            video: [(0, 0); MOST_LAYERS],
            audio: (0, 0),
            next: None,
            written: 0,
            belt: Belt::default(),
        }
    }

    fn read(&self, packet: &dyn rtcp::Packet) {
        let packet = packet.as_any();
        if let Some(report) = packet.downcast_ref::<ReceiverReport>() {
            report.reports.iter().for_each(|report| self.read_report(report));
        } else if let Some(report) = packet.downcast_ref::<SenderReport>() {
            report.reports.iter().for_each(|report| self.read_report(report));
        } else if let Some(loss) = packet.downcast_ref::<PictureLossIndication>() {
            self.want_keyframe(loss.media_ssrc);
        } else if let Some(request) = packet.downcast_ref::<FullIntraRequest>() {
            request.fir.iter().for_each(|entry| self.want_keyframe(entry.ssrc));
        }
    }

    /// Of the encoding that was meant; a number that is none of ours stands for the highest.
    fn want_keyframe(&self, ssrc: u32) {
        self.counters.keyframe_requests.fetch_add(1, Ordering::Relaxed);
        self.counters.keyframe_wanted[self.sources.layer(ssrc).unwrap_or_default()].notify_one();
    }

    fn read_report(&self, report: &ReceptionReport) {
        let loss = f64::from(report.fraction_lost) / 256.0;
        let mut reports = self.counters.reports.lock();
        if let Some(layer) = self.sources.layer(report.ssrc) {
            reports.video_loss[layer] = Some(loss);
        } else if report.ssrc == self.sources.audio {
            reports.audio_loss = Some(loss);
        } else {
            return;
        }
        let now = MonotonicClock.now();
        if let Some(round_trip) = self.clock.round_trip(now, report.last_sender_report, report.delay) {
            reports.round_trip = Some(round_trip);
        }
    }

    fn report(&self, now: Instant, ssrc: u32, track: Track, (packets, octets): (u32, u32)) -> TaggedPacket {
        let at = MonotonicClock.now();
        let report = SenderReport {
            ssrc,
            ntp_time: self.clock.ntp(at),
            rtp_time: self.clock.rtp(track, at),
            packet_count: packets,
            octet_count: octets,
            ..Default::default()
        };
        let name = SourceDescription {
            chunks: vec![SourceDescriptionChunk {
                source: ssrc,
                items: vec![SourceDescriptionItem { sdes_type: SdesType::SdesCname, text: self.cname.clone() }],
            }],
        };
        TaggedPacket {
            now,
            transport: TransportContext::default(),
            message: AttributedPacket::new(Packet::Rtcp(vec![Box::new(report), Box::new(name)])),
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for WireCounter {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, mut msg: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(_) = &msg.message.packet {
            self.counters.heard.fetch_add(1, Ordering::Relaxed);
        }
        if let (Some(pace), Packet::Rtcp(_)) = (&self.pace, &msg.message.packet)
            && !self.counters.feedback_seen.load(Ordering::Relaxed)
        {
            msg.message.add(Attribute::TargetBitrateChanged { bits_per_second: pace.cap() });
        }
        self.belt.reads.push_back(msg);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.belt.reads.pop_front()
    }

    fn handle_write(&mut self, mut msg: TaggedPacket) -> Result<(), Error> {
        if let (Some(tags), Packet::Rtp(packet)) = (self.tags.get(), &mut msg.message.packet) {
            tags.put_on(packet);
        }
        if let Packet::Rtp(packet) = &msg.message.packet {
            self.counters.sent_packets.fetch_add(1, Ordering::Relaxed);
            self.counters.sent_bytes.fetch_add(packet.marshal_size() as u64, Ordering::Relaxed);
            if let Some(layer) = self.sources.layer(packet.header.ssrc) {
                self.counters.video_left[layer].store(u32::from(packet.header.sequence_number), Ordering::Relaxed);
            } else if self.sources.repaired_by(packet.header.ssrc).is_some() {
                self.counters.retransmitted.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.belt.writes.push_back(msg);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.belt.writes.pop_front()
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Reporter {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, msg: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &msg.message.packet {
            packets.iter().for_each(|packet| self.read(packet.as_ref()));
        }
        self.belt.reads.push_back(msg);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.belt.reads.pop_front()
    }

    fn handle_write(&mut self, msg: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtp(packet) = &msg.message.packet {
            let (packets, octets) = match self.sources.layer(packet.header.ssrc) {
                Some(layer) => &mut self.video[layer],
                None => &mut self.audio,
            };
            *packets = packets.wrapping_add(1);
            *octets = octets.wrapping_add(packet.payload.len() as u32);
            self.next.get_or_insert(msg.now + FIRST_REPORTS);
        }
        self.belt.writes.push_back(msg);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.belt.writes.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if self.next.is_none_or(|next| now < next) {
            return Ok(());
        }
        self.written += 1;
        self.next = Some(now + if self.written < FIRST_REPORT_COUNT { FIRST_REPORTS } else { REPORT_INTERVAL });
        let layers = self.sources.layers.iter().zip(self.video).map(|(flow, sent)| (flow.media, Track::Video, sent));
        let all: Vec<_> = layers.chain([(self.sources.audio, Track::Audio, self.audio)]).collect();
        for (ssrc, track, sent) in all {
            if sent.0 != 0 {
                let report = self.report(now, ssrc, track, sent);
                self.belt.writes.push_back(report);
            }
        }
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.next
    }
}

impl Interceptor for WireCounter {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

impl Interceptor for Reporter {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::MediaTime;
    use rtc::rtp;
    use std::time::SystemTime;

    const NONE: Flow = Flow { media: 90, repair: 91 };
    const SOURCES: Sources = Sources { layers: [Flow { media: 1, repair: 2 }, NONE, NONE], audio: 3 };

    fn rtp(ssrc: u32, sequence_number: u16, now: Instant) -> TaggedPacket {
        let header = rtp::Header { ssrc, sequence_number, ..Default::default() };
        let packet = rtp::Packet { header, payload: Bytes::from_static(&[0; 10]) };
        tagged(Packet::Rtp(packet), now)
    }

    fn tagged(packet: Packet, now: Instant) -> TaggedPacket {
        TaggedPacket { now, transport: TransportContext::default(), message: AttributedPacket::new(packet) }
    }

    fn reporter() -> (Reporter, Arc<Counters>, StreamClock) {
        let counters = Arc::new(Counters::default());
        let clock = StreamClock::new(MonotonicClock.now(), SystemTime::now(), 90, 48);
        (Reporter::new(SOURCES, clock, "name".into(), Arc::clone(&counters)), counters, clock)
    }

    #[test]
    fn both_tracks_are_reported_on_one_clock_whenever_they_were_sent() {
        let (mut reporter, _, clock) = reporter();
        let start = Instant::now();
        // Sound leaves 40 ms after the picture of the same moment: the reports must not show it.
        reporter.handle_write(rtp(1, 1, start)).expect("taken");
        reporter.handle_write(rtp(3, 1, start + Duration::from_millis(40))).expect("taken");
        while reporter.poll_write().is_some() {}
        let due = reporter.poll_timeout().expect("armed");
        reporter.handle_timeout(due).expect("fired");
        let mut written = Vec::new();
        while let Some(packet) = reporter.poll_write() {
            let Packet::Rtcp(packets) = packet.message.packet else { panic!("not RTCP") };
            written.push(packets[0].as_any().downcast_ref::<SenderReport>().expect("a report first").clone());
            assert!(packets[1].as_any().is::<SourceDescription>());
        }
        assert_eq!(written.len(), 2);
        let at = |ntp: u64| ntp.wrapping_sub(clock.ntp(MediaTime::ZERO)) as f64 / f64::from(u32::MAX);
        let video = written[0].rtp_time.wrapping_sub(clock.rtp(Track::Video, MediaTime::ZERO));
        let audio = written[1].rtp_time.wrapping_sub(clock.rtp(Track::Audio, MediaTime::ZERO));
        let off_by = |ntp, ticks: u32, rate: f64| {
            let expected = (at(ntp) * rate) % f64::from(u32::MAX);
            (expected - f64::from(ticks)).abs() / rate
        };
        assert!(off_by(written[0].ntp_time, video, 90_000.0) < 0.002);
        assert!(off_by(written[1].ntp_time, audio, 48_000.0) < 0.002);
        assert_eq!((written[0].packet_count, written[0].octet_count), (1, 10));
    }

    #[test]
    fn a_picture_loss_is_passed_on_and_a_report_is_read() {
        let (mut reporter, counters, clock) = reporter();
        let loss = PictureLossIndication { sender_ssrc: 9, media_ssrc: 1 };
        let report = ReceiverReport {
            ssrc: 9,
            reports: vec![ReceptionReport {
                ssrc: 1,
                fraction_lost: 64,
                last_sender_report: (clock.ntp(MonotonicClock.now()) >> 16) as u32,
                ..Default::default()
            }],
            ..Default::default()
        };
        let packets = Packet::Rtcp(vec![Box::new(report), Box::new(loss)]);
        reporter.handle_read(tagged(packets, Instant::now())).expect("taken");
        let stats = counters.snapshot();
        assert_eq!(stats.keyframe_requests, 1);
        assert_eq!(stats.loss, Some(0.25));
        assert!(stats.round_trip.expect("known") < Duration::from_secs(5));
        assert!(reporter.poll_read().is_some(), "the rest of the chain sees it too");
    }

    #[test]
    fn the_backlog_is_what_was_written_and_has_not_left() {
        let counters = Arc::new(Counters::default());
        let mut wire = WireCounter::new(SOURCES, Arc::clone(&counters), None, Arc::default());
        counters.video_written[0].store(3, Ordering::Relaxed);
        wire.handle_write(rtp(1, 65_534, Instant::now())).expect("taken");
        wire.handle_write(rtp(2, 1, Instant::now())).expect("taken");
        assert_eq!(counters.backlog(), 5);
        let stats = counters.snapshot();
        assert_eq!((stats.sent_packets, stats.retransmitted), (2, 1));
        assert_eq!(stats.sent_bytes, 44);
    }
}
