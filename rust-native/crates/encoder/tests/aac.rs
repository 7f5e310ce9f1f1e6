//! AAC, by what FFmpeg's own decoder, run beside it as a program, makes of it.

// Helpers of tests are tests: what they can't do without is to fail them.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use encoder::AacEncoder;
use media::{AAC_CONFIG, AAC_PACKET_FRAMES, AccessUnit, AudioBlock, Bitrate, Track};

mod tones;

use tones::{START, amplitude, tones};

/// The packets in ADTS (ISO/IEC 14496-3 section 1.A.2), as interleaved floats by the system's ffmpeg.
fn decoded(packets: &[AccessUnit]) -> Vec<f32> {
    let mut adts = Vec::new();
    for packet in packets {
        let length = packet.payload.len() + 7;
        adts.extend_from_slice(&[0xff, 0xf1, 0x4c, 0x80 | (length >> 11) as u8, (length >> 3) as u8]);
        adts.extend_from_slice(&[(length << 5) as u8 | 0x1f, 0xfc]);
        adts.extend_from_slice(&packet.payload);
    }
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "warning", "-f", "aac", "-i", "-", "-f", "f32le", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the test needs the program ffmpeg (npm run setup installs it)");
    let mut input = ffmpeg.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(&adts));
    let output = ffmpeg.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    output.stdout.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

fn encoded(encoder: &mut AacEncoder, blocks: impl Iterator<Item = AudioBlock>) -> Vec<AccessUnit> {
    blocks.filter_map(|block| encoder.push(&block).unwrap()).collect()
}

#[test]
fn packets_are_stamped_on_the_blocks_clock_with_the_priming_before_it() {
    let mut encoder = AacEncoder::new(AacEncoder::DEFAULT_BITRATE).unwrap();
    assert_eq!(encoder.audio_specific_config(), AAC_CONFIG);
    assert_eq!(encoder.priming_frames(), 1024);
    let packets = encoded(&mut encoder, (0..1000).map(|index| tones(index, 1000.0, 440.0)));
    assert!((465..=468).contains(&packets.len()), "{}", packets.len());
    for (index, packet) in packets.iter().enumerate() {
        assert!(packet.track == Track::Aac && packet.keyframe && packet.dts == packet.pts);
        let frames = (index as u64 + 1) * u64::from(AAC_PACKET_FRAMES);
        let late = packet.pts.as_nanos() as i64 - START.as_nanos() as i64 + 2 * 1_024_000_000_000 / 48_000;
        assert!((late - (frames * 1_000_000_000 / 48_000) as i64).abs() <= 2, "packet {index}: {late}");
    }
}

#[test]
fn tones_come_back_at_their_frequency_on_their_side_and_in_their_time() {
    let mut encoder = AacEncoder::new(AacEncoder::DEFAULT_BITRATE).unwrap();
    // Half a second of silence, and then the tones.
    let silent = |index: usize| AudioBlock::silence(START + Duration::from_millis(10 * index as u64));
    let blocks = (0..300).map(|index| if index < 50 { silent(index) } else { tones(index, 1000.0, 440.0) });
    let packets = encoded(&mut encoder, blocks);
    let samples = decoded(&packets);
    let (left, right): (Vec<f32>, Vec<f32>) = samples.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
    let onset = left.iter().position(|sample| sample.abs() > 0.1).unwrap();
    // The first sample decoded is heard at the first packet's time, 1024 frames before the first block.
    assert!(onset.abs_diff(24_000 + 1024) < 300, "the tone begins at sample {onset}");
    let (left, right) = (&left[48_000..96_000], &right[48_000..96_000]);
    assert!((amplitude(left, 1000.0) - 0.5).abs() < 0.03, "{}", amplitude(left, 1000.0));
    assert!((amplitude(right, 440.0) - 0.5).abs() < 0.03, "{}", amplitude(right, 440.0));
    assert!(amplitude(left, 440.0) < 0.02 && amplitude(right, 1000.0) < 0.02);
    let kbps = packets.iter().map(|packet| packet.payload.len()).sum::<usize>() as f64 * 8.0 / 3000.0;
    assert!((40.0..=176.0).contains(&kbps), "{kbps} kbit/s");
}

#[test]
fn a_gap_is_a_gap_in_the_stamps() {
    let mut encoder = AacEncoder::new(Bitrate::from_kbps(96)).unwrap();
    let mut packets = encoded(&mut encoder, (0..100).map(|index| tones(index, 1000.0, 1000.0)));
    packets.extend(encoded(&mut encoder, (300..400).map(|index| tones(index, 1000.0, 1000.0))));
    let steps: Vec<_> = packets.windows(2).map(|pair| pair[1].pts.since(pair[0].pts).as_millis()).collect();
    assert_eq!(steps.iter().filter(|step| **step > 22).count(), 1, "{steps:?}");
    let behind = packets.iter().find(|packet| packet.pts.since(START).as_millis() > 2000).unwrap();
    assert_eq!(behind.pts, START + Duration::from_millis(3000));
}

#[test]
fn a_bitrate_that_is_none_for_sound_is_refused() {
    assert_eq!(AacEncoder::new(Bitrate::from_kbps(8)).err().unwrap().code(), "sound_encode_failed");
}
