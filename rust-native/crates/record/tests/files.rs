//! Files as other programs see them: real encoders in simulated time, read back by ffprobe and ffmpeg.

// Helpers of tests are tests: what they can't do without is to fail them.
#![allow(clippy::unwrap_used)]

mod studio;

use std::time::Duration;

use container::{AudioCodec, Format};
use record::{RecordOptions, Recorder, Replay, Split};
use stream::Broadcast;
use studio::{Folder, Studio, chapters, packets, play, probe, record_seconds};

fn options(folder: &Folder, format: Format, audio: AudioCodec, plain: bool) -> RecordOptions {
    let template = "Show {date}".to_owned();
    RecordOptions {
        folder: folder.path().to_path_buf(),
        template,
        format,
        audio,
        plain,
        split: Split::default(),
        inputs: None,
    }
}

#[test]
fn every_format_opens_without_a_warning_and_shows_and_sounds_right() {
    for (format, audio, plain) in [
        (Format::Mp4, AudioCodec::Aac, false),
        (Format::Mp4, AudioCodec::Aac, true),
        (Format::Mp4, AudioCodec::Opus, false),
        (Format::Mp4, AudioCodec::Opus, true),
        (Format::Mkv, AudioCodec::Aac, false),
        (Format::Mkv, AudioCodec::Opus, false),
    ] {
        let folder = Folder::new("record");
        let files = record_seconds(options(&folder, format, audio, plain), 12);
        assert_eq!(files.len(), 1);
        let what = format!("{format:?} {audio:?} plain={plain}");
        let info = probe(&files[0]);
        assert!((info.duration - 12.0).abs() < 0.1, "{what}: {info:?}");
        assert_eq!((info.width, info.height), (64, 64), "{what}");
        assert_eq!(studio::gstreamer(&files[0], format, audio), (120, 12), "{what}");
        // Each second begins white and with a beep: at the first and at the last second they are in step.
        let played = play(&files[0]);
        assert_eq!(played.flashes.len(), 12, "{what}: {:?}", played.flashes);
        assert_eq!(played.beeps.len(), 12, "{what}: {:?}", played.beeps);
        for (index, (flash, beep)) in played.flashes.iter().zip(&played.beeps).enumerate() {
            assert!((flash - index as f64).abs() < 0.002, "{what}: picture {index} at {flash}");
            // A packet that begins before the file's zero is left out: the first beep may lack its first 20 ms.
            let limit = if index == 0 { 0.0225 } else { 0.02 };
            assert!((flash - beep).abs() < limit, "{what}: flash at {flash}, beep at {beep}");
        }
    }
}

#[test]
fn a_recording_is_split_at_keyframes_and_every_part_is_whole() {
    let folder = Folder::new("record");
    let split = Split { after: Some(Duration::from_secs(4)), bytes: None };
    let files = record_seconds(RecordOptions { split, ..options(&folder, Format::Mp4, AudioCodec::Aac, true) }, 12);
    assert_eq!(files.len(), 3);
    let mut flashes = 0;
    for file in &files {
        assert!((probe(file).duration - 4.0).abs() < 0.1);
        let mut played = play(file);
        flashes += played.flashes.len();
        // The last packet of sound may reach a packet's length into what the next part begins with.
        played.beeps.retain(|beep| *beep < 3.99);
        assert_eq!((played.flashes.len(), played.beeps.len()), (4, 4), "{played:?}");
        for (flash, beep) in played.flashes.iter().zip(&played.beeps) {
            assert!((flash - beep).abs() < 0.0225, "{played:?}");
        }
    }
    assert_eq!(flashes, 12);
}

#[test]
fn a_pause_leaves_no_hole_and_chapters_are_seen() {
    for (format, plain) in [(Format::Mp4, false), (Format::Mp4, true), (Format::Mkv, false)] {
        let folder = Folder::new("record");
        let hub = Broadcast::default();
        let (events, closed) = std::sync::mpsc::channel();
        let options = options(&folder, format, AudioCodec::Aac, plain);
        let recorder = Recorder::start(options, &hub, std::sync::Arc::new(|| {}), move |event| {
            events.send(event).unwrap();
        })
        .unwrap();
        let mut studio = Studio::new(hub);
        studio.run_until(4.0, &recorder);
        recorder.add_chapter("Second act".to_owned());
        studio::settle(&recorder, |status| status.chapters == 1);
        studio.run_until(5.0, &recorder);
        recorder.pause();
        studio::settle(&recorder, |status| status.paused);
        studio.run_until(8.0, &recorder);
        recorder.resume();
        studio::settle(&recorder, |status| !status.paused);
        studio.run_until(12.0, &recorder);
        let status = recorder.stop();
        assert!(matches!(closed.recv().unwrap(), record::RecordEvent::Closed(_, None)));
        let info = probe(&status.file);
        assert!((info.duration - 9.0).abs() < 0.15, "{format:?}: {info:?}");
        let marks = chapters(&status.file);
        assert_eq!(marks.len(), 1, "{format:?} plain={plain}: {marks:?}");
        assert!(marks[0].1 == "Second act" && (marks[0].0 - 4.0).abs() < 0.1, "{marks:?}");
        let played = play(&status.file);
        assert_eq!((played.flashes.len(), played.beeps.len()), (9, 9), "{played:?}");
        for (flash, beep) in played.flashes.iter().zip(&played.beeps) {
            assert!((flash - beep).abs() < 0.025, "{format:?}: {played:?}");
        }
        let mut last = -1.0;
        for time in packets(&status.file, "v") {
            assert!(time > last && time - last < 1.5, "{time} after {last}");
            last = time;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_the_last_seconds_from_a_keyframe_on() {
    let folder = Folder::new("record");
    let hub = Broadcast::default();
    let replay = Replay::start(&hub, Duration::from_secs(5), 50_000_000, AudioCodec::Aac);
    let mut studio = Studio::new(hub);
    for second in 1..=20_u32 {
        studio.encode_until(f64::from(second));
        tokio::time::timeout(Duration::from_secs(10), async {
            while replay.status().duration + Duration::from_millis(100) < Duration::from_secs(second.min(5).into()) {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }
    let status = replay.status();
    assert!((5..=7).contains(&status.duration.as_secs()), "{status:?}");
    let path = replay.snapshot().save(folder.path(), "Replay {date} {time}", Format::Mp4).unwrap();
    let played = play(&path);
    assert!((5..=7).contains(&played.flashes.len()), "{played:?}");
    assert!(played.flashes[0] < 0.002, "it begins with a keyframe, whole: {played:?}");
    let again = replay.snapshot().save(folder.path(), "Replay {date} {time}", Format::Mkv).unwrap();
    assert_ne!(path, again);
    assert!((5..=7).contains(&play(&again).flashes.len()));
}

#[test]
fn nothing_is_overwritten_and_an_empty_recording_leaves_no_file() {
    let folder = Folder::new("record");
    let mut paths = Vec::new();
    for _ in 0..3 {
        paths.extend(record_seconds(options(&folder, Format::Mp4, AudioCodec::Aac, false), 1));
    }
    paths.dedup();
    assert_eq!(paths.len(), 3);
    let hub = Broadcast::default();
    let (events, heard) = std::sync::mpsc::channel();
    let options = options(&folder, Format::Mp4, AudioCodec::Aac, false);
    let recorder =
        Recorder::start(options, &hub, std::sync::Arc::new(|| {}), move |event| events.send(event).unwrap()).unwrap();
    let file = recorder.stop().file;
    assert!(!file.exists());
    let record::RecordEvent::Failed(error) = heard.recv().unwrap() else { panic!("not said") };
    assert_eq!(error.code(), "record_nothing");
}

#[test]
#[ignore = "three minutes: test:long"]
fn an_hour_stays_in_step() {
    for (format, plain) in [(Format::Mp4, true), (Format::Mkv, false)] {
        let folder = Folder::new("record");
        let files = record_seconds(options(&folder, format, AudioCodec::Aac, plain), 3600);
        let played = play(&files[0]);
        assert_eq!((played.flashes.len(), played.beeps.len()), (3600, 3600));
        for index in [0, 1, 1800, 3598, 3599] {
            let (flash, beep) = (played.flashes[index], played.beeps[index]);
            assert!((flash - beep).abs() < 0.02 && (flash - index as f64).abs() < 0.02, "{index}: {flash} {beep}");
        }
    }
}
