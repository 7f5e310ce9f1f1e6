//! On Windows and macOS: sources that are a window by what it is, not by its number: the one of a program and title,
//! or the one that fills a monitor. The window may come, go and come back as another one; the capture follows.
//!
//! Neither system tells of windows that come and go without a hook into every program, so they are looked at.

use std::fmt;

use super::spec::{Spec, encode};
use super::{SourceInfo, SourceKind, VideoError};

/// Which window is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// The one of that program with that title; where no title fits, that program's only one. Never one of several:
    /// a stranger's letter must not be shown in place of a document.
    Named { program: String, title: String },
    /// The uppermost one that is as large as its monitor.
    FullScreen,
}

impl Rule {
    /// `win:find:Editor?title=notes`, `win:game`; `None` for ids of other kinds.
    pub(super) fn parse(system: &str, id: &str) -> Result<Option<Self>, VideoError> {
        let Some(rest) = id.strip_prefix(system).and_then(|rest| rest.strip_prefix(':')) else { return Ok(None) };
        if rest == "game" {
            return Ok(Some(Self::FullScreen));
        }
        let Some(rest) = rest.strip_prefix("find:") else { return Ok(None) };
        let spec = Spec::parse(id, rest)?;
        spec.allow(&["title"])?;
        let title = spec.text("title").unwrap_or_default().to_owned();
        if spec.body.is_empty() && title.is_empty() {
            return Err(spec.refuse("a window is found by its program, its title, or both"));
        }
        Ok(Some(Self::Named { program: spec.body, title }))
    }

    /// Its id.
    pub(super) fn id(&self, system: &str) -> String {
        match self {
            Self::Named { program, title } => format!("{system}:find:{}?title={}", encode(program), encode(title)),
            Self::FullScreen => format!("{system}:game"),
        }
    }

    /// Why there is no picture while no window is found.
    pub(super) fn absence(&self) -> VideoError {
        match self {
            Self::Named { .. } => VideoError::WindowNotOpen,
            Self::FullScreen => VideoError::NoFullScreen,
        }
    }

    /// Of what is listed now (windows from the top of the stack down), the one that is meant; `current` is the id of
    /// the one that was until now. Only the first time is a program's only window good enough under another title:
    /// what comes after a window that was closed need not be the same.
    pub(super) fn choose<'a>(
        &self,
        listed: &'a [SourceInfo],
        current: Option<&str>,
        is_first: bool,
    ) -> Option<&'a SourceInfo> {
        let windows = || listed.iter().filter(|source| source.kind == SourceKind::Window);
        match self {
            Self::Named { program, title } => {
                let of_program = |source: &&SourceInfo| program.is_empty() || source.program == *program;
                // One that is captured already stays, though its title changes with what is open in it.
                let kept = windows().filter(of_program).find(|source| Some(source.id.as_str()) == current);
                let by_title = || windows().filter(of_program).find(|source| source.title == *title);
                let only = || {
                    let mut candidates = windows().filter(of_program);
                    candidates.next().filter(|_| is_first && candidates.next().is_none() && !program.is_empty())
                };
                kept.or_else(by_title).or_else(only)
            }
            Self::FullScreen => {
                let fills = |window: &&SourceInfo| {
                    listed.iter().any(|each| each.kind == SourceKind::Monitor && each.area == window.area)
                };
                windows().find(fills)
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { program, title } => write!(f, "{title} ({program})"),
            Self::FullScreen => f.write_str("whatever fills the screen"),
        }
    }
}

#[cfg(any(target_os = "windows", target_os = "macos"))]
pub(super) use running::start;

#[cfg(any(target_os = "windows", target_os = "macos"))]
mod running {
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
                apply(inner, &options);
            }
        }
    }

    fn apply(capture: &Capture, options: &VideoOptions) {
        capture.set_frame_rate(options.frame_rate);
        capture.set_cursor(options.cursor);
    }

    impl Backend for Follow {
        fn set_frame_rate(&self, rate: FrameRate) {
            self.set(|options| options.frame_rate = rate);
        }

        fn set_own_window(&self, _window: Option<u32>) {}

        fn set_cursor(&self, cursor: bool) {
            self.set(|options| options.cursor = cursor);
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
                    apply(&capture, &self.shared.options.lock().clone());
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::Rect;

    const SCREEN: Rect = Rect { x: 0, y: 0, width: 1920, height: 1080 };

    fn source(kind: SourceKind, number: u32, program: &str, title: &str, area: Rect) -> SourceInfo {
        SourceInfo {
            id: number.to_string(),
            lasting_id: String::new(),
            kind,
            title: title.to_owned(),
            program: program.to_owned(),
            area,
        }
    }

    fn window(number: u32, program: &str, title: &str) -> SourceInfo {
        source(SourceKind::Window, number, program, title, Rect { width: 800, height: 600, ..SCREEN })
    }

    fn named(program: &str, title: &str) -> Rule {
        Rule::Named { program: program.to_owned(), title: title.to_owned() }
    }

    #[test]
    fn rules_are_read_as_they_are_written() {
        for rule in [named("Text?Editor", "50% & more = ü"), Rule::FullScreen] {
            assert_eq!(Rule::parse("win", &rule.id("win")), Ok(Some(rule)));
        }
        for other in ["win:window:1", "mac:game", "win", "game", "x11:find:a"] {
            assert_eq!(Rule::parse("win", other), Ok(None), "{other}");
        }
        assert_eq!(Rule::parse("win", "win:find:?title=").expect_err("empty").code(), "bad_source");
    }

    #[test]
    fn an_absence_is_said_in_the_users_words() {
        assert_eq!(named("Editor", "a").absence().code(), "window_not_open");
        assert_eq!(Rule::FullScreen.absence().code(), "no_full_screen");
        assert_eq!(named("Editor", "a").to_string(), "a (Editor)");
    }

    #[test]
    fn a_window_is_found_by_title_then_by_its_program_alone() {
        let open = [window(1, "Editor", "a"), window(2, "Editor", "b"), window(3, "Player", "song 2")];
        let chosen =
            |program, title, current| named(program, title).choose(&open, current, true).map(|found| found.id.as_str());
        assert_eq!(chosen("Editor", "b", None), Some("2"));
        assert_eq!(chosen("Player", "song 1", None), Some("3"), "its title changed");
        assert_eq!(chosen("Editor", "c", None), None, "one of several is never guessed");
        assert_eq!(chosen("Editor", "c", Some("2")), Some("2"), "the one that is captured stays");
        assert_eq!(chosen("", "b", None), Some("2"));
        assert_eq!(chosen("", "z", None), None);
        assert_eq!(named("Player", "song 1").choose(&open, None, false), None, "another window than the closed one");
    }

    #[test]
    fn the_uppermost_window_as_large_as_a_monitor_fills_it() {
        let game = source(SourceKind::Window, 2, "Game", "g", SCREEN);
        let monitor = source(SourceKind::Monitor, 9, "", "m", SCREEN);
        let listed = [monitor.clone(), window(1, "Editor", "a"), game.clone()];
        assert_eq!(Rule::FullScreen.choose(&listed, None, true), Some(&game));
        assert_eq!(Rule::FullScreen.choose(&[monitor, window(1, "Editor", "a")], None, true), None);
    }
}
