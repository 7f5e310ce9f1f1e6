//! A session on a WHIP server, from the POST with the offer to the DELETE at its end.

use media::Secret;
use reqwest::Method;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_MATCH, LINK};
use url::Url;

use super::http::{Call, Party, location, text};
use super::link::{LinkedIceServer, ice_servers};
use super::{WhipError, fragment};

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// A session on the server.
#[derive(Debug, Clone)]
pub struct WhipSession {
    /// The SDP answer; after an ICE restart with the new session's credentials and candidates.
    pub answer: String,
    /// STUN and TURN servers that the server offers.
    pub ice_servers: Vec<LinkedIceServer>,
    /// The session's own address. Unguessable, so it is not to be logged.
    pub resource: Url,
    /// Of the ICE session, as it came, where the server supports restarts (RFC 9725, section 4.3.1).
    pub etag: Option<String>,
    party: Party,
}

/// Offers a stream. The key goes to the host of `url` only, whatever redirects say.
///
/// # Errors
/// [`WhipError`].
pub async fn publish(url: &Url, key: Option<&Secret>, offer: &str) -> Result<WhipSession, WhipError> {
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(WhipError::BadUrl);
    }
    let party = Party { endpoint: url.clone(), key: key.cloned() };
    let call = Call { method: Method::POST, headers: &[(CONTENT_TYPE, SDP), (ACCEPT, SDP)], body: offer };
    let (response, from) = party.ask(url, call).await?;
    if response.status() != StatusCode::CREATED {
        return Err(party.refusal(&response, &from));
    }
    let headers = response.headers().clone();
    let answer = text(response, SDP).await?;
    if !answer.starts_with("v=0") {
        return Err(WhipError::NotSdp("it does not begin with v=0".into()));
    }
    let resource =
        location(&headers, &from).ok_or_else(|| WhipError::NotWhip("201 without the session's address".into()))?;
    let text = |value: &reqwest::header::HeaderValue| value.to_str().ok().map(str::to_owned);
    let links: Vec<String> = headers.get_all(LINK).iter().filter_map(text).collect();
    Ok(WhipSession {
        answer,
        ice_servers: ice_servers(links.iter().map(String::as_str)),
        resource,
        etag: headers.get(ETAG).and_then(text),
        party,
    })
}

impl WhipSession {
    /// Whether the server said that it knows ICE restarts.
    pub fn can_restart(&self) -> bool {
        self.etag.is_some()
    }

    /// Tells further candidates (`candidate:…`) of the ICE session that `offer` began (RFC 9725, section 4.3.2);
    /// `complete` says that there are no more. `false` from a server that takes none: it is not to be asked again.
    ///
    /// # Errors
    /// [`WhipError`], where the server could not be asked.
    pub async fn trickle(&self, offer: &str, candidates: &[String], complete: bool) -> Result<bool, WhipError> {
        let Some(body) = fragment::of_candidates(offer, candidates, complete) else { return Ok(false) };
        let mut headers = vec![(CONTENT_TYPE, FRAGMENT)];
        headers.extend(self.etag.as_deref().map(|etag| (IF_MATCH, etag)));
        let call = Call { method: Method::PATCH, headers: &headers, body: &body };
        let (response, from) = self.party.ask(&self.resource, call).await?;
        match response.status() {
            status if status.is_success() => Ok(true),
            // Of an ICE session that a restart has ended meanwhile: these candidates are of no use any more.
            StatusCode::PRECONDITION_FAILED => Ok(true),
            _ => match self.party.refusal(&response, &from) {
                error if error.is_passing() => Err(error),
                error => {
                    tracing::debug!(%error, "the server takes no further candidates");
                    Ok(false)
                }
            },
        }
    }

    /// Restarts ICE by the offer's credentials and candidates (RFC 9725, section 4.3.3): [`Self::answer`] and the
    /// tag are those of the new ICE session then.
    ///
    /// # Errors
    /// [`WhipError`]. One that [is passing](WhipError::is_passing) left the session as it was, so that this can be
    /// tried again; after any other one only a new session helps.
    pub async fn restart(&mut self, offer: &str) -> Result<(), WhipError> {
        let body = fragment::of_offer(offer)
            .ok_or_else(|| WhipError::NotSdp("the offer of the restart has no ICE credentials".into()))?;
        // RFC 9110, section 13.1.1, has the star without quotes, RFC 9725's example within: servers exist that
        // compare with the one or the other.
        for star in ["*", "\"*\""] {
            let headers = [(CONTENT_TYPE, FRAGMENT), (ACCEPT, FRAGMENT), (IF_MATCH, star)];
            let call = Call { method: Method::PATCH, headers: &headers, body: &body };
            let (response, from) = self.party.ask(&self.resource, call).await?;
            match response.status() {
                StatusCode::OK => {
                    let etag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
                    let fragment = text(response, FRAGMENT).await?;
                    self.answer = fragment::applied(&self.answer, &fragment)
                        .ok_or_else(|| WhipError::NotSdp("the restart is answered without ICE credentials".into()))?;
                    // Without a new one the next restart is not tried: it would have to be a new session's.
                    self.etag = etag;
                    return Ok(());
                }
                StatusCode::PRECONDITION_FAILED if star == "*" => {}
                _ => return Err(self.party.refusal(&response, &from)),
            }
        }
        Err(WhipError::NotWhip("it refuses an ICE restart (HTTP 412)".into()))
    }

    /// Ends the session on the server.
    ///
    /// # Errors
    /// [`WhipError`]; the server finds out by itself then, some seconds later.
    pub async fn delete(self) -> Result<(), WhipError> {
        let call = Call { method: Method::DELETE, headers: &[], body: "" };
        let (response, from) = self.party.ask(&self.resource, call).await?;
        match response.status() {
            // Already gone is as good.
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(self.party.refusal(&response, &from)),
        }
    }
}
