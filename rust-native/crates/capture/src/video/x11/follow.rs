//! Sources that are a window by what it is, not by its number: the one of a program and title, or the one that
//! fills the screen. The window may come, go and come back as another one; the capture follows.
//!
//! A thread of its own looks for the window and holds a plain capture of it while there is one. Which one is meant is
//! [`Rule`]'s to say.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use media::{Clock, FrameRate, MediaTime, MonotonicClock, Size, VideoFrame};
use parking_lot::Mutex;
use stream::FrameSlot;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, EventMask, Window};

use super::display::Display;
use super::rule::Rule;
use super::sources::windows;
use super::target::SourceId;
use super::{Capture, Settings};
use crate::video::backend::Backend;
use crate::video::full_screen::Darkness;
use crate::video::{VideoError, VideoEvent, VideoOptions, card};
use session_bus::Waker;

/// The least time between two looks at all windows: a desktop that is busy must not keep this thread busy.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// A window that is there but can't be captured yet (mapped, not painted) is tried again after this time.
const TRY_AGAIN: Duration = Duration::from_millis(250);

/// What the owner and the thread share.
#[derive(Debug)]
struct Shared {
    settings: Mutex<Settings>,
    stop: AtomicBool,
    waker: Waker,
    /// The capture of the window that is there now.
    inner: Mutex<Option<Capture>>,
    /// Frames of those before it.
    before: AtomicU64,
}

/// The owner's end.
#[derive(Debug)]
pub(super) struct Follow {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Follow {
    /// Begins to follow; where there is no window yet, the pause is told and a card stands in the slot.
    pub(super) fn start(
        display: Option<&str>,
        rule: Rule,
        options: VideoOptions,
        slot: FrameSlot<VideoFrame>,
        on_event: Box<dyn Fn(VideoEvent) + Send>,
    ) -> Result<Self, VideoError> {
        Self::start_with(Capture::start, display, rule, options, (slot, on_event))
    }

    /// [`Self::start`], with the way to capture the window that was found.
    fn start_with(
        open: Open,
        display: Option<&str>,
        rule: Rule,
        options: VideoOptions,
        (slot, on_event): (FrameSlot<VideoFrame>, Box<dyn Fn(VideoEvent) + Send>),
    ) -> Result<Self, VideoError> {
        let settings = Settings { rate: options.frame_rate, cursor: options.cursor, own_window: options.own_window };
        let shared = Arc::new(Shared {
            settings: Mutex::new(settings),
            stop: AtomicBool::new(false),
            waker: Waker::new().map_err(|error| VideoError::Thread(error.to_string()))?,
            inner: Mutex::new(None),
            before: AtomicU64::new(0),
        });
        let connection = Display::open(display)?;
        let (sender, inbox) = mpsc::channel();
        let mut follower = Follower {
            display: connection,
            display_name: display.map(str::to_owned),
            open,
            rule,
            shared: Arc::clone(&shared),
            slot,
            on_event,
            sender,
            inbox,
            generation: 0,
            window: None,
            size: card::DEFAULT_SIZE,
            told: Told::Nothing,
            darkness: Darkness::default(),
            look_at: Some(MediaTime::ZERO),
            last_look: MediaTime::ZERO,
        };
        follower.listen(follower.display.root)?;
        // On this thread, so that the first picture or the reason why there is none is there at the return.
        follower.turn()?;
        let thread = std::thread::Builder::new()
            .name("capture-follow".to_owned())
            .spawn(move || follower.run())
            .map_err(|error| VideoError::Thread(error.to_string()))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    fn set(&self, change: impl FnOnce(&mut Settings)) {
        let settings = {
            let mut settings = self.shared.settings.lock();
            change(&mut settings);
            *settings
        };
        if let Some(inner) = &*self.shared.inner.lock() {
            apply(inner, settings);
        }
    }
}

fn apply(capture: &Capture, settings: Settings) {
    capture.set_frame_rate(settings.rate);
    capture.set_cursor(settings.cursor);
    capture.set_own_window(settings.own_window);
}

impl Backend for Follow {
    fn set_frame_rate(&self, rate: FrameRate) {
        self.set(|settings| settings.rate = rate);
    }

    fn set_own_window(&self, window: Option<u32>) {
        self.set(|settings| settings.own_window = window);
    }

    fn set_cursor(&self, cursor: bool) {
        self.set(|settings| settings.cursor = cursor);
    }

    fn captured(&self) -> u64 {
        let inner = self.shared.inner.lock().as_ref().map_or(0, |inner| inner.captured());
        self.shared.before.load(Ordering::Relaxed) + inner
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.waker.wake();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// As [`Capture::start`].
type Open = fn(
    Option<&str>,
    VideoOptions,
    FrameSlot<VideoFrame>,
    Box<dyn Fn(VideoEvent) + Send>,
    bool,
) -> Result<Capture, VideoError>;

/// What the owner was told last.
#[derive(Debug, PartialEq)]
enum Told {
    Nothing,
    Capturing,
    Paused(VideoError),
}

/// The thread's own.
struct Follower {
    display: Display,
    display_name: Option<String>,
    open: Open,
    rule: Rule,
    shared: Arc<Shared>,
    slot: FrameSlot<VideoFrame>,
    on_event: Box<dyn Fn(VideoEvent) + Send>,
    sender: mpsc::Sender<(u64, VideoEvent)>,
    inbox: mpsc::Receiver<(u64, VideoEvent)>,
    /// Names the inner capture: a late word of an ended one is ignored.
    generation: u64,
    window: Option<Window>,
    /// Of the last picture, for the card after it.
    size: Size,
    told: Told,
    /// Of the window that fills the screen, while it can't be captured.
    darkness: Darkness,
    /// When all windows are to be looked at next.
    look_at: Option<MediaTime>,
    last_look: MediaTime,
}

impl Follower {
    fn run(mut self) {
        while !self.shared.stop.load(Ordering::Relaxed) {
            if let Err(error) = self.turn() {
                self.end_inner();
                card::put(&self.slot, self.size, &error);
                (self.on_event)(VideoEvent::Lost(error));
                return;
            }
            let limit = self.look_at.map(|at| at.since(MonotonicClock.now()));
            self.shared.waker.sleep(Some(self.display.connection.stream().as_raw_fd()), limit);
        }
        self.end_inner();
    }

    /// Takes in what happened and looks at the windows, if it is time.
    fn turn(&mut self) -> Result<(), VideoError> {
        let now = MonotonicClock.now();
        while let Some(event) = self.display.connection.poll_for_event()? {
            if self.matters(&event) {
                self.look_soon(now);
            }
        }
        while let Ok((generation, event)) = self.inbox.try_recv() {
            if generation == self.generation {
                self.take(event)?;
            }
        }
        if self.look_at.is_some_and(|at| at <= now) {
            self.look_at = None;
            self.last_look = now;
            self.look()?;
            // The answers to our questions may have brought events along, which the socket won't tell of.
            self.look_at_queued(now)?;
        }
        self.display.connection.flush()?;
        Ok(())
    }

    fn look_at_queued(&mut self, now: MediaTime) -> Result<(), VideoError> {
        while let Some(event) = self.display.connection.poll_for_event()? {
            if self.matters(&event) {
                self.look_soon(now);
            }
        }
        Ok(())
    }

    fn look_soon(&mut self, now: MediaTime) {
        let at = now.max(self.last_look + LOOK_PAUSE);
        self.look_at = Some(self.look_at.map_or(at, |planned| planned.min(at)));
    }

    /// Whether it may change which window is meant.
    fn matters(&self, event: &Event) -> bool {
        match event {
            Event::PropertyNotify(event) => {
                let atoms = &self.display.atoms;
                [
                    atoms._NET_ACTIVE_WINDOW,
                    atoms._NET_CLIENT_LIST,
                    atoms._NET_CLIENT_LIST_STACKING,
                    atoms._NET_WM_STATE,
                    atoms._NET_WM_NAME,
                    AtomEnum::WM_NAME.into(),
                    AtomEnum::WM_CLASS.into(),
                ]
                .contains(&event.atom)
            }
            Event::ConfigureNotify(_)
            | Event::MapNotify(_)
            | Event::UnmapNotify(_)
            | Event::DestroyNotify(_)
            | Event::ReparentNotify(_) => true,
            _ => false,
        }
    }

    fn listen(&self, window: Window) -> Result<(), VideoError> {
        let mut mask = EventMask::PROPERTY_CHANGE;
        if window == self.display.root {
            mask |= EventMask::SUBSTRUCTURE_NOTIFY | EventMask::STRUCTURE_NOTIFY;
        }
        let attributes = ChangeWindowAttributesAux::new().event_mask(mask);
        // A window that is gone meanwhile answers with an error event, which is ignored.
        self.display.connection.change_window_attributes(window, &attributes)?;
        Ok(())
    }

    /// Finds the window that is meant now and captures it.
    fn look(&mut self) -> Result<(), VideoError> {
        for window in windows(&self.display)? {
            self.listen(window)?;
        }
        let found = self.rule.find(&self.display, self.window, self.told == Told::Nothing)?;
        if found.is_some() && found == self.window {
            return Ok(());
        }
        let Some(window) = found else {
            self.end_inner();
            self.darkness.forget();
            self.pause_with_card(self.rule.absence());
            return Ok(());
        };
        self.end_inner();
        self.generation += 1;
        let (sender, generation, shared) = (self.sender.clone(), self.generation, Arc::clone(&self.shared));
        let on_event = move |event| {
            let _ = sender.send((generation, event));
            shared.waker.wake();
        };
        let on_event = card::with_cards(self.slot.clone(), Box::new(on_event));
        let settings = *self.shared.settings.lock();
        let options = VideoOptions {
            source_id: SourceId::Window(window).to_string(),
            frame_rate: settings.rate,
            cursor: settings.cursor,
            own_window: settings.own_window,
            restore_token: None,
        };
        // One that came while it was waited for may not have painted itself yet.
        let is_new = matches!(self.told, Told::Paused(_));
        match (self.open)(self.display_name.as_deref(), options, self.slot.clone(), on_event, is_new) {
            Ok(capture) => {
                // What was changed while it opened; what changes from here on waits for it to be there.
                let mut inner = self.shared.inner.lock();
                apply(&capture, *self.shared.settings.lock());
                *inner = Some(capture);
                drop(inner);
                self.window = Some(window);
                self.darkness.forget();
                if matches!(self.told, Told::Paused(_)) {
                    (self.on_event)(VideoEvent::Resumed);
                }
                self.told = Told::Capturing;
                Ok(())
            }
            Err(error @ (VideoError::DisplayLost(_) | VideoError::DisplaySilent | VideoError::NoDisplay(_))) => {
                Err(error)
            }
            Err(error) => {
                self.look_at = Some(MonotonicClock.now() + TRY_AGAIN);
                let is_gone = matches!(error, VideoError::SourceNotFound(_) | VideoError::SourceClosed);
                let reason = match self.rule {
                    _ if is_gone => self.rule.absence(),
                    Rule::FullScreen => self.darkness.of_refused(error, MonotonicClock.now()),
                    Rule::Named { .. } => error,
                };
                self.pause_with_card(reason);
                Ok(())
            }
        }
    }

    /// What the inner capture says.
    fn take(&mut self, event: VideoEvent) -> Result<(), VideoError> {
        match event {
            VideoEvent::Lost(VideoError::SourceClosed) => {
                self.end_inner();
                self.look_at = Some(MonotonicClock.now());
            }
            VideoEvent::Lost(error) => return Err(error),
            VideoEvent::Paused(error) => {
                // A game that is minimised fills the screen no more: there may be another one.
                if self.rule == Rule::FullScreen {
                    self.look_at = Some(MonotonicClock.now());
                }
                self.pause(error);
            }
            VideoEvent::Resumed => {
                if std::mem::replace(&mut self.told, Told::Capturing) != Told::Capturing {
                    (self.on_event)(VideoEvent::Resumed);
                }
            }
            VideoEvent::Area(area) => {
                if let Some(area) = area {
                    self.size = Size { width: area.width, height: area.height };
                }
                (self.on_event)(VideoEvent::Area(area));
            }
            // An X server asks nobody, and so grants nothing.
            VideoEvent::Remember(_) => {}
        }
        Ok(())
    }

    /// While no inner capture runs, which would put the card itself.
    fn pause_with_card(&mut self, reason: VideoError) {
        if self.told != Told::Paused(reason.clone()) {
            card::put(&self.slot, self.size, &reason);
        }
        self.pause(reason);
    }

    fn pause(&mut self, reason: VideoError) {
        let told = Told::Paused(reason.clone());
        if self.told != told {
            self.told = told;
            (self.on_event)(VideoEvent::Paused(reason));
        }
    }

    fn end_inner(&mut self) {
        self.window = None;
        // Taken out first: dropping it waits for its thread, and nobody else must wait for that.
        let inner = self.shared.inner.lock().take();
        if let Some(inner) = inner {
            self.shared.before.fetch_add(inner.captured(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
