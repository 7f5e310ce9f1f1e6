//! From a device's callback to the mixer, without a lock: samples in one ring, their stamps in another.
//!
//! The callback converts to interleaved stereo float at the device's own rate and wakes the mixer. When the mixer
//! has not read for a second the newest chunk is thrown away and counted: a callback never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use cpal::{Data, FromSample, InputCallbackInfo, Sample, SampleFormat};
use media::{AUDIO_CHANNELS, Clock, MediaTime, MonotonicClock};
use rtrb::{Consumer, Producer, RingBuffer};

/// A second of sound: what a machine that is busy for a moment may owe us.
const RING_SECONDS: u32 = 1;
/// Chunks are 10 ms, at times a quarter of that.
const STAMPS: usize = 512;

/// One chunk of a callback.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    /// The number of its first frame.
    pub(super) frame: u64,
    /// How many.
    pub(super) frames: u64,
    /// When that first frame was captured, as the device says.
    pub(super) captured_at: MediaTime,
    /// When the callback ran.
    pub(super) arrived_at: MediaTime,
}

/// The callback's end.
pub(super) struct Writer {
    samples: Producer<f32>,
    stamps: Producer<Stamp>,
    lost: Arc<AtomicU64>,
    wake: Thread,
    channels: usize,
    frame: u64,
    /// Least distance seen between our clock and the stream's: both tick alike, so the rest is preemption.
    clock_offset_ns: Option<i128>,
}

/// The mixer's end.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) rate: u32,
    pub(super) samples: Consumer<f32>,
    pub(super) stamps: Consumer<Stamp>,
    lost: Arc<AtomicU64>,
}

/// Both ends, for a device of that rate in Hz and so many channels; `wake` is unparked after each chunk.
pub(super) fn ring(rate: u32, channels: u16, wake: Thread) -> (Writer, Reader) {
    let (samples_in, samples) = RingBuffer::new((rate * RING_SECONDS) as usize * AUDIO_CHANNELS);
    let (stamps_in, stamps) = RingBuffer::new(STAMPS);
    let lost = Arc::new(AtomicU64::new(0));
    let writer = Writer {
        samples: samples_in,
        stamps: stamps_in,
        lost: Arc::clone(&lost),
        wake,
        channels: usize::from(channels.max(1)),
        frame: 0,
        clock_offset_ns: None,
    };
    (writer, Reader { rate, samples, stamps, lost })
}

/// Both ends of an input whose sound is brought by the program itself.
pub(super) fn feed(rate: u32, wake: Thread) -> (Feed, Reader) {
    let (writer, reader) = ring(rate, AUDIO_CHANNELS as u16, wake);
    (Feed(writer), reader)
}

/// Where a source that is no sound device (a camera, a file) puts its sound.
pub struct Feed(Writer);

impl Feed {
    /// Interleaved stereo frames, the first of which was captured at that time. Never waits: what finds no room for
    /// a second's sound is thrown away and counted.
    pub fn push(&mut self, samples: &[f32], captured_at: MediaTime) {
        self.push_at(samples, captured_at, MonotonicClock.now());
    }

    /// The same at a time that is passed in.
    pub(super) fn push_at(&mut self, samples: &[f32], captured_at: MediaTime, now: MediaTime) {
        self.0.store(Some(samples), captured_at, now);
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

impl Reader {
    /// Whole frames that can be read.
    pub(super) fn available(&self) -> usize {
        self.samples.slots() / AUDIO_CHANNELS
    }

    /// Frames thrown away since the last call because the ring was full.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// Throws frames away; returns how many there were.
    pub(super) fn skip(&mut self, frames: usize) -> usize {
        let frames = frames.min(self.available());
        if let Ok(chunk) = self.samples.read_chunk(frames * AUDIO_CHANNELS) {
            chunk.commit_all();
        }
        frames
    }
}

/// Whether the callback can convert that format.
pub(super) fn reads(format: SampleFormat) -> bool {
    matches!(format, SampleFormat::F32 | SampleFormat::I16 | SampleFormat::I32 | SampleFormat::U8)
}

impl Writer {
    /// Takes a callback's data over.
    pub(super) fn push(&mut self, data: &Data, info: &InputCallbackInfo) {
        let stamps = info.timestamp();
        let now = MonotonicClock.now();
        let offset = i128::from(now.as_nanos()) - stamps.callback.as_nanos() as i128;
        let offset = self.clock_offset_ns.map_or(offset, |least| least.min(offset));
        self.clock_offset_ns = Some(offset);
        let captured = (stamps.capture.as_nanos() as i128 + offset).max(0);
        let captured_at = MediaTime::from_nanos(u64::try_from(captured).unwrap_or(u64::MAX));
        match data.sample_format() {
            SampleFormat::F32 => self.store(data.as_slice::<f32>(), captured_at, now),
            SampleFormat::I16 => self.store(data.as_slice::<i16>(), captured_at, now),
            SampleFormat::I32 => self.store(data.as_slice::<i32>(), captured_at, now),
            SampleFormat::U8 => self.store(data.as_slice::<u8>(), captured_at, now),
            // Refused before the stream was built, see `reads`.
            _ => {}
        }
    }

    fn store<T: Sample + Copy>(&mut self, data: Option<&[T]>, captured_at: MediaTime, arrived_at: MediaTime)
    where
        f32: FromSample<T>,
    {
        let data = data.unwrap_or_default();
        let frames = data.len() / self.channels;
        if frames == 0 {
            return;
        }
        let room = self.samples.slots() >= frames * AUDIO_CHANNELS && !self.stamps.is_full();
        if let (true, Ok(chunk)) = (room, self.samples.write_chunk_uninit(frames * AUDIO_CHANNELS)) {
            chunk.fill_from_iter(data.chunks_exact(self.channels).flat_map(stereo));
            let stamp = Stamp { frame: self.frame, frames: frames as u64, captured_at, arrived_at };
            // There is room: this is the only producer, and it looked.
            let _ = self.stamps.push(stamp);
            self.frame += frames as u64;
        } else {
            self.lost.fetch_add(frames as u64, Ordering::Relaxed);
        }
        self.wake.unpark();
    }
}

/// One frame of any number of channels as left and right: mono on both sides, the front pair of surround.
fn stereo<T: Sample + Copy>(frame: &[T]) -> [f32; AUDIO_CHANNELS]
where
    f32: FromSample<T>,
{
    match frame {
        [] => [0.0; AUDIO_CHANNELS],
        [mono] => [mono.to_sample(); AUDIO_CHANNELS],
        [left, right, ..] => [left.to_sample(), right.to_sample()],
    }
}

/// How long so many frames last.
pub(super) fn duration(frames: u64, rate: u32) -> Duration {
    Duration::from_nanos(frames * 1_000_000_000 / u64::from(rate.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpal::{InputStreamTimestamp, StreamInstant};

    fn push<T: cpal::SizedSample>(writer: &mut Writer, samples: &mut [T], captured_ms: u64, callback_ms: u64) {
        let info = InputCallbackInfo::new(InputStreamTimestamp {
            callback: StreamInstant::from_millis(callback_ms),
            capture: StreamInstant::from_millis(captured_ms),
        });
        // SAFETY: pointer, length and format are those of the slice, which outlives `data`.
        let data = unsafe { Data::from_parts(samples.as_mut_ptr().cast(), samples.len(), T::FORMAT) };
        writer.push(&data, &info);
    }

    fn read_all(reader: &mut Reader) -> Vec<f32> {
        let slots = reader.samples.slots();
        reader.samples.read_chunk(slots).expect("as many as there are").into_iter().collect()
    }

    #[test]
    fn every_format_becomes_stereo_float() {
        let wake = std::thread::current();
        let (mut writer, mut reader) = ring(48_000, 1, wake.clone());
        push(&mut writer, &mut [16_384i16, -16_384], 100, 110);
        assert_eq!(read_all(&mut reader), [0.5, 0.5, -0.5, -0.5]);
        let (mut writer, mut reader) = ring(48_000, 2, wake.clone());
        push(&mut writer, &mut [0.25f32, -0.25], 100, 110);
        assert_eq!(read_all(&mut reader), [0.25, -0.25]);
        let (mut writer, mut reader) = ring(48_000, 6, wake);
        push(&mut writer, &mut [i32::MIN, 1 << 30, 7, 7, 7, 7], 100, 110);
        assert_eq!(read_all(&mut reader), [-1.0, 0.5]);
    }

    #[test]
    fn a_stamp_lies_before_the_callback_by_the_devices_latency() {
        let (mut writer, mut reader) = ring(48_000, 2, std::thread::current());
        let before = MonotonicClock.now();
        push(&mut writer, &mut [0.0f32; 960], 100, 115);
        let stamp = reader.stamps.pop().expect("one chunk, one stamp");
        assert_eq!((stamp.frame, stamp.frames), (0, 480));
        assert_eq!(stamp.arrived_at.since(stamp.captured_at), Duration::from_millis(15));
        assert!(stamp.arrived_at >= before);
    }

    #[test]
    fn a_full_ring_loses_the_newest_and_counts_it() {
        let (mut writer, reader) = ring(48_000, 2, std::thread::current());
        for chunk in 0..101 {
            push(&mut writer, &mut [0.0f32; 960], chunk * 10, chunk * 10 + 15);
        }
        assert_eq!(reader.available(), 48_000);
        assert_eq!(reader.take_lost(), 480);
        assert_eq!(reader.take_lost(), 0);
    }
}
