//! One stream: who publishes it, who watches, and the way of a packet from the one to the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use media::Size;
use str0m::Event;
use str0m::rtp::RtpPacket;

use super::SessionId;
use super::fed::FedPublisher;
use super::gop::{GopCache, Pushed, Sounds};
use super::h264;
use super::keyframes::KeyframeGate;
use super::layers::Layers;
use super::meter::Meter;
use super::packet::{MediaPacket, Track};
use super::publisher::{Publisher, end_to_end};
use super::socket::Outbox;
use super::timeline::Timeline;
use super::viewer::Viewer;
use crate::chunks::Outlet;
use crate::config::{PublishingSettings, SecondPublisher, TranscodingSettings};
use crate::figures::{Figures, Totals};

mod fed;
mod ladder;
mod lanes;
mod layers;
mod life;
mod pack;
mod viewers;

pub(crate) use lanes::USUAL_RATE;
pub(super) use lanes::Workshop;

/// Names a peer inside the shard.
pub(super) type PeerId = u64;

/// What a stream does when a publisher goes or another comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Manners {
    /// How long viewers are kept when the publisher is gone.
    pub(super) grace: Duration,
    /// Whether a second publisher is sent away while the first is heard.
    pub(super) first_stays: bool,
}

impl Manners {
    pub(super) fn new(settings: &PublishingSettings) -> Self {
        Self { grace: settings.grace(), first_stays: settings.second_publisher == SecondPublisher::Refuse }
    }
}

pub(super) struct Stream {
    name: String,
    manners: Manners,
    /// The configuration knows it no more.
    retired: bool,
    /// The one whose packets are sent on.
    live: Option<PeerId>,
    publishers: HashMap<PeerId, Publisher>,
    /// Those that this program speaks for.
    fed: HashMap<PeerId, FedPublisher>,
    viewers: HashMap<PeerId, Viewer>,
    video: Timeline,
    audio: Timeline,
    gop: GopCache,
    sounds: Sounds,
    gate: KeyframeGate,
    meter: Meter,
    /// Where packets go to become files, while somebody wants them so.
    outlet: Option<Outlet>,
    /// It has been told of the present publisher.
    announced: bool,
    /// The packets of this turn of the loop.
    batch: Vec<Arc<MediaPacket>>,
    keyframe_in_batch: bool,
    since: Option<SystemTime>,
    lost: Option<Instant>,
    last_frame: Option<u32>,
    size: Option<Size>,
    profile: Option<u32>,
    has: (bool, bool),
    /// Its renditions.
    ladder: lanes::Ladder,
    /// The publisher's encodings of one picture, where it sends several.
    layers: Option<Layers>,
    /// Something that the figures show has changed.
    pub(super) changed: bool,
}

impl Stream {
    pub(super) fn new(
        name: &str,
        manners: Manners,
        (settings, workshop): (&TranscodingSettings, &Workshop),
        now: Instant,
    ) -> Self {
        Self {
            name: name.to_owned(),
            manners,
            retired: false,
            live: None,
            publishers: HashMap::new(),
            fed: HashMap::new(),
            viewers: HashMap::new(),
            video: Timeline::new(Track::Video.clock_rate()),
            audio: Timeline::new(Track::Audio.clock_rate()),
            gop: GopCache::default(),
            sounds: Sounds::default(),
            gate: KeyframeGate::default(),
            meter: Meter::new(now),
            outlet: None,
            announced: false,
            batch: Vec::new(),
            keyframe_in_batch: false,
            since: None,
            lost: None,
            last_frame: None,
            size: None,
            profile: None,
            has: (false, false),
            ladder: lanes::Ladder::new(name, settings, workshop.clone(), now),
            layers: None,
            changed: true,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The configuration (still) knows it.
    pub(super) fn revive(&mut self, manners: Manners) {
        (self.manners, self.retired) = (manners, false);
    }

    /// The configuration knows it no more: nobody new comes, and who is here stays.
    pub(super) fn retire(&mut self) {
        self.retired = true;
    }

    /// Whether it can be forgotten.
    pub(super) fn is_over(&self) -> bool {
        self.retired && self.publishers.is_empty() && self.fed.is_empty() && self.viewers.is_empty()
    }

    /// Whether media is arriving.
    pub(super) fn is_live(&self) -> bool {
        self.live.is_some() && self.since.is_some()
    }

    /// Whether viewers may be given another quality than the source.
    pub(super) fn has_qualities(&self) -> bool {
        self.ladder.is_configured() || self.layers.is_some()
    }

    pub(super) fn viewer_count(&self) -> usize {
        self.viewers.len()
    }

    pub(super) fn publisher_count(&self) -> usize {
        self.publishers.len() + self.fed.len()
    }

    pub(super) fn add_publisher(&mut self, peer: PeerId, publisher: Publisher) {
        self.publishers.insert(peer, publisher);
    }

    pub(super) fn publisher(&mut self, peer: PeerId) -> Option<&mut Publisher> {
        self.publishers.get_mut(&peer)
    }

    pub(super) fn viewer(&mut self, peer: PeerId) -> Option<&mut Viewer> {
        self.viewers.get_mut(&peer)
    }

    /// What a publisher's session said.
    pub(super) fn publisher_events(&mut self, peer: PeerId, events: &mut Vec<Event>, now: Instant, figures: &Figures) {
        for event in events.drain(..) {
            match event {
                Event::Connected => self.switch_to(peer, now),
                Event::RtpPacket(packet) if self.live == Some(peer) => self.packet(peer, packet, now, figures),
                Event::SenderFeedback(report) => self.sender_report(peer, &report),
                Event::PeerStats(stats) => {
                    if let Some(publisher) = self.publishers.get_mut(&peer) {
                        publisher.round_trip =
                            stats.selected_candidate_pair.and_then(|pair| pair.current_round_trip_time);
                    }
                }
                Event::MediaIngressStats(stats) => {
                    if let Some(publisher) = self.publishers.get_mut(&peer)
                        && publisher.track_of(stats.mid) == Some(Track::Video)
                        && (stats.rid.is_none() || stats.rid == self.layers.as_ref().and_then(Layers::source_rid))
                    {
                        publisher.loss = stats.loss;
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether a publisher is heard that is not to be replaced: a silent one may be a program that was killed, whose
    /// next run knocks at the door.
    pub(super) fn is_taken(&self, now: Instant) -> bool {
        let Some(live) = self.live.filter(|_| self.manners.first_stays) else { return false };
        let received = self.publishers.get(&live).map(|publisher| &publisher.connection);
        received.is_some_and(|connection| connection.end().is_none() && connection.is_heard(now))
            || self.fed.get(&live).is_some_and(|publisher| !publisher.is_over() && publisher.is_heard(now))
    }

    /// A publisher's session stands: it takes the stream over from whoever had it, or has come too late.
    fn switch_to(&mut self, peer: PeerId, now: Instant) {
        if self.is_taken(now) && self.live != Some(peer) {
            // Two asked at the same time, and the other connected first. `reap` tells this one.
            tracing::info!(stream = self.name, "a second publisher is sent away");
            return;
        }
        let before = self.live.replace(peer);
        let session = self.publishers.get(&peer).map(|publisher| &publisher.connection.session);
        let session =
            session.or_else(|| self.fed.get(&peer).map(|publisher| &publisher.session)).map(SessionId::public);
        tracing::info!(stream = self.name, session, takes_over = before.is_some(), "a publisher is connected");
        if let Some(publisher) = self.publishers.get(&peer) {
            self.has = (publisher.video.is_some(), publisher.audio.is_some());
        }
        self.forget_media();
        self.layers = self.publishers.get(&peer).and_then(|publisher| Layers::new(&publisher.encodings, now));
        self.lost = None;
        self.meter = Meter::new(now);
        self.changed = true;
    }

    /// What one publisher left behind means nothing to the next.
    fn forget_media(&mut self) {
        self.video.new_publisher();
        self.audio.new_publisher();
        self.gop = GopCache::default();
        self.sounds = Sounds::default();
        self.gate.reset();
        self.batch.clear();
        self.keyframe_in_batch = false;
        self.since = None;
        self.size = None;
        self.last_frame = None;
        self.announced = false;
        self.ladder.forget();
        self.layers = None;
        for viewer in self.viewers.values_mut() {
            viewer.begin_anew();
        }
    }

    fn packet(&mut self, peer: PeerId, packet: RtpPacket, now: Instant, figures: &Figures) {
        let Some(publisher) = self.publishers.get_mut(&peer) else { return };
        let Some((track, rid)) = publisher.track_of_packet(&packet) else { return };
        Totals::add(&figures.totals.packets_in, 1);
        Totals::add(&figures.totals.bytes_in, packet.payload.len() as u64);
        if publisher.is_one_of_several(track) {
            // Without its encoding's name it could be of any.
            if let Some(rid) = rid {
                self.layer_packet(peer, rid, packet, now);
            }
            return;
        }
        let line = match track {
            Track::Video => &mut self.video,
            Track::Audio => &mut self.audio,
        };
        let Some((sequence, timestamp)) = line.place(*packet.seq_no, packet.header.timestamp, now) else { return };
        let wallclock = publisher.clock.moment(track, packet.header.timestamp, now);
        let synced = publisher.clock.is_synced();
        if self.since.is_none() {
            self.since = Some(SystemTime::now());
            self.changed = true;
        }
        self.meter.packet(packet.payload.len());
        if track == Track::Video {
            let profile = publisher.profile_of(packet.header.payload_type);
            if let Some(profile) = profile
                && self.profile != Some(profile)
            {
                self.set_profile(profile);
            }
            if self.last_frame.is_none_or(|last| (timestamp.wrapping_sub(last) as i32) > 0) {
                self.last_frame = Some(timestamp);
                self.meter.frame();
            }
            if let Some(size) = h264::picture_size(&packet.payload)
                && self.size != Some(size)
            {
                self.size = Some(size);
                self.changed = true;
            }
        }
        self.spread(MediaPacket {
            track,
            rung: None,
            sequence,
            timestamp,
            marker: packet.header.marker,
            extensions: end_to_end(packet.header.ext_vals),
            wallclock,
            synced,
            payload: packet.payload,
        });
    }

    /// A packet on the stream's time line, whoever brought it: it is kept for those who join and goes out this turn.
    fn spread(&mut self, packet: MediaPacket) {
        let packet = Arc::new(packet);
        if packet.track == Track::Video && self.gop.push(&packet) == Pushed::Keyframe {
            self.keyframe_in_batch = true;
            self.gate.arrived();
        }
        match packet.track {
            Track::Video => self.ladder.feed(&packet),
            Track::Audio => self.sounds.push(&packet),
        }
        self.hand_out(&packet);
        self.batch.push(packet);
    }

    /// Lets time pass for everyone whose time has come, and asks for a keyframe if one is due.
    pub(super) fn tick(&mut self, now: Instant, outbox: &mut Outbox<'_>, events: &mut Vec<Event>, figures: &Figures) {
        let due: Vec<PeerId> =
            self.viewers.iter().filter(|(_, viewer)| viewer.deadline() <= now).map(|(peer, _)| *peer).collect();
        for peer in due {
            if let Some(viewer) = self.viewers.get_mut(&peer) {
                viewer.drive(now, outbox, events);
                self.viewer_events(peer, events, now);
            }
        }
        let due: Vec<PeerId> = self
            .publishers
            .iter()
            .filter(|(_, publisher)| publisher.connection.deadline() <= now)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in due {
            if let Some(publisher) = self.publishers.get_mut(&peer) {
                publisher.connection.drive(now, outbox, events);
                self.publisher_events(peer, events, now, figures);
            }
        }
        self.tend_ladder(now);
        self.ask_for_keyframe(now, outbox, events, figures);
        self.meter.tick(now);
    }

    fn ask_for_keyframe(&mut self, now: Instant, outbox: &mut Outbox<'_>, events: &mut Vec<Event>, figures: &Figures) {
        let Some(peer) = self.live else { return };
        // One that was asked for may have been lost: as long as somebody has no picture, ask again.
        if self.is_live() {
            self.want_for(Viewer::waits_for_keyframe, now);
        }
        if self.is_keyframe_wanted_for_files() {
            self.gate.want();
        }
        if self.layers.is_some() {
            return self.ask_layers(peer, now, outbox, events, figures);
        }
        if !self.gate.take(now) {
            return;
        }
        let Some(publisher) = self.publishers.get_mut(&peer) else {
            if self.ask_fed_for_keyframe() {
                Totals::add(&figures.totals.keyframe_requests, 1);
            }
            return;
        };
        if !publisher.request_keyframe(None) {
            return;
        }
        Totals::add(&figures.totals.keyframe_requests, 1);
        publisher.connection.drive(now, outbox, events);
        self.publisher_events(peer, events, now, figures);
    }

    /// When [`Self::tick`] must be called next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let viewers = self.viewers.values().map(Viewer::deadline);
        let publishers = self.publishers.values().map(|publisher| publisher.connection.deadline());
        viewers
            .chain(publishers)
            .chain(self.gate.deadline())
            .chain(self.layers.as_ref().and_then(Layers::deadline))
            .chain(self.ladder_deadline())
            .chain(self.lost.map(|lost| lost + self.manners.grace))
            .min()
    }
}
