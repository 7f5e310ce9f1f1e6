//! `tidecast`: the engine without a window. Prints JSON lines on stdout, words on stderr; its exit code tells the
//! truth: 0 all done, 1 a failure in the stream, 2 a command line that makes no sense.

mod args;
mod audio;
mod canvas;
mod config;
mod grants;
mod stream;

use std::process::ExitCode;

use clap::Parser;
use control_api::{Command, Engine, EngineOptions, Problem, Reply};
use tracing_subscriber::EnvFilter;

use crate::args::{Arguments, Verb};

fn main() -> ExitCode {
    let arguments = match config::expanded(std::env::args_os().collect()) {
        Ok(words) => Arguments::parse_from(words),
        Err(why) => {
            failed(&why);
            return ExitCode::from(2);
        }
    };
    let filter = EnvFilter::try_from_env("TIDECAST_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("The async runtime could not start: {error}")),
    };
    let outcome = runtime.block_on(async {
        match arguments.verb {
            Verb::Sources { json } => sources(json).await,
            Verb::Encoders => encoders().await,
            Verb::Stream(options) => stream::run(*options).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => failed(&format!("{} {} [{}]", problem.message, problem.hint, problem.code)),
    }
}

#[expect(clippy::print_stderr, reason = "a command line speaks here")]
fn failed(message: &str) -> ExitCode {
    eprintln!("tidecast: {message}");
    ExitCode::FAILURE
}

/// Something the user should know; the stream goes on.
#[expect(clippy::print_stderr, reason = "a command line speaks here")]
pub(crate) fn warn(problem: &Problem) {
    eprintln!("tidecast: {} {} [{}]", problem.message, problem.hint, problem.code);
}

/// One line on stdout; an engine that prints for a closed pipe ends as any filter does.
#[expect(clippy::print_stdout, reason = "a command line's output")]
pub(crate) fn print_line(line: &str) {
    println!("{line}");
}

async fn sources(json: bool) -> Result<(), Problem> {
    let engine = Engine::start(EngineOptions::default(), |_| {}).await?;
    let reply = engine.dispatch(Command::ListSources).await?;
    engine.shutdown().await;
    let Reply::Sources(sources) = reply else { return Ok(()) };
    if json {
        print_line(&serde_json::to_string(&sources).unwrap_or_default());
        return Ok(());
    }
    for source in &sources.video {
        print_line(&format!(
            "{}\t{}\t{}×{} at {},{}\t{}",
            source.id, source.kind, source.width, source.height, source.x, source.y, source.title
        ));
    }
    for microphone in &sources.microphones {
        print_line(&format!("{}\tmicrophone\t\t{}", microphone.id, microphone.name));
    }
    for speaker in &sources.speakers {
        print_line(&format!("{}\tspeaker\t\t{}", speaker.id, speaker.name));
    }
    for program in &sources.applications {
        print_line(&format!("{}\tprogram\t\t{}", program.id, program.name));
    }
    for problem in &sources.problems {
        print_line(&format!("-\t{}\t\t{} {}", problem.code, problem.message, problem.hint));
    }
    Ok(())
}

async fn encoders() -> Result<(), Problem> {
    let engine = Engine::start(EngineOptions::default(), |_| {}).await?;
    let reply = engine.dispatch(Command::ProbeEncoders).await?;
    engine.shutdown().await;
    print_line(&serde_json::to_string(&reply).unwrap_or_default());
    Ok(())
}
