//! The recorder's thread: takes units in, writes fragments, begins parts, and keeps the status true.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use container::{Assembler, Chapter, Fragment, TARGET};
use media::AccessUnit;
use parking_lot::Mutex;
use stream::{Reader, RecvError};
use tokio::sync::mpsc;

use super::{Inputs, Order, RecordEvent, RecordOptions, RecordStatus, Split};
use crate::file::OutputFile;
use crate::{LocalTime, RecordError, RoomWatch, free_bytes};

/// Units of each track of sound kept for the beginning of the next part.
const RECENT_SOUND: usize = 64;
/// Room is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// For the next file.
fn assembler(options: &RecordOptions) -> Assembler {
    let inputs = options.inputs.as_ref().map(Inputs::now).unwrap_or_default();
    Assembler::new(options.audio, TARGET).with_inputs(inputs)
}

pub(super) struct Work<E> {
    options: RecordOptions,
    at: LocalTime,
    file: Option<OutputFile>,
    assembler: Assembler,
    part: u32,
    /// Duration and bytes of the parts before.
    done: (Duration, u64),
    recent: VecDeque<AccessUnit>,
    paused: bool,
    room: RoomWatch,
    looked: Instant,
    status: Arc<Mutex<RecordStatus>>,
    on_event: E,
}

impl<E: Fn(RecordEvent)> Work<E> {
    /// For a recording that began at `at` with that file.
    pub(super) fn new(
        options: RecordOptions,
        at: LocalTime,
        file: OutputFile,
        status: Arc<Mutex<RecordStatus>>,
        on_event: E,
    ) -> Self {
        Self {
            assembler: assembler(&options),
            options,
            at,
            file: Some(file),
            part: 1,
            done: (Duration::ZERO, 0),
            recent: VecDeque::new(),
            paused: false,
            room: RoomWatch::default(),
            looked: Instant::now(),
            status,
            on_event,
        }
    }

    /// Until it is told to stop, the broadcast ends, or the disk refuses.
    pub(super) fn run(mut self, mut reader: Reader<AccessUnit>, mut orders: mpsc::Receiver<Order>) {
        let outcome = match tokio::runtime::Builder::new_current_thread().build() {
            Ok(runtime) => runtime.block_on(self.record(&mut reader, &mut orders)),
            Err(error) => Err(RecordError::of_io(&error, &self.options.folder)),
        };
        let outcome = match outcome {
            Ok(()) => self.finish_file(None),
            Err(error) => {
                // What is written is whole; closing only makes it more convenient.
                if let Some(file) = self.file.take() {
                    self.close(file);
                }
                Err(error)
            }
        };
        self.status.lock().ended = true;
        if let Err(error) = outcome {
            tracing::warn!(%error, "the recording ended");
            (self.on_event)(RecordEvent::Failed(error));
        }
    }

    async fn record(
        &mut self,
        reader: &mut Reader<AccessUnit>,
        orders: &mut mpsc::Receiver<Order>,
    ) -> Result<(), RecordError> {
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    None | Some(Order::Stop) => {
                        // What was encoded before the order belongs to the file.
                        while let Some(Ok(unit)) = reader.try_recv() {
                            self.take(&unit)?;
                        }
                        return Ok(());
                    }
                    Some(Order::Pause) => {
                        let fragment = self.assembler.pause()?;
                        self.write(fragment)?;
                        self.paused = true;
                    }
                    Some(Order::Resume) => {
                        self.assembler.resume();
                        self.paused = false;
                    }
                    Some(Order::Chapter(title)) => self.chapter(title),
                },
                unit = reader.recv() => match unit {
                    Ok(unit) => self.take(&unit)?,
                    Err(RecvError::Closed) => return Ok(()),
                    Err(RecvError::Lagged) => {
                        let fragment = self.assembler.finish(None)?;
                        self.write(fragment)?;
                        return Err(RecordError::DiskTooSlow);
                    }
                },
            }
            self.tell();
        }
    }

    fn take(&mut self, unit: &AccessUnit) -> Result<(), RecordError> {
        if unit.track.is_picture() && unit.keyframe && !self.paused && self.is_full(unit) {
            self.finish_file(Some(unit))?;
        }
        if !unit.track.is_picture() {
            self.recent.push_back(unit.clone());
            let inputs = self.assembler.inputs();
            if self.recent.len() > RECENT_SOUND * (1 + inputs) {
                self.recent.pop_front();
            }
        }
        let fragment = self.assembler.push(unit)?;
        self.write(fragment)
    }

    fn is_full(&self, unit: &AccessUnit) -> bool {
        let Split { after, bytes } = self.options.split;
        let written = self.file.as_ref().map_or(0, OutputFile::bytes);
        let duration = self.assembler.duration();
        self.assembler.needs_new_file(unit)
            || !duration.is_zero()
                && self.options.inputs.as_ref().is_some_and(|inputs| self.assembler.lacks(&inputs.now()))
            // A picture's time less: keyframes come a tick before or after the whole second.
            || after.is_some_and(|after| duration + Duration::from_millis(50) >= after && !duration.is_zero())
            || bytes.is_some_and(|bytes| written >= bytes)
    }

    fn write(&mut self, fragment: Option<Fragment>) -> Result<(), RecordError> {
        let (Some(fragment), Some(layout)) = (fragment, self.assembler.layout()) else { return Ok(()) };
        if let Some(file) = &mut self.file {
            file.write(layout, &fragment)?;
        }
        self.look_at_room();
        Ok(())
    }

    /// Completes this part; `next` begins another one.
    fn finish_file(&mut self, next: Option<&AccessUnit>) -> Result<(), RecordError> {
        let fragment = self.assembler.finish(next.map(|unit| unit.pts))?;
        let wrote = self.write(fragment);
        let duration = self.assembler.duration();
        let Some(file) = self.file.take() else { return wrote };
        self.done = (self.done.0 + duration, self.done.1 + file.bytes());
        let empty = duration.is_zero();
        if empty && next.is_none() {
            return wrote.and(file.close(duration, false).map(drop));
        }
        self.close(file);
        wrote?;
        if next.is_some() {
            self.part += 1;
            let RecordOptions { folder, template, format, .. } = &self.options;
            self.file = Some(OutputFile::create(folder, template, self.at, self.part, *format)?);
            self.assembler = assembler(&self.options);
            for unit in &self.recent {
                self.assembler.push(unit)?;
            }
        }
        Ok(())
    }

    fn close(&self, file: OutputFile) {
        let path = file.path().to_path_buf();
        let outcome = file.close(self.assembler.duration(), self.options.plain);
        // What was taken away while it was written is no file to be shown.
        if path.exists() {
            (self.on_event)(RecordEvent::Closed(path, outcome.err()));
        }
    }

    fn chapter(&mut self, title: String) {
        let at = self.assembler.duration();
        if let Some(Err(error)) = self.file.as_mut().map(|file| file.add_chapter(Chapter { at, title })) {
            tracing::warn!(%error, "a chapter mark could not be set");
        }
    }

    fn look_at_room(&mut self) {
        if self.looked.elapsed() < LOOK_EVERY {
            return;
        }
        self.looked = Instant::now();
        let bytes = self.done.1 + self.file.as_ref().map_or(0, OutputFile::bytes);
        let seconds = (self.done.0 + self.assembler.duration()).as_secs_f64();
        let free = free_bytes(&self.options.folder);
        let lasts = free.and_then(|free| RoomWatch::lasts(free, bytes as f64 / seconds.max(1.0)));
        let mut status = self.status.lock();
        (status.free, status.lasts) = (free, lasts);
        drop(status);
        if let Some(lasts) = lasts
            && self.room.look(Some(lasts))
        {
            (self.on_event)(RecordEvent::RoomLow(lasts));
        }
    }

    fn tell(&self) {
        let mut status = self.status.lock();
        if let Some(file) = &self.file {
            if status.part != self.part || status.file.as_os_str().is_empty() {
                status.file = file.path().to_path_buf();
            }
            status.chapters = file.chapters();
            status.bytes = self.done.1 + file.bytes();
        }
        status.part = self.part;
        status.duration = self.done.0 + self.assembler.duration();
        status.paused = self.paused;
    }
}
