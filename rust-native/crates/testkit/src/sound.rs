//! A private PipeWire with a speaker and a microphone, for machines that have neither.
//!
//! Real servers (`pipewire`, `wireplumber`, `pipewire-pulse`, and the `dbus-daemon` they want) in a runtime folder
//! of their own: a null sink is the speaker, and another one feeds a remapped source, the microphone. What is
//! played into them is heard by whoever is started with [`SoundRig::env`]. No sound card and no session of the
//! user's is touched; every process is ended by its id, also when the test that started it is killed.

mod beeper;
mod keeper;
mod servers;
mod tone;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use crate::sine::{Side, Tone, tone_amplitude, tone_samples};
pub use beeper::{Beep, Beeper};
pub use tone::Playing;

/// Why the rig can't be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoundRigError {
    /// A program is not installed.
    #[error("{program} is missing: install the Debian package {package}")]
    Missing {
        /// What was to be run.
        program: String,
        /// Where it is from.
        package: &'static str,
    },
    /// A program ran and failed.
    #[error("{program} failed: {reason}")]
    Failed {
        /// Which.
        program: String,
        /// Its own words.
        reason: String,
    },
    /// A server did not come up.
    #[error("no {what} within {seconds} s; the servers said:\n{log}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        seconds: u64,
        /// The end of their logs.
        log: String,
    },
    /// The folder or a thread.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Where a tone is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The default sink: system sound.
    Speaker,
    /// Into the microphone, as if someone whistled.
    Microphone,
}

impl Target {
    /// The sink's name at the server.
    fn sink(self) -> &'static str {
        match self {
            Self::Speaker => "speaker",
            Self::Microphone => "mic_feed",
        }
    }
}

/// The running servers; see the module.
#[derive(Debug)]
pub struct SoundRig {
    // Before the folder: the processes end before their sockets go.
    keeper: keeper::Keeper,
    servers: Vec<u32>,
    folder: keeper::Folder,
}

impl SoundRig {
    /// Starts the servers and waits until both devices are there.
    ///
    /// # Errors
    /// See [`SoundRigError`].
    pub fn start() -> Result<Self, SoundRigError> {
        let folder = keeper::Folder::new("sound")?;
        servers::configure(folder.path())?;
        let mut rig = Self { keeper: keeper::Keeper::start()?, servers: Vec::new(), folder };
        rig.start_server()?;
        Ok(rig)
    }

    /// What a child needs in its environment to find these devices as its default ones.
    pub fn env(&self) -> Vec<(String, String)> {
        servers::client_env(self.folder.path())
    }

    /// Puts [`Self::env`] into this process, for everything that it opens from now on.
    pub fn enter(&self) {
        for (name, value) in self.env() {
            // SAFETY: a test's process; only Rust code reads the environment in it, which takes std's lock.
            unsafe { std::env::set_var(name, value) };
        }
    }

    /// The folder with the sockets and logs.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Kills the sound servers, as a crash would.
    pub fn stop_server(&mut self) {
        for pid in self.servers.drain(..).rev() {
            self.keeper.kill(pid);
        }
        servers::remove_sockets(self.folder.path());
    }

    /// Starts them anew, after [`Self::stop_server`].
    ///
    /// # Errors
    /// See [`SoundRigError`].
    pub fn start_server(&mut self) -> Result<(), SoundRigError> {
        self.servers = servers::start(&self.keeper, self.folder.path())?;
        Ok(())
    }

    /// Stops the servers' processes without ending them: they answer nothing until [`Self::resume`].
    pub fn hang(&self) {
        self.servers.iter().for_each(|pid| keeper::signal(*pid, libc::SIGSTOP));
    }

    /// Ends [`Self::hang`].
    pub fn resume(&self) {
        self.servers.iter().for_each(|pid| keeper::signal(*pid, libc::SIGCONT));
    }

    /// Starts a program of the Debian package `package` in this session; returns its id, for [`Self::end`].
    ///
    /// # Errors
    /// See [`SoundRigError`].
    pub fn run(&self, program: &str, package: &'static str, arguments: &[&str]) -> Result<u32, SoundRigError> {
        let log = std::fs::File::create(self.folder.path().join(format!("{program}.log")))?;
        let mut command = std::process::Command::new(program);
        command
            .args(arguments)
            .envs(self.env())
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let (pid, _) = self.keeper.spawn(command).map_err(|error| servers::missing(error, program, package))?;
        Ok(pid)
    }

    /// Kills what [`Self::run`] started.
    pub fn end(&self, pid: u32) {
        self.keeper.kill(pid);
    }

    /// Runs `pactl` against these servers; returns what it prints.
    ///
    /// # Errors
    /// See [`SoundRigError`].
    pub fn pactl(&self, arguments: &[&str]) -> Result<String, SoundRigError> {
        servers::pactl(self.folder.path(), arguments)
    }

    /// Plays a sine of −12 dBFS on both sides for so long.
    ///
    /// # Errors
    /// See [`SoundRigError`].
    pub fn play_tone(&self, target: Target, hz: f64, seconds: f64) -> Result<Playing, SoundRigError> {
        self.play(target, &Tone { hz, length: Duration::from_secs_f64(seconds), ..Tone::default() })
    }

    /// Plays any tone, through `pacat`: a player that is not ours.
    ///
    /// # Errors
    /// See [`SoundRigError`].
    pub fn play(&self, target: Target, tone: &Tone) -> Result<Playing, SoundRigError> {
        tone::play(&self.keeper, &self.env(), target.sink(), tone)
    }
}
