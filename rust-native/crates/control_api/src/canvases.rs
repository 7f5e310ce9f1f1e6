//! Further canvases beside the main one: each a scene drawn and encoded on a thread of its own, with destinations and a
//! bitrate of its own. Sources and sound are shared: captured, mixed and encoded as sound once.
//!
//! They are live while the main canvas captures. What fails on one stays with that one.

use std::sync::Arc;
use std::time::Instant;

use compose::Card;
use media::{AccessUnit, FrameRate, VideoCodec};
use scene::{Scene, SceneError, Transition};
use stream::Broadcast;

use crate::live::Capture;
use crate::meter::{Meter, Sums};
use crate::pipeline::{EncodeControl, Feed, Opener, Pipeline, PipelineEvent};
use crate::scenes::MOST_SIDE;
use crate::session::{Order, Session};
use crate::steering::Steering;
use crate::{CanvasSettings, CanvasState, CanvasStats, Event, Problem, VideoSettings};

/// The main canvas among the readers of a source and the voices of encodes; `next_id` never gives it.
pub(crate) const MAIN: u64 = 0;
/// Each holds a picture of every source that it shows: capture's pools have room for so many.
const MOST: usize = 3;
const LONGEST_ID: usize = 64;
const LONGEST_NAME: usize = 200;

/// One of them.
pub(crate) struct Further {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) number: u64,
    pub(crate) scene: Arc<Scene>,
    pub(crate) settings: VideoSettings,
    pub(crate) codec: VideoCodec,
    pub(crate) pipeline: Pipeline,
    pub(crate) hub: Broadcast<AccessUnit>,
    steering: Steering,
    /// What its encode was told to show; `None` while it is at rest.
    feeds: Option<Vec<Feed>>,
    /// The most pictures a second that it takes.
    pace: FrameRate,
    encoder: Option<String>,
    /// No encoder could be had: it rests until it is set again.
    pub(crate) problem: Option<Problem>,
    meter: Meter,
}

impl Further {
    fn shows(&self, source: &str) -> bool {
        self.scene.sources().contains(&source)
    }

    fn rest(&mut self) {
        self.pipeline.control().rest();
        self.feeds = None;
        self.encoder = None;
    }
}

/// All of them, in the order in which they were added.
pub(crate) struct Canvases {
    list: Vec<Further>,
    /// Where their encoders come from: the seam at which a test lets one fail.
    pub(crate) opener: Box<dyn Fn() -> Opener + Send + Sync>,
}

impl Canvases {
    pub(crate) fn new(opener: impl Fn() -> Opener + Send + Sync + 'static) -> Self {
        Self { list: Vec::new(), opener: Box::new(opener) }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Further> {
        self.list.iter().find(|canvas| canvas.id == id)
    }

    fn get_mut(&mut self, id: &str) -> Option<&mut Further> {
        self.list.iter_mut().find(|canvas| canvas.id == id)
    }

    /// Every source that one of them shows, once.
    pub(crate) fn sources(&self) -> Vec<String> {
        let mut sources: Vec<String> = Vec::new();
        for name in self.list.iter().flat_map(|canvas| canvas.scene.sources()) {
            if !sources.iter().any(|known| known == name) {
                sources.push(name.to_owned());
            }
        }
        sources
    }

    /// Any is encoded now.
    pub(crate) fn any_live(&self) -> bool {
        self.list.iter().any(|canvas| canvas.feeds.is_some())
    }

    /// Each by its id, for what is told to all of them.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&str, EncodeControl, &VideoSettings, &Steering)> {
        self.list
            .iter()
            .map(|canvas| (canvas.id.as_str(), canvas.pipeline.control(), &canvas.settings, &canvas.steering))
    }

    /// Draws a card in a source's place wherever it is shown.
    pub(crate) fn lose(&self, source: &str, card: &Card) {
        for canvas in self.list.iter().filter(|canvas| canvas.shows(source)) {
            canvas.pipeline.control().lose(source, card.clone());
        }
    }

    /// Nothing is captured any more.
    pub(crate) fn rest(&mut self) {
        self.list.iter_mut().for_each(Further::rest);
    }

    /// What failed before is tried again.
    pub(crate) fn forgive(&mut self) {
        self.list.iter_mut().for_each(|canvas| canvas.problem = None);
    }

    /// The state event's part.
    pub(crate) fn states(&self) -> Vec<CanvasState> {
        let state = |canvas: &Further| CanvasState {
            id: canvas.id.clone(),
            name: canvas.name.clone(),
            scene: canvas.scene.name.clone(),
            settings: canvas.settings,
            codec: canvas.codec,
            live: canvas.feeds.is_some(),
            encoder: canvas.encoder.clone(),
            problem: canvas.problem.clone(),
        };
        self.list.iter().map(state).collect()
    }

    /// The figures since the last call, of those that are live.
    pub(crate) fn stats(&mut self, now: Instant, capture: Option<&Capture>) -> Vec<CanvasStats> {
        let live = self.list.iter_mut().filter(|canvas| canvas.feeds.is_some());
        live.map(|canvas| {
            let (captured, replaced) = capture.map_or((0, 0), |capture| capture.frames(canvas.number));
            let rates = canvas.meter.read(now, Sums { captured, replaced }, canvas.pipeline.counters());
            let allowed = canvas.steering.bearing().allowed.map(|allowed| allowed.bitrate.as_kbps());
            CanvasStats {
                id: canvas.id.clone(),
                fps_encoded: rates.fps_encoded,
                fps_dropped: rates.fps_dropped,
                encode_ms: rates.encode_ms,
                compose_ms: rates.compose_ms,
                video_kbps: rates.video_kbps,
                target_kbps: allowed.map_or(canvas.settings.kbps, |allowed| allowed.min(canvas.settings.kbps)),
                cores: (rates.encode_ms + rates.compose_ms.unwrap_or(0.0)) * rates.fps_encoded / 1000.0,
            }
        })
        .collect()
    }

    /// Whether a governor leaves pictures out.
    pub(crate) fn any_short(&self) -> bool {
        self.list.iter().any(|canvas| canvas.pipeline.is_short())
    }
}

impl CanvasSettings {
    /// The scene, and the settings at its aspect.
    pub(crate) fn read(&self) -> Result<(Scene, VideoSettings), Problem> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if self.id.is_empty() || self.id.len() > LONGEST_ID || !self.id.chars().all(is_word) {
            return Err(Problem::bad_value(format!("“{}” is not a name for a canvas.", self.id)));
        }
        if self.name.len() > LONGEST_NAME {
            return Err(Problem::bad_value("A canvas's name has 200 characters at most."));
        }
        let scene: Scene = serde_json::from_str(&self.scene).map_err(|e| SceneError::Unreadable(e.to_string()))?;
        scene.validate()?;
        let (width, height) = scene.canvas.at_size_of(self.settings.width, self.settings.height, MOST_SIDE);
        let settings = VideoSettings { width, height, ..self.settings };
        settings.config()?;
        Ok((scene, settings))
    }
}

impl Session {
    /// Adds a canvas, or changes the one of that id; its destinations stay connected.
    pub(crate) async fn set_canvas(&mut self, wanted: CanvasSettings, force: bool) -> Result<(), Problem> {
        let (scene, settings) = wanted.read()?;
        let CanvasSettings { id, name, codec, .. } = wanted;
        if self.canvases.get(&id).is_none() && self.canvases.list.len() >= MOST {
            return Err(Problem::new(
                "too_many_canvases",
                format!("There are {MOST} further canvases already."),
                "Remove one of them first.",
            ));
        }
        if !force {
            self.check_room(&id, &settings)?;
        }
        let before = self.canvases.get(&id).map_or(VideoCodec::H264, |canvas| canvas.codec);
        if codec != before {
            self.check_codec(&id, codec, &settings).await?;
        }
        let scene = Arc::new(scene);
        if let Some(canvas) = self.canvases.get_mut(&id) {
            (canvas.name, canvas.scene, canvas.settings, canvas.codec) = (name, scene, settings, codec);
            canvas.pipeline.control().set_codec(codec);
            canvas.pace = settings.config()?.frame_rate;
            (canvas.problem, canvas.feeds) = (None, None);
        } else {
            let mut canvas = self.new_canvas(id.clone(), name, scene, settings)?;
            canvas.pipeline.control().set_codec(codec);
            canvas.codec = codec;
            self.canvases.list.push(canvas);
        }
        self.retarget(Some(&id), settings.kbps);
        self.capture_for_canvases().await;
        Ok(())
    }

    fn new_canvas(
        &mut self,
        id: String,
        name: String,
        scene: Arc<Scene>,
        settings: VideoSettings,
    ) -> Result<Further, Problem> {
        let (number, orders, hub) = (self.next_id(), self.orders.clone(), self.hub.beside());
        let on_event = move |event| {
            let _ = orders.send(Order::Pipeline(number, event));
        };
        let (config, opener) = (settings.config()?, (self.canvases.opener)());
        let thread = format!("encode-{id}");
        let pipeline = Pipeline::start_with(&thread, config, hub.clone(), opener, on_event);
        let pipeline = pipeline.map_err(Problem::internal)?;
        pipeline.control().wish(self.wish());
        let steering = Steering::start(pipeline.control(), config.bitrate);
        let (pace, meter) = (config.frame_rate, Meter::new(Instant::now()));
        let (feeds, encoder, problem, codec) = (None, None, None, VideoCodec::H264);
        Ok(Further {
            id,
            name,
            number,
            scene,
            settings,
            codec,
            pipeline,
            hub,
            steering,
            feeds,
            pace,
            encoder,
            problem,
            meter,
        })
    }

    /// Ends a canvas and what goes out of it; its destinations rest, and belong to it if it comes back.
    pub(crate) async fn remove_canvas(&mut self, id: &str) -> Result<(), Problem> {
        let at = self.canvases.list.iter().position(|canvas| canvas.id == id).ok_or_else(unknown)?;
        self.stop_destinations(|entry| entry.canvas.as_deref() == Some(id)).await;
        self.recordings.stop_of(Some(id));
        let canvas = self.canvases.list.remove(at);
        if let Some(capture) = &mut self.capture {
            capture.dismiss(canvas.number);
        }
        // Its thread may be in the middle of a picture.
        drop(tokio::task::spawn_blocking(move || drop(canvas)));
        self.capture_for_canvases().await;
        Ok(())
    }

    /// Opens what canvases show and nobody captures yet, closes what nobody shows any more, and lets each canvas show
    /// what it is to. A source that can't be had gets its card, as in any scene.
    pub(crate) async fn capture_for_canvases(&mut self) {
        let wanted = self.canvases.sources();
        let Some(capture) = &mut self.capture else { return };
        let missing = capture.take_back(&wanted);
        let (cursor, rate) = (capture.cursor, capture.pace);
        let (opened, failures) = self.open(&missing, rate, cursor).await;
        for (name, error) in &failures {
            self.tell_lost(name, error, false);
        }
        if let Some(capture) = &mut self.capture {
            capture.sources.extend(opened);
            capture.keep_only(&wanted);
        }
        self.feed_canvases();
    }

    /// Each canvas shows its scene, of the sources as they are captured now; one that does already is left alone.
    pub(crate) fn feed_canvases(&mut self) {
        let Some(capture) = &mut self.capture else { return };
        for canvas in self.canvases.list.iter_mut().filter(|canvas| canvas.problem.is_none()) {
            let (number, scene, control) = (canvas.number, Arc::clone(&canvas.scene), canvas.pipeline.control());
            let feeds = capture.feeds(number, &scene, &control);
            capture.leave(number, &scene);
            let is_old = |old: &Vec<Feed>| {
                feeds.len() == old.len() && feeds.iter().zip(old).all(|(new, old)| new.0 == old.0 && new.1.is(&old.1))
            };
            let Ok(config) = canvas.settings.config() else { continue };
            if canvas.feeds.as_ref().is_some_and(is_old) {
                continue;
            }
            if canvas.feeds.is_none() {
                canvas.meter = Meter::new(Instant::now());
            }
            control.show(config, scene, feeds.clone(), Transition::Cut);
            canvas.feeds = Some(feeds);
            let lost = capture.sources.iter().filter(|source| source.is_lost() && canvas.shows(&source.source_id));
            lost.for_each(|source| control.lose(&source.source_id, source.card()));
        }
        self.pace_sources();
    }

    /// A source is captured as often as the quickest canvas takes it; the others leave out what is too much for them.
    pub(crate) fn pace_sources(&mut self) {
        let Some(capture) = &mut self.capture else { return };
        let (scene, pace) = (Arc::clone(&capture.scene), capture.pace);
        let main = scene.sources();
        for source in &mut capture.sources {
            let shown = self.canvases.list.iter().filter(|canvas| canvas.shows(&source.source_id));
            let main = main.contains(&source.source_id.as_str()).then_some(pace);
            if let Some(rate) = shown.map(|canvas| canvas.pace).chain(main).max_by_key(|rate| rate.fps()) {
                source.set_pace(rate);
            }
        }
        let is_quicker = |shown: &[&str], pace: FrameRate| {
            capture.sources.iter().any(|source| shown.contains(&source.source_id.as_str()) && source.is_quicker(pace))
        };
        self.pipeline.control().set_sampled(is_quicker(&main, pace));
        for canvas in &self.canvases.list {
            canvas.pipeline.control().set_sampled(is_quicker(&canvas.scene.sources(), canvas.pace));
        }
    }

    /// What a further canvas's encode says.
    pub(crate) async fn on_canvas(&mut self, number: u64, event: PipelineEvent) {
        let Some(canvas) = self.canvases.list.iter_mut().find(|canvas| canvas.number == number) else { return };
        match event {
            PipelineEvent::Opened { name, .. } => canvas.encoder = Some(name.to_owned()),
            PipelineEvent::Failing(error) => self.tell(Event::Warning(error.into())),
            PipelineEvent::TookOver { failed, name } => {
                let message = format!("Canvas “{}”: {failed}; {name} took over.", canvas.name);
                let problem = Problem::new("encoder_took_over", message, "The stream went on.");
                self.tell(Event::Warning(problem));
            }
            // Only the main canvas's encode takes frames from the card: a source has one place to lie.
            PipelineEvent::Surfaces(_) => {}
            PipelineEvent::Pace(rate) => {
                canvas.pace = rate;
                self.pace_sources();
            }
            PipelineEvent::Dead(error) => {
                let problem = Problem::from(error);
                canvas.rest();
                if let Some(capture) = &mut self.capture {
                    capture.dismiss(number);
                }
                canvas.problem = Some(problem.clone());
                let (id, name) = (canvas.id.clone(), canvas.name.clone());
                self.stop_destinations(|entry| entry.canvas.as_deref() == Some(id.as_str())).await;
                self.recordings.stop_of(Some(&id));
                let message = format!("Canvas “{name}”: {}", problem.message);
                self.tell(Event::Warning(Problem { message, ..problem }));
            }
        }
    }
}

pub(crate) fn unknown() -> Problem {
    Problem::new("unknown_canvas", "There is no such canvas.", "Add the canvas first, or choose another one.")
}

#[cfg(test)]
#[path = "canvases_tests.rs"]
mod tests;
