//! A recording: one thread between a bounded reader and the disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use container::{AudioCodec, Format, InputTrack};
use media::AccessUnit;
use parking_lot::Mutex;
use stream::{Broadcast, LagPolicy, Lanes};
use tokio::sync::mpsc;

use crate::file::OutputFile;
use crate::{LocalTime, RecordError, free_bytes};

mod work;

use work::Work;

/// Units that may wait for the disk: some half a minute. Disks that spin up or write back stall for seconds.
const QUEUE: usize = 4096;
/// As long for each input's own packets, of which there are 47 a second; and for some inputs that are added later.
const QUEUE_OF_INPUT: usize = 1500;
const LATER_INPUTS: usize = 4;
/// Orders wait here; people give them.
const ORDERS: usize = 16;

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
        let work = Work::new(options, at, file, Arc::clone(&status), on_event);
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
