//! Figures for Prometheus (text format 0.0.4). Only this machine reads them, unless a token is configured.
//!
//! Every label is a name out of the configuration or a word of ours, so that viewers, sessions and recordings that come
//! and go add no series: README lists what there is.

mod more;

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::reply::Problem;
use super::{From, Site};
use crate::auth;
use crate::figures::{RenditionInfo, RenditionState, StreamInfo};

pub(super) async fn metrics(
    State(site): State<Arc<Site>>,
    ConnectInfo(from): From,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let config = site.config();
    let from = site.asker(from.ip(), &headers);
    let now = Instant::now();
    let allowed = match &config.metrics_token {
        Some(token) => {
            if let Some(wait) = site.failures.lock().blocked(from, config.limits.failures_per_minute, now) {
                return Err(Problem::TooManyFailures { wait });
            }
            auth::matches(auth::bearer(&headers), token)
        }
        // What a proxy on this machine passes on comes from elsewhere, whether it is trusted or not.
        None => from.is_loopback() && !headers.contains_key("x-forwarded-for") && !headers.contains_key("forwarded"),
    };
    if !allowed {
        if config.metrics_token.is_some() && auth::bearer(&headers).is_some() {
            site.failures.lock().count(from, now);
        }
        return Err(if config.metrics_token.is_some() { Problem::Unauthorized } else { Problem::Forbidden });
    }
    // Disks are asked how much room they have.
    let text = tokio::task::spawn_blocking(move || text(&site)).await.map_err(|_| Problem::Busy)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// Name, help, kind and how to read it.
type Gauge = (&'static str, &'static str, fn(&StreamInfo) -> Option<f64>);

const GAUGES: [Gauge; 6] = [
    ("tidecast_stream_live", "1 while media arrives", |info| Some(f64::from(u8::from(info.live)))),
    ("tidecast_stream_viewers", "Connected viewers", |info| Some(f64::from(info.viewers))),
    ("tidecast_stream_bitrate_kbps", "Payload that arrives, kbit/s", |info| Some(info.bitrate_kbps)),
    ("tidecast_stream_fps", "Pictures per second that arrive", |info| Some(info.fps)),
    ("tidecast_publisher_rtt_ms", "Round trip to the publisher, milliseconds", |info| info.publisher_rtt_ms),
    ("tidecast_publisher_loss", "Share of the publisher's packets lost, 0 to 1", |info| info.publisher_loss),
];

/// Every way to watch, as visitors' protocols are called.
const PROTOCOLS: [&str; 6] = ["whep", "hls", "http-flv", "ws-flv", "rtmp", "srt"];

/// Of each stream's readers and chunks.
fn write_files(site: &Site, streams: &[StreamInfo], out: &mut String) {
    let name = "tidecast_stream_readers";
    let _ =
        write!(out, "# HELP {name} Who watches, by protocol; of files, by address and token\n# TYPE {name} gauge\n");
    for info in streams {
        for protocol in PROTOCOLS {
            let readers = match protocol {
                "whep" => info.viewers as usize,
                "hls" => site.readers.of(&info.name) as usize,
                _ => site.seats.by(&info.name, protocol),
            };
            let _ = writeln!(out, "{name}{{stream=\"{}\",protocol=\"{protocol}\"}} {readers}", info.name);
        }
    }
    let name = "tidecast_stream_packed_bytes";
    let _ = write!(out, "# HELP {name} Bytes that are kept for HLS and DASH\n# TYPE {name} gauge\n");
    for info in streams {
        if let Some(bytes) = site.shelves.bytes(&info.name) {
            let _ = writeln!(out, "{name}{{stream=\"{}\"}} {bytes}", info.name);
        }
    }
}

/// Renditions that are being made: no more than `transcoding.max_renditions`.
fn write_renditions(streams: &[StreamInfo], out: &mut String) {
    let name = "tidecast_stream_renditions";
    let _ = write!(out, "# HELP {name} Renditions that are being made, without the source\n# TYPE {name} gauge\n");
    for info in streams {
        // The source is the first of them.
        let is_made = |rendition: &&RenditionInfo| rendition.state == RenditionState::Running && !rendition.published;
        let made = info.renditions.iter().filter(is_made);
        let _ = writeln!(out, "{name}{{stream=\"{}\"}} {}", info.name, made.count());
    }
}

fn text(site: &Site) -> String {
    let mut out = String::new();
    let streams = site.figures.all();
    for (name, help, read) in GAUGES {
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for info in &streams {
            // Stream names are letters, digits, '-' and '_': nothing to escape.
            if let Some(value) = read(info) {
                let _ = writeln!(out, "{name}{{stream=\"{}\"}} {value}", info.name);
            }
        }
    }
    write_files(site, &streams, &mut out);
    write_renditions(&streams, &mut out);
    more::write(site, &mut out);
    let totals = &site.figures.totals;
    for (name, help, counter) in [
        ("tidecast_packets_in_total", "Media packets received", &totals.packets_in),
        ("tidecast_bytes_in_total", "Media payload bytes received", &totals.bytes_in),
        ("tidecast_packets_out_total", "Datagrams sent", &totals.packets_out),
        ("tidecast_bytes_out_total", "Datagram bytes sent", &totals.bytes_out),
        ("tidecast_send_drops_total", "Datagrams the send buffer had no room for", &totals.send_drops),
        ("tidecast_stray_datagrams_total", "Datagrams of no session", &totals.strays),
        ("tidecast_keyframe_requests_total", "Keyframes asked of publishers", &totals.keyframe_requests),
        ("tidecast_publishers_accepted_total", "Publishing sessions opened", &totals.publishers_accepted),
        ("tidecast_viewers_accepted_total", "Viewing sessions opened", &totals.viewers_accepted),
        ("tidecast_publishers_refused_total", "Wrong keys of publishers", &totals.publishers_refused),
        ("tidecast_viewers_refused_total", "Wrong tokens of viewers", &totals.viewers_refused),
    ] {
        let value = counter.load(Ordering::Relaxed);
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}\n");
    }
    out
}
