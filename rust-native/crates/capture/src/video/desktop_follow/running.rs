//! A capture that goes along with its rule: one thread looks at the windows and begins anew what it finds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use media::{Clock, FrameRate, MonotonicClock, VideoFrame};
use parking_lot::Mutex;
use stream::FrameSlot;

use super::Rule;
use crate::video::backend::Backend;
use crate::video::full_screen::{Darkness, explain};
use crate::video::imp::{Capture, has_screen_to_itself, list_sources};
use crate::video::{VideoError, VideoEvent, VideoOptions};

/// How often the windows are looked at. Someone who opens a program waits longer than that for it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the thread is told.
enum Word {
    /// By the capture of that generation.
    Said(u64, VideoEvent),
    Stop,
}

#[derive(Debug)]
struct Shared {
    options: Mutex<VideoOptions>,
    /// Frames stay on the graphics card.
    surfaces: AtomicBool,
    stop: AtomicBool,
    /// The capture of the window that is there now.
    inner: Mutex<Option<Capture>>,
    /// Frames of those before it.
    before: AtomicU64,
}

/// The owner's end.
#[derive(Debug)]
struct Follow {
    shared: Arc<Shared>,
    words: mpsc::Sender<Word>,
    thread: Option<JoinHandle<()>>,
}

/// Begins to follow; where there is no window yet, the pause is told.
pub(in crate::video) fn start(
    rule: Rule,
    options: VideoOptions,
    slot: FrameSlot<VideoFrame>,
    on_event: Box<dyn Fn(VideoEvent) + Send>,
) -> Result<Box<dyn Backend>, VideoError> {
    let shared = Arc::new(Shared {
        options: Mutex::new(options),
        surfaces: AtomicBool::new(false),
        stop: AtomicBool::new(false),
        inner: Mutex::new(None),
        before: AtomicU64::new(0),
    });
    // A capture says few words in its life, and the thread reads them at once.
    let (words, inbox) = mpsc::channel();
    let (slot, told) = (slot, None);
    let mut follower = Follower {
        rule,
        shared: Arc::clone(&shared),
        slot,
        on_event,
        words: words.clone(),
        generation: 0,
        current: None,
        told,
        darkness: Darkness::default(),
    };
    // On this thread, so that the first picture or the reason why there is none is there at the return.
    follower.look()?;
    let thread = std::thread::Builder::new()
        .name("capture-follow".to_owned())
        .spawn(move || follower.run(&inbox))
        .map_err(|error| VideoError::Thread(error.to_string()))?;
    Ok(Box::new(Follow { shared, words, thread: Some(thread) }))
}

impl Follow {
    fn set(&self, change: impl FnOnce(&mut VideoOptions)) {
        let options = {
            let mut options = self.shared.options.lock();
            change(&mut options);
            options.clone()
        };
        if let Some(inner) = &*self.shared.inner.lock() {
            self.shared.apply(inner, &options);
        }
    }
}

impl Shared {
    fn apply(&self, capture: &Capture, options: &VideoOptions) {
        capture.set_frame_rate(options.frame_rate);
        capture.set_cursor(options.cursor);
        capture.set_surfaces(self.surfaces.load(Ordering::Relaxed));
    }
}

impl Backend for Follow {
    fn set_frame_rate(&self, rate: FrameRate) {
        self.set(|options| options.frame_rate = rate);
    }

    fn set_own_window(&self, _window: Option<u32>) {}

    fn set_cursor(&self, cursor: bool) {
        self.set(|options| options.cursor = cursor);
    }

    fn set_surfaces(&self, surfaces: bool) {
        self.shared.surfaces.store(surfaces, Ordering::Relaxed);
        self.set(|_| {});
    }

    fn captured(&self) -> u64 {
        let inner = self.shared.inner.lock().as_ref().map_or(0, |inner| inner.captured());
        self.shared.before.load(Ordering::Relaxed) + inner
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // It only fails when the thread has ended.
        let _ = self.words.send(Word::Stop);
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// The thread's own.
struct Follower {
    rule: Rule,
    shared: Arc<Shared>,
    slot: FrameSlot<VideoFrame>,
    on_event: Box<dyn Fn(VideoEvent) + Send>,
    words: mpsc::Sender<Word>,
    /// Names the inner capture: a late word of an ended one is ignored.
    generation: u64,
    /// The id of the window that is captured.
    current: Option<String>,
    /// The pause that the owner was told of.
    told: Option<VideoError>,
    darkness: Darkness,
}

impl Follower {
    fn run(mut self, inbox: &mpsc::Receiver<Word>) {
        let outcome = loop {
            if self.shared.stop.load(Ordering::Relaxed) {
                break Ok(());
            }
            let turn = match inbox.recv_timeout(LOOK_EVERY) {
                Ok(Word::Said(generation, event)) if generation == self.generation => self.take(event),
                Ok(Word::Said(..)) => Ok(()),
                Err(RecvTimeoutError::Timeout) => self.look(),
                Ok(Word::Stop) | Err(RecvTimeoutError::Disconnected) => break Ok(()),
            };
            if turn.is_err() {
                break turn;
            }
        };
        self.end_inner();
        if let Err(error) = outcome {
            (self.on_event)(VideoEvent::Lost(error));
        }
    }

    /// Finds the window that is meant now and captures it.
    fn look(&mut self) -> Result<(), VideoError> {
        let listed = list_sources(None)?;
        let is_first = self.generation == 0;
        let found = self.rule.choose(&listed, self.current.as_deref(), is_first).map(|source| source.id.clone());
        let exclusive = self.rule == Rule::FullScreen && has_screen_to_itself();
        if found.is_some() && found == self.current {
            self.look_for_darkness(exclusive);
            return Ok(());
        }
        self.end_inner();
        let Some(id) = found else {
            self.pause(if exclusive { VideoError::ExclusiveFullScreen } else { self.rule.absence() });
            return Ok(());
        };
        self.generation += 1;
        let (words, generation) = (self.words.clone(), self.generation);
        let on_event = move |event| {
            // It only fails when the follower has ended, and the capture with it.
            let _ = words.send(Word::Said(generation, event));
        };
        let options = VideoOptions { source_id: id.clone(), ..self.shared.options.lock().clone() };
        match Capture::start(None, options, self.slot.clone(), Box::new(on_event)) {
            Ok(capture) => {
                // What was changed while it opened.
                let options = self.shared.options.lock().clone();
                self.shared.apply(&capture, &options);
                *self.shared.inner.lock() = Some(capture);
                tracing::info!(rule = %self.rule, id, "following a window");
                self.current = Some(id);
                if self.told.take().is_some() {
                    (self.on_event)(VideoEvent::Resumed);
                }
                Ok(())
            }
            Err(error @ (VideoError::PermissionMissing(_) | VideoError::SystemTooOld)) => Err(error),
            Err(error) => {
                let is_gone = matches!(error, VideoError::SourceNotFound(_) | VideoError::SourceClosed);
                self.pause(if is_gone { self.rule.absence() } else { explain(error, exclusive) });
                Ok(())
            }
        }
    }

    /// A capture of a program that has the screen to itself runs on and gives nothing: that is said, and taken back.
    fn look_for_darkness(&mut self, exclusive: bool) {
        let captured = self.shared.inner.lock().as_ref().map_or(0, |inner| inner.captured());
        if self.darkness.of_running(exclusive, captured, MonotonicClock.now()) {
            self.pause(VideoError::ExclusiveFullScreen);
        } else if self.told == Some(VideoError::ExclusiveFullScreen) {
            self.told = None;
            (self.on_event)(VideoEvent::Resumed);
        }
    }

    /// What the inner capture says.
    fn take(&mut self, event: VideoEvent) -> Result<(), VideoError> {
        match event {
            VideoEvent::Lost(VideoError::SourceClosed) => {
                self.end_inner();
                return self.look();
            }
            VideoEvent::Lost(error) => return Err(error),
            VideoEvent::Paused(error) => {
                self.pause(error);
                // A game that is minimised fills the screen no more: there may be another one.
                if self.rule == Rule::FullScreen {
                    self.current = None;
                    return self.look();
                }
            }
            VideoEvent::Resumed => {
                if self.told.take().is_some() {
                    (self.on_event)(VideoEvent::Resumed);
                }
            }
            VideoEvent::Area(area) => (self.on_event)(VideoEvent::Area(area)),
            // These systems ask once for all screens, and so grant nothing for one.
            VideoEvent::Remember(_) => {}
        }
        Ok(())
    }

    fn pause(&mut self, reason: VideoError) {
        if self.told.as_ref() != Some(&reason) {
            self.told = Some(reason.clone());
            (self.on_event)(VideoEvent::Paused(reason));
        }
    }

    fn end_inner(&mut self) {
        self.current = None;
        self.darkness.forget();
        // Taken out first: dropping it waits for its thread, and nobody else must wait for that.
        let inner = self.shared.inner.lock().take();
        if let Some(inner) = inner {
            self.shared.before.fetch_add(inner.captured(), Ordering::Relaxed);
        }
    }
}
