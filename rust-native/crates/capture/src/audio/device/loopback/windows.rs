//! WASAPI: a speaker that plays nothing sends no loopback packets, so silence is played into it.

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{Data, Device, SampleFormat};

use crate::audio::AudioError;
use crate::audio::device::policy;

/// The silence; ends when it is dropped.
pub(in crate::audio::device) struct Awake(#[allow(dead_code, reason = "held, never read")] cpal::Stream);

/// Loopback is in every Windows that the app runs on.
#[allow(clippy::unnecessary_wraps, reason = "macOS answers the same question with conditions")]
pub(in crate::audio::device) fn available() -> Result<(), AudioError> {
    Ok(())
}

/// A microphone that the privacy settings forbid answers so when it is opened.
#[allow(clippy::unnecessary_wraps, reason = "macOS answers the same question with conditions")]
pub(in crate::audio::device) fn may_record() -> Result<(), AudioError> {
    Ok(())
}

/// Every speaker can be listened to.
#[allow(clippy::unnecessary_wraps, reason = "macOS answers the same question with conditions")]
pub(in crate::audio::device) fn usable(_speaker: &Device) -> Result<(), AudioError> {
    Ok(())
}

/// Keeps packets coming while nothing is played. Without it the mix would take a quiet desktop for a lost device;
/// where it can't be had, that is what happens, and the log says why.
pub(in crate::audio::device) fn keep_awake(speaker: &Device) -> Option<Awake> {
    let started = speaker.default_output_config().and_then(|supported| {
        let format = supported.sample_format();
        let stream = speaker.build_output_stream_raw(
            policy::stream_config(&supported),
            format,
            move |data: &mut Data, _| silence(data, format),
            |error| tracing::debug!(%error, "the silence under the loopback reported"),
            None,
        )?;
        stream.play()?;
        Ok(Awake(stream))
    });
    started.inspect_err(|error| tracing::warn!(%error, "no silence could be played under the loopback")).ok()
}

fn silence(data: &mut Data, format: SampleFormat) {
    // Unsigned samples rest in their middle, of which only the highest byte is not zero; WASAPI mixes floats.
    let rest = if format == SampleFormat::U8 { 0x80 } else { 0 };
    data.bytes_mut().fill(rest);
}
