//! A source that is read by HLS: playlists and MPEG-TS segments, three segments behind their newest, as players do.

use std::time::Duration;

use media::Secret;
use publish::Failure;
use reqwest::{Client, StatusCode, Url};
use tokio::time::{Instant, sleep, timeout};

use super::playlist::{self, Media, Playlist};
use super::run::{Pull, bad_address, failure, silent, taken_over};
use crate::ingest::desk::Desk;
use crate::ingest::mpeg_ts::Demuxer;

/// A playlist, or a segment.
const ANSWER: Duration = Duration::from_secs(10);
const LARGEST_PLAYLIST: usize = 4 << 20;
/// A minute at 8 Mbit/s.
const LARGEST_SEGMENT: usize = 64 << 20;
/// Segments that a reader stays behind (RFC 8216, section 6.3.3).
const BEHIND: usize = 3;
/// A playlist that does not grow for so many of its target durations is no live one any more.
const STILL: u32 = 6;
/// Renditions lead to a media playlist, and to nothing else.
const MOST_STEPS: usize = 3;

pub(super) async fn run(pull: &Pull) -> Failure {
    match read(pull).await {
        Ok(never) => match never {},
        Err(failure) => failure,
    }
}

struct Reader {
    client: Client,
    key: Option<Secret>,
}

impl Reader {
    /// What an address gives, of a bounded size.
    async fn get(&self, address: &Url, largest: usize) -> Result<Vec<u8>, Failure> {
        let mut request = self.client.get(address.clone());
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose());
        }
        let reading = async {
            // The error's own text holds the address, and that perhaps a key.
            let lost = |_| Failure::connection_lost();
            let mut response = request.send().await.map_err(|error| {
                if error.is_timeout() { Failure::no_answer() } else { Failure::unreachable(&gone()) }
            })?;
            if !response.status().is_success() {
                return Err(refused(response.status()));
            }
            let mut body = Vec::new();
            while let Some(piece) = response.chunk().await.map_err(lost)? {
                if body.len() + piece.len() > largest {
                    return Err(failure("not_hls", "the source's answer is too large", "Check the source's address."));
                }
                body.extend_from_slice(&piece);
            }
            Ok(body)
        };
        timeout(ANSWER, reading).await.map_err(|_| Failure::no_answer())?
    }

    async fn playlist(&self, address: &Url) -> Result<Playlist, Failure> {
        let body = self.get(address, LARGEST_PLAYLIST).await?;
        playlist::read(&String::from_utf8_lossy(&body))
    }

    /// The media playlist that an address leads to, and its own address.
    async fn find(&self, mut address: Url) -> Result<(Url, Media), Failure> {
        for _ in 0..MOST_STEPS {
            match self.playlist(&address).await? {
                Playlist::Media(media) => return Ok((address, media)),
                Playlist::Multivariant(next) => address = address.join(&next).map_err(|_| bad_address())?,
            }
        }
        Err(bad_address())
    }
}

fn gone() -> std::io::Error {
    std::io::ErrorKind::NotConnected.into()
}

fn refused(status: StatusCode) -> Failure {
    let message = format!("the source's server answers {status}");
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure {
            is_final: true,
            ..failure("bad_key", message, "Enter the source's key again; perhaps it has expired.")
        },
        StatusCode::NOT_FOUND | StatusCode::CONFLICT => failure(
            "stream_not_there",
            message,
            "Check the stream's name, and start it there; it comes by itself then.",
        ),
        _ => failure("source_refused", message, "Look into the log of the source's server."),
    }
}

async fn read(pull: &Pull) -> Result<std::convert::Infallible, Failure> {
    let address = Url::parse(pull.settings.url.expose()).map_err(|_| bad_address())?;
    let client = Client::builder().build().map_err(|_| Failure::unreachable(&gone()))?;
    let reader = Reader { client, key: pull.settings.key.clone() };
    let (address, mut media) = reader.find(address).await?;
    if media.over {
        return Err(over());
    }
    let mut next = media.first + media.segments.len().saturating_sub(BEHIND) as u64;
    let (mut desk, mut demuxer, mut units) = (None::<Desk>, Demuxer::new(), Vec::new());
    let mut grown = Instant::now();
    loop {
        let asked = Instant::now();
        if next < media.first {
            tracing::info!(stream = pull.stream, "segments of a source are gone before they were read");
            next = media.first;
            demuxer = Demuxer::new();
        }
        let new = media.segments.iter().skip((next - media.first) as usize);
        for segment in new {
            grown = Instant::now();
            let body = match address.join(&segment.address) {
                Ok(address) => reader.get(&address, LARGEST_SEGMENT).await?,
                Err(_) => return Err(bad_address()),
            };
            next += 1;
            if segment.discontinuity {
                demuxer = Demuxer::new();
            }
            demuxer.take(&body, &mut units);
            for unit in units.drain(..) {
                let desk = match &mut desk {
                    Some(desk) => desk,
                    none => {
                        let desk = none.insert(Desk::new(pull.open(None).await?, &pull.hall).in_heaps());
                        pull.is_live();
                        desk
                    }
                };
                desk.take(unit).await.map_err(|_| taken_over())?;
            }
        }
        if media.over {
            return Err(over());
        }
        let target = Duration::from_secs(media.target);
        if grown.elapsed() > target * STILL {
            return Err(silent());
        }
        // Half of it where nothing was new (section 6.3.4): where a segment was, reading it took its time.
        sleep((target / 2).saturating_sub(asked.elapsed())).await;
        media = match reader.playlist(&address).await? {
            Playlist::Media(media) => media,
            Playlist::Multivariant(_) => return Err(bad_address()),
        };
        // A source that was started anew counts from its own beginning.
        if media.first + (media.segments.len() as u64) < next {
            next = media.first + media.segments.len().saturating_sub(BEHIND) as u64;
            demuxer = Demuxer::new();
        }
    }
}

fn over() -> Failure {
    failure("stream_over", "the source's stream is over", "Start it there again; it comes by itself then.")
}
