//! Which rendition a WHEP viewer gets, while it watches: the "Video Layer Selection extension" of draft-murillo-whep, a
//! resource of its own that the session's answer links to. `encodingId` is `source`, a rendition's name, or `auto`. What
//! there is can be read here, too; the draft has that by server-sent events, which are not served.

use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::Problem;
use super::{From, Site, sessions};
use crate::figures::RenditionState;
use crate::ladder::Quality;
use crate::relay::{Buffer, LayerState, Role, SessionId, Wish};

/// The extension's name in a `Link` header.
pub(super) const RELATION: &str = "urn:ietf:params:whep:ext:core:layer";
const JSON: &str = "application/json";
/// A wish has some fifty bytes.
const LARGEST: usize = 1024;

/// What a player wishes. The draft's other members (`mediaId`, layers within one encoding) say nothing here: there is
/// one picture, and H.264 without layers.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(rename = "encodingId")]
    encoding: String,
    /// Ours: what the player is to hold pictures back for.
    buffer: Option<Buffer>,
}

/// What there is, and what the viewer gets.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path((stream, session)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    site.authorize(Role::View, &stream, &headers, site.asker(from.ip(), &headers)).await?;
    let layers = site.relay.layer((stream, SessionId(session)), None).await.map_err(Problem::Refused)?;
    Ok(Json(shown(&layers)))
}

/// Another rendition from its next keyframe on.
pub(super) async fn choose(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    Path((stream, session)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, body) = request.into_parts();
    site.authorize(Role::View, &stream, &parts.headers, site.asker(from.ip(), &parts.headers)).await?;
    let text = sessions::text(&parts.headers, body, JSON, LARGEST).await?;
    let Asked { encoding, buffer } =
        serde_json::from_str(&text).map_err(|_| Problem::BadRequest("the body is not {\"encodingId\": \"…\"}"))?;
    let wish = Wish { quality: Quality::named(&encoding).ok_or(Problem::BadQuality)?, buffer };
    let layers = site.relay.layer((stream, SessionId(session)), Some(wish)).await.map_err(Problem::Refused)?;
    Ok(Json(shown(&layers)))
}

/// For browsers of other origins.
pub(super) async fn preflight() -> Response {
    sessions::allowed("OPTIONS, GET, POST")
}

fn shown(state: &LayerState) -> Value {
    let layers = state.renditions.iter().map(|rendition| {
        json!({
            "encodingId": rendition.name,
            "width": rendition.width,
            "height": rendition.height,
            "bitrate": (rendition.bitrate_kbps * 1000.0) as u64,
            "available": rendition.state != RenditionState::Unavailable,
        })
    });
    json!({
        "wanted": state.quality.to_string(),
        "encodingId": state.current.to_string(),
        "buffer": state.buffer,
        "layers": layers.collect::<Vec<_>>(),
    })
}
