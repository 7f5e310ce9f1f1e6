//! A mixer on the private sound server, and ears for it.

#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use capture::audio::{AudioEvent, Input, Mixer};
use media::AudioBlock;
use parking_lot::{Mutex, MutexGuard};
use testkit::sound::{SoundRig, tone_amplitude};

/// Where the tests put the microphone.
pub(crate) const MIC: Input = Input::new(0);
/// Where the tests put the system's sound.
pub(crate) const SPEAKER: Input = Input::new(1);

/// Generous: the machine may be compiling.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// The one rig of this process. Tests hold it one after another: they listen to the same speaker.
pub(crate) fn rig() -> MutexGuard<'static, SoundRig> {
    static RIG: OnceLock<Mutex<SoundRig>> = OnceLock::new();
    let rig = RIG.get_or_init(|| {
        let rig = SoundRig::start().unwrap_or_else(|error| panic!("the sound rig does not start: {error}"));
        rig.enter();
        Mutex::new(rig)
    });
    rig.lock()
}

/// Everything that a mixer gave out.
#[derive(Clone, Default)]
pub(crate) struct Ears {
    blocks: Arc<Mutex<Vec<(Instant, AudioBlock)>>>,
    events: Arc<Mutex<Vec<(Instant, AudioEvent)>>>,
}

impl Ears {
    pub(crate) fn mixer() -> (Mixer, Self) {
        let ears = Self::default();
        let (sink, events) = (ears.clone(), ears.clone());
        let mixer = Mixer::start(
            move |block| sink.blocks.lock().push((Instant::now(), block)),
            move |event| events.events.lock().push((Instant::now(), event)),
        );
        (mixer, ears)
    }

    pub(crate) fn blocks(&self) -> Vec<(Instant, AudioBlock)> {
        self.blocks.lock().clone()
    }

    pub(crate) fn events(&self) -> Vec<AudioEvent> {
        self.events.lock().iter().map(|(_, event)| event.clone()).collect()
    }

    pub(crate) fn event_times(&self) -> Vec<Instant> {
        self.events.lock().iter().map(|(at, _)| *at).collect()
    }

    pub(crate) fn forget(&self) {
        self.blocks.lock().clear();
    }

    /// Left and right of the last so many blocks; less when there are not so many yet.
    pub(crate) fn last(&self, count: usize) -> [Vec<f32>; 2] {
        let blocks = self.blocks.lock();
        let tail = &blocks[blocks.len().saturating_sub(count)..];
        [0, 1].map(|side| tail.iter().flat_map(|(_, b)| b.samples.iter().skip(side).step_by(2).copied()).collect())
    }

    /// Peak of a sine in the last 0.2 s, left and right.
    pub(crate) fn tone(&self, hz: f64) -> [f64; 2] {
        self.last(20).map(|side| tone_amplitude(&side, hz))
    }

    /// Waits until that tone is heard within 1 dB of these levels on the left and on the right; at or below
    /// [`SILENT_DB`] it must not be heard. A moment in which the busy machine tears the player's tone passes.
    pub(crate) fn hear(&self, hz: f64, levels: [f64; 2]) {
        let fits = |(heard, wanted): (f64, f64)| {
            if wanted <= SILENT_DB { heard < SILENT_DB } else { (heard - wanted).abs() < 1.0 }
        };
        let started = Instant::now();
        loop {
            let heard = self.tone(hz).map(db);
            if heard.into_iter().zip(levels).all(fits) {
                return;
            }
            assert!(started.elapsed() < SOON, "{hz} Hz at {heard:.1?} dB instead of {levels:.1?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Of the tones that the rig plays by default.
pub(crate) const TONE_DB: f64 = -12.04;
/// A thousandth: what a tone's neighbours leak into its bin.
pub(crate) const SILENT_DB: f64 = -60.0;

/// Polls until there is an answer.
pub(crate) fn wait<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(started.elapsed() < SOON, "no {what} within {SOON:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn db(linear: f64) -> f64 {
    20.0 * linear.max(1e-9).log10()
}
