//! The way back: AAC and H.264 of other people's encoders into samples and pictures, so that they can be encoded anew.

use std::ffi::c_int;

use ffmpeg_next::ffi;
use media::{AUDIO_CHANNELS, MediaTime, Picture, Plane, Size};

use super::log;
use super::raw::{AvError, Context, Frame, Packet, check};
use crate::EncoderError;

/// More channels than any layout with a name.
const MOST_CHANNELS: usize = 16;
/// What a centre or surround channel gives to each side: half its power.
const HALF_POWER: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// Opens a decoder of libavcodec; `extradata` is what it must know beforehand.
fn open(codec: ffi::AVCodecID, extradata: &[u8]) -> Result<Context, AvError> {
    log::install();
    // SAFETY: the answer is a static of libavcodec, or NULL.
    let codec = unsafe { ffi::avcodec_find_decoder(codec) };
    if codec.is_null() {
        return Err(AvError::new(ffi::AVERROR_DECODER_NOT_FOUND));
    }
    // SAFETY: `codec` is valid.
    let context = Context::take(unsafe { ffi::avcodec_alloc_context3(codec) })?;
    // SAFETY: a fresh context; extradata is FFmpeg's own zeroed memory with the padding that its readers want, and is
    // freed with the context.
    unsafe {
        let context = context.as_ptr();
        if !extradata.is_empty() {
            let memory = ffi::av_mallocz(extradata.len() + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize).cast::<u8>();
            if memory.is_null() {
                return Err(AvError::new(-libc::ENOMEM));
            }
            std::ptr::copy_nonoverlapping(extradata.as_ptr(), memory, extradata.len());
            (*context).extradata = memory;
            (*context).extradata_size = extradata.len() as c_int;
        }
        // Frames in parallel would each delay the output by one.
        (*context).thread_count = 1;
        check(ffi::avcodec_open2(context, codec, std::ptr::null_mut()))?;
    }
    Ok(context)
}

/// Sends one packet and takes every frame that comes of it.
fn run(
    context: &Context,
    (packet, frame): (&Packet, &Frame),
    payload: &[u8],
    pts: i64,
    mut each: impl FnMut(&Frame) -> Result<(), AvError>,
) -> Result<(), AvError> {
    let (context, packet, raw) = (context.as_ptr(), packet.as_ptr(), frame.as_ptr());
    let size = c_int::try_from(payload.len()).map_err(|_| AvError::new(ffi::AVERROR_INVALIDDATA))?;
    // SAFETY: all three are valid and used by this thread alone; the packet's memory is FFmpeg's own, padded, and let go
    // after it was sent.
    unsafe {
        check(ffi::av_new_packet(packet, size))?;
        std::ptr::copy_nonoverlapping(payload.as_ptr(), (*packet).data, payload.len());
        ((*packet).pts, (*packet).dts) = (pts, ffi::AV_NOPTS_VALUE);
        let sent = ffi::avcodec_send_packet(context, packet);
        ffi::av_packet_unref(packet);
        check(sent)?;
    }
    loop {
        // SAFETY: as above.
        let result = unsafe { ffi::avcodec_receive_frame(context, raw) };
        if result == ffi::AVERROR(libc::EAGAIN) || result == ffi::AVERROR_EOF {
            return Ok(());
        }
        check(result)?;
        let taken = each(frame);
        // SAFETY: the frame is ours.
        unsafe { ffi::av_frame_unref(raw) };
        taken?;
    }
}

/// Decodes AAC (LC and HE, ISO/IEC 14496-3) to stereo.
#[derive(Debug)]
pub struct AacDecoder {
    context: Context,
    frame: Frame,
    packet: Packet,
}

impl AacDecoder {
    /// For raw frames that an `AudioSpecificConfig` describes.
    ///
    /// # Errors
    /// [`EncoderError::SoundFailed`] where FFmpeg has no use for it.
    pub fn new(config: &[u8]) -> Result<Self, EncoderError> {
        let open = || -> Result<Self, AvError> {
            let context = open(ffi::AVCodecID::AV_CODEC_ID_AAC, config)?;
            Ok(Self { context, frame: Frame::new()?, packet: Packet::new()? })
        };
        open().map_err(failed)
    }

    /// Appends a frame's samples, interleaved stereo within ±1; returns their rate in Hz, `None` while nothing comes out.
    /// One channel goes to both sides; of more than two, centre and surround go to both at half their power.
    ///
    /// # Errors
    /// [`EncoderError::SoundFailed`] for a damaged frame; the next one may be good.
    pub fn decode(&mut self, frame: &[u8], samples: &mut Vec<f32>) -> Result<Option<u32>, EncoderError> {
        let mut rate = None;
        run(&self.context, (&self.packet, &self.frame), frame, ffi::AV_NOPTS_VALUE, |frame| {
            rate = Some(append(frame, samples)?);
            Ok(())
        })
        .map_err(failed)?;
        Ok(rate)
    }
}

fn append(frame: &Frame, samples: &mut Vec<f32>) -> Result<u32, AvError> {
    let invalid = || AvError::new(ffi::AVERROR_INVALIDDATA);
    // SAFETY: a received frame; its fields are plain data.
    let (format, count, channels, rate, data) = unsafe {
        let frame = &*frame.as_ptr();
        (frame.format, frame.nb_samples, frame.ch_layout.nb_channels, frame.sample_rate, frame.extended_data)
    };
    let channels = usize::try_from(channels).map_err(|_| invalid())?;
    let count = usize::try_from(count).map_err(|_| invalid())?;
    if format != ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP as c_int || !(1..=MOST_CHANNELS).contains(&channels) {
        return Err(invalid());
    }
    let rate = u32::try_from(rate).ok().filter(|rate| (8000..=192_000).contains(rate)).ok_or_else(invalid)?;
    // SAFETY: planar floats: `channels` pointers to `count` samples each.
    let plane = |channel: usize| unsafe { std::slice::from_raw_parts((*data.add(channel)).cast::<f32>(), count) };
    let planes: Vec<&[f32]> = (0..channels).map(plane).collect();
    samples.reserve(count * AUDIO_CHANNELS);
    for n in 0..count {
        let pair = match planes.as_slice() {
            [one] => [one[n]; 2],
            [left, right] => [left[n], right[n]],
            // FFmpeg's order: left, right, centre, then low frequencies where there are five and more, then surround.
            [left, right, centre, rest @ ..] => {
                let surround = rest.iter().skip(usize::from(rest.len() >= 3));
                let mut sides = [left[n] + HALF_POWER * centre[n], right[n] + HALF_POWER * centre[n]];
                surround.enumerate().for_each(|(index, plane)| sides[index % 2] += HALF_POWER * plane[n]);
                // Three and more at full scale would clip.
                sides.map(|side| side * 0.5)
            }
            [] => [0.0; 2],
        };
        samples.extend(pair);
    }
    Ok(rate)
}

/// Decodes H.264 (ITU-T H.264), 4:2:0 with 8 bits, into pictures in the order in which they are shown.
#[derive(Debug)]
pub struct H264Decoder {
    context: Context,
    frame: Frame,
    packet: Packet,
}

impl H264Decoder {
    /// For Annex B with parameter sets in front of the first picture.
    ///
    /// # Errors
    /// [`EncoderError::EncodeFailed`] where FFmpeg has no decoder.
    pub fn new() -> Result<Self, EncoderError> {
        let open = || -> Result<Self, AvError> {
            let context = open(ffi::AVCodecID::AV_CODEC_ID_H264, &[])?;
            Ok(Self { context, frame: Frame::new()?, packet: Packet::new()? })
        };
        open().map_err(undecodable)
    }

    /// Takes one access unit in decoding order; `each` gets what is to be shown after it, with its time.
    ///
    /// # Errors
    /// [`EncoderError::EncodeFailed`] for a damaged picture, or one of another format; the next one may be good.
    pub fn decode(
        &mut self,
        unit: &[u8],
        pts: MediaTime,
        mut each: impl FnMut(Picture, MediaTime),
    ) -> Result<(), EncoderError> {
        let ticks = i64::try_from(pts.as_nanos()).unwrap_or(i64::MAX);
        run(&self.context, (&self.packet, &self.frame), unit, ticks, |frame| {
            let (picture, at) = copy(frame)?;
            each(picture, at);
            Ok(())
        })
        .map_err(undecodable)
    }
}

fn copy(frame: &Frame) -> Result<(Picture, MediaTime), AvError> {
    let invalid = || AvError::new(ffi::AVERROR_PATCHWELCOME);
    // SAFETY: a received frame; its fields are plain data.
    let frame = unsafe { &*frame.as_ptr() };
    let planar = ffi::AVPixelFormat::AV_PIX_FMT_YUV420P as c_int;
    let planar_full = ffi::AVPixelFormat::AV_PIX_FMT_YUVJ420P as c_int;
    if frame.format != planar && frame.format != planar_full {
        return Err(invalid());
    }
    let full = frame.format == planar_full || frame.color_range == ffi::AVColorRange::AVCOL_RANGE_JPEG;
    // Encoders want even sides: an odd last row or column is left out.
    let (width, height) = (frame.width & !1, frame.height & !1);
    let (Ok(width), Ok(height)) = (u32::try_from(width), u32::try_from(height)) else { return Err(invalid()) };
    let size = Size { width, height };
    if size.area() == 0 {
        return Err(invalid());
    }
    let at = MediaTime::from_nanos(u64::try_from(frame.best_effort_timestamp).unwrap_or(0));
    let plane = |index: usize| {
        let half = u32::from(index > 0);
        let (columns, rows) = ((width >> half) as usize, (height >> half) as usize);
        let stride = columns.next_multiple_of(32);
        let mut data = vec![0; stride * rows];
        let (from, step) = (frame.data[index], frame.linesize[index]);
        for (row, to) in data.chunks_exact_mut(stride).enumerate() {
            // SAFETY: a plane of a decoded frame has at least so many rows of so many samples, `linesize` apart.
            let line = unsafe { std::slice::from_raw_parts(from.offset(row as isize * step as isize), columns) };
            to[..columns].copy_from_slice(line);
            if full {
                limit(&mut to[..columns], index == 0);
            }
        }
        Plane { data, stride }
    };
    Ok((Picture { size, planes: [plane(0), plane(1), plane(2)], captured_at: at }, at))
}

/// Full range into limited (ITU-T H.264, E.2.1): 0 to 255 into 16 to 235, chroma into 16 to 240.
fn limit(samples: &mut [u8], luma: bool) {
    let (range, zero) = if luma { (219, 16) } else { (224, 16) };
    samples.iter_mut().for_each(|sample| *sample = ((u32::from(*sample) * range + 127) / 255 + zero) as u8);
}

fn failed(error: AvError) -> EncoderError {
    EncoderError::SoundFailed { reason: error.text }
}

fn undecodable(error: AvError) -> EncoderError {
    EncoderError::EncodeFailed { name: "h264 (decoder)", reason: error.text }
}
