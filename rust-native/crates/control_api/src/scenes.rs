//! Going live with a scene, and from one scene to the next: captures are opened before anything changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use capture::video::{VideoCapture, VideoError, VideoOptions};
use media::{FrameRate, VideoFrame};
use scene::{Canvas, Scene, SceneError, Transition};
use stream::{Fan, FrameSlot};

use crate::canvases::MAIN;
use crate::live::{Capture, LiveSource};
use crate::session::{Order, Session};
use crate::{Event, Problem, VideoSettings};

/// The longer side of an encoded picture: what [`VideoSettings`] allows for its height.
pub(crate) const MOST_SIDE: u32 = 4320;

/// A capture to be started.
struct Wanted {
    scene: Scene,
    plain: bool,
    settings: VideoSettings,
    cursor: bool,
    transition: Transition,
}

impl Session {
    /// A plain source: a scene of one item that fills the picture. It is opened anew, also where it runs already.
    pub(crate) async fn start_capture(
        &mut self,
        source_id: String,
        settings: VideoSettings,
        cursor: bool,
    ) -> Result<(), Problem> {
        let canvas = Canvas { width: settings.width, height: settings.height };
        let scene = Scene::of_one(&source_id, canvas);
        self.go(Wanted { scene, plain: true, settings, cursor, transition: Transition::Cut }).await
    }

    /// A scene as JSON. The picture gets the canvas's aspect; the shorter side of the settings stays.
    pub(crate) async fn set_scene(
        &mut self,
        scene: &str,
        transition: Transition,
        settings: VideoSettings,
        cursor: bool,
    ) -> Result<(), Problem> {
        let scene: Scene = serde_json::from_str(scene).map_err(|error| SceneError::Unreadable(error.to_string()))?;
        scene.validate()?;
        transition.validate()?;
        let (width, height) = scene.canvas.at_size_of(settings.width, settings.height, MOST_SIDE);
        let settings = VideoSettings { width, height, ..settings };
        self.go(Wanted { scene, plain: false, settings, cursor, transition }).await
    }

    async fn go(&mut self, wanted: Wanted) -> Result<(), Problem> {
        let Wanted { scene, plain, settings, cursor, transition } = wanted;
        let config = settings.config()?;
        let main = scene.sources();
        let further = self.canvases.sources().into_iter().filter(|name| !main.contains(&name.as_str()));
        let further: Vec<String> = further.collect();
        let keeps = |live: &Capture, name: &str| !plain && live.cursor == cursor && live.has_well(name);
        let goes_on = |live: &Capture, name: &str| live.cursor == cursor && live.has(name);
        let missing: Vec<String> = main
            .iter()
            .filter(|name| !self.capture.as_ref().is_some_and(|live| keeps(live, name)))
            .map(|name| (*name).to_owned())
            .chain(
                further.iter().filter(|name| !self.capture.as_ref().is_some_and(|live| goes_on(live, name))).cloned(),
            )
            .collect();
        // The old sources go on until the new ones give pictures; if none of them does, nothing has changed.
        let (mut opened, failures) = self.open(&missing, config.frame_rate, cursor).await;
        let is_main = |name: &String| main.contains(&name.as_str());
        let failed: Vec<&VideoError> =
            failures.iter().filter(|(name, _)| is_main(name)).map(|(_, error)| error).collect();
        if let Some(first) = failed.first()
            && failed.len() == main.len()
        {
            return Err((*first).clone().into());
        }
        for (name, error) in &failures {
            self.tell_lost(name, error, plain && is_main(name));
        }
        let (is_new, before) = (self.capture.is_none(), self.capture.as_ref().map(|live| live.pace));
        let mut old = self.capture.take().map_or_else(Vec::new, |mut live| {
            live.sources.append(&mut live.leaving);
            live.sources
        });
        let mut sources = Vec::new();
        for name in main.into_iter().chain(further.iter().map(String::as_str)) {
            let from = if missing.iter().any(|missing| missing == name) { &mut opened } else { &mut old };
            if let Some(index) = from.iter().position(|source| source.source_id == name) {
                sources.push(from.swap_remove(index));
            }
        }
        // A camera that is opened anew must be free: only what is not in the next scene goes on through the fade.
        let fade = match transition {
            Transition::Cut => Duration::ZERO,
            Transition::Fade { ms } => {
                old.retain(|left| left.is_well() && sources.iter().all(|source| source.source_id != left.source_id));
                Duration::from_millis(u64::from(ms))
            }
        };
        let leaving = if fade.is_zero() { Vec::new() } else { old };
        let left_at = Instant::now() + fade;
        // What the governor has lowered stays so until it says otherwise.
        let pace = before.filter(|_| self.settings.fps == settings.fps).unwrap_or(config.frame_rate);
        let scene = Arc::new(scene);
        let mut capture = Capture { scene: Arc::clone(&scene), plain, cursor, pace, sources, leaving, left_at };
        let encode = self.pipeline.control();
        let feeds = capture.feeds(MAIN, &scene, &encode);
        encode.show(config, scene, feeds, transition);
        capture
            .sources
            .iter()
            .filter(|source| source.is_lost())
            .for_each(|source| encode.lose(&source.source_id, source.card()));
        if fade.is_zero() {
            capture.close_left(left_at);
        }
        self.settings = settings;
        self.sound.set_streaming(true);
        self.capture = Some(capture);
        if is_new {
            self.canvases.forgive();
        }
        self.feed_canvases();
        Ok(())
    }

    /// Opens those sources at once, each on a thread of its own; all of them are given back.
    pub(crate) async fn open(
        &mut self,
        names: &[String],
        frame_rate: FrameRate,
        cursor: bool,
    ) -> (Vec<LiveSource>, Vec<(String, VideoError)>) {
        let mut opening = Vec::new();
        for name in names {
            let (id, fan) = (self.next_id(), Fan::default());
            let opened = self.opening(id, name.clone(), fan.inlet(), frame_rate, cursor);
            opening.push((id, name.clone(), fan, opened));
        }
        let (mut sources, mut failures) = (Vec::new(), Vec::new());
        for (id, name, fan, opened) in opening {
            let opened = opened.await.unwrap_or_else(|error| Err(VideoError::Thread(error.to_string())));
            if let Err(error) = &opened {
                failures.push((name.clone(), error.clone()));
            }
            sources.push(LiveSource::new(id, name, fan, opened));
        }
        (sources, failures)
    }

    fn opening(
        &self,
        id: u64,
        source_id: String,
        slot: FrameSlot<VideoFrame>,
        frame_rate: FrameRate,
        cursor: bool,
    ) -> tokio::task::JoinHandle<Result<VideoCapture, VideoError>> {
        let orders = self.orders.clone();
        let on_event = move |event| {
            let _ = orders.send(Order::Video(id, event));
        };
        let restore_token = self.grants.get(&source_id).cloned();
        let own_window = self.own_window;
        let options = VideoOptions { source_id, frame_rate, cursor, own_window, restore_token };
        tokio::task::spawn_blocking(move || VideoCapture::start(options, slot, on_event))
    }

    /// Says that a source gives no picture. Alone it is what the user asked for; in a scene the rest goes on.
    pub(crate) fn tell_lost(&self, name: &str, error: &VideoError, plain: bool) {
        let problem = Problem::from(error.clone());
        let source_id = name.to_owned();
        self.tell(if plain { Event::Error(problem) } else { Event::SourceWarning { source_id, problem } });
    }

    /// Closes what has faded away, and opens lost sources again, beside whatever else happens; each ends as an
    /// [`Order::Reopened`].
    pub(crate) fn retry_lost(&mut self) {
        let Some(capture) = self.capture.as_mut() else { return };
        capture.close_left(Instant::now());
        let (cursor, pace) = (capture.cursor, capture.pace);
        for (id, name, slot) in capture.due(Instant::now()) {
            let opening = self.opening(id, name, slot, pace, cursor);
            let orders = self.orders.clone();
            tokio::spawn(async move {
                let opened = opening.await.unwrap_or_else(|error| Err(VideoError::Thread(error.to_string())));
                let _ = orders.send(Order::Reopened(id, opened.map(Arc::new)));
            });
        }
    }

    pub(crate) fn on_reopened(&mut self, id: u64, opened: Result<Arc<VideoCapture>, VideoError>) {
        let Some(source) =
            self.capture.as_mut().and_then(|live| live.sources.iter_mut().find(|source| source.id == id))
        else {
            return;
        };
        source.tried = Some(Instant::now());
        if let Ok(video) = opened {
            source.reopened(video);
            self.pace_sources();
        }
    }
}
