//! The sound server dies or hangs in mid-stream.

#![cfg(target_os = "linux")]

mod audio_rig;

use std::time::{Duration, Instant};

use audio_rig::{Ears, MIC, SPEAKER, TONE_DB, rig, wait};
use capture::audio::{AudioEvent, Source};
use testkit::sound::Target;

#[test]
fn a_killed_server_is_reported_and_its_successor_is_picked_up() {
    let mut rig = rig();
    let (mixer, ears) = Ears::mixer();
    mixer.open(SPEAKER, &Source::SystemSound(None)).expect("the speaker's monitor");
    mixer.open(MIC, &Source::Microphone(None)).expect("the microphone");
    let tone = rig.play_tone(Target::Speaker, 1000.0, 60.0).expect("pacat");
    ears.hear(1000.0, [TONE_DB; 2]);
    tone.stop();

    let killed_at = Instant::now();
    rig.stop_server();
    wait("two losses", || (ears.events().len() >= 2).then_some(()));
    assert!(killed_at.elapsed() < Duration::from_secs(5), "{:?}", killed_at.elapsed());
    for input in [SPEAKER, MIC] {
        let lost = |event: &AudioEvent| matches!(event, AudioEvent::Lost(lost, _) if *lost == input);
        assert_eq!(ears.events().iter().filter(|event| lost(event)).count(), 1, "{input:?}: {:?}", ears.events());
    }

    // The stream's sound goes on, silently and in step.
    let count = ears.blocks().len();
    wait("2 s of silence", || (ears.blocks().len() >= count + 200).then_some(()));

    rig.start_server().expect("the servers once more");
    wait("two recoveries", || (ears.events().len() >= 4).then_some(()));
    for input in [SPEAKER, MIC] {
        assert!(ears.events().contains(&AudioEvent::Recovered(input)), "{:?}", ears.events());
    }
    let _tone = rig.play_tone(Target::Speaker, 1000.0, 60.0).expect("pacat");
    ears.hear(1000.0, [TONE_DB; 2]);
    for pair in ears.blocks().windows(2) {
        assert_eq!(pair[1].1.captured_at.since(pair[0].1.captured_at), Duration::from_millis(10));
    }
}

#[test]
fn a_server_that_hangs_stops_nobody() {
    let rig = rig();
    let (mixer, ears) = Ears::mixer();
    mixer.open(SPEAKER, &Source::SystemSound(None)).expect("the speaker's monitor");
    rig.hang();
    wait("the loss", || matches!(ears.events().first(), Some(AudioEvent::Lost(SPEAKER, _))).then_some(()));
    let started = Instant::now();
    let opened = mixer.open(MIC, &Source::Microphone(None)).expect_err("it hangs");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert!(["device_timeout", "no_sound_server"].contains(&opened.code()), "{opened}");
    let started = Instant::now();
    assert_eq!(capture::audio::list_microphones().expect_err("it hangs").code(), "no_sound_server");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    rig.resume();
    wait("the recovery", || ears.events().contains(&AudioEvent::Recovered(SPEAKER)).then_some(()));
}
