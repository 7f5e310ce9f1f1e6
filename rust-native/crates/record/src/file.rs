//! One file being written: whole after each fragment, whatever happens next.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use container::{Chapter, Format, Fragment, Layout, Muxer, Patch, plain_mp4};

use crate::{LocalTime, RecordError, file_stem};

/// So many files of the same second are refused rather than tried for ever.
const MOST_ATTEMPTS: u32 = 1000;

/// See the module.
#[derive(Debug)]
pub(crate) struct OutputFile {
    path: PathBuf,
    file: File,
    format: Format,
    muxer: Option<Muxer>,
    /// Bytes of whole fragments.
    length: u64,
    chapters: Vec<Chapter>,
}

impl OutputFile {
    /// A new, empty file; never an old one.
    pub(crate) fn create(
        folder: &Path,
        template: &str,
        at: LocalTime,
        part: u32,
        format: Format,
    ) -> Result<Self, RecordError> {
        for attempt in 1..=MOST_ATTEMPTS {
            let name = format!("{}.{}", file_stem(template, at, part, attempt), format.extension());
            let path = folder.join(name);
            match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { path, file, format, muxer: None, length: 0, chapters: Vec::new() }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(RecordError::of_io(&error, folder)),
            }
        }
        Err(RecordError::Io { path: folder.to_path_buf(), reason: "too many files of that name".to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes written.
    pub(crate) fn bytes(&self) -> u64 {
        self.length
    }

    /// Writes a fragment and waits until the disk has it. After an error the file ends with the fragment before.
    pub(crate) fn write(&mut self, layout: &Layout, fragment: &Fragment) -> Result<(), RecordError> {
        let mut bytes = Vec::new();
        if self.muxer.is_none() {
            let (muxer, head) = Muxer::new(self.format, layout.clone())?;
            bytes.extend_from_slice(&head);
            self.muxer = Some(muxer);
        }
        let Some(muxer) = &mut self.muxer else { return Ok(()) };
        bytes.extend_from_slice(&muxer.fragment(fragment)?);
        // One call: a process that is killed leaves the whole fragment or (hardly ever) a part of the last one.
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            let _ = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            return Err(self.explain(&error));
        }
        self.length += bytes.len() as u64;
        // A file whose folder was taken away goes on without a complaint on most systems.
        fs::symlink_metadata(&self.path).map(drop).map_err(|error| self.explain(&error))
    }

    /// Sets a mark; on the disk at once, if the head is.
    pub(crate) fn add_chapter(&mut self, chapter: Chapter) -> Result<(), RecordError> {
        self.chapters.push(chapter);
        let Some(muxer) = &self.muxer else { return Ok(()) };
        match muxer.chapters(&self.chapters) {
            Ok(patch) => self.patch(&patch).map_err(|error| self.explain(&error)),
            Err(error) => {
                self.chapters.pop();
                Err(error.into())
            }
        }
    }

    pub(crate) fn chapters(&self) -> usize {
        self.chapters.len()
    }

    fn patch(&mut self, patch: &Patch) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(patch.at))?;
        self.file.write_all(&patch.bytes)?;
        self.file.seek(SeekFrom::Start(self.length)).map(drop)
    }

    /// Closes the file: what stands in the head is completed, and with `plain` an MP4 is rewritten as a plain one.
    ///
    /// The file is whole, though less convenient, after any of its errors. One without a picture is removed.
    pub(crate) fn close(mut self, duration: Duration, plain: bool) -> Result<(PathBuf, u64), RecordError> {
        let Some(muxer) = self.muxer.take() else {
            let _ = fs::remove_file(&self.path);
            return Err(RecordError::NothingRecorded);
        };
        let (tail, patches) = muxer.finish(duration, self.length, true);
        let mut complete = || -> io::Result<()> {
            // Marks set before the first fragment.
            if let Ok(patch) = muxer.chapters(&self.chapters)
                && !self.chapters.is_empty()
            {
                self.patch(&patch)?;
            }
            self.file.seek(SeekFrom::Start(self.length))?;
            if let Err(error) = self.file.write_all(&tail) {
                // No room for it: what stands in the head already is completed all the same.
                self.file.set_len(self.length)?;
                let (_, patches) = muxer.finish(duration, self.length, false);
                patches.iter().try_for_each(|patch| self.patch(patch))?;
                self.file.sync_all()?;
                return Err(error);
            }
            self.length += tail.len() as u64;
            patches.iter().try_for_each(|patch| self.patch(patch))?;
            self.file.sync_all()
        };
        complete().map_err(|error| self.explain(&error))?;
        if let (true, Some(index)) = (plain, muxer.index()) {
            let head = plain_mp4(index, &self.chapters)?;
            self.rewrite(&head).map_err(|error| self.explain(&error))?;
        }
        Ok((self.path, self.length))
    }

    /// Beside the file first, and over it only when all of it is on the disk.
    fn rewrite(&mut self, plain: &container::Plain) -> io::Result<()> {
        let beside = self.path.with_extension("mp4.part");
        let copy = || -> io::Result<u64> {
            let mut out = OpenOptions::new().write(true).create_new(true).open(&beside)?;
            out.write_all(&plain.head)?;
            let mut length = plain.head.len() as u64;
            for range in &plain.ranges {
                self.file.seek(SeekFrom::Start(range.start))?;
                // Between two files the kernel copies (or shares blocks) by itself.
                let size = range.end - range.start;
                let copied = io::copy(&mut io::Read::take(&self.file, size), &mut out)?;
                if copied != size {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                length += size;
            }
            out.sync_all()?;
            fs::rename(&beside, &self.path)?;
            Ok(length)
        };
        let mut copy = copy;
        match copy() {
            Ok(length) => {
                self.length = length;
                Ok(())
            }
            Err(error) => {
                let _ = fs::remove_file(&beside);
                Err(error)
            }
        }
    }

    fn explain(&self, error: &io::Error) -> RecordError {
        RecordError::of_io(error, self.path.parent().unwrap_or(&self.path))
    }
}
