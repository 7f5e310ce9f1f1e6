//! The one task that owns what runs: capture, encode, sound, publication, server. Orders come in, one at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use capture::audio::AudioEvent;
use capture::video::{VideoCapture, VideoError, VideoEvent};
use media::{AccessUnit, Bitrate, Secret, VideoCodec};
use parking_lot::Mutex;
use publish::PublishStatus;
use record::RecordEvent;
use signaling::{InputLevel, LoudnessLevels, PreviewConnection, ServerMessage};
use stream::Broadcast;
use tokio::sync::{Notify, broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::canvas_cost::Measured;
use crate::canvas_room::Load;
use crate::canvases::{Canvases, MAIN};
use crate::destinations::{Destinations, Entry, PUBLISH};
use crate::event::{Area, CaptureState, PublishState, State};
use crate::hot_keys::{HotKeys, KeyNews};
use crate::live::Capture;
use crate::local_server::{RunningServer, STREAM};
use crate::meter::{Meter, Sums};
use crate::pipeline::{Pipeline, PipelineEvent};
use crate::preview::{self, PreviewContext};
use crate::recording::Recordings;
use crate::sound::Sound;
use crate::steering::Steering;
use crate::{Command, Event, Held, Problem, RefusedEncoder, Reply, Stats, Tuning, VideoSettings, listing, usage};

/// What the session is told. `u64`s name the capture or publication meant: a late word of an ended one is ignored.
#[derive(Debug)]
pub(crate) enum Order {
    Command(Command, oneshot::Sender<Result<Reply, Problem>>),
    Video(u64, VideoEvent),
    /// A lost source was tried again.
    Reopened(u64, Result<Arc<VideoCapture>, VideoError>),
    Audio(AudioEvent),
    /// Of that canvas's encode.
    Pipeline(u64, PipelineEvent),
    Publish(u64, PublishStatus),
    Record(u64, RecordEvent),
    HotKey(KeyNews),
    Shutdown,
}

/// Everything that runs.
pub(crate) struct Session {
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    pub(crate) hub: Broadcast<AccessUnit>,
    pub(crate) pipeline: Pipeline,
    pub(crate) sound: Sound,
    pub(crate) hot_keys: HotKeys,
    pub(crate) settings: VideoSettings,
    pub(crate) codec: VideoCodec,
    pub(crate) tuning: Tuning,
    pub(crate) held: Held,
    pub(crate) steering: Steering,
    pub(crate) own_window: Option<u32>,
    /// By source: what lets the desktop share it without asking.
    pub(crate) grants: HashMap<String, Secret>,
    pub(crate) capture: Option<Capture>,
    pub(crate) canvases: Canvases,
    /// What a picture takes on this machine, as soon as anybody has measured it.
    pub(crate) measured: Arc<Mutex<Option<Measured>>>,
    pub(crate) load: Load,
    pub(crate) destinations: Destinations,
    pub(crate) recordings: Recordings,
    pub(crate) server: Option<RunningServer>,
    pub(crate) stats: Stats,
    encoder: Option<String>,
    refused: Vec<RefusedEncoder>,
    meter: Meter,
    levels: broadcast::Sender<ServerMessage>,
    watched: Arc<Notify>,
    /// The last reading told of an open input: one more says that it is silent.
    metered: bool,
    emit: Arc<dyn Fn(Event) + Send + Sync>,
    told: Option<State>,
    last_id: u64,
}

/// Thirty readings a second look continuous on a meter and cost nothing.
const LEVELS_INTERVAL: Duration = Duration::from_nanos(33_333_333);

/// Longest time that destinations get to be told goodbye.
const FAREWELL: Duration = Duration::from_secs(3);

impl Session {
    pub(crate) fn new(
        orders: mpsc::UnboundedSender<Order>,
        connections: mpsc::Receiver<PreviewConnection>,
        emit: Arc<dyn Fn(Event) + Send + Sync>,
        held: Held,
    ) -> Result<Self, Problem> {
        let hub = Broadcast::default();
        let settings = VideoSettings::DEFAULT;
        let to_session = orders.clone();
        let on_pipeline = move |event| {
            let _ = to_session.send(Order::Pipeline(MAIN, event));
        };
        let pipeline = Pipeline::start(settings.config()?, hub.clone(), held.opener(), on_pipeline);
        let pipeline = pipeline.map_err(Problem::internal)?;
        let to_session = orders.clone();
        let on_audio = move |event| {
            let _ = to_session.send(Order::Audio(event));
        };
        let sound = Sound::start(hub.clone(), on_audio)?;
        let to_session = orders.clone();
        let on_keys = move |news| {
            let _ = to_session.send(Order::HotKey(news));
        };
        let hot_keys = HotKeys::new(sound.husher(), on_keys);
        // One reading back: a preview that is behind shows the newest.
        let (levels, _) = broadcast::channel(1);
        let watched = Arc::new(Notify::new());
        let context = PreviewContext {
            hub: hub.clone(),
            encode: pipeline.control(),
            levels: levels.clone(),
            watched: Arc::clone(&watched),
        };
        tokio::spawn(preview::serve(connections, context));
        let steering = Steering::start(pipeline.control(), Bitrate::from_kbps(settings.kbps));
        Ok(Self {
            orders,
            hub,
            pipeline,
            sound,
            hot_keys,
            settings,
            codec: VideoCodec::H264,
            tuning: Tuning::DEFAULT,
            steering,
            own_window: None,
            grants: HashMap::new(),
            capture: None,
            canvases: Canvases::new({
                let held = held.clone();
                move || held.opener()
            }),
            held,
            measured: Arc::default(),
            load: Load::default(),
            destinations: Destinations::default(),
            recordings: Recordings::default(),
            server: None,
            stats: Stats::default(),
            encoder: None,
            refused: Vec::new(),
            meter: Meter::new(Instant::now()),
            levels,
            watched,
            metered: false,
            emit,
            told: None,
            last_id: 0,
        })
    }

    /// Runs it on a task of its own. Not generic, so that its code is compiled here and not once more in each program.
    pub(crate) fn spawn(self, inbox: mpsc::UnboundedReceiver<Order>) -> JoinHandle<()> {
        tokio::spawn(self.run(inbox))
    }

    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut levels = tokio::time::interval(LEVELS_INTERVAL);
        levels.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let watched = Arc::clone(&self.watched);
        self.tell_state();
        loop {
            let metering = (self.sound.is_open() || self.metered) && self.levels.receiver_count() > 0;
            let running = self.capture.is_some() || self.server.is_some() || self.destinations.any_running();
            tokio::select! {
                order = inbox.recv() => match order {
                    None | Some(Order::Shutdown) => break,
                    Some(order) => {
                        self.obey(order).await;
                        self.steer();
                    }
                },
                _ = second.tick(), if running => {
                    self.steer();
                    self.retry_lost();
                    self.tell_stats();
                }
                _ = levels.tick(), if metering => self.tell_levels(),
                // Back to the top, where it is seen whether there is anything to measure for who has come.
                () = watched.notified() => {}
            }
            self.tell_state();
        }
        let farewell = async {
            self.stop_everywhere().await;
            self.stop_local_server().await;
        };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::warn!("a destination did not take its leave in time");
        }
        self.stop_capture();
        self.recordings.closed().await;
        // What was closed says so through the queue.
        while let Ok(order) = inbox.try_recv() {
            if let Order::Record(id, event) = order {
                self.on_record(id, event);
            }
        }
        self.tell_state();
    }

    pub(crate) async fn obey(&mut self, order: Order) {
        match order {
            Order::Command(command, reply) => {
                let outcome = self.carry_out(command).await;
                self.tell_state();
                let _ = reply.send(outcome);
            }
            Order::Video(id, event) => self.on_video(id, event),
            Order::Reopened(id, opened) => self.on_reopened(id, opened),
            Order::Record(id, event) => self.on_record(id, event),
            Order::Audio(AudioEvent::Lost(input, error)) => {
                self.sound.set_active(input, false);
                self.tell(Event::Warning(error.into()));
            }
            Order::Audio(AudioEvent::Recovered(input)) => {
                // An input that was removed meanwhile is no news.
                if let Some(id) = self.sound.set_active(input, true) {
                    let message = format!("The sound input \"{id}\" is back.");
                    self.tell(Event::Warning(Problem::new("sound_is_back", message, "Nothing needs to be done.")));
                }
            }
            Order::Audio(AudioEvent::HeadphonesLost(error)) => self.tell(Event::Warning(error.into())),
            Order::Audio(_) => {}
            Order::HotKey(KeyNews::Pressed(id)) => self.tell(Event::HotKey { id }),
            Order::HotKey(KeyNews::Lost(error)) => self.tell(Event::Warning(error.into())),
            // It stands in the state.
            Order::HotKey(KeyNews::Changed) => {}
            Order::Pipeline(number, event) if number != MAIN => self.on_canvas(number, event).await,
            Order::Pipeline(_, PipelineEvent::Opened { name, refused }) => {
                self.encoder = Some(name.to_owned());
                self.refused = refused.into_iter().map(listing::refused).collect();
            }
            Order::Pipeline(_, PipelineEvent::Failing(error)) => {
                self.tell(Event::Warning(error.into()));
            }
            Order::Pipeline(_, PipelineEvent::TookOver { failed, name }) => {
                let hint = "The stream went on. Start the capture again to try the better encoder once more.";
                let message = format!("{failed}; {name} took over.");
                self.tell(Event::Warning(Problem::new("encoder_took_over", message, hint)));
            }
            Order::Pipeline(_, PipelineEvent::Pace(rate)) => {
                if let Some(capture) = &mut self.capture {
                    capture.pace = rate;
                    self.pace_sources();
                }
            }
            Order::Pipeline(_, PipelineEvent::Surfaces(surfaces)) => {
                if let Some(capture) = &mut self.capture {
                    capture.set_surfaces(surfaces);
                }
            }
            Order::Pipeline(_, PipelineEvent::Dead(error)) => {
                if self.canvases.any_live() {
                    self.rest_main().await;
                } else {
                    self.stop_everywhere().await;
                    self.stop_capture();
                }
                self.tell(Event::Error(error.into()));
            }
            Order::Publish(id, status) => self.on_publish(id, status),
            Order::Shutdown => {}
        }
    }

    fn on_video(&mut self, id: u64, event: VideoEvent) {
        let Some(capture) = self.capture.as_mut() else { return };
        let plain = capture.plain;
        let Some(source) = capture.sources.iter_mut().find(|source| source.id == id) else {
            // One that is on its way out and can't be gone back to is no news.
            if matches!(event, VideoEvent::Lost(_)) {
                capture.leaving.retain(|source| source.id != id);
            }
            return;
        };
        match event {
            VideoEvent::Area(area) => source.area = area,
            VideoEvent::Resumed => source.state = CaptureState::Capturing,
            VideoEvent::Remember(token) => {
                let source_id = source.source_id.clone();
                self.grants.insert(source_id.clone(), token.clone());
                self.tell(Event::SourceGranted { source_id, token });
            }
            VideoEvent::Paused(error) => {
                source.state = CaptureState::Paused { code: error.code().to_owned() };
                let (source_id, problem) = (source.source_id.clone(), error.into());
                self.tell(if plain { Event::Warning(problem) } else { Event::SourceWarning { source_id, problem } });
            }
            VideoEvent::Lost(error) => {
                // A card takes its place, and everything else goes on: the user chooses what follows.
                source.state = CaptureState::Lost { code: error.code().to_owned() };
                source.tried = Some(Instant::now());
                source.reason = Some(error.clone());
                source.fan.forget();
                let (name, card) = (source.source_id.clone(), source.card());
                self.canvases.lose(&name, &card);
                self.pipeline.control().lose(&name, card);
                self.tell_lost(&name, &error, plain);
            }
        }
    }

    fn on_publish(&mut self, id: u64, status: PublishStatus) {
        let failed = matches!(status, PublishStatus::Failed { .. });
        let Some(entry) = self.destinations.by_number(id) else { return };
        let is_publish = entry.id == PUBLISH;
        // The others' reasons stand in the state: one of many that fails is no failure of the stream.
        if let Some(problem) = entry.on_status(status).filter(|_| is_publish) {
            self.tell(if failed { Event::Error(problem) } else { Event::Warning(problem) });
        }
    }

    /// Ends what is sent, wherever it goes.
    pub(crate) async fn stop_everywhere(&mut self) {
        self.stop_destinations(|_| true).await;
        self.destinations.remove(PUBLISH);
    }

    /// The main canvas can't be encoded; the others go on.
    async fn rest_main(&mut self) {
        self.stop_destinations(|entry| entry.canvas.is_none()).await;
        self.recordings.stop_of(None);
        self.encoder = None;
        if let Some(capture) = &mut self.capture {
            capture.dismiss(MAIN);
        }
    }

    /// A name for the next capture or publication.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.emit)(event);
    }

    fn tell_state(&mut self) {
        let capture = self.capture.as_ref();
        let constant_rate = capture.is_some() && self.destinations.want_constant_rate(None);
        self.pipeline.control().set_constant_rate(constant_rate);
        for (id, encode, _, _) in self.canvases.each() {
            encode.set_constant_rate(capture.is_some() && self.destinations.want_constant_rate(Some(id)));
        }
        let state = State {
            capture: capture.map_or(CaptureState::Idle, Capture::state),
            publish: self.destinations.get(PUBLISH).map_or(PublishState::Idle, |entry| entry.state.clone()),
            destinations: self.destinations.states(),
            canvases: self.canvases.states(),
            recording: self.recordings.state(),
            replay: self.recordings.replay_stats().is_some(),
            local_server: self.server.as_ref().map(|server| server.info.clone()),
            settings: self.settings,
            tuning: self.tuning,
            constant_rate,
            source_id: capture
                .filter(|live| live.plain)
                .and_then(|live| live.scene.sources().first().map(|s| (*s).to_owned())),
            scene: capture.filter(|live| !live.plain).map(|live| live.scene.name.clone()),
            sources: capture.map_or_else(Vec::new, Capture::states),
            area: capture.and_then(Capture::area).map(|a| Area { x: a.x, y: a.y, width: a.width, height: a.height }),
            audio: self.hot_keys.mark(self.sound.states()),
            headphones: self.sound.headphones(),
            hot_keys_problem: self.hot_keys.problem(),
            encoder: capture.and(self.encoder.clone()),
            refused_encoders: self.refused.clone(),
        };
        if self.told.as_ref() != Some(&state) {
            self.tell(Event::State(state.clone()));
            self.told = Some(state);
        }
    }

    fn tell_stats(&mut self) {
        let destinations = self.destinations.stats(Instant::now());
        let primary = self.destinations.primary(None).and_then(Entry::health);
        let (captured, replaced) = self.capture.as_ref().map_or((0, 0), |capture| capture.frames(MAIN));
        let sums = Sums { captured, replaced };
        let rates = self.meter.read(Instant::now(), sums, self.pipeline.counters());
        let canvases = self.canvases.stats(Instant::now(), self.capture.as_ref());
        self.stats = Stats {
            aim: self.aim(),
            fps_captured: rates.fps_captured,
            fps_encoded: rates.fps_encoded,
            fps_dropped: rates.fps_dropped,
            encoder: self.encoder.clone().unwrap_or_default(),
            encode_ms: rates.encode_ms,
            queue_ms: rates.queue_ms,
            compose_ms: rates.compose_ms,
            copies: self.pipeline.counters().copies.load(std::sync::atomic::Ordering::Relaxed),
            video_kbps: rates.video_kbps,
            sent_kbps: destinations.iter().map(|destination| destination.sent_kbps).sum(),
            round_trip_ms: primary.and_then(|health| health.round_trip).map(|rtt| rtt.as_secs_f64() * 1000.0),
            loss: primary.and_then(|health| health.loss),
            destinations,
            canvases,
            recording: self.recordings.stats(),
            replay: self.recordings.replay_stats(),
            viewers: self.server.as_ref().map_or(0, |server| server.server.viewers(STREAM)),
            audio_peak_db: f64::from(self.sound.master_peak_db()),
            cpu_cores: rates.cpu_cores,
            memory_mib: usage::memory_mib(),
        };
        self.measure(Instant::now());
        self.tell(Event::Stats(self.stats.clone()));
    }

    /// All inputs in one message: what the window gets does not grow with their number.
    fn tell_levels(&mut self) {
        self.metered = self.sound.is_open();
        let level = |(input, peak_db, rms_db)| InputLevel { input, peak_db, rms_db };
        let inputs: Vec<InputLevel> = self.sound.levels().into_iter().map(level).collect();
        let loudness = self.sound.loudness();
        let loudness = LoudnessLevels {
            momentary: loudness.momentary,
            short_term: loudness.short_term,
            integrated: loudness.integrated,
        };
        let _ = self.levels.send(ServerMessage::Levels { inputs, loudness });
    }
}
