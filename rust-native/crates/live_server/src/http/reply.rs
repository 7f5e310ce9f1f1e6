//! Refusals as HTTP answers: a status, a stable code, a sentence and a hint, in JSON (RFC 9457).

use std::time::Duration;

use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::json;
use signaling::backend::AnswererMessage;

use super::admin::AdminProblem;
use crate::relay::Refusal;

/// How long a player should wait before it asks again for a stream that isn't there.
const RETRY_STREAM: u64 = 2;
/// And a server that is full or busy.
const RETRY_FULL: u64 = 10;

/// Why a request isn't granted.
#[derive(Debug)]
pub(crate) enum Problem {
    NoSuchPage,
    NoSuchStream,
    NoSuchChunk,
    NoSuchRendition,
    NoSuchRecording,
    StillRecorded,
    StoreFails,
    NoSuchForward,
    BadForward(String),
    ForwardInTheWay(&'static str),
    MarkInTheWay(&'static str),
    NoSuchPull,
    BadPull(String),
    PullInTheWay,
    NotOnAir,
    NotInTime,
    BadQuery,
    BadQuality,
    WrongMethod,
    Unauthorized,
    Expired,
    NotFromThere,
    RefusedByHook,
    HookUnreachable,
    Busy,
    Draining,
    TooManyFailures {
        wait: Duration,
    },
    TooManySessions {
        wait: Duration,
    },
    WrongType {
        wanted: &'static str,
    },
    TooLarge,
    BadBody,
    NoEtag,
    Forbidden,
    /// Sent away a moment ago.
    KeptOut {
        wait: Duration,
    },
    BadRequest(&'static str),
    Admin(AdminProblem),
    Refused(Refusal),
}

impl Problem {
    /// For other protocols: the status that HTTP would give, the stable code, and the sentence.
    pub(crate) fn said(&self) -> (u16, &'static str, String) {
        let (status, code, detail, _) = self.parts();
        (status.as_u16(), code, detail)
    }

    /// What to do about it, one sentence.
    pub(crate) fn hint(&self) -> &'static str {
        self.parts().3
    }

    fn parts(&self) -> (StatusCode, &'static str, String, &'static str) {
        let words = |text: &str| text.to_owned();
        match self {
            Self::NoSuchPage => {
                (StatusCode::NOT_FOUND, "no_such_page", words("there is nothing here"), "Check the address.")
            }
            Self::NoSuchStream => (
                StatusCode::NOT_FOUND,
                "no_such_stream",
                words("there is no stream of this name"),
                "Check the name in the address.",
            ),
            Self::NoSuchChunk => (
                StatusCode::NOT_FOUND,
                "no_such_chunk",
                words("this piece of the stream is gone, or never was"),
                "Read the playlist anew.",
            ),
            Self::NoSuchRendition => Self::Refused(Refusal::NoRendition).parts(),
            Self::NoSuchRecording => (
                StatusCode::NOT_FOUND,
                "no_such_recording",
                words("there is no such recording, or it was deleted"),
                "List the recordings anew.",
            ),
            Self::StillRecorded => (
                StatusCode::CONFLICT,
                "still_recorded",
                words("this recording is still being written"),
                "Delete it when the stream has ended.",
            ),
            Self::StoreFails => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store_fails",
                words("the place where recordings lie does not answer"),
                "Ask again later; the server's log says why.",
            ),
            Self::NoSuchForward => (
                StatusCode::NOT_FOUND,
                "no_such_forward",
                words("the stream is not sent on under this name"),
                "List the stream's forwards anew.",
            ),
            Self::BadForward(reason) => (
                StatusCode::BAD_REQUEST,
                "bad_forward",
                reason.clone(),
                "Send JSON such as {\"name\": \"other\", \"url\": \"rtmp://host/app\", \"key\": \"…\"}.",
            ),
            Self::ForwardInTheWay(reason) => {
                (StatusCode::CONFLICT, "forward_in_the_way", words(reason), "Use another name, or end one first.")
            }
            Self::MarkInTheWay(reason) => (
                StatusCode::CONFLICT,
                "mark_in_the_way",
                words(reason),
                "Use another id, or end a mark by its duration.",
            ),
            Self::NoSuchPull => (
                StatusCode::NOT_FOUND,
                "no_such_pull",
                words("the stream is not fetched from anywhere"),
                "Set a source by PUT.",
            ),
            Self::BadPull(reason) => (
                StatusCode::BAD_REQUEST,
                "bad_pull",
                reason.clone(),
                "Send JSON such as {\"url\": \"rtmp://host/app/stream\", \"when\": \"watched\"}.",
            ),
            Self::PullInTheWay => (
                StatusCode::CONFLICT,
                "pull_in_the_way",
                words("the stream's source stands in the configuration"),
                "Change it there.",
            ),
            Self::NotOnAir => (
                StatusCode::NOT_FOUND,
                "not_live",
                words("the stream is not live"),
                "Ask again when the stream has started.",
            ),
            Self::NotInTime => (
                StatusCode::SERVICE_UNAVAILABLE,
                "not_in_time",
                words("the publisher sent nothing more for long"),
                "Read the playlist anew.",
            ),
            Self::BadQuery => (
                StatusCode::BAD_REQUEST,
                "bad_query",
                words("the query asks for what can't be"),
                "Ask with _HLS_msn of at most two past the last segment, and _HLS_part only with it.",
            ),
            Self::BadQuality => (
                StatusCode::BAD_REQUEST,
                "bad_quality",
                words("there is no quality or buffer of this name"),
                "Ask for a quality of auto, source, or a name such as 720p, and a buffer of auto or none.",
            ),
            Self::WrongMethod => (
                StatusCode::METHOD_NOT_ALLOWED,
                "wrong_method",
                words("this address doesn't take that method"),
                "Publish and watch with POST.",
            ),
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                words("the key or token is missing or wrong"),
                "Send the right one as \"Authorization: Bearer …\".",
            ),
            Self::Expired => (
                StatusCode::UNAUTHORIZED,
                "token_expired",
                words("the signed token has expired"),
                "Get a new link from where this one came from.",
            ),
            Self::NotFromThere => (
                StatusCode::FORBIDDEN,
                "not_from_there",
                words("this network is not let in"),
                "Ask who runs the server to let your network in.",
            ),
            Self::RefusedByHook => (
                StatusCode::FORBIDDEN,
                "refused_by_platform",
                words("the platform does not allow it"),
                "Ask the platform why.",
            ),
            Self::HookUnreachable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "platform_unreachable",
                words("the platform that decides does not answer"),
                "Ask again later.",
            ),
            Self::Busy => {
                (StatusCode::SERVICE_UNAVAILABLE, "busy", words("too many keys are being checked"), "Ask again later.")
            }
            Self::Draining => {
                (StatusCode::SERVICE_UNAVAILABLE, "draining", words("the server is about to stop"), "Ask again later.")
            }
            Self::TooManySessions { wait } => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_sessions",
                format!("too many new sessions from this address; the next counts in {} s", wait.as_secs() + 1),
                "Wait, then try again.",
            ),
            Self::TooManyFailures { wait } => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_failures",
                format!("too many wrong keys from this address; the next try counts in {} s", wait.as_secs() + 1),
                "Check the key, then wait.",
            ),
            Self::WrongType { wanted } => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "wrong_type",
                format!("the body must be {wanted}"),
                "Set Content-Type to it.",
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                words("the body is larger than anything that is taken here"),
                "Send only what is asked for.",
            ),
            Self::BadBody => (
                StatusCode::BAD_REQUEST,
                "bad_sdp",
                words("the body is not text or did not come whole"),
                "Send an SDP.",
            ),
            Self::NoEtag => (
                StatusCode::PRECONDITION_REQUIRED,
                "no_etag",
                words("a change needs If-Match with the session's ETag"),
                "Send the ETag of the answer as If-Match, or \"*\" to restart ICE.",
            ),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "forbidden",
                words("the figures are for this machine only"),
                "Set metrics_token in the configuration and send it as a bearer token.",
            ),
            Self::KeptOut { wait } => (
                StatusCode::FORBIDDEN,
                "kept_out",
                format!("you were sent away, and may come back in {} s", wait.as_secs() + 1),
                "Ask who runs the server.",
            ),
            Self::BadRequest(what) => {
                (StatusCode::BAD_REQUEST, "bad_request", words(what), "Look it up in /api/v1/openapi.json.")
            }
            Self::Admin(problem) => problem.parts(),
            Self::Refused(refusal) => {
                let (status, code, hint) = match refusal {
                    Refusal::NotAnOffer(_) => {
                        (StatusCode::BAD_REQUEST, "bad_sdp", "Offer H.264 and Opus over one bundled transport.")
                    }
                    Refusal::NotLive => (StatusCode::CONFLICT, "not_live", "Ask again when the stream has started."),
                    Refusal::AlreadyLive => (
                        StatusCode::CONFLICT,
                        "already_live",
                        "Stop the other publisher, or set second_publisher = \"take_over\" in the configuration.",
                    ),
                    Refusal::Full => (StatusCode::SERVICE_UNAVAILABLE, "full", "Ask again later."),
                    Refusal::FullAddress => {
                        (StatusCode::TOO_MANY_REQUESTS, "too_many_viewers", "Close another player, then try again.")
                    }
                    Refusal::FullKey => {
                        (StatusCode::TOO_MANY_REQUESTS, "too_many_viewers", "Close another player, then try again.")
                    }
                    Refusal::NoSession => (StatusCode::NOT_FOUND, "no_such_session", "Open a new session."),
                    Refusal::Stale => {
                        (StatusCode::PRECONDITION_FAILED, "stale_etag", "Use the newest ETag of the session.")
                    }
                    Refusal::NoRendition => (
                        StatusCode::NOT_FOUND,
                        "no_such_rendition",
                        "Choose one of the stream's `renditions` in /api/v1/streams.",
                    ),
                    Refusal::NoRenditionRoom => (
                        StatusCode::SERVICE_UNAVAILABLE,
                        "no_rendition_room",
                        "Watch the source, or ask again later; transcoding.max_renditions says how many are made.",
                    ),
                    Refusal::RenditionFailed => (
                        StatusCode::SERVICE_UNAVAILABLE,
                        "rendition_failed",
                        "Watch the source; the server's log says why.",
                    ),
                    Refusal::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Ask again later."),
                };
                (status, code, refusal.to_string(), hint)
            }
        }
    }

    /// As a backend's WebSocket tells it.
    pub(super) fn message(&self) -> AnswererMessage {
        let (status, code, message, hint) = self.parts();
        let retry_after = self.retry_after().and_then(|seconds| u32::try_from(seconds).ok());
        // Who publishes already, and what is full or busy, may be gone a moment later.
        let is_final = retry_after.is_none() && status.is_client_error() && status != StatusCode::CONFLICT;
        AnswererMessage::Error { code: code.to_owned(), message: format!("{message}. {hint}"), is_final, retry_after }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::NoSuchStream
            | Self::NotOnAir
            | Self::NotInTime
            | Self::Refused(Refusal::NotLive | Refusal::AlreadyLive) => Some(RETRY_STREAM),
            Self::Refused(
                Refusal::Full
                | Refusal::FullAddress
                | Refusal::FullKey
                | Refusal::NoRenditionRoom
                | Refusal::RenditionFailed
                | Refusal::Stopped,
            ) => Some(RETRY_FULL),
            Self::StoreFails | Self::Busy | Self::HookUnreachable | Self::Draining => Some(RETRY_FULL),
            Self::TooManyFailures { wait } | Self::TooManySessions { wait } | Self::KeptOut { wait } => {
                Some(wait.as_secs() + 1)
            }
            _ => None,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        let (status, code, detail, hint) = self.parts();
        let body =
            json!({ "type": "about:blank", "status": status.as_u16(), "code": code, "detail": detail, "hint": hint });
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED && !matches!(self, Self::Admin(_)) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// On an answer that no other origin may read: what is behind the admin pages' cookie.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotShared;

/// On every answer: other origins may use the API (it knows no cookies, only tokens that they must have), nothing is
/// sniffed, and no address with a stream's name travels on in a Referer.
pub(super) async fn with_common_headers<B>(mut response: Response<B>) -> Response<B> {
    let shared = response.extensions().get::<NotShared>().is_none();
    let headers = response.headers_mut();
    if shared {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("Location, ETag, Link, Retry-After, Accept-Post, Accept-Patch, X-Request-Id"),
        );
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
