//! The window's preview: each local signalling connection gets a peer of its own.
//!
//! The preview takes no part in rate control and never slows a destination: it has its own bounded reader.

use std::sync::Arc;

use media::AccessUnit;
use signaling::{ClientMessage, PreviewConnection, ServerMessage};
use stream::{Broadcast, LagPolicy};
use tokio::sync::{Notify, broadcast, mpsc};
use webrtc_transport::{Peer, PeerEvent, PeerKind, TransportError};

use crate::pipeline::EncodeControl;

/// Half a second of a 60 Hz picture with its sound: a preview that lags more had better skip.
const QUEUE: usize = 56;

/// What a preview needs of the engine.
#[derive(Debug, Clone)]
pub(crate) struct PreviewContext {
    pub(crate) hub: Broadcast<AccessUnit>,
    pub(crate) encode: EncodeControl,
    pub(crate) levels: broadcast::Sender<ServerMessage>,
    /// Rung for each new preview: whoever sends the levels may have been asleep, as nobody looked.
    pub(crate) watched: Arc<Notify>,
}

/// Serves connections until the endpoint is gone.
pub(crate) async fn serve(mut connections: mpsc::Receiver<PreviewConnection>, context: PreviewContext) {
    while let Some(connection) = connections.recv().await {
        let context = context.clone();
        tokio::spawn(async move {
            if let Err(error) = serve_one(connection, context).await {
                tracing::warn!(%error, "a preview ended");
            }
        });
    }
}

async fn serve_one(mut connection: PreviewConnection, context: PreviewContext) -> Result<(), TransportError> {
    let sender = connection.sender();
    let mut levels = context.levels.subscribe();
    context.watched.notify_one();
    loop {
        let reader = context.hub.subscribe(QUEUE, LagPolicy::SkipToKeyframe);
        let (peer, sdp, mut events) = Peer::offer(PeerKind::Preview, reader).await?;
        let _ = sender.send(ServerMessage::Offer { sdp }).await;
        let outcome = loop {
            tokio::select! {
                message = connection.recv() => match message {
                    None => break Outcome::Gone,
                    Some(ClientMessage::Restart) => break Outcome::Restart,
                    Some(ClientMessage::Answer { sdp }) => {
                        if let Err(error) = peer.answer(&sdp).await {
                            let _ = sender.send(refused(&error)).await;
                        }
                    }
                    Some(ClientMessage::Candidate { candidate }) => {
                        // null marks the end of candidates: there is nothing to add.
                        if !candidate.is_null() && let Err(error) = peer.add_candidate(&candidate.to_string()).await {
                            let _ = sender.send(refused(&error)).await;
                        }
                    }
                },
                event = events.recv() => match event {
                    None | Some(PeerEvent::Failed | PeerEvent::Closed) => break Outcome::Restart,
                    Some(PeerEvent::LocalCandidate(json)) => {
                        let candidate = serde_json::from_str(&json).unwrap_or(serde_json::Value::Null);
                        let _ = sender.send(ServerMessage::Candidate { candidate }).await;
                    }
                    Some(PeerEvent::Connected | PeerEvent::KeyframeRequest) => context.encode.request_keyframe(),
                    Some(_) => {}
                },
                message = levels.recv() => {
                    // A lagging meter misses readings; the next one is as good.
                    if let Ok(message) = message {
                        sender.try_send(message);
                    }
                }
            }
        };
        peer.close().await;
        if let Outcome::Gone = outcome {
            return Ok(());
        }
    }
}

enum Outcome {
    Gone,
    Restart,
}

fn refused(error: &TransportError) -> ServerMessage {
    ServerMessage::Error { code: "bad_description".to_owned(), message: error.to_string() }
}
