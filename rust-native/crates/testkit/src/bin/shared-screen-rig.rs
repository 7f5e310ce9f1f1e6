//! A desktop that shares its screen, for tests that are not written in Rust (Electron).
//!
//! `shared-screen-rig CAPS [PROPERTY…]` prints one line of JSON, the environment of a program in that session, and
//! runs until its standard input closes. Lines on standard input, each answered by one line of JSON:
//!
//! - `answer share|refuse|fail|think`: what the user does when asked, from now on;
//! - `decide yes|no`: answers the question that stands;
//! - `asked`: what was asked of the portal (`cursor_mode`, `restored`, `questions`, `closed`, `asking`);
//! - `close`: the desktop ends the sharing;
//! - `shortcuts`: the keys that were asked for, each with its id, description and wish;
//! - `press ID`, `release ID`: the user presses the key that was given to it;
//! - `give ID…`: the user gives keys to these alone;
//! - `restart`: another producer in its place;
//! - `end`: the producer of the pictures ends, as a compositor does that goes.

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
    use std::error::Error;
    use std::io::{self, BufRead, Write};
    use std::process::ExitCode;

    use serde_json::{Value, json};
    use testkit::shared_screen::{Answer, Desktop, Portal};

    pub(crate) fn main() -> ExitCode {
        let outcome = run();
        if let Err(error) = &outcome {
            let _ = say(&json!({ "error": error.to_string() }));
        }
        if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn run() -> Result<(), Box<dyn Error>> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let (caps, properties) = arguments.split_first().ok_or("it takes caps, and properties of the test source")?;
        let properties: Vec<&str> = properties.iter().map(String::as_str).collect();
        let desktop = Desktop::start()?;
        let mut screen = Some(desktop.screen(caps, &properties)?);
        let node = screen.as_ref().map_or(0, |screen| screen.node);
        let portal = Portal::start(&desktop.bus(), &desktop.pipewire(), node, None, Answer::Share)?;
        say(&json!({ "DBUS_SESSION_BUS_ADDRESS": desktop.bus(), "XDG_SESSION_TYPE": "wayland" }))?;
        for line in io::stdin().lock().lines() {
            let line = line?;
            let words: Vec<&str> = line.split_whitespace().collect();
            let done = match words.as_slice() {
                [] => continue,
                ["asked"] => {
                    let asked = portal.asked()?;
                    say(&json!({
                        "cursor_mode": asked.cursor_mode,
                        "restored": asked.restore_token.is_some(),
                        "questions": asked.questions,
                        "closed": asked.closed,
                        "asking": asked.asking,
                    }))?;
                    continue;
                }
                ["shortcuts"] => {
                    say(&json!({ "bound": portal.shortcuts()?.bound }))?;
                    continue;
                }
                ["press", id] => portal.press(id, true).map_err(|error| error.to_string()),
                ["release", id] => portal.press(id, false).map_err(|error| error.to_string()),
                ["give", ids @ ..] => portal.give(ids).map_err(|error| error.to_string()),
                ["answer", word] => {
                    answer(word).and_then(|answer| portal.set_answer(answer).map_err(|error| error.to_string()))
                }
                ["decide", word] => portal.decide(*word == "yes").map_err(|error| error.to_string()),
                ["close"] => portal.close().map_err(|error| error.to_string()),
                ["restart"] => {
                    drop(screen.take());
                    let anew = desktop.screen(caps, &properties)?;
                    let told = portal.set_node(anew.node).map_err(|error| error.to_string());
                    screen = Some(anew);
                    told
                }
                ["end"] => {
                    screen = None;
                    Ok(())
                }
                _ => Err(format!("not understood: {line}")),
            };
            say(&done.map_or_else(|error| json!({ "error": error }), |()| Value::Object(serde_json::Map::new())))?;
        }
        drop(screen);
        Ok(())
    }

    fn answer(word: &str) -> Result<Answer, String> {
        match word {
            "share" => Ok(Answer::Share),
            "refuse" => Ok(Answer::Refuse),
            "fail" => Ok(Answer::Fail),
            "think" => Ok(Answer::Think),
            other => Err(format!("no answer {other}")),
        }
    }

    fn say(value: &Value) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{value}")?;
        out.flush()
    }
}
