//! What a server's status means: one table for codes and words that servers use differently. Pure.

use std::fmt;

/// Longest part of a server's own words that is kept.
const MOST_WORDS: usize = 160;

/// How a server said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    kind: Kind,
    words: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Key,
    Application,
    InUse,
    NotThere,
    Other,
}

impl Refusal {
    /// From a status' `code` and `description`; the key, should the server repeat it, is taken out.
    pub(crate) fn new(code: &str, description: &str, key: &str) -> Self {
        let mut words = if description.is_empty() { code.to_owned() } else { format!("{code}: {description}") };
        if !key.is_empty() {
            words = words.replace(key, "***");
        }
        words.retain(|c| !c.is_control());
        if let Some((end, _)) = words.char_indices().nth(MOST_WORDS) {
            words.truncate(end);
        }
        Self { kind: kind(code, description), words }
    }

    /// Stable, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self.kind {
            Kind::Key => "bad_key",
            Kind::Application => "rtmp_app_refused",
            Kind::InUse => "stream_in_use",
            Kind::NotThere => "stream_not_there",
            Kind::Other => "rtmp_refused",
        }
    }

    /// One sentence: what to do.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            Kind::Key => "Enter the stream key again; some services give a new one for each stream.",
            Kind::Application => "Check the address: its last part names the application on the server.",
            Kind::InUse => "End the other publisher of this stream, or wait until the server lets go of it.",
            Kind::NotThere => "Check the stream's name, and start it there; it comes by itself then.",
            Kind::Other => "Look at what the server says, and into its log.",
        }
    }

    /// Whether only the user can change it.
    pub fn is_final(&self) -> bool {
        matches!(self.kind, Kind::Key | Kind::Application)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server refuses the stream ({})", self.words)
    }
}

fn kind(code: &str, description: &str) -> Kind {
    let words = description.to_lowercase();
    let says = |any: &[&str]| any.iter().any(|word| words.contains(word));
    let in_use = says(&["already", "in use", "busy", "occupied", "being published"]);
    let about_key = says(&["key", "auth", "denied", "forbidden", "token", "401", "403", "permission", "not allowed"]);
    match code {
        // The specification's meaning is "in use", but most services say it for a wrong key too.
        "NetStream.Publish.BadName" if in_use => Kind::InUse,
        "NetStream.Publish.BadName" | "NetStream.Publish.Denied" | "NetStream.Publish.Unauthorized" => Kind::Key,
        "NetStream.Authenticate.Failed" | "NetConnection.Connect.Unauthorized" => Kind::Key,
        "NetConnection.Connect.InvalidApp" => Kind::Application,
        "NetStream.Play.StreamNotFound" => Kind::NotThere,
        _ if in_use => Kind::InUse,
        _ if about_key => Kind::Key,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str, description: &str) -> (&'static str, bool) {
        let refusal = Refusal::new(code, description, "");
        (refusal.code(), refusal.is_final())
    }

    #[test]
    fn a_wrong_key_is_final_and_a_busy_stream_is_not() {
        assert_eq!(of("NetStream.Publish.BadName", ""), ("bad_key", true));
        assert_eq!(of("NetStream.Publish.BadName", "Already publishing"), ("stream_in_use", false));
        assert_eq!(of("NetConnection.Connect.Rejected", "code=403 need auth"), ("bad_key", true));
        assert_eq!(of("NetConnection.Connect.Rejected", "server is full"), ("rtmp_refused", false));
        assert_eq!(of("NetConnection.Connect.InvalidApp", ""), ("rtmp_app_refused", true));
    }

    #[test]
    fn the_key_is_never_repeated_and_words_have_an_end() {
        let refusal = Refusal::new("NetStream.Publish.BadName", "no such stream: live_123\u{7}", "live_123");
        assert!(!refusal.to_string().contains("live_123") && refusal.to_string().contains("***"));
        assert!(!refusal.to_string().contains('\u{7}'));
        let long = "é".repeat(5000);
        assert!(Refusal::new("x", &long, "").to_string().chars().count() < 250);
    }
}
