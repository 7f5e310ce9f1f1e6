//! The sound encoders alone, as the app opens them, on music-like sound: the share of one core that each takes while a
//! second of sound is a second of time.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use encoder::{AacEncoder, OpusEncoder};
use media::{AUDIO_CHANNELS, AudioBlock, Bitrate, MediaTime};
use tidecast_bench::cpu_ms;
use tidecast_bench::program::{end, say};

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Codec {
    Opus,
    Aac,
}

#[derive(Parser)]
struct Arguments {
    codec: Codec,
    /// Seconds of sound.
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    /// As the app sets it, where it is left out.
    #[arg(long)]
    kbps: Option<u32>,
}

fn main() -> ExitCode {
    end(env!("CARGO_BIN_NAME"), run(&Arguments::parse()).and_then(|line| Ok(say(&line)?)))
}

/// Takes a block in, and says how many bytes came of it.
type Push = dyn FnMut(&AudioBlock) -> Result<usize, encoder::EncoderError>;

fn run(arguments: &Arguments) -> Result<String, Box<dyn std::error::Error>> {
    let Arguments { codec, seconds, kbps } = *arguments;
    // Made beforehand, a second of it over and over: only the encoder is counted.
    let second: Vec<AudioBlock> = (0..100).map(block).collect();
    let usual = match codec {
        Codec::Opus => Bitrate::from_kbps(128),
        Codec::Aac => AacEncoder::DEFAULT_BITRATE,
    };
    let bitrate = kbps.map_or(usual, Bitrate::from_kbps);
    let mut push: Box<Push> = match codec {
        Codec::Opus => {
            let mut opus = OpusEncoder::new(bitrate)?;
            Box::new(move |block| Ok(opus.push(block)?.map_or(0, |unit| unit.payload.len())))
        }
        Codec::Aac => {
            let mut aac = AacEncoder::new(bitrate)?;
            Box::new(move |block| Ok(aac.push(block)?.map_or(0, |unit| unit.payload.len())))
        }
    };
    let (mut bytes, before) = (0, cpu_ms());
    for index in 0..seconds * 100 {
        let mut block = second[index as usize % 100].clone();
        block.captured_at = MediaTime::from_nanos(1_000_000_000) + Duration::from_millis(10) * index;
        bytes += push(&block)?;
    }
    let spent = cpu_ms() - before;
    let cores = spent / 1000.0 / f64::from(seconds.max(1));
    Ok(serde_json::json!({ "cores": cores, "seconds": seconds, "bytes": bytes }).to_string())
}

/// Ten milliseconds of a chord with some noise over it.
fn block(index: u32) -> AudioBlock {
    let mut block = AudioBlock::silence(MediaTime::ZERO);
    let mut noise = index.wrapping_mul(2_654_435_761) | 1;
    for (frame, pair) in (0_u32..).zip(block.samples.chunks_exact_mut(AUDIO_CHANNELS)) {
        let time = f64::from(index * 480 + frame) / 48_000.0 * std::f64::consts::TAU;
        for (side, sample) in pair.iter_mut().enumerate() {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let chord: f64 =
                [220.0, 277.0, 330.0, 440.0 + side as f64, 1760.0].iter().map(|tone| (time * tone).sin()).sum();
            *sample = (0.1 * chord + f64::from(noise >> 16) / 65_536.0 * 0.05) as f32;
        }
    }
    block
}
