//! The mixer as others hold it: commands in, blocks and events out of its thread.
//!
//! What is to happen when is [`desk`]'s; this file is the handle, the thread and the waking.

mod desk;

use std::sync::Arc;
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use media::{AudioBlock, Clock, MonotonicClock};
use parking_lot::Mutex;

use super::AudioError;
use super::level::Meter;
pub use super::track::InputCounters;
use desk::Desk;

/// A place in the mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Input {
    /// The chosen microphone.
    Microphone,
    /// What the speakers play.
    SystemSound,
}

impl Input {
    pub(super) const ALL: [Self; 2] = [Self::Microphone, Self::SystemSound];

    pub(super) fn index(self) -> usize {
        match self {
            Self::Microphone => 0,
            Self::SystemSound => 1,
        }
    }
}

/// What happens to an open input by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AudioEvent {
    /// Its device broke; it is silent in the mix and tried again each second until it is closed.
    Lost(Input, AudioError),
    /// It is heard again.
    Recovered(Input),
}

/// How loud an input was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputLevel {
    /// Which.
    pub input: Input,
    /// Largest sample, dBFS; −120 for silence.
    pub peak_db: f32,
    /// Root mean square over both channels, dBFS; −120 for silence.
    pub rms_db: f32,
}

/// Opening a device may take this long in all.
const OPEN_TIMEOUT: Duration = Duration::from_secs(3);
/// Commands and reports are rare; a caller waits for a slot rather than lose one.
const MESSAGES: usize = 64;

/// What the mixer's thread is told.
enum Message {
    Open { input: Input, device: Option<String>, reply: Sender<Result<(), AudioError>> },
    Close(Input),
    Mute(Input, bool),
    Volume(Input, f32),
}

/// What the thread and the handle share: short locks, never held over a call.
#[derive(Debug, Default)]
struct Shared {
    meters: [Option<Meter>; 2],
    master: Meter,
    counters: [InputCounters; 2],
}

/// Mixes what is open into one stream of blocks. Dropping it closes everything.
#[derive(Debug)]
pub struct Mixer {
    messages: Option<Sender<Message>>,
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
    wake: Option<Thread>,
}

impl Mixer {
    /// Starts the mixer with nothing open.
    ///
    /// `sink` gets one [`AudioBlock`] per 10 ms while at least one input is open, with stamps exactly 10 ms apart;
    /// an input whose device is lost is silent and keeps the blocks coming. Both `sink` and `on_event` run on the
    /// mixer's thread: they must not block, and must not call the mixer.
    pub fn start(
        sink: impl FnMut(AudioBlock) + Send + 'static,
        on_event: impl Fn(AudioEvent) + Send + 'static,
    ) -> Self {
        let (messages, inbox) = bounded(MESSAGES);
        let shared = Arc::new(Mutex::new(Shared::default()));
        let desk_shared = Arc::clone(&shared);
        let started = std::thread::Builder::new().name("audio-mixer".into()).spawn(move || {
            let desk = Desk::new(sink, on_event, desk_shared);
            run(desk, &inbox);
        });
        let thread = started
            .inspect_err(|error| tracing::error!(%error, "the mixer's thread can't be started: there will be no sound"))
            .ok();
        let wake = thread.as_ref().map(|thread| thread.thread().clone());
        Self { messages: Some(messages), shared, thread, wake }
    }

    /// Opens a device for an input and waits until sound flows, at most 3 s. Replaces what was open there.
    ///
    /// `device_id` is a microphone's id or, for system sound, a sink's; `None` or `"default"` follow the system's
    /// choice. After an error the input is closed.
    ///
    /// # Errors
    /// Any [`AudioError`].
    pub fn open(&self, input: Input, device_id: Option<&str>) -> Result<(), AudioError> {
        let (reply, answer) = bounded(1);
        self.send(Message::Open { input, device: device_id.map(str::to_owned), reply });
        // The mixer keeps the time itself; the margin is for a machine that is too busy to do so.
        answer.recv_timeout(OPEN_TIMEOUT + Duration::from_millis(500)).unwrap_or_else(|_| {
            self.send(Message::Close(input));
            Err(AudioError::DeviceTimeout)
        })
    }

    /// Closes an input; its mute and volume stay for the next one.
    pub fn close(&self, input: Input) {
        self.send(Message::Close(input));
    }

    /// Takes an input out of the mix or back into it, from the next block on.
    pub fn set_muted(&self, input: Input, muted: bool) {
        self.send(Message::Mute(input, muted));
    }

    /// Linear gain of an input; 1 leaves it as it is. Negative or not a number counts as 0.
    pub fn set_volume(&self, input: Input, gain: f32) {
        self.send(Message::Volume(input, if gain > 0.0 { gain } else { 0.0 }));
    }

    /// How loud each open input was since the last call: after its gain, before its mute.
    pub fn levels(&self) -> Vec<InputLevel> {
        let mut shared = self.shared.lock();
        let meters = Input::ALL.into_iter().zip(shared.meters.iter_mut());
        let read = meters.filter_map(|(input, meter)| meter.as_mut().map(|meter| (input, meter.read())));
        read.map(|(input, (peak_db, rms_db))| InputLevel { input, peak_db, rms_db }).collect()
    }

    /// Peak of the mix since the last call, dBFS.
    pub fn master_peak_db(&self) -> f32 {
        self.shared.lock().master.read().0
    }

    /// What went wrong with an input since it was last opened or recovered.
    pub fn counters(&self, input: Input) -> InputCounters {
        self.shared.lock().counters[input.index()]
    }

    fn send(&self, message: Message) {
        if let Some(messages) = &self.messages {
            // It only fails when the thread is gone, which was logged when it happened.
            let _ = messages.send(message);
        }
        if let Some(wake) = &self.wake {
            wake.unpark();
        }
    }
}

impl Drop for Mixer {
    fn drop(&mut self) {
        self.messages = None;
        if let Some(wake) = &self.wake {
            wake.unpark();
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the mixer's thread panicked");
        }
    }
}

fn run<S: FnMut(AudioBlock), E: Fn(AudioEvent)>(mut desk: Desk<S, E>, inbox: &Receiver<Message>) {
    loop {
        loop {
            match inbox.try_recv() {
                Ok(message) => desk.handle(message, MonotonicClock.now()),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        match desk.step(MonotonicClock.now()) {
            Some(sleep) => std::thread::park_timeout(sleep),
            None => std::thread::park(),
        }
    }
}
