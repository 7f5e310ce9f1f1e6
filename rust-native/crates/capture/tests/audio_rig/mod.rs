//! A mixer on the private sound server, and ears for it.

#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use capture::audio::{AudioEvent, Mixer};
use media::AudioBlock;
use testkit::sound::{SoundRig, tone_amplitude};

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
    rig.lock().unwrap_or_else(PoisonError::into_inner)
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
            move |block| sink.blocks.lock().unwrap().push((Instant::now(), block)),
            move |event| events.events.lock().unwrap().push((Instant::now(), event)),
        );
        (mixer, ears)
    }

    pub(crate) fn blocks(&self) -> Vec<(Instant, AudioBlock)> {
        self.blocks.lock().unwrap().clone()
    }

    pub(crate) fn events(&self) -> Vec<AudioEvent> {
        self.events.lock().unwrap().iter().map(|(_, event)| event.clone()).collect()
    }

    pub(crate) fn event_times(&self) -> Vec<Instant> {
        self.events.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }

    pub(crate) fn forget(&self) {
        self.blocks.lock().unwrap().clear();
    }

    /// Left and right of the last so many blocks; less when there are not so many yet.
    pub(crate) fn last(&self, count: usize) -> [Vec<f32>; 2] {
        let blocks = self.blocks.lock().unwrap();
        let tail = &blocks[blocks.len().saturating_sub(count)..];
        [0, 1].map(|side| tail.iter().flat_map(|(_, b)| b.samples.iter().skip(side).step_by(2).copied()).collect())
    }

    /// Peak of a sine in the last 0.2 s, left and right.
    pub(crate) fn tone(&self, hz: f64) -> [f64; 2] {
        self.last(20).map(|side| tone_amplitude(&side, hz))
    }

    /// Waits until that tone is heard at its full level; returns its peak left and right.
    pub(crate) fn hear(&self, hz: f64) -> [f64; 2] {
        wait(&format!("{hz} Hz"), || {
            let [left, right] = self.tone(hz);
            (left.max(right) > 0.02).then_some(())
        });
        // A full window after the onset, so that the level is that of the tone and not of its beginning.
        let count = self.blocks().len();
        wait("0.3 s more", || (self.blocks().len() >= count + 30).then_some(()));
        self.tone(hz)
    }
}

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
