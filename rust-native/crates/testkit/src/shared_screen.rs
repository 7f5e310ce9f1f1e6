//! A desktop that shares its screen, on a machine without one: a real PipeWire with a real producer of pictures
//! (GStreamer), and in front of it a portal written for tests, whose user is the test.
//!
//! What a real portal and compositor do is seen by the long tests only (`rigs/wayland-session`); this rig is for every
//! answer that a desktop may give, and is up in a second.

mod portal;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use portal::{Answer, Asked, Portal, Shortcuts};

use crate::sound::{SoundRig, SoundRigError};

/// As long as a busy machine may take to bring a producer up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A private session: a bus, PipeWire with its session manager, and whatever is started in it.
#[derive(Debug)]
pub struct Desktop {
    rig: SoundRig,
}

/// A producer of pictures in it.
#[derive(Debug)]
pub struct Screen<'a> {
    desktop: &'a Desktop,
    pid: u32,
    /// Its node in PipeWire.
    pub node: u32,
}

impl Desktop {
    /// # Errors
    /// See [`SoundRigError`].
    pub fn start() -> Result<Self, SoundRigError> {
        Ok(Self { rig: SoundRig::start()? })
    }

    /// The address of its bus.
    pub fn bus(&self) -> String {
        format!("unix:path={}", self.rig.folder().join("bus").display())
    }

    /// PipeWire's socket.
    pub fn pipewire(&self) -> PathBuf {
        self.rig.folder().join("pipewire-0")
    }

    /// Kills PipeWire and everything beside it, as a crash would.
    pub fn stop_server(&mut self) {
        self.rig.stop_server();
    }

    /// Starts GStreamer's test source with those caps (`"format=BGRx,width=640,height=360,framerate=30/1"`) and
    /// properties (`"pattern=smpte"`).
    ///
    /// # Errors
    /// See [`SoundRigError`].
    pub fn screen(&self, caps: &str, properties: &[&str]) -> Result<Screen<'_>, SoundRigError> {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let name = format!("rig-screen-{}", NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let (caps, stream) = (
            format!("video/x-raw,{caps}"),
            // A node that was suspended for want of readers wakes no more: GStreamer's sink, not PipeWire.
            format!(
                "stream-properties=p,media.class=Video/Source,media.type=Video,node.name={name},session.suspend-timeout-seconds=0"
            ),
        );
        let mut arguments = vec!["-q", "videotestsrc", "is-live=true"];
        arguments.extend(properties);
        arguments.extend(["!", &caps, "!", "pipewiresink", "mode=provide", &stream]);
        let pid = self.rig.run("gst-launch-1.0", "gstreamer1.0-tools", &arguments)?;
        let started = Instant::now();
        let node = loop {
            if let Some(node) = self.node(&name)? {
                break node;
            }
            if started.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.rig.folder().join("gst-launch-1.0.log")).unwrap_or_default();
                return Err(SoundRigError::Timeout { what: "node of the producer", seconds: PATIENCE.as_secs(), log });
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        Ok(Screen { desktop: self, pid, node })
    }

    /// The number of the node of that name.
    fn node(&self, name: &str) -> Result<Option<u32>, SoundRigError> {
        let mut command = std::process::Command::new("pw-dump");
        command.envs(self.rig.env()).stdin(std::process::Stdio::null());
        let output = command.output().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                SoundRigError::Missing { program: "pw-dump".to_owned(), package: "pipewire-bin" }
            }
            _ => error.into(),
        })?;
        // It may be cut off by a change under way: then the next look counts.
        let objects: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let found = objects.iter().find(|object| object["info"]["props"]["node.name"] == name);
        Ok(found.and_then(|object| object["id"].as_u64()).and_then(|id| u32::try_from(id).ok()))
    }
}

impl Screen<'_> {
    /// Ends the producer, as a compositor does that goes.
    pub fn end(self) {}
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        self.desktop.rig.end(self.pid);
    }
}
