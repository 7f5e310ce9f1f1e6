//! Keys that were made by the admin pages: shown once, kept as Argon2id hashes in one file, revoked one by one.
//!
//! A key carries its own name (`tc_NAME_SECRET`), so that a token is compared with one hash and not with all of them.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use media::Secret;
use serde::{Deserialize, Serialize};

use super::password::write_private;
use crate::auth::{TokenAct, check_hash, hash_key, random_hex};

/// The file is read and written whole.
const MOST: usize = 1000;
const LONGEST_LABEL: usize = 80;
const PREFIX: &str = "tc_";

/// One key, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MadeKey {
    /// Opens nothing.
    pub(crate) id: String,
    pub(crate) stream: String,
    pub(crate) act: TokenAct,
    /// Whom it was made for.
    pub(crate) label: String,
    /// Unix time, milliseconds.
    pub(crate) created_ms: u64,
    /// Unix time, milliseconds; `None` for ever.
    pub(crate) expires_ms: Option<u64>,
    /// Viewers at the same time with a key to watch; 0 for no limit.
    pub(crate) most_viewers: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    key: MadeKey,
    hash: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Whole {
    version: u32,
    keys: Vec<Kept>,
}

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    pub(crate) stream: String,
    pub(crate) act: TokenAct,
    #[serde(default)]
    pub(crate) label: String,
    /// Days from now; `None` for ever.
    #[serde(default, deserialize_with = "super::whole::optional")]
    pub(crate) days: Option<u32>,
    #[serde(default, deserialize_with = "super::whole::number")]
    pub(crate) most_viewers: u32,
}

/// Why a key isn't made or revoked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum KeyProblem {
    /// What is wrong with the wish.
    Bad(&'static str),
    /// There is no such key.
    Unknown,
    /// There are as many as there may be.
    Full,
    /// The file can't be written: the key doesn't count.
    NotKept(String),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct MadeKeys {
    file: Option<PathBuf>,
    keys: Vec<Kept>,
}

fn unix_ms(now: SystemTime) -> u64 {
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as u64
}

impl MadeKeys {
    /// Reads the file; one that is not there yet holds none. Without a file keys are kept in memory.
    pub(crate) fn load(file: Option<PathBuf>) -> Result<Self, String> {
        let Some(path) = &file else { return Ok(Self::default()) };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self { file, keys: Vec::new() }),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let whole: Whole = serde_json::from_str(&text)
            .map_err(|error| format!("{}: it is damaged in line {}", path.display(), error.line()))?;
        if whole.version != 1 {
            return Err(format!("{}: it is of a newer version", path.display()));
        }
        if let Some(kept) = whole.keys.iter().find(|kept| check_hash(&Secret::new(kept.hash.as_str())).is_err()) {
            return Err(format!("{}: the hash of key {} can't be used", path.display(), kept.key.id));
        }
        Ok(Self { file, keys: whole.keys })
    }

    /// Whether a token looks like one of these keys at all.
    pub(crate) fn looks_like_one(token: &str) -> bool {
        token.starts_with(PREFIX)
    }

    /// Whether they outlive this run.
    pub(crate) fn are_kept(&self) -> bool {
        self.file.is_some()
    }

    /// All of them, newest first.
    pub(crate) fn all(&self) -> Vec<MadeKey> {
        self.keys.iter().rev().map(|kept| kept.key.clone()).collect()
    }

    /// The key that a token claims to be, with the hash to compare it with.
    pub(crate) fn claimed(
        &self,
        token: &str,
        (stream, act): (&str, TokenAct),
        now: SystemTime,
    ) -> Option<(MadeKey, Secret)> {
        let (id, _) = token.strip_prefix(PREFIX)?.split_once('_')?;
        let now = unix_ms(now);
        self.keys
            .iter()
            .find(|kept| kept.key.id == id && kept.key.stream == stream && kept.key.act == act)
            .filter(|kept| kept.key.expires_ms.is_none_or(|end| now < end))
            .map(|kept| (kept.key.clone(), Secret::new(kept.hash.as_str())))
    }

    /// Checks a wish and makes a key of it that doesn't count yet: hashing takes a while, so it is done outside of locks.
    pub(crate) fn make(wish: Wish, now: SystemTime) -> Result<(MadeKey, Secret, String), KeyProblem> {
        let label = wish.label.trim();
        if label.chars().count() > LONGEST_LABEL || label.chars().any(char::is_control) {
            return Err(KeyProblem::Bad("the label must be one line of 80 characters at most"));
        }
        if wish.days.is_some_and(|days| !(1..=3650).contains(&days)) {
            return Err(KeyProblem::Bad("days must lie between 1 and 3650"));
        }
        let created_ms = unix_ms(now);
        let id = random_hex(4);
        let text = Secret::new(format!("{PREFIX}{id}_{}", random_hex(16)));
        let hash = hash_key(&text).map_err(KeyProblem::NotKept)?;
        let key = MadeKey {
            id,
            stream: wish.stream,
            act: wish.act,
            label: label.to_owned(),
            created_ms,
            expires_ms: wish.days.map(|days| created_ms + u64::from(days) * 86_400_000),
            most_viewers: if wish.act == TokenAct::View { wish.most_viewers } else { 0 },
        };
        Ok((key, text, hash))
    }

    /// From now on it counts.
    pub(crate) fn add(&mut self, key: MadeKey, hash: String) -> Result<(), KeyProblem> {
        if self.keys.len() >= MOST {
            return Err(KeyProblem::Full);
        }
        self.keys.push(Kept { key, hash });
        self.keep().inspect_err(|_| {
            self.keys.pop();
        })
    }

    /// From now on it doesn't. It stays revoked for this run whatever the disk says; the second result says whether it
    /// is for ever.
    pub(crate) fn revoke(&mut self, id: &str) -> Result<(MadeKey, Result<(), KeyProblem>), KeyProblem> {
        let place = self.keys.iter().position(|kept| kept.key.id == id).ok_or(KeyProblem::Unknown)?;
        let kept = self.keys.remove(place);
        Ok((kept.key, self.keep()))
    }

    fn keep(&self) -> Result<(), KeyProblem> {
        let Some(file) = &self.file else { return Ok(()) };
        let whole = Whole { version: 1, keys: self.keys.clone() };
        let text = serde_json::to_string_pretty(&whole).map_err(|error| KeyProblem::NotKept(error.to_string()))?;
        write_private(file, &text).map_err(|error| KeyProblem::NotKept(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn wish(act: TokenAct, days: Option<u32>) -> Wish {
        Wish { stream: "live".to_owned(), act, label: " A guest ".to_owned(), days, most_viewers: 0 }
    }

    #[test]
    fn a_key_is_found_by_its_name_for_its_stream_and_act_until_it_expires_or_is_revoked() {
        let mut keys = MadeKeys::default();
        let (key, text, hash) = MadeKeys::make(wish(TokenAct::Publish, Some(1)), NOW).expect("a key");
        keys.add(key.clone(), hash).expect("added");
        assert_eq!(key.label, "A guest");
        let found = |keys: &MadeKeys, token: &str, place, days: u64| {
            keys.claimed(token, place, NOW + Duration::from_secs(days * 86_400)).is_some()
        };
        let live = ("live", TokenAct::Publish);
        assert!(found(&keys, text.expose(), live, 0));
        assert!(!found(&keys, text.expose(), live, 1), "expired");
        assert!(!found(&keys, text.expose(), ("live", TokenAct::View), 0));
        assert!(!found(&keys, text.expose(), ("other", TokenAct::Publish), 0));
        for token in ["", "tc_", "tc__", "tc_00000000_x", "another-key"] {
            assert!(!found(&keys, token, live, 0), "{token}");
        }
        assert_eq!(keys.revoke("nonsense"), Err(KeyProblem::Unknown));
        assert_eq!(keys.revoke(&key.id), Ok((key, Ok(()))));
        assert!(!found(&keys, text.expose(), live, 0));
    }

    #[test]
    fn the_file_holds_hashes_only_is_for_its_owner_and_is_read_back() {
        let folder = testkit::scratch::Folder::new("keys");
        let path = folder.file("keys.json");
        let mut keys = MadeKeys::load(Some(path.clone())).expect("none yet");
        let (key, text, hash) = MadeKeys::make(wish(TokenAct::View, None), NOW).expect("a key");
        keys.add(key.clone(), hash).expect("written");
        let written = std::fs::read_to_string(&path).expect("a file");
        assert!(written.contains("$argon2id$") && !written.contains(text.expose()));
        assert!(!written.contains(text.expose().rsplit('_').next().expect("its secret part")));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        }
        let again = MadeKeys::load(Some(path.clone())).expect("read");
        assert_eq!(again.all(), [key]);
        std::fs::write(&path, "{").expect("damaged");
        assert!(MadeKeys::load(Some(path)).expect_err("damaged").contains("line 1"));
    }

    #[test]
    fn a_wish_that_makes_no_sense_is_refused() {
        let long = Wish { label: "x".repeat(81), ..wish(TokenAct::View, None) };
        let broken = Wish { label: "a\nb".to_owned(), ..wish(TokenAct::View, None) };
        for bad in [long, broken, wish(TokenAct::View, Some(0)), wish(TokenAct::View, Some(4000))] {
            assert!(matches!(MadeKeys::make(bad, NOW), Err(KeyProblem::Bad(_))));
        }
    }
}
