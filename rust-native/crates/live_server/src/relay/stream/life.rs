//! Coming and going on a stream, and what is told about it.

use std::time::{Instant, SystemTime};

use super::super::connection::End;
use super::super::meter::Meter;
use super::super::socket::Outbox;
use super::{PeerId, Stream};
use crate::chunks::Feed;
use crate::figures::StreamInfo;

impl Stream {
    /// The publishers that are to be told that another has the stream.
    fn replaced(&self) -> Vec<PeerId> {
        let Some(live) = self.live else { return Vec::new() };
        self.publishers
            .iter()
            .filter(|(peer, publisher)| **peer != live && publisher.connection.is_connected())
            .map(|(peer, _)| *peer)
            .collect()
    }

    /// Takes out those whose session is over, and all viewers when the publisher stays away.
    pub(in crate::relay) fn reap(&mut self, now: Instant, outbox: &mut Outbox<'_>) -> Vec<PeerId> {
        let mut gone: Vec<PeerId> = Vec::new();
        if self.lost.is_some_and(|lost| now.saturating_duration_since(lost) >= self.manners.grace) {
            self.lost = None;
            self.tell(Feed::Over);
            tracing::info!(stream = self.name, viewers = self.viewers.len(), "the publisher stayed away");
            for (peer, mut viewer) in self.viewers.drain() {
                viewer.connection.close(now, outbox);
                gone.push(peer);
            }
            self.changed = true;
        }
        for peer in self.replaced() {
            if let Some(publisher) = self.publishers.get_mut(&peer) {
                publisher.connection.close(now, outbox);
            }
        }
        let (name, changed) = (&self.name, &mut self.changed);
        self.viewers.retain(|peer, viewer| {
            let end = viewer.connection.end();
            if let Some(end) = end {
                tracing::info!(stream = name, session = viewer.connection.session.public(), ?end, "a viewer is gone");
                if end == End::Silent {
                    viewer.connection.close(now, outbox);
                }
                gone.push(*peer);
                *changed = true;
            }
            end.is_none()
        });
        let mut ended = Vec::new();
        self.publishers.retain(|peer, publisher| {
            let end = publisher.connection.end();
            if let Some(end) = end {
                tracing::info!(
                    stream = name,
                    session = publisher.connection.session.public(),
                    ?end,
                    "a publisher is gone"
                );
                if end == End::Silent {
                    publisher.connection.close(now, outbox);
                }
                ended.push(*peer);
            }
            end.is_none()
        });
        ended.append(&mut self.reap_fed());
        if self.live.is_some_and(|live| ended.contains(&live)) {
            self.live = None;
            self.tell(Feed::Gone);
            self.lost = Some(now);
            self.forget_media();
            self.meter = Meter::new(now);
            self.changed = true;
        }
        gone.extend(ended);
        gone
    }

    /// Ends one session, whatever it does.
    pub(in crate::relay) fn send_away(&mut self, peer: PeerId, now: Instant, outbox: &mut Outbox<'_>) {
        if let Some(publisher) = self.publishers.get_mut(&peer) {
            publisher.connection.close(now, outbox);
        } else if let Some(viewer) = self.viewers.get_mut(&peer) {
            viewer.connection.close(now, outbox);
        } else {
            self.end_fed(peer);
        }
    }

    /// Ends everything.
    pub(in crate::relay) fn close_all(&mut self, now: Instant, outbox: &mut Outbox<'_>) {
        self.viewers.values_mut().for_each(|viewer| viewer.connection.close(now, outbox));
        self.publishers.values_mut().for_each(|publisher| publisher.connection.close(now, outbox));
        self.close_fed();
    }

    /// The figures as they are now. A publisher that fell silent counts as interrupted before it counts as gone.
    pub(in crate::relay) fn info(&self, now: Instant) -> StreamInfo {
        let publisher = self.live.and_then(|peer| self.publishers.get(&peer)).filter(|_| self.is_live());
        let publisher = publisher.filter(|publisher| publisher.connection.is_heard(now));
        let fed = self.live.and_then(|peer| self.fed.get(&peer)).filter(|fed| self.is_live() && fed.is_heard(now));
        let live = publisher.is_some() || fed.is_some();
        let protocol = fed.map(|fed| fed.protocol).or(publisher.map(|_| "whip"));
        let milliseconds =
            |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map(|d| d.as_millis() as u64).ok();
        StreamInfo {
            name: self.name.clone(),
            live,
            protocol: protocol.map(str::to_owned),
            notice: fed.and_then(|fed| fed.facts.notice.clone()),
            since_ms: self.since.filter(|_| live).and_then(milliseconds),
            viewers: self.viewers.values().filter(|viewer| viewer.connection.is_connected()).count() as u32,
            video_codec: (live && self.has.0).then(|| "H264".to_owned()),
            audio_codec: (live && self.has.1).then(|| "opus".to_owned()),
            width: self.size.map(|size| size.width),
            height: self.size.map(|size| size.height),
            bitrate_kbps: if live { self.meter.kbps } else { 0.0 },
            fps: if live { self.meter.fps } else { 0.0 },
            publisher_rtt_ms: publisher
                .and_then(|publisher| publisher.round_trip)
                .map(|rtt| rtt.as_secs_f64() * 1000.0),
            publisher_loss: publisher.and_then(|publisher| publisher.loss).map(f64::from),
            renditions: if live { self.renditions(now) } else { Vec::new() },
        }
    }
}
