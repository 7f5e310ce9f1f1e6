//! A voice that says nothing: what a network that knows speech is shown before it hears the first sound.

use media::AUDIO_SAMPLE_RATE;

const RATE: f64 = AUDIO_SAMPLE_RATE as f64;
/// How long it lasts: after less, RNNoise has not settled.
const SECONDS: f64 = 2.0;
/// Each vowel's share of a second.
const VOWEL: f64 = 0.18;
/// Resonances of the vocal tract in four vowels, Hz (Peterson and Barney 1952, a, i, u and e of a man's voice).
const FORMANTS: [[f64; 3]; 4] =
    [[730.0, 1090.0, 2440.0], [270.0, 2290.0, 3010.0], [300.0, 870.0, 2240.0], [530.0, 1840.0, 2480.0]];
/// How loud each resonance is beside the first.
const SHARES: [f64; 3] = [1.0, 0.6, 0.3];
/// About −8 dBFS: someone near a microphone.
const PEAK: f32 = 0.4;

/// Mono samples: pulses of a voice at 120 Hz through the vowels, one after the other.
pub(crate) fn vowels() -> Vec<f32> {
    let (mut phase, mut memory) = (0.0, [[0.0f64; 2]; 3]);
    let spoken: Vec<f64> = (0..(SECONDS * RATE) as usize)
        .map(|index| {
            let time = index as f64 / RATE;
            // The melody of a sentence: a tone that stands still is music, or a machine.
            phase += (120.0 + 25.0 * (time * 1.3 * std::f64::consts::TAU).sin()) / RATE;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase %= 1.0;
            let place = time / VOWEL;
            let vowel = FORMANTS[place as usize % FORMANTS.len()];
            let mut sound = 0.0;
            for (number, (hz, [last, before])) in vowel.iter().zip(&mut memory).enumerate() {
                let radius = (-std::f64::consts::PI * (80.0 + 40.0 * number as f64) / RATE).exp();
                let turn = 2.0 * radius * (hz * std::f64::consts::TAU / RATE).cos();
                let next = pulse + turn * *last - radius * radius * *before;
                (*before, *last) = (*last, next);
                sound += next * (1.0 - radius) * SHARES[number];
            }
            sound * (0.5 - 0.5 * (place % 1.0 * std::f64::consts::TAU).cos()).sqrt()
        })
        .collect();
    let peak = spoken.iter().fold(1e-9, |peak: f64, sample| peak.max(sample.abs()));
    spoken.iter().map(|sample| (sample / peak) as f32 * PEAK).collect()
}
