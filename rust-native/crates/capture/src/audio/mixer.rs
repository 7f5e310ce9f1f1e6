//! The mixer as others hold it: commands in, blocks and events out of its thread.
//!
//! What is to happen when is [`desk`]'s; this file is the handle, the thread and the waking. What needs memory
//! (a strip, filters, a tap) is built here, by whoever asks. Nothing here and the mixer's thread share a lock:
//! meters and counters are read from atomics.

mod desk;
mod slot;
mod status;
mod tap;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use media::{AudioBlock, Clock, MonotonicClock};
use parking_lot::Mutex;
use sound::{Chain, Filter, Loudness, LoudnessReader, LoudnessReading, Meter, MeterReader, SoundError, Strip};
use stream::{Urgency, hurry};

use super::intake::{self, Feed, Reader};
use super::monitor::{self, Headphones};
use super::{AudioError, Source};
use desk::Desk;
pub use slot::InputCounters;
use status::Status;
use tap::TapWriter;
pub use tap::{Tap, TapEnd};

/// A place in the mix, numbered by whoever opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Input(u32);

impl Input {
    /// By its number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }
}

/// What happens by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AudioEvent {
    /// Its device broke; it is silent in the mix and tried again each second until it is closed.
    Lost(Input, AudioError),
    /// It is heard again.
    Recovered(Input),
    /// The headphones broke; what they get is thrown away until [`Mixer::listen`] opens others.
    HeadphonesLost(AudioError),
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
    Add(Input, Box<Strip>, Meter, Arc<Status>),
    Remove(Input),
    Open { input: Input, source: Source, keep: bool, reply: Sender<Result<(), AudioError>> },
    Feed(Input, Reader),
    Close(Input),
    Set(Input, Setting),
    Tap(Option<Input>, TapWriter),
    Listen(Option<Box<monitor::Feeder>>),
}

/// One thing about an input.
enum Setting {
    Volume(f32),
    Muted(bool),
    Hushed(bool),
    Solo(bool),
    Monitored(bool),
    Delay(usize),
    Filters(Box<Chain>),
}

/// What the handle knows of an input.
#[derive(Debug)]
struct Known {
    meter: MeterReader,
    status: Arc<Status>,
}

/// Mixes what is open into one stream of blocks. Dropping it closes everything.
pub struct Mixer {
    messages: Option<Sender<Message>>,
    /// Never touched by the mixer's thread.
    known: Mutex<BTreeMap<Input, Known>>,
    /// For the meters of the window, and for the figures of each second: reading starts a peak over.
    masters: [Mutex<MeterReader>; 2],
    loudness: LoudnessReader,
    headphones: Mutex<Option<Headphones>>,
    on_event: Arc<dyn Fn(AudioEvent) + Send + Sync>,
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
        on_event: impl Fn(AudioEvent) + Send + Sync + 'static,
    ) -> Self {
        let (messages, inbox) = bounded(MESSAGES);
        let (masters, loudness) = ([Meter::default(), Meter::default()], Loudness::new());
        let readers = masters.each_ref().map(|meter| Mutex::new(meter.reader()));
        let loudness_reader = loudness.reader();
        let on_event: Arc<dyn Fn(AudioEvent) + Send + Sync> = Arc::new(on_event);
        let tell = Arc::clone(&on_event);
        let started = std::thread::Builder::new().name("audio-mixer".into()).spawn(move || {
            tracing::info!(granted = ?hurry(Urgency::Sound), "the mixer's turn on the processor");
            let desk = Desk::new(sink, move |event| tell(event), masters, loudness);
            run(desk, &inbox);
        });
        let thread = started
            .inspect_err(|error| tracing::error!(%error, "the mixer's thread can't be started: there will be no sound"))
            .ok();
        let wake = thread.as_ref().map(|thread| thread.thread().clone());
        Self {
            messages: Some(messages),
            known: Mutex::default(),
            masters: readers,
            loudness: loudness_reader,
            headphones: Mutex::new(None),
            on_event,
            thread,
            wake,
        }
    }

    /// Opens a device for an input and waits until sound flows, at most 3 s. Replaces what was open there.
    ///
    /// After an error the input is closed; its settings stay.
    ///
    /// # Errors
    /// Any [`AudioError`].
    pub fn open(&self, input: Input, source: &Source) -> Result<(), AudioError> {
        self.try_open(input, source, false).inspect_err(|_| self.send(Message::Close(input)))
    }

    /// The same for an input that is to stay: after an error it is tried again each second until it is closed, as
    /// one is that was lost, and [`AudioEvent::Recovered`] tells when it is heard.
    ///
    /// # Errors
    /// Any [`AudioError`]: why it is not heard yet.
    pub fn keep_open(&self, input: Input, source: &Source) -> Result<(), AudioError> {
        self.try_open(input, source, true)
    }

    fn try_open(&self, input: Input, source: &Source, keep: bool) -> Result<(), AudioError> {
        self.know(input);
        let (reply, answer) = bounded(1);
        self.send(Message::Open { input, source: source.clone(), keep, reply });
        // The mixer keeps the time itself; the margin is for a machine that is too busy to do so.
        answer.recv_timeout(OPEN_TIMEOUT + Duration::from_millis(500)).unwrap_or(Err(AudioError::DeviceTimeout))
    }

    /// An input whose sound is brought by the caller (a camera's, a file's), at `rate` Hz. Replaces what was open
    /// there; it is open until it is closed.
    pub fn feed(&self, input: Input, rate: u32) -> Feed {
        self.know(input);
        let wake = self.wake.clone().unwrap_or_else(std::thread::current);
        let (feed, reader) = intake::feed(rate, wake);
        self.send(Message::Feed(input, reader));
        feed
    }

    /// Closes an input; its settings stay for the next one.
    pub fn close(&self, input: Input) {
        self.send(Message::Close(input));
    }

    /// Closes an input and forgets all about it; its taps end.
    pub fn remove(&self, input: Input) {
        self.known.lock().remove(&input);
        self.send(Message::Remove(input));
    }

    /// Takes an input out of the mix or back into it, from the next block on.
    pub fn set_muted(&self, input: Input, muted: bool) {
        self.set(input, Setting::Muted(muted));
    }

    /// The same, beside it, for as long as a key says so: in the mix is what is neither muted nor hushed.
    pub fn set_hushed(&self, input: Input, hushed: bool) {
        self.set(input, Setting::Hushed(hushed));
    }

    /// While any open input is soloed, only soloed ones are in the mix.
    pub fn set_solo(&self, input: Input, solo: bool) {
        self.set(input, Setting::Solo(solo));
    }

    /// Whether the headphones get it: after its gain, whether muted or not.
    pub fn set_monitored(&self, input: Input, monitored: bool) {
        self.set(input, Setting::Monitored(monitored));
    }

    /// Linear gain of an input; 1 leaves it as it is. Negative or not a number counts as 0.
    pub fn set_volume(&self, input: Input, gain: f32) {
        self.set(input, Setting::Volume(gain));
    }

    /// How much later it is heard than it was captured, up to [`sound::MAX_DELAY_MS`]; what its filters take is a
    /// part of it.
    pub fn set_delay(&self, input: Input, delay: Duration) {
        let frames = delay.as_nanos() * u128::from(media::AUDIO_SAMPLE_RATE) / 1_000_000_000;
        self.set(input, Setting::Delay(usize::try_from(frames).unwrap_or(usize::MAX)));
    }

    /// Its filters, in their order.
    ///
    /// # Errors
    /// A setting out of range; nothing has changed then.
    pub fn set_filters(&self, input: Input, filters: &[Filter]) -> Result<(), SoundError> {
        let chain = Box::new(Chain::new(filters)?);
        self.set(input, Setting::Filters(chain));
        Ok(())
    }

    /// What an input adds to the mix, block by block, beside it: filtered, at its gain, silent while muted or
    /// closed. A reader that falls `blocks` behind loses the newest, which is counted.
    pub fn tap(&self, input: Input, blocks: usize) -> Tap {
        self.know(input);
        let (writer, tap) = tap::pair(blocks);
        self.send(Message::Tap(Some(input), writer));
        tap
    }

    /// The same for the whole mix.
    pub fn tap_master(&self, blocks: usize) -> Tap {
        let (writer, tap) = tap::pair(blocks);
        self.send(Message::Tap(None, writer));
        tap
    }

    /// Plays the monitored inputs to a sink's id, or to the system's choice with `Some("default")`; `None` ends it.
    /// Waits until the device is open, at most 3 s.
    ///
    /// # Errors
    /// Any [`AudioError`]; nobody listens then.
    pub fn listen(&self, device: Option<&str>) -> Result<(), AudioError> {
        self.send(Message::Listen(None));
        let mut headphones = self.headphones.lock();
        *headphones = None;
        let Some(device) = device else { return Ok(()) };
        let on_event = Arc::clone(&self.on_event);
        let (opened, feeder) = monitor::open(device, move |error| on_event(AudioEvent::HeadphonesLost(error)))?;
        *headphones = Some(opened);
        self.send(Message::Listen(Some(Box::new(feeder))));
        Ok(())
    }

    /// How loud each open input was since the last call: after its gain, before its mute.
    pub fn levels(&self) -> Vec<InputLevel> {
        let mut known = self.known.lock();
        let open = known.iter_mut().filter(|(_, known)| known.status.is_open());
        open.map(|(input, known)| {
            let (peak_db, rms_db) = known.meter.read();
            InputLevel { input: *input, peak_db, rms_db }
        })
        .collect()
    }

    /// Peak and RMS of the mix since the last call, dBFS.
    pub fn master_level(&self) -> (f32, f32) {
        self.masters[0].lock().read()
    }

    /// Peak of the mix since the last call of this, dBFS.
    pub fn master_peak_db(&self) -> f32 {
        self.masters[1].lock().read().0
    }

    /// Loudness of the mix, EBU R128.
    pub fn loudness(&self) -> LoudnessReading {
        self.loudness.read()
    }

    /// Starts the integrated loudness over.
    pub fn reset_loudness(&self) {
        self.loudness.reset();
    }

    /// What went wrong with an input since it was last opened or recovered.
    pub fn counters(&self, input: Input) -> InputCounters {
        self.known.lock().get(&input).map(|known| known.status.counters()).unwrap_or_default()
    }

    /// Makes a place for an input at its first mention.
    fn know(&self, input: Input) {
        let mut known = self.known.lock();
        if known.contains_key(&input) {
            return;
        }
        let (meter, status) = (Meter::default(), Arc::new(Status::default()));
        known.insert(input, Known { meter: meter.reader(), status: Arc::clone(&status) });
        // With the lock held: nobody may speak of the input before this is said.
        self.send(Message::Add(input, Box::default(), meter, status));
    }

    fn set(&self, input: Input, setting: Setting) {
        self.know(input);
        self.send(Message::Set(input, setting));
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

impl std::fmt::Debug for Mixer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mixer").field("known", &self.known).finish_non_exhaustive()
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
