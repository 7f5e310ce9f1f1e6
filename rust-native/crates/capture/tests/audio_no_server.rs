//! Without a sound server: a clear answer, soon, and nothing on stderr.

#![cfg(target_os = "linux")]

mod audio_rig;

use std::time::{Duration, Instant};

use audio_rig::{Ears, SPEAKER};
use capture::audio::{Source, list_microphones, system_sound_available};

#[test]
fn no_server_is_said_within_two_seconds_and_the_mixer_stays_usable() {
    let nowhere = std::env::temp_dir().join("tidecast-no-sound-server-here");
    for name in ["XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "PIPEWIRE_RUNTIME_DIR"] {
        // SAFETY: the only test of this process; nothing else runs yet.
        unsafe { std::env::set_var(name, &nowhere) };
    }
    // SAFETY: as above.
    unsafe { std::env::remove_var("PULSE_SERVER") };
    let (mixer, ears) = Ears::mixer();
    let started = Instant::now();
    let listed = list_microphones().expect_err("there is no server");
    let opened = mixer.open(SPEAKER, &Source::SystemSound(None)).expect_err("there is no server");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!((listed.code(), opened.code()), ("no_sound_server", "no_sound_server"));
    assert!(!listed.hint().is_empty());
    assert!(!system_sound_available());
    assert!(ears.blocks().is_empty() && ears.events().is_empty() && mixer.levels().is_empty());
}
