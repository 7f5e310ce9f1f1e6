//! The mix and its encodes: Opus always, AAC while somebody reads it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::sound::{LoudnessReading, MAX_DELAY_MS, SILENCE_DB, linear};
use capture::audio::{AudioError, AudioEvent, Input, InputLevel, Mixer, Source};
use encoder::{EncoderError, OpusEncoder};
use media::{AccessUnit, AudioBlock, Bitrate};
use parking_lot::Mutex;
use record::{InputTrack, Inputs};
use stream::Broadcast;

use crate::aac::AacOnDemand;
use crate::input_tracks::InputTracks;
use crate::monitoring::{self, COMES_BACK};
use crate::{AudioInput, AudioInputChange, AudioInputState, AudioSource, Problem};

/// Transparent for stereo music, and small beside any picture (Opus recommendations, RFC 7587 section 3.1.1).
const OPUS_BITRATE: Bitrate = Bitrate::from_kbps(128);
/// The two inputs that are always there.
pub(crate) const MICROPHONE: &str = "microphone";
pub(crate) const SYSTEM_SOUND: &str = "system_sound";
/// The name of the mix among the meters, and so no input's.
pub(crate) const MASTER: &str = "master";
/// Each open input costs a thread and a ring; a desk of more is a mistake.
const MOST_INPUTS: usize = 32;
/// An id is a word that a settings file and a meter's message can carry.
const LONGEST_ID: usize = 64;
/// Of an input, in bytes: what a device's or a program's may be.
const LONGEST_NAME: usize = 512;

/// Mixer, Opus encoder and what the user set on each input.
#[derive(Debug)]
pub(crate) struct Sound {
    mixer: Arc<Mixer>,
    /// Every input by its id, for whoever acts beside the session.
    names: Names,
    streaming: Arc<AtomicBool>,
    inputs: Vec<Known>,
    next: u32,
    headphones: Option<String>,
    /// While a recording keeps the inputs apart, and after it until the next one.
    tracks: Option<InputTracks>,
}

type Names = Arc<Mutex<BTreeMap<String, Input>>>;

#[derive(Debug)]
struct Known {
    input: Input,
    number: u32,
    /// As people call it.
    name: Option<String>,
    state: AudioInputState,
}

impl Known {
    fn at_rest(number: u32, id: &str) -> Self {
        let state = AudioInputState {
            input: id.to_owned(),
            source: None,
            active: false,
            muted: false,
            hushed: false,
            volume: 1.0,
            solo: false,
            monitored: false,
            monitor_problem: None,
            delay_ms: 0,
            filters: Vec::new(),
        };
        Self { input: Input::new(number), number, name: None, state }
    }
}

impl Sound {
    /// Starts the mixer with nothing open.
    pub(crate) fn start(
        hub: Broadcast<AccessUnit>,
        on_event: impl Fn(AudioEvent) + Send + Sync + 'static,
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
        let inputs = vec![Known::at_rest(0, MICROPHONE), Known::at_rest(1, SYSTEM_SOUND)];
        let names = inputs.iter().map(|known| (known.state.input.clone(), known.input)).collect();
        Ok(Self {
            mixer: Arc::new(Mixer::start(sink, on_event)),
            names: Arc::new(Mutex::new(names)),
            streaming,
            inputs,
            next: 2,
            headphones: None,
            tracks: None,
        })
    }

    /// Takes inputs out of the mix and back by their ids, from any thread and without waiting for the session: who
    /// lets go of a key must be silent at once, whatever else is going on. An unknown id is ignored.
    pub(crate) fn husher(&self) -> impl Fn(&str, bool) + Send + Sync + 'static {
        let (mixer, names) = (Arc::downgrade(&self.mixer), Arc::clone(&self.names));
        move |id, hushed| {
            let input = names.lock().get(id).copied();
            if let (Some(input), Some(mixer)) = (input, mixer.upgrade()) {
                mixer.set_hushed(input, hushed);
            }
        }
    }

    /// Whether blocks are encoded and sent.
    pub(crate) fn set_streaming(&self, streaming: bool) {
        self.streaming.store(streaming, Ordering::Relaxed);
    }

    /// The inputs that are in use, for a recording in which each has a track of its own.
    pub(crate) fn inputs(&self) -> Inputs {
        let inputs = Inputs::default();
        inputs.set(self.in_use());
        inputs
    }

    /// Encodes each of them as long as somebody records them; to be called when the recording reads.
    pub(crate) fn record_inputs(&mut self, hub: Broadcast<AccessUnit>, inputs: Inputs) -> std::io::Result<()> {
        self.tracks = Some(InputTracks::start(hub, inputs, &self.mixer)?);
        Ok(())
    }

    fn in_use(&self) -> Vec<InputTrack> {
        let name = |known: &Known| known.name.clone().unwrap_or_else(|| spoken(&known.state.input).to_owned());
        let used = self.inputs.iter().filter(|known| known.state.source.is_some());
        used.map(|known| InputTrack { number: known.number, name: name(known) }).collect()
    }

    fn tell_tracks(&mut self) {
        let inputs = self.in_use();
        if let Some(tracks) = &mut self.tracks {
            tracks.set(inputs, &self.mixer);
        }
    }

    /// Opens or closes one of the two inputs that are always there; blocks for up to three seconds.
    pub(crate) fn select(&mut self, id: &str, source: Option<AudioSource>) -> Result<(), AudioError> {
        let Some(known) = self.inputs.iter_mut().find(|known| known.state.input == id) else { return Ok(()) };
        let outcome = match &source {
            Some(source) => self.mixer.open(known.input, &of_device(source)),
            None => {
                self.mixer.close(known.input);
                Ok(())
            }
        };
        known.state.active = source.is_some() && outcome.is_ok();
        known.state.source = source.filter(|_| outcome.is_ok());
        self.monitor();
        self.tell_tracks();
        outcome
    }

    /// Adds an input, or gives one another source; blocks for up to three seconds.
    ///
    /// The outer error is the caller's; the inner one says why it is not heard yet.
    pub(crate) fn add(&mut self, id: &str, source: AudioSource) -> Result<Result<(), AudioError>, Problem> {
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if id.is_empty() || id.len() > LONGEST_ID || !id.chars().all(valid) || id == MASTER {
            return Err(Problem::bad_value(format!("\"{id}\" is no name for an input.")));
        }
        if !self.inputs.iter().any(|known| known.state.input == id) {
            if self.inputs.len() >= MOST_INPUTS {
                return Err(Problem::bad_value(format!("There are at most {MOST_INPUTS} inputs.")));
            }
            let known = Known::at_rest(self.next, id);
            self.names.lock().insert(id.to_owned(), known.input);
            self.inputs.push(known);
            self.next += 1;
        }
        let Some(known) = self.inputs.iter_mut().find(|known| known.state.input == id) else {
            return Err(Problem::internal("an input is gone that was just added"));
        };
        let outcome = self.mixer.keep_open(known.input, &of_device(&source));
        known.state.active = outcome.is_ok();
        known.state.source = Some(source);
        self.monitor();
        self.tell_tracks();
        Ok(outcome)
    }

    /// Closes an input and forgets it; the two that are always there are only closed.
    pub(crate) fn remove(&mut self, id: &str) -> Result<(), Problem> {
        let known = self.find(id)?;
        let input = known.input;
        (known.state.active, known.state.source) = (false, None);
        if id == MICROPHONE || id == SYSTEM_SOUND {
            self.mixer.close(input);
        } else {
            self.names.lock().remove(id);
            self.mixer.remove(input);
            self.inputs.retain(|known| known.input != input);
        }
        self.tell_tracks();
        Ok(())
    }

    /// Changes what is set on an input: all of it, or nothing and an error.
    pub(crate) fn change(&mut self, id: &str, change: AudioInputChange) -> Result<(), Problem> {
        if let Some(db) = change.gain_db.filter(|db| !(-120.0..=24.0).contains(db)) {
            return Err(Problem::bad_value(format!("{db} is not a gain from -120 to 24 dB.")));
        }
        if let Some(ms) = change.delay_ms.filter(|ms| *ms > MAX_DELAY_MS) {
            return Err(Problem::bad_value(format!("{ms} ms is not a delay from 0 to {MAX_DELAY_MS} ms.")));
        }
        if let Some(name) = change.name.as_ref().filter(|name| name.len() > LONGEST_NAME) {
            return Err(Problem::bad_value(format!("A name of {} bytes is longer than {LONGEST_NAME}.", name.len())));
        }
        let Known { input, state, name, .. } =
            self.inputs.iter_mut().find(|known| known.state.input == id).ok_or_else(|| unknown(id))?;
        // First what can be refused.
        if let Some(filters) = change.filters {
            self.mixer.set_filters(*input, &filters)?;
            state.filters = filters;
        }
        if let Some(db) = change.gain_db {
            let gain = linear(db as f32);
            self.mixer.set_volume(*input, gain);
            state.volume = f64::from(gain);
        }
        if let Some(muted) = change.muted {
            self.mixer.set_muted(*input, muted);
            state.muted = muted;
        }
        if let Some(solo) = change.solo {
            self.mixer.set_solo(*input, solo);
            state.solo = solo;
        }
        if let Some(ms) = change.delay_ms {
            self.mixer.set_delay(*input, Duration::from_millis(u64::from(ms)));
            state.delay_ms = ms;
        }
        if let Some(monitored) = change.monitored {
            state.monitored = monitored;
        }
        let named = change.name.is_some();
        if named {
            *name = change.name.filter(|name| !name.trim().is_empty());
        }
        if change.monitored.is_some() {
            self.monitor();
        }
        if named {
            self.tell_tracks();
        }
        Ok(())
    }

    /// A device went or came back; returns the input's id.
    pub(crate) fn set_active(&mut self, input: Input, active: bool) -> Option<String> {
        let known = self.inputs.iter_mut().find(|known| known.input == input)?;
        known.state.active = active;
        Some(known.state.input.clone())
    }

    /// Silences inputs in the mix.
    pub(crate) fn mute(&mut self, which: AudioInput, muted: bool) {
        for Known { input, state, .. } in self.inputs.iter_mut().filter(|known| selects(which, &known.state.input)) {
            state.muted = muted;
            self.mixer.set_muted(*input, muted);
        }
    }

    /// Sets the linear gain of inputs.
    pub(crate) fn set_volume(&mut self, which: AudioInput, volume: f64) {
        for Known { input, state, .. } in self.inputs.iter_mut().filter(|known| selects(which, &known.state.input)) {
            state.volume = volume;
            self.mixer.set_volume(*input, volume as f32);
        }
    }

    /// Plays the monitored inputs to a device; blocks for up to three seconds.
    pub(crate) fn listen(&mut self, device: Option<String>) -> Result<(), AudioError> {
        self.headphones = None;
        self.mixer.listen(None)?;
        self.headphones.clone_from(&device);
        self.monitor();
        let outcome = self.mixer.listen(device.as_deref());
        if outcome.is_err() {
            self.headphones = None;
            self.monitor();
        }
        outcome
    }

    /// Gives the headphones what they are to play, but for what they would play for ever.
    fn monitor(&mut self) {
        let open: Vec<AudioSource> = self.inputs.iter().filter_map(|known| known.state.source.clone()).collect();
        let headphones = self.headphones.as_deref();
        for Known { input, state, .. } in &mut self.inputs {
            let wanted = state.source.as_ref().filter(|_| state.monitored);
            state.monitor_problem = monitoring::problem(wanted, headphones, open.iter());
            self.mixer.set_monitored(*input, state.monitored && state.monitor_problem != Some(COMES_BACK));
        }
    }

    /// Where the monitored inputs are played to.
    pub(crate) fn headphones(&self) -> Option<String> {
        self.headphones.clone()
    }

    /// What the user set, for the state event.
    pub(crate) fn states(&self) -> Vec<AudioInputState> {
        self.inputs.iter().map(|known| known.state.clone()).collect()
    }

    /// Whether any input is open.
    pub(crate) fn is_open(&self) -> bool {
        self.inputs.iter().any(|known| known.state.active)
    }

    /// Levels of each open input and of the mix since the last call: id, peak and RMS in dBFS.
    pub(crate) fn levels(&self) -> Vec<(String, f32, f32)> {
        // One that has just been closed may be among the mixer's for another block: it is none any more.
        let name = |level: InputLevel| {
            let known = self.inputs.iter().find(|known| known.input == level.input && known.state.active)?;
            Some((known.state.input.clone(), level.peak_db, level.rms_db))
        };
        let (peak_db, rms_db) = self.mixer.master_level();
        let (peak_db, rms_db) = if self.is_open() { (peak_db, rms_db) } else { (SILENCE_DB, SILENCE_DB) };
        let master = (MASTER.to_owned(), peak_db, rms_db);
        self.mixer.levels().into_iter().filter_map(name).chain([master]).collect()
    }

    /// Peak of the mix since the last call, dBFS.
    pub(crate) fn master_peak_db(&self) -> f32 {
        self.mixer.master_peak_db()
    }

    /// Loudness of the mix.
    pub(crate) fn loudness(&self) -> LoudnessReading {
        self.mixer.loudness()
    }

    /// Starts the integrated loudness over.
    pub(crate) fn reset_loudness(&self) {
        self.mixer.reset_loudness();
    }

    fn find(&mut self, id: &str) -> Result<&mut Known, Problem> {
        self.inputs.iter_mut().find(|known| known.state.input == id).ok_or_else(|| unknown(id))
    }
}

fn unknown(id: &str) -> Problem {
    Problem::new("no_such_input", format!("There is no sound input \"{id}\"."), "Add the input first.")
}

/// What an input is called that nobody gave a name.
fn spoken(id: &str) -> &str {
    match id {
        MICROPHONE => "Microphone",
        SYSTEM_SOUND => "System sound",
        id => id,
    }
}

fn of_device(source: &AudioSource) -> Source {
    match source.clone() {
        AudioSource::Microphone { device } => Source::Microphone(Some(device)),
        AudioSource::SystemSound { device } => Source::SystemSound(Some(device)),
        AudioSource::Application { program } => Source::Application(program),
    }
}

fn selects(which: AudioInput, id: &str) -> bool {
    match which {
        AudioInput::All => true,
        AudioInput::Microphone => id == MICROPHONE,
        AudioInput::SystemSound => id == SYSTEM_SOUND,
    }
}
