//! Reordered pictures (B-frames) encoded anew in the order in which they are shown, on a thread of their own, while
//! somebody watches: WebRTC has no place for a picture that is sent before one that is shown earlier.
//!
//! It never falls behind for good: pictures that come faster than they can be encoded are decoded and left out.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use encoder::{H264Decoder, Tune, VideoConfig, VideoEncoder};
use media::h264::nal_units;
use media::{Bitrate, FrameRate, MediaTime, Picture};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::packetize::payloads;
use crate::relay::{Batch, FedPacket, Feeder, Track};

/// Pictures that may wait: the longest group that is caught up with, and some.
pub(super) const WAITING: usize = 1024;
/// With so many waiting the encoder is left out until it has caught up: a third of a second at 30 a second.
const BEHIND: usize = 10;
/// Keyframes come when they are asked for; this is for whoever asks in vain.
const GOP: Duration = Duration::from_secs(4);

/// One picture in decoding order.
pub(super) struct Job {
    pub(super) pts: MediaTime,
    /// When that is on our clock.
    pub(super) moment: Instant,
    /// Annex B, with parameter sets in front of a keyframe.
    pub(super) access_unit: Vec<u8>,
    /// It is only decoded: an older one of the group that stands at the beginning.
    pub(super) past: bool,
    /// Somebody wants a keyframe.
    pub(super) keyframe: bool,
}

/// The thread. It ends when this is dropped, after what it is at.
pub(super) struct PictureWorker {
    jobs: mpsc::Sender<Job>,
}

/// What the encoder is told beforehand, as measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub(super) frame_rate: FrameRate,
    pub(super) bitrate: Bitrate,
}

impl PictureWorker {
    /// Starts it. The permit is given back when it has ended.
    pub(super) fn start(measured: Measured, feeder: Feeder, permit: OwnedSemaphorePermit) -> io::Result<Self> {
        let (jobs, inbox) = mpsc::channel(WAITING);
        std::thread::Builder::new().name("ingest-pictures".to_owned()).spawn(move || {
            work(measured, inbox, &feeder);
            drop(permit);
        })?;
        Ok(Self { jobs })
    }

    /// Whether there was room for it. One that was left out leaves the pictures after it damaged until a keyframe.
    pub(super) fn push(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }
}

fn work(measured: Measured, mut inbox: mpsc::Receiver<Job>, feeder: &Feeder) {
    let mut decoder = match H264Decoder::new() {
        Ok(decoder) => decoder,
        Err(error) => return tracing::error!(%error, "no picture can be decoded"),
    };
    let mut again = Again { measured, encoder: None };
    let (mut keyframe, mut left_out) = (true, 0u64);
    while let Some(job) = inbox.blocking_recv() {
        keyframe |= job.keyframe;
        let mut shown = Vec::new();
        if let Err(error) = decoder.decode(&job.access_unit, job.pts, |picture, at| shown.push((picture, at))) {
            tracing::debug!(%error, "a picture can't be decoded");
        }
        let behind = inbox.len() > BEHIND;
        for (picture, at) in shown {
            if job.past || behind {
                left_out += u64::from(!job.past);
                continue;
            }
            let wallclock = (job.moment + at.since(job.pts)).checked_sub(job.pts.since(at)).unwrap_or(job.moment);
            match again.encode(&picture, at, wallclock, keyframe) {
                Ok(packets) if packets.is_empty() => {}
                Ok(packets) => {
                    keyframe = false;
                    if feeder.feed_blocking(Batch { packets, ..Batch::default() }).is_err() {
                        return;
                    }
                }
                Err(error) => return tracing::error!(%error, "pictures can't be encoded anew"),
            }
        }
    }
    if left_out > 0 {
        tracing::warn!(left_out, "pictures came faster than they could be encoded anew");
    }
}

struct Again {
    measured: Measured,
    encoder: Option<(media::Size, Box<dyn VideoEncoder>)>,
}

impl Again {
    fn encode(
        &mut self,
        picture: &Picture,
        at: MediaTime,
        wallclock: Instant,
        keyframe: bool,
    ) -> Result<Vec<FedPacket>, encoder::EncoderError> {
        if self.encoder.as_ref().is_none_or(|(size, _)| *size != picture.size) {
            let Measured { frame_rate, bitrate } = self.measured;
            let opened = encoder::open(&VideoConfig {
                codec: media::VideoCodec::H264,
                size: picture.size,
                frame_rate,
                bitrate,
                gop: GOP,
                threads: 0,
                tune: Tune::default(),
            })?;
            self.encoder = Some((picture.size, opened.encoder));
        }
        let Some((_, encoder)) = &mut self.encoder else { return Ok(Vec::new()) };
        let Some(unit) = encoder.encode(picture, at, keyframe)? else { return Ok(Vec::new()) };
        Ok(packets(&[], &nal_units(&unit.payload), unit.pts, wallclock))
    }
}

/// One access unit as packets of one timestamp, the last of them marked (RFC 6184, section 5.1).
pub(super) fn packets(sets: &[Bytes], units: &[Bytes], pts: MediaTime, wallclock: Instant) -> Vec<FedPacket> {
    let timestamp = pts.ticks(Track::Video.clock_rate()) as u32;
    let payloads = payloads(sets, units);
    let last = payloads.len().saturating_sub(1);
    payloads
        .into_iter()
        .enumerate()
        .map(|(index, payload)| FedPacket { track: Track::Video, timestamp, marker: index == last, wallclock, payload })
        .collect()
}
