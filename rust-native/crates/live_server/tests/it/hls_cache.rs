//! nginx in front, as any CDN: what the server is asked does not grow with who watches.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use live_server::LiveServer;
use testkit::scratch::Folder;

use crate::common::*;
use crate::reader::*;
use crate::studio::*;

/// nginx that caches what its origin says may be cached, and nothing else of its own.
struct Cache {
    child: Child,
    address: SocketAddr,
    folder: Folder,
}

impl Cache {
    fn start(origin: SocketAddr) -> Self {
        let folder = Folder::new("live");
        let address = SocketAddr::from(([127, 0, 0, 1], testkit::port::free()));
        let at = folder.file("");
        let at = at.display();
        let configuration = format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log; events {{ worker_connections 2048; }}
             http {{
               proxy_cache_path {at}/cache keys_zone=live:10m; proxy_temp_path {at}/temp; client_body_temp_path {at}/body;
               fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;
               log_format asked '$upstream_cache_status $request_uri'; access_log {at}/asked.log asked;
               server {{
                 listen {address}; keepalive_requests 100000;
                 location / {{
                   proxy_pass http://{origin}; proxy_http_version 1.1; proxy_set_header Connection '';
                   proxy_cache live; proxy_cache_key $request_uri; proxy_cache_lock on; proxy_cache_lock_timeout 20s;
                   proxy_cache_lock_age 20s;
                 }}
               }}
             }}"
        );
        std::fs::write(folder.file("nginx.conf"), configuration).expect("written");
        let child = Command::new("nginx")
            .arg("-p")
            .arg(folder.file(""))
            .arg("-c")
            .arg(folder.file("nginx.conf"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("the test needs nginx (npm run setup installs it): {error}"));
        let this = Self { child, address, folder };
        let begun = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < PATIENCE, "nginx does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        this
    }

    /// Requests so far, and those that went on to the server.
    fn counts(&self) -> (usize, usize) {
        let log = std::fs::read_to_string(self.folder.file("asked.log")).unwrap_or_default();
        (log.lines().count(), log.lines().filter(|line| !line.starts_with("HIT ")).count())
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Requests that went on to the server while so many watched, and what they read.
async fn watched_by(cache: &Cache, readers: usize) -> (usize, usize, Vec<Read>) {
    let before = cache.counts();
    let tracks = (0..readers).flat_map(|_| ["video", "audio"]);
    let watching: Vec<_> =
        tracks.map(|track| tokio::spawn(follow(cache.address, None, track, Duration::from_secs(8)))).collect();
    let mut read = Vec::new();
    for each in watching {
        read.push(each.await.expect("no panic").expect("read"));
    }
    let after = cache.counts();
    (after.0 - before.0, after.1 - before.1, read)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_is_asked_does_not_grow_with_the_viewers() {
    let mut config = config();
    config.streams.get_mut("live").expect("the stream").view_token = None;
    let (server, reel) = (LiveServer::start(config).await.expect("the server starts"), Reel::new(90, 30));
    let _publisher = Publisher::start(&server, &reel).await;
    let cache = Cache::start(server.http_addr());
    let mut http = Http::connect(cache.address, None).await.expect("connected");
    let first = http.get("/hls/live/index.m3u8").await.expect("a playlist");
    assert_eq!((first.status, first.cache.as_str()), (200, "public, max-age=1"));
    let (asked_by_one, passed_by_one, _) = watched_by(&cache, 1).await;
    let (asked, passed, read) = watched_by(&cache, 40).await;
    eprintln!("one viewer: {passed_by_one} of {asked_by_one} requests reach the server; forty: {passed} of {asked}");
    assert!(read.iter().all(|read| read.parts >= 5 && read.refused == 0), "everyone gets the stream: {read:?}");
    assert!(asked > 10 * asked_by_one, "forty ask more");
    // A second request for each part, where two readers ask at the same moment; forty viewers would be forty times one.
    assert!(passed < 3 * passed_by_one, "the server answers {passed} requests, {passed_by_one} for a single viewer");
    server.shutdown().await;
}
