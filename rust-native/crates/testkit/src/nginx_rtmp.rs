//! nginx with its RTMP module: a server of somebody else's that takes streams and records each.

use std::path::PathBuf;

use crate::scratch::Folder;

/// The program.
pub const PROGRAM: &str = "/usr/sbin/nginx";

/// Writes a configuration into the folder, where the recordings will lie, too; gives the program's arguments.
///
/// Streams go to `rtmp://127.0.0.1:PORT/live/NAME`.
///
/// # Panics
/// Where the folder takes no file.
pub fn configure(folder: &Folder, port: u16) -> [String; 4] {
    let place = folder.path().display();
    // Started by root it would become somebody who may not write there.
    let root = std::fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("Uid:\t0\t"));
    let user = if root { "user root;" } else { "" };
    let text = format!(
        "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
         daemon off; master_process off; {user}
         error_log {place}/error.log; pid {place}/pid;
         events {{}}
         rtmp {{ server {{ listen 127.0.0.1:{port};
           application live {{ live on; record all; record_path {place}; record_unique on; }} }} }}"
    );
    let file = folder.file("conf");
    std::fs::write(&file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    ["-c".to_owned(), file.display().to_string(), "-p".to_owned(), place.to_string()]
}

/// What was recorded, oldest first.
///
/// # Panics
/// Where the folder is gone.
pub fn recordings(folder: &Folder) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder.path()).unwrap_or_else(|error| panic!("{}: {error}", folder.path().display()));
    let files = files.flatten().map(|entry| entry.path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "flv")).collect();
    files.sort();
    files
}
