//! What happens to a recording when the disk does not: full, gone, read-only. Real file systems in a mount namespace of
//! the test's own, real encoders in simulated time.
#![cfg(target_os = "linux")]
// Helpers of tests are tests: what they can't do without is to fail them.
#![allow(clippy::unwrap_used)]

mod studio;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use container::{AudioCodec, Format};
use record::{RecordError, RecordEvent, RecordOptions, Recorder, Replay, Split, free_bytes};
use stream::{Broadcast, LagPolicy, Lanes};
use studio::{Folder, Studio, play, probe};
use testkit::small_disk::{mount, on_a_small_disk};

struct Rig {
    hub: Broadcast<media::AccessUnit>,
    recorder: Option<Recorder>,
    studio: Studio,
    heard: Receiver<RecordEvent>,
    /// Stands for a destination: what happens to the disk is nothing to it.
    viewer: stream::Reader<media::AccessUnit>,
}

impl Rig {
    fn start(options: RecordOptions) -> Result<Self, RecordError> {
        let hub = Broadcast::default();
        let viewer = hub.subscribe_to(Lanes::VIDEO_AND_AAC, 100_000, LagPolicy::Fail);
        let (events, heard) = channel();
        let recorder = Recorder::start(options, &hub, Arc::new(|| {}), move |event| drop(events.send(event)))?;
        Ok(Self { studio: Studio::new(hub.clone()), hub, recorder: Some(recorder), heard, viewer })
    }

    fn run_until(&mut self, seconds: f64) {
        self.studio.run_until(seconds, self.recorder.as_ref().unwrap());
    }

    /// Runs until the recorder has given up by itself; how far it came.
    fn run_until_it_ends(&mut self, at_most: u32) -> f64 {
        let recorder = self.recorder.as_ref().unwrap();
        for second in 1..=at_most {
            self.studio.run_until(second.into(), recorder);
            if recorder.status().ended {
                return second.into();
            }
        }
        panic!("it goes on: {:?}", recorder.status());
    }

    /// The files that were closed, and what was said besides.
    fn end(mut self) -> (Vec<(PathBuf, Option<RecordError>)>, Vec<RecordEvent>) {
        drop(self.recorder.take());
        let (mut files, mut others) = (Vec::new(), Vec::new());
        while let Ok(event) = self.heard.try_recv() {
            match event {
                RecordEvent::Closed(path, error) => files.push((path, error)),
                other => others.push(other),
            }
        }
        assert!(self.hub.readers() <= 1, "nobody reads for a recording that has ended");
        assert_eq!(self.viewer.stats().dropped, 0);
        let mut units = 0;
        while let Some(unit) = self.viewer.try_recv() {
            unit.unwrap();
            units += 1;
        }
        assert!(units > 10, "the stream went on");
        (files, others)
    }
}

fn options(folder: &Path, format: Format, plain: bool) -> RecordOptions {
    let (folder, template) = (folder.to_path_buf(), "Show".to_owned());
    RecordOptions { folder, template, format, audio: AudioCodec::Aac, plain, split: Split::default(), inputs: None }
}

fn codes(events: &[RecordEvent]) -> Vec<&'static str> {
    let code = |event: &RecordEvent| match event {
        RecordEvent::Failed(error) => error.code(),
        RecordEvent::RoomLow(_) => "room_low",
        other => panic!("{other:?}"),
    };
    events.iter().map(code).collect()
}

/// Whole, from its beginning, in step: as independent programs read it.
fn assert_plays(file: &Path, seconds_at_least: f64) {
    let info = probe(file);
    assert!(info.duration >= seconds_at_least, "{info:?}");
    let played = play(file);
    assert!(played.flashes.len() as f64 >= seconds_at_least - 1.0, "{played:?}");
    for (flash, beep) in played.flashes.iter().zip(&played.beeps) {
        assert!((flash - beep).abs() < 0.0225, "{played:?}");
    }
}

#[test]
fn a_full_disk_is_told_with_a_warning_before_and_the_file_is_whole() {
    on_a_small_disk("a_full_disk_is_told_with_a_warning_before_and_the_file_is_whole", 600, |disk| {
        for (format, plain) in [(Format::Mp4, false), (Format::Mp4, true), (Format::Mkv, false)] {
            let mut rig = Rig::start(options(disk, format, plain)).unwrap();
            // Room is looked at in real time.
            rig.run_until(6.0);
            std::thread::sleep(Duration::from_millis(2100));
            let ended = rig.run_until_it_ends(300);
            let (files, others) = rig.end();
            let codes = codes(&others);
            assert_eq!(codes.last(), Some(&"record_disk_full"), "{format:?} plain={plain}: {codes:?}");
            assert!(codes.contains(&"room_low"), "{format:?} plain={plain}: {codes:?}");
            assert_eq!(files.len(), 1, "{format:?} plain={plain}: {files:?}");
            // Two fragments at the most are lost: the one that did not fit, and what the assembler held.
            assert_plays(&files[0].0, ended - 8.0);
            let left: Vec<_> = std::fs::read_dir(disk).unwrap().flatten().map(|entry| entry.file_name()).collect();
            assert_eq!(left.len(), 1, "nothing is left beside it: {left:?}");
            std::fs::remove_file(&files[0].0).unwrap();
        }
    });
}

#[test]
fn a_split_recording_on_a_full_disk_keeps_every_part() {
    on_a_small_disk("a_split_recording_on_a_full_disk_keeps_every_part", 600, |disk| {
        let split = Split { after: Some(Duration::from_secs(4)), bytes: None };
        let mut rig = Rig::start(RecordOptions { split, ..options(disk, Format::Mp4, false) }).unwrap();
        rig.run_until_it_ends(300);
        let (files, others) = rig.end();
        assert_eq!(codes(&others).last(), Some(&"record_disk_full"));
        assert!(files.len() >= 2, "{files:?}");
        let (last, whole) = files.split_last().unwrap();
        whole.iter().for_each(|(file, _)| assert_plays(file, 3.9));
        // The last one may have been too short to hold a picture: then it is not there at all.
        assert!(last.0.exists());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_a_replay_and_leaves_nothing_behind() {
    on_a_small_disk("a_full_disk_fails_a_replay_and_leaves_nothing_behind", 40, |disk| {
        let hub = Broadcast::default();
        let replay = Replay::start(&hub, Duration::from_secs(30), 50_000_000, AudioCodec::Aac);
        let mut studio = Studio::new(hub);
        for second in 1..=20 {
            studio.encode_until(f64::from(second));
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(replay.status().duration > Duration::from_secs(10), "{:?}", replay.status());
        let error = replay.snapshot().save(disk, "Replay", Format::Mp4).unwrap_err();
        assert_eq!(error.code(), "record_disk_full");
        assert!(free_bytes(disk).unwrap() > 0 || std::fs::read_dir(disk).unwrap().count() <= 1);
    });
}

#[test]
fn a_read_only_disk_is_told_at_the_start() {
    on_a_small_disk("a_read_only_disk_is_told_at_the_start", 600, |disk| {
        mount(&["-o", "remount,ro", disk.to_str().unwrap()]);
        let error = Rig::start(options(disk, Format::Mp4, false)).err().unwrap();
        assert_eq!(error.code(), "record_read_only");
        let error = Rig::start(options(&disk.join("not/there"), Format::Mp4, false)).err().unwrap();
        assert_eq!(error.code(), "record_folder_gone");
    });
}

#[test]
fn a_disk_that_turns_read_only_between_two_parts_keeps_the_first() {
    on_a_small_disk("a_disk_that_turns_read_only_between_two_parts_keeps_the_first", 6000, |disk| {
        let split = Split { after: Some(Duration::from_secs(4)), bytes: None };
        // A bind mount of the same files: the open one can be written to, and no new one can be made.
        let view = disk.join("view");
        std::fs::create_dir_all(disk.join("real")).unwrap();
        std::fs::create_dir_all(&view).unwrap();
        let (real, seen) = (disk.join("real"), view.to_str().unwrap().to_owned());
        let mut rig = Rig::start(RecordOptions { split, ..options(&view, Format::Mp4, false) }).unwrap();
        rig.run_until(3.0);
        mount(&["--bind", real.to_str().unwrap(), &seen]);
        mount(&["-o", "remount,ro,bind", &seen]);
        rig.run_until_it_ends(20);
        let (_, others) = rig.end();
        let codes = codes(&others);
        // The first part lies under the mount, where its path no longer leads: it is missed before the second begins.
        assert!(["record_read_only", "record_folder_gone"].contains(codes.last().unwrap()), "{codes:?}");
    });
}

#[test]
fn a_folder_that_is_taken_away_is_told_within_a_fragment_and_no_missing_file_is_shown() {
    for (format, plain) in [(Format::Mp4, false), (Format::Mp4, true), (Format::Mkv, false)] {
        let folder = Folder::new("record");
        let place = folder.path().join("stick");
        std::fs::create_dir(&place).unwrap();
        let mut rig = Rig::start(options(&place, format, plain)).unwrap();
        rig.run_until(5.0);
        std::fs::remove_dir_all(&place).unwrap();
        let ended = rig.run_until_it_ends(30);
        assert!(ended <= 12.0, "{format:?}: told after {ended} s");
        let (files, others) = rig.end();
        assert_eq!(codes(&others), ["record_folder_gone"], "{format:?} plain={plain}");
        assert!(files.is_empty(), "a file that is not there is not shown: {files:?}");
    }
}
