//! `tidecast stream`.

use std::path::Path;
use std::time::Duration;

use control_api::{
    Command, Destination, DestinationState, Engine, EngineOptions, Event, Problem, PublishState, Reach, RecordFormat,
    Recording, Reply, Transition, VideoSettings,
};
use media::Secret;
use tokio::sync::mpsc;

use crate::args::{StatsFormat, StreamOptions};
use crate::grants::Grants;
use crate::{audio, canvas, print_line, warn};

/// Runs until the time is over, Ctrl-C, or a failure that ends the stream.
pub(crate) async fn run(options: StreamOptions) -> Result<(), Problem> {
    let (events, inbox) = mpsc::unbounded_channel();
    let grants = Grants::of_user();
    if options.ask_again {
        grants.forget()?;
    }
    let granted = grants.commands();
    let emit = move |event| {
        // At once, whatever becomes of the stream: the token before it is used up.
        if let Event::SourceGranted { source_id, token } = &event
            && let Err(problem) = grants.keep(source_id, token)
        {
            warn(&problem);
        }
        let _ = events.send(event);
    };
    let held = options.tuning.held();
    let engine = Engine::start(EngineOptions { held, ..EngineOptions::default() }, emit).await?;
    for command in granted {
        engine.dispatch(command).await?;
    }
    let outcome = stream(&engine, &options, inbox).await;
    engine.shutdown().await;
    outcome
}

async fn stream(
    engine: &Engine,
    options: &StreamOptions,
    mut inbox: mpsc::UnboundedReceiver<Event>,
) -> Result<(), Problem> {
    if options.system_sound || options.microphone.is_some() {
        let microphone = options.microphone.clone();
        engine.dispatch(Command::SelectAudio { microphone, system_sound: options.system_sound }).await?;
    }
    for command in audio::commands(&options.audio, options.audio_file.as_deref())? {
        engine.dispatch(command).await?;
    }
    engine.dispatch(Command::SetTuning { tuning: options.tuning.tuning() }).await?;
    engine.dispatch(Command::SetCodec { codec: options.codec }).await?;
    let settings = VideoSettings {
        width: options.size.0,
        height: options.size.1,
        fps: options.fps,
        kbps: options.kbps,
        gop_seconds: options.gop,
    };
    let cursor = !options.no_cursor;
    let start = match &options.scene {
        Some(file) => Command::SetScene { scene: scene(file)?, transition: Transition::Cut, settings, cursor },
        None => Command::StartCapture { source_id: source_id(engine, &options.source).await?, settings, cursor },
    };
    engine.dispatch(start).await?;
    for line in &options.canvas {
        let canvas = line.settings(settings, scene)?;
        engine.dispatch(Command::SetCanvas { canvas, force: options.canvas_anyway }).await?;
    }
    let keys = Keys::read(options)?;
    for (at, to) in options.to.iter().enumerate() {
        let how = How { sdp: options.sdp.as_deref(), simulcast: options.simulcast };
        publish(engine, at, to, keys.of(at), how).await?;
    }
    if let Some(file) = &options.record {
        let recording = Recording { canvas: options.record_canvas.clone(), ..recording(file, options.record_tracks)? };
        engine.dispatch(Command::StartRecording { recording }).await?;
    }
    let mut outcome = Outcome::default();
    let end = async {
        match options.duration {
            Some(seconds) => tokio::time::sleep(Duration::from_secs_f64(seconds.max(0.0))).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return outcome.end(),
            _ = tokio::signal::ctrl_c() => return outcome.end(),
            event = inbox.recv() => match event {
                Some(event) => follow(event, options.stats, &mut outcome)?,
                None => return Ok(()),
            },
        }
    }
}

/// What became of each destination, for the exit code: it tells the truth of all of them.
#[derive(Debug, Default)]
struct Outcome {
    destinations: Vec<DestinationState>,
    /// Why the recording ended before the stream did.
    recording: Option<Problem>,
    /// Why a further canvas is not encoded.
    canvas: Option<Problem>,
}

impl Outcome {
    /// At the end each canvas is encoded and each destination is live; else why the first is not.
    fn end(self) -> Result<(), Problem> {
        if let Some(problem) = self.canvas {
            return Err(problem);
        }
        let down = self.destinations.into_iter().find(|each| !matches!(each.state, PublishState::Live { .. }));
        match down {
            None => self.recording.map_or(Ok(()), Err),
            Some(DestinationState { problem: Some(problem), .. }) => Err(problem),
            Some(each) => Err(problem(
                "not_live",
                &format!("{} did not become live.", each.name),
                "Give it more time, or see why.",
            )),
        }
    }
}

/// Prints an event. One destination that fails ends nothing while another can go on; when none can, that is the end.
fn follow(event: Event, stats: Option<StatsFormat>, outcome: &mut Outcome) -> Result<(), Problem> {
    if stats == Some(StatsFormat::Json) {
        print_line(&redacted(&event));
    }
    match event {
        // A disk that is full or gone ends the recording and nothing else, as long as somebody sees the stream.
        Event::Error(problem) if problem.code.starts_with("record_") && !outcome.destinations.is_empty() => {
            outcome.recording = Some(problem);
            Ok(())
        }
        Event::Error(problem) => Err(problem),
        Event::Warning(problem) => {
            warn(&problem);
            Ok(())
        }
        Event::SourceWarning { source_id, problem } => {
            warn(&Problem { message: format!("{source_id}: {}", problem.message), ..problem });
            Ok(())
        }
        Event::State(state) => {
            outcome.destinations = state.destinations;
            outcome.canvas = state.canvases.into_iter().find_map(|canvas| canvas.problem);
            let given_up = |each: &DestinationState| matches!(each.state, PublishState::Failed { .. });
            if !outcome.destinations.is_empty() && outcome.destinations.iter().all(given_up) {
                return std::mem::take(outcome).end();
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The keys, which never stand on the command line.
enum Keys {
    Same(Option<Secret>),
    Each(Vec<Option<Secret>>),
}

impl Keys {
    fn read(options: &StreamOptions) -> Result<Self, Problem> {
        let Some(file) = &options.key_file else {
            return Ok(Self::Same(std::env::var(&options.key_env).ok().map(Secret::new)));
        };
        let text = std::fs::read_to_string(file).map_err(|error| {
            problem("bad_value", &format!("The key file can't be read: {error}."), "Check the path after --key-file.")
        })?;
        let line = |line: &str| Some(line.trim()).filter(|line| !line.is_empty()).map(Secret::new);
        Ok(Self::Each(text.lines().map(line).collect()))
    }

    fn of(&self, at: usize) -> Option<Secret> {
        match self {
            Self::Same(key) => key.clone(),
            Self::Each(keys) => keys.get(at).cloned().flatten(),
        }
    }
}

/// An event as JSON. The local server's links carry its view token: they are printed once, on purpose, by
/// [`publish`], and nowhere else.
fn redacted(event: &Event) -> String {
    let mut json = serde_json::to_value(event).unwrap_or_default();
    if let Some(server) = json.get_mut("local_server").and_then(serde_json::Value::as_object_mut) {
        server.retain(|field, _| matches!(field.as_str(), "port" | "reach"));
    }
    json.to_string()
}

/// The first scene of a file, as JSON.
fn scene(file: &Path) -> Result<String, Problem> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        problem(
            "scene_unreadable",
            &format!("The scene file {} can't be read: {error}.", file.display()),
            "Name a file that Tidecast exported.",
        )
    })?;
    let scenes = control_api::read_scenes(&text)?;
    Ok(scenes.first().and_then(|scene| serde_json::to_string(scene).ok()).unwrap_or_default())
}

/// What `--record` asks for: the folder, the name and the format are the path's.
fn recording(file: &Path, input_tracks: bool) -> Result<Recording, Problem> {
    let format = match file.extension().and_then(|extension| extension.to_str()) {
        Some("mp4") => RecordFormat::Mp4,
        Some("mkv") => RecordFormat::Mkv,
        _ => {
            return Err(problem(
                "bad_value",
                "The file after --record ends neither in .mp4 nor in .mkv.",
                "Name it so.",
            ));
        }
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let folder = folder.to_string_lossy().into_owned();
    Ok(Recording {
        folder,
        name,
        format,
        plain: false,
        split_minutes: None,
        split_mib: None,
        input_tracks,
        canvas: None,
    })
}

async fn source_id(engine: &Engine, wanted: &str) -> Result<String, Problem> {
    if wanted != "first-monitor" {
        return Ok(wanted.to_owned());
    }
    let Reply::Sources(sources) = engine.dispatch(Command::ListSources).await? else {
        return Err(problem("internal", "The sources could not be listed.", "Report it."));
    };
    let monitor = sources.video.into_iter().find(|source| source.kind == "monitor");
    match (monitor, sources.problems.into_iter().next()) {
        (Some(monitor), _) => Ok(monitor.id),
        (None, Some(problem)) => Err(problem),
        (None, None) => Err(problem("source_not_found", "There is no monitor.", "Name a source with --source.")),
    }
}

/// What options say of every destination that knows it.
#[derive(Debug, Clone, Copy, Default)]
struct How<'a> {
    sdp: Option<&'a Path>,
    simulcast: bool,
}

async fn publish(engine: &Engine, at: usize, to: &str, key: Option<Secret>, how: How<'_>) -> Result<(), Problem> {
    let (canvas, to) = canvas::of_destination(to);
    let destination = destination(to, key, how)?;
    if matches!(destination, Destination::LocalServer) {
        let server = Command::StartLocalServer { reach: Reach::Network, port: 0, view_token: None };
        if let Reply::LocalServer(server) = engine.dispatch(server).await? {
            print_line(&serde_json::json!({ "type": "view_url", "view_url": server.view_url }).to_string());
        }
    }
    let id = format!("to-{}", at + 1);
    // An address may hold a key: what is shown is the protocol and the place on the command line.
    let name = format!("{} ({})", destination.kind(), at + 1);
    engine.dispatch(Command::AddDestination { id: id.clone(), name, destination, canvas }).await?;
    engine.dispatch(Command::StartDestination { id }).await.map(|_| ())
}

/// `kind:URL`; a URL whose scheme says the kind needs no other word.
fn destination(to: &str, key: Option<Secret>, how: How<'_>) -> Result<Destination, Problem> {
    let (kind, rest) = to.split_once(':').unwrap_or((to, ""));
    let url = if rest.starts_with("//") { to } else { rest }.to_owned();
    Ok(match kind {
        "local" => Destination::LocalServer,
        "whip" => Destination::Whip { url, key, simulcast: how.simulcast },
        "ws" | "wss" => Destination::Backend { url, key },
        "rtmp" | "rtmps" => Destination::Rtmp { url, key, prefer_opus: false },
        "srt" => Destination::Srt { url, passphrase: None, stream_id: key, latency_ms: None },
        "udp" | "tcp" => Destination::MpegTs { url },
        "rtp" => Destination::Rtp { url, sdp_file: how.sdp.map(|file| file.to_string_lossy().into_owned()) },
        _ => {
            return Err(problem(
                "bad_value",
                "A destination after --to is none of `local`, `whip:URL`, `wss:URL`, `rtmp:URL`, `srt:URL`, `udp:URL`, \
                 `tcp:URL`, `rtp:URL`.",
                "Write for example --to whip:https://example.org/whip/name.",
            ));
        }
    })
}

fn problem(code: &str, message: &str, hint: &str) -> Problem {
    Problem { code: code.to_owned(), message: message.to_owned(), hint: hint.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_named_by_its_kind_or_its_urls_scheme() {
        let kind =
            |to: &str| destination(to, None, How::default()).map(|destination| destination.kind()).map_err(|p| p.code);
        assert_eq!(kind("whip:https://a/b"), Ok("whip"));
        assert_eq!(kind("wss://a/b"), Ok("backend"));
        assert_eq!(kind("ws:wss://a/b"), Ok("backend"));
        assert_eq!(kind("rtmps://a/b/c"), Ok("rtmp"));
        assert_eq!(kind("rtmp:rtmps://a/b/c"), Ok("rtmp"));
        assert_eq!(kind("srt:srt://a:1"), Ok("srt"));
        assert_eq!(kind("udp://a:1"), Ok("mpeg_ts"));
        assert_eq!(kind("rtp://a:1"), Ok("rtp"));
        assert_eq!(kind("local"), Ok("local_server"));
        assert_eq!(kind("ftp://a"), Err("bad_value".to_owned()));
        let Ok(Destination::Rtmp { url, .. }) = destination("rtmp:rtmps://a/b/c", None, How::default()) else {
            panic!()
        };
        assert_eq!(url, "rtmps://a/b/c");
        let Ok(Destination::Rtmp { url, .. }) = destination("rtmp://a/b/c", None, How::default()) else { panic!() };
        assert_eq!(url, "rtmp://a/b/c");
    }

    #[test]
    fn the_exit_code_tells_of_a_destination_that_is_not_live() {
        let state = |state| DestinationState {
            id: "to-1".to_owned(),
            name: "rtmp (1)".to_owned(),
            kind: "rtmp".to_owned(),
            primary: true,
            canvas: None,
            state,
            problem: None,
        };
        let live = || vec![state(PublishState::Live { since_ms: 1 })];
        assert!(Outcome { destinations: live(), ..Outcome::default() }.end().is_ok());
        let connecting = Outcome { destinations: vec![state(PublishState::Connecting)], ..Outcome::default() };
        assert_eq!(connecting.end().map_err(|problem| problem.code), Err("not_live".to_owned()));
        let full = Some(problem("record_disk_full", "The disk is full.", "Free some room."));
        let recorded = Outcome { destinations: live(), recording: full, canvas: None };
        assert_eq!(recorded.end().map_err(|problem| problem.code), Err("record_disk_full".to_owned()));
    }
}
