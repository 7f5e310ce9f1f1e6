//! What sound costs: both inputs open, a tone in each.

#![cfg(target_os = "linux")]

mod audio_rig;

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use audio_rig::{Ears, MIC, SPEAKER, TONE_DB, rig};
use capture::audio::Source;
use testkit::sound::Target;

/// Processor time of each thread of this process so far, by name, in ticks of 10 ms.
fn ticks() -> BTreeMap<String, u64> {
    let mut by_name = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").expect("procfs").flatten() {
        let Ok(stat) = fs::read_to_string(task.path().join("stat")) else { continue };
        let (head, tail) = stat.rsplit_once(')').expect("a name in brackets");
        let name = head.split_once('(').expect("a name in brackets").1.to_owned();
        let fields: Vec<u64> = tail.split_whitespace().skip(11).take(2).filter_map(|n| n.parse().ok()).collect();
        *by_name.entry(name).or_insert(0) += fields.iter().sum::<u64>();
    }
    by_name
}

#[test]
fn both_inputs_cost_less_than_a_tenth_of_a_core() {
    let rig = rig();
    let (mixer, ears) = Ears::mixer();
    mixer.open(SPEAKER, &Source::SystemSound(None)).expect("the speaker's monitor");
    mixer.open(MIC, &Source::Microphone(None)).expect("the microphone");
    let _speaker = rig.play_tone(Target::Speaker, 1000.0, 60.0).expect("pacat");
    let _microphone = rig.play_tone(Target::Microphone, 440.0, 60.0).expect("pacat");
    ears.hear(1000.0, [TONE_DB; 2]);
    let (before, started) = (ticks(), Instant::now());
    std::thread::sleep(Duration::from_secs(10));
    let (after, took) = (ticks(), started.elapsed().as_secs_f64());
    let used = |name: &String, ticks: &u64| (ticks - before.get(name).unwrap_or(&0)) as f64 / 100.0 / took;
    let mut total = 0.0;
    // The tone generators and the test itself are not what is measured.
    for (name, ticks) in after.iter().filter(|(name, _)| !name.starts_with("rig-") && !name.starts_with("both_inp")) {
        let cores = used(name, ticks);
        println!("{name:>16}: {cores:.4} cores");
        total += cores;
    }
    println!("           total: {total:.4} cores for both inputs");
    assert!(total < 0.1, "{total} cores");
}
