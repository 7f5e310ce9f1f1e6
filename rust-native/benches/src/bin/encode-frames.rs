//! The encoder alone on the pattern's pictures: processor time per picture, painting and converting left out.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use encoder::VideoConfig;
use media::{Bitrate, FrameRate, MediaTime, Size};
use testkit::time_pattern::{Content, STAMPS_PER_SECOND, now};
use tidecast_bench::program::{end, say};
use tidecast_bench::{PatternPictures, cpu_ms, parse_content, parse_size};

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value = "1920x1080", value_parser = parse_size)]
    size: Size,
    #[arg(long, default_value_t = 60)]
    fps: u32,
    #[arg(long, default_value_t = 6000)]
    kbps: u32,
    #[arg(long, default_value_t = 2.0)]
    gop: f64,
    #[arg(long, default_value_t = 300)]
    frames: u32,
    #[arg(long, default_value = "motion", value_parser = parse_content)]
    content: Content,
    #[arg(long, default_value = "libx264")]
    encoder: String,
    /// Threads of the encoder; 0 as the app chooses.
    #[arg(long, default_value_t = 0)]
    threads: u32,
    /// Write the stream there (Annex B).
    #[arg(long)]
    out: Option<std::path::PathBuf>,
}

fn main() -> ExitCode {
    end(env!("CARGO_BIN_NAME"), run(&Arguments::parse()).and_then(|line| Ok(say(&line)?)))
}

fn run(arguments: &Arguments) -> Result<String, Box<dyn std::error::Error>> {
    let config = VideoConfig {
        codec: media::VideoCodec::H264,
        size: arguments.size,
        frame_rate: FrameRate::new(arguments.fps).ok_or("no such frame rate")?,
        bitrate: Bitrate::from_kbps(arguments.kbps),
        gop: Duration::from_secs_f64(arguments.gop),
        threads: arguments.threads,
        tune: encoder::Tune::default(),
    };
    let mut encoder = encoder::open_named(&arguments.encoder, &config)?;
    let mut pictures = PatternPictures::new(arguments.content, arguments.size);
    let mut file = arguments.out.as_ref().map(std::fs::File::create).transpose()?;
    let start = now();
    // A picture of the pattern at each of its own moments, as the capture meets them.
    let (mut spent, mut bytes) = (0.0, 0);
    for index in 0..u64::from(arguments.frames) {
        let offset = index * STAMPS_PER_SECOND / u64::from(arguments.fps);
        let picture = pictures.paint(start + offset)?;
        let pts = MediaTime::from_nanos(1_000_000_000 + offset * 100_000);
        let before = cpu_ms();
        let unit = encoder.encode(&picture, pts, false)?;
        spent += cpu_ms() - before;
        if let Some(unit) = unit {
            bytes += unit.payload.len();
            if let Some(file) = &mut file {
                file.write_all(&unit.payload)?;
            }
        }
    }
    let per_frame = spent / f64::from(arguments.frames.max(1));
    Ok(serde_json::json!({ "frames": arguments.frames, "cpu_ms_per_frame": per_frame, "bytes": bytes }).to_string())
}
