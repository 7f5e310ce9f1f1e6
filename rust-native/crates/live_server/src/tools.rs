//! What the program does besides serving: hash a key for the configuration, sign a token that expires.
//!
//! Keys come by standard input, never as arguments: those every user of the machine can read.

use std::io::{BufRead, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Subcommand, ValueEnum};
use live_server::{Config, TokenAct};
use media::Secret;

/// Something else than to serve.
#[derive(Debug, Subcommand)]
pub(crate) enum Tool {
    /// Reads a key from standard input and writes its hash, for publish_key or view_token
    HashKey,
    /// Reads the password of the admin pages from standard input and keeps its hash; --config holds [admin] folder
    SetAdminPassword,
    /// Writes a signed token that opens a stream until it expires; --config holds [tokens] secret
    SignToken {
        /// The stream's name
        #[arg(long)]
        stream: String,
        /// What it allows
        #[arg(long, value_enum, default_value_t = Act::View)]
        act: Act,
        /// How long it is good
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=525_600))]
        minutes: u32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Act {
    View,
    Publish,
}

pub(crate) fn run(tool: &Tool, config: Option<&Path>) -> ExitCode {
    let made = match tool {
        Tool::SetAdminPassword => set_password(config),
        Tool::HashKey => read_key("key").and_then(|key| live_server::hash_key(&key)),
        Tool::SignToken { stream, act, minutes } => sign(stream, *act, *minutes, config),
    };
    match made {
        Ok(text) => {
            super::say(&text);
            ExitCode::SUCCESS
        }
        Err(reason) => {
            super::say_error(&reason);
            ExitCode::from(2)
        }
    }
}

fn set_password(config: Option<&Path>) -> Result<String, String> {
    let path = config.ok_or("set-admin-password needs --config FILE before it, with [admin] folder in the file")?;
    let admin = read(path)?.admin.ok_or_else(|| format!("{}: there is no [admin]", path.display()))?;
    if admin.password.is_some() {
        return Err(format!("{}: admin.password stands in the file, and that one counts", path.display()));
    }
    let folder = admin.folder.ok_or_else(|| format!("{}: there is no [admin] folder", path.display()))?;
    live_server::set_admin_password(&folder, &read_key("password")?)?;
    Ok("The password is set. Who was signed in is signed out.".to_owned())
}

fn read(path: &Path) -> Result<Config, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Config::from_toml(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Without an echo where somebody types it would need the terminal's modes: a terminal's own history holds no input of
/// programs, and who looks over a shoulder sees the keyboard as well.
fn read_key(what: &str) -> Result<Secret, String> {
    if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        let _ = write!(std::io::stderr(), "{what}: ");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|error| format!("the {what} can't be read: {error}"))?;
    let key = Secret::new(line.trim_end_matches(['\r', '\n']));
    if key.expose().len() < 8 {
        return Err(format!("the {what} must have 8 characters at least"));
    }
    Ok(key)
}

fn sign(stream: &str, act: Act, minutes: u32, config: Option<&Path>) -> Result<String, String> {
    let path = config.ok_or("sign-token needs --config FILE before it, with [tokens] secret in the file")?;
    let config = read(path)?;
    let tokens = config.tokens.ok_or_else(|| format!("{}: there is no [tokens] secret", path.display()))?;
    if !config.streams.contains_key(stream) {
        return Err(format!("{}: there is no stream {stream:?}", path.display()));
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(|_| "the clock is before 1970")?;
    let act = match act {
        Act::View => TokenAct::View,
        Act::Publish => TokenAct::Publish,
    };
    let lifetime = Duration::from_secs(u64::from(minutes) * 60);
    live_server::sign_token(&tokens.secret, stream, act, lifetime, now).map_err(|error| error.to_string())
}
