//! One face for both formats: a head, fragments that can be read as soon as they are written, and patches to what
//! stands in the head already.

use std::time::Duration;

use bytes::Bytes;
use media::{AAC_PACKET_FRAMES, Parameters, Size};

use crate::matroska::Matroska;
use crate::{ContainerError, Fmp4, Fragment, Index};

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Fragmented MP4 (ISO/IEC 14496-12).
    Mp4,
    /// Matroska (RFC 9559).
    Mkv,
}

impl Format {
    /// File name extension, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::Mkv => "mkv",
        }
    }
}

/// How a sound track is coded. Both are 48 kHz stereo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// AAC-LC, as [`media::Track::Aac`] carries it.
    Aac,
    /// Opus in packets of 20 ms, as [`media::Track::Audio`] carries it.
    Opus,
}

impl AudioCodec {
    /// Frames in one packet.
    pub const fn packet_frames(self) -> u32 {
        match self {
            Self::Aac => AAC_PACKET_FRAMES,
            Self::Opus => 960,
        }
    }

    /// Frames by which what is decoded lags behind what the unit's stamp says. AAC units are stamped with the delay
    /// taken off already; libopus' encoder looks 312 frames ahead at 48 kHz.
    pub(crate) const fn delay(self) -> u32 {
        match self {
            Self::Aac => 0,
            Self::Opus => 312,
        }
    }
}

/// The sound track of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioLayout {
    /// How it is coded.
    pub codec: AudioCodec,
}

/// What a file holds, fixed when its first fragment is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What the pictures' decoder needs; says which codec they are in.
    pub parameters: Parameters,
    /// Pixels.
    pub size: Size,
    /// The mix, where there was sound.
    pub audio: Option<AudioLayout>,
    /// Beside the mix, one track of AAC for each of these inputs; none without a mix.
    pub inputs: Vec<InputTrack>,
}

/// An input whose sound has a track of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputTrack {
    /// As [`media::Track::Input`] numbers it.
    pub number: u32,
    /// As people call it.
    pub name: String,
}

/// A mark in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// From the file's start.
    pub at: Duration,
    /// What to call it.
    pub title: String,
}

/// Bytes that replace others of the same number in what is written already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// From the file's start.
    pub at: u64,
    /// What is to stand there.
    pub bytes: Bytes,
}

/// A file in the making.
#[derive(Debug)]
pub enum Muxer {
    /// Fragmented MP4.
    Mp4(Box<Fmp4>),
    /// Matroska.
    Mkv(Box<Matroska>),
}

impl Muxer {
    /// A file of that format, and its first bytes.
    ///
    /// # Errors
    /// [`ContainerError`] where the layout can't be expressed.
    pub fn new(format: Format, layout: Layout) -> Result<(Self, Bytes), ContainerError> {
        Ok(match format {
            Format::Mp4 => {
                let (writer, head) = Fmp4::new(layout)?;
                (Self::Mp4(Box::new(writer)), head)
            }
            Format::Mkv => {
                let (writer, head) = Matroska::new(layout);
                (Self::Mkv(Box::new(writer)), head)
            }
        })
    }

    /// The bytes that follow.
    ///
    /// # Errors
    /// [`ContainerError`] where the fragment is too large for its format.
    pub fn fragment(&mut self, fragment: &Fragment) -> Result<Bytes, ContainerError> {
        match self {
            Self::Mp4(writer) => writer.fragment(fragment),
            Self::Mkv(writer) => Ok(writer.fragment(fragment)),
        }
    }

    /// All chapter marks so far, into the head.
    ///
    /// # Errors
    /// [`ContainerError::ChaptersFull`]; the marks before stay.
    pub fn chapters(&self, chapters: &[Chapter]) -> Result<Patch, ContainerError> {
        match self {
            Self::Mp4(writer) => writer.chapters(chapters),
            Self::Mkv(writer) => writer.chapters(chapters),
        }
    }

    /// What closes a file of that many bytes (a last fragment may not have got into it): bytes at its end, and patches.
    pub fn finish(&self, duration: Duration, length: u64, with_tail: bool) -> (Bytes, Vec<Patch>) {
        match self {
            Self::Mp4(writer) => (Bytes::new(), vec![writer.duration(duration)]),
            Self::Mkv(writer) => writer.finish(duration, length, with_tail),
        }
    }

    /// Where each sample is, for a plain MP4; `None` for what can't become one.
    pub fn index(&self) -> Option<&Index> {
        match self {
            Self::Mp4(writer) => Some(writer.index()),
            Self::Mkv(_) => None,
        }
    }
}
