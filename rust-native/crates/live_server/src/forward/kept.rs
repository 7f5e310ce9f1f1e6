//! Forwards that the API has added, in one file: they are there again after a restart.
//!
//! Unlike keys that are made here, which are only compared, a target's key must be spoken: it stands in the file as it is,
//! and the file is for the server's user alone (0600). It is written whole beside its place and moved there.

use std::path::{Path, PathBuf};

use media::Secret;
use serde::{Deserialize, Serialize};

use crate::admin::write_private;
use crate::config::{Config, ForwardSettings};

#[derive(Debug, Serialize, Deserialize)]
struct Whole {
    version: u32,
    forwards: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    stream: String,
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    passphrase: Option<String>,
    latency_ms: u64,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// What a configuration's file holds.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(super) file: Option<PathBuf>,
    pub(super) forwards: Vec<(String, ForwardSettings)>,
}

impl Kept {
    /// Reads the file that a configuration names; one that is not there yet holds none.
    ///
    /// # Errors
    /// Why it can't be used; never a word of a target's key.
    pub(crate) fn load(config: &Config) -> Result<Self, String> {
        let file = config.admin.as_ref().and_then(|admin| admin.forwards_file());
        let Some(path) = &file else { return Ok(Self::default()) };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { file, forwards: Vec::new() });
            }
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let whole: Whole = serde_json::from_str(&text)
            .map_err(|error| format!("{}: it is damaged in line {}", path.display(), error.line()))?;
        if whole.version != 1 {
            return Err(format!("{}: it is of a newer version", path.display()));
        }
        let forwards = whole.forwards.into_iter().map(|entry| {
            let Entry { name, stream, url, key, passphrase, latency_ms } = entry;
            let (key, passphrase) = (key.map(Secret::new), passphrase.map(Secret::new));
            let settings = ForwardSettings { stream, url: Secret::new(url), key, passphrase, latency_ms };
            settings.check(&name).map_err(|what| format!("{}: {what}", path.display()))?;
            Ok((name, settings))
        });
        Ok(Self { forwards: forwards.collect::<Result<_, String>>()?, file })
    }
}

/// Writes all that there are now.
pub(super) fn write<'a>(
    file: &Path,
    forwards: impl Iterator<Item = (&'a str, &'a ForwardSettings)>,
) -> Result<(), String> {
    let spoken = |secret: &Secret| secret.expose().to_owned();
    let entry = |(name, settings): (&str, &ForwardSettings)| Entry {
        name: name.to_owned(),
        stream: settings.stream.clone(),
        url: spoken(&settings.url),
        key: settings.key.as_ref().map(spoken),
        passphrase: settings.passphrase.as_ref().map(spoken),
        latency_ms: settings.latency_ms,
    };
    let whole = Whole { version: 1, forwards: forwards.map(entry).collect() };
    let text = serde_json::to_string_pretty(&whole).map_err(|error| error.to_string())?;
    write_private(file, &text).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folder: &Path) -> Config {
        let folder = folder.display();
        let text = format!("[admin]\nfolder = \"{folder}\"\n[streams.live]\npublish_key = \"12345678\"\n");
        Config::from_toml(&text).expect("a good configuration")
    }

    fn forward(url: &str) -> ForwardSettings {
        let (key, passphrase) = (Some(Secret::new("stream-key")), Some(Secret::new("ten-characters")));
        ForwardSettings { stream: "live".to_owned(), url: Secret::new(url), key, passphrase, latency_ms: 300 }
    }

    #[test]
    fn what_is_written_is_read_back_and_is_for_its_owner_alone() {
        let folder = testkit::scratch::Folder::new("forwards-kept");
        let config = config(folder.path());
        let none = Kept::load(&config).expect("none yet");
        assert!(none.forwards.is_empty());
        let file = none.file.expect("a place for it");
        let settings = forward("srt://host:9000");
        write(&file, [("one", &settings)].into_iter()).expect("written");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(Kept::load(&config).expect("read").forwards, [("one".to_owned(), settings)]);
    }

    #[test]
    fn a_damaged_file_is_refused_without_a_word_of_what_is_in_it() {
        let folder = testkit::scratch::Folder::new("forwards-damaged");
        let config = config(folder.path());
        let file = folder.file("forwards.json");
        let entry = |url: &str| {
            format!(
                "{{\"version\":1,\"forwards\":[{{\"name\":\"a\",\"stream\":\"live\",\"url\":\"{url}\",\"latency_ms\":250}}]}}"
            )
        };
        for text in ["{\"hunter2\"".to_owned(), entry("ftp://hunter2"), entry("srt://a").replace(":1,", ":2,")] {
            std::fs::write(&file, &text).expect("written");
            let refused = Kept::load(&config).expect_err(&text);
            assert!(refused.contains("forwards.json") && !refused.contains("hunter2"), "{refused}");
        }
        let read = std::fs::write(&file, entry("srt://a")).map(|()| Kept::load(&config));
        assert_eq!(read.expect("written").expect("read").forwards.len(), 1);
    }
}
