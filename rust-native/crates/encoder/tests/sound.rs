//! Opus, by what libopus' decoder makes of it.

// Helpers of tests are tests: what they can't do without is to fail them.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use encoder::OpusEncoder;
use media::{AUDIO_CHANNELS, Bitrate, Track};

mod tones;

use tones::{START, amplitude, tones};

#[test]
fn two_blocks_make_a_packet_with_the_first_ones_time() {
    let mut encoder = OpusEncoder::new(Bitrate::from_kbps(128)).unwrap();
    for index in 0..10 {
        let packet = encoder.push(&tones(index, 1000.0, 440.0)).unwrap();
        assert_eq!(packet.is_some(), index % 2 == 1);
        if let Some(packet) = packet {
            let first = START + Duration::from_millis(10 * (index as u64 - 1));
            assert_eq!((packet.pts, packet.dts, packet.captured_at), (first, first, first));
            assert!(packet.keyframe && packet.track == Track::Audio);
            assert_eq!(opus::packet::get_nb_samples(&packet.payload, 48_000).unwrap(), 960);
        }
    }
}

#[test]
fn tones_come_back_at_their_frequency_and_on_their_side() {
    let mut encoder = OpusEncoder::new(Bitrate::from_kbps(128)).unwrap();
    let mut decoder = opus::Decoder::new(48_000, opus::Channels::Stereo).unwrap();
    let (mut left, mut right, mut bytes) = (Vec::new(), Vec::new(), 0);
    for index in 0..200 {
        let Some(packet) = encoder.push(&tones(index, 1000.0, 440.0)).unwrap() else { continue };
        bytes += packet.payload.len();
        let mut samples = [0.0; 960 * AUDIO_CHANNELS];
        assert_eq!(decoder.decode_float(&packet.payload, &mut samples, false).unwrap(), 960);
        left.extend(samples.iter().step_by(2));
        right.extend(samples.iter().skip(1).step_by(2));
    }
    // Past the codec's start; whole periods of both tones.
    let (left, right) = (&left[9600..57_600], &right[9600..57_600]);
    assert!((amplitude(left, 1000.0) - 0.5).abs() < 0.03, "{}", amplitude(left, 1000.0));
    assert!((amplitude(right, 440.0) - 0.5).abs() < 0.03, "{}", amplitude(right, 440.0));
    assert!(amplitude(left, 440.0) < 0.02 && amplitude(right, 1000.0) < 0.02);
    let kbps = bytes as f64 * 8.0 / 2000.0;
    assert!((60.0..=150.0).contains(&kbps), "{kbps} kbit/s");
}

#[test]
fn a_gap_begins_a_new_packet() {
    let mut encoder = OpusEncoder::new(Bitrate::from_kbps(96)).unwrap();
    assert!(encoder.push(&tones(0, 1000.0, 1000.0)).unwrap().is_none());
    assert!(encoder.push(&tones(50, 1000.0, 1000.0)).unwrap().is_none());
    let packet = encoder.push(&tones(51, 1000.0, 1000.0)).unwrap().unwrap();
    assert_eq!(packet.pts, START + Duration::from_millis(500));
}

#[test]
fn a_bitrate_that_is_none_for_sound_is_refused() {
    assert_eq!(OpusEncoder::new(Bitrate::from_bps(100)).err().unwrap().code(), "sound_encode_failed");
    let mut encoder = OpusEncoder::new(Bitrate::from_kbps(96)).unwrap();
    assert!(encoder.set_bitrate(Bitrate::from_kbps(2000)).is_err());
    assert!(encoder.set_bitrate(Bitrate::from_kbps(160)).is_ok());
}
