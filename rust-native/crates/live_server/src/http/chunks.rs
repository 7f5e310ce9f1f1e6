//! HLS, LL-HLS and DASH: playlists that wait, and files that never change.
//!
//! Cache headers are such that any cache in front does the work: a file may be kept for ever, a playlist that was waited
//! for has an address of its own (its `_HLS_msn` and `_HLS_part`), and only the playlist without them is short-lived.
//! What needs a token is for the one who has it: shared caches leave it alone.
//!
//! A token comes in `Authorization`, or in the query for players that can't send headers; then every address in a
//! playlist carries it on. No log line of ours holds a query.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use media::Size;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::time::Instant;

use super::reply::Problem;
use super::{From, Site};
use crate::auth;
use crate::chunks::playlist::{self, Standing, Variant, Wanted};
use crate::chunks::{Kind, Mark, Shelf, Window, mpd};
use crate::figures::{RenditionInfo, RenditionState, StreamInfo};
use crate::ladder::Rung;
use crate::relay::{Refusal, Role, USUAL_RATE};

const HLS: &str = "application/vnd.apple.mpegurl";
const DASH: &str = "application/dash+xml";
/// Who asks first waits for the first segment: a keyframe, two seconds, and what the publisher's reports take.
const FIRST_SEGMENT: Duration = Duration::from_secs(12);
/// A segment of a rendition may take so many times its mean bitrate.
const PEAK: f64 = 1.2;
/// Files don't change; a day is longer than anyone goes back in a live stream.
const FOR_EVER: u64 = 86_400;

/// RFC 8216bis section 6.2.5, and a token.
#[derive(Debug, Deserialize)]
pub(super) struct Ask {
    #[serde(rename = "_HLS_msn")]
    number: Option<u64>,
    #[serde(rename = "_HLS_part")]
    part: Option<usize>,
    #[serde(rename = "_HLS_skip")]
    skip: Option<String>,
    token: Option<String>,
}

type Asked = Result<Query<Ask>, QueryRejection>;

/// What is asked for of a stream.
#[derive(Debug, PartialEq, Eq)]
enum File {
    Multivariant,
    Playlist(Kind),
    Header(Kind, u64),
    Segment(Kind, u64),
    Part(Kind, u64, usize),
}

impl File {
    fn named(name: &str) -> Option<Self> {
        let (stem, extension) = name.rsplit_once('.')?;
        if extension == "m3u8" {
            return if stem == "index" { Some(Self::Multivariant) } else { Kind::named(stem).map(Self::Playlist) };
        }
        let (kind, numbers) = stem.split_once('-')?;
        let kind = Kind::named(kind)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
        Some(match (numbers.split_once('.'), extension) {
            (None, "mp4") => Self::Header(kind, digits(numbers)?),
            (None, "m4s") => Self::Segment(kind, digits(numbers)?),
            (Some((number, part)), "m4s") => Self::Part(kind, digits(number)?, usize::try_from(digits(part)?).ok()?),
            _ => return None,
        })
    }
}

/// A reader who may read, and what it reads.
struct Reading {
    shelf: Arc<Shelf>,
    info: StreamInfo,
    /// Who else may be given the answer.
    public: bool,
    /// What each address in a playlist ends with.
    query: String,
    marks: Vec<Mark>,
}

impl Reading {
    fn answer(&self, body: impl IntoResponse, kind: &'static str, seconds: u64) -> Result<Response, Problem> {
        let whose = if self.public { "public" } else { "private" };
        let forever = if seconds >= FOR_EVER { ", immutable" } else { "" };
        let cache =
            HeaderValue::from_str(&format!("{whose}, max-age={seconds}{forever}")).map_err(|_| Problem::Busy)?;
        let mut response = body.into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        response.headers_mut().insert(header::CACHE_CONTROL, cache);
        Ok(response)
    }

    fn file(&self, kind: Kind, body: Bytes) -> Result<Response, Problem> {
        let kind = if kind == Kind::Audio { "audio/mp4" } else { "video/mp4" };
        self.answer(body, kind, FOR_EVER)
    }

    /// Waits until the window gives what is asked for; `None` when it didn't in that time.
    async fn until<T>(&self, patience: Duration, give: impl Fn(&Window) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut news = self.shelf.watch();
        loop {
            if let Some(given) = give(&self.shelf.window()) {
                return Some(given);
            }
            match tokio::time::timeout_at(deadline, news.changed()).await {
                Ok(Ok(())) => {}
                _ => return give(&self.shelf.window()),
            }
        }
    }

    /// What a rendition that is read is made for; one that can't be made is refused.
    fn wish(&self, kind: Kind) -> Result<(), Problem> {
        let Kind::Lower(rung) = kind else { return Ok(()) };
        if !self.info.live {
            // What there is can be read until the publisher is back.
            self.shelf.wish_rung(rung);
            return Ok(());
        }
        let name = rung.to_string();
        let rendition = self.info.renditions.iter().find(|rendition| rendition.name == name && !rendition.published);
        match rendition.ok_or(Problem::NoSuchRendition)? {
            RenditionInfo { state: RenditionState::Unavailable, code, .. } => Err(match code {
                Some("rendition_failed") => Problem::Refused(Refusal::RenditionFailed),
                _ => Problem::Refused(Refusal::NoRenditionRoom),
            }),
            _ => {
                self.shelf.wish_rung(rung);
                Ok(())
            }
        }
    }

    /// A rendition that is being made is read, and so goes on.
    fn touch(&self, kind: Kind) {
        if let Kind::Lower(rung) = kind
            && self.shelf.window().rendition(kind).open().is_some()
        {
            self.shelf.wish_rung(rung);
        }
    }

    /// The picture's qualities, the source first, without those that are not to be had now.
    fn variants(&self) -> Vec<Variant> {
        let fps = self.info.fps.round();
        let frame_rate = (fps >= 1.0).then_some(fps as u32);
        let source = Variant { kind: Kind::Video, size: None, bitrate: 0, codecs: None, frame_rate };
        let offered = self.info.renditions.iter().filter(|rendition| rendition.state != RenditionState::Unavailable);
        let lower = offered.filter(|rendition| !rendition.published).filter_map(|rendition| {
            let kbps = rendition.bitrate_kbps as u32;
            let size = Size { width: rendition.width, height: rendition.height };
            Some(Variant {
                kind: Kind::Lower(Rung::named(&rendition.name)?),
                size: Some(size),
                bitrate: (f64::from(kbps) * 1000.0 * PEAK) as u64,
                codecs: encoder::h264_codecs(size, frame_rate.map_or(USUAL_RATE, |rate| rate.clamp(5, 120)), kbps),
                frame_rate,
            })
        });
        std::iter::once(source).chain(lower).collect()
    }

    /// Longer than a segment may take: then something is wrong with the publisher.
    fn patience(&self) -> Duration {
        Duration::from_secs(self.shelf.window().target * 3)
    }
}

impl Site {
    /// Lets a reader in, and has the stream packed for it.
    async fn reading(
        &self,
        stream: &str,
        headers: &HeaderMap,
        token: Option<&str>,
        from: IpAddr,
    ) -> Result<Reading, Problem> {
        let config = self.config();
        if !config.hls.enabled {
            return Err(Problem::NoSuchPage);
        }
        let from = self.asker(from, headers);
        let bearer = auth::bearer(headers);
        let grant = self.authorize_token(Role::View, stream, bearer.or(token), from).await?;
        let settings = config.streams.get(stream).ok_or(Problem::NoSuchStream)?;
        let public = settings.view_token.is_none() && !settings.signed_only;
        let query = match token.filter(|_| bearer.is_none() && !public) {
            Some(token) => format!("?token={}", utf8_percent_encode(token, NON_ALPHANUMERIC)),
            None => String::new(),
        };
        let shelf = self.shelves.get(stream);
        self.pulls.wish(stream);
        let info = self.figures.get(stream).unwrap_or_default();
        if shelf.is_none() && !info.live {
            return Err(Problem::NotOnAir);
        }
        self.admit_reader(stream, bearer.or(token), from, grant).await?;
        let shelf = match shelf {
            Some(shelf) => shelf,
            None => self.pack(stream)?,
        };
        Ok(Reading { shelf, info, public, query, marks: self.marks.of(stream) })
    }

    /// Has a stream packed from now on.
    fn pack(&self, stream: &str) -> Result<Arc<Shelf>, Problem> {
        let settings = &self.config().hls;
        self.shelves.open(stream, settings, |outlet| self.relay.pack(stream, outlet)).map_err(|error| {
            tracing::error!(%error, "no thread for a packager");
            Problem::Busy
        })
    }

    /// A stream's files for a reader of this program, while there is something to come of it.
    pub(crate) fn shelf(&self, stream: &str) -> Option<Arc<Shelf>> {
        let live = self.figures.get(stream).is_some_and(|info| info.live);
        match self.shelves.peek(stream) {
            // Who asked for it would keep in memory what is over.
            Some(shelf) if !live && shelf.window().over => None,
            Some(_) => self.shelves.get(stream),
            None => live.then(|| self.pack(stream).ok()).flatten(),
        }
    }

    /// Has every stream packed, where that is the setting.
    pub(crate) fn pack_all(&self) {
        let config = self.config();
        if config.hls.enabled && config.hls.always {
            for name in config.streams.keys() {
                let _ = self.pack(name);
            }
        }
    }
}

/// Everything under `/hls/{stream}/`.
pub(super) async fn hls(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path((stream, name)): Path<(String, String)>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(ask) = asked.map_err(|_| Problem::BadQuery)?;
    let file = File::named(&name).ok_or(Problem::NoSuchPage)?;
    let mut reading = site.reading(&stream, &headers, ask.token.as_deref(), from.ip()).await?;
    match file {
        File::Multivariant => {
            if reading.until(FIRST_SEGMENT, |window| ready(window).then_some(())).await.is_none() {
                return Err(Problem::NotOnAir);
            }
            // Of a stream that has just begun more is known by now.
            reading.info = site.figures.get(&stream).unwrap_or_default();
            let text = playlist::multivariant(&reading.shelf.window(), &reading.variants(), &reading.query);
            reading.answer(text.ok_or(Problem::NotOnAir)?, HLS, 1)
        }
        File::Playlist(kind) => media(&reading, kind, &ask).await,
        File::Header(kind, number) => {
            let body = reading.shelf.window().header(kind, number).map(|header| header.body.clone());
            reading.file(kind, body.ok_or(Problem::NoSuchChunk)?)
        }
        File::Segment(kind, number) => {
            reading.touch(kind);
            let body = reading.shelf.window().rendition(kind).segment(number).and_then(|segment| segment.body.clone());
            reading.file(kind, body.ok_or(Problem::NoSuchChunk)?)
        }
        File::Part(kind, number, part) => {
            reading.touch(kind);
            let body = reading.until(reading.patience(), |window| part_of(window, kind, number, part)).await.flatten();
            reading.file(kind, body.ok_or(Problem::NoSuchChunk)?)
        }
    }
}

/// `Some(None)`: there is no such part and there will be none.
fn part_of(window: &Window, kind: Kind, number: u64, part: usize) -> Option<Option<Bytes>> {
    let rendition = window.rendition(kind);
    if let Some(segment) = rendition.segment(number) {
        let found = segment.parts.get(part).map(|part| part.body.clone());
        // The next part of what is in the making was announced: it is waited for (section 6.2.5.2 for hints).
        let to_come = segment.body.is_none() && part <= segment.parts.len() && !window.over;
        return if found.is_none() && to_come { None } else { Some(found) };
    }
    // The first part of the segment after the one in the making may be asked for a moment too early.
    let next = rendition.segments.back().is_some_and(|last| last.number + 1 == number) && part == 0;
    if next && !window.over { None } else { Some(None) }
}

/// Whether a player can begin.
fn ready(window: &Window) -> bool {
    let mut kinds = window.kinds().peekable();
    kinds.peek().is_some() && kinds.all(|kind| has_whole(window, kind))
}

fn has_whole(window: &Window, kind: Kind) -> bool {
    window.rendition(kind).last_whole().is_some()
}

async fn media(reading: &Reading, kind: Kind, ask: &Ask) -> Result<Response, Problem> {
    let wanted = match (ask.number, ask.part) {
        (Some(number), part) => Some(Wanted { number, part }),
        (None, None) => None,
        // Section 6.2.5.2: a part of what?
        (None, Some(_)) => return Err(Problem::BadQuery),
    };
    let skip = ask.skip.as_deref().is_some_and(|skip| matches!(skip, "YES" | "v2"));
    reading.wish(kind)?;
    let ready = |window: &Window| ready(window) && (kind == Kind::Audio || has_whole(window, kind));
    if reading.until(FIRST_SEGMENT, |window| ready(window).then_some(())).await.is_none() {
        return Err(if matches!(kind, Kind::Lower(_)) { Problem::NotInTime } else { Problem::NotOnAir });
    }
    let text = |window: &Window| playlist::media(window, kind, skip, &reading.query, &reading.marks);
    let Some(wanted) = wanted else {
        let target = reading.shelf.window().target;
        let text = text(&reading.shelf.window()).ok_or(Problem::NoSuchChunk)?;
        return reading.answer(text, HLS, (target / 2).max(1));
    };
    let given = reading.until(reading.patience(), |window| match wanted.standing(window.rendition(kind)) {
        Standing::ToCome if !window.over => None,
        Standing::TooFar if !window.over => Some(Err(Problem::BadQuery)),
        _ => Some(text(window).ok_or(Problem::NoSuchChunk)),
    });
    let target = reading.shelf.window().target;
    // Whoever asks for the same number gets the same answer, or a later one: it may be kept as long as anyone asks.
    reading.answer(given.await.ok_or(Problem::NotInTime)??, HLS, target * 6)
}

/// The DASH manifest.
pub(super) async fn dash(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path(stream): Path<String>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(ask) = asked.map_err(|_| Problem::BadQuery)?;
    let mut reading = site.reading(&stream, &headers, ask.token.as_deref(), from.ip()).await?;
    let base = format!("../../hls/{stream}/");
    if reading.until(FIRST_SEGMENT, |window| ready(window).then_some(())).await.is_none() {
        return Err(Problem::NotOnAir);
    }
    reading.info = site.figures.get(&stream).unwrap_or_default();
    // A representation is nothing without its segments, so none can be offered that is made when it is asked for: who
    // reads the manifest keeps all renditions at work that there is room for, and the manifest lists each as soon as a
    // player can change to it.
    for variant in reading.variants().iter().skip(1) {
        let _ = reading.wish(variant.kind);
    }
    let text = mpd::manifest(&reading.shelf.window(), &base, &reading.query, SystemTime::now(), &reading.marks);
    reading.answer(text.ok_or(Problem::NotOnAir)?, DASH, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names_and_nothing_else_is() {
        for (name, file) in [
            ("index.m3u8", Some(File::Multivariant)),
            ("video.m3u8", Some(File::Playlist(Kind::Video))),
            ("audio-17.mp4", Some(File::Header(Kind::Audio, 17))),
            ("video-1700000000.m4s", Some(File::Segment(Kind::Video, 1_700_000_000))),
            ("video-17.3.m4s", Some(File::Part(Kind::Video, 17, 3))),
            ("video-17.3.mp4", None),
            ("video-+17.m4s", None),
            ("video-.m4s", None),
            ("other-1.m4s", None),
            ("other.m3u8", None),
            ("720p.m3u8", Some(File::Playlist(Kind::Lower(Rung(720))))),
            ("720p-17.3.m4s", Some(File::Part(Kind::Lower(Rung(720)), 17, 3))),
            ("0720p.m3u8", None),
            ("video", None),
        ] {
            assert_eq!(File::named(name), file, "{name}");
        }
    }
}
