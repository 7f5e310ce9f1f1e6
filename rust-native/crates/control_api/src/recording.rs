//! What is written to disk: the recording, and the replay buffer. Both read the one encode, and neither needs a
//! publication; what happens to the disk stays with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use record::{AudioCodec, Format, RecordEvent, RecordOptions, Recorder, Replay, Split};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::outlet::Outlet;
use crate::session::{Order, Session};
use crate::{Event, Problem};

/// The longest replay buffer.
const LONGEST_REPLAY: Duration = Duration::from_secs(5 * 60);
/// Of memory, whatever the bitrate: 5 minutes at 7 Mbit/s.
const MOST_REPLAY_BYTES: usize = 256 * 1024 * 1024;
/// When the user gave no name.
const TEMPLATE: &str = "Tidecast {date} {time}";
const REPLAY_TEMPLATE: &str = "Replay {date} {time}";

/// A file format of recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordFormat {
    /// Fragmented MP4, H.264 and AAC: plays up to its last two seconds whatever happens.
    #[default]
    Mp4,
    /// Matroska, H.264 and AAC.
    Mkv,
}

/// What to record, and where.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// An existing folder.
    pub folder: String,
    /// The file's name without extension; `{date}` and `{time}` are filled in. An existing file is never overwritten.
    #[serde(default)]
    pub name: Option<String>,
    /// Of all parts.
    #[serde(default)]
    pub format: RecordFormat,
    /// Rewrite a finished MP4 as a plain one (`moov` first).
    #[serde(default)]
    pub plain: bool,
    /// Begin a new part after so many minutes.
    #[serde(default)]
    pub split_minutes: Option<f64>,
    /// Begin a new part after so many MiB.
    #[serde(default)]
    pub split_mib: Option<f64>,
    /// Beside the mix, each input on a track of its own, as it is in the mix: behind its filters and its gain, silent
    /// while it is muted. An input that is added later begins a new part.
    #[serde(default)]
    pub input_tracks: bool,
    /// The further canvas that is recorded; absent: the main one.
    #[serde(default)]
    pub canvas: Option<String>,
}

/// Where the recording stands; its figures are in [`crate::Stats`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordingState {
    /// The file that is written now.
    pub file: String,
    /// Parts begun.
    pub part: u32,
    /// Nothing is taken in now.
    pub paused: bool,
    /// The further canvas that is recorded; `None` is the main one.
    pub canvas: Option<String>,
}

/// The recording's figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordingStats {
    /// Recorded in all parts, pauses left out, milliseconds.
    pub duration_ms: u64,
    /// Written in all parts.
    pub bytes: u64,
    /// Free on the disk, where the system says.
    pub free_bytes: Option<u64>,
    /// Seconds until the disk is full at the rate so far.
    pub room_s: Option<u64>,
}

/// The replay buffer's figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplayStats {
    /// What would be saved now, milliseconds.
    pub duration_ms: u64,
    /// Held in memory.
    pub bytes: u64,
    /// The most that it will hold.
    pub most_bytes: u64,
}

/// What this room owns of the session.
#[derive(Debug, Default)]
pub(crate) struct Recordings {
    recorder: Option<(u64, Recorder)>,
    /// What it records; `None` is the main canvas.
    canvas: Option<String>,
    replay: Option<Replay>,
    /// Files that are being closed: a plain copy of a long one takes its time.
    closing: Vec<JoinHandle<()>>,
}

impl Recordings {
    pub(crate) fn state(&self) -> Option<RecordingState> {
        let status = self.recorder.as_ref()?.1.status();
        let (file, canvas) = (status.file.display().to_string(), self.canvas.clone());
        Some(RecordingState { file, part: status.part, paused: status.paused, canvas })
    }

    pub(crate) fn stats(&self) -> Option<RecordingStats> {
        let status = self.recorder.as_ref()?.1.status();
        Some(RecordingStats {
            duration_ms: millis(status.duration),
            bytes: status.bytes,
            free_bytes: status.free,
            room_s: status.lasts.map(|lasts| lasts.as_secs()),
        })
    }

    pub(crate) fn replay_stats(&self) -> Option<ReplayStats> {
        let status = self.replay.as_ref()?.status();
        Some(ReplayStats { duration_ms: millis(status.duration), bytes: status.bytes, most_bytes: status.most_bytes })
    }

    /// Whether that canvas is recorded.
    pub(crate) fn is_of(&self, canvas: Option<&str>) -> bool {
        self.recorder.is_some() && self.canvas.as_deref() == canvas
    }

    /// Ends the recording where it is that canvas's.
    pub(crate) fn stop_of(&mut self, canvas: Option<&str>) {
        if self.is_of(canvas) {
            self.stop();
        }
    }

    /// Ends the recording and lets its file be closed beside everything else.
    pub(crate) fn stop(&mut self) {
        self.closing.retain(|closing| !closing.is_finished());
        if let Some((_, recorder)) = self.recorder.take() {
            self.closing.push(tokio::task::spawn_blocking(move || drop(recorder)));
        }
    }

    /// Waits until every file is closed.
    pub(crate) async fn closed(&mut self) {
        for closing in self.closing.drain(..) {
            if let Err(error) = closing.await {
                tracing::error!(%error, "a recording was not closed");
            }
        }
    }
}

impl Session {
    pub(crate) async fn start_recording(&mut self, wanted: Recording) -> Result<(), Problem> {
        if self.capture.is_none() {
            return Err(nothing_captured());
        }
        if self.recordings.recorder.is_some() {
            return Err(Problem::not_now("A recording runs already.", "Stop it first."));
        }
        let split = Split {
            after: positive("split_minutes", wanted.split_minutes)?.map(|m| Duration::from_secs_f64(m * 60.0)),
            bytes: positive("split_mib", wanted.split_mib)?.map(|mib| (mib * 1024.0 * 1024.0) as u64),
        };
        let options = RecordOptions {
            folder: PathBuf::from(&wanted.folder),
            template: wanted.name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| TEMPLATE.to_owned()),
            format: wanted.format.into(),
            audio: AudioCodec::Aac,
            plain: wanted.plain,
            split,
            inputs: wanted.input_tracks.then(|| self.sound.inputs()),
        };
        let inputs = options.inputs.clone();
        let Outlet { hub, encode, .. } = self.outlet(wanted.canvas.as_deref())?;
        let (id, orders) = (self.next_id(), self.orders.clone());
        let on_event = move |event| {
            let _ = orders.send(Order::Record(id, event));
        };
        let request_keyframe = Arc::new(move || encode.request_keyframe());
        let started =
            tokio::task::spawn_blocking(move || Recorder::start(options, &hub, request_keyframe, on_event)).await;
        self.recordings.recorder = Some((id, started.map_err(Problem::internal)??));
        self.recordings.canvas = wanted.canvas;
        if let Some(inputs) = inputs {
            self.sound.record_inputs(self.hub.clone(), inputs).map_err(Problem::internal)?;
        }
        Ok(())
    }

    pub(crate) fn stop_recording(&mut self) -> Result<(), Problem> {
        self.recorder()?;
        self.recordings.stop();
        Ok(())
    }

    pub(crate) fn pause_recording(&mut self, paused: bool) -> Result<(), Problem> {
        let recorder = self.recorder()?;
        if paused {
            recorder.pause();
        } else {
            recorder.resume();
        }
        Ok(())
    }

    pub(crate) fn add_chapter(&mut self, title: String) -> Result<(), Problem> {
        self.recorder()?.add_chapter(title);
        Ok(())
    }

    fn recorder(&self) -> Result<&Recorder, Problem> {
        let recorder = self.recordings.recorder.as_ref().map(|(_, recorder)| recorder);
        recorder.ok_or_else(|| Problem::not_now("No recording runs.", "Start one first."))
    }

    pub(crate) fn start_replay(&mut self, seconds: f64) -> Result<(), Problem> {
        if !(1.0..=LONGEST_REPLAY.as_secs_f64()).contains(&seconds) {
            return Err(Problem::bad_value(format!("{seconds} is not a length from 1 to 300 seconds.")));
        }
        let keep = Duration::from_secs_f64(seconds);
        self.recordings.replay = Some(Replay::start(&self.hub, keep, MOST_REPLAY_BYTES, AudioCodec::Aac));
        Ok(())
    }

    pub(crate) fn stop_replay(&mut self) {
        self.recordings.replay = None;
    }

    /// Writes what the buffer holds; the buffer goes on.
    pub(crate) fn save_replay(&mut self, folder: &str, format: RecordFormat) -> Result<(), Problem> {
        let Some(replay) = &self.recordings.replay else {
            return Err(Problem::not_now("The replay buffer is off.", "Switch it on first."));
        };
        let (snapshot, folder, orders) = (replay.snapshot(), PathBuf::from(folder), self.orders.clone());
        self.recordings.closing.push(tokio::task::spawn_blocking(move || {
            let event = match snapshot.save(Path::new(&folder), REPLAY_TEMPLATE, format.into()) {
                Ok(file) => RecordEvent::Closed(file, None),
                Err(error) => RecordEvent::Failed(error),
            };
            let _ = orders.send(Order::Record(0, event));
        }));
        Ok(())
    }

    pub(crate) fn on_record(&mut self, id: u64, event: RecordEvent) {
        match event {
            RecordEvent::Closed(file, error) => {
                self.tell(Event::Saved { file: file.display().to_string() });
                if let Some(error) = error {
                    self.tell(Event::Warning(error.into()));
                }
            }
            RecordEvent::RoomLow(lasts) => self.tell(Event::Warning(Problem::new(
                "record_room_low",
                format!("The disk will be full in about {} minutes.", lasts.as_secs().div_ceil(60)),
                "Free some room, or lower the bitrate.",
            ))),
            RecordEvent::Failed(error) => {
                if self.recordings.recorder.as_ref().is_some_and(|(running, _)| *running == id) {
                    self.recordings.stop();
                }
                self.tell(Event::Error(error.into()));
            }
            // What later versions of the recorder may say is no reason to stop.
            _ => {}
        }
    }
}

impl From<RecordFormat> for Format {
    fn from(format: RecordFormat) -> Self {
        match format {
            RecordFormat::Mp4 => Self::Mp4,
            RecordFormat::Mkv => Self::Mkv,
        }
    }
}

fn nothing_captured() -> Problem {
    Problem::not_now("Nothing is being captured.", "Choose a screen or a window and start first.")
}

fn positive(name: &str, value: Option<f64>) -> Result<Option<f64>, Problem> {
    match value {
        Some(value) if !(value.is_finite() && value > 0.0 && value < 1e6) => {
            Err(Problem::bad_value(format!("{name} is {value}, and must be more than 0.")))
        }
        value => Ok(value),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
