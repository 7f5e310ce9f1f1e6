//! `tidecast stream --simulcast` to Janus as an SFU and to our own server: viewers there ask for each encoding, and get the
//! same picture in its size.

#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use live_server::{Config, LiveServer};
use media::Secret;
use testkit::scratch::Folder;

const KEY: &str = "publish-key-for-tests";
/// Far above what anything here takes, on a machine that builds something else besides.
const PATIENCE: Duration = Duration::from_secs(60);
const SIZES: [(usize, usize); 3] = [(320, 180), (640, 360), (1280, 720)];
/// Pictures are compared by the means of so many columns; the way through 4:2:0, x264 and the scaler moves them a little.
const COLUMNS: usize = 16;
const TOLERANCE: f64 = 8.0;

/// A child that ends with its owner, and what it prints.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a program");
        let output = child.stdout.take().expect("its output");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// What follows those words on the first line that begins with them.
    fn said(&self, beginning: &str) -> String {
        let mut heard = Vec::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {beginning:?} in {heard:?}"));
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.trim().to_owned();
            }
            heard.push(line);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The mean brightness of each column of a picture.
fn columns(luma: &[u8], (width, height): (usize, usize)) -> Vec<f64> {
    assert_eq!(luma.len(), width * height);
    let mut sums = [0.0; COLUMNS];
    for row in luma.chunks_exact(width) {
        for (sum, part) in sums.iter_mut().zip(row.chunks_exact(width / COLUMNS)) {
            *sum += part.iter().map(|sample| f64::from(*sample)).sum::<f64>();
        }
    }
    sums.iter().map(|sum| sum / (height * width / COLUMNS) as f64).collect()
}

#[test]
fn an_sfu_takes_three_encodings_and_gives_each_viewer_the_one_it_asks_for() {
    let folder = Folder::new("cli-simulcast");
    let rig: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "testkit", "rigs", "sfu_bridge.py"].iter().collect();
    let sizes = SIZES.map(|(width, height)| format!("{width}x{height}"));
    let sfu = Running::start(
        Command::new("/usr/bin/python3").arg(rig).arg(folder.path()).args(["--layers", &sizes.join(",")]),
    );
    let port = sfu.said("listening ");
    let stream = publish(&folder, &format!("whip:http://127.0.0.1:{port}/whip/live"));
    let mut shown = Vec::new();
    for (layer, size) in SIZES.into_iter().enumerate() {
        assert_eq!(sfu.said(&format!("layer {layer} ")), sizes[layer]);
        shown.push(columns(&std::fs::read(folder.file(&format!("layer-{layer}.gray"))).expect("a picture"), size));
    }
    assert_eq!(sfu.said("layer 0 "), sizes[0], "and down again");
    same_picture(&shown);

    until_three_encodings(&stream);
    end(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_server_takes_three_encodings_and_gives_each_viewer_the_one_it_asks_for() {
    let folder = Folder::new("cli-simulcast");
    let anywhere = "127.0.0.1:0".parse().expect("an address");
    let mut config = Config::with_stream(anywhere, "live", Secret::new(KEY), None);
    // aiortc has no candidate on loopback: the server's must be one that it can reach.
    config.rtc.address = Some(outside());
    let server = LiveServer::start(config).await.expect("the server");
    let place = server.http_addr();
    let stream = publish(&folder, &format!("whip:http://{place}/whip/live"));
    until_three_encodings(&stream);
    let begun = Instant::now();
    // The source and the two below it.
    while server.streams()[0].renditions.len() < 3 {
        assert!(begun.elapsed() < PATIENCE, "{:?}", server.streams());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut shown = Vec::new();
    for ((width, height), quality) in SIZES.into_iter().zip(["180p", "360p", "source"]) {
        let own = Folder::new(quality);
        let watch = format!("http://{place}/whep/live?quality={quality}");
        let rig: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "testkit", "rigs", "whip_receiver.py"].iter().collect();
        let viewer =
            Running::start(Command::new("/usr/bin/python3").arg(rig).arg(own.path()).args(["--watch", &watch]));
        let (size, picture) = (format!("{width}x{height}"), width * height);
        // The newest picture is of the size that is said beside it.
        let newest = |own: &Folder| {
            let said = std::fs::read_to_string(own.file("1.size")).ok()?;
            let bytes = std::fs::read(own.file("1.gray")).ok()?;
            (said == size && bytes.len() >= 10 * picture).then(|| bytes[bytes.len() - picture..].to_vec())
        };
        let asked = Instant::now();
        let luma = loop {
            if let Some(luma) = newest(&own) {
                break luma;
            }
            assert!(
                asked.elapsed() < PATIENCE,
                "{size} by {quality}: {:?}",
                std::fs::read_to_string(own.file("1.size"))
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        drop(viewer);
        shown.push(columns(&luma, (width, height)));
    }
    same_picture(&shown);
    end(stream);
    server.shutdown().await;
}

/// The address of this machine by which others reach it: no packet is sent for it.
fn outside() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.connect("192.0.2.1:9").expect("a way out");
    socket.local_addr().expect("an address").ip()
}

/// The program, sending a scene in three sizes.
fn publish(folder: &Folder, to: &str) -> Running {
    Running::start(
        Command::new(env!("CARGO_BIN_EXE_tidecast"))
            .env("TIDECAST_KEY", KEY)
            .args(["stream", "--scene"])
            .arg(scene(folder))
            .args(["--size", "1280x720", "--fps", "15", "--kbps", "1500", "--stats", "json", "--simulcast", "--to"])
            .arg(to),
    )
}

fn same_picture(shown: &[Vec<f64>]) {
    for other in &shown[1..] {
        let far = shown[0].iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(far <= TOLERANCE, "the same picture in other sizes: {shown:?}");
    }
    let spread = shown[0].iter().copied().fold(f64::MIN, f64::max) - shown[0].iter().copied().fold(f64::MAX, f64::min);
    assert!(spread > 60.0, "a picture with something on it: {shown:?}");
}

fn until_three_encodings(stream: &Running) {
    let three = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        event["destinations"][0]["encodings"] == 3
    };
    while !three(&stream.lines.recv_timeout(PATIENCE).expect("figures that tell of three encodings")) {}
}

fn end(mut stream: Running) {
    let pid = stream.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().is_ok_and(|status| status.success()));
    assert!(stream.child.wait().expect("an end").success(), "it was live, and ended as it was asked to");
}

/// Dark at the left, bright at the right.
fn scene(folder: &Folder) -> PathBuf {
    let item = |n: u32, colour: &str| {
        serde_json::json!({ "id": n.to_string(), "source": format!("color:{colour}ff"), "x": 320 * n, "y": 0,
            "width": 320, "height": 720, "fit": "stretch" })
    };
    let scene = serde_json::json!({ "name": "Steps", "canvas": { "width": 1280, "height": 720 },
        "items": [item(0, "202020"), item(1, "606060"), item(2, "a0a0a0"), item(3, "e0e0e0")] });
    let file = folder.file("steps.json");
    let text = serde_json::json!({ "format": "tidecast-scenes", "version": 1, "scenes": [scene] });
    std::fs::write(&file, text.to_string()).expect("a file");
    file
}
