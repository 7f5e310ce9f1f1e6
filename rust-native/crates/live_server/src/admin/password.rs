//! The admin password at rest: a file with its Argon2id hash, which nobody else on the machine may read.

use std::io::Write;
use std::path::Path;

use media::Secret;

use crate::auth;
use crate::config::{AdminSettings, SHORTEST_PASSWORD};

/// Writes the hash of a password into the folder of `[admin]`. It counts at once; who was signed in is signed out.
///
/// # Errors
/// What is wrong with the password, or why the file can't be written.
pub fn set_admin_password(folder: &Path, password: &Secret) -> Result<(), String> {
    if password.expose().chars().count() < SHORTEST_PASSWORD {
        return Err(format!("the password must have {SHORTEST_PASSWORD} characters at least"));
    }
    let hash = auth::hash_key(password)?;
    let file = AdminSettings::password_file(folder);
    write_private(&file, &format!("{hash}\n")).map_err(|error| format!("{}: {error}", file.display()))
}

/// The password that counts, or its hash: the configuration's, else the folder's. `None`: none has been set.
///
/// # Errors
/// Why the file can't be used.
pub(crate) fn stored(settings: &AdminSettings) -> Result<Option<Secret>, String> {
    if let Some(password) = &settings.password {
        return Ok(Some(password.clone()));
    }
    let Some(folder) = &settings.folder else { return Ok(None) };
    let text = match std::fs::read_to_string(AdminSettings::password_file(folder)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("the password's file can't be read: {error}")),
    };
    let hash = Secret::new(text.trim());
    auth::check_hash(&hash).map_err(|what| format!("the password's file {what}"))?;
    Ok(Some(hash))
}

/// Writes a file that only this user can read: beside its place, then moved there whole.
pub(crate) fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let part = file.with_extension("part");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    private(&mut options);
    let mut out = options.open(&part)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    std::fs::rename(part, file)
}

#[cfg(unix)]
fn private(options: &mut std::fs::OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

/// The folder's own rights count there.
#[cfg(not(unix))]
fn private(_options: &mut std::fs::OpenOptions) {}
