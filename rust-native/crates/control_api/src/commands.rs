//! What each command does to the session.

use std::sync::Arc;

use capture::audio::Input;
use encoder::VideoConfig;
use media::{Bitrate, Secret};
use publish::{Destination as Publication, WhipTarget};

use crate::event::PublishState;
use crate::local_server::RunningServer;
use crate::session::{Order, Publishing, Session};
use crate::{Command, Destination, Problem, Reach, Reply, VideoSettings};

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
            Command::StopCapture => {
                self.stop_publish().await;
                self.stop_capture();
            }
            Command::ChangeResolution { width, height } => {
                self.change(VideoSettings { width, height, ..self.settings })?;
            }
            Command::SetFrameRate { fps } => self.change(VideoSettings { fps, ..self.settings })?,
            Command::SetBitrate { kbps } => self.change(VideoSettings { kbps, ..self.settings })?,
            Command::SetGop { seconds } => self.change(VideoSettings { gop_seconds: seconds, ..self.settings })?,
            Command::MuteAudio { input, muted } => self.sound.mute(input, muted),
            Command::SetVolume { input, volume } => {
                if !(0.0..=4.0).contains(&volume) {
                    return Err(Problem::bad_value(format!("{volume} is not a gain from 0 to 4.")));
                }
                self.sound.set_volume(input, volume);
            }
            Command::StartPublish { destination } => self.start_publish(destination).await?,
            Command::StopPublish => self.stop_publish().await,
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
            Command::Stats => return Ok(Reply::Stats(self.stats.clone())),
            Command::ListSources | Command::DescribeSources { .. } | Command::ProbeEncoders | Command::OpenPreview => {
                return Err(Problem::internal("a looking command reached the session"));
            }
        }
        Ok(Reply::Done)
    }

    async fn select_audio(&mut self, microphone: Option<String>, system_sound: bool) -> Result<(), Problem> {
        // Each input is tried, so that a missing microphone does not cost the system's sound.
        let first = self.sound.select(Input::Microphone, microphone.as_deref());
        let second = self.sound.select(Input::SystemSound, system_sound.then_some("default"));
        first.and(second).map_err(Problem::from)
    }

    pub(crate) fn stop_capture(&mut self) {
        self.sound.set_streaming(false);
        self.capture = None;
        self.pipeline.control().rest();
    }

    fn change(&mut self, settings: VideoSettings) -> Result<(), Problem> {
        let config: VideoConfig = settings.config()?;
        self.settings = settings;
        if let Some(capture) = &self.capture {
            capture.set_frame_rate(config.frame_rate);
            self.pipeline.control().configure(config);
        }
        if let Some(publishing) = &self.publishing {
            publishing.destination.set_target_bitrate(Bitrate::from_kbps(settings.kbps));
        }
        Ok(())
    }

    async fn start_publish(&mut self, destination: Destination) -> Result<(), Problem> {
        if self.capture.is_none() {
            return Err(Problem::not_now("Nothing is being captured.", "Choose a screen or a window and start first."));
        }
        let (url, key, to_local_server) = match (destination, &self.server) {
            (Destination::Whip { url, key }, _) => (url, key, false),
            (Destination::LocalServer, Some(server)) => (server.whip_url(), Some(server.publish_key.clone()), true),
            (Destination::LocalServer, None) => {
                return Err(Problem::not_now("The local server is not running.", "Start the local server first."));
            }
        };
        self.stop_publish().await;
        let id = self.next_id();
        let orders = self.orders.clone();
        let on_status = move |status| {
            let _ = orders.send(Order::Publish(id, status));
        };
        let encode = self.pipeline.control();
        let request_keyframe = Arc::new(move || encode.request_keyframe());
        let target = WhipTarget { url, key, target_bitrate: Bitrate::from_kbps(self.settings.kbps) };
        let destination = Publication::start(target, self.hub.clone(), request_keyframe, on_status);
        self.publishing = Some(Publishing { id, destination, to_local_server });
        self.publish_state = PublishState::Connecting;
        Ok(())
    }

    pub(crate) async fn stop_publish(&mut self) {
        if let Some(publishing) = self.publishing.take() {
            publishing.destination.stop().await;
        }
        self.publish_state = PublishState::Idle;
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
        if self.publishing.as_ref().is_some_and(|publishing| publishing.to_local_server) {
            self.stop_publish().await;
        }
        if let Some(server) = self.server.take() {
            server.server.shutdown().await;
        }
    }
}
