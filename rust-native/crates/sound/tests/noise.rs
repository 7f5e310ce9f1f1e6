//! Noise suppression on speech that a synthesiser speaks, and noise that is added to it.

use std::process::Command;
use std::sync::LazyLock;

use sound::{Chain, Effect, Filter, SILENCE};

const BLOCK: usize = 480;
const SECOND: usize = 48_000;
const BEFORE: usize = 4 * SECOND;
const AFTER: usize = 3 * SECOND;
/// Loudness of the noise; the words are about 15 dB above it.
const NOISE_DB: f64 = -38.0;

/// A sentence at 48 kHz, with four seconds of silence before it and three after it.
static SPEECH: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let spoken = Command::new("espeak-ng")
        .args(["-v", "en", "--stdout", "The stream is live, and everybody can hear what is being said now."])
        .output()
        .expect("espeak-ng is missing: install the Debian package espeak-ng");
    assert!(spoken.status.success(), "{}", String::from_utf8_lossy(&spoken.stderr));
    let wav = spoken.stdout;
    let rate = f64::from(u32::from_le_bytes(wav[24..28].try_into().expect("a header")));
    let pcm: Vec<f32> =
        wav[44..].chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0).collect();
    let mut speech = vec![0.0; BEFORE];
    let mut at = 0.0;
    while at + 1.0 < pcm.len() as f64 {
        let (index, part) = (at as usize, (at % 1.0) as f32);
        speech.push((pcm[index] + (pcm[index + 1] - pcm[index]) * part) * 0.8);
        at += rate / 48_000.0;
    }
    speech.resize(speech.len() + AFTER, 0.0);
    speech
});

fn rms_db(samples: &[f32]) -> f64 {
    let power: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    10.0 * (power / samples.len() as f64).max(1e-12).log10()
}

fn white() -> impl FnMut() -> f32 {
    let mut seed = 1u32;
    move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Low and steady, as a fan or a street.
fn rumble() -> impl FnMut() -> f32 {
    let (mut white, mut low) = (white(), 0.0);
    move || {
        low = low * 0.98 + white();
        low
    }
}

/// The speech with noise of [`NOISE_DB`], and what the filter makes of it.
fn suppress(noise: impl FnMut() -> f32) -> (Vec<f32>, Vec<f32>) {
    suppress_at(NOISE_DB, noise)
}

fn suppress_at(noise_db: f64, mut noise: impl FnMut() -> f32) -> (Vec<f32>, Vec<f32>) {
    let noise: Vec<f32> = SPEECH.iter().map(|_| noise()).collect();
    let gain = 10f64.powf((noise_db - rms_db(&noise)) / 20.0) as f32;
    let noisy: Vec<f32> = SPEECH.iter().zip(&noise).map(|(speech, noise)| speech + noise * gain).collect();
    let filter = Filter { enabled: true, effect: Effect::NoiseSuppression };
    let mut chain = Chain::new(&[filter]).expect("valid");
    let mut out = Vec::new();
    for block in noisy.chunks_exact(BLOCK) {
        let mut samples = SILENCE;
        samples.chunks_exact_mut(2).zip(block).for_each(|(frame, sample)| frame.fill(*sample));
        chain.process(&mut samples);
        out.extend(samples.iter().step_by(2));
    }
    (noisy, out)
}

/// How many dB lower the second before the sentence, the sentence, and the last second come out.
fn lowered((noisy, out): &(Vec<f32>, Vec<f32>)) -> [f64; 3] {
    let end = out.len();
    let parts = [BEFORE - SECOND..BEFORE - BLOCK, BEFORE..SPEECH.len() - AFTER, end - SECOND..end];
    parts.map(|part| rms_db(&noisy[part.clone()]) - rms_db(&out[part]))
}

#[test]
fn a_rumble_is_lowered_by_20_db_before_and_after_the_words_and_the_words_stay() {
    let [before, words, after] = lowered(&suppress(rumble()));
    assert!(before > 20.0 && after > 20.0, "lowered by {before:.1} dB before and {after:.1} dB after the words");
    assert!(words.abs() < 2.0, "words changed by {words:.1} dB");
}

#[test]
fn white_noise_is_lowered_by_20_db_before_and_after_the_words_and_the_words_stay() {
    let [before, words, after] = lowered(&suppress(white()));
    assert!(before > 20.0 && after > 20.0, "lowered by {before:.1} dB before and {after:.1} dB after the words");
    assert!(words.abs() < 2.0, "words changed by {words:.1} dB");
}

#[test]
fn any_steady_noise_is_lowered_by_10_db_from_the_first_second_on() {
    type Noise = fn() -> Box<dyn FnMut() -> f32>;
    let noises: [(&str, Noise); 2] = [("white", || Box::new(white())), ("rumble", || Box::new(rumble()))];
    for (name, noise) in noises {
        for level in [-28.0, -38.0, -50.0] {
            let (noisy, out) = suppress_at(level, noise());
            for second in 0..4 {
                // The first tenth is the network's own; what comes out is a block late.
                let from = second * SECOND + if second == 0 { SECOND / 10 } else { 0 };
                let part = from..(second + 1) * SECOND - BLOCK;
                let lowered = rms_db(&noisy[part.clone()]) - rms_db(&out[part]);
                println!("{name} at {level} dB, second {second}: lowered by {lowered:.1} dB");
                assert!(lowered > 10.0, "{name} at {level} dB, second {second}: lowered by {lowered:.1} dB");
            }
        }
    }
}

#[test]
fn nothing_is_heard_of_the_voice_that_the_network_has_heard_before() {
    let filter = Filter { enabled: true, effect: Effect::NoiseSuppression };
    let mut chain = Chain::new(&[filter]).expect("valid");
    for _ in 0..50 {
        let mut samples = SILENCE;
        chain.process(&mut samples);
        assert!(samples.iter().all(|sample| sample.abs() < 1e-6), "silence stays silent");
    }
}
