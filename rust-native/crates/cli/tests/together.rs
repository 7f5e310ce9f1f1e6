//! Four destinations and a recording at once: the encoder encodes each picture once, and all of them get that very one.

#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use testkit::scratch::{Folder, Running};

const PATIENCE: Duration = Duration::from_secs(60);
/// Seconds in which all were sent something.
const SECONDS: usize = 4;

/// What came in datagrams until it was told to stop.
struct Datagrams {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Vec<u8>>>,
}

impl Datagrams {
    /// Beside the port so many above it are held, so that nobody is told that they are closed.
    fn take(above: u16) -> Self {
        let row = |first: u16| -> Option<Vec<UdpSocket>> {
            (first..=first + above).map(|port| UdpSocket::bind(("127.0.0.1", port)).ok()).collect()
        };
        let from = 20_000 + (std::process::id() % 4000) as u16 * 6;
        let mut sockets = (0..2000).find_map(|n| row(from + n * 4)).expect("free ports");
        let socket = sockets.swap_remove(0);
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket");
        let port = socket.local_addr().expect("an address").port();
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                let (mut all, mut packet) = (Vec::new(), [0; 2048]);
                while !stop.load(Ordering::Relaxed) {
                    if let Ok(length) = socket.recv(&mut packet) {
                        all.push(packet[..length].to_vec());
                    }
                }
                drop(sockets);
                all
            })
        };
        Self { port, stop, thread }
    }

    fn finish(self) -> Vec<Vec<u8>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a receiver")
    }
}

/// H.264 out of RTP, as RFC 6184 joins it: whole units and fragments.
fn annex_b(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = Vec::new();
    for packet in packets {
        let payload = &packet[12..];
        match payload[0] & 31 {
            28 => {
                if payload[1] & 0x80 != 0 {
                    stream.extend_from_slice(&[0, 0, 0, 1, (payload[0] & 0xe0) | (payload[1] & 31)]);
                }
                stream.extend_from_slice(&payload[2..]);
            }
            _ => {
                stream.extend_from_slice(&[0, 0, 0, 1]);
                stream.extend_from_slice(payload);
            }
        }
    }
    stream
}

/// The sum of each decoded picture, in order.
fn pictures(file: &Path) -> Vec<String> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        .args(["-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .output()
        .expect("the test needs ffmpeg (npm run setup installs it)");
    let text = String::from_utf8(output.stdout).expect("text");
    let sums = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit(',').next());
    sums.map(|sum| sum.trim().to_owned()).collect()
}

fn ffmpeg_listens(port: u16, file: &Path) -> Running {
    let url = format!("rtmp://127.0.0.1:{port}/live/name");
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y", "-listen", "1", "-i", &url, "-map", "0:v", "-c", "copy"]);
    Running(command.arg(file).spawn().expect("the test needs ffmpeg (npm run setup installs it)"))
}

#[test]
fn the_encoder_runs_once_for_four_destinations_and_a_recording() {
    let folder = Folder::new("cli-together");
    let file = |name: &str| folder.file(name);

    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let tcp_port = listener.local_addr().expect("an address").port();
    let tcp_file = file("tcp.ts");
    let tcp = std::thread::spawn({
        let mut file = std::fs::File::create(&tcp_file).expect("a file");
        move || {
            let (mut stream, _) = listener.accept()?;
            std::io::copy(&mut stream, &mut file)
        }
    });
    let (udp, rtp) = (Datagrams::take(0), Datagrams::take(3));
    let rtmp_port = testkit::port::free();
    let mut rtmp = ffmpeg_listens(rtmp_port, &file("rtmp.mkv"));

    let mut command = Command::new(env!("CARGO_BIN_EXE_tidecast"));
    command
        .args(["stream", "--source", "pattern:bars", "--size", "320x180", "--fps", "30", "--kbps", "600"])
        .args(["--stats", "json", "--record"])
        .arg(file("recording.mkv"))
        .args(["--to", &format!("rtmp://127.0.0.1:{rtmp_port}/live/name")])
        .args(["--to", &format!("tcp://127.0.0.1:{tcp_port}"), "--to", &format!("udp://127.0.0.1:{}", udp.port)])
        .args(["--to", &format!("rtp://127.0.0.1:{}", rtp.port)])
        .stdout(Stdio::piped());
    let mut running = Running(command.spawn().expect("tidecast"));
    let lines = BufReader::new(running.0.stdout.take().expect("piped")).lines();
    let (sender, events) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()).for_each(|event| {
            let _ = sender.send(event);
        });
    });

    let (mut encoded, mut seconds) = (0.0, 0);
    while seconds < SECONDS {
        let event: serde_json::Value = events.recv_timeout(PATIENCE).expect("figures each second");
        if event["type"] != "stats" {
            continue;
        }
        encoded += event["fps_encoded"].as_f64().expect("a number");
        let destinations = event["destinations"].as_array().expect("a list");
        let flows = |each: &serde_json::Value| each["sent_kbps"].as_f64().is_some_and(|kbps| kbps > 1.0);
        seconds += usize::from(destinations.len() == 4 && destinations.iter().all(flows));
    }
    let ended = Command::new("kill").args(["-INT", &running.0.id().to_string()]).status().expect("kill");
    assert!(ended.success());
    assert!(running.0.wait().expect("its end").success());
    reader.join().expect("a reader");
    for event in events.try_iter().filter(|event| event["type"] == "stats") {
        encoded += event["fps_encoded"].as_f64().expect("a number");
    }
    assert!(rtmp.0.wait().expect("its end").success());
    tcp.join().expect("a receiver").expect("a connection");
    std::fs::write(file("udp.ts"), udp.finish().concat()).expect("written");
    std::fs::write(file("rtp.h264"), annex_b(&rtp.finish())).expect("written");

    let recorded = pictures(&file("recording.mkv"));
    assert!(recorded.len() > SECONDS * 10, "{} pictures are recorded", recorded.len());
    // A figure is of a whole second; what came before the first and after the last is not in any.
    let once = recorded.len() as f64 + 60.0;
    assert!(encoded < once, "{encoded} pictures were encoded, {} recorded", recorded.len());
    for (name, torn) in [("rtmp.mkv", 0), ("tcp.ts", 1), ("udp.ts", 1), ("rtp.h264", 0)] {
        let received = pictures(&file(name));
        // MPEG-TS does not say where its last picture ends.
        let whole = &received[..received.len().saturating_sub(torn)];
        assert!(whole.len() > SECONDS * 10, "{name}: {} pictures", received.len());
        let same = recorded.windows(whole.len()).any(|part| part == whole);
        assert!(same, "{name}: its {} pictures are the recording's, one after the other", whole.len());
    }
}
