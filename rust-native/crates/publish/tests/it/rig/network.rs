//! A network of one's own: two lines to a far machine, which can be unplugged, in namespaces that nobody else sees.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use live_server::{Config, LiveServer};
use media::Secret;

use super::is_root;

/// Says that a process is inside already.
const INSIDE: &str = "TIDECAST_TEST_NETWORK";
/// Where the far machine is reached, whichever line is plugged in.
pub(crate) const FAR: &str = "10.97.0.9";

/// Runs a test, by its whole name, inside a network namespace: `true` inside of it, `false` in the process that started it
/// and has waited for its end. Needs root, or a kernel that lets users have namespaces.
pub(crate) fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut unshare = Command::new("unshare");
    unshare.args(if is_root() { &["--net"][..] } else { &["--user", "--map-root-user", "--net"] });
    unshare.arg(std::env::current_exe().expect("this test")).args([test, "--exact", "--nocapture"]);
    let status = unshare.env(INSIDE, "1").status().expect("unshare (package util-linux)");
    assert!(status.success(), "inside of its own network the test failed, or there may be none: {status}");
    false
}

/// The two lines; the first is plugged in.
pub(crate) struct Lines {
    far: Child,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Line {
    First,
    Second,
}

impl Line {
    fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::First => ("near1", "10.99.0.1/24", "10.99.0.2"),
            Self::Second => ("near2", "10.98.0.1/24", "10.98.0.2"),
        }
    }
}

impl Lines {
    pub(crate) fn new() -> Self {
        let far = Command::new("unshare").args(["--net", "sleep", "infinity"]).stdin(Stdio::null()).spawn();
        let lines = Self { far: far.expect("unshare (package util-linux)") };
        let pid = lines.far.id().to_string();
        // The namespace is another one only once unshare has come so far.
        let own = std::fs::read_link("/proc/self/ns/net").expect("Linux");
        while std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|theirs| theirs == own) {
            std::thread::yield_now();
        }
        ip(&["link", "set", "lo", "up"]);
        lines.at_far(&["link", "set", "lo", "up"]);
        // Not on loopback, whose addresses an SFU does not offer, and there from the beginning: it restarts ICE with the
        // sockets that it has.
        lines.at_far(&["link", "add", "far0", "type", "veth", "peer", "name", "inner0"]);
        lines.at_far(&["address", "add", &format!("{FAR}/32"), "dev", "far0"]);
        lines.at_far(&["link", "set", "far0", "up"]);
        lines.at_far(&["link", "set", "inner0", "up"]);
        for (line, far, address) in [(Line::First, "far1", "10.99.0.2/24"), (Line::Second, "far2", "10.98.0.2/24")] {
            let near = line.parts().0;
            ip(&["link", "add", near, "type", "veth", "peer", "name", far, "netns", &pid]);
            lines.at_far(&["address", "add", address, "dev", far]);
            lines.at_far(&["link", "set", far, "up"]);
        }
        lines.plug(Line::First);
        lines
    }

    /// What a program at the far machine begins with.
    pub(crate) fn command(&self) -> [String; 4] {
        ["nsenter".into(), format!("--net=/proc/{}/ns/net", self.far.id()), "--".into(), "/usr/bin/python3".into()]
    }

    pub(crate) fn plug(&self, line: Line) {
        let (near, address, gateway) = line.parts();
        ip(&["link", "set", near, "up"]);
        ip(&["address", "add", address, "dev", near]);
        ip(&["route", "add", FAR, "via", gateway, "dev", near]);
    }

    /// As a network manager does where the cable is out: no address, no route.
    pub(crate) fn unplug(&self, line: Line) {
        let near = line.parts().0;
        ip(&["address", "flush", "dev", near]);
        ip(&["link", "set", near, "down"]);
    }

    fn at_far(&self, arguments: &[&str]) {
        let net = format!("--net=/proc/{}/ns/net", self.far.id());
        run(Command::new("nsenter").arg(net).arg("ip").args(arguments));
    }
}

/// The key that [`FarServer`] takes.
pub(crate) const KEY: &str = "live_4711";

/// Our own server at the far machine, on threads that live in its network.
pub(crate) struct FarServer {
    pub(crate) address: SocketAddr,
    ask: mpsc::Sender<mpsc::Sender<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl FarServer {
    pub(crate) fn start(lines: &Lines) -> Self {
        let network = std::fs::File::open(format!("/proc/{}/ns/net", lines.far.id())).expect("its network");
        let (ask, asked) = mpsc::channel::<mpsc::Sender<bool>>();
        let (started, address) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            // SAFETY: plain numbers; it concerns this thread and those that it will start.
            let moved = unsafe { libc::setns(network.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(moved, 0, "{}", std::io::Error::last_os_error());
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let runtime = runtime.expect("a runtime");
            let listen = format!("{FAR}:0").parse().expect("an address");
            let mut config = Config::with_stream(listen, "live", Secret::new(KEY), None);
            config.rtc.address = Some(FAR.parse().expect("an address"));
            let server = runtime.block_on(LiveServer::start(config)).expect("the server");
            started.send(server.http_addr()).expect("waited for");
            while let Ok(answer) = asked.recv() {
                let _ = answer.send(server.streams()[0].live);
            }
            runtime.block_on(server.shutdown());
        });
        Self { address: address.recv().expect("a server"), ask, thread: Some(thread) }
    }

    /// Whether it has a publisher.
    pub(crate) fn is_live(&self) -> bool {
        let (answer, answered) = mpsc::channel();
        self.ask.send(answer).expect("the server");
        answered.recv().expect("an answer")
    }
}

impl Drop for FarServer {
    fn drop(&mut self) {
        self.ask = mpsc::channel().0;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.far.kill();
        let _ = self.far.wait();
    }
}

fn ip(arguments: &[&str]) {
    run(Command::new("ip").args(arguments));
}

fn run(command: &mut Command) {
    let status = command.status().expect("ip, nsenter (packages iproute2, util-linux)");
    assert!(status.success(), "{command:?}: {status}");
}
