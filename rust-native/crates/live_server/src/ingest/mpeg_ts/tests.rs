use std::process::Command;
use std::time::Duration;

use super::*;
use crate::ingest::avc;

/// Two seconds of ffmpeg's own transport stream.
fn stream(codecs: &str) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args("-v error -f lavfi -i testsrc=s=320x180:r=30 -f lavfi -i sine=r=44100 -t 2 -pix_fmt yuv420p".split(' '))
        .args(codecs.split(' '))
        .args(["-f", "mpegts", "-"])
        .output()
        .expect("ffmpeg");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn units(data: &[u8], piece: usize) -> Vec<Unit> {
    let (mut demuxer, mut out) = (Demuxer::new(), Vec::new());
    data.chunks(piece).for_each(|piece| demuxer.take(piece, &mut out));
    out
}

fn pictures(units: &[Unit]) -> Vec<(MediaTime, MediaTime, bool)> {
    let of = |unit: &Unit| match unit {
        Unit::Avc { dts, pts, units } => Some((*dts, *pts, avc::is_keyframe(units))),
        _ => None,
    };
    units.iter().filter_map(of).collect()
}

#[test]
fn ffmpegs_stream_falls_into_its_pictures_and_frames() {
    let data = stream("-c:v libx264 -bf 2 -g 30 -c:a aac");
    for piece in [PACKET * 7, 1, 1000] {
        let units = units(&data, piece);
        let pictures = pictures(&units);
        // The last picture waits for the next one.
        assert!((59..=60).contains(&pictures.len()), "{}", pictures.len());
        assert!(pictures[0].2 && pictures.iter().filter(|picture| picture.2).count() == 2);
        assert!(pictures.windows(2).all(|pair| pair[1].0.since(pair[0].0) > Duration::from_millis(32)));
        assert!(pictures.iter().any(|(dts, pts, _)| pts > dts));
        let sound: Vec<MediaTime> =
            units.iter().filter_map(|unit| if let Unit::Aac { pts, .. } = unit { Some(*pts) } else { None }).collect();
        assert!((84..=90).contains(&sound.len()), "{}", sound.len());
        let step = sound[40].since(sound[0]).as_secs_f64() * 44_100.0 / 40.0;
        assert!((step - 1024.0).abs() < 2.0, "{step}");
        let configs: Vec<&Bytes> = units
            .iter()
            .filter_map(|unit| if let Unit::AacConfig(config) = unit { Some(config) } else { None })
            .collect();
        // AAC-LC, 44.1 kHz, one channel.
        assert_eq!(configs, [&Bytes::from_static(&[0x12, 0x08])]);
    }
}

#[test]
fn opus_is_taken_and_other_codecs_are_named() {
    let with_opus = units(&stream("-c:v libx264 -c:a libopus -ar 48000"), 1316);
    let packets =
        with_opus.iter().filter(|unit| matches!(unit, Unit::Opus { packet, .. } if packet.len() > 10)).count();
    assert!((95..=102).contains(&packets), "{packets}");
    let others = units(&stream("-c:v mpeg2video -c:a mp2"), 1316);
    assert!(others.iter().any(|unit| matches!(unit, Unit::OtherVideo(name) if name == "MPEG-2")));
    assert!(others.iter().any(|unit| matches!(unit, Unit::OtherAudio(name) if name == "MPEG audio")));
    assert!(pictures(&others).is_empty());
}

#[test]
fn a_lost_packet_costs_one_picture() {
    let data = stream("-c:v libx264 -bf 0 -g 30 -c:a aac -b:v 2M");
    let all = pictures(&units(&data, 1316)).len();
    let mut packets: Vec<&[u8]> = data.chunks_exact(PACKET).collect();
    let inside = |packet: &&[u8]| packet[1] & 0x5f == 1 && packet[2] == 0 && packet[3] & 0x20 == 0;
    let lost = packets.iter().position(inside).expect("a packet inside a picture");
    packets.remove(lost);
    assert_eq!(pictures(&units(&packets.concat(), 1316)).len(), all - 1);
}

#[test]
fn damaged_and_random_bytes_do_no_harm() {
    let good = stream("-c:v libx264 -c:a aac");
    let mut seed = 0x1234_5678_9abc_def0_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    for round in 0..40 {
        let mut data = good.clone();
        for _ in 0..200 * (round + 1) {
            let at = random() % data.len();
            data[at] = random() as u8;
        }
        let _ = units(&data, 1316);
    }
    let noise: Vec<u8> = (0..300_000).map(|n| if n % 188 == 0 { SYNC } else { random() as u8 }).collect();
    let _ = units(&noise, 1316);
}

fn borne(lasts: Duration) {
    let whole = stream("-c:v libx264 -bf 2 -g 30 -c:a aac");
    // Its tables with the first pictures, and pieces from its middle.
    let pieces = [0, 40, 200].map(|packet| whole[packet * PACKET..][..40 * PACKET].to_vec());
    let mut demuxer = Demuxer::new();
    testkit::fuzz::run(&pieces, 41, lasts, |sample, dice| {
        let mut out = Vec::new();
        sample.chunks(1 + dice.below(2000)).for_each(|piece| demuxer.take(piece, &mut out));
        let kept: usize = demuxer.streams.iter().filter_map(|stream| stream.pes.as_ref()).map(BytesMut::len).sum();
        assert!(kept <= demuxer.streams.len() * (MOST_VIDEO + PACKET), "{kept} bytes kept");
        if dice.below(1000) == 0 {
            demuxer = Demuxer::new();
        }
    });
}

#[test]
fn any_transport_stream_is_borne() {
    borne(testkit::fuzz::QUICK);
}

#[test]
#[ignore = "ten minutes: test:long"]
fn any_transport_stream_is_borne_for_long() {
    borne(testkit::fuzz::LONG);
}
