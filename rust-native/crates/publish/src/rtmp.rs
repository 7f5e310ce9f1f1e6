//! One RTMP session: connect, publish, and why it ended. Moves bytes for [`rtmp::Client`].

use std::pin::pin;
use std::time::Duration;

use ::rtmp::{Client, Event, Features, Metadata, Muxer, Target};
use bytes::{Buf, BytesMut};
use media::{MediaTime, VideoCodec};
use stream::{LagPolicy, Lanes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::destination::{Context, End, PublishStatus, until_stopped};
use crate::failure::Failure;
use crate::health::Gauges;
use crate::net::{self, Connection, Dial, SILENCE};
use crate::target::RtmpTarget;

/// Units that may wait: three seconds of 60 pictures and 47 sounds. TCP that lost a packet catches up from here.
const QUEUE: usize = 320;
/// From the first byte to "publish": four answers, each a round trip of a server that may ask another one.
const PUBLISH: Duration = Duration::from_secs(10);
/// What a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);
/// How often the system is asked about the path.
const LOOK: Duration = Duration::from_secs(1);
/// AAC's bitrate as players are told it.
const AUDIO_KBPS: u32 = 160;

/// One session to be.
pub(crate) struct Session<'a> {
    pub(crate) context: &'a Context,
    pub(crate) target: &'a Target,
    pub(crate) options: &'a RtmpTarget,
    /// The stream was live before.
    pub(crate) resumed: bool,
}

impl Session<'_> {
    /// Runs to its end; also since when it was live, if it was.
    pub(crate) async fn run(self, stopped: &mut watch::Receiver<bool>) -> (End, Option<Instant>) {
        let gauges = self.context.shared.begin();
        let mut live_since = None;
        let opened = tokio::select! {
            () = until_stopped(stopped) => return (End::Stopped, None),
            opened = open(self.target, self.context.codec, &self.context.dial) => opened,
        };
        let outcome = match opened {
            Ok(open) => self.send(open, &gauges, stopped, &mut live_since).await,
            Err(failure) => Err(failure),
        };
        (outcome.map_or_else(End::Failed, |()| End::Stopped), live_since)
    }

    /// Sends until it is stopped (`Ok`) or breaks.
    async fn send(
        &self,
        open: Open,
        gauges: &Gauges,
        stopped: &mut watch::Receiver<bool>,
        live_since: &mut Option<Instant>,
    ) -> Result<(), Failure> {
        let Open { connection: Connection { stream, path, .. }, mut client, features } = open;
        let (mut from_server, mut to_server) = tokio::io::split(stream);
        let opus = self.options.prefer_opus && features.opus;
        let lanes = Lanes::of(self.context.codec).and(if opus { Lanes::OPUS } else { Lanes::AAC });
        let mut units = self.context.hub.subscribe_to(lanes, QUEUE, LagPolicy::SkipToKeyframe);
        (self.context.request_keyframe)();
        let metadata = Metadata {
            fps: self.options.frame_rate.fps(),
            video_kbps: self.options.target_bitrate.as_kbps(),
            audio_kbps: AUDIO_KBPS,
            ..Metadata::default()
        };
        let mut muxer = Muxer::new(metadata, opus);
        let mut incoming = BytesMut::with_capacity(4096);
        let mut writing = Writing::default();
        let mut look = tokio::time::interval(LOOK);
        loop {
            if writing.rest.is_empty() {
                writing.rest = client.output().split();
            }
            let busy = !writing.rest.is_empty();
            tokio::select! {
                () = until_stopped(stopped) => {
                    client.close();
                    writing.rest.unsplit(client.output().split());
                    // A server that is gone is not waited for.
                    let _ = timeout(GOODBYE, async {
                        to_server.write_all(&writing.rest).await?;
                        to_server.shutdown().await
                    })
                    .await;
                    return Ok(());
                }
                read = from_server.read_buf(&mut incoming) => {
                    if read.map_err(|error| broken(&error, live_since.is_some()))? == 0 {
                        return Err(closed(live_since.is_some()));
                    }
                    client.input(&incoming.split())?;
                }
                wrote = write_some(&mut to_server, &writing.rest), if busy => {
                    writing.progress(wrote.map_err(|error| broken(&error, live_since.is_some()))?);
                    if writing.rest.is_empty()
                        && let Some((pts, bytes)) = writing.unit.take()
                    {
                        gauges.sent(pts, bytes, units.stats());
                        if live_since.is_none() {
                            *live_since = Some(Instant::now());
                            (self.context.on_status)(PublishStatus::Live { resumed: self.resumed });
                        }
                    }
                }
                () = sleep_until(writing.since + SILENCE), if busy => return Err(Failure::stalled()),
                unit = units.recv(), if !busy => {
                    // The producer goes with the engine: whoever owns this destination stops it then.
                    let Ok(unit) = unit else { return Err(Failure::connection_lost()) };
                    muxer.write(&unit, &mut client);
                    writing.begin(unit.pts, client.output().len());
                }
                _ = look.tick() => {
                    let (round_trip, sent_again) = path.read();
                    gauges.tcp_path(round_trip, sent_again);
                }
            }
        }
    }
}

/// Connects as far as "publishing".
async fn open(target: &Target, codec: VideoCodec, dial: &Dial) -> Result<Open, Failure> {
    let connection = dial(target.host.clone(), target.port, target.tls).await?;
    let client = Client::new(target.clone()).with_codec(codec);
    let mut open = Open { connection, client, features: Features::default() };
    match timeout(PUBLISH, open.negotiate()).await {
        Ok(outcome) => outcome.map(|()| open),
        Err(_) => Err(Failure::no_answer()),
    }
}

/// Connects as far as "publishing", and leaves again.
pub(crate) async fn test(target: &Target, codec: VideoCodec) -> Result<(), Failure> {
    let mut open = open(target, codec, &net::dial()).await?;
    open.client.close();
    let goodbye = open.client.output().split();
    let _ = timeout(GOODBYE, async {
        open.connection.stream.write_all(&goodbye).await?;
        open.connection.stream.shutdown().await
    })
    .await;
    Ok(())
}

/// Some of the bytes, and what TLS holds of earlier ones.
async fn write_some(to: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) -> std::io::Result<usize> {
    let wrote = to.write(bytes).await?;
    // Cancelled here, the bytes would be written twice: flushing what was taken is left to the next call, but for
    // the last, after which none may come for long.
    if wrote == bytes.len() {
        let mut flush = pin!(to.flush());
        let _ = futures_util::poll!(&mut flush);
    }
    Ok(wrote)
}

#[derive(Debug)]
struct Writing {
    rest: BytesMut,
    since: Instant,
    unit: Option<(MediaTime, usize)>,
}

impl Default for Writing {
    fn default() -> Self {
        Self { rest: BytesMut::new(), since: Instant::now(), unit: None }
    }
}

impl Writing {
    fn begin(&mut self, pts: MediaTime, bytes: usize) {
        self.since = Instant::now();
        self.unit = (bytes > 0).then_some((pts, bytes));
    }

    fn progress(&mut self, bytes: usize) {
        self.rest.advance(bytes);
        self.since = Instant::now();
    }
}

/// Connected, and publishing.
struct Open {
    connection: Connection,
    client: Client,
    features: Features,
}

impl Open {
    async fn negotiate(&mut self) -> Result<(), Failure> {
        let stream = &mut self.connection.stream;
        let mut incoming = BytesMut::with_capacity(4096);
        loop {
            let out = self.client.output().split();
            let sent = async {
                stream.write_all(&out).await?;
                stream.flush().await
            };
            sent.await.map_err(|error| broken(&error, false))?;
            if let Some(Event::Publishing(features)) = self.client.event() {
                self.features = features;
                return Ok(());
            }
            let read = stream.read_buf(&mut incoming).await.map_err(|error| broken(&error, false))?;
            if read == 0 {
                tracing::debug!(step = self.client.step(), "the RTMP server closed the connection");
                return Err(closed(false));
            }
            self.client.input(&incoming.split())?;
        }
    }
}

fn closed(was_live: bool) -> Failure {
    if was_live {
        return Failure::connection_lost();
    }
    Failure::new(
        "closed_at_once",
        "the server closes the connection before the stream begins",
        "Often this means a wrong stream key or application: check both.",
    )
}

fn broken(error: &std::io::Error, was_live: bool) -> Failure {
    match error.kind() {
        std::io::ErrorKind::TimedOut => Failure::stalled(),
        _ => closed(was_live),
    }
}
