//! The sound rig for tests that are not written in Rust (Electron, Chromium).
//!
//! Prints one line of JSON, the environment in which others find its speaker and microphone, and runs until its
//! standard input closes. Lines on standard input, each answered by one line of JSON:
//!
//! - `tone speaker|microphone HZ SECONDS [AMPLITUDE] [left|right]`: plays through `pacat`;
//! - `beep speaker|microphone HZ SECONDS [AMPLITUDE]`: answers when it was heard (`played_at_ns` on
//!   `CLOCK_MONOTONIC`, `stamp` as in the time pattern), right within 5 ms;
//! - `stop`: ends all tones;
//! - `kill` and `start`: ends the sound servers as a crash would, and starts them anew.

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    rig::main()
}

#[cfg(target_os = "linux")]
mod rig {
    use std::collections::HashMap;
    use std::error::Error;
    use std::io::{self, BufRead, Write};
    use std::process::ExitCode;
    use std::time::Duration;

    use serde_json::{Value, json};
    use testkit::sound::{Beeper, Playing, Side, SoundRig, Target, Tone};

    /// More than one test plays at once.
    const MAX_TONES: usize = 16;

    pub(crate) fn main() -> ExitCode {
        let outcome = run();
        if let Err(error) = &outcome {
            let _ = say(&json!({ "error": error.to_string() }));
        }
        if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn run() -> Result<(), Box<dyn Error>> {
        let mut rig = SoundRig::start()?;
        rig.enter();
        let env: serde_json::Map<String, Value> = rig.env().into_iter().map(|(k, v)| (k, v.into())).collect();
        say(&Value::Object(env))?;
        let mut tones = Vec::new();
        let mut beepers = HashMap::new();
        for line in io::stdin().lock().lines() {
            let line = line?;
            let words: Vec<&str> = line.split_whitespace().collect();
            let answer = match words.as_slice() {
                [] => continue,
                ["stop"] => {
                    tones.clear();
                    Ok(json!({ "stop": true }))
                }
                ["kill"] => {
                    tones.clear();
                    beepers.clear();
                    rig.stop_server();
                    Ok(json!({ "kill": true }))
                }
                ["start"] => rig.start_server().map(|()| json!({ "start": true })).map_err(Into::into),
                ["tone", rest @ ..] => play(&rig, &mut tones, rest),
                ["beep", rest @ ..] => beep(&mut beepers, rest),
                _ => Err(format!("not understood: {line}").into()),
            };
            say(&answer.unwrap_or_else(|error| json!({ "error": error.to_string() })))?;
        }
        Ok(())
    }

    fn play(rig: &SoundRig, tones: &mut Vec<Playing>, words: &[&str]) -> Result<Value, Box<dyn Error>> {
        let (target, tone) = parse(words)?;
        if tones.len() >= MAX_TONES {
            tones.remove(0);
        }
        tones.push(rig.play(target, &tone)?);
        Ok(json!({ "tone": tone.hz }))
    }

    fn beep(beepers: &mut HashMap<String, Beeper>, words: &[&str]) -> Result<Value, Box<dyn Error>> {
        let (target, tone) = parse(words)?;
        let name = words[0].to_owned();
        if !beepers.contains_key(&name) {
            beepers.insert(name.clone(), Beeper::start(target)?);
        }
        let beep = beepers.get(&name).ok_or("no beeper")?.beep(&tone)?;
        Ok(json!({ "beep": tone.hz, "played_at_ns": beep.played_at.as_nanos(), "stamp": beep.stamp }))
    }

    fn parse(words: &[&str]) -> Result<(Target, Tone), Box<dyn Error>> {
        let [target, hz, seconds, rest @ ..] = words else { return Err("it takes a target, Hz and seconds".into()) };
        let target = match *target {
            "speaker" => Target::Speaker,
            "microphone" => Target::Microphone,
            other => return Err(format!("no target {other}").into()),
        };
        let mut tone =
            Tone { hz: hz.parse()?, length: Duration::try_from_secs_f64(seconds.parse()?)?, ..Tone::default() };
        for word in rest {
            match *word {
                "left" => tone.side = Side::Left,
                "right" => tone.side = Side::Right,
                amplitude => tone.amplitude = amplitude.parse()?,
            }
        }
        Ok((target, tone))
    }

    fn say(value: &Value) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{value}")?;
        out.flush()
    }
}
