//! The portal of the rig `rigs/portal`, whose user is the test.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use parking_lot::Mutex;
use serde_json::Value;

use crate::sound::SoundRigError;

const PROGRAM: &str = "portal";

/// What the user does when asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Says yes at once.
    Share,
    /// Says no at once.
    Refuse,
    /// The portal fails before its user could say anything.
    Fail,
    /// Looks at the question until [`Portal::decide`].
    Think,
}

impl Answer {
    fn name(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Refuse => "refuse",
            Self::Fail => "fail",
            Self::Think => "think",
        }
    }
}

/// What the last session asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// 1 hidden, 2 embedded, 4 beside the pictures.
    pub cursor_mode: Option<u64>,
    /// 1 monitors, 2 windows, 4 virtual.
    pub types: Option<u64>,
    /// 2 until it is revoked.
    pub persist_mode: Option<u64>,
    /// As it was given out.
    pub restore_token: Option<String>,
    /// How often the user was asked so far.
    pub questions: u64,
    /// How many sessions were closed by who opened them.
    pub closed: u64,
    /// Whether a question stands.
    pub asking: bool,
}

/// Keys that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shortcuts {
    /// Who asked, by its own word.
    pub app: Option<String>,
    /// Id, description, and the key that was wished for.
    pub bound: Vec<(String, String, Option<String>)>,
}

/// The portal, on the bus as long as it lives.
#[derive(Debug)]
pub struct Portal {
    child: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Portal {
    /// Takes its place on the bus of that address; hands out connections to the PipeWire at `pipewire` and shares
    /// `node`, which lies at `area` (x, y, width, height) where that is told.
    ///
    /// # Errors
    /// See [`SoundRigError`].
    pub fn start(
        bus: &str,
        pipewire: &Path,
        node: u32,
        area: Option<(i32, i32, u32, u32)>,
        answer: Answer,
    ) -> Result<Self, SoundRigError> {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/rigs/portal"));
        command.arg(bus).arg(pipewire).arg(node.to_string());
        command.args(area.map(|(x, y, width, height)| format!("{x},{y},{width},{height}")));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("it has no pipes"));
        };
        let portal = Self { child, pipes: Mutex::new((stdin, BufReader::new(stdout))) };
        read(&mut portal.pipes.lock().1)?;
        portal.set_answer(answer)?;
        Ok(portal)
    }

    /// What the user will do from now on.
    ///
    /// # Errors
    /// The portal has ended.
    pub fn set_answer(&self, answer: Answer) -> Result<(), SoundRigError> {
        self.tell(&format!("answer {}", answer.name())).map(drop)
    }

    /// Another node from now on.
    ///
    /// # Errors
    /// The portal has ended.
    pub fn set_node(&self, node: u32) -> Result<(), SoundRigError> {
        self.tell(&format!("node {node}")).map(drop)
    }

    /// What was asked.
    ///
    /// # Errors
    /// The portal has ended.
    pub fn asked(&self) -> Result<Asked, SoundRigError> {
        let asked = self.tell("asked")?;
        let number = |name: &str| asked[name].as_u64();
        Ok(Asked {
            cursor_mode: number("cursor_mode"),
            types: number("types"),
            persist_mode: number("persist_mode"),
            restore_token: asked["restore_token"].as_str().map(str::to_owned),
            questions: number("questions").unwrap_or_default(),
            closed: number("closed").unwrap_or_default(),
            asking: asked["asking"] == true,
        })
    }

    /// Answers the question that stands.
    ///
    /// # Errors
    /// No question stands.
    pub fn decide(&self, shares: bool) -> Result<(), SoundRigError> {
        self.tell(if shares { "decide yes" } else { "decide no" }).map(drop)
    }

    /// The keys that were asked for last.
    ///
    /// # Errors
    /// The portal has ended.
    pub fn shortcuts(&self) -> Result<Shortcuts, SoundRigError> {
        let told = self.tell("shortcuts")?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let one = |each: &Value| {
            let about = &each[1];
            Some((text(&each[0])?, text(&about["description"])?, text(&about["preferred_trigger"])))
        };
        let bound = told["bound"].as_array().into_iter().flatten().filter_map(one).collect();
        Ok(Shortcuts { app: text(&told["app"]), bound })
    }

    /// It is one without an interface for keys.
    ///
    /// # Errors
    /// The portal has ended.
    pub fn lack_shortcuts(&self) -> Result<(), SoundRigError> {
        self.tell("lack_shortcuts").map(drop)
    }

    /// Presses the key that was given to that id, or lets it go.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn press(&self, id: &str, down: bool) -> Result<(), SoundRigError> {
        self.tell(&format!("{} {id}", if down { "press" } else { "release" })).map(drop)
    }

    /// The user takes the keys of all other ids away, and gives these one.
    ///
    /// # Errors
    /// The portal has ended.
    pub fn give(&self, ids: &[&str]) -> Result<(), SoundRigError> {
        self.tell(&format!("give {}", ids.join(" "))).map(drop)
    }

    /// Takes all keys away from whoever listens, as a desktop that restarts does.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn close_keys(&self) -> Result<(), SoundRigError> {
        self.tell("close_keys").map(drop)
    }

    /// Ends the sharing from the desktop's side, as its user may at any time.
    ///
    /// # Errors
    /// Nothing is shared.
    pub fn close(&self) -> Result<(), SoundRigError> {
        self.tell("close").map(drop)
    }

    fn tell(&self, line: &str) -> Result<Value, SoundRigError> {
        let mut pipes = self.pipes.lock();
        writeln!(pipes.0, "{line}")?;
        pipes.0.flush()?;
        read(&mut pipes.1)
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(pipe: &mut BufReader<ChildStdout>) -> Result<Value, SoundRigError> {
    let mut line = String::new();
    pipe.read_line(&mut line)?;
    let answer: Value = serde_json::from_str(&line).map_err(|_| failed("it ended by itself"))?;
    answer["error"].as_str().map_or(Ok(answer.clone()), |reason| Err(failed(reason)))
}

fn failed(reason: &str) -> SoundRigError {
    SoundRigError::Failed { program: PROGRAM.to_owned(), reason: reason.to_owned() }
}
