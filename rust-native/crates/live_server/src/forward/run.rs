//! Starts forwards when their stream comes and ends them when it is over.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use media::{Bitrate, FrameRate};
use parking_lot::Mutex;
use publish::{Destination, PublishStatus};
use tokio::sync::watch;

use super::{Entry, Forwards, Running};
use crate::chunks::Shelf;
use crate::config::USUAL_RATE;
use crate::figures::StreamInfo;
use crate::http::Site;

/// Between two looks at which streams are live; the figures are as old.
const LOOK: Duration = Duration::from_millis(500);

/// Works until the server stops; then every target is told goodbye.
pub(crate) async fn run(site: Arc<Site>, mut stop: watch::Receiver<bool>) {
    let forwards = site.forwards().clone();
    while !*stop.borrow() {
        if forwards.configure(&site.config()) {
            let forwards = forwards.clone();
            tokio::task::spawn_blocking(move || forwards.write_again());
        }
        let over = step(&site, &forwards);
        for destination in over {
            tokio::spawn(destination.stop());
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = forwards.0.changed.notified() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
    let last: Vec<_> = forwards.0.entries.lock().values_mut().filter_map(|entry| entry.running.take()).collect();
    futures_util::future::join_all(last.into_iter().map(|running| running.destination.stop())).await;
}

/// Starts what should run, and gives out what should no longer.
fn step(site: &Site, forwards: &Forwards) -> Vec<Destination> {
    let mut over = Vec::new();
    let now = Instant::now();
    for ((stream, name), entry) in forwards.0.entries.lock().iter_mut() {
        let health = entry.running.as_ref().and_then(|running| running.destination.health());
        entry.tally.see(health.map(|health| health.sent_bytes), now);
        let shelf = site.shelf(stream);
        let stale = match (&shelf, &entry.running) {
            (None, running) => running.is_some(),
            (Some(shelf), Some(running)) => !shelf.units().is_same(&running.units),
            (Some(_), None) => false,
        };
        if stale && let Some(running) = entry.running.take() {
            tracing::info!(stream, name, "a forward ends with its stream");
            over.push(running.destination);
        }
        if let Some(shelf) = shelf
            && entry.running.is_none()
            && let Some(info) = site.stream_info(stream)
        {
            entry.running = start((stream, name), entry, shelf, &info);
        }
    }
    over
}

fn start((stream, name): (&str, &str), entry: &Entry, shelf: Arc<Shelf>, info: &StreamInfo) -> Option<Running> {
    // What the stream has now and half as much again; a stream that has just begun has no figures yet.
    let kbps = if info.bitrate_kbps > 0.0 { info.bitrate_kbps * 1.5 } else { 6000.0 };
    let bitrate = Bitrate::from_kbps(kbps.clamp(500.0, 50_000.0) as u32);
    let rate = FrameRate::new(info.fps.round().clamp(1.0, 240.0) as u32).unwrap_or(USUAL_RATE);
    let target = entry.settings.target(bitrate, rate)?;
    let status = Arc::new(Mutex::new(PublishStatus::Connecting));
    let (seen, of) = (status.clone(), format!("{stream}/{name}"));
    let reconnects = entry.reconnects.clone();
    let told = move |status: PublishStatus| {
        match &status {
            PublishStatus::Reconnecting { code, message, .. } => {
                reconnects.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(forward = of, code, message, "a forward is interrupted");
            }
            PublishStatus::Failed { code, message, .. } => {
                tracing::error!(forward = of, code, message, "a forward has failed");
            }
            PublishStatus::Live { resumed } => tracing::info!(forward = of, resumed, "a forward is live"),
            _ => {}
        }
        *seen.lock() = status;
    };
    let units = shelf.units();
    // A forward that outlives its stream's packager must not keep it.
    let weak = Arc::downgrade(&shelf);
    let wish = move || {
        if let Some(shelf) = weak.upgrade() {
            shelf.wish_keyframe();
        }
    };
    let destination = Destination::start(target, units.clone(), Arc::new(wish), told);
    Some(Running { destination, status, units })
}
