//! The N-API edge: converts, dispatches, maps errors. No logic; no media byte passes here.

pub mod audio;
pub mod canvas;
pub mod codec;
pub mod hot_keys;
pub mod input;
pub mod output;
pub mod tuning;

use std::sync::{Arc, Once};

use control_api::{Engine as MediaEngine, EngineOptions as MediaOptions};
use napi::bindgen_prelude::{Function, block_on};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use tracing_subscriber::EnvFilter;

use crate::input::Command;
use crate::output::{Event, Outcome};

/// How an engine is started.
#[napi(object)]
pub struct EngineOptions {
    /// The pages that may open the preview, as browsers write origins: `"tidecast://app"`.
    pub allowed_origins: Vec<String>,
}

/// The media engine. One per process.
#[napi]
pub struct Engine(Arc<MediaEngine>);

#[napi]
impl Engine {
    /// Starts the engine with nothing captured; `onEvent` is called on the JavaScript thread, in order.
    ///
    /// Throws when the loopback port or a thread can't be had.
    #[napi(constructor, catch_unwind)]
    pub fn new(options: EngineOptions, on_event: Function<'_, Event, ()>) -> napi::Result<Self> {
        log_to_stderr();
        let on_event = on_event.build_threadsafe_function().weak::<true>().callee_handled::<false>().build()?;
        let options = MediaOptions { allowed_origins: options.allowed_origins, ..MediaOptions::default() };
        let emit = move |event: control_api::Event| {
            // Refused only while the process ends: then nobody listens any more.
            let _ = on_event.call(event.into(), ThreadsafeFunctionCallMode::NonBlocking);
        };
        let engine = block_on(MediaEngine::start(options, emit));
        match engine {
            Ok(engine) => Ok(Self(Arc::new(engine))),
            Err(problem) => Err(napi::Error::from_reason(format!("{}: {}", problem.code, problem.message))),
        }
    }

    /// Carries a command out. Never rejects: what fails is told as `{ type: 'failed', problem }`.
    #[napi]
    pub async fn dispatch(&self, command: Command) -> napi::Result<Outcome> {
        let engine = Arc::clone(&self.0);
        // A task of its own: a panic ends the task, not the process.
        let outcome = tokio::spawn(async move { engine.dispatch(command.into()).await }).await;
        Ok(match outcome {
            Ok(outcome) => outcome.into(),
            Err(panic) => Outcome::panicked(&panic.to_string()),
        })
    }

    /// Ends everything in order; call it before the process exits.
    #[napi]
    pub async fn shutdown(&self) -> napi::Result<()> {
        let engine = Arc::clone(&self.0);
        tokio::spawn(async move { engine.shutdown().await })
            .await
            .map_err(|panic| napi::Error::from_reason(panic.to_string()))
    }
}

/// Logs go to the process's stderr, which the app keeps in a file; `TIDECAST_LOG` says how much.
fn log_to_stderr() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let filter = EnvFilter::try_from_env("TIDECAST_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
        let subscriber =
            tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
        // An embedder that has set its own subscriber keeps it.
        let _ = subscriber.try_init();
    });
}
