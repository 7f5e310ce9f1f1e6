//! What a receiver of the bench keeps: the pictures in a file (Annex B), and beside it when each of them was there.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use testkit::time_pattern::{Stamp, now};

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
        let Some((file, arrivals)) = &mut self.files else { return Ok(()) };
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

/// The arrivals beside a recording, in order; `None` where there are none.
#[must_use]
pub fn read_arrivals(recording: &Path) -> Option<Vec<Stamp>> {
    let text = std::fs::read_to_string(arrivals_of(recording)).ok()?;
    text.lines().map(|line| line.parse().ok()).collect()
}
