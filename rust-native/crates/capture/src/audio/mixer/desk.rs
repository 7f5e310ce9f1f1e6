//! The mixing desk: which input is in which state, and which block is due. Time is passed in.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use media::{AudioBlock, MediaTime};
use sound::{Limiter, Loudness, Meter, SILENCE};

use super::slot::{Phase, Slot, Wanted};
use super::tap::TapWriter;
use super::{AudioEvent, Input, InputCounters, Message, OPEN_TIMEOUT};
use crate::audio::AudioError;
use crate::audio::intake::{Reader, duration};
use crate::audio::monitor::Feeder;
use crate::audio::session::Report;
use crate::audio::timeline::BLOCK;
use crate::audio::track::{Readiness, Track};

/// A lost device is tried again this often: soon enough for someone who plugs it back in, and a dead server
/// costs one refused connection each time.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// A device that sends nothing for so long is lost, whatever its server says. Chunks come every 10 ms.
pub(super) const STALLED_AFTER: Duration = Duration::from_secs(2);
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

/// See the module.
pub(super) struct Desk<S, E> {
    sink: S,
    on_event: E,
    reports: Sender<SessionReport>,
    reported: Receiver<SessionReport>,
    slots: Vec<Slot>,
    /// Start of the next block, while anything is open.
    position: Option<MediaTime>,
    /// End of the last block: stamps never go back, even over a pause.
    ended: MediaTime,
    limiter: Limiter,
    masters: [Meter; 2],
    loudness: Loudness,
    taps: Vec<TapWriter>,
    headphones: Option<Box<Feeder>>,
}

/// What one session of an input says.
pub(super) struct SessionReport {
    pub(super) input: Input,
    /// Which session: what an abandoned one still says is not heard.
    pub(super) generation: u64,
    pub(super) report: Report,
}

impl<S: FnMut(AudioBlock), E: Fn(AudioEvent)> Desk<S, E> {
    pub(super) fn new(sink: S, on_event: E, masters: [Meter; 2], loudness: Loudness) -> Self {
        let (reports, reported) = bounded(REPORTS);
        Self {
            sink,
            on_event,
            reports,
            reported,
            slots: Vec::new(),
            position: None,
            ended: MediaTime::ZERO,
            limiter: Limiter::default(),
            masters,
            loudness,
            taps: Vec::new(),
            headphones: None,
        }
    }

    /// Does what it is told.
    pub(super) fn handle(&mut self, message: Message, now: MediaTime) {
        match message {
            Message::Add(input, strip, meter, status) => self.slots.push(Slot::new(input, strip, meter, status)),
            Message::Remove(input) => {
                self.close(input);
                self.slots.retain(|slot| slot.input != input);
            }
            Message::Open { input, source, keep, reply } => {
                self.close(input);
                let Some(slot) = slot(&mut self.slots, input) else { return };
                let phase = Phase::Opening { until: now + OPEN_TIMEOUT, reply };
                slot.wanted = Some(Wanted { source: Some(source), keep, phase });
                if let Err(error) = slot.start_session(&self.reports) {
                    self.failed(input, error, now);
                }
            }
            Message::Feed(input, reader) => {
                self.close(input);
                let Some(slot) = slot(&mut self.slots, input) else { return };
                slot.wanted = Some(Wanted { source: None, keep: false, phase: Phase::Running });
                self.attach(input, reader, now);
            }
            Message::Close(input) => self.close(input),
            Message::Set(input, setting) => {
                if let Some(slot) = slot(&mut self.slots, input) {
                    slot.set(setting);
                }
            }
            Message::Tap(None, tap) => self.taps.push(tap),
            Message::Tap(Some(input), tap) => {
                if let Some(slot) = slot(&mut self.slots, input) {
                    slot.taps.push(tap);
                }
            }
            Message::Listen(headphones) => self.headphones = headphones,
        }
        let any_solo = self.slots.iter().any(|slot| slot.solo && slot.wanted.is_some());
        self.slots.iter_mut().for_each(|slot| slot.set_audible(any_solo));
    }

    /// Makes every block that is due; returns how long nothing will be, `None` for until the next message.
    pub(super) fn step(&mut self, now: MediaTime) -> Option<Duration> {
        while let Ok(SessionReport { input, generation, report }) = self.reported.try_recv() {
            if slot(&mut self.slots, input).is_some_and(|slot| slot.generation == generation) {
                self.report(input, report, now);
            }
        }
        for index in 0..self.slots.len() {
            self.check(index, now);
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
        for slot in &mut self.slots {
            let lead = slot.lead();
            let Some(track) = &mut slot.track else { continue };
            track.poll();
            match track.readiness(position + lead) {
                Readiness::Ready => ready = true,
                Readiness::Waiting => waiting = true,
                Readiness::Silent => {}
            }
            lateness = lateness.max(track.lateness() + lead);
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
        let (mut sum, mut headphones) = (SILENCE, SILENCE);
        for slot in &mut self.slots {
            slot.mix(position, &mut sum, self.headphones.is_some().then_some(&mut headphones));
        }
        if let Some(feeder) = &mut self.headphones {
            feeder.push(&mut headphones);
        }
        self.limiter.process(&mut sum);
        self.masters.iter_mut().for_each(|meter| meter.add(&sum));
        self.loudness.add(&sum);
        let delay = duration(Limiter::DELAY_FRAMES as u64, media::AUDIO_SAMPLE_RATE);
        let block = AudioBlock { captured_at: position - delay, samples: sum };
        self.taps.retain(|tap| tap.push(&block));
        (self.sink)(block);
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
            Report::Running(reader) => self.attach(input, reader, now),
            Report::Failed(error) => self.failed(input, error, now),
            Report::Lost(error) => self.lost(input, error, now),
            Report::DefaultMoved => {
                let Some(slot) = slot(&mut self.slots, input) else { return };
                tracing::info!(?input, "the system's default device changed; following it");
                slot.predecessor = slot.session.take();
                if let Err(error) = slot.start_session(&self.reports) {
                    self.lost(input, error, now);
                }
            }
        }
    }

    fn attach(&mut self, input: Input, reader: Reader, now: MediaTime) {
        match Track::new(reader, now) {
            Ok(track) => self.running(input, track, now),
            Err(error) => self.failed(input, error, now),
        }
    }

    fn running(&mut self, input: Input, track: Track, now: MediaTime) {
        let Some(slot) = slot(&mut self.slots, input) else { return };
        let Some(wanted) = &mut slot.wanted else { return };
        slot.track = Some(track);
        slot.predecessor = None;
        slot.status.set_open(true);
        if self.position.is_none() {
            self.position = Some(now.max(self.ended));
            self.limiter = Limiter::default();
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
        let Some(slot) = slot(&mut self.slots, input) else { return };
        slot.session = None;
        let Some(wanted) = &mut slot.wanted else { return };
        if let Phase::Running = wanted.phase {
            return self.lost(input, error, now);
        }
        match std::mem::replace(&mut wanted.phase, Phase::Lost { retry_at: now + RETRY_EVERY }) {
            Phase::Opening { reply, .. } => {
                // Closed first: who is told of the failure may look at once.
                if !wanted.keep {
                    self.close(input);
                }
                let _ = reply.send(Err(error));
            }
            _ => tracing::debug!(?input, %error, "the sound device is still away"),
        }
    }

    /// What was heard is heard no more.
    fn lost(&mut self, input: Input, error: AudioError, now: MediaTime) {
        let Some(slot) = slot(&mut self.slots, input) else { return };
        slot.end();
        if let Some(wanted) = &mut slot.wanted {
            tracing::warn!(?input, %error, "sound lost; trying again each second");
            wanted.phase = Phase::Lost { retry_at: now + RETRY_EVERY };
            (self.on_event)(AudioEvent::Lost(input, error));
        }
    }

    fn close(&mut self, input: Input) {
        let Some(slot) = slot(&mut self.slots, input) else { return };
        slot.wanted = None;
        slot.end();
        slot.status.set_open(false);
        slot.status.set_counters(InputCounters::default());
    }

    /// Looks after time-outs and retries.
    fn check(&mut self, index: usize, now: MediaTime) {
        let slot = &mut self.slots[index];
        let input = slot.input;
        let Some(wanted) = &slot.wanted else { return };
        if let Some(track) = &mut slot.track {
            track.poll();
            if wanted.must_flow() && now.since(track.last_arrival()) > STALLED_AFTER {
                return self.lost(input, AudioError::DeviceTimeout, now);
            }
        }
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

/// A free function, so that the rest of the desk stays free while a slot is borrowed.
fn slot(slots: &mut [Slot], input: Input) -> Option<&mut Slot> {
    slots.iter_mut().find(|slot| slot.input == input)
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
