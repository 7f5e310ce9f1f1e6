//! Several inputs on a real sound server: two microphones, a program, headphones; unplugged and plugged in again.

#![cfg(target_os = "linux")]

mod audio_rig;

use std::time::Duration;

use audio_rig::{Ears, MIC, SILENT_DB, SPEAKER, TONE_DB, db, rig, wait};
use capture::audio::{AudioEvent, Input, Source, list_applications, list_microphones, list_speakers, microphone_cards};
use capture::microphones_of;
use capture::video::{Rect, SourceInfo, SourceKind};
use testkit::sound::{Target, tone_amplitude};

const SECOND: Input = Input::new(2);
const PROGRAM: Input = Input::new(3);
const BOTH: [f64; 2] = [TONE_DB; 2];

/// A second microphone, as one would plug it in; what is played into it is the speaker's sound.
fn plug_in(rig: &testkit::sound::SoundRig) -> String {
    plug_in_as(rig, "device.description=Second")
}

fn plug_in_as(rig: &testkit::sound::SoundRig, properties: &str) -> String {
    let source = ["source_name=second", &format!("source_properties={properties}")];
    let module = rig
        .pactl(&["load-module", "module-remap-source", "master=speaker.monitor", source[0], source[1]])
        .expect("pactl");
    wait("the second microphone", || list_microphones().ok()?.iter().any(|listed| listed.id == "second").then_some(()));
    module.trim().to_owned()
}

#[test]
fn a_second_microphone_is_lost_when_unplugged_and_heard_again_when_it_is_back() {
    let rig = rig();
    let module = plug_in(&rig);
    let (mixer, ears) = Ears::mixer();
    mixer.open(MIC, &Source::Microphone(None)).expect("the microphone");
    mixer.open(SECOND, &Source::Microphone(Some("second".into()))).expect("the second microphone");
    mixer.set_volume(SECOND, 0.5);
    let _whistle = rig.play_tone(Target::Microphone, 440.0, 120.0).expect("pacat");
    let _tone = rig.play_tone(Target::Speaker, 1000.0, 120.0).expect("pacat");
    ears.hear(440.0, BOTH);
    ears.hear(1000.0, [TONE_DB - 6.02; 2]);

    rig.pactl(&["unload-module", &module]).expect("pactl");
    wait("the loss", || ears.events().iter().any(|event| matches!(event, AudioEvent::Lost(SECOND, _))).then_some(()));
    ears.hear(1000.0, [SILENT_DB; 2]);
    ears.hear(440.0, BOTH);
    let module = plug_in(&rig);
    wait("the recovery", || ears.events().contains(&AudioEvent::Recovered(SECOND)).then_some(()));
    ears.hear(1000.0, [TONE_DB - 6.02; 2]);
    for pair in ears.blocks().windows(2) {
        assert_eq!(pair[1].1.captured_at.since(pair[0].1.captured_at), Duration::from_millis(10));
    }
    rig.pactl(&["unload-module", &module]).expect("pactl");
}

#[test]
fn a_webcam_s_microphone_is_known_by_its_card_and_its_name() {
    let rig = rig();
    let module = plug_in_as(&rig, "\"device.description='HD Pro Webcam C920 Analog Stereo' alsa.card=7\"");
    let cards = microphone_cards();
    assert_eq!((cards.get("second"), cards.get("microphone")), (Some(&7), None), "{cards:?}");
    let camera = |title: &str| SourceInfo {
        id: format!("camera:/dev/of {title}"),
        lasting_id: String::new(),
        kind: SourceKind::Camera,
        title: title.to_owned(),
        program: String::new(),
        area: Rect::default(),
    };
    // No such card is plugged into this machine: its name alone is left to tell.
    let cameras = [camera("Integrated Camera"), camera("HD Pro Webcam C920")];
    let own = microphones_of(&cameras, &list_microphones().expect("microphones"));
    assert_eq!(own, [None, Some("second".to_owned())]);
    rig.pactl(&["unload-module", &module]).expect("pactl");
}

#[test]
fn the_system_s_choice_of_microphone_is_followed_there_and_back() {
    let rig = rig();
    let module = plug_in(&rig);
    let (mixer, ears) = Ears::mixer();
    let first = list_microphones()
        .expect("microphones")
        .iter()
        .map(|listed| listed.id.clone())
        .find(|id| id != "default" && id != "second");
    mixer.open(MIC, &Source::Microphone(None)).expect("the microphone");
    let _whistle = rig.play_tone(Target::Microphone, 440.0, 120.0).expect("pacat");
    let _tone = rig.play_tone(Target::Speaker, 1000.0, 120.0).expect("pacat");
    ears.hear(440.0, BOTH);
    rig.pactl(&["set-default-source", "second"]).expect("pactl");
    ears.hear(1000.0, BOTH);
    ears.hear(440.0, [SILENT_DB; 2]);
    rig.pactl(&["set-default-source", &first.expect("the first one")]).expect("pactl");
    ears.hear(440.0, BOTH);
    ears.hear(1000.0, [SILENT_DB; 2]);
    for pair in ears.blocks().windows(2) {
        assert_eq!(pair[1].1.captured_at.since(pair[0].1.captured_at), Duration::from_millis(10));
    }
    assert_eq!(ears.events(), [], "following is no loss");
    rig.pactl(&["unload-module", &module]).expect("pactl");
}

#[test]
fn an_input_that_is_to_stay_waits_for_its_device() {
    let rig = rig();
    let (mixer, ears) = Ears::mixer();
    let error = mixer.keep_open(SECOND, &Source::Microphone(Some("second".into()))).expect_err("it is not there");
    assert_eq!(error.code(), "device_not_found");
    let module = plug_in(&rig);
    wait("the recovery", || ears.events().contains(&AudioEvent::Recovered(SECOND)).then_some(()));
    assert_eq!(mixer.levels().len(), 1);
    mixer.remove(SECOND);
    wait("the end", || mixer.levels().is_empty().then_some(()));
    rig.pactl(&["unload-module", &module]).expect("pactl");
}

/// Plays a tone, and returns when the server has its stream: which of two is newer is certain then.
fn starts_to_play(rig: &testkit::sound::SoundRig, target: Target, hz: f64) -> testkit::sound::Playing {
    let streams = || rig.pactl(&["list", "short", "sink-inputs"]).expect("pactl");
    let before = streams();
    let playing = rig.play_tone(target, hz, 120.0).expect("pacat");
    let is_new = |line: &str| !before.lines().any(|old| old.split('\t').next() == line.split('\t').next());
    wait("the player's stream", || streams().lines().any(is_new).then_some(()));
    playing
}

#[test]
fn one_program_is_heard_without_the_others() {
    let rig = rig();
    let (mixer, ears) = Ears::mixer();
    let _other = starts_to_play(&rig, Target::Microphone, 440.0);
    let playing = starts_to_play(&rig, Target::Speaker, 1000.0);
    // Both are the same player: what tells them apart is its newest stream.
    let program = wait("the player among the programs", || list_applications().ok()?.into_iter().next()).id;
    mixer.open(PROGRAM, &Source::Application(program.clone())).expect("the player");
    ears.hear(1000.0, BOTH);
    ears.hear(440.0, [SILENT_DB; 2]);
    playing.stop();
    // The other one is the newest now.
    ears.hear(440.0, BOTH);
    assert_eq!(mixer.open(SECOND, &Source::Application("nobody".into())).expect_err("none").code(), "device_not_found");
}

#[test]
fn headphones_get_the_monitored_input_alone() {
    let rig = rig();
    rig.pactl(&["load-module", "module-null-sink", "sink_name=phones"]).expect("pactl");
    wait("the headphones", || list_speakers().ok()?.iter().any(|listed| listed.id == "phones").then_some(()));
    let (mixer, ears) = Ears::mixer();
    mixer.open(MIC, &Source::Microphone(None)).expect("the microphone");
    mixer.open(SPEAKER, &Source::SystemSound(None)).expect("the speaker's monitor");
    mixer.set_monitored(MIC, true);
    mixer.set_muted(MIC, true);
    mixer.listen(Some("phones")).expect("the headphones");
    let _whistle = rig.play_tone(Target::Microphone, 440.0, 120.0).expect("pacat");
    let _tone = rig.play_tone(Target::Speaker, 1000.0, 120.0).expect("pacat");
    ears.hear(1000.0, BOTH);
    ears.hear(440.0, [SILENT_DB; 2]);
    // A second mixer listens to what the headphones play.
    let (listener, heard) = Ears::mixer();
    listener.open(SPEAKER, &Source::SystemSound(Some("phones".into()))).expect("the headphones' monitor");
    heard.hear(440.0, BOTH);
    heard.hear(1000.0, [SILENT_DB; 2]);
    mixer.listen(None).expect("it ends");
    heard.hear(440.0, [SILENT_DB; 2]);
}

#[test]
fn an_input_s_tap_and_the_mix_carry_the_same_moment() {
    let rig = rig();
    let (mixer, ears) = Ears::mixer();
    mixer.open(MIC, &Source::Microphone(None)).expect("the microphone");
    let tap = mixer.tap(MIC, 100);
    let _whistle = rig.play_tone(Target::Microphone, 440.0, 60.0).expect("pacat");
    ears.hear(440.0, BOTH);
    let mut left = Vec::new();
    wait("a fifth of a second of the tap's tone", || {
        let block = tap.next(Duration::from_secs(5)).expect("blocks");
        left.extend(block.samples.iter().step_by(2).copied());
        let tail = &left[left.len().saturating_sub(9600)..];
        (tail.len() == 9600 && (db(tone_amplitude(tail, 440.0)) - TONE_DB).abs() < 0.5).then_some(())
    });
}
