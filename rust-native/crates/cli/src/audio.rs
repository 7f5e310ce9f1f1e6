//! `--audio`: inputs of the mix as a command line or a file describes them.

use std::path::Path;

use control_api::{AudioInputChange, AudioSource, Command, Effect, Filter, Problem};
use serde::Deserialize;

/// One input of the mix.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AudioLine {
    /// Its name in what is printed; numbered where absent.
    id: Option<String>,
    /// `{"kind":"microphone","device":"default"}`, `{"kind":"system_sound",…}` or
    /// `{"kind":"application","program":"firefox"}`.
    source: AudioSource,
    /// As the engine takes it: `gain_db`, `muted`, `solo`, `delay_ms`, `filters`.
    #[serde(default)]
    settings: AudioInputChange,
}

const SHAPE: &str = "write KIND[:DEVICE][,OPTION]…: KIND is microphone, system-sound or program; an OPTION is id=NAME, \
    gain=DB, delay=MS, mute, solo, noise, gate[=DB], compressor[=DB[:RATIO]], limiter[=DB] or equalizer=LOW:MID:HIGH";

/// What stands after `--audio`.
pub(crate) fn parse(text: &str) -> Result<AudioLine, String> {
    let mut parts = text.split(',');
    let (kind, device) = match parts.next().unwrap_or_default().split_once(':') {
        Some((kind, device)) => (kind, Some(device).filter(|device| !device.is_empty())),
        None => (text.split(',').next().unwrap_or_default(), None),
    };
    let named = device.unwrap_or("default").to_owned();
    let source = match (kind, device) {
        ("microphone", _) => AudioSource::Microphone { device: named },
        ("system-sound", _) => AudioSource::SystemSound { device: named },
        ("program", Some(program)) => AudioSource::Application { program: program.to_owned() },
        ("program", None) => return Err(format!("a program needs its name, as in program:firefox; {SHAPE}")),
        _ => return Err(format!("\"{kind}\" is no kind of input; {SHAPE}")),
    };
    let mut line = AudioLine { id: None, source, settings: AudioInputChange::default() };
    let mut filters = Vec::new();
    for part in parts {
        let (name, value) = part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value)));
        match (name, value) {
            ("id", Some(id)) => line.id = Some(id.to_owned()),
            ("gain", Some(db)) => line.settings.gain_db = Some(f64::from(number(name, db)?)),
            ("delay", Some(ms)) => {
                let ms = ms.parse().map_err(|_| format!("\"{ms}\" is no delay in whole milliseconds"))?;
                line.settings.delay_ms = Some(ms);
            }
            ("mute", None) => line.settings.muted = Some(true),
            ("solo", None) => line.settings.solo = Some(true),
            _ => filters.push(Filter { enabled: true, effect: effect(name, value)? }),
        }
    }
    line.settings.filters = Some(filters).filter(|filters| !filters.is_empty());
    Ok(line)
}

/// A filter by its short name: what isn't given is what suits a voice, as in the window.
fn effect(name: &str, value: Option<&str>) -> Result<Effect, String> {
    let numbers = value.map_or(Ok(Vec::new()), |value| {
        value.split(':').map(|each| number(name, each)).collect::<Result<Vec<f32>, String>>()
    })?;
    let effect = match (name, numbers.as_slice()) {
        ("noise", []) => Effect::NoiseSuppression,
        ("gate", []) => return effect(name, Some("-45")),
        ("gate", [threshold_db]) => {
            Effect::Gate { threshold_db: *threshold_db, attack_ms: 5.0, hold_ms: 150.0, release_ms: 150.0 }
        }
        ("compressor", []) => return effect(name, Some("-20:4")),
        ("compressor", [threshold_db, rest @ ..]) if rest.len() < 2 => Effect::Compressor {
            threshold_db: *threshold_db,
            ratio: rest.first().copied().unwrap_or(4.0),
            attack_ms: 6.0,
            release_ms: 120.0,
            makeup_db: 4.0,
        },
        ("limiter", []) => return effect(name, Some("-3")),
        ("limiter", [ceiling_db]) => Effect::Limiter { ceiling_db: *ceiling_db, release_ms: 100.0 },
        ("equalizer", [low_db, mid_db, high_db]) => {
            Effect::Equalizer { low_db: *low_db, mid_db: *mid_db, high_db: *high_db }
        }
        _ => return Err(format!("\"{name}\" is no option of an input, or not so; {SHAPE}")),
    };
    effect.check().map_err(|error| error.to_string())?;
    Ok(effect)
}

fn number(name: &str, text: &str) -> Result<f32, String> {
    text.parse().map_err(|_| format!("\"{text}\" is no number for {name}"))
}

/// What `--audio` and `--audio-file` ask for, as commands.
pub(crate) fn commands(lines: &[AudioLine], file: Option<&Path>) -> Result<Vec<Command>, Problem> {
    let bad = |message: String| Problem {
        code: "bad_value".to_owned(),
        message,
        hint: "See `tidecast stream --help`.".to_owned(),
    };
    let mut all = lines.to_vec();
    if let Some(file) = file {
        let text = std::fs::read_to_string(file)
            .map_err(|error| bad(format!("The sound file {} can't be read: {error}.", file.display())))?;
        let read: Vec<AudioLine> = serde_json::from_str(&text)
            .map_err(|error| bad(format!("The sound file {} is not as it should be: {error}.", file.display())))?;
        all.extend(read);
    }
    let mut commands = Vec::new();
    for (at, AudioLine { id, source, settings }) in all.into_iter().enumerate() {
        let id = id.unwrap_or_else(|| format!("input-{}", at + 1));
        commands.push(Command::AddAudioInput { id: id.clone(), source });
        if settings != AudioInputChange::default() {
            commands.push(Command::SetAudioInput { id, change: settings });
        }
    }
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_a_source_with_its_settings_in_their_order() {
        let line =
            parse("microphone:usb.mono-1,id=voice,gain=-6.5,delay=120,noise,gate=-50,equalizer=0:3:-2").expect("well");
        assert_eq!(line.id.as_deref(), Some("voice"));
        assert_eq!(line.source, AudioSource::Microphone { device: "usb.mono-1".into() });
        assert_eq!((line.settings.gain_db, line.settings.delay_ms), (Some(-6.5), Some(120)));
        let filters = line.settings.filters.expect("three");
        assert_eq!(filters.len(), 3);
        assert_eq!(filters[0].effect, Effect::NoiseSuppression);
        assert!(matches!(filters[1].effect, Effect::Gate { threshold_db: -50.0, .. }));
        assert_eq!(filters[2].effect, Effect::Equalizer { low_db: 0.0, mid_db: 3.0, high_db: -2.0 });
        let plain = parse("system-sound,solo,mute").expect("well");
        assert_eq!(plain.source, AudioSource::SystemSound { device: "default".into() });
        assert_eq!((plain.settings.muted, plain.settings.solo, plain.settings.filters), (Some(true), Some(true), None));
        let program = parse("program:Music Player,compressor=-30:8,limiter").expect("well");
        assert_eq!(program.source, AudioSource::Application { program: "Music Player".into() });
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_word() {
        for (text, word) in [
            ("camera", "camera"),
            ("program", "its name"),
            ("microphone,loud", "loud"),
            ("microphone,gain=loud", "loud"),
            ("microphone,gate=10", "10"),
            ("microphone,equalizer=1:2", "equalizer"),
            ("microphone,delay=1.5", "1.5"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_follows_the_flags_and_each_input_has_a_name_of_its_own() {
        let file = std::env::temp_dir().join(format!("tidecast-audio-{}.json", std::process::id()));
        let text = r#"[{"source":{"kind":"microphone","device":"default"},"settings":{"gain_db":-3.0,
            "filters":[{"enabled":true,"effect":{"kind":"limiter","ceiling_db":-3.0,"release_ms":100.0}}]}}]"#;
        std::fs::write(&file, text).expect("a file");
        let read = commands(&[parse("system-sound").expect("well")], Some(&file));
        std::fs::write(&file, r#"[{"source":{"kind":"microphone"}}]"#).expect("a file");
        let refused = commands(&[], Some(&file));
        std::fs::remove_file(&file).expect("it was there");
        let read = read.expect("well");
        let ids: Vec<&str> = read
            .iter()
            .map(|command| match command {
                Command::AddAudioInput { id, .. } | Command::SetAudioInput { id, .. } => id.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ids, ["input-1", "input-2", "input-2"]);
        assert_eq!(refused.expect_err("a device is missing").code, "bad_value");
    }
}
