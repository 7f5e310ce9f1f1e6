//! One publisher's media on its way into the relay: paced, passed through or handed to a thread that makes it anew.

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::MediaTime;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Hall;
use super::pace::Pace;
use super::pictures::Pictures;
use super::sound::{Job, SoundWorker};
use super::unit::Unit;
use crate::relay::{Batch, Facts, FedOpened, FedPacket, Feeder, Orders, Track};

/// Without packets the relay still hears of the publisher so often.
const SIGN_OF_LIFE: Duration = Duration::from_millis(500);
/// Viewers that reload their page find the threads still at work.
const NOBODY_FOR: Duration = Duration::from_secs(3);

/// Why no more is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// Another publisher has the stream, or the server stops.
    Over,
}

pub(super) struct Desk {
    feeder: Feeder,
    orders: watch::Receiver<Orders>,
    pace: Pace,
    pictures: Pictures,
    aac: Option<Bytes>,
    sound: Option<SoundWorker>,
    opus_line: Option<MediaTime>,
    facts: Facts,
    told: Option<Facts>,
    other: Option<String>,
    batch: Batch,
    sent: Instant,
    wanted_at: Option<Instant>,
    patient: bool,
}

impl Desk {
    pub(super) fn new(opened: FedOpened, hall: &Hall) -> Self {
        let now = Instant::now();
        Self {
            feeder: opened.feeder,
            orders: opened.orders,
            pace: Pace::new(now),
            pictures: Pictures::new(hall.videos.clone()),
            aac: None,
            sound: None,
            opus_line: None,
            facts: Facts::default(),
            told: None,
            other: None,
            batch: Batch::default(),
            sent: now,
            wanted_at: None,
            patient: true,
        }
    }

    /// For a protocol that can't hold its publisher back.
    pub(super) fn impatient(mut self) -> Self {
        self.patient = false;
        self
    }

    /// For a protocol that brings seconds at once.
    pub(super) fn in_heaps(mut self) -> Self {
        self.pace = Pace::of_heaps(Instant::now());
        self
    }

    /// Resolves when the publisher is to go.
    pub(super) async fn over(&mut self) {
        // An error means that the media thread has gone.
        let _ = self.orders.wait_for(|orders| orders.over).await;
    }

    /// Takes one unit in; waits where the publisher is ahead of its time, or the media thread behind.
    pub(super) async fn take(&mut self, unit: Unit) -> Result<(), Closed> {
        if let Some(at) = unit.at().filter(|_| !self.patient) {
            self.pace.arrive_at_once(at, Instant::now());
        } else if let Some(at) = unit.at() {
            while let Err(early) = self.pace.arrive(at, Instant::now()) {
                tokio::select! {
                    () = sleep(early) => {}
                    () = self.over() => return Err(Closed::Over),
                }
            }
        }
        let orders = *self.orders.borrow();
        if orders.over || self.orders.has_changed().is_err() {
            return Err(Closed::Over);
        }
        let now = Instant::now();
        if orders.wanted {
            self.wanted_at = Some(now);
        }
        let wanted = self.wanted_at.is_some_and(|at| now.saturating_duration_since(at) < NOBODY_FOR);
        self.batch.received += unit.size();
        match unit {
            Unit::AvcSets(sets) => self.pictures.set_parameters(sets),
            Unit::Avc { dts, pts, units } => {
                self.facts.video = true;
                self.batch.pictures += 1;
                let ways = (&self.pace, &self.feeder);
                let packets = self.pictures.take((dts, pts), units, (wanted, orders.keyframes), ways);
                self.batch.packets.extend(packets);
                self.batch.forget_pictures |= self.pictures.has_stopped();
            }
            Unit::AacConfig(config) => {
                if self.aac.as_ref() != Some(&config) {
                    (self.aac, self.sound) = (Some(config), None);
                }
            }
            Unit::Aac { pts, frame } => self.aac(pts, frame, wanted),
            Unit::Opus { pts, packet } => self.opus(pts, &packet),
            Unit::OtherVideo(codec) => self.leave_out(codec, "pictures", "H.264"),
            Unit::OtherAudio(codec) => self.leave_out(codec, "sound", "AAC or Opus"),
        }
        self.flush(now).await
    }

    fn aac(&mut self, pts: MediaTime, frame: Bytes, wanted: bool) {
        self.facts.audio = true;
        let Some(config) = self.aac.as_ref().filter(|_| wanted) else {
            self.sound = None;
            return;
        };
        if self.sound.is_none() {
            match SoundWorker::start(config.clone(), self.feeder.clone()) {
                Ok(worker) => self.sound = Some(worker),
                Err(error) => return tracing::error!(%error, "no thread to encode sound"),
            }
        }
        let job = Job { pts, moment: self.pace.moment(pts), frame };
        if self.sound.as_ref().is_some_and(|worker| !worker.push(job)) {
            tracing::debug!("sound is left out: its thread is behind");
        }
    }

    /// Opus passes. RTMP's stamps are whole milliseconds: packets that follow each other are put side by side.
    fn opus(&mut self, pts: MediaTime, packet: &Bytes) {
        self.facts.audio = true;
        let Some(lasts) = opus_duration(packet) else { return };
        let neighbour = self.opus_line.filter(|line| line.since(pts).max(pts.since(*line)) < lasts);
        let pts = neighbour.unwrap_or(pts);
        self.opus_line = Some(pts + lasts);
        self.batch.packets.push(FedPacket {
            track: Track::Audio,
            timestamp: pts.ticks(Track::Audio.clock_rate()) as u32,
            marker: false,
            wallclock: self.pace.moment(pts),
            payload: packet.as_ref().into(),
        });
    }

    fn leave_out(&mut self, codec: String, what: &str, instead: &str) {
        if self.other.is_none() {
            tracing::warn!(codec, "a publisher's {what} can't be used");
            self.other = Some(format!("its {what} ({codec}) can't be shown: publish {instead}"));
        }
    }

    async fn flush(&mut self, now: Instant) -> Result<(), Closed> {
        (self.facts.size, self.facts.profile) = self.pictures.describe();
        self.facts.keyframes_on_request = self.pictures.is_anew();
        self.facts.notice = self.other.clone().or_else(|| {
            self.pictures.no_place.then(|| {
                "its pictures are reordered (B-frames) and there is no place to encode them anew: publish without \
                 B-frames, or raise transcoding.most_videos"
                    .to_owned()
            })
        });
        let news = self.told.as_ref() != Some(&self.facts);
        let quiet = now.saturating_duration_since(self.sent) < SIGN_OF_LIFE;
        if self.batch.packets.is_empty() && quiet && !news {
            return Ok(());
        }
        let mut batch = std::mem::take(&mut self.batch);
        if news {
            self.told = Some(self.facts.clone());
            batch.facts = Some(self.facts.clone());
        }
        self.sent = now;
        self.feeder.feed(batch).await.map_err(|_| Closed::Over)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.feeder.end();
    }
}

/// How long an Opus packet plays (RFC 6716, section 3.1); `None` for none.
fn opus_duration(packet: &[u8]) -> Option<Duration> {
    let toc = *packet.first()?;
    let micros = match toc >> 3 {
        config @ 0..=11 => [10_000, 20_000, 40_000, 60_000][usize::from(config & 3)],
        config @ 12..=15 => [10_000, 20_000][usize::from(config & 1)],
        config => [2_500, 5_000, 10_000, 20_000][usize::from(config & 3)],
    };
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(packet.get(1)? & 0x3f),
    };
    // No packet is longer than 120 ms.
    (1..=120_000).contains(&(micros * count)).then(|| Duration::from_micros(micros * count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opus_packets_say_how_long_they_play() {
        let ms = |packet: &[u8]| opus_duration(packet).map(|duration| duration.as_micros());
        assert_eq!(ms(&[0xfc]), Some(20_000), "CELT, 20 ms, one frame");
        assert_eq!(ms(&[0xe0]), Some(2_500));
        assert_eq!(ms(&[0x19]), Some(120_000), "SILK, 60 ms, two frames");
        assert_eq!(ms(&[0xff, 3]), Some(60_000));
        assert_eq!(ms(&[0x1b, 3]), None, "longer than can be");
        assert_eq!(ms(&[]), None);
        assert_eq!(ms(&[0xff]), None);
    }
}
