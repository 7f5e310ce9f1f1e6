//! What lets the desktop share a screen or window again without asking its user: one token for each source, good once.
//!
//! Kept in a file of the user's own (`$XDG_STATE_HOME/tidecast/grants.json`), which nobody else can read: a token in
//! wrong hands lets them look at the screen. A file that can't be read costs a question, nothing more.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use control_api::{Command, Problem};
use media::Secret;

/// Where they are kept.
#[derive(Debug, Clone)]
pub(crate) struct Grants {
    /// `None` where the system names no place for such files.
    file: Option<PathBuf>,
}

impl Grants {
    /// Of this user.
    pub(crate) fn of_user() -> Self {
        // Relative paths are to be ignored (XDG Base Directory Specification).
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = folder("XDG_STATE_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/state")));
        Self { file: state.map(|state| state.join("tidecast").join("grants.json")) }
    }

    /// What the engine is told before it is given a source.
    pub(crate) fn commands(&self) -> Vec<Command> {
        let told = |(source_id, token): (String, String)| Command::RememberSource {
            source_id,
            token: Some(Secret::new(token)),
        };
        self.file.as_deref().map(read).unwrap_or_default().into_iter().map(told).collect()
    }

    /// The desktop asks anew.
    ///
    /// # Errors
    /// `grant_not_kept`: the file can't be removed.
    pub(crate) fn forget(&self) -> Result<(), Problem> {
        match self.file.as_deref().map(std::fs::remove_file) {
            Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => Err(not_kept(&error)),
            _ => Ok(()),
        }
    }

    /// In place of the one that was used up.
    ///
    /// # Errors
    /// `grant_not_kept`.
    pub(crate) fn keep(&self, source_id: &str, token: &Secret) -> Result<(), Problem> {
        let Some(file) = &self.file else { return Err(not_kept("HOME is not set")) };
        // Read again: another one that runs may have written meanwhile.
        let mut all = read(file);
        all.insert(source_id.to_owned(), token.expose().to_owned());
        write(file, &all).map_err(|error| not_kept(&error))
    }
}

fn read(file: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Whole or not at all, and never open to others, not even for a moment.
fn write(file: &Path, all: &BTreeMap<String, String>) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let temporary = file.with_extension(format!("{}.tmp", std::process::id()));
    let _ = std::fs::remove_file(&temporary);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut handle = options.open(&temporary)?;
    let written = handle.write_all(serde_json::to_string(all)?.as_bytes()).and_then(|()| handle.sync_all());
    let moved = written.and_then(|()| std::fs::rename(&temporary, file));
    if moved.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    moved
}

fn not_kept(why: impl std::fmt::Display) -> Problem {
    Problem {
        code: "grant_not_kept".to_owned(),
        message: format!("What the desktop allowed could not be remembered: {why}."),
        hint: "The desktop asks again next time; check the folder that XDG_STATE_HOME names.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(grants: &Grants) -> Vec<(String, String)> {
        let told = |command| match command {
            Command::RememberSource { source_id, token: Some(token) } => (source_id, token.expose().to_owned()),
            other => panic!("{other:?}"),
        };
        grants.commands().into_iter().map(told).collect()
    }

    #[test]
    fn a_damaged_file_is_none_and_a_folder_in_its_place_is_told() {
        let folder = std::env::temp_dir().join(format!("tidecast-grants-{}", std::process::id()));
        let file = folder.join("deep/grants.json");
        let grants = Grants { file: Some(file.clone()) };
        assert!(told(&grants).is_empty());
        grants.forget().expect("nothing to forget");
        grants.keep("wayland:portal", &Secret::new("one")).expect("kept");
        grants.keep("wayland:portal:left", &Secret::new("two")).expect("kept");
        grants.keep("wayland:portal", &Secret::new("three")).expect("kept");
        let pair = |id: &str, token: &str| (id.to_owned(), token.to_owned());
        assert_eq!(told(&grants), [pair("wayland:portal", "three"), pair("wayland:portal:left", "two")]);
        std::fs::write(&file, "{\"wayland:portal\": 7").expect("written");
        assert!(told(&grants).is_empty());
        grants.forget().expect("forgotten");
        assert!(!file.exists());
        std::fs::create_dir_all(file.join("in the way")).expect("a folder");
        let refused = grants.keep("wayland:portal", &Secret::new("four")).expect_err("no file");
        assert_eq!(refused.code, "grant_not_kept");
        let left: Vec<_> = std::fs::read_dir(folder.join("deep")).expect("a folder").flatten().collect();
        assert_eq!(left.len(), 1, "no half file stays: {left:?}");
        std::fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(Grants { file: None }.keep("a", &Secret::new("b")).expect_err("no place").code, "grant_not_kept");
    }
}
