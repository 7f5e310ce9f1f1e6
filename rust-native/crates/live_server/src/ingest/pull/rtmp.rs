//! A source that is played by RTMP: moves bytes for [`rtmp::Client`].

use std::time::Duration;

use bytes::BytesMut;
use publish::Failure;
use rtmp::{Client, Event, ServerEvent, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::run::{Pull, silent, taken_over};
use crate::ingest::desk::Desk;
use crate::ingest::rtmp::Reader;

/// From the first byte to "play": three answers, each a round trip of a server that may ask another one.
const SET_UP: Duration = Duration::from_secs(10);
/// A source without a sound or a picture for so long is gone; with neither since the start it has no publisher yet.
const SILENCE: Duration = Duration::from_secs(10);
/// One read: a keyframe in a few.
const PIECE: usize = 64 << 10;

pub(super) async fn run(pull: &Pull) -> Failure {
    match play(pull).await {
        Ok(never) => match never {},
        Err(failure) => failure,
    }
}

async fn play(pull: &Pull) -> Result<std::convert::Infallible, Failure> {
    let target = Target::parse(pull.settings.url.expose(), pull.settings.key.as_ref())?;
    let mut connection = publish::connect(&target.host, target.port, target.tls).await?;
    let stream = &mut connection.stream;
    let mut client = Client::player(target);
    let mut reader = Reader::new();
    let mut desk: Option<Desk> = None;
    let mut incoming = BytesMut::new();
    let mut patience = Instant::now() + SET_UP;
    loop {
        let out = client.output().split();
        let sent = async {
            stream.write_all(&out).await?;
            stream.flush().await
        };
        timeout(SILENCE, sent).await.map_err(|_| silent())?.map_err(|_| publish::Failure::connection_lost())?;
        incoming.clear();
        incoming.reserve(PIECE);
        let over = async {
            match &mut desk {
                Some(desk) => desk.over().await,
                None => std::future::pending().await,
            }
        };
        let read = tokio::select! {
            () = over => return Err(taken_over()),
            () = tokio::time::sleep_until(patience) => return Err(silent()),
            read = stream.read_buf(&mut incoming) => read.map_err(|_| Failure::connection_lost())?,
        };
        if read == 0 {
            return Err(Failure::connection_lost());
        }
        client.input(&incoming)?;
        while let Some(event) = client.event() {
            let event = match event {
                Event::Video { timestamp, body } => ServerEvent::Video { timestamp, body },
                Event::Audio { timestamp, body } => ServerEvent::Audio { timestamp, body },
                Event::Playing | Event::Publishing(_) => {
                    patience = Instant::now() + SILENCE;
                    continue;
                }
            };
            patience = Instant::now() + SILENCE;
            let Ok(Some(unit)) = reader.read(event) else { continue };
            let desk = match &mut desk {
                Some(desk) => desk,
                none => {
                    let desk = none.insert(Desk::new(pull.open(connection.peer).await?, &pull.hall));
                    pull.is_live();
                    desk
                }
            };
            desk.take(unit).await.map_err(|_| taken_over())?;
        }
    }
}
