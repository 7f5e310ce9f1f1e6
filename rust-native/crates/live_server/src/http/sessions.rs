//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): POST opens a session, PATCH feeds or restarts its ICE, DELETE ends it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::bodies::SLOWEST_BODY;
use super::reply::Problem;
use super::{From, Site, layers};
use crate::config::IceServer;
use crate::ladder::Quality;
use crate::relay::{Buffer, Opening, Patched, Role, SessionId, Wish};

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// A browser's offer with every codec has 10 KB.
const LARGEST_BODY: usize = 64 << 10;

pub(super) async fn publish(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path(stream): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    open(&site, (Role::Publish, Wish::default()), stream, from.ip(), request).await
}

pub(super) async fn view(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path(stream): Path<String>,
    asked: Result<Query<Ask>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Query(Ask { quality, buffer }) = asked.map_err(|_| Problem::BadQuality)?;
    let quality = quality.map_or(Ok(Quality::Auto), |name| Quality::named(&name).ok_or(Problem::BadQuality))?;
    let wish = Wish { quality, buffer };
    open(&site, (Role::View, wish), stream, from.ip(), request).await
}

/// What a viewer may ask for with its offer.
#[derive(Debug, Deserialize)]
pub(super) struct Ask {
    quality: Option<String>,
    buffer: Option<Buffer>,
}

async fn open(
    site: &Site,
    (role, wish): (Role, Wish),
    stream: String,
    from: IpAddr,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let from = site.asker(from, &parts.headers);
    let grant = site.authorize(role, &stream, &parts.headers, from).await?;
    let offer = text(&parts.headers, body, SDP, LARGEST_BODY).await?;
    let session = SessionId::random();
    let key = site.admit(role, &stream, (&session, from), grant).await?;
    let opening = Opening { role, stream: stream.clone(), session, from, key, offer, wish };
    let opened = site.relay.open(opening).await.map_err(Problem::Refused)?;
    let location = format!("/{}/{stream}/{}", protocol(role), opened.session);
    let mut response = (StatusCode::CREATED, opened.answer).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SDP));
    headers.insert(header::ETAG, etag(&opened.etag)?);
    headers.insert(header::LOCATION, HeaderValue::from_str(&location).map_err(|_| Problem::BadBody)?);
    headers.insert("Accept-Patch", HeaderValue::from_static(FRAGMENT));
    if role == Role::View {
        let link = format!("<{location}/layer>; rel=\"{}\"", layers::RELATION);
        headers.append(header::LINK, HeaderValue::from_str(&link).map_err(|_| Problem::BadBody)?);
    }
    // RFC 9725 §4.6: who may open a session may use the servers, nobody else learns of them.
    for link in site.config().rtc.ice_servers.iter().flat_map(IceServer::links) {
        let mut value = HeaderValue::from_str(&link).map_err(|_| Problem::BadBody)?;
        value.set_sensitive(true);
        headers.append(header::LINK, value);
    }
    Ok(response)
}

pub(super) async fn patch_publisher(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path((stream, session)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    patch(&site, (Role::Publish, stream, SessionId(session)), from.ip(), request).await
}

pub(super) async fn patch_viewer(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path((stream, session)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    patch(&site, (Role::View, stream, SessionId(session)), from.ip(), request).await
}

async fn patch(
    site: &Site,
    session: (Role, String, SessionId),
    from: IpAddr,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    site.authorize(session.0, &session.1, &parts.headers, site.asker(from, &parts.headers)).await?;
    let fragment = text(&parts.headers, body, FRAGMENT, LARGEST_BODY).await?;
    let if_match = parts.headers.get(header::IF_MATCH).ok_or(Problem::NoEtag)?;
    let if_match = if_match.to_str().map_err(|_| Problem::NoEtag)?.trim().to_owned();
    // `"*"` in quotes is seen in the wild for the restart.
    let if_match = if if_match == "\"*\"" { "*".to_owned() } else { if_match };
    match site.relay.patch(session, if_match, fragment).await.map_err(Problem::Refused)? {
        Patched::Trickled => Ok(StatusCode::NO_CONTENT.into_response()),
        Patched::Restarted { etag: tag, fragment, .. } => {
            let mut response = (StatusCode::OK, fragment).into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(FRAGMENT));
            response.headers_mut().insert(header::ETAG, etag(&tag)?);
            Ok(response)
        }
    }
}

pub(super) async fn delete_publisher(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path((stream, session)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    delete(&site, (Role::Publish, stream, SessionId(session)), from.ip(), &headers).await
}

pub(super) async fn delete_viewer(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path((stream, session)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    delete(&site, (Role::View, stream, SessionId(session)), from.ip(), &headers).await
}

async fn delete(
    site: &Site,
    session: (Role, String, SessionId),
    from: IpAddr,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    site.authorize(session.0, &session.1, headers, site.asker(from, headers)).await?;
    site.relay.close(session).await.map_err(Problem::Refused)?;
    Ok(StatusCode::OK.into_response())
}

/// What may be sent to an endpoint, for browsers and for clients that look first.
pub(super) async fn preflight() -> Response {
    let mut response = allowed("OPTIONS, POST");
    response.headers_mut().insert("Accept-Post", HeaderValue::from_static(SDP));
    response
}

/// What may be sent to a session.
pub(super) async fn preflight_session() -> Response {
    let mut response = allowed("OPTIONS, PATCH, DELETE");
    response.headers_mut().insert("Accept-Patch", HeaderValue::from_static(FRAGMENT));
    response
}

pub(super) fn allowed(methods: &'static str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(methods));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Authorization, Content-Type, If-Match"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

/// The body, if it has the type and a sane size.
pub(super) async fn text(
    headers: &HeaderMap,
    body: Body,
    wanted: &'static str,
    largest: usize,
) -> Result<String, Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(wanted) {
        return Err(Problem::WrongType { wanted });
    }
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > largest) {
        return Err(Problem::TooLarge);
    }
    let body = tokio::time::timeout(SLOWEST_BODY, axum::body::to_bytes(body, largest));
    let bytes = body.await.map_err(|_| Problem::BadBody)?.map_err(|_| Problem::TooLarge)?;
    String::from_utf8(bytes.into()).map_err(|_| Problem::BadBody)
}

fn etag(tag: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(&format!("\"{tag}\"")).map_err(|_| Problem::BadBody)
}

fn protocol(role: Role) -> &'static str {
    match role {
        Role::Publish => "whip",
        Role::View => "whep",
    }
}
