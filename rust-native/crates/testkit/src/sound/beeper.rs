//! Beeps of which it is known when they are heard, for tests of sound against picture.
//!
//! `pacat` does not tell when its samples reach the sink. A stream that always runs does: the server reports its
//! latency with every callback. On a null sink the answer is right within one quantum (5 ms here).

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, HostId, OutputCallbackInfo, StreamConfig};
use media::{Clock, MediaTime, MonotonicClock};

use super::{SoundRigError, Target, Tone, tone_samples};
use crate::time_pattern::{self, Stamp};

/// Until a beep's first sample reaches the sink: some 30 ms, on a busy machine more.
const BEEP_TIMEOUT: Duration = Duration::from_secs(5);

/// A beep that was played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beep {
    /// When its first sample was heard, on `CLOCK_MONOTONIC`.
    pub played_at: MediaTime,
    /// The same moment as a stamp of the time pattern.
    pub stamp: Stamp,
}

/// A running, silent stream into a device. Finds the server by the environment: see [`super::SoundRig::enter`].
pub struct Beeper {
    beeps: SyncSender<Vec<[f32; 2]>>,
    played: Receiver<MediaTime>,
    _stream: cpal::Stream,
}

impl Beeper {
    /// Opens the stream.
    ///
    /// # Errors
    /// `Failed`, in the server's words.
    pub fn start(target: Target) -> Result<Self, SoundRigError> {
        let failed = |error: cpal::Error| SoundRigError::Failed { program: "beeper".into(), reason: error.to_string() };
        let host = cpal::host_from_id(HostId::PulseAudio).map_err(failed)?;
        let is_ours = |device: &cpal::Device| device.id().is_ok_and(|id| id.id() == target.sink());
        let device = host.devices().map_err(failed)?.find(is_ours).ok_or_else(|| SoundRigError::Failed {
            program: "beeper".into(),
            reason: format!("no sink {}", target.sink()),
        })?;
        let (beeps, wanted) = sync_channel::<Vec<[f32; 2]>>(1);
        let (heard, played) = sync_channel(1);
        let mut current = Vec::new().into_iter();
        let config = StreamConfig { channels: 2, sample_rate: 48_000, buffer_size: BufferSize::Fixed(480) };
        let stream = device
            .build_output_stream(
                config,
                move |samples: &mut [f32], info: &OutputCallbackInfo| {
                    if current.len() == 0
                        && let Ok(beep) = wanted.try_recv()
                    {
                        current = beep.into_iter();
                        let at = info.timestamp();
                        let latency = at.playback.duration_since(at.callback);
                        match heard.try_send(MonotonicClock.now() + latency) {
                            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
                        }
                    }
                    for frame in samples.chunks_exact_mut(2) {
                        frame.copy_from_slice(&current.next().unwrap_or_default());
                    }
                },
                // A beep that is not heard fails by its time-out.
                |_| {},
                Some(Duration::from_secs(2)),
            )
            .map_err(failed)?;
        stream.play().map_err(failed)?;
        Ok(Self { beeps, played, _stream: stream })
    }

    /// Plays a tone as soon as it can and says when that is.
    ///
    /// # Errors
    /// `Timeout` when the stream does not run.
    pub fn beep(&self, tone: &Tone) -> Result<Beep, SoundRigError> {
        let _ = self.beeps.try_send(tone_samples(tone).collect());
        let played_at = self.played.recv_timeout(BEEP_TIMEOUT).map_err(|_| SoundRigError::Timeout {
            what: "beep",
            seconds: BEEP_TIMEOUT.as_secs(),
            log: String::new(),
        })?;
        let (now, stamp_now) = (MonotonicClock.now(), time_pattern::now());
        let ahead = played_at.since(now).as_micros() as u64 / 100;
        let behind = now.since(played_at).as_micros() as u64 / 100;
        Ok(Beep { played_at, stamp: stamp_now + ahead - behind })
    }
}

impl std::fmt::Debug for Beeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Beeper").finish_non_exhaustive()
    }
}
