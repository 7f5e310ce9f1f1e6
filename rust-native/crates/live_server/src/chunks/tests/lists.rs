//! What is written of a window: the multivariant playlist, the manifest, dates.

use std::collections::HashSet;

use super::super::{marks, units};
use super::*;

#[test]
fn the_multivariant_playlist_names_codecs_size_and_sound() {
    let mut show = Show::new();
    let source = playlist::Variant { kind: Kind::Video, size: None, bitrate: 0, codecs: None, frame_rate: Some(30) };
    let variants = [source];
    assert_eq!(playlist::multivariant(&show.window, &variants, ""), None);
    show.begin(true);
    show.run(6.0, 30.0, true);
    let text = playlist::multivariant(&show.window, &variants, "?token=a%20b").unwrap();
    assert!(
        text.contains(
            "CODECS=\"avc1.42c01f,opus\",RESOLUTION=640x360,FRAME-RATE=30.000,AUDIO=\"sound\"\nvideo.m3u8?token=a%20b\n"
        ),
        "{text}"
    );
    assert!(text.contains("URI=\"audio.m3u8?token=a%20b\""));
    let bandwidth: u64 = attribute(text.lines().find(|line| line.contains("STREAM-INF")).unwrap(), "BANDWIDTH")
        .or_else(|| text.split("BANDWIDTH=").nth(1)?.split(',').next())
        .unwrap()
        .parse()
        .unwrap();
    // 30 pictures of 1000 bytes, 50 packets of 4, and boxes.
    assert!((240_000..320_000).contains(&bandwidth), "{bandwidth}");
    let media = playlist::media(&show.window, Kind::Audio, false, "?token=a%20b", &[]).unwrap();
    let addresses = media.lines().filter(|line| !line.starts_with('#') || line.contains("URI="));
    assert!(addresses.clone().count() > 5 && addresses.into_iter().all(|line| line.contains("?token=a%20b")));
}

#[test]
fn the_manifest_lists_the_same_segments_with_their_exact_times() {
    let show = Show::two_runs();
    let text = mpd::manifest(&show.window, "../../hls/live/", "?token=x", SystemTime::now(), &[]).unwrap();
    assert_eq!(text.matches("<Period ").count(), 2);
    assert!(text.contains("availabilityStartTime=\"2023-11-14T22:13:20.000Z\""));
    assert!(text.contains("<BaseURL>../../hls/live/</BaseURL>") && text.contains("$Number$.m4s?token=x"));
    let listed: HashSet<String> =
        text.split("<S ").skip(1).map(|entry| entry.split("/>").next().unwrap().to_owned()).collect();
    for kind in Kind::ALL {
        for segment in show.window.listed(kind).filter(|segment| segment.body.is_some()) {
            assert!(listed.contains(&format!("t=\"{}\" d=\"{}\"", segment.start, segment.ticks())));
        }
    }
}

#[test]
fn each_period_of_the_manifest_has_the_marks_that_begin_in_it() {
    let show = Show::two_runs();
    let marks = marks::Marks::default();
    // Media time begins with a second, and the second run 13 seconds later.
    for (id, after) in [("one", 5), ("two", 20)] {
        let said = format!("{{\"id\": \"{id}\", \"start_ms\": {}}}", (ORIGIN + after) * 1000);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(ORIGIN);
        marks.set("live", serde_json::from_str(&said).unwrap(), now).unwrap();
    }
    let text = mpd::manifest(&show.window, "../", "", SystemTime::now(), &marks.of("live")).unwrap();
    let periods: Vec<&str> = text.split("<Period ").skip(1).collect();
    assert_eq!(periods.len(), 2);
    for (index, period) in periods.iter().enumerate() {
        // Section 5.3.2.2: before its adaptation sets.
        let (head, _) = period.split_once("<AdaptationSet").unwrap();
        assert_eq!(head.matches("<Event ").count(), 1, "{head}");
        let start =
            head.split("start=\"PT").nth(1).and_then(|rest| rest.split_once('S')?.0.parse::<f64>().ok()).unwrap();
        let at = head.split("presentationTime=\"").nth(1).and_then(|rest| rest.split_once('"')?.0.parse::<f64>().ok());
        assert_eq!((start + at.unwrap() / 1000.0).round() as u64, [5, 20][index], "{head}");
        assert!(head.contains(["\"one\"", "\"two\""][index]), "{head}");
    }
}

#[test]
fn dates_are_right() {
    let at = |seconds: u64, millis| {
        playlist::date_time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(millis))
    };
    assert_eq!(at(0, 0), "1970-01-01T00:00:00.000Z");
    assert_eq!(at(951_782_399, 999), "2000-02-28T23:59:59.999Z");
    assert_eq!(at(951_782_400, 0), "2000-02-29T00:00:00.000Z");
    assert_eq!(at(1_735_689_599, 5), "2024-12-31T23:59:59.005Z");
    assert_eq!(units::opus_frames(SOUND), Some(960));
}
