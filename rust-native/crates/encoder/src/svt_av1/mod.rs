//! SVT-AV1, built beside FFmpeg by `ffmpeg/build`: AV1 in software.
//!
//! Driven by its own interface and not by libavcodec's wrapper, which fetches a picture when the next one is handed in:
//! on a still screen that is a second later. In low delay it gives each picture back before the next one comes.
//!
//! It takes another bitrate at keyframes only, so a new bitrate is a new encoder (20 ms, and an IDR); nor is its bitrate
//! scaled where fewer pictures come than were announced, as others' is: it then spends less.

#[cfg(links_svtav1)]
mod library;
#[cfg(not(links_svtav1))]
mod missing;

#[cfg(links_svtav1)]
pub(crate) use library::SvtAv1;
#[cfg(not(links_svtav1))]
pub(crate) use missing::SvtAv1;

/// Its name in events and statistics.
pub(crate) const NAME: &str = "svt-av1";
