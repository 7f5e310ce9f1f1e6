//! `tidecast stream`.

use std::path::Path;
use std::time::Duration;

use control_api::{
    Command, Destination, Engine, EngineOptions, Event, Problem, PublishState, Reach, Reply, Transition, VideoSettings,
};
use media::Secret;
use tokio::sync::mpsc;

use crate::args::{StatsFormat, StreamOptions};
use crate::print_line;

/// Runs until the time is over, Ctrl-C, or a failure that ends the stream.
pub(crate) async fn run(options: StreamOptions) -> Result<(), Problem> {
    let (events, inbox) = mpsc::unbounded_channel();
    let emit = move |event| {
        let _ = events.send(event);
    };
    let engine = Engine::start(EngineOptions::default(), emit).await?;
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
    if let Some(to) = &options.to {
        publish(engine, to, &options.key_env).await?;
    }
    let end = async {
        match options.duration {
            Some(seconds) => tokio::time::sleep(Duration::from_secs_f64(seconds.max(0.0))).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return Ok(()),
            _ = tokio::signal::ctrl_c() => return Ok(()),
            event = inbox.recv() => match event {
                Some(event) => follow(event, options.stats)?,
                None => return Ok(()),
            },
        }
    }
}

/// Prints an event; a failure that ends the stream is the command's own.
fn follow(event: Event, stats: Option<StatsFormat>) -> Result<(), Problem> {
    if stats == Some(StatsFormat::Json) {
        print_line(&redacted(&event));
    }
    match event {
        Event::Error(problem) => Err(problem),
        Event::State(state) if matches!(state.publish, PublishState::Live { .. }) => {
            tracing::info!("live");
            Ok(())
        }
        _ => Ok(()),
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

async fn publish(engine: &Engine, to: &str, key_env: &str) -> Result<(), Problem> {
    let destination = if to == "local" {
        let server = Command::StartLocalServer { reach: Reach::Network, port: 0, view_token: None };
        if let Reply::LocalServer(server) = engine.dispatch(server).await? {
            print_line(&serde_json::json!({ "type": "view_url", "view_url": server.view_url }).to_string());
        }
        Destination::LocalServer
    } else if let Some(url) = to.strip_prefix("whip:") {
        Destination::Whip { url: url.to_owned(), key: std::env::var(key_env).ok().map(Secret::new) }
    } else {
        return Err(problem(
            "bad_value",
            "The destination after --to is neither `local` nor `whip:URL`.",
            "Write for example --to whip:https://example.org/whip/name.",
        ));
    };
    engine.dispatch(Command::StartPublish { destination }).await.map(|_| ())
}

fn problem(code: &str, message: &str, hint: &str) -> Problem {
    Problem { code: code.to_owned(), message: message.to_owned(), hint: hint.to_owned() }
}
