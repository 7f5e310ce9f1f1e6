//! What a receiver of the bench keeps: the pictures in a file (Annex B), and beside it when each of them was there.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use testkit::time_pattern::{Stamp, now};

/// Gives a socket room for a whole IDR of a 1080p picture, which comes at once; the system may give less.
pub fn enlarge(socket: &std::net::UdpSocket) {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd as _;
        let wanted: libc::c_int = 4 << 20;
        let (value, size) = ((&raw const wanted).cast(), std::mem::size_of_val(&wanted) as libc::socklen_t);
        // SAFETY: the socket is open, and `value` points to an int of that size. What is refused leaves the system's size.
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, value, size) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}

/// The file of arrivals that belongs to a recording: one stamp (0.1 ms of the wall clock) a line, one line a picture.
#[must_use]
pub fn arrivals_of(recording: &Path) -> std::path::PathBuf {
    let mut name = recording.as_os_str().to_owned();
    name.push(".arrivals");
    name.into()
}

/// The pictures of one sender. Without a file they are only counted.
#[derive(Debug, Default)]
pub struct Recording {
    files: Option<(BufWriter<File>, BufWriter<File>)>,
    /// A keyframe has come: nothing before it can be shown.
    begun: bool,
    /// Access units that came.
    pub units: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Sound packets, where there is sound.
    pub sounds: u64,
    /// How often something was missing before a unit.
    pub gaps: u64,
}

impl Recording {
    /// Into that file; an empty name keeps nothing.
    ///
    /// # Errors
    /// Where the files can't be made.
    pub fn into_file(name: &str) -> std::io::Result<Self> {
        if name.is_empty() {
            return Ok(Self::default());
        }
        let path = Path::new(name);
        let files = (BufWriter::new(File::create(path)?), BufWriter::new(File::create(arrivals_of(path))?));
        Ok(Self { files: Some(files), ..Self::default() })
    }

    /// One access unit, as it is whole.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn unit(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.units += 1;
        self.bytes += bytes.len() as u64;
        self.begun = self.begun || has_parameters(bytes);
        let Some((file, arrivals)) = self.files.as_mut().filter(|_| self.begun) else { return Ok(()) };
        file.write_all(bytes)?;
        writeln!(arrivals, "{}", now())
    }

    /// Ends the files; what was counted, as one line of JSON.
    ///
    /// # Errors
    /// Where they can't be written.
    pub fn finish(mut self) -> std::io::Result<String> {
        if let Some((file, arrivals)) = &mut self.files {
            file.flush()?;
            arrivals.flush()?;
        }
        Ok(serde_json::json!({
            "video_units": self.units,
            "video_bytes": self.bytes,
            "audio_packets": self.sounds,
            "gaps": self.gaps,
        })
        .to_string())
    }
}

/// Whether a sequence parameter set is in it (NAL unit type 7), as every keyframe of ours and of our peers has one.
fn has_parameters(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|four| four[..3] == [0, 0, 1] && four[3] & 0x1f == 7)
}

/// The arrivals beside a recording, in order; `None` where there are none.
#[must_use]
pub fn read_arrivals(recording: &Path) -> Option<Vec<Stamp>> {
    let text = std::fs::read_to_string(arrivals_of(recording)).ok()?;
    text.lines().map(|line| line.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_begins_with_a_keyframe_and_notes_each_arrival() {
        let file = std::env::temp_dir().join(format!("tidecast-recording-{}.h264", std::process::id()));
        let mut recording = Recording::into_file(&file.to_string_lossy()).expect("a file");
        let (picture, keyframe) = ([0, 0, 0, 1, 0x41, 9], [0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 2]);
        for unit in [&picture[..], &keyframe, &picture] {
            recording.unit(unit).expect("written");
        }
        assert_eq!((recording.units, recording.finish().is_ok()), (3, true));
        assert_eq!(std::fs::read(&file).expect("the recording"), [&keyframe[..], &picture].concat());
        assert_eq!(read_arrivals(&file).expect("arrivals").len(), 2);
        for each in [arrivals_of(&file), file] {
            std::fs::remove_file(each).expect("removed");
        }
    }
}
