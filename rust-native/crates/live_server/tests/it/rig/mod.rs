//! ffmpeg as a publisher of numbered pictures and beeps, and what a WHEP viewer got of them, read back.
#![allow(unreachable_pub)]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use testkit::scratch::Folder;
use testkit::time_pattern::{Content, Luma, Painter, Region, decode};

use live_server::LiveServer;

use crate::common::{PATIENCE, Peer, until};

pub const WIDTH: u32 = 320;
pub const HEIGHT: u32 = 180;
pub const FPS: u32 = 30;
/// A beep of 100 ms at the beginning of each second.
pub const BEEP_HZ: f64 = 1000.0;

/// Pictures with their numbers in them, 30 a second, as bare luma.
pub fn pictures(folder: &Folder, seconds: u32) -> PathBuf {
    let path = folder.file("pictures.gray");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
    let painter = Painter::new(Content::Cells, WIDTH, HEIGHT);
    let mut pixels = vec![0u32; (WIDTH * HEIGHT) as usize];
    for number in 0..u64::from(seconds * FPS) {
        painter.paint(number, &mut pixels);
        let luma: Vec<u8> = pixels
            .iter()
            .map(|pixel| {
                let [_, red, green, blue] = pixel.to_be_bytes().map(u32::from);
                ((red * 54 + green * 183 + blue * 19) / 256) as u8
            })
            .collect();
        file.write_all(&luma).expect("written");
    }
    file.flush().expect("written");
    path
}

/// A program of somebody else, ended with the test.
pub struct Program(Child);

impl Program {
    /// ffmpeg that publishes the pictures and beeps in real time; `codecs` says how, `to` where.
    pub fn publish(pictures: &Path, codecs: &str, to: &[&str]) -> Self {
        let size = format!("{WIDTH}x{HEIGHT}");
        let beeps = format!("aevalsrc=0.5*sin(2*PI*{BEEP_HZ}*t)*lt(mod(t\\,1)\\,0.1):s=44100:c=stereo");
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-re", "-f", "rawvideo", "-pix_fmt", "gray", "-s", &size, "-r", "30"]);
        command.arg("-i").arg(pictures).args(["-re", "-f", "lavfi", "-i", &beeps]);
        command.args(["-map", "0:v", "-map", "1:a", "-shortest", "-pix_fmt", "yuv420p"]);
        command.args(codecs.split_whitespace()).args(to);
        Self(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("ffmpeg"))
    }

    /// ffmpeg that shows a white picture of 100 ms and beeps, both at the beginning of each second; in real time to a
    /// server, at once into a file.
    pub fn flash(codecs: &str, live: bool, seconds: u32, to: &[&str]) -> Self {
        let size = format!("{WIDTH}x{HEIGHT}");
        let white = "drawbox=t=fill:c=white:enable='lt(mod(t+0.001\\,1)\\,0.1)'";
        let flashes = format!("color=c=black:s={size}:r={FPS}:d={seconds},{white}");
        let beeps = format!("aevalsrc=0.5*sin(2*PI*{BEEP_HZ}*t)*lt(mod(t\\,1)\\,0.1):s=44100:c=stereo:d={seconds}");
        let pace: &[&str] = if live { &["-re"] } else { &[] };
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin"]).args(pace).args(["-f", "lavfi", "-i", &flashes]);
        command.args(pace).args(["-f", "lavfi", "-i", &beeps, "-map", "0:v", "-map", "1:a", "-pix_fmt", "yuv420p"]);
        command.args(codecs.split_whitespace()).args(to);
        Self(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("ffmpeg"))
    }

    /// GStreamer that publishes an MP4 file in real time: what its muxer is, and the sink after it.
    pub fn gstreamer(file: &Path, muxer: &str, sink: &[&str]) -> Self {
        let location = format!("location={}", file.display());
        let mut command = Command::new("gst-launch-1.0");
        command.args(["-q", "filesrc", &location, "!", "qtdemux", "name=file"]);
        for (pad, parser) in [("file.video_0", "h264parse config-interval=-1"), ("file.audio_0", "aacparse")] {
            command.args([pad, "!", "queue", "!"]).args(parser.split_whitespace());
            command.args(["!", "clocksync", "!", "queue", "!", "mux."]);
        }
        command.args(muxer.split_whitespace()).args(["name=mux", "!"]).args(sink);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        Self(spawned.expect("gst-launch-1.0 (npm run setup installs it)"))
    }

    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("a child").is_none()
    }

    /// Waits for its end, and what it said then; `true`: it says it went well.
    pub fn ended(&mut self) -> (bool, String) {
        let deadline = Instant::now() + crate::common::PATIENCE;
        while self.is_running() {
            assert!(Instant::now() < deadline, "ffmpeg goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
        let status = self.0.wait().expect("a child");
        let mut said = String::new();
        self.0.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        (status.success(), said)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// x264 as OBS sets it but for the B-frames, and AAC at 44.1 kHz.
pub const NO_B: &str =
    "-c:v libx264 -preset veryfast -tune zerolatency -bf 0 -g 60 -b:v 800k -c:a aac -b:a 128k -ar 44100";
/// As OBS sets it: High profile, two B-frames, two seconds.
pub const WITH_B: &str = "-c:v libx264 -preset veryfast -profile:v high -bf 2 -x264-params b-adapt=0:rc-lookahead=10 -g 60 -b:v 800k -maxrate 800k \
                          -bufsize 800k -c:a aac -b:a 128k -ar 44100";

/// What a viewer saw and heard, on one clock.
#[derive(Debug)]
pub struct Seen {
    /// Each picture's number and when it was to be shown, seconds.
    pub pictures: Vec<(u64, f64)>,
    /// The beginnings of beeps, seconds.
    pub beeps: Vec<f64>,
    /// The beeps' amplitude in the middle.
    pub loudness: f64,
}

impl Seen {
    pub fn of(viewer: &Peer, folder: &Folder) -> Self {
        let video = Clock::of(viewer, true);
        let audio = Clock::of(viewer, false);
        let units = access_units(viewer);
        let file = folder.file("seen.h264");
        std::fs::write(&file, units.iter().flat_map(|(_, unit)| unit.clone()).collect::<Vec<u8>>()).expect("written");
        let numbers = numbers(&file);
        assert_eq!(numbers.len(), units.len(), "each access unit is a picture");
        let pictures = numbers.into_iter().zip(&units).map(|(n, (at, _))| (n, video.seconds(*at))).collect();
        let (beeps, loudness) = beeps(viewer, &audio);
        Self { pictures, beeps, loudness }
    }

    /// Every picture in order, the beeps loud, and both in step: milliseconds by which sound is late, for each beep.
    pub fn assert_in_step(&self) -> Vec<f64> {
        let gap = self.pictures.windows(2).find(|pair| pair[1].0 != pair[0].0 + 1);
        assert_eq!(gap, None, "of {} pictures", self.pictures.len());
        assert!((0.4..0.6).contains(&self.loudness), "the beeps' amplitude is {}", self.loudness);
        // Who joins gets the group so far in a hurry: its two seconds at the most are left out.
        let steady = &self.pictures[self.pictures.len() - 75..];
        let ((first, at), (last, end)) = (steady[0], steady[74]);
        let fps = (last - first) as f64 / (end - at);
        assert!((fps - f64::from(FPS)).abs() < 0.5, "{fps} pictures a second");
        // When the publisher's time was zero, by the pictures.
        let zero = end - last as f64 / f64::from(FPS);
        let late: Vec<f64> =
            self.beeps.iter().map(|beep| ((beep - zero + 0.5).rem_euclid(1.0) - 0.5) * 1000.0).collect();
        assert!(late.len() >= 2, "{:?}", self.beeps);
        assert!(late.iter().all(|late| late.abs() <= 40.0), "sound is late by {late:?} ms");
        late
    }
}

/// A track's time, from its newest sender report.
struct Clock {
    timestamp: u32,
    at: SystemTime,
    rate: f64,
}

impl Clock {
    fn of(viewer: &Peer, video: bool) -> Self {
        let report = viewer.reports.iter().rev().find(|report| report.video == video).expect("a sender report");
        Self { timestamp: report.timestamp, at: report.at, rate: if video { 90_000.0 } else { 48_000.0 } }
    }

    fn seconds(&self, timestamp: u32) -> f64 {
        let at = self.at.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs_f64();
        at + f64::from(timestamp.wrapping_sub(self.timestamp) as i32) / self.rate
    }
}

/// What was received as Annex B, by time stamps (RFC 6184); nothing may be missing.
pub fn access_units(viewer: &Peer) -> Vec<(u32, Vec<u8>)> {
    let mut units: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut packets = viewer.video();
    packets.sort_by_key(|packet| packet.sequence);
    packets.dedup_by_key(|packet| packet.sequence);
    let gap = packets.windows(2).find(|pair| pair[1].sequence != pair[0].sequence + 1);
    assert!(gap.is_none(), "a packet is missing");
    for packet in packets {
        if units.last().is_none_or(|(at, _)| *at != packet.timestamp) {
            units.push((packet.timestamp, Vec::new()));
        }
        let (_, unit) = units.last_mut().expect("one");
        let payload = packet.payload.as_slice();
        match payload[0] & 0x1f {
            24 => {
                let mut rest = &payload[1..];
                while let [high, low, tail @ ..] = rest {
                    let (nal, tail) = tail.split_at(usize::from(u16::from_be_bytes([*high, *low])));
                    unit.extend([0, 0, 0, 1]);
                    unit.extend(nal);
                    rest = tail;
                }
            }
            28 => {
                if payload[1] & 0x80 != 0 {
                    unit.extend([0, 0, 0, 1, payload[0] & 0xe0 | payload[1] & 0x1f]);
                }
                unit.extend(&payload[2..]);
            }
            _ => {
                unit.extend([0, 0, 0, 1]);
                unit.extend(payload);
            }
        }
    }
    // The last one may not be whole yet.
    units.pop();
    units
}

/// The numbers in a bare H.264 file's pictures; a word of complaint fails the test.
pub fn numbers(file: &Path) -> Vec<u64> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "h264", "-i"])
        .arg(file)
        .args(["-fps_mode", "passthrough", "-vf", "extractplanes=y", "-f", "rawvideo", "-"])
        .output()
        .expect("ffmpeg");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "ffmpeg says of what a viewer got: {said}");
    let number = |data: &[u8]| {
        let picture = Luma { data, stride: WIDTH as usize, step: 1, width: WIDTH, height: HEIGHT };
        decode(picture, Content::Cells, Region::whole(WIDTH, HEIGHT)).expect("a readable picture")
    };
    output.stdout.chunks_exact((WIDTH * HEIGHT) as usize).map(number).collect()
}

fn beeps(viewer: &Peer, clock: &Clock) -> (Vec<f64>, f64) {
    let mut packets: Vec<_> = viewer.got.iter().filter(|got| !got.video).collect();
    packets.sort_by_key(|packet| packet.sequence);
    let mut decoder = opus::Decoder::new(48_000, opus::Channels::Stereo).expect("a decoder");
    let (mut onsets, mut loudest, mut quiet) = (Vec::new(), 0.0f64, 0);
    for packet in packets {
        let mut samples = [0.0f32; 5760 * 2];
        let frames = decoder.decode_float(&packet.payload, &mut samples, false).expect("a packet");
        for (n, piece) in samples[..frames * 2].chunks_exact(48 * 2).enumerate() {
            let peak = piece.iter().fold(0.0f64, |peak, sample| peak.max(f64::from(sample.abs())));
            loudest = loudest.max(peak);
            if peak > 0.15 {
                // A second has 900 ms of silence; the first beep may be cut at its head.
                if quiet > 500 {
                    onsets.push(clock.seconds(packet.timestamp.wrapping_add(48 * n as u32)));
                }
                quiet = 0;
            } else {
                quiet += 1;
            }
        }
    }
    (onsets, loudest)
}

/// A certificate of a day or two for a name, and its key; what was there is written over.
pub fn certificate(folder: &Folder, name: &str) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.file("certificate.pem"), folder.file("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-addext", &format!("subjectAltName=DNS:{name}"), "-subj", &format!("/CN={name}"), "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

pub async fn until_live(server: &LiveServer) {
    let end = Instant::now() + PATIENCE;
    while !server.streams()[0].live {
        assert!(Instant::now() < end, "the stream is not live");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A viewer who has seen so many seconds of pictures and sound.
pub async fn watch(server: &LiveServer, seconds: usize) -> Peer {
    let mut viewer = Peer::viewer(server).await;
    until(&mut [&mut viewer], "pictures and sound", |peers| {
        let sound = peers[0].got.iter().filter(|got| !got.video).count();
        let mut pictures: Vec<u32> = peers[0].video().iter().map(|got| got.timestamp).collect();
        pictures.dedup();
        sound >= 50 * seconds && pictures.len() >= 30 * seconds && peers[0].reports.len() > 4
    });
    viewer
}
