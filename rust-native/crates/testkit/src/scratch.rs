//! What tests leave behind and look at: a folder and a program that go with their test, and another program's output.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of its own among the system's temporary ones, gone with its test.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new, empty one; `what` is in its name, for who finds it after a crash.
    ///
    /// # Panics
    /// Where there is none to be had.
    pub fn new(what: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tidecast-{what}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where a file of that name is, or will be.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A program that is killed with its test.
#[derive(Debug)]
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a program writes, with `FILE` among its arguments for a file's name; a word of complaint fails the test.
///
/// # Panics
/// When it is missing, complains, or fails.
pub fn output_of(program: &str, arguments: &[&str], file: &Path) -> Vec<u8> {
    let arguments = arguments.iter().map(|word| if *word == "FILE" { file.as_os_str() } else { word.as_ref() });
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("the test needs {program} (npm run setup installs it): {error}"));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{program}, {}", file.display());
    assert!(output.status.success(), "{program}, {}: {}", file.display(), output.status);
    output.stdout
}
