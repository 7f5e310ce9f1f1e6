//! An RTP receiver of a few lines: packets, sender reports, and what is in them on the reports' one clock (RFC 3550
//! section 6.4.1, RFC 6184, RFC 7587).

use std::io::Write;
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What came of one track, in its order.
#[derive(Debug, Default)]
struct Received {
    packets: Vec<Vec<u8>>,
    reports: Vec<Vec<u8>>,
}

/// Each picture's time, in seconds of the reports' clock, and mean luma.
pub(crate) type Pictures = Vec<(f64, f64)>;
/// The first sample's time, in seconds of the reports' clock, and the left channel at 48 kHz.
pub(crate) type Sound = (f64, Vec<f32>);

pub(crate) struct Receiver {
    /// Of the description; the reports' are one higher each.
    pub(crate) port: u16,
    stop: Arc<AtomicBool>,
    counts: [Arc<AtomicUsize>; 4],
    threads: Vec<JoinHandle<Vec<Vec<u8>>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let (port, sockets) = (0..1000)
            .find_map(|attempt| {
                let port = 20_000 + ((std::process::id() as usize * 7 + attempt * 4) % 30_000 / 4 * 4) as u16;
                let all: Result<Vec<_>, _> =
                    (port..port + 4).map(|port| UdpSocket::bind(("127.0.0.1", port))).collect();
                Some((port, all.ok()?))
            })
            .expect("four free ports");
        let stop = Arc::new(AtomicBool::new(false));
        let counts: [Arc<AtomicUsize>; 4] = std::array::from_fn(|_| Arc::default());
        let threads = sockets
            .into_iter()
            .zip(&counts)
            .map(|(socket, count)| {
                let (stop, count) = (Arc::clone(&stop), Arc::clone(count));
                socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket");
                std::thread::spawn(move || {
                    let (mut all, mut packet) = (Vec::new(), [0; 2048]);
                    while !stop.load(Ordering::Relaxed) {
                        if let Ok(length) = socket.recv(&mut packet) {
                            all.push(packet[..length].to_vec());
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    all
                })
            })
            .collect();
        Self { port, stop, counts, threads }
    }

    /// Pictures, sound and a report of each have come.
    pub(crate) fn flows(&self) -> bool {
        self.counts.iter().all(|count| count.load(Ordering::Relaxed) > 0)
    }

    pub(crate) fn finish(self) -> (Pictures, Sound) {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = self.threads.into_iter().map(|thread| thread.join().expect("a receiver"));
        let mut track = || Received { packets: all.next().expect("four"), reports: all.next().expect("four") };
        let (video, audio) = (track(), track());
        (pictures(&video), sound(&audio))
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"))
}

impl Received {
    /// Time stamp and payload.
    fn units(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.packets.iter().map(|packet| (number(&packet[4..]), &packet[12 + 4 * usize::from(packet[0] & 15)..]))
    }

    /// The sender's clock at a time stamp, by its last report.
    fn clock(&self, rate: f64) -> impl Fn(u32) -> f64 + use<> {
        let report = self.reports.iter().rev().find(|report| report[1] == 200).expect("a sender report");
        let at = f64::from(number(&report[8..])) + f64::from(number(&report[12..])) / 2f64.powi(32);
        let stamp = number(&report[16..]);
        move |time| at + f64::from(time.wrapping_sub(stamp) as i32) / rate
    }
}

fn pictures(track: &Received) -> Pictures {
    const SIZE: (usize, usize) = (32, 18);
    let (mut stream, mut times) = (Vec::new(), Vec::new());
    for (time, payload) in track.units() {
        let kind = payload[0] & 31;
        // From the first parameter sets on.
        if times.is_empty() && !matches!(kind, 7 | 24) {
            continue;
        }
        if times.last() != Some(&time) {
            times.push(time);
        }
        match kind {
            24 => {
                let mut rest = &payload[1..];
                while rest.len() > 2 {
                    let (length, more) = rest.split_at(2);
                    let (unit, more) = more.split_at(usize::from(u16::from_be_bytes([length[0], length[1]])));
                    stream.extend_from_slice(&[0, 0, 0, 1]);
                    stream.extend_from_slice(unit);
                    rest = more;
                }
            }
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
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "h264", "-i", "-", "-fps_mode", "passthrough"])
        .args(["-vf", &format!("scale={}:{}", SIZE.0, SIZE.1), "-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test needs ffmpeg (npm run setup installs it)");
    let mut stdin = ffmpeg.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(&stream));
    let output = ffmpeg.wait_with_output().expect("ffmpeg");
    writer.join().expect("a writer").expect("all of it is read");
    let means = output.stdout.chunks_exact(SIZE.0 * SIZE.1);
    assert_eq!(means.len(), times.len(), "every picture is decoded");
    let mean = |picture: &[u8]| picture.iter().map(|luma| f64::from(*luma)).sum::<f64>() / picture.len() as f64;
    let clock = track.clock(90_000.0);
    times.iter().map(|time| clock(*time)).zip(means.map(mean)).collect()
}

fn sound(track: &Received) -> Sound {
    /// What libopus' encoder looks ahead, so much later is what comes out.
    const DELAY: u32 = 312;
    let mut opus = opus::Decoder::new(48_000, opus::Channels::Stereo).expect("libopus");
    let (first, _) = track.units().next().expect("sound");
    let (mut samples, mut piece) = (Vec::new(), vec![0.0; 5760 * 2]);
    for (time, payload) in track.units() {
        let frames = opus.decode_float(payload, &mut piece, false).expect("Opus");
        // What was left out is silent.
        samples.resize(time.wrapping_sub(first) as usize, 0.0);
        samples.extend(piece[..frames * 2].chunks_exact(2).map(|frame| frame[0]));
    }
    (track.clock(48_000.0)(first.wrapping_sub(DELAY)), samples)
}
