//! A recording: one thread between a bounded reader and the disk.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use container::{Assembler, AudioCodec, Chapter, Format, Fragment, InputTrack, TARGET};
use media::AccessUnit;
use parking_lot::Mutex;
use stream::{Broadcast, LagPolicy, Lanes, Reader, RecvError};
use tokio::sync::mpsc;

use crate::file::OutputFile;
use crate::{LocalTime, RecordError, RoomWatch, free_bytes};

/// Units that may wait for the disk: some half a minute. Disks that spin up or write back stall for seconds.
const QUEUE: usize = 4096;
/// As long for each input's own packets, of which there are 47 a second; and for some inputs that are added later.
const QUEUE_OF_INPUT: usize = 1500;
const LATER_INPUTS: usize = 4;
/// Orders wait here; people give them.
const ORDERS: usize = 16;
/// Units of each track of sound kept for the beginning of the next part.
const RECENT_SOUND: usize = 64;
/// Room is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// When a new part begins, at the next keyframe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Split {
    /// After so long.
    pub after: Option<Duration>,
    /// After so many bytes.
    pub bytes: Option<u64>,
}

/// What and where to record.
#[derive(Debug, Clone)]
pub struct RecordOptions {
    /// Must exist.
    pub folder: PathBuf,
    /// `{date}` and `{time}` are filled in.
    pub template: String,
    /// Of all parts.
    pub format: Format,
    /// How sound is coded; it is read from the lane that carries it.
    pub audio: AudioCodec,
    /// Rewrite each finished MP4 as a plain one, `moov` first.
    pub plain: bool,
    /// When to begin new parts.
    pub split: Split,
    /// The inputs that have tracks of their own beside the mix; `None` for the mix alone.
    pub inputs: Option<Inputs>,
}

/// Inputs with tracks of their own, as they are now. One that is added begins a new part at the next keyframe, as a
/// file's tracks are fixed; the track of one that is gone is silent to the end of its part.
#[derive(Debug, Clone, Default)]
pub struct Inputs(Arc<Mutex<Vec<InputTrack>>>);

impl Inputs {
    /// These, in this order.
    pub fn set(&self, tracks: Vec<InputTrack>) {
        *self.0.lock() = tracks;
    }

    /// As they are now.
    pub fn now(&self) -> Vec<InputTrack> {
        self.0.lock().clone()
    }
}

/// What a recording says of its own accord.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecordEvent {
    /// A file is complete; with the error, if its last touches failed (it plays all the same).
    Closed(PathBuf, Option<RecordError>),
    /// The disk will be full soon, at the present rate.
    RoomLow(Duration),
    /// The recording ended by itself.
    Failed(RecordError),
}

/// Where a recording stands.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordStatus {
    /// The file that is written now, or was last.
    pub file: PathBuf,
    /// Parts begun.
    pub part: u32,
    /// What was recorded in all parts, pauses left out.
    pub duration: Duration,
    /// Written, in all parts.
    pub bytes: u64,
    /// Free on the disk, where the system says.
    pub free: Option<u64>,
    /// How long that lasts at the rate so far.
    pub lasts: Option<Duration>,
    /// Marks in this part.
    pub chapters: usize,
    /// Nothing is taken in now.
    pub paused: bool,
    /// It has ended.
    pub ended: bool,
}

#[derive(Debug)]
enum Order {
    Pause,
    Resume,
    Chapter(String),
    Stop,
}

/// A running recording. Dropping it closes the file.
#[derive(Debug)]
pub struct Recorder {
    orders: mpsc::Sender<Order>,
    status: Arc<Mutex<RecordStatus>>,
    request_keyframe: KeyframeRequest,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone)]
struct KeyframeRequest(Arc<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for KeyframeRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyframeRequest")
    }
}

impl Recorder {
    /// Opens the first file and records from the next keyframe on, which is asked for. Blocks for the disk.
    ///
    /// # Errors
    /// [`RecordError`] where no file can be made there.
    pub fn start(
        options: RecordOptions,
        hub: &Broadcast<AccessUnit>,
        request_keyframe: Arc<dyn Fn() + Send + Sync>,
        on_event: impl Fn(RecordEvent) + Send + 'static,
    ) -> Result<Self, RecordError> {
        let at = LocalTime::now();
        let file = OutputFile::create(&options.folder, &options.template, at, 1, options.format)?;
        let lanes = match options.audio {
            AudioCodec::Aac => Lanes::PICTURES.and(Lanes::AAC),
            AudioCodec::Opus => Lanes::PICTURES.and(Lanes::OPUS),
        };
        let (lanes, queue) = match &options.inputs {
            Some(inputs) => (lanes.and(Lanes::INPUTS), QUEUE + QUEUE_OF_INPUT * (inputs.now().len() + LATER_INPUTS)),
            None => (lanes, QUEUE),
        };
        let reader = hub.subscribe_to(lanes, queue, LagPolicy::Fail);
        let request_keyframe = KeyframeRequest(request_keyframe);
        (request_keyframe.0)();
        let status = Arc::new(Mutex::new(RecordStatus {
            file: file.path().to_path_buf(),
            part: 1,
            duration: Duration::ZERO,
            bytes: 0,
            free: free_bytes(&options.folder),
            lasts: None,
            chapters: 0,
            paused: false,
            ended: false,
        }));
        let (orders, inbox) = mpsc::channel(ORDERS);
        let path = file.path().to_path_buf();
        let work = Work {
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
            status: Arc::clone(&status),
            on_event,
        };
        let thread = std::thread::Builder::new()
            .name("record".to_owned())
            .spawn(move || work.run(reader, inbox))
            .map_err(|error| RecordError::of_io(&error, &path))?;
        Ok(Self { orders, status, request_keyframe, thread: Some(thread) })
    }

    /// Where it stands.
    pub fn status(&self) -> RecordStatus {
        self.status.lock().clone()
    }

    /// Takes nothing in until [`Self::resume`].
    pub fn pause(&self) {
        self.tell(Order::Pause);
    }

    /// Goes on at the next keyframe, which is asked for; the file's time goes on where it stood.
    pub fn resume(&self) {
        self.tell(Order::Resume);
        (self.request_keyframe.0)();
    }

    /// A chapter mark at what was recorded last.
    pub fn add_chapter(&self, title: String) {
        self.tell(Order::Chapter(title));
    }

    fn tell(&self, order: Order) {
        // A thread that has sixteen orders waiting is stuck on its disk: one more would not be heard either.
        let _ = self.orders.try_send(order);
    }

    /// Writes what is there, closes the file and waits for that. Blocks for the disk.
    pub fn stop(mut self) -> RecordStatus {
        self.end();
        self.status()
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // The closed channel is an order to stop, too.
        let _ = self.orders.try_send(Order::Stop);
        let (closed, _) = mpsc::channel(1);
        self.orders = closed;
        if thread.join().is_err() {
            tracing::error!("the recorder's thread panicked");
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end();
    }
}

/// For the next file.
fn assembler(options: &RecordOptions) -> Assembler {
    let inputs = options.inputs.as_ref().map(Inputs::now).unwrap_or_default();
    Assembler::new(options.audio, TARGET).with_inputs(inputs)
}

struct Work<E> {
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
    fn run(mut self, mut reader: Reader<AccessUnit>, mut orders: mpsc::Receiver<Order>) {
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
