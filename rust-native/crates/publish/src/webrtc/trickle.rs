//! Candidates that are found after the offer: gathered up, and told one request after the other.

use std::future::{Future, pending};
use std::pin::Pin;

use signaling::{WhipError, WhipSession};

type Telling = Pin<Box<dyn Future<Output = Result<bool, WhipError>> + Send>>;

/// More is no machine.
const MOST: usize = 64;

/// What waits to be told to a WHIP server.
#[derive(Default)]
pub(super) struct Trickle {
    waiting: Vec<String>,
    complete: bool,
    telling: Option<Telling>,
    refused: bool,
}

impl Trickle {
    /// Takes the JSON of an `RTCIceCandidateInit`, or `null` for "no more".
    pub(super) fn add(&mut self, json: &str) {
        match candidate(json) {
            Some(candidate) if self.waiting.len() < MOST => self.waiting.push(candidate),
            Some(_) => {}
            None => self.complete = true,
        }
    }

    /// Begins to tell what waits, unless something is being told.
    pub(super) fn begin(&mut self, session: &WhipSession, offer: &str) {
        if self.telling.is_some() || self.refused || self.waiting.is_empty() && !self.complete {
            return;
        }
        let (session, offer) = (session.clone(), offer.to_owned());
        let (waiting, complete) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.complete));
        self.telling = Some(Box::pin(async move { session.trickle(&offer, &waiting, complete).await }));
    }

    /// Resolves when what was begun is told. May be cancelled and called again.
    pub(super) async fn told(&mut self) {
        let Some(telling) = &mut self.telling else { return pending().await };
        let told = telling.await;
        self.telling = None;
        match told {
            Ok(takes_more) => self.refused = !takes_more,
            // Lost candidates are no reason to end what may connect without them.
            Err(error) => tracing::info!(%error, "candidates could not be told"),
        }
    }

    /// Another ICE session begins: what is known of the old one is of no use.
    pub(super) fn forget(&mut self) {
        *self = Self { refused: self.refused, ..Self::default() };
    }
}

/// The candidate line in the JSON of an `RTCIceCandidateInit`; `None` for the end of candidates.
fn candidate(json: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    value.get("candidate")?.as_str().filter(|line| !line.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_taken_out_of_its_wrapping() {
        assert_eq!(candidate(r#"{"candidate":"candidate:1 x","sdpMid":null}"#), Some("candidate:1 x".to_owned()));
        assert_eq!(candidate("null"), None);
        assert_eq!(candidate(r#"{"candidate":""}"#), None);
    }

    #[test]
    fn a_list_without_an_end_is_cut() {
        let mut trickle = Trickle::default();
        for _ in 0..1000 {
            trickle.add(r#"{"candidate":"candidate:1 x"}"#);
        }
        assert_eq!(trickle.waiting.len(), MOST);
    }
}
