//! nginx with its RTMP module, running.

use std::path::PathBuf;

use super::{Peer, listening};
use testkit::nginx_rtmp::{PROGRAM, configure, recordings};
use testkit::scratch::Folder;

pub(crate) struct Nginx {
    pub(crate) port: u16,
    pub(crate) folder: Folder,
    pub(crate) peer: Peer,
}

impl Nginx {
    pub(crate) async fn start(port: u16) -> Self {
        let folder = Folder::new("publish");
        let arguments = configure(&folder, port);
        let peer = Peer::start(PROGRAM, &arguments.each_ref().map(String::as_str));
        listening(port).await;
        Self { port, folder, peer }
    }

    /// What was recorded, oldest first.
    pub(crate) fn recordings(&self) -> Vec<PathBuf> {
        recordings(&self.folder)
    }
}
