//! Who may publish and play here: the same rules, counts and hook as over WHIP and WHEP, and the answers in words.

use std::net::IpAddr;

use media::Secret;

use super::Hall;
use super::address::{PlayWish, Wish};
use crate::http::Problem;
use crate::play::Seat;
use crate::relay::{FedOpened, FedOpening, Role, SessionId};

/// Why somebody is sent away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// As HTTP would say it.
    pub(super) status: u16,
    /// Stable, `snake_case`.
    pub(super) code: &'static str,
    /// One sentence.
    pub(super) reason: String,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        let (status, code, reason) = problem.said();
        Self { status, code, reason }
    }
}

impl Refused {
    /// No stream, or no key: who sends this has not been told how.
    pub(super) fn no_wish() -> Self {
        let reason = "the stream's name and key are missing: publish to …/STREAM with the publish key as stream key";
        Self { status: 401, code: "unauthorized", reason: reason.to_owned() }
    }
}

impl Hall {
    /// Opens a session for who may.
    pub(super) async fn admit(&self, wish: &Wish, from: IpAddr, protocol: &'static str) -> Result<FedOpened, Refused> {
        let (site, from, name) = (&self.site, from.to_canonical(), wish.stream.as_str());
        let grant = site.authorize_token(Role::Publish, name, Some(wish.key.expose()), from).await?;
        let session = SessionId::random();
        let key = site.admit(Role::Publish, name, (&session, from), grant).await?;
        let opening = FedOpening { stream: name.to_owned(), session, from, key, protocol };
        let opened =
            site.relay().open_fed(opening).await.map_err(|refusal| Refused::from(Problem::Refused(refusal)))?;
        tracing::info!(stream = name, %from, protocol, "a publisher is let in");
        Ok(opened)
    }

    /// Gives a seat to who may play.
    pub(super) async fn seat(&self, wish: &PlayWish, from: IpAddr, protocol: &'static str) -> Result<Seat, Refused> {
        let token = wish.token.as_ref().map(Secret::expose);
        Ok(self.site.seat(&wish.stream, token, from.to_canonical(), protocol).await?)
    }
}
