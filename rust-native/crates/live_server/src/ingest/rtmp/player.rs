//! Somebody who plays a stream over RTMP: a seat's units as messages, until either has enough.

use bytes::{Buf, BytesMut};
use rtmp::ServerEvent;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use super::{End, LAST_WORDS, PIECE, Wire};
use crate::play::Seat;

/// A player that takes no byte for so long is gone, or paused for good.
const STUCK: std::time::Duration = std::time::Duration::from_secs(10);

/// Sends until the stream is over or the player has gone; says why.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(wire: Wire<S>, mut seat: Seat) -> Result<(), End> {
    let Wire { stream, mut server, .. } = wire;
    let (mut from_player, mut to_player) = tokio::io::split(stream);
    let mut muxer = seat.muxer();
    let mut incoming = BytesMut::with_capacity(4096);
    let (mut rest, mut moved) = (BytesMut::new(), Instant::now());
    server.accept();
    loop {
        if rest.is_empty() {
            rest = server.output().split();
            moved = Instant::now();
        }
        let busy = !rest.is_empty();
        tokio::select! {
            read = from_player.read_buf(&mut incoming) => {
                if read.map_err(|_| "the socket broke")? == 0 {
                    return Err("closed by the player");
                }
                server.input(&incoming.split()).map_err(|_| "no RTMP")?;
                if server.event().is_some_and(|event| matches!(event, ServerEvent::End)) {
                    return Err("the player has enough");
                }
            }
            wrote = to_player.write(&rest), if busy => {
                rest.advance(wrote.map_err(|_| "the socket broke")?);
                moved = Instant::now();
                if rest.is_empty() {
                    to_player.flush().await.map_err(|_| "the socket broke")?;
                }
            }
            () = sleep_until(moved + STUCK), if busy => return Err("the player takes nothing"),
            unit = seat.next(), if !busy => {
                let Some(unit) = unit else { break };
                muxer.write(&unit, &mut server);
                while server.output().len() < PIECE
                    && let Some(unit) = seat.next_now()
                {
                    muxer.write(&unit, &mut server);
                }
            }
        }
    }
    server.end_of_stream();
    let goodbye = server.output().split();
    let _ = timeout(LAST_WORDS, async {
        to_player.write_all(&goodbye).await?;
        to_player.shutdown().await
    })
    .await;
    Err("the stream is over")
}
