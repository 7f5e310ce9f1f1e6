//! Reads a recorded stream (anything ffmpeg opens) back: how many pictures, how many of them unique by their stamps,
//! how close they are to what was drawn, and how old each was when it arrived, where the recorder noted that.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use media::Size;
use testkit::time_pattern::{Content, Luma, Region, STAMPS_PER_SECOND, decode, psnr_luma, ssim_luma};
use tidecast_bench::program::{end, say};
use tidecast_bench::recording::read_arrivals;
use tidecast_bench::{PatternPictures, parse_content, parse_size};

#[derive(Parser)]
struct Arguments {
    /// The recorded stream.
    file: PathBuf,
    #[arg(long, default_value = "1920x1080", value_parser = parse_size)]
    size: Size,
    #[arg(long, default_value = "motion", value_parser = parse_content)]
    content: Content,
    /// Leave out pictures drawn before this stamp (0.1 ms of the wall clock).
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Leave out pictures drawn at this stamp or later.
    #[arg(long, default_value_t = u64::MAX)]
    until: u64,
    /// Compare every so manieth unique picture with what was drawn.
    #[arg(long, default_value_t = 7)]
    every: usize,
}

fn main() -> ExitCode {
    end(env!("CARGO_BIN_NAME"), run(&Arguments::parse()).and_then(|line| Ok(say(&line)?)))
}

#[allow(clippy::cast_precision_loss)]
fn run(arguments: &Arguments) -> Result<String, Box<dyn std::error::Error>> {
    let Size { width, height } = arguments.size;
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&arguments.file)
        // The luma plane as it was coded: `gray` would be stretched from limited to full range.
        .args(["-fps_mode", "passthrough", "-vf", "extractplanes=y", "-f", "rawvideo", "-"])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut output = ffmpeg.stdout.take().ok_or("ffmpeg has no output")?;
    let mut pictures = PatternPictures::new(arguments.content, arguments.size);
    let mut luma = vec![0; width as usize * height as usize];
    let (mut frames, mut unreadable, mut in_window) = (0_u64, 0_u64, 0_u64);
    let mut seen = BTreeSet::new();
    let mut span: Option<(u64, u64)> = None;
    let (mut qualities, mut similarities) = (Vec::new(), Vec::new());
    let arrivals = read_arrivals(&arguments.file).unwrap_or_default();
    // Of each unique picture its age at its arrival, with its place among all pictures.
    let mut ages = Vec::new();
    while output.read_exact(&mut luma).is_ok() {
        frames += 1;
        let picture = Luma { data: &luma, stride: width as usize, step: 1, width, height };
        let Some(stamp) = decode(picture, arguments.content, Region::whole(width, height)) else {
            unreadable += 1;
            continue;
        };
        span = Some(span.map_or((stamp, stamp), |(first, last)| (first.min(stamp), last.max(stamp))));
        if stamp < arguments.from || stamp >= arguments.until {
            continue;
        }
        in_window += 1;
        if !seen.insert(stamp) {
            continue;
        }
        if let Some(arrival) = arrivals.get(frames as usize - 1) {
            ages.push(arrival.saturating_sub(stamp) as f64 * 1000.0 / STAMPS_PER_SECOND as f64);
        }
        if seen.len() % arguments.every.max(1) == 0 {
            let drawn = pictures.luma(stamp)?;
            qualities.push(psnr_luma(&luma, &drawn));
            similarities.push(ssim_luma(&luma, &drawn, width as usize));
        }
    }
    if !ffmpeg.wait()?.success() {
        return Err("ffmpeg failed".into());
    }
    // A decoder that left a picture out has moved all the others to wrong arrivals.
    let ages = if arrivals.len() as u64 == frames { ages } else { Vec::new() };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    Ok(serde_json::json!({
        "frames": frames,
        "in_window": in_window,
        "unreadable": unreadable,
        "unique": seen.len(),
        "first": seen.first(),
        "last": seen.last(),
        "span_seconds": span.map(|(first, last)| (last - first) as f64 / STAMPS_PER_SECOND as f64),
        "psnr": mean(&qualities),
        "psnr_samples": qualities.len(),
        "ssim": mean(&similarities),
        "latencies_ms": ages,
    })
    .to_string())
}
