//! FFmpeg's own AAC-LC encoder: blocks in, packets of 1024 frames out, stamped on the blocks' clock.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use ffmpeg_next::ffi;
use media::{AUDIO_CHANNELS, AUDIO_SAMPLE_RATE, AccessUnit, AudioBlock, BLOCK_FRAMES, Bitrate, MediaTime, Track};

use super::log;
use super::raw::{AvError, Context, Frame, Packet, check};
use crate::EncoderError;

/// Frames (of both channels) in one AAC-LC packet (ISO/IEC 14496-3 section 4.5.1.1).
const PACKET_FRAMES: usize = 1024;
/// A block further than this from where the last one ended is no neighbour. Stamps are the mixer's and exact; what is
/// beyond this is a sound that was closed and opened again, or a mixer that left something out.
const NEIGHBOURS_WITHIN: Duration = Duration::from_millis(20);

/// Makes AAC-LC (ISO/IEC 14496-3), 48 kHz stereo, raw packets without ADTS headers.
///
/// An encoder begins with a packet of nothing but its own delay ([`Self::priming_frames`]): that packet's `pts` lies
/// so much before the first block, and each packet is heard at its `pts` exactly. Who writes a container that can't
/// start before zero signals the priming or leaves the early packet out.
#[derive(Debug)]
pub struct AacEncoder {
    context: Context,
    frame: Frame,
    packet: Packet,
    config: Bytes,
    priming: usize,
    /// Frames that wait in `frame` for a whole packet.
    filled: usize,
    /// Frames given to the encoder.
    position: i64,
    /// Runs of neighbours: the position of the first frame and its time. Never empty after the first block.
    runs: VecDeque<(i64, MediaTime)>,
    ready: VecDeque<AccessUnit>,
}

impl AacEncoder {
    /// What suits music at 48 kHz stereo in this encoder, and what every service takes.
    pub const DEFAULT_BITRATE: Bitrate = Bitrate::from_kbps(160);

    /// An encoder at that bitrate.
    ///
    /// # Errors
    /// [`EncoderError::SoundFailed`] where FFmpeg refuses, or for a bitrate out of 32 to 512 kbit/s.
    pub fn new(bitrate: Bitrate) -> Result<Self, EncoderError> {
        if !(32..=512).contains(&bitrate.as_kbps()) {
            return Err(EncoderError::SoundFailed { reason: format!("{bitrate} is not a bitrate for stereo AAC") });
        }
        log::install();
        Self::open(bitrate).map_err(failed)
    }

    fn open(bitrate: Bitrate) -> Result<Self, AvError> {
        // SAFETY: the answer is a static of libavcodec, or NULL.
        let codec = unsafe { ffi::avcodec_find_encoder_by_name(c"aac".as_ptr()) };
        if codec.is_null() {
            return Err(AvError::new(ffi::AVERROR_ENCODER_NOT_FOUND));
        }
        // SAFETY: `codec` is valid.
        let context = Context::take(unsafe { ffi::avcodec_alloc_context3(codec) })?;
        let frame = Frame::new()?;
        // SAFETY: a fresh context and a fresh frame, used by nobody else; the layout is written before it is copied.
        unsafe {
            let context = context.as_ptr();
            (*context).sample_rate = AUDIO_SAMPLE_RATE as i32;
            (*context).sample_fmt = ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP;
            (*context).time_base = ffi::AVRational { num: 1, den: AUDIO_SAMPLE_RATE as i32 };
            (*context).bit_rate = i64::from(bitrate.as_bps());
            ffi::av_channel_layout_default(&mut (*context).ch_layout, AUDIO_CHANNELS as i32);
            check(ffi::avcodec_open2(context, codec, std::ptr::null_mut()))?;
            let frame = frame.as_ptr();
            (*frame).nb_samples = PACKET_FRAMES as i32;
            (*frame).format = ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP as i32;
            (*frame).sample_rate = AUDIO_SAMPLE_RATE as i32;
            check(ffi::av_channel_layout_copy(&mut (*frame).ch_layout, &(*context).ch_layout))?;
            check(ffi::av_frame_get_buffer(frame, 0))?;
        }
        // SAFETY: an open AAC encoder has its AudioSpecificConfig as `extradata_size` bytes at `extradata`.
        let (config, priming, size) = unsafe {
            let context = &*context.as_ptr();
            let config = if context.extradata.is_null() {
                Bytes::new()
            } else {
                Bytes::copy_from_slice(std::slice::from_raw_parts(context.extradata, context.extradata_size as usize))
            };
            (config, context.initial_padding.max(0) as usize, context.frame_size)
        };
        if config.len() < 2 || size != PACKET_FRAMES as i32 {
            return Err(AvError::new(ffi::AVERROR_BUG));
        }
        Ok(Self {
            context,
            frame,
            packet: Packet::new()?,
            config,
            priming,
            filled: 0,
            position: 0,
            runs: VecDeque::new(),
            ready: VecDeque::new(),
        })
    }

    /// The `AudioSpecificConfig` (ISO/IEC 14496-3 section 1.6.2.1) that decoders need beforehand.
    pub fn audio_specific_config(&self) -> Bytes {
        self.config.clone()
    }

    /// Frames by which the first packet's `pts` lies before the first block: the encoder's delay.
    pub fn priming_frames(&self) -> usize {
        self.priming
    }

    /// Takes 10 ms; now and then that completes a packet, never more than one at a time but after a gap.
    ///
    /// A gap in the blocks becomes a gap in the packets' stamps: what waited before it is filled up with silence.
    ///
    /// # Errors
    /// [`EncoderError::SoundFailed`] where FFmpeg fails.
    pub fn push(&mut self, block: &AudioBlock) -> Result<Option<AccessUnit>, EncoderError> {
        self.take(block).map_err(failed)?;
        Ok(self.ready.pop_front())
    }

    fn take(&mut self, block: &AudioBlock) -> Result<(), AvError> {
        let written = self.position + self.filled as i64;
        let expected = self.time_of(written);
        if expected.is_none_or(|expected| apart(expected, block.captured_at) > NEIGHBOURS_WITHIN) {
            if self.filled > 0 {
                self.silence();
                self.encode()?;
            }
            // Stamps never go back, whatever the blocks' do.
            let end = self.time_of(self.position).unwrap_or(MediaTime::ZERO);
            self.runs.push_back((self.position, block.captured_at.max(end)));
        }
        let mut at = 0;
        while at < BLOCK_FRAMES {
            at += self.fill(&block.samples[at * AUDIO_CHANNELS..]);
            if self.filled == PACKET_FRAMES {
                self.encode()?;
            }
        }
        Ok(())
    }

    /// The time of a frame that was or will be given to the encoder.
    fn time_of(&self, position: i64) -> Option<MediaTime> {
        let run = self.runs.iter().rev().find(|(first, _)| *first <= position).or(self.runs.front())?;
        let frames = position - run.0;
        let nanos = i128::from(frames.unsigned_abs()) * 1_000_000_000 / i128::from(AUDIO_SAMPLE_RATE);
        let distance = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        Some(if frames < 0 { run.1 - distance } else { run.1 + distance })
    }

    /// Copies what fits of interleaved samples; returns how many frames that were.
    fn fill(&mut self, samples: &[f32]) -> usize {
        let frames = (samples.len() / AUDIO_CHANNELS).min(PACKET_FRAMES - self.filled);
        let filled = self.filled;
        let planes = self.planes();
        for (channel, plane) in planes.into_iter().enumerate() {
            let input = samples.iter().skip(channel).step_by(AUDIO_CHANNELS);
            plane[filled..filled + frames].iter_mut().zip(input).for_each(|(to, from)| *to = *from);
        }
        self.filled += frames;
        frames
    }

    fn silence(&mut self) {
        let filled = self.filled;
        self.planes().into_iter().for_each(|plane| plane[filled..].fill(0.0));
        self.filled = PACKET_FRAMES;
    }

    fn planes(&mut self) -> [&mut [f32]; AUDIO_CHANNELS] {
        // SAFETY: the frame is ours and writable (`encode` sees to it), with one plane of `PACKET_FRAMES` floats for each
        // channel; the two planes don't overlap.
        unsafe {
            let data = (*self.frame.as_ptr()).data;
            [0, 1].map(|channel| std::slice::from_raw_parts_mut(data[channel].cast::<f32>(), PACKET_FRAMES))
        }
    }

    fn encode(&mut self) -> Result<(), AvError> {
        let (context, frame, packet) = (self.context.as_ptr(), self.frame.as_ptr(), self.packet.as_ptr());
        // SAFETY: all three are valid and used by this thread alone. The encoder may keep a reference to the frame's
        // buffers: they are made writable, that is ours alone, before they are written again.
        unsafe {
            (*frame).pts = self.position;
            check(ffi::avcodec_send_frame(context, frame))?;
            check(ffi::av_frame_make_writable(frame))?;
        }
        self.position += PACKET_FRAMES as i64;
        self.filled = 0;
        loop {
            // SAFETY: as above; a received packet holds `size` bytes at `data`.
            let (at, payload) = unsafe {
                let result = ffi::avcodec_receive_packet(context, packet);
                if result == ffi::AVERROR(libc::EAGAIN) {
                    return Ok(());
                }
                check(result)?;
                let data = std::slice::from_raw_parts((*packet).data, (*packet).size as usize);
                let taken = ((*packet).pts, Bytes::copy_from_slice(data));
                ffi::av_packet_unref(packet);
                taken
            };
            let pts = self.time_of(at).unwrap_or(MediaTime::ZERO);
            while self.runs.get(1).is_some_and(|(first, _)| *first <= at) {
                self.runs.pop_front();
            }
            self.ready.push_back(AccessUnit {
                track: Track::Aac,
                pts,
                dts: pts,
                keyframe: true,
                captured_at: pts,
                payload,
            });
        }
    }
}

fn apart(one: MediaTime, other: MediaTime) -> Duration {
    one.since(other).max(other.since(one))
}

fn failed(error: AvError) -> EncoderError {
    EncoderError::SoundFailed { reason: error.text }
}
