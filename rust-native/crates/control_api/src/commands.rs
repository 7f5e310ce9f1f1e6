//! What each command does to the session.

use encoder::VideoConfig;
use media::{Secret, VideoCodec};

use crate::destinations::PUBLISH;
use crate::local_server::RunningServer;
use crate::session::Session;
use crate::sound::{MICROPHONE, SYSTEM_SOUND};
use crate::{AudioSource, CardText, Command, Destination, Event, Problem, Reach, Reply, VideoSettings};

impl Session {
    pub(crate) async fn carry_out(&mut self, command: Command) -> Result<Reply, Problem> {
        match command {
            Command::SelectAudio { microphone, system_sound } => self.select_audio(microphone, system_sound).await?,
            Command::StartCapture { source_id, settings, cursor } => {
                self.start_capture(source_id, settings, cursor).await?;
            }
            Command::SetScene { scene, transition, settings, cursor } => {
                self.set_scene(&scene, transition, settings, cursor).await?;
            }
            Command::RememberSource { source_id, token } => match token {
                Some(token) => drop(self.grants.insert(source_id, token)),
                None => drop(self.grants.remove(&source_id)),
            },
            Command::StopCapture => {
                self.stop_everywhere().await;
                self.stop_capture();
            }
            Command::ChangeResolution { width, height } => {
                self.change(VideoSettings { width, height, ..self.settings })?;
            }
            Command::SetFrameRate { fps } => self.change(VideoSettings { fps, ..self.settings })?,
            Command::SetBitrate { kbps } => self.change(VideoSettings { kbps, ..self.settings })?,
            Command::SetGop { seconds } => self.change(VideoSettings { gop_seconds: seconds, ..self.settings })?,
            Command::SetCodec { codec } => self.set_codec(codec).await?,
            Command::SetTuning { tuning } => self.tune(tuning),
            Command::MuteAudio { input, muted } => self.sound.mute(input, muted),
            Command::SetVolume { input, volume } => {
                if !(0.0..=4.0).contains(&volume) {
                    return Err(Problem::bad_value(format!("{volume} is not a gain from 0 to 4.")));
                }
                self.sound.set_volume(input, volume);
            }
            Command::AddAudioInput { id, source } => {
                let opened = self.sound.add(&id, source)?;
                // A new input of an old name: the keys that were set for it hold.
                self.hot_keys.remind();
                if let Err(why) = opened {
                    self.tell(Event::Warning(why.into()));
                }
            }
            Command::RemoveAudioInput { id } => self.sound.remove(&id)?,
            Command::SetAudioInput { id, change } => self.sound.change(&id, change)?,
            Command::ListenAudio { device } => self.sound.listen(device)?,
            Command::SetHotKeys { keys } => self.hot_keys.set(keys)?,
            Command::ResetLoudness => self.sound.reset_loudness(),
            Command::StartPublish { destination } => self.start_publish(destination).await?,
            Command::StopPublish => self.stop_publish().await,
            Command::AddDestination { id, name, destination, canvas } => {
                self.add_destination(id, name, destination, canvas).await?;
            }
            Command::RemoveDestination { id } => self.remove_destination(&id).await?,
            Command::StartDestination { id } => self.start_destination(&id)?,
            Command::StopDestination { id } => self.stop_destination(&id).await?,
            Command::RetryDestination { id } => self.retry_destination(&id)?,
            Command::ChoosePrimary { id } => self.choose_primary(&id)?,
            Command::SetCanvas { canvas, force } => self.set_canvas(canvas, force).await?,
            Command::RemoveCanvas { id } => self.remove_canvas(&id).await?,
            Command::EstimateSimulcast { canvas } => {
                return self.estimate_simulcast(canvas.as_deref()).map(Reply::CanvasCost);
            }
            Command::EstimateCanvas { canvas } => return self.estimate_canvas(&canvas).map(Reply::CanvasCost),
            Command::StartRecording { recording } => self.start_recording(recording).await?,
            Command::StopRecording => self.stop_recording()?,
            Command::PauseRecording { paused } => self.pause_recording(paused)?,
            Command::AddChapter { title } => self.add_chapter(title)?,
            Command::StartReplay { seconds } => self.start_replay(seconds)?,
            Command::SaveReplay { folder, format } => self.save_replay(&folder, format)?,
            Command::StopReplay => self.stop_replay(),
            Command::StartLocalServer { reach, port, view_token } => {
                return self.start_local_server(reach, port, view_token).await;
            }
            Command::StopLocalServer => self.stop_local_server().await,
            Command::ExcludeWindow { window } => {
                self.own_window = window;
                if let Some(capture) = &self.capture {
                    capture.set_own_window(window);
                }
            }
            Command::SetCardTexts { texts } => set_card_texts(texts)?,
            Command::Stats => return Ok(Reply::Stats(self.stats.clone())),
            Command::ListSources
            | Command::DescribeSources { .. }
            | Command::ProbeEncoders
            | Command::OpenPreview
            | Command::PressKey { .. }
            | Command::TestDestination { .. } => {
                return Err(Problem::internal("a looking command reached the session"));
            }
        }
        Ok(Reply::Done)
    }

    async fn select_audio(&mut self, microphone: Option<String>, system_sound: bool) -> Result<(), Problem> {
        // Each input is tried, so that a missing microphone does not cost the system's sound.
        let first = self.sound.select(MICROPHONE, microphone.map(|device| AudioSource::Microphone { device }));
        let speakers = AudioSource::SystemSound { device: "default".to_owned() };
        let second = self.sound.select(SYSTEM_SOUND, system_sound.then_some(speakers));
        first.and(second).map_err(Problem::from)
    }

    pub(crate) fn stop_capture(&mut self) {
        self.recordings.stop();
        self.sound.set_streaming(false);
        self.capture = None;
        self.canvases.rest();
        self.pipeline.control().rest();
    }

    fn change(&mut self, settings: VideoSettings) -> Result<(), Problem> {
        let config: VideoConfig = settings.config()?;
        self.settings = settings;
        if let Some(capture) = &mut self.capture {
            capture.pace = config.frame_rate;
            self.pipeline.control().configure(config);
            self.pace_sources();
        }
        self.retarget(None, settings.kbps);
        Ok(())
    }

    /// One that no encoder here makes is refused with each encoder's reason.
    async fn set_codec(&mut self, codec: VideoCodec) -> Result<(), Problem> {
        if codec == self.codec {
            return Ok(());
        }
        if self.capture.is_some() {
            return Err(Problem::not_now(
                "The codec can't change while something is captured.",
                "Stop the capture, choose the codec, and start again.",
            ));
        }
        let config = VideoConfig { codec, ..self.settings.config()? };
        tokio::task::spawn_blocking(move || encoder::open(&config).map(drop)).await.map_err(Problem::internal)??;
        self.codec = codec;
        self.pipeline.control().set_codec(codec);
        Ok(())
    }

    async fn start_publish(&mut self, destination: Destination) -> Result<(), Problem> {
        let before = self.destinations.remove(PUBLISH).flatten();
        if let Some(publication) = before {
            publication.stop().await;
        }
        self.destinations.put(PUBLISH, String::new(), destination, None);
        let started = self.start_destination(PUBLISH);
        if started.is_err() {
            self.destinations.remove(PUBLISH);
        }
        started
    }

    pub(crate) async fn stop_publish(&mut self) {
        if let Some(publication) = self.destinations.remove(PUBLISH).flatten() {
            publication.stop().await;
        }
    }

    async fn start_local_server(
        &mut self,
        reach: Reach,
        port: u16,
        view_token: Option<Secret>,
    ) -> Result<Reply, Problem> {
        if let Some(server) = &self.server {
            if server.info.reach == reach {
                return Ok(Reply::LocalServer(server.info.clone()));
            }
            return Err(Problem::not_now(
                "The local server already runs with another reach.",
                "Stop the local server first.",
            ));
        }
        let server = RunningServer::start(reach, port, view_token).await?;
        let info = server.info.clone();
        self.server = Some(server);
        Ok(Reply::LocalServer(info))
    }

    pub(crate) async fn stop_local_server(&mut self) {
        self.stop_destinations(|entry| matches!(entry.target, Destination::LocalServer)).await;
        if let Some(server) = self.server.take() {
            server.server.shutdown().await;
        }
    }
}

fn set_card_texts(texts: Vec<CardText>) -> Result<(), Problem> {
    if texts.len() > 200 || texts.iter().any(|each| each.text.chars().count() > 300) {
        return Err(Problem::bad_value("cards take 200 texts of 300 characters at most".to_owned()));
    }
    capture::video::set_card_texts(texts.into_iter().map(|each| (each.code, each.text)));
    Ok(())
}
