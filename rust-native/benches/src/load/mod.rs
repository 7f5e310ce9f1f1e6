//! Load on a live server: publishers whose pictures are numbered packets, and viewers that shake hands as browsers do and
//! from then on only count what reaches their sockets.
//!
//! A viewer learns from its first decrypted packet by how much the server has moved the sequence numbers; after that the
//! clear header of each datagram (RFC 3711 section 3.1) says which packet it is, and the kernel when it came. Nothing is
//! decrypted any more, so that two hundred viewers fit on one core beside the server that is measured on another.

mod client;
mod http;
mod inbox;
mod process;
mod publisher;
mod viewer;

use std::time::{Duration, Instant};

pub use process::Process;

use inbox::Inbox;
use publisher::Publisher;
use viewer::Viewer;

/// What a peer or the server made impossible, in words.
pub type Problem = Box<dyn std::error::Error>;

/// How much of it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Address of the server's HTTP: `127.0.0.1:8080`.
    pub server: String,
    /// Streams to publish, each with the same key. All viewers watch the first.
    pub streams: Vec<String>,
    /// The publish key.
    pub key: String,
    /// How many watch.
    pub viewers: usize,
    /// Kilobits a second of each stream, payload.
    pub kbps: u32,
    /// Pictures a second.
    pub fps: u32,
    /// Counted for so long.
    pub window: Duration,
    /// The server's process.
    pub pid: u32,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Packets that were sent in the window, times viewers.
    pub expected: u64,
    /// Of those, how many reached their socket.
    pub received: u64,
    /// Microseconds from a packet's sending to its arrival at a viewer's socket, in order.
    pub delays_us: Vec<u32>,
    /// Those of keyframes alone: the longest bursts, which make the last percent.
    pub keyframes_us: Vec<u32>,
    /// The server's processor time in the window, seconds.
    pub cpu_seconds: f64,
    /// The window as it was, seconds.
    pub seconds: f64,
    /// Resident memory before the first viewer and at the end, bytes.
    pub memory: (u64, u64),
    /// Viewers whose session ended by itself.
    pub ended: usize,
}

/// Everybody must have joined by then.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between the last viewer's first packet and the window: replayed pictures are over, queues are empty.
const SETTLE: Duration = Duration::from_secs(2);
/// What was sent at the window's end is on its way for no longer.
const TAIL: Duration = Duration::from_millis(500);
/// Sockets are looked at so often; when something came, the kernel has noted.
const TURN: Duration = Duration::from_millis(3);

/// Runs it.
///
/// # Errors
/// In words, where the server refuses somebody, or somebody never sees a packet.
pub fn run(plan: &Plan) -> Result<Outcome, Problem> {
    let process = Process::of(plan.pid);
    let mut rig = Rig { publishers: Vec::new(), viewers: Vec::new(), inbox: Inbox::new() };
    for stream in &plan.streams {
        rig.publishers.push(Publisher::open(plan, stream)?);
    }
    rig.until("every publisher is connected", |rig| rig.publishers.iter().all(Publisher::is_connected))?;
    rig.turn_for(SETTLE)?;
    let before = process.memory()?;
    for _ in 0..plan.viewers {
        rig.viewers.push(Viewer::open(plan)?);
        rig.turn()?;
    }
    rig.until("every viewer sees packets", |rig| rig.viewers.iter().all(Viewer::counts))?;
    rig.turn_for(SETTLE)?;

    let first = rig.publishers[0].next_index();
    rig.viewers.iter_mut().for_each(|viewer| viewer.begin(first));
    let (begun, cpu) = (Instant::now(), process.cpu()?);
    rig.turn_for(plan.window)?;
    let (seconds, cpu_seconds) = (begun.elapsed().as_secs_f64(), (process.cpu()? - cpu).as_secs_f64());
    let last = rig.publishers[0].next_index();
    let memory = (before, process.memory()?);
    rig.turn_for(TAIL)?;

    let (mut delays_us, mut keyframes_us) = (Vec::new(), Vec::new());
    for (index, delay) in rig.viewers.iter().flat_map(|viewer| viewer.received_below(last)) {
        delays_us.push(delay);
        if rig.publishers[0].is_of_keyframe(index) {
            keyframes_us.push(delay);
        }
    }
    let received = delays_us.len() as u64;
    delays_us.sort_unstable();
    keyframes_us.sort_unstable();
    let ended = rig.viewers.iter().filter(|viewer| viewer.has_ended()).count();
    let expected = (last - first) * plan.viewers as u64;
    Ok(Outcome { expected, received, delays_us, keyframes_us, cpu_seconds, seconds, memory, ended })
}

struct Rig {
    publishers: Vec<Publisher>,
    viewers: Vec<Viewer>,
    inbox: Inbox,
}

impl Rig {
    /// Sends what is due and reads what has come, then waits for a little.
    fn turn(&mut self) -> Result<(), Problem> {
        let mut due = Instant::now() + TURN;
        for publisher in &mut self.publishers {
            due = due.min(publisher.turn(&mut self.inbox)?);
        }
        let sent = &self.publishers[0];
        for viewer in &mut self.viewers {
            viewer.turn(&mut self.inbox, sent)?;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        Ok(())
    }

    fn turn_for(&mut self, time: Duration) -> Result<(), Problem> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn()?;
        }
        Ok(())
    }

    fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<(), Problem> {
        let end = Instant::now() + PATIENCE;
        while !holds(self) {
            if Instant::now() > end {
                return Err(format!("waited too long: {what}").into());
            }
            self.turn()?;
        }
        Ok(())
    }
}
