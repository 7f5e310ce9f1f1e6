//! The mixing desk: which input is in which state, and which block is due. Time is passed in.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use media::{AUDIO_CHANNELS, AudioBlock, BLOCK_FRAMES, MediaTime};
use parking_lot::Mutex;

use super::{AudioEvent, Input, InputCounters, Message, OPEN_TIMEOUT, Shared};
use crate::audio::AudioError;
use crate::audio::level::{Gain, Meter};
use crate::audio::limiter::{self, Limiter};
use crate::audio::session::{self, Report, Session};
use crate::audio::timeline::BLOCK;
use crate::audio::track::{Readiness, Track};

/// A lost device is tried again this often: soon enough for someone who plugs it back in, and a dead server
/// costs one refused connection each time.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// A device that sends nothing for so long is lost, whatever its server says. Chunks come every 10 ms.
const STALLED_AFTER: Duration = Duration::from_secs(2);
/// A block waits so long for a device that is late before it goes out without it. Waiting costs nothing while
/// devices are in time; less than this and a busy machine tears holes into the sound.
const PATIENCE: Duration = Duration::from_millis(150);
/// …and so much longer than a device's usual lateness, where that is larger (Bluetooth).
const PATIENCE_MARGIN: Duration = Duration::from_millis(50);
/// A device later than this is not waited for.
const MAX_PATIENCE: Duration = Duration::from_millis(500);
/// When the mixer itself was held up for longer (the process was stopped), what was missed is left out instead of
/// being mixed in a burst.
const LEAVE_OUT_AFTER: Duration = Duration::from_secs(1);

/// Sessions report a few times in their lives; one that finds no room waits.
const REPORTS: usize = 16;

type Samples = [f32; BLOCK_FRAMES * AUDIO_CHANNELS];

/// See the module.
pub(super) struct Desk<S, E> {
    sink: S,
    on_event: E,
    shared: Arc<Mutex<Shared>>,
    reports: Sender<SessionReport>,
    reported: Receiver<SessionReport>,
    slots: [Slot; 2],
    /// Start of the next block, while anything is open.
    position: Option<MediaTime>,
    /// End of the last block: stamps never go back, even over a pause.
    ended: MediaTime,
    limiter: Limiter,
}

/// What one session of an input says.
pub(super) struct SessionReport {
    input: Input,
    /// Which session: what an abandoned one still says is not heard.
    generation: u64,
    report: Report,
}

/// One input.
struct Slot {
    input: Input,
    volume: Gain,
    mute: Gain,
    /// What the user asked for; `None` is closed.
    wanted: Option<Wanted>,
    session: Option<Session>,
    generation: u64,
    track: Option<Track>,
    /// Keeps a device running while its successor opens.
    predecessor: Option<Session>,
}

struct Wanted {
    device: Option<String>,
    phase: Phase,
}

enum Phase {
    /// The user waits.
    Opening { until: MediaTime, reply: Sender<Result<(), AudioError>> },
    /// It is heard, or its successor is being opened.
    Running,
    /// `Lost` was said; the next attempt is due then, unless one is under way.
    Lost { retry_at: MediaTime },
}

impl<S: FnMut(AudioBlock), E: Fn(AudioEvent)> Desk<S, E> {
    pub(super) fn new(sink: S, on_event: E, shared: Arc<Mutex<Shared>>) -> Self {
        let (reports, reported) = bounded(REPORTS);
        let slot = |input| Slot {
            input,
            volume: Gain::new(1.0),
            mute: Gain::new(1.0),
            wanted: None,
            session: None,
            generation: 0,
            track: None,
            predecessor: None,
        };
        Self {
            sink,
            on_event,
            shared,
            reports,
            reported,
            slots: Input::ALL.map(slot),
            position: None,
            ended: MediaTime::ZERO,
            limiter: Limiter::new(),
        }
    }

    /// Does what it is told.
    pub(super) fn handle(&mut self, message: Message, now: MediaTime) {
        match message {
            Message::Open { input, device, reply } => {
                self.close(input);
                let slot = &mut self.slots[input.index()];
                slot.wanted = Some(Wanted { device, phase: Phase::Opening { until: now + OPEN_TIMEOUT, reply } });
                if let Err(error) = slot.start_session(&self.reports) {
                    self.failed(input, error, now);
                }
            }
            Message::Close(input) => self.close(input),
            Message::Mute(input, muted) => self.slots[input.index()].mute.set(if muted { 0.0 } else { 1.0 }),
            Message::Volume(input, gain) => self.slots[input.index()].volume.set(gain),
        }
    }

    /// Makes every block that is due; returns how long nothing will be, `None` for until the next message.
    pub(super) fn step(&mut self, now: MediaTime) -> Option<Duration> {
        while let Ok(SessionReport { input, generation, report }) = self.reported.try_recv() {
            if self.slots[input.index()].generation == generation {
                self.report(input, report, now);
            }
        }
        for input in Input::ALL {
            self.check(input, now);
        }
        let mut next = self.slots.iter().filter_map(Slot::deadline).min();
        // Not while one device replaces another: the stream's sound goes on, silently.
        if self.slots.iter().all(|slot| slot.wanted.is_none()) {
            self.position = None;
        }
        while let Some(position) = self.position {
            let position = if now.since(position) > LEAVE_OUT_AFTER { self.leave_out(position, now) } else { position };
            let due = self.due(position, now);
            if due > now {
                next = Some(next.map_or(due, |next| next.min(due)));
                break;
            }
            self.mix(position);
        }
        next.map(|next| next.since(now))
    }

    /// When the block at `position` can go out: at once, when what it waits for may still come, or in its time.
    fn due(&mut self, position: MediaTime, now: MediaTime) -> MediaTime {
        let (mut ready, mut waiting, mut lateness) = (false, false, Duration::ZERO);
        for track in self.slots.iter_mut().filter_map(|slot| slot.track.as_mut()) {
            track.poll();
            match track.readiness(position) {
                Readiness::Ready => ready = true,
                Readiness::Waiting => waiting = true,
                Readiness::Silent => {}
            }
            lateness = lateness.max(track.lateness());
        }
        if waiting {
            position + BLOCK + (lateness + PATIENCE_MARGIN).clamp(PATIENCE, MAX_PATIENCE)
        } else if ready {
            now
        } else {
            position + BLOCK
        }
    }

    fn mix(&mut self, position: MediaTime) {
        let mut sum: Samples = [0.0; BLOCK_FRAMES * AUDIO_CHANNELS];
        let mut shared = self.shared.lock();
        for slot in &mut self.slots {
            let mut samples: Samples = [0.0; BLOCK_FRAMES * AUDIO_CHANNELS];
            if let Some(track) = &mut slot.track {
                // It can only fail if frames were miscounted: silence, and the log says so.
                if let Err(error) = track.read(position, &mut samples) {
                    tracing::error!(%error, input = ?slot.input, "a block of sound could not be converted");
                    samples.fill(0.0);
                }
                shared.counters[slot.input.index()] = track.counters();
            }
            slot.volume.apply(&mut samples);
            if let Some(meter) = &mut shared.meters[slot.input.index()] {
                meter.add(&samples);
            }
            slot.mute.apply(&mut samples);
            sum.iter_mut().zip(&samples).for_each(|(sum, sample)| *sum += sample);
        }
        self.limiter.process(&mut sum);
        shared.master.add(&sum);
        drop(shared);
        (self.sink)(AudioBlock { captured_at: position - limiter::DELAY, samples: sum });
        self.ended = position + BLOCK;
        self.position = Some(self.ended);
    }

    /// Jumps over what was missed, by whole blocks.
    fn leave_out(&mut self, position: MediaTime, now: MediaTime) -> MediaTime {
        let blocks = now.since(position).as_nanos() / BLOCK.as_nanos();
        let position = position + BLOCK * u32::try_from(blocks).unwrap_or(u32::MAX);
        tracing::warn!(blocks, "the mixer was held up: so many blocks are left out");
        self.slots.iter_mut().filter_map(|slot| slot.track.as_mut()).for_each(Track::unalign);
        self.position = Some(position);
        position
    }

    fn report(&mut self, input: Input, report: Report, now: MediaTime) {
        match report {
            Report::Running(reader) => match Track::new(reader) {
                Ok(track) => self.running(input, track, now),
                Err(error) => self.failed(input, error, now),
            },
            Report::Failed(error) => self.failed(input, error, now),
            Report::Lost(error) => self.lost(input, error, now),
            Report::DefaultMoved => {
                let slot = &mut self.slots[input.index()];
                tracing::info!(?input, "the system's default device changed; following it");
                slot.predecessor = slot.session.take();
                if let Err(error) = slot.start_session(&self.reports) {
                    self.lost(input, error, now);
                }
            }
        }
    }

    fn running(&mut self, input: Input, track: Track, now: MediaTime) {
        let slot = &mut self.slots[input.index()];
        let Some(wanted) = &mut slot.wanted else { return };
        slot.track = Some(track);
        slot.predecessor = None;
        self.shared.lock().meters[input.index()].get_or_insert_with(Meter::default);
        if self.position.is_none() {
            self.position = Some(now.max(self.ended));
            self.limiter = Limiter::new();
        }
        match std::mem::replace(&mut wanted.phase, Phase::Running) {
            // Whoever asked may have stopped waiting; then a `Close` is on its way.
            Phase::Opening { reply, .. } => drop(reply.send(Ok(()))),
            Phase::Lost { .. } => {
                tracing::info!(?input, "sound is back");
                (self.on_event)(AudioEvent::Recovered(input));
            }
            Phase::Running => {}
        }
    }

    /// An attempt to open came to nothing.
    fn failed(&mut self, input: Input, error: AudioError, now: MediaTime) {
        let slot = &mut self.slots[input.index()];
        slot.session = None;
        match &mut slot.wanted {
            Some(Wanted { phase: Phase::Opening { reply, .. }, .. }) => {
                let _ = reply.send(Err(error));
                self.close(input);
            }
            Some(Wanted { phase: Phase::Lost { retry_at }, .. }) => {
                tracing::debug!(?input, %error, "the sound device is still away");
                *retry_at = now + RETRY_EVERY;
            }
            Some(Wanted { phase: Phase::Running, .. }) => self.lost(input, error, now),
            None => {}
        }
    }

    /// What was heard is heard no more.
    fn lost(&mut self, input: Input, error: AudioError, now: MediaTime) {
        let slot = &mut self.slots[input.index()];
        slot.end();
        if let Some(wanted) = &mut slot.wanted {
            tracing::warn!(?input, %error, "sound lost; trying again each second");
            wanted.phase = Phase::Lost { retry_at: now + RETRY_EVERY };
            (self.on_event)(AudioEvent::Lost(input, error));
        }
    }

    fn close(&mut self, input: Input) {
        let slot = &mut self.slots[input.index()];
        slot.wanted = None;
        slot.end();
        let mut shared = self.shared.lock();
        shared.meters[input.index()] = None;
        shared.counters[input.index()] = InputCounters::default();
    }

    /// Looks after time-outs and retries.
    fn check(&mut self, input: Input, now: MediaTime) {
        let slot = &mut self.slots[input.index()];
        if let Some(track) = &mut slot.track {
            track.poll();
            if now.since(track.last_arrival()) > STALLED_AFTER {
                return self.lost(input, AudioError::DeviceTimeout, now);
            }
        }
        let Some(wanted) = &slot.wanted else { return };
        match wanted.phase {
            Phase::Opening { until, .. } if now >= until => self.failed(input, AudioError::DeviceTimeout, now),
            // One attempt at a time: against a server that hangs, threads must not pile up.
            Phase::Lost { retry_at } if now >= retry_at && slot.session.is_none() => {
                if let Err(error) = slot.start_session(&self.reports) {
                    self.failed(input, error, now);
                }
            }
            _ => {}
        }
    }
}

impl Slot {
    /// Starts the next session for what is wanted; what older ones still report is not heard.
    fn start_session(&mut self, reports: &Sender<SessionReport>) -> Result<(), AudioError> {
        self.generation += 1;
        let (input, generation, reports) = (self.input, self.generation, reports.clone());
        let device = self.wanted.as_ref().and_then(|wanted| wanted.device.clone());
        let wake = std::thread::current();
        let waker = wake.clone();
        let report = move |report| {
            // It only fails when the mixer has ended.
            let _ = reports.send(SessionReport { input, generation, report });
            waker.unpark();
        };
        let session = session::spawn(input, device, wake, report)
            .map_err(|error| AudioError::DeviceRefused { reason: error.to_string() })?;
        self.session = Some(session);
        Ok(())
    }

    fn end(&mut self) {
        self.generation += 1;
        self.session = None;
        self.predecessor = None;
        self.track = None;
    }

    /// When `check` has something to do at the latest.
    fn deadline(&self) -> Option<MediaTime> {
        let stalled = self.track.as_ref().map(|track| track.last_arrival() + STALLED_AFTER);
        let phase = self.wanted.as_ref().and_then(|wanted| match wanted.phase {
            Phase::Opening { until, .. } => Some(until),
            Phase::Lost { retry_at } if self.session.is_none() => Some(retry_at),
            _ => None,
        });
        [stalled, phase].into_iter().flatten().min()
    }
}
