//! HLS and DASH as ffmpeg reads them.
#![allow(unreachable_pub)]

use std::path::Path;
use std::time::Duration;

use live_server::LiveServer;

use crate::common::{TOKEN, url};
use crate::studio::{Played, play};

pub const MULTI: &str = "/hls/live/index.m3u8";

/// What ffmpeg copies of an address in so many seconds of media.
pub async fn record(server: &LiveServer, path: &str, seconds: u32, file: &Path) -> Played {
    record_as_is(server, path, seconds, file).await;
    let file = file.to_owned();
    tokio::task::spawn_blocking(move || play(&file)).await.expect("it is read")
}

/// The same, not looked at: every track of every rendition.
pub async fn record_as_is(server: &LiveServer, path: &str, seconds: u32, file: &Path) {
    record_of(server, path, &["0"], seconds, file).await;
}

/// The same of some of its streams, as ffmpeg names them.
pub async fn record_of(server: &LiveServer, path: &str, streams: &[&str], seconds: u32, file: &Path) {
    let (address, file) = (url(server, path), file.to_owned());
    let headers = format!("Authorization: Bearer {TOKEN}\r\n");
    let seconds = seconds.to_string();
    let mut command = tokio::process::Command::new("ffmpeg");
    command.args(["-v", "error", "-headers", &headers, "-i", &address, "-t", &seconds, "-c", "copy", "-y"]);
    command.args(streams.iter().flat_map(|stream| ["-map", stream]));
    let output = command.arg(&file).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(60), output).await.expect("it ends").expect("ffmpeg runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Flashes and beeps each second, and together.
pub fn right(played: &Played, seconds: f64) {
    // The reading begins at a keyframe: what is there then may have lost its beginning.
    let begun = |list: &[f64]| list.iter().copied().filter(|at| *at > 0.5).collect::<Vec<_>>();
    let played = Played { flashes: begun(&played.flashes), beeps: begun(&played.beeps), ..*played };
    assert!(played.flashes.len() as f64 >= seconds - 2.0, "{played:?}");
    for list in [&played.flashes, &played.beeps] {
        assert!(list.windows(2).all(|pair| (pair[1] - pair[0] - 1.0).abs() < 0.02), "one each second: {played:?}");
    }
    let apart = played.apart();
    assert!(apart.len() as f64 >= seconds - 2.0, "{played:?}");
    assert!(apart.iter().all(|apart| apart.abs() <= 0.040), "sound and picture are in step: {apart:?}");
    eprintln!("apart: {apart:.4?}, {} pictures", played.pictures);
}

/// Flashes and beeps of a whole recording: so many at least, and together, whatever lies between.
pub fn in_step(played: &Played, least: usize) {
    let apart = played.apart();
    eprintln!("{} pictures, {} beeps apart by {apart:.4?}", played.pictures, played.beeps.len());
    assert!(apart.len() >= least, "{played:?}");
    assert!(apart.iter().all(|apart| apart.abs() <= 0.040), "sound and picture are in step: {apart:?}");
}
