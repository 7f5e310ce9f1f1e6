//! The facade: commands in, replies and events out. One task owns the session; this hands it orders.

use std::sync::Arc;
use std::time::Duration;

use capture::video::VideoError;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use signaling::{EndpointOptions, LocalEndpoint, ThumbnailError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::canvas_cost::Measured;
use crate::hot_keys::HotKeys;
use crate::session::{Order, Session};
use crate::{Command, Encoders, Event, Held, Preview, Problem, Reply, destination_commands, listing};

/// How an engine is started.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// The pages that may open the preview, as browsers write origins: `"tidecast://app"`.
    pub allowed_origins: Vec<String>,
    /// What every encode is held to.
    pub held: Held,
}

/// The engine. Dropping it without [`Engine::shutdown`] ends the media, without a farewell to destinations.
#[derive(Debug)]
pub struct Engine {
    orders: mpsc::UnboundedSender<Order>,
    endpoint: Arc<LocalEndpoint>,
    hot_keys: HotKeys,
    measured: Arc<Mutex<Option<Measured>>>,
    session: Mutex<Option<JoinHandle<()>>>,
}

/// Longest time that everything gets to end: a long recording is rewritten as a plain file. What a process that ends
/// earlier leaves behind is whole, too.
const SHUTDOWN: Duration = Duration::from_secs(30);

impl Engine {
    /// Starts the engine's threads and its local endpoint, with nothing captured. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// A [`Problem`] when the loopback port or a thread can't be had.
    pub async fn start(
        options: EngineOptions,
        on_event: impl Fn(Event) + Send + Sync + 'static,
    ) -> Result<Self, Problem> {
        Self::starting(options, Arc::new(on_event)).await
    }

    // This and `carrying_out` are boxed, so that the engine is compiled here and not once more in each program.
    fn starting(
        options: EngineOptions,
        emit: Arc<dyn Fn(Event) + Send + Sync>,
    ) -> BoxFuture<'static, Result<Self, Problem>> {
        Box::pin(Self::open(options, emit))
    }

    async fn open(options: EngineOptions, emit: Arc<dyn Fn(Event) + Send + Sync>) -> Result<Self, Problem> {
        let endpoint_options =
            EndpointOptions { allowed_origins: options.allowed_origins, thumbnail: Arc::new(thumbnail) };
        let (endpoint, connections) = LocalEndpoint::start(endpoint_options).await?;
        // Unbounded, as no media passes here: device threads must never wait, and they say little.
        let (orders, inbox) = mpsc::unbounded_channel();
        // Beside everything else: whoever comes first finds the drivers that aren't there.
        drop(tokio::task::spawn_blocking(encoder::look_for_hardware));
        let session = Session::new(orders.clone(), connections, emit, options.held)?;
        let (hot_keys, measured) = (session.hot_keys.clone(), Arc::clone(&session.measured));
        let session = session.spawn(inbox);
        Ok(Self { orders, endpoint: Arc::new(endpoint), hot_keys, measured, session: Mutex::new(Some(session)) })
    }

    /// Carries a command out.
    ///
    /// # Errors
    /// A [`Problem`] with a stable code; whatever ran before goes on.
    pub async fn dispatch(&self, command: Command) -> Result<Reply, Problem> {
        self.carrying_out(command).await
    }

    fn carrying_out(&self, command: Command) -> BoxFuture<'_, Result<Reply, Problem>> {
        Box::pin(self.carry_out(command))
    }

    async fn carry_out(&self, command: Command) -> Result<Reply, Problem> {
        match command {
            // What only looks does not stand in line behind what acts.
            Command::ListSources => {
                let endpoint = Arc::clone(&self.endpoint);
                blocking(move || Reply::Sources(listing::sources(|id| endpoint.thumbnail_url(id)))).await
            }
            Command::DescribeSources { ids } => {
                let endpoint = Arc::clone(&self.endpoint);
                blocking(move || Reply::Described(listing::describe(&ids, |id| endpoint.thumbnail_url(id)))).await
            }
            Command::ProbeEncoders => self.probe().await.map(Reply::Encoders),
            Command::OpenPreview => Ok(Reply::Preview(Preview {
                url: self.endpoint.preview_url(),
                token: self.endpoint.issue_token().expose().to_owned(),
            })),
            // Who lets go of the key to talk must not wait for a device that is being opened.
            Command::PressKey { code, down } => {
                self.hot_keys.press(&code, down);
                Ok(Reply::Done)
            }
            Command::TestDestination { destination, codec } => {
                destination_commands::test_destination(&destination, codec).await.map(|()| Reply::Done)
            }
            command => {
                let asks_for_room = match &command {
                    Command::EstimateCanvas { .. } | Command::EstimateSimulcast { .. } => true,
                    Command::SetCanvas { force, .. } => !force,
                    _ => false,
                };
                if asks_for_room && self.measured.lock().is_none() {
                    // What can't be measured is said by whoever needs it.
                    let _ = self.probe().await;
                }
                let (reply, answer) = oneshot::channel();
                let gone = || Problem::internal("its session has ended");
                self.orders.send(Order::Command(command, reply)).map_err(|_| gone())?;
                answer.await.map_err(|_| gone())?
            }
        }
    }

    async fn probe(&self) -> Result<Encoders, Problem> {
        let encoders = blocking(listing::encoders).await??;
        // What was measured on pictures of the stream says more.
        self.measured.lock().get_or_insert(Measured::of_probe(encoders.ms_per_1080p_frame));
        Ok(encoders)
    }

    /// Ends everything in order: destinations are told, the server drained, devices closed.
    pub async fn shutdown(&self) {
        let _ = self.orders.send(Order::Shutdown);
        let session = self.session.lock().take();
        if let Some(session) = session
            && tokio::time::timeout(SHUTDOWN, session).await.is_err()
        {
            tracing::warn!("the session did not end in time");
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(Problem::internal)
}

/// Width and height a thumbnail fits into: twice what the list shows, for dense screens.
const THUMBNAIL: media::Size = media::Size { width: 480, height: 270 };

fn thumbnail(id: &str) -> Result<Vec<u8>, ThumbnailError> {
    capture::video::thumbnail(id, THUMBNAIL).map_err(|error| match error {
        VideoError::SourceNotFound(_) => ThumbnailError::NotFound,
        error => ThumbnailError::Unavailable(error.to_string()),
    })
}
