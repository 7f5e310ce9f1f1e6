//! Asking the sound server, again and again, leaves nothing behind.

#![cfg(target_os = "linux")]

mod audio_rig;

use std::fs;

use audio_rig::{Ears, MIC, SPEAKER, rig};
use capture::audio::{Source, list_microphones, system_sound_available};

/// Threads and open descriptors of this process.
fn held() -> (usize, usize) {
    let count = |folder: &str| fs::read_dir(folder).expect("procfs").count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

#[test]
fn listing_and_opening_again_and_again_holds_no_more_threads_or_descriptors() {
    let _rig = rig();
    let round = || {
        assert!(!list_microphones().expect("the rig has a microphone").is_empty());
        assert!(system_sound_available());
        let (mixer, _ears) = Ears::mixer();
        mixer.open(SPEAKER, &Source::SystemSound(None)).expect("the speaker's monitor");
        mixer.open(MIC, &Source::Microphone(None)).expect("the microphone");
    };
    // The first round makes what is kept.
    round();
    let settled = held();
    for _ in 0..5 {
        round();
    }
    // Threads that end do so in their own time.
    let level = audio_rig::wait("threads and descriptors are as before", || {
        let now = held();
        (now.0 <= settled.0 && now.1 <= settled.1).then_some(now)
    });
    println!("threads and descriptors: {settled:?} → {level:?}");
}
