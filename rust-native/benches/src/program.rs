//! How the bench's programs speak and end.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

/// Prints a line at once: somebody waits for it.
///
/// # Errors
/// Where nobody reads any more.
pub fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Says in words on stderr what went wrong.
pub fn complain(program: &str, error: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{program}: {error}");
}

/// How `main` ends; what went wrong is said.
pub fn end(program: &str, outcome: Result<(), Box<dyn Error>>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(program, error);
            ExitCode::FAILURE
        }
    }
}
