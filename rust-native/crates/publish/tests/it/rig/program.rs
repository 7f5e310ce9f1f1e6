//! A peer that no one here wrote, behind a small script: started, listened to, killed.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{Received, SIZE, tell};
use testkit::scratch::Folder;

/// Python starts slowly on a machine that builds something else besides.
const START: Duration = Duration::from_secs(60);

/// A script of `testkit/rigs` that prints what happens, a line each. Killed with its owner.
pub(crate) struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    /// Where it listens.
    pub(crate) port: u16,
}

impl Program {
    /// Starts it with Debian's Python, whose packages it needs, and waits until it listens.
    pub(crate) async fn start(script: &str, folder: &Folder, arguments: &[&str]) -> Self {
        Self::start_by(&["/usr/bin/python3"], script, folder, arguments).await
    }

    /// As [`Self::start`], by another command: the interpreter's, with what stands before it.
    pub(crate) async fn start_by(command: &[&str], script: &str, folder: &Folder, arguments: &[&str]) -> Self {
        let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "testkit", "rigs", script].iter().collect();
        let mut call = Command::new(command[0]);
        call.args(&command[1..]).arg(path).arg(folder.path()).args(arguments);
        // Its input stays open as long as this does: the end of it is the end of the script.
        let mut child =
            call.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap_or_else(|error| {
                panic!("{} can't be started (are its packages installed?): {error}", command[0])
            });
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (output, kept) = (child.stdout.take().expect("its output"), Arc::clone(&lines));
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                tell(|| format!("the peer: {line}"));
                kept.lock().push(line);
            }
        });
        let mut program = Self { child, lines, port: 0 };
        let line = program.said("listening ").await;
        program.port = line.trim_start_matches("listening ").parse().expect("a port");
        program
    }

    /// The first line that begins so, waited for.
    pub(crate) async fn said(&mut self, beginning: &str) -> String {
        let deadline = Instant::now() + START;
        loop {
            let found = self.lines.lock().iter().find(|line| line.starts_with(beginning)).cloned();
            if let Some(line) = found {
                return line;
            }
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none(), "the peer has ended ({ended:?}); it said {:?}", self.lines.lock());
            assert!(Instant::now() < deadline, "no {beginning:?} in {:?}", self.lines.lock());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many lines begin so.
    pub(crate) fn count(&self, beginning: &str) -> usize {
        self.lines.lock().iter().filter(|line| line.starts_with(beginning)).count()
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Lets it end by itself.
    pub(crate) async fn end(mut self) {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + START;
        while self.child.try_wait().expect("a child").is_none() {
            assert!(Instant::now() < deadline, "the peer goes on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How many pictures `whip_receiver.py` has written of a session.
pub(crate) fn pictures(folder: &Folder, session: u32) -> usize {
    let size = std::fs::metadata(folder.file(&format!("{session}.gray"))).map_or(0, |file| file.len());
    (size / SIZE.area()) as usize
}

/// Waits for so many pictures.
pub(crate) async fn until_pictures(folder: &Folder, session: u32, wanted: usize) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while pictures(folder, session) < wanted {
        assert!(Instant::now() < deadline, "{} of {wanted} pictures", pictures(folder, session));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Received {
    /// What `whip_receiver.py` decoded in a session. Pictures of another size are an error.
    pub(crate) fn of_session(folder: &Folder, session: u32) -> Self {
        let size = std::fs::read_to_string(folder.file(&format!("{session}.size"))).expect("a picture's size");
        assert_eq!(size, format!("{}x{}", SIZE.width, SIZE.height));
        let luma = std::fs::read(folder.file(&format!("{session}.gray"))).expect("pictures");
        let sound = std::fs::read(folder.file(&format!("{session}.s16"))).expect("sound");
        let samples = sound.chunks_exact(2).map(|s| f32::from(i16::from_le_bytes([s[0], s[1]])) / 32_768.0).collect();
        Self::decode(&luma, samples)
    }
}
