//! nginx with its RTMP module: takes streams and records each.

use std::path::PathBuf;

use super::{Folder, Peer, is_root, listening};

pub(crate) struct Nginx {
    pub(crate) port: u16,
    pub(crate) folder: Folder,
    pub(crate) peer: Peer,
}

impl Nginx {
    pub(crate) async fn start(port: u16) -> Self {
        let folder = Folder::new();
        let place = folder.file("");
        let place = place.to_str().expect("UTF-8").trim_end_matches('/');
        let user = if std::fs::metadata("/root").is_ok_and(|_| is_root()) { "user root;" } else { "" };
        let conf = format!(
            "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
             daemon off; master_process off; {user}
             error_log {place}/error.log; pid {place}/pid;
             events {{}}
             rtmp {{ server {{ listen 127.0.0.1:{port};
               application live {{ live on; record all; record_path {place}; record_unique on; }} }} }}"
        );
        std::fs::write(folder.file("conf"), conf).expect("written");
        let conf = folder.file("conf");
        let peer = Peer::start("/usr/sbin/nginx", &["-c", conf.to_str().expect("UTF-8"), "-p", place]);
        listening(port).await;
        Self { port, folder, peer }
    }

    /// What was recorded, oldest first.
    pub(crate) fn recordings(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.folder.file("")).expect("a folder").flatten().map(|entry| entry.path());
        let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "flv")).collect();
        files.sort();
        files
    }
}
