//! Opus (RFC 6716) in packets of 20 ms, as every WebRTC peer plays it.

use bytes::Bytes;
use media::{AUDIO_CHANNELS, AUDIO_SAMPLE_RATE, AccessUnit, AudioBlock, BLOCK_FRAMES, Bitrate, MediaTime, Track};

use crate::EncoderError;

/// 10 ms blocks in one packet.
const BLOCKS: usize = 2;
/// Samples, interleaved, in one block.
const BLOCK_SAMPLES: usize = BLOCK_FRAMES * AUDIO_CHANNELS;
/// No Opus frame is longer (RFC 6716 section 3.2.1: 1275 bytes and its header).
const MAX_PACKET: usize = 1276;
/// Half-way between the cheapest and the best: 48 kHz stereo at 128 kbit/s is transparent with it, and it costs a
/// third less than 10.
const COMPLEXITY: i32 = 5;
/// Blocks whose stamps are further apart than this are no neighbours. Capture stamps jitter by a few milliseconds.
const NEIGHBOURS_WITHIN_MS: u64 = 30;

/// Makes a packet of each two blocks.
pub struct OpusEncoder {
    opus: opus::Encoder,
    waiting: Option<MediaTime>,
    samples: [f32; BLOCK_SAMPLES * BLOCKS],
    packet: [u8; MAX_PACKET],
}

impl OpusEncoder {
    /// An encoder for music and speech at that bitrate.
    ///
    /// # Errors
    /// [`EncoderError::SoundFailed`] where libopus refuses (a bitrate out of 500 to 512000 bit/s).
    pub fn new(bitrate: Bitrate) -> Result<Self, EncoderError> {
        let mut opus =
            opus::Encoder::new(AUDIO_SAMPLE_RATE, opus::Channels::Stereo, opus::Application::Audio).map_err(failed)?;
        opus.set_complexity(COMPLEXITY).map_err(failed)?;
        // Redundancy for the receiver's loss concealment (useinbandfec=1); spends bits only in the speech modes.
        opus.set_inband_fec(true).map_err(failed)?;
        opus.set_packet_loss_perc(2).map_err(failed)?;
        let mut this = Self { opus, waiting: None, samples: [0.0; BLOCK_SAMPLES * BLOCKS], packet: [0; MAX_PACKET] };
        this.set_bitrate(bitrate)?;
        Ok(this)
    }

    /// Another bitrate from the next packet on.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), EncoderError> {
        let bps = i32::try_from(bitrate.as_bps()).unwrap_or(i32::MAX);
        if !(500..=512_000).contains(&bps) {
            return Err(EncoderError::SoundFailed { reason: format!("{bitrate} is not a bitrate for sound") });
        }
        self.opus.set_bitrate(opus::Bitrate::Bits(bps)).map_err(failed)
    }

    /// Takes 10 ms; each second time gives a packet, stamped with its first block's time.
    ///
    /// A block that doesn't follow the waiting one begins a packet of its own: the half packet before a gap is
    /// dropped, as a packet has no place for the gap.
    ///
    /// # Errors
    /// [`EncoderError::SoundFailed`] where libopus fails.
    pub fn push(&mut self, block: &AudioBlock) -> Result<Option<AccessUnit>, EncoderError> {
        let first = self.waiting.take().filter(|first| {
            let apart = block.captured_at.since(*first).max(first.since(block.captured_at));
            apart.as_millis() <= u128::from(NEIGHBOURS_WITHIN_MS)
        });
        let Some(first) = first else {
            self.samples[..BLOCK_SAMPLES].copy_from_slice(&block.samples);
            self.waiting = Some(block.captured_at);
            return Ok(None);
        };
        self.samples[BLOCK_SAMPLES..].copy_from_slice(&block.samples);
        let length = self.opus.encode_float(&self.samples, &mut self.packet).map_err(failed)?;
        Ok(Some(AccessUnit {
            track: Track::Audio,
            pts: first,
            dts: first,
            keyframe: true,
            captured_at: first,
            payload: Bytes::copy_from_slice(&self.packet[..length]),
        }))
    }
}

/// No packet lasts longer (RFC 6716 section 2.1.4), frames of both channels.
const LONGEST_PACKET: usize = AUDIO_SAMPLE_RATE as usize * 120 / 1000;

/// Opus packets → samples, for whoever has to make something else of them.
pub struct OpusDecoder {
    opus: opus::Decoder,
    samples: Vec<f32>,
}

impl OpusDecoder {
    /// A decoder of stereo, whatever the packets hold.
    ///
    /// # Errors
    /// [`EncoderError::SoundFailed`] where libopus refuses.
    pub fn new() -> Result<Self, EncoderError> {
        let opus = opus::Decoder::new(AUDIO_SAMPLE_RATE, opus::Channels::Stereo).map_err(failed)?;
        Ok(Self { opus, samples: vec![0.0; LONGEST_PACKET * AUDIO_CHANNELS] })
    }

    /// One packet's samples, interleaved, 48 kHz stereo.
    ///
    /// # Errors
    /// [`EncoderError::SoundFailed`] for what is no packet; the next one may be one again.
    pub fn decode(&mut self, packet: &[u8]) -> Result<&[f32], EncoderError> {
        let frames = self.opus.decode_float(packet, &mut self.samples, false).map_err(failed)?;
        Ok(&self.samples[..frames * AUDIO_CHANNELS])
    }
}

fn failed(error: opus::Error) -> EncoderError {
    EncoderError::SoundFailed { reason: error.description().to_owned() }
}
