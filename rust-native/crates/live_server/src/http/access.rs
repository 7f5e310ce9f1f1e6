//! Who may do what on which stream: networks first, then counts, then keys and signed tokens, then the platform.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use axum::http::HeaderMap;
use media::Secret;

use super::Site;
use super::reply::Problem;
use crate::admin::{MadeKey, MadeKeys};
use crate::auth::{self, TokenAct, TokenProblem};
use crate::config::{Config, StreamSettings};
use crate::hook::{self, Event, Verdict};
use crate::relay::{KeyUse, Role, SessionId};

/// Who was let in.
#[derive(Debug, Default)]
pub(crate) struct Grant {
    /// The `sub` of a signed token.
    subject: Option<String>,
    /// The key that was made for it.
    key: Option<KeyUse>,
}

impl Site {
    /// Who asks, behind the proxies that are trusted.
    pub(super) fn asker(&self, from: IpAddr, headers: &HeaderMap) -> IpAddr {
        let forwarded: Vec<&str> =
            headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
        self.config().access.asker(from.to_canonical(), &forwarded)
    }

    /// Whether a request may act on a stream in a role: `Ok`, or the answer that says why not.
    pub(super) async fn authorize(
        &self,
        role: Role,
        name: &str,
        headers: &HeaderMap,
        from: IpAddr,
    ) -> Result<Grant, Problem> {
        self.authorize_token(role, name, auth::bearer(headers), from).await
    }

    /// The same for a token that came another way than in a request's headers.
    pub(crate) async fn authorize_token(
        &self,
        role: Role,
        name: &str,
        token: Option<&str>,
        from: IpAddr,
    ) -> Result<Grant, Problem> {
        let (config, now) = (self.config(), Instant::now());
        if !config.access.allows(role == Role::Publish, from) {
            tracing::info!(stream = name, %from, ?role, "an address that is not let in");
            return Err(Problem::NotFromThere);
        }
        if let Some(wait) = self.failures.lock().blocked(from, config.limits.failures_per_minute, now) {
            return Err(Problem::TooManyFailures { wait });
        }
        let stream = config.streams.get(name).ok_or(Problem::NoSuchStream)?;
        match self.opens(&config, stream, role, name, token).await? {
            Ok(grant) => Ok(grant),
            Err(problem) => {
                // Asking without a token is how a page finds out that it needs one, and a token that was good is no
                // guess either.
                if token.is_some() && problem == TokenProblem::Wrong {
                    self.failures.lock().count(from, now);
                    self.figures.totals.refused(role);
                    tracing::warn!(stream = name, %from, ?role, "a wrong token");
                }
                Err(match problem {
                    TokenProblem::Wrong => Problem::Unauthorized,
                    TokenProblem::Expired => Problem::Expired,
                })
            }
        }
    }

    /// Whether a token opens a stream in a role; the outer error is "not now".
    pub(super) async fn opens(
        &self,
        config: &Config,
        stream: &StreamSettings,
        role: Role,
        name: &str,
        token: Option<&str>,
    ) -> Result<Result<Grant, TokenProblem>, Problem> {
        let wanted = match role {
            Role::Publish => Some(&stream.publish_key),
            Role::View => stream.view_token.as_ref(),
        };
        if wanted.is_none() && !stream.signed_only {
            return Ok(Ok(Grant::default()));
        }
        let act = match role {
            Role::Publish => TokenAct::Publish,
            Role::View => TokenAct::View,
        };
        if let Some((key, hash)) = token.and_then(|token| self.claimed(token, name, act)) {
            let right = self.keys.matches(token, &hash).await.map_err(|auth::Busy| Problem::Busy)?;
            let key = KeyUse { id: key.id, most_viewers: key.most_viewers };
            let granted = Grant { subject: None, key: Some(key) };
            return Ok(if right { Ok(granted) } else { Err(TokenProblem::Wrong) });
        }
        let mut problem = TokenProblem::Wrong;
        if let (Some(tokens), Some(token)) = (&config.tokens, token)
            && token.matches('.').count() == 2
        {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
            match auth::verify_token(token, &tokens.secret, (name, act), now) {
                Ok(claims) => return Ok(Ok(Grant { subject: claims.sub, key: None })),
                Err(TokenProblem::Expired) => problem = TokenProblem::Expired,
                Err(TokenProblem::Wrong) => {}
            }
        }
        if problem == TokenProblem::Wrong
            && let Some(wanted) = wanted
            && self.keys.matches(token, wanted).await.map_err(|auth::Busy| Problem::Busy)?
        {
            return Ok(Ok(Grant::default()));
        }
        Ok(Err(problem))
    }

    /// The key of the admin pages' making that a token claims to be, and its hash.
    fn claimed(&self, token: &str, stream: &str, act: TokenAct) -> Option<(MadeKey, Secret)> {
        // The lock may be held while a file is written: nobody else waits for that.
        if !MadeKeys::looks_like_one(token) {
            return None;
        }
        self.admin.keys.lock().claimed(token, (stream, act), SystemTime::now())
    }

    /// What comes after the key, when a session is to be opened: the pace of the address, and the platform's word.
    pub(crate) async fn admit(
        &self,
        role: Role,
        name: &str,
        (session, from): (&SessionId, IpAddr),
        grant: Grant,
    ) -> Result<Option<KeyUse>, Problem> {
        let (config, now) = (self.config(), Instant::now());
        if self.is_draining() {
            return Err(Problem::Draining);
        }
        if let Some(wait) = self.admin.kept_out.lock().wait(name, role, from, now) {
            return Err(Problem::KeptOut { wait });
        }
        if role == Role::View {
            self.pulls.wish(name);
        }
        {
            let mut openings = self.openings.lock();
            if let Some(wait) = openings.blocked(from, config.limits.sessions_per_minute, now) {
                return Err(Problem::TooManySessions { wait });
            }
            openings.count(from, now);
        }
        let Some(settings) = &config.hook else { return Ok(grant.key) };
        let kind = hook::kind(role);
        let event =
            Event { event: kind, stream: name, kind, session: session.public(), address: from, subject: grant.subject };
        match self.hook.ask(settings, &event).await {
            Verdict::Allowed => Ok(grant.key),
            Verdict::Refused => Err(Problem::RefusedByHook),
            Verdict::Unreachable => Err(Problem::HookUnreachable),
        }
    }
}
