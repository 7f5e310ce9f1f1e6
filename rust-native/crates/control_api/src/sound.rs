//! The mix and its encodes: Opus always, AAC while somebody reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use capture::audio::{AudioError, AudioEvent, Input, InputLevel, Mixer};
use encoder::{EncoderError, OpusEncoder};
use media::{AccessUnit, AudioBlock, Bitrate};
use stream::Broadcast;

use crate::AudioInput;
use crate::aac::AacOnDemand;
use crate::event::AudioInputState;

/// Transparent for stereo music, and small beside any picture (Opus recommendations, RFC 7587 section 3.1.1).
const OPUS_BITRATE: Bitrate = Bitrate::from_kbps(128);

/// Mixer, Opus encoder and what the user set on each input.
#[derive(Debug)]
pub(crate) struct Sound {
    mixer: Mixer,
    streaming: Arc<AtomicBool>,
    inputs: [InputState; 2],
}

#[derive(Debug, Clone, Copy)]
struct InputState {
    input: Input,
    active: bool,
    muted: bool,
    volume: f64,
}

impl Sound {
    /// Starts the mixer with nothing open.
    pub(crate) fn start(
        hub: Broadcast<AccessUnit>,
        on_event: impl Fn(AudioEvent) + Send + 'static,
    ) -> Result<Self, EncoderError> {
        let mut opus = OpusEncoder::new(OPUS_BITRATE)?;
        let mut aac = AacOnDemand::new(hub.clone());
        let streaming = Arc::new(AtomicBool::new(false));
        let gate = Arc::clone(&streaming);
        let sink = move |block: AudioBlock| {
            // Meters run without a stream; an encode nobody hears would cost a hundredth of a core.
            if !gate.load(Ordering::Relaxed) {
                return;
            }
            aac.push(&block);
            match opus.push(&block) {
                Ok(Some(unit)) => {
                    hub.push(&unit);
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "20 ms of sound could not be encoded"),
            }
        };
        let at_rest = |input| InputState { input, active: false, muted: false, volume: 1.0 };
        Ok(Self {
            mixer: Mixer::start(sink, on_event),
            streaming,
            inputs: [at_rest(Input::Microphone), at_rest(Input::SystemSound)],
        })
    }

    /// Whether blocks are encoded and sent.
    pub(crate) fn set_streaming(&self, streaming: bool) {
        self.streaming.store(streaming, Ordering::Relaxed);
    }

    /// Opens or closes an input; blocks for up to three seconds.
    pub(crate) fn select(&mut self, input: Input, device: Option<&str>) -> Result<(), AudioError> {
        let outcome = match device {
            Some(device) => self.mixer.open(input, (device != "default").then_some(device)),
            None => {
                self.mixer.close(input);
                Ok(())
            }
        };
        self.set_active(input, device.is_some() && outcome.is_ok());
        outcome
    }

    /// A device went or came back.
    pub(crate) fn set_active(&mut self, input: Input, active: bool) {
        for state in self.inputs.iter_mut().filter(|state| state.input == input) {
            state.active = active;
        }
    }

    /// Silences inputs in the mix.
    pub(crate) fn mute(&mut self, which: AudioInput, muted: bool) {
        for state in self.inputs.iter_mut().filter(|state| selects(which, state.input)) {
            state.muted = muted;
            self.mixer.set_muted(state.input, muted);
        }
    }

    /// Sets the linear gain of inputs.
    pub(crate) fn set_volume(&mut self, which: AudioInput, volume: f64) {
        for state in self.inputs.iter_mut().filter(|state| selects(which, state.input)) {
            state.volume = volume;
            self.mixer.set_volume(state.input, volume as f32);
        }
    }

    /// What the user set, for the state event.
    pub(crate) fn states(&self) -> Vec<AudioInputState> {
        let name = |input| match input {
            Input::Microphone => AudioInput::Microphone,
            Input::SystemSound => AudioInput::SystemSound,
        };
        let state = |s: &InputState| AudioInputState {
            input: name(s.input),
            active: s.active,
            muted: s.muted,
            volume: s.volume,
        };
        self.inputs.iter().map(state).collect()
    }

    /// Whether any input is open.
    pub(crate) fn is_open(&self) -> bool {
        self.inputs.iter().any(|state| state.active)
    }

    /// Levels of each open input since the last call.
    pub(crate) fn levels(&self) -> Vec<InputLevel> {
        self.mixer.levels()
    }

    /// Peak of the mix since the last call, dBFS.
    pub(crate) fn master_peak_db(&self) -> f32 {
        self.mixer.master_peak_db()
    }
}

fn selects(which: AudioInput, input: Input) -> bool {
    match which {
        AudioInput::All => true,
        AudioInput::Microphone => input == Input::Microphone,
        AudioInput::SystemSound => input == Input::SystemSound,
    }
}
