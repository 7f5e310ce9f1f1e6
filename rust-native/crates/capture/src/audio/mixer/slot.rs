//! One input at the desk: its device's session and track, and its strip.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use media::{AudioBlock, MediaTime};
use sound::{Meter, SILENCE, Samples, Strip};

use super::desk::{STALLED_AFTER, SessionReport};
use super::status::Status;
use super::tap::TapWriter;
use super::{Input, Setting};
use crate::audio::intake::duration;
use crate::audio::session::{self, Session};
pub use crate::audio::track::InputCounters;
use crate::audio::track::Track;
use crate::audio::{AudioError, Source};

/// See the module.
pub(super) struct Slot {
    pub(super) input: Input,
    pub(super) muted: bool,
    hushed: bool,
    pub(super) solo: bool,
    pub(super) monitored: bool,
    /// What the user asked for; `None` is closed.
    pub(super) wanted: Option<Wanted>,
    pub(super) session: Option<Session>,
    pub(super) generation: u64,
    pub(super) track: Option<Track>,
    /// Keeps a device running while its successor opens.
    pub(super) predecessor: Option<Session>,
    pub(super) taps: Vec<TapWriter>,
    pub(super) status: Arc<Status>,
    strip: Box<Strip>,
    meter: Meter,
}

pub(super) struct Wanted {
    /// `None`: the sound is brought, there is no device to be opened.
    pub(super) source: Option<Source>,
    /// Tried again when it can't be opened at first.
    pub(super) keep: bool,
    pub(super) phase: Phase,
}

impl Wanted {
    /// Whether silence means that something is broken: devices send silence as sound, programs may pause.
    pub(super) fn must_flow(&self) -> bool {
        matches!(self.source, Some(Source::Microphone(_) | Source::SystemSound(_)))
    }
}

pub(super) enum Phase {
    /// The user waits.
    Opening { until: MediaTime, reply: Sender<Result<(), AudioError>> },
    /// It is heard, or its successor is being opened.
    Running,
    /// `Lost` was said; the next attempt is due then, unless one is under way.
    Lost { retry_at: MediaTime },
}

impl Slot {
    pub(super) fn new(input: Input, strip: Box<Strip>, meter: Meter, status: Arc<Status>) -> Self {
        Self {
            input,
            muted: false,
            hushed: false,
            solo: false,
            monitored: false,
            wanted: None,
            session: None,
            generation: 0,
            track: None,
            predecessor: None,
            taps: Vec::new(),
            status,
            strip,
            meter,
        }
    }

    pub(super) fn set(&mut self, setting: Setting) {
        match setting {
            Setting::Volume(gain) => self.strip.set_gain(gain),
            Setting::Muted(muted) => self.muted = muted,
            Setting::Hushed(hushed) => self.hushed = hushed,
            Setting::Solo(solo) => self.solo = solo,
            Setting::Monitored(monitored) => self.monitored = monitored,
            Setting::Delay(frames) => self.strip.set_delay(frames),
            Setting::Filters(chain) => drop(self.strip.set_chain(chain)),
        }
    }

    /// Whether the mix gets it, while `any_solo` tells whether some input is soloed.
    pub(super) fn set_audible(&mut self, any_solo: bool) {
        self.strip.set_audible(!self.muted && !self.hushed && (self.solo || !any_solo));
    }

    /// How much earlier than the mix its sound is taken in, for its filters to work on.
    pub(super) fn lead(&self) -> Duration {
        duration(self.strip.lead_frames() as u64, media::AUDIO_SAMPLE_RATE)
    }

    /// Makes its block at `position`, and adds it to the mix and to the headphones.
    pub(super) fn mix(&mut self, position: MediaTime, sum: &mut Samples, headphones: Option<&mut Samples>) {
        let Some(track) = &mut self.track else {
            self.hand_out(position, &SILENCE);
            return;
        };
        let lead = duration(self.strip.lead_frames() as u64, media::AUDIO_SAMPLE_RATE);
        let mut samples = SILENCE;
        // It can only fail if frames were miscounted: silence, and the log says so.
        if let Err(error) = track.read(position + lead, &mut samples) {
            tracing::error!(%error, input = ?self.input, "a block of sound could not be converted");
            samples.fill(0.0);
        }
        self.status.set_counters(track.counters());
        self.strip.process(&mut samples);
        self.meter.add(&samples);
        if let Some(headphones) = headphones.filter(|_| self.monitored) {
            add(headphones, &samples);
        }
        self.strip.fade_for_mix(&mut samples);
        add(sum, &samples);
        self.hand_out(position, &samples);
    }

    fn hand_out(&mut self, position: MediaTime, samples: &Samples) {
        if !self.taps.is_empty() {
            let block = AudioBlock { captured_at: position, samples: *samples };
            self.taps.retain(|tap| tap.push(&block));
        }
    }

    /// Starts the next session for what is wanted; what older ones still report is not heard.
    pub(super) fn start_session(&mut self, reports: &Sender<SessionReport>) -> Result<(), AudioError> {
        let Some(source) = self.wanted.as_ref().and_then(|wanted| wanted.source.clone()) else { return Ok(()) };
        self.generation += 1;
        let (input, generation, reports) = (self.input, self.generation, reports.clone());
        let wake = std::thread::current();
        let waker = wake.clone();
        let report = move |report| {
            // It only fails when the mixer has ended.
            let _ = reports.send(SessionReport { input, generation, report });
            waker.unpark();
        };
        let session = session::spawn(source, wake, report)
            .map_err(|error| AudioError::DeviceRefused { reason: error.to_string() })?;
        self.session = Some(session);
        Ok(())
    }

    /// Lets go of its device.
    pub(super) fn end(&mut self) {
        self.generation += 1;
        self.session = None;
        self.predecessor = None;
        self.track = None;
        self.strip.clear();
    }

    /// When the desk has to look after it at the latest.
    pub(super) fn deadline(&self) -> Option<MediaTime> {
        let wanted = self.wanted.as_ref()?;
        let watched = self.track.as_ref().filter(|_| wanted.must_flow());
        let stalled = watched.map(|track| track.last_arrival() + STALLED_AFTER);
        let phase = match wanted.phase {
            Phase::Opening { until, .. } => Some(until),
            Phase::Lost { retry_at } if self.session.is_none() => Some(retry_at),
            _ => None,
        };
        [stalled, phase].into_iter().flatten().min()
    }
}

fn add(sum: &mut Samples, samples: &Samples) {
    sum.iter_mut().zip(samples).for_each(|(sum, sample)| *sum += sample);
}
