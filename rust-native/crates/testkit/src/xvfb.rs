//! A private X server, and a window manager where a test wants one.
//!
//! Each [`Xvfb`] takes a free display by itself and ends, with everything it started, when it is dropped or when
//! the test's process dies in any way. Nothing here reads or writes `$DISPLAY`.

mod window;

use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::Size;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

pub use window::{Place, TestWindow};

/// How long a program may take to come up on a machine that is busy with other tests.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Why the rig could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum XvfbError {
    /// A program of the rig is missing or can't be run.
    #[error("{program} could not be started ({source}): install the Debian package {package}")]
    Program {
        /// Its name.
        program: &'static str,
        /// Where it comes from.
        package: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// It ran, but never became usable.
    #[error("{program} did not become ready within {} s: {detail}", START_LIMIT.as_secs())]
    NotReady {
        /// Its name.
        program: &'static str,
        /// What it printed last.
        detail: String,
    },
    /// The X server refused something.
    #[error("the X server refused: {0}")]
    X(String),
}

impl XvfbError {
    fn x(error: impl std::fmt::Display) -> Self {
        Self::X(error.to_string())
    }
}

/// A running X server.
#[derive(Debug)]
pub struct Xvfb {
    display: String,
    connection: RustConnection,
    root: u32,
    // Ended in this order: a window manager that outlives its server complains.
    _window_manager: Option<Program>,
    _server: Program,
}

impl Xvfb {
    /// Starts a server with one screen of that size, 24 bits deep, and openbox in it where `with_wm` is set.
    /// Returns when it (and the window manager) can be used.
    pub fn start(size: Size, with_wm: bool) -> Result<Self, XvfbError> {
        let (reader, writer) = pipe().map_err(|source| missing("Xvfb", "xvfb", source))?;
        let fd = writer.as_raw_fd();
        let mut command = Command::new("Xvfb");
        command
            .args(["-displayfd", &fd.to_string()])
            .args(["-screen", "0", &format!("{}x{}x24", size.width, size.height)])
            // Without -noreset the server starts over when its last client leaves, between two steps of a test.
            .args(["-nolisten", "tcp", "-noreset"]);
        // SAFETY: fcntl is async-signal-safe; `fd` stays open in the parent until after the spawn.
        unsafe {
            command.pre_exec(move || if libc::fcntl(fd, libc::F_SETFD, 0) < 0 { Err(last_error()) } else { Ok(()) });
        }
        let mut server = Program::spawn(command).map_err(|source| missing("Xvfb", "xvfb", source))?;
        drop(writer);
        let number = read_line(reader).ok_or_else(|| not_ready("Xvfb", &mut server))?;
        let display = format!(":{number}");

        let (connection, screen) = RustConnection::connect(Some(&display)).map_err(XvfbError::x)?;
        let root = connection.setup().roots[screen].root;
        let window_manager = with_wm.then(|| start_openbox(&display, &connection, root)).transpose()?;
        Ok(Self { display, connection, root, _window_manager: window_manager, _server: server })
    }

    /// What `$DISPLAY` would hold for it, such as `:7`.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self._server.pid
    }

    /// Kills the server, as a crash of it would.
    pub fn crash(self) {
        drop(self);
    }

    /// Puts the pointer there, as a hand with a mouse would (raw motion events included).
    pub fn move_pointer(&self, x: i16, y: i16) -> Result<(), XvfbError> {
        const MOTION_NOTIFY: u8 = 6;
        self.connection.xtest_fake_input(MOTION_NOTIFY, 0, 0, self.root, x, y, 0).map_err(XvfbError::x)?;
        self.sync()
    }

    /// Presses or releases a key, or a mouse button from 0x110 on, by its number in `linux/input-event-codes.h`.
    pub fn press(&self, number: u16, down: bool) -> Result<(), XvfbError> {
        const KEY_PRESS: u8 = 2;
        const BUTTON_PRESS: u8 = 4;
        let (press, detail) = match number {
            // X11's numbers of the side buttons lie behind those of the wheel.
            0x110..=0x112 => (BUTTON_PRESS, [1, 3, 2][usize::from(number - 0x110)]),
            0x113..=0x11f => (BUTTON_PRESS, u8::try_from(number - 0x113 + 8).map_err(XvfbError::x)?),
            _ => (KEY_PRESS, u8::try_from(number + 8).map_err(XvfbError::x)?),
        };
        let release = u8::from(!down);
        self.connection.xtest_fake_input(press + release, detail, 0, self.root, 0, 0, 0).map_err(XvfbError::x)?;
        self.sync()
    }

    /// Runs `xrandr` with these arguments on it, such as `--setmonitor`.
    pub fn xrandr(&self, arguments: &[&str]) -> Result<(), XvfbError> {
        let output = Command::new("xrandr")
            .args(["--display", &self.display])
            .args(arguments)
            .output()
            .map_err(|source| missing("xrandr", "x11-xserver-utils", source))?;
        if output.status.success() {
            Ok(())
        } else {
            Err(XvfbError::X(format!("xrandr {arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim())))
        }
    }

    fn sync(&self) -> Result<(), XvfbError> {
        self.connection.get_input_focus().map_err(XvfbError::x)?.reply().map_err(XvfbError::x)?;
        Ok(())
    }
}

fn start_openbox(display: &str, connection: &RustConnection, root: u32) -> Result<Program, XvfbError> {
    let mut command = Command::new("openbox");
    command.arg("--sm-disable").env("DISPLAY", display);
    let mut openbox = Program::spawn(command).map_err(|source| missing("openbox", "openbox", source))?;
    // It counts as ready once it has managed a window: events that reach openbox while it starts may lie in its
    // queue until another one comes, so that the first window of a test would never appear.
    let list = connection.intern_atom(false, b"_NET_CLIENT_LIST").map_err(XvfbError::x)?;
    let list = list.reply().map_err(XvfbError::x)?.atom;
    let managed = || -> Result<Option<u32>, XvfbError> {
        let windows = connection.get_property(false, root, list, AtomEnum::WINDOW, 0, 8).map_err(XvfbError::x)?;
        let windows = windows.reply().map_err(XvfbError::x)?;
        Ok((windows.type_ != x11rb::NONE).then_some(windows.value_len))
    };
    let deadline = Instant::now() + START_LIMIT;
    let mut first = None;
    loop {
        match (managed()?, &first) {
            (Some(1..), _) => break,
            // Each request to show it wakes openbox up.
            (Some(0), Some(window)) => TestWindow::map(window)?,
            (Some(0), None) => first = Some(TestWindow::open(display, "first", Place::new(0, 0, 32, 32), 0)?),
            (None, _) => {}
        }
        if Instant::now() > deadline {
            return Err(not_ready("openbox", &mut openbox));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(first);
    while managed()? != Some(0) {
        if Instant::now() > deadline {
            return Err(not_ready("openbox", &mut openbox));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(openbox)
}

/// A child that dies with its guard, and with this process whatever ends it.
#[derive(Debug)]
struct Program {
    pid: u32,
    stop: Option<mpsc::Sender<()>>,
    keeper: Option<JoinHandle<String>>,
}

impl Program {
    /// The child is spawned by a thread that lives as long as the guard: Linux sends the parent-death signal when
    /// the *thread* that forked ends, and a test's thread may end before its rig does.
    fn spawn(mut command: Command) -> Result<Self, std::io::Error> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // SAFETY: prctl is async-signal-safe and touches only the child.
        unsafe {
            command.pre_exec(|| {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) < 0 { Err(last_error()) } else { Ok(()) }
            });
        }
        let (started, spawned) = mpsc::sync_channel(1);
        let (stop, stopped) = mpsc::channel::<()>();
        let keeper = std::thread::Builder::new().name("rig-keeper".into()).spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    let _ = started.send(Err(error));
                    return String::new();
                }
            };
            let _ = started.send(Ok(child.id()));
            // Ends with the guard, whether it says so or is dropped.
            let _ = stopped.recv();
            end(&mut child)
        })?;
        let pid = spawned.recv().map_err(std::io::Error::other)??;
        Ok(Self { pid, stop: Some(stop), keeper: Some(keeper) })
    }
}

impl Program {
    /// Ends it; gives back what it complained about.
    fn stop(&mut self) -> String {
        drop(self.stop.take());
        self.keeper.take().and_then(|keeper| keeper.join().ok()).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Kills the child, waits for it, and gives back what it complained about.
fn end(child: &mut Child) -> String {
    let _ = child.kill();
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        let _ = stderr.take(4096).read_to_string(&mut said);
    }
    let _ = child.wait();
    said
}

fn read_line(from: OwnedFd) -> Option<String> {
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(std::fs::File::from(from)).read_line(&mut line);
        let _ = sender.send(line);
    });
    let line = receiver.recv_timeout(START_LIMIT).ok()?;
    let number = line.trim();
    (!number.is_empty()).then(|| number.to_owned())
}

fn pipe() -> Result<(OwnedFd, OwnedFd), std::io::Error> {
    let mut fds = [0; 2];
    // SAFETY: `fds` has room for the two descriptors.
    if unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) } < 0 {
        return Err(last_error());
    }
    // SAFETY: both are open and belong to no one else.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

fn last_error() -> std::io::Error {
    std::io::Error::last_os_error()
}

fn missing(program: &'static str, package: &'static str, source: std::io::Error) -> XvfbError {
    XvfbError::Program { program, package, source }
}

fn not_ready(name: &'static str, program: &mut Program) -> XvfbError {
    XvfbError::NotReady { program: name, detail: program.stop() }
}
