//! What to do about a path that is gone: a pure policy, with the time passed in.

use std::time::Duration;

/// For so long an ICE restart is tried: servers keep a silent session for ten seconds or a little longer, and what
/// comes after that is told by a 404 anyway. A network that is gone for longer gets a new session.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two tries while nobody can be reached: a server or a network that is back is found within this.
const AGAIN: Duration = Duration::from_secs(1);
/// From the answer to a restart until something is heard over the new path: checks take a round trip or two, a report
/// follows within a second. What is not proven by then costs less by a new session than by waiting.
pub(super) const PROOF: Duration = Duration::from_secs(2);

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// An ICE restart, after this pause.
    Restart(Duration),
    /// This session is over.
    NewSession,
}

/// How the last try to restart ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    /// None yet.
    Nothing,
    /// Nobody was reached, or the server was too busy: the session there is as it was.
    NotReached,
    /// The server refuses, or does not know the session any more.
    Refused,
    /// It was answered, and still nothing came through.
    Unproven,
}

/// Decides for a path that has been gone for `down`.
pub(super) fn step(can_restart: bool, tried: Tried, down: Duration) -> Step {
    match tried {
        _ if !can_restart || down >= PATIENCE => Step::NewSession,
        Tried::Nothing => Step::Restart(Duration::ZERO),
        Tried::NotReached => Step::Restart(AGAIN),
        // A server that can't be reached by media, though its HTTP answers: a new session finds out why.
        Tried::Refused | Tried::Unproven => Step::NewSession,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(2);

    #[test]
    fn a_restart_comes_first_and_at_once() {
        assert_eq!(step(true, Tried::Nothing, Duration::ZERO), Step::Restart(Duration::ZERO));
    }

    #[test]
    fn a_new_session_follows_where_a_restart_can_not_help() {
        assert_eq!(step(false, Tried::Nothing, Duration::ZERO), Step::NewSession);
        assert_eq!(step(true, Tried::Refused, SHORT), Step::NewSession);
        assert_eq!(step(true, Tried::Unproven, SHORT), Step::NewSession);
    }

    #[test]
    fn a_network_that_is_away_for_a_moment_is_waited_for() {
        assert_eq!(step(true, Tried::NotReached, SHORT), Step::Restart(AGAIN));
        assert_eq!(step(true, Tried::NotReached, PATIENCE), Step::NewSession);
    }
}
