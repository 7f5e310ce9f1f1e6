//! A real file system that is small: a tmpfs in a mount namespace of the test's own.

use std::path::Path;
use std::process::Command;

use crate::scratch::Folder;

/// Set in the child process that has mounts of its own.
const INSIDE: &str = "TIDECAST_TEST_DISK";

/// Runs `body` on a disk of that many KiB, in a mount namespace that ends with it; as root or, by a user namespace, as
/// anybody. `test` is the whole name of the test that calls this: it is run once more, inside.
///
/// # Panics
/// Where the system allows neither, with what it said; and when the test fails.
pub fn on_a_small_disk(test: &str, kib: u32, body: impl FnOnce(&Path)) {
    if let Ok(disk) = std::env::var(INSIDE) {
        mount(&["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs", &disk]);
        return body(Path::new(&disk));
    }
    let folder = Folder::new("small-disk");
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let root = status.contains("Uid:\t0\t");
    let whose: &[&str] = if root { &["--mount"] } else { &["--user", "--map-root-user", "--mount"] };
    let program = std::env::current_exe().unwrap_or_else(|error| panic!("this program's name: {error}"));
    let output = Command::new("unshare")
        .args(whose)
        .arg(program)
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, folder.path())
        .output()
        .unwrap_or_else(|error| panic!("the test needs unshare (util-linux): {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Mounts something, inside.
///
/// # Panics
/// When it can't be.
pub fn mount(arguments: &[&str]) {
    let output = Command::new("mount").args(arguments).output().unwrap_or_else(|error| panic!("mount: {error}"));
    assert!(output.status.success(), "mount {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
