//! Sines, played through someone else's player.

use std::io::Write;
use std::process::{Command, Stdio};

use super::SoundRigError;
use super::keeper::{Keeper, Killer};
use super::servers::missing;
use crate::sine::{Tone, tone_samples};

/// A tone that sounds until it ends, or until this is dropped.
#[derive(Debug)]
pub struct Playing {
    killer: Killer,
}

impl Playing {
    /// Ends it now.
    pub fn stop(mut self) {
        self.killer.kill();
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.killer.kill();
    }
}

/// Starts `pacat` and feeds it.
pub(super) fn play(
    keeper: &Keeper,
    env: &[(String, String)],
    sink: &str,
    tone: &Tone,
) -> Result<Playing, SoundRigError> {
    let mut command = Command::new("pacat");
    command
        // Enough in hand that a busy machine tears no holes into the test's own tone.
        .args(["--playback", "--raw", "--rate=48000", "--format=float32le", "--channels=2", "--latency-msec=150"])
        .arg(format!("--device={sink}"))
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let (pid, stdin) = keeper.spawn(command).map_err(|error| missing(error, "pacat", "pulseaudio-utils"))?;
    let samples = tone_samples(tone);
    if let Some(mut stdin) = stdin {
        std::thread::Builder::new().name("rig-tone".into()).spawn(move || {
            let mut samples = samples.peekable();
            while samples.peek().is_some() {
                let bytes: Vec<u8> = samples.by_ref().take(480).flatten().flat_map(f32::to_le_bytes).collect();
                // The player was killed: that is how a tone is stopped.
                if stdin.write_all(&bytes).is_err() {
                    return;
                }
            }
        })?;
    }
    Ok(Playing { killer: keeper.killer(pid) })
}
