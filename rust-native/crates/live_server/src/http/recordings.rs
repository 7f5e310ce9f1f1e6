//! Recordings: listed, played and deleted. Who may watch a stream may watch what was recorded of it; who may publish it
//! may delete that.
//!
//! A recording is played by its playlist, which needs no other player than live HLS does; each file is given in parts,
//! too, to who asks for a range of it (RFC 9110 section 14).

use std::ops::Range;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use object_store::GetRange;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::reply::Problem;
use super::{From, Site};
use crate::auth;
use crate::recording::{RecordingInfo, StoreError, with_query};
use crate::relay::Role;

#[derive(Debug, Deserialize)]
pub(super) struct Ask {
    token: Option<String>,
}

type Asked = Result<Query<Ask>, QueryRejection>;

impl std::convert::From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing => Self::NoSuchRecording,
            StoreError::Failed(_) => {
                tracing::warn!(%error, "a recording's store does not do what it is asked");
                Self::StoreFails
            }
        }
    }
}

/// Every recording that the caller may watch, oldest first within a stream.
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    headers: HeaderMap,
) -> Result<Json<Vec<RecordingInfo>>, Problem> {
    let shown = site.watchable(from.ip(), &headers).await?;
    let mut all = site.recordings().all();
    all.retain(|recording| shown.contains(&recording.meta.stream));
    Ok(Json(all))
}

/// One.
pub(super) async fn one(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path((rule, stream, id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Json<RecordingInfo>, Problem> {
    site.authorize(Role::View, &stream, &headers, site.asker(from.ip(), &headers)).await?;
    site.recordings().get(&rule, &stream, &id).map(Json).ok_or(Problem::NoSuchRecording)
}

/// Deletes one that is not being written.
pub(super) async fn delete(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path((rule, stream, id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    site.authorize(Role::Publish, &stream, &headers, site.asker(from.ip(), &headers)).await?;
    site.delete_recording((&rule, &stream, &id)).await
}

impl Site {
    /// Deletes a recording that is not being written, for somebody who may.
    pub(super) async fn delete_recording(&self, (rule, stream, id): (&str, &str, &str)) -> Result<StatusCode, Problem> {
        let recording = self.recordings().get(rule, stream, id).ok_or(Problem::NoSuchRecording)?;
        if recording.open {
            return Err(Problem::StillRecorded);
        }
        self.recordings().delete(rule, stream, id).await?;
        tracing::info!(rule, stream, id, "a recording was deleted");
        Ok(StatusCode::NO_CONTENT)
    }
}

/// A playlist, a header or a chunk.
pub(super) async fn file(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path((rule, stream, id, name)): Path<(String, String, String, String)>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(ask) = asked.map_err(|_| Problem::BadQuery)?;
    let from = site.asker(from.ip(), &headers);
    let (bearer, token) = (auth::bearer(&headers), ask.token.as_deref());
    if kind_of(&name).is_none() {
        return Err(Problem::NoSuchPage);
    }
    let grant = site.authorize_token(Role::View, &stream, bearer.or(token), from).await?;
    site.recordings().get(&rule, &stream, &id).ok_or(Problem::NoSuchRecording)?;
    site.admit_reader(&stream, bearer.or(token), from, grant).await?;
    let config = site.config();
    let settings = config.streams.get(&stream).ok_or(Problem::NoSuchStream)?;
    let whose = if settings.view_token.is_none() && !settings.signed_only { "public" } else { "private" };
    let query = token.filter(|_| bearer.is_none());
    let query = query.map(|token| format!("?token={}", utf8_percent_encode(token, NON_ALPHANUMERIC)));
    give(&site, ((&rule, &stream, &id), &name), &headers, (whose, &query.unwrap_or_default())).await
}

/// A file of a recording for somebody who may have it. `whose` cache may keep it, and what each address in a playlist
/// ends with.
pub(super) async fn give(
    site: &Site,
    (place, name): ((&str, &str, &str), &str),
    headers: &HeaderMap,
    (whose, query): (&str, &str),
) -> Result<Response, Problem> {
    let kind = kind_of(name).ok_or(Problem::NoSuchPage)?;
    let recording = site.recordings().get(place.0, place.1, place.2).ok_or(Problem::NoSuchRecording)?;
    let wanted = headers.get(header::RANGE).and_then(|range| range.to_str().ok()).and_then(range_of);
    let playlist = name.ends_with(".m3u8");
    let wanted = wanted.filter(|_| !playlist);
    let whole = wanted.is_none();
    let read = site.recordings().read(place, name, wanted).await;
    let (mut body, length, part) = match read {
        // What lies past the end can't be given (section 15.5.17).
        Err(StoreError::Failed(_)) if !whole => return Ok(StatusCode::RANGE_NOT_SATISFIABLE.into_response()),
        read => read?,
    };
    if playlist && !query.is_empty() {
        body = with_query(&String::from_utf8_lossy(&body), query).into();
    }
    let age = match (playlist, recording.open) {
        (false, _) => "max-age=86400, immutable",
        (true, true) => "max-age=1",
        (true, false) => "max-age=60",
    };
    let mut response = body.into_response();
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(cache) = HeaderValue::from_str(&format!("{whose}, {age}")) {
        answer.insert(header::CACHE_CONTROL, cache);
    }
    if !whole && let Ok(range) = HeaderValue::from_str(&content_range(&part, length)) {
        answer.insert(header::CONTENT_RANGE, range);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

fn content_range(part: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1))
}

/// Only names that a recording has: nothing else in a store is anyone's.
fn kind_of(name: &str) -> Option<&'static str> {
    let (stem, extension) = name.rsplit_once('.')?;
    let (track, number) = stem.split_once('-').unwrap_or((stem, ""));
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    match (track, extension) {
        ("index" | "video" | "audio", "m3u8") if stem == track => Some("application/vnd.apple.mpegurl"),
        ("video", "mp4" | "m4s") if digits && !number.is_empty() => Some("video/mp4"),
        ("audio", "mp4" | "m4s") if digits && !number.is_empty() => Some("audio/mp4"),
        _ => None,
    }
}

/// One range; several are answered with the whole file, as RFC 9110 section 14.2 allows.
fn range_of(text: &str) -> Option<GetRange> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.parse::<u64>().ok();
    match (first, last) {
        ("", last) => number(last).filter(|last| *last > 0).map(GetRange::Suffix),
        (first, "") => number(first).map(GetRange::Offset),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| GetRange::Bounded(first..last.saturating_add(1)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_recording_can_be_named() {
        for (name, known) in [
            ("index.m3u8", true),
            ("audio.m3u8", true),
            ("video-0.mp4", true),
            ("video-00012.m4s", true),
            ("recording.json", false),
            ("video-.m4s", false),
            ("video-1.m3u8", false),
            ("..", false),
            ("video-1/../x.mp4", false),
        ] {
            assert_eq!(kind_of(name).is_some(), known, "{name}");
        }
    }

    #[test]
    fn one_range_is_understood_and_nonsense_is_left_aside() {
        assert_eq!(range_of("bytes=0-1"), Some(GetRange::Bounded(0..2)));
        assert_eq!(range_of("bytes=5-"), Some(GetRange::Offset(5)));
        assert_eq!(range_of("bytes=-7"), Some(GetRange::Suffix(7)));
        for text in ["bytes=2-1", "bytes=0-1,4-5", "pages=1-2", "bytes=-0", "bytes=-"] {
            assert_eq!(range_of(text), None, "{text}");
        }
    }
}
