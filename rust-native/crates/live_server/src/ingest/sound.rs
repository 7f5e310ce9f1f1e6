//! AAC into Opus, on a thread of its own, while somebody watches.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use encoder::{AacDecoder, EncoderError, OpusEncoder};
use media::{AUDIO_CHANNELS, AUDIO_SAMPLE_RATE, AudioBlock, BLOCK_FRAMES, Bitrate, MediaTime};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Async, FixedAsync, Resampler, SincInterpolationParameters, SincInterpolationType, WindowFunction};
use tokio::sync::mpsc;

use crate::relay::{Batch, FedPacket, Feeder, Track};

/// Transparent for stereo music.
const BITRATE: Bitrate = Bitrate::from_kbps(128);
/// Frames that may wait: half a second. A thread that is further behind has no processor, and loses sound.
const WAITING: usize = 24;
/// Stamps this far from where the samples say are a gap, or a clock that has run away as far as one may hear.
const GAP: Duration = Duration::from_millis(40);
/// 128 taps keep 20 kHz at 44.1 kHz and cost a hundredth of a core.
const SINC_LENGTH: usize = 128;

/// One raw AAC frame.
pub(super) struct Job {
    pub(super) pts: MediaTime,
    /// When that is on our clock.
    pub(super) moment: Instant,
    pub(super) frame: Bytes,
}

/// The thread. It ends when this is dropped, after what it is at.
pub(super) struct SoundWorker {
    jobs: mpsc::Sender<Job>,
}

impl SoundWorker {
    /// Starts it for frames that this `AudioSpecificConfig` describes.
    pub(super) fn start(config: Bytes, feeder: Feeder) -> io::Result<Self> {
        let (jobs, inbox) = mpsc::channel(WAITING);
        std::thread::Builder::new().name("ingest-sound".to_owned()).spawn(move || work(&config, inbox, &feeder))?;
        Ok(Self { jobs })
    }

    /// Whether there was room for it.
    pub(super) fn push(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }
}

fn work(config: &[u8], mut inbox: mpsc::Receiver<Job>, feeder: &Feeder) {
    let mut maker = match OpusMaker::new(config) {
        Ok(maker) => maker,
        Err(error) => return tracing::warn!(%error, "a publisher's sound can't be decoded"),
    };
    while let Some(job) = inbox.blocking_recv() {
        match maker.take(&job) {
            Ok(packets) if packets.is_empty() => {}
            Ok(packets) => {
                if feeder.feed_blocking(Batch { packets, ..Batch::default() }).is_err() {
                    return;
                }
            }
            // One damaged frame is a click, not an end.
            Err(error) => tracing::debug!(%error, "a frame of sound is left out"),
        }
    }
}

/// Decodes, converts the rate, encodes.
struct OpusMaker {
    decoder: AacDecoder,
    encoder: OpusEncoder,
    rate: u32,
    resampler: Option<Box<Async<f32>>>,
    /// Interleaved, at the publisher's rate.
    waiting: VecDeque<f32>,
    /// The stamp of the first frame since the last gap, and the frames that came in and went out since.
    base: MediaTime,
    came: u64,
    made: u64,
}

impl OpusMaker {
    fn new(config: &[u8]) -> Result<Self, EncoderError> {
        Ok(Self {
            decoder: AacDecoder::new(config)?,
            encoder: OpusEncoder::new(BITRATE)?,
            rate: 0,
            resampler: None,
            waiting: VecDeque::new(),
            base: MediaTime::ZERO,
            came: 0,
            made: 0,
        })
    }

    fn take(&mut self, job: &Job) -> Result<Vec<FedPacket>, EncoderError> {
        let mut samples = Vec::new();
        let Some(rate) = self.decoder.decode(&job.frame, &mut samples)? else { return Ok(Vec::new()) };
        if rate != self.rate {
            self.resampler = if rate == AUDIO_SAMPLE_RATE { None } else { Some(Box::new(resampler(rate)?)) };
            self.rate = rate;
            self.begin(job.pts);
        }
        let expected = self.base + frames(self.came, rate);
        if expected.since(job.pts).max(job.pts.since(expected)) > GAP {
            self.begin(job.pts);
        }
        self.came += (samples.len() / AUDIO_CHANNELS) as u64;
        self.waiting.extend(samples);
        let mut packets = Vec::new();
        while let Some(block) = self.block()? {
            let Some(unit) = self.encoder.push(&block)? else { continue };
            let (later, earlier) = (unit.pts.since(job.pts), job.pts.since(unit.pts));
            packets.push(FedPacket {
                track: Track::Audio,
                timestamp: unit.pts.ticks(AUDIO_SAMPLE_RATE) as u32,
                marker: false,
                wallclock: (job.moment + later).checked_sub(earlier).unwrap_or(job.moment),
                payload: unit.payload.as_ref().into(),
            });
        }
        Ok(packets)
    }

    /// What comes next is not joined to what came before.
    fn begin(&mut self, pts: MediaTime) {
        self.waiting.clear();
        (self.base, self.came, self.made) = (pts, 0, 0);
        if let Some(resampler) = &mut self.resampler {
            resampler.reset();
        }
    }

    /// The next 10 ms, if they are here.
    fn block(&mut self) -> Result<Option<AudioBlock>, EncoderError> {
        let wanted = self.resampler.as_ref().map_or(BLOCK_FRAMES, |resampler| resampler.input_frames_next());
        if self.waiting.len() < wanted * AUDIO_CHANNELS {
            return Ok(None);
        }
        let input: Vec<f32> = self.waiting.drain(..wanted * AUDIO_CHANNELS).collect();
        let delay = self.resampler.as_ref().map_or(0, |resampler| resampler.output_delay() as u64);
        let at = (self.base + frames(self.made, AUDIO_SAMPLE_RATE)) - frames(delay, AUDIO_SAMPLE_RATE);
        let mut block = AudioBlock::silence(at);
        match &mut self.resampler {
            None => block.samples.copy_from_slice(&input),
            Some(resampler) => {
                let from = InterleavedSlice::new(&input[..], AUDIO_CHANNELS, wanted).map_err(|e| unusable(&e))?;
                let mut to = InterleavedSlice::new_mut(&mut block.samples[..], AUDIO_CHANNELS, BLOCK_FRAMES)
                    .map_err(|e| unusable(&e))?;
                resampler.process_into_buffer(&from, &mut to, None).map_err(|e| unusable(&e))?;
            }
        }
        self.made += BLOCK_FRAMES as u64;
        Ok(Some(block))
    }
}

fn resampler(rate: u32) -> Result<Async<f32>, EncoderError> {
    let parameters = SincInterpolationParameters::new(SINC_LENGTH, WindowFunction::BlackmanHarris2)
        .interpolation(SincInterpolationType::Linear)
        .oversampling_factor(256);
    let ratio = f64::from(AUDIO_SAMPLE_RATE) / f64::from(rate);
    Async::new_sinc(ratio, 1.0, &parameters, BLOCK_FRAMES, AUDIO_CHANNELS, FixedAsync::Output).map_err(|e| unusable(&e))
}

fn unusable(error: &dyn std::fmt::Display) -> EncoderError {
    EncoderError::SoundFailed { reason: error.to_string() }
}

fn frames(count: u64, rate: u32) -> Duration {
    Duration::from_nanos((u128::from(count) * 1_000_000_000 / u128::from(rate.max(1))) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoder::AacEncoder;

    /// Blocks of a tone as AAC at 48 kHz.
    fn aac(seconds: u64) -> (Bytes, Vec<(MediaTime, Bytes)>) {
        let mut encoder = AacEncoder::new(AacEncoder::DEFAULT_BITRATE).expect("an encoder");
        let start = MediaTime::from_nanos(3_600_000_000_000);
        let mut units = Vec::new();
        for n in 0..seconds * 100 {
            let mut block = AudioBlock::silence(start + frames(n * 480, 48_000));
            for (index, pair) in block.samples.chunks_exact_mut(2).enumerate() {
                let phase = std::f64::consts::TAU * 440.0 * (n * 480 + index as u64) as f64 / 48_000.0;
                pair.fill((0.25 * phase.sin()) as f32);
            }
            units.extend(encoder.push(&block).expect("encoded").map(|unit| (unit.pts, unit.payload)));
        }
        (encoder.audio_specific_config(), units)
    }

    #[test]
    fn packets_follow_each_other_by_twenty_milliseconds_and_a_gap_stays_one() {
        let (config, units) = aac(3);
        let mut maker = OpusMaker::new(&config).expect("a decoder");
        let moment = Instant::now() + Duration::from_secs(10_000);
        let mut packets = Vec::new();
        for (index, (pts, frame)) in units.iter().enumerate() {
            // A second is missing in the middle; stamps jitter by a millisecond, as RTMP's do.
            let late = Duration::from_millis(if index > 60 { 1000 } else { 0 } + index as u64 % 2);
            let job = Job { pts: *pts + late, moment, frame: frame.clone() };
            packets.extend(maker.take(&job).expect("decoded"));
        }
        let steps: Vec<u32> =
            packets.windows(2).map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp)).collect();
        let gaps: Vec<&u32> = steps.iter().filter(|step| **step != 960).collect();
        assert_eq!(gaps.len(), 1, "{steps:?}");
        assert!((47_000..51_000).contains(gaps[0]), "{gaps:?}");
        assert!(packets.len() > 140 && packets.iter().all(|packet| packet.payload.len() > 100));
    }

    #[test]
    fn damaged_frames_are_left_out_and_the_next_ones_heard() {
        let (config, units) = aac(1);
        let mut maker = OpusMaker::new(&config).expect("a decoder");
        let mut made = 0;
        for (index, (pts, frame)) in units.iter().enumerate() {
            let frame = if index % 5 == 2 { Bytes::from(vec![0xff; 40]) } else { frame.clone() };
            made += maker.take(&Job { pts: *pts, moment: Instant::now(), frame }).map_or(0, |packets| packets.len());
        }
        assert!(made > 20, "{made}");
        assert!(
            OpusMaker::new(&[0xff])
                .and_then(|mut maker| maker
                    .take(&Job { pts: MediaTime::ZERO, moment: Instant::now(), frame: Bytes::from_static(&[1, 2, 3]) })
                    .map(|_| ()))
                .is_err()
        );
    }
}
