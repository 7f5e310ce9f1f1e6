//! Child processes that never outlive the test, and their folder.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

type Started = io::Result<(u32, Option<ChildStdin>)>;

enum Ask {
    Spawn(Box<Command>, SyncSender<Started>),
    Kill(u32, SyncSender<()>),
}

/// The thread that starts processes and ends them.
///
/// The kernel is told to kill them when their parent *thread* ends, so that nothing is left of a killed test. That
/// must not be the thread of a single test: hence one of its own.
#[derive(Debug)]
pub(super) struct Keeper {
    asks: Option<SyncSender<Ask>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn start() -> io::Result<Self> {
        let (asks, asked) = sync_channel(8);
        let thread = std::thread::Builder::new().name("rig-keeper".into()).spawn(move || keep(&asked))?;
        Ok(Self { asks: Some(asks), thread: Some(thread) })
    }

    /// Starts a process; returns its id and its standard input if that is a pipe.
    pub(super) fn spawn(&self, mut command: Command) -> Started {
        // SAFETY: prctl is async-signal-safe and touches nothing of this process.
        unsafe {
            command.pre_exec(|| {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) == 0 {
                    Ok(())
                } else {
                    Err(io::Error::last_os_error())
                }
            });
        }
        let (answer, answered) = sync_channel(1);
        self.ask(Ask::Spawn(Box::new(command), answer));
        answered.recv().unwrap_or_else(|_| Err(io::Error::other("the keeper is gone")))
    }

    /// Kills one of its processes and waits for its end; does nothing when it has ended.
    pub(super) fn kill(&self, pid: u32) {
        let (answer, answered) = sync_channel(1);
        self.ask(Ask::Kill(pid, answer));
        let _ = answered.recv();
    }

    /// A way to kill from elsewhere.
    pub(super) fn killer(&self, pid: u32) -> Killer {
        Killer { pid, asks: self.asks.clone() }
    }

    fn ask(&self, ask: Ask) {
        if let Some(asks) = &self.asks {
            let _ = asks.send(ask);
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Killers may still hold senders, so the thread is told by a request that can't be missed.
        if let Some(asks) = self.asks.take() {
            let (answer, _) = sync_channel(1);
            let _ = asks.send(Ask::Kill(EVERYTHING, answer));
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Kills one process, once.
#[derive(Debug)]
pub(super) struct Killer {
    pid: u32,
    asks: Option<SyncSender<Ask>>,
}

impl Killer {
    pub(super) fn kill(&mut self) {
        if let Some(asks) = self.asks.take() {
            let (answer, answered) = sync_channel(1);
            if asks.send(Ask::Kill(self.pid, answer)).is_ok() {
                let _ = answered.recv();
            }
        }
    }
}

/// No process has this id.
const EVERYTHING: u32 = 0;

fn keep(asked: &Receiver<Ask>) {
    let mut children: Vec<Child> = Vec::new();
    while let Ok(ask) = asked.recv() {
        children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        match ask {
            Ask::Spawn(mut command, answer) => {
                let started = command.spawn().map(|mut child| {
                    let started = (child.id(), child.stdin.take());
                    children.push(child);
                    started
                });
                let _ = answer.send(started);
            }
            Ask::Kill(EVERYTHING, _) => break,
            Ask::Kill(pid, answer) => {
                children.iter_mut().filter(|child| child.id() == pid).for_each(end);
                let _ = answer.send(());
            }
        }
    }
    // Clients before servers, in the reverse order of their start.
    children.iter_mut().rev().for_each(end);
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Sends a signal to a process of the rig.
pub(super) fn signal(pid: u32, signal: libc::c_int) {
    // SAFETY: kill takes plain numbers; the process is one that the keeper started and has not reaped.
    unsafe { libc::kill(pid as libc::pid_t, signal) };
}

/// A folder that only we can read and that goes with its owner, also when that is killed.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Waits for its standard input to close, as it does however this process ends, and clears up.
    sweeper: Child,
}

/// Twice: the servers, killed at the same moment, may write a last line in between.
const SWEEP: &str = r#"read -r _; rm -rf -- "$0"; sleep 1; rm -rf -- "$0""#;

impl Folder {
    pub(super) fn new(what: &str) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tidecast-{what}-{}-{number}", std::process::id()));
        std::fs::create_dir(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
        let mut sweeper = Command::new("sh");
        sweeper.args(["-c", SWEEP]).arg(&path).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Out of the terminal's group: Ctrl-C is to end the test, not the clearing up.
        let sweeper = sweeper.process_group(0).spawn()?;
        Ok(Self { path, sweeper })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
        end(&mut self.sweeper);
    }
}
