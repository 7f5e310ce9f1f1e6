//! The live server: WHIP in (RFC 9725), RTMP and SRT too, WHEP out to many viewers, the viewer page and a small HTTP API.
//!
//! It stands alone as the binary `tidecast-server` and inside the app as the local server. Media passes through
//! untouched: H.264 and Opus payloads are copied bit by bit, only the RTP header is written anew per viewer. What WebRTC
//! has no place for (AAC, B-frames) is made anew while somebody watches, and so are smaller renditions (`ladder`). For players and caches that want files, the
//! packets that viewers get are packed as CMAF and served by HLS, LL-HLS and DASH (`chunks`), and kept of them is what the
//! rules say (`recording`). It holds no user accounts but one for who looks after it (`admin`). TLS is by certificates in
//! files or from an authority (`acme`), or a proxy's.
//!
//! Layers, each in a folder: [`http`](mod@http) (axum: who may do what, pages, figures) sends commands to `relay` (one
//! named thread per UDP socket, the only place that knows `str0m`), which publishes its figures back. `ingest` brings the
//! relay what comes over other protocols than WebRTC.

mod acme;
mod admin;
mod alerts;
mod auth;
mod chunks;
mod config;
mod error;
mod figures;
mod forward;
mod half_open;
mod histogram;
mod hook;
mod http;
mod ingest;
mod ladder;
mod play;
mod recording;
mod relay;
mod server;
mod tls;

pub use admin::{LogBook, set_admin_password};
pub use auth::{TokenAct, hash_key, sign_token};
pub use config::{
    AccessSettings, AcmeSettings, AdminSettings, AlertKind, AlertRule, AlertSettings, Config, ForwardSettings,
    HlsSettings, HookSettings, HttpsSettings, IceServer, LadderSettings, Limits, Network, PublishingSettings,
    PullSettings, PullWhen, RecordingSettings, RenditionSettings, RtcSettings, RtmpSettings, S3Settings,
    SecondPublisher, SrtSettings, StreamSettings, TokenSettings, TranscodingSettings, WhenUnreachable,
};
pub use error::{ConfigProblem, ServerError};
pub use figures::{RenditionInfo, RenditionState, StreamInfo};
pub use server::LiveServer;
