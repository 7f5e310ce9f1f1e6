//! Five hundred low-latency readers, by sockets that only count. Long: `npm run test:long`.

use std::time::Duration;

use live_server::LiveServer;

use crate::common::*;
use crate::reader::*;
use crate::studio::*;

const READERS: usize = 500;
const WATCHED: Duration = Duration::from_secs(30);

/// CPU seconds of this process' threads whose names begin so.
fn cpu(names: &[&str]) -> f64 {
    let mut ticks = 0;
    for task in std::fs::read_dir("/proc/self/task").expect("threads").flatten() {
        let Ok(stat) = std::fs::read_to_string(task.path().join("stat")) else { continue };
        let Some((head, tail)) = stat.rsplit_once(')') else { continue };
        let name = head.split_once('(').map_or("", |(_, name)| name);
        if names.iter().any(|wanted| name.starts_with(wanted)) {
            let fields: Vec<u64> = tail.split_whitespace().filter_map(|field| field.parse().ok()).collect();
            // utime and stime, counted without the state's letter (proc(5)).
            ticks += fields[10] + fields[11];
        }
    }
    ticks as f64 / 100.0
}

fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/statm").expect("memory");
    let pages: f64 = status.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).expect("pages");
    pages * 4096.0 / 1e6
}

/// Each reader takes two sockets, and the server as many.
fn needs_files() {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("limits");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit of files");
    let soft: usize = line.split_whitespace().nth(3).and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX);
    assert!(soft >= READERS * 4 + 200, "the test needs {} open files: ulimit -n says {soft}", READERS * 4 + 200);
}

#[test]
#[ignore = "half a minute of load"]
fn five_hundred_readers_get_every_part() {
    needs_files();
    let runtime = |name: &str, workers| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.thread_name(name).worker_threads(workers).enable_all().build().expect("a runtime")
    };
    let (ours, theirs) = (runtime("server", 1), runtime("readers", 1));
    let mut config = config();
    config.streams.get_mut("live").expect("the stream").view_token = None;
    // All of them come from one address, as behind a proxy.
    config.access.trusted_proxies = vec!["127.0.0.1".to_owned().try_into().expect("a network")];
    let server = ours.block_on(LiveServer::start(config)).expect("the server starts");
    let reel = Reel::new(90, 30);
    let _publisher = theirs.block_on(Publisher::start(&server, &reel));
    let address = server.http_addr();
    let ready = theirs.block_on(async { Http::connect(address, None).await?.get("/hls/live/index.m3u8").await });
    assert_eq!(ready.expect("an answer").status, 200);
    let (before, memory) = (cpu(&["server", "live-"]), resident_mb());
    let reads = theirs.block_on(async {
        let tracks = (0..READERS).flat_map(|_| ["video", "audio"]);
        let tasks: Vec<_> = tracks.map(|track| tokio::spawn(follow(address, None, track, WATCHED))).collect();
        let mut reads = Vec::new();
        for task in tasks {
            reads.push(task.await.expect("no panic").expect("read"));
        }
        reads
    });
    let spent = cpu(&["server", "live-"]) - before;
    let requests: usize = reads.iter().map(|read| read.requests).sum();
    let bytes: usize = reads.iter().map(|read| read.bytes).sum();
    let refused: usize = reads.iter().map(|read| read.refused).sum();
    let fewest = reads.iter().map(|read| read.parts).min().unwrap_or(0);
    let mut late: Vec<f64> = reads.iter().flat_map(|read| read.late.iter().copied()).collect();
    late.sort_by(f64::total_cmp);
    let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize] * 1000.0;
    eprintln!(
        "{READERS} readers of two tracks for {} s: {requests} requests, {:.1} Mbit/s, {refused} refused, at least {fewest} \
         parts each; a part is {:.0} ms old at the median, {:.0} ms at p95, {:.0} ms at p99; the server took {spent:.1} \
         CPU-seconds ({:.1} a minute); the whole process grew by {:.0} MB",
        WATCHED.as_secs(),
        bytes as f64 * 8.0 / 1e6 / WATCHED.as_secs_f64(),
        at(0.5),
        at(0.95),
        at(0.99),
        spent * 60.0 / WATCHED.as_secs_f64(),
        resident_mb() - memory,
    );
    assert_eq!(refused, 0);
    assert!(
        fewest as f64 >= WATCHED.as_secs_f64() * 1.6,
        "two parts a second, and a little less than half a second each"
    );
    assert!(at(0.95) < 1500.0, "older than the distance that players keep: {} ms", at(0.95));
    ours.block_on(server.shutdown());
}
