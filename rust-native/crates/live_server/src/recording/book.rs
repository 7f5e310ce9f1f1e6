//! What one recording holds, and how it is said to players. Pure.
//!
//! A recording is a folder: each track's chunks (`video-00001.m4s`), the headers they need (`video-0.mp4`, one for each
//! run of the publisher), three playlists (`index.m3u8` is the one to open) and `recording.json`. What is stored is whole
//! at every moment, as if the recording had just ended: a killed server leaves nothing to be mended. To who watches a
//! recording that goes on, the same playlists are given without their end.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use media::Size;
use serde::{Deserialize, Serialize};

use crate::chunks::Kind;
use crate::chunks::playlist::date_time;

/// What `recording.json` says, and the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// Which stream it was.
    pub(crate) stream: String,
    /// Its folder's name: when it began, UTC.
    pub(crate) id: String,
    /// Unix time, milliseconds.
    pub(crate) began_ms: u64,
    /// Without the pauses in which nobody published.
    pub(crate) duration_ms: u64,
    /// Of all chunks and headers.
    pub(crate) bytes: u64,
    /// Pixels, at first.
    pub(crate) width: Option<u32>,
    /// Pixels, at first.
    pub(crate) height: Option<u32>,
    /// How often the publisher came back.
    pub(crate) breaks: u64,
    /// Seconds that the store was too slow for.
    pub(crate) lost_seconds: f64,
}

/// One track of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Track {
    pub(crate) kind: Kind,
    pub(crate) codecs: String,
}

/// One chunk of every track: some live segments in one file each.
#[derive(Debug, Clone)]
struct Chunk {
    /// Counted from 0.
    run: usize,
    /// What comes before does not lead up to it.
    broken: bool,
    at: SystemTime,
    /// Seconds, by track.
    seconds: [f64; 2],
}

/// One recording's contents.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub(crate) meta: Meta,
    tracks: Vec<Track>,
    size: Option<Size>,
    runs: usize,
    chunks: Vec<Chunk>,
    /// The largest of a chunk, bit/s.
    peak: u64,
}

/// What a chunk is of one track.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weight {
    pub(crate) kind: Kind,
    pub(crate) seconds: f64,
    pub(crate) bytes: usize,
}

impl Book {
    pub(crate) fn new(stream: &str, at: SystemTime, tracks: Vec<Track>, size: Option<Size>) -> Self {
        let began = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let meta = Meta {
            stream: stream.to_owned(),
            id: date_time(at).replace([':', '.'], "-"),
            began_ms: began.as_millis() as u64,
            duration_ms: 0,
            bytes: 0,
            width: size.map(|size| size.width),
            height: size.map(|size| size.height),
            breaks: 0,
            lost_seconds: 0.0,
        };
        Self { meta, tracks, size, runs: 0, chunks: Vec::new(), peak: 0 }
    }

    pub(crate) fn has(&self, tracks: &[Track]) -> bool {
        self.tracks.iter().map(|track| track.kind).eq(tracks.iter().map(|track| track.kind))
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.tracks.iter().map(|track| track.kind)
    }

    pub(crate) fn duration(&self) -> Duration {
        Duration::from_millis(self.meta.duration_ms)
    }

    /// Another run; gives its number, for its headers' names.
    pub(crate) fn run(&mut self, header_bytes: usize) -> usize {
        self.meta.bytes += header_bytes as u64;
        self.meta.breaks = self.runs as u64;
        self.runs += 1;
        self.runs - 1
    }

    /// The number that the next chunk has.
    pub(crate) fn next(&self) -> usize {
        self.chunks.len() + 1
    }

    /// Takes a chunk of the present run.
    pub(crate) fn chunk(&mut self, at: SystemTime, broken: bool, weights: &[Weight]) {
        let mut seconds = [0.0; 2];
        for weight in weights {
            seconds[place(weight.kind)] = weight.seconds;
            self.meta.bytes += weight.bytes as u64;
        }
        let longest = seconds.into_iter().fold(0.0, f64::max);
        let bytes: usize = weights.iter().map(|weight| weight.bytes).sum();
        self.peak = self.peak.max((bytes as f64 * 8.0 / longest.max(0.1)) as u64);
        self.meta.duration_ms += (longest * 1000.0).round() as u64;
        self.chunks.push(Chunk { run: self.runs.saturating_sub(1), broken, at, seconds });
    }

    /// `index.m3u8`.
    pub(crate) fn multivariant(&self) -> String {
        let codecs: Vec<&str> = self.tracks.iter().map(|track| track.codecs.as_str()).collect();
        let mut attributes = format!("BANDWIDTH={},CODECS=\"{}\"", self.peak.max(1), codecs.join(","));
        if let Some(size) = self.size {
            let _ = write!(attributes, ",RESOLUTION={}x{}", size.width, size.height);
        }
        let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
        if self.tracks.len() > 1 {
            out.push_str(
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Sound\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",\
                 URI=\"audio.m3u8\"\n",
            );
            attributes.push_str(",AUDIO=\"sound\"");
        }
        let main = self.tracks.first().map_or(Kind::Video, |track| track.kind).name();
        let _ = write!(out, "#EXT-X-STREAM-INF:{attributes}\n{main}.m3u8\n");
        out
    }

    /// A track's playlist (RFC 8216 section 4.3.3.5: one that ended is VOD, one that goes on an event).
    pub(crate) fn media(&self, kind: Kind, ended: bool) -> String {
        let longest = self.chunks.iter().map(|chunk| chunk.seconds[place(kind)]).fold(1.0, f64::max);
        let mut out = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:{}\n",
            longest.round() as u64,
            if ended { "VOD" } else { "EVENT" },
        );
        let mut run = None;
        for (index, chunk) in self.chunks.iter().enumerate() {
            if index > 0 && chunk.broken {
                out.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if run != Some(chunk.run) {
                run = Some(chunk.run);
                let _ = writeln!(out, "#EXT-X-MAP:URI=\"{}\"", header_name(kind, chunk.run));
            }
            if index == 0 || chunk.broken {
                let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", date_time(chunk.at));
            }
            let _ = write!(out, "#EXTINF:{:.5},\n{}\n", chunk.seconds[place(kind)], chunk_name(kind, index + 1));
        }
        if ended {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        out
    }
}

/// Which of a chunk's two lengths is a track's.
fn place(kind: Kind) -> usize {
    usize::from(kind == Kind::Audio)
}

pub(crate) fn header_name(kind: Kind, run: usize) -> String {
    format!("{}-{run}.mp4", kind.name())
}

pub(crate) fn chunk_name(kind: Kind, number: usize) -> String {
    format!("{}-{number:05}.m4s", kind.name())
}

/// The numbers of a run's chunks, as a playlist of [`Book::media`] says.
pub(crate) fn chunks_of(playlist: &str, run: usize) -> Vec<usize> {
    let ours = format!("-{run}.mp4\"");
    let (mut in_run, mut found) = (false, Vec::new());
    for line in playlist.lines() {
        if let Some(map) = line.strip_prefix("#EXT-X-MAP:") {
            in_run = map.ends_with(&ours);
        } else if in_run && !line.starts_with('#') {
            let number = line.strip_suffix(".m4s").and_then(|name| name.rsplit_once('-')?.1.parse::<usize>().ok());
            found.extend(number);
        }
    }
    found
}

/// Adds a token to every address in a playlist, for players that can't send headers.
pub(crate) fn with_query(playlist: &str, query: &str) -> String {
    if query.is_empty() {
        return playlist.to_owned();
    }
    let mut out = String::with_capacity(playlist.len() * 2);
    for line in playlist.lines() {
        if line.starts_with('#') {
            match line.split_once("URI=\"").and_then(|(before, after)| Some((before, after.split_once('"')?))) {
                Some((before, (address, after))) => {
                    let _ = write!(out, "{before}URI=\"{address}{query}\"{after}");
                }
                None => out.push_str(line),
            }
        } else {
            out.push_str(line);
            if !line.is_empty() {
                out.push_str(query);
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> Book {
        let tracks = [(Kind::Video, "avc1.42c01e"), (Kind::Audio, "opus")];
        let tracks = tracks.map(|(kind, codecs)| Track { kind, codecs: codecs.to_owned() }).to_vec();
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
        let mut book = Book::new("live", at, tracks, Some(Size { width: 640, height: 360 }));
        let weights = |video: f64, audio: f64| {
            [
                Weight { kind: Kind::Video, seconds: video, bytes: 50_000 },
                Weight { kind: Kind::Audio, seconds: audio, bytes: 5_000 },
            ]
        };
        assert_eq!(book.run(900), 0);
        book.chunk(at, false, &weights(6.0, 6.02));
        book.chunk(at + Duration::from_secs(6), false, &weights(4.0, 3.98));
        assert_eq!(book.run(900), 1);
        book.chunk(at + Duration::from_secs(30), true, &weights(6.4, 6.4));
        book
    }

    #[test]
    fn a_recording_is_named_by_its_beginning_and_sums_up_what_it_holds() {
        let Meta { id, duration_ms, bytes, breaks, width, .. } = book().meta;
        assert_eq!(id, "2023-11-14T22-13-20-250Z");
        assert_eq!((duration_ms, bytes, breaks, width), (16_420, 3 * 55_000 + 1800, 1, Some(640)));
    }

    #[test]
    fn a_playlist_is_whole_at_every_moment_and_breaks_where_the_publisher_did() {
        let text = book().media(Kind::Video, true);
        assert!(text.starts_with("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:6\n"), "{text}");
        let tail = "#EXTINF:4.00000,\nvideo-00002.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"video-1.mp4\"\n\
                    #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:50.250Z\n#EXTINF:6.40000,\nvideo-00003.m4s\n\
                    #EXT-X-ENDLIST\n";
        assert!(text.ends_with(tail), "{text}");
        assert!(!book().media(Kind::Audio, false).contains("ENDLIST"));
        assert!(
            book()
                .multivariant()
                .contains("CODECS=\"avc1.42c01e,opus\",RESOLUTION=640x360,AUDIO=\"sound\"\nvideo.m3u8\n")
        );
    }

    #[test]
    fn the_chunks_of_a_run_are_those_under_its_header() {
        let text = book().media(Kind::Video, false);
        assert_eq!([0, 1, 2].map(|run| chunks_of(&text, run)), [vec![1, 2], vec![3], vec![]]);
    }

    #[test]
    fn a_token_goes_on_in_every_address() {
        let text = with_query(&book().media(Kind::Video, true), "?token=a%2Db");
        assert!(text.contains("URI=\"video-0.mp4?token=a%2Db\"\n") && text.contains("\nvideo-00003.m4s?token=a%2Db\n"));
        let text = with_query(&book().multivariant(), "?token=x");
        assert!(text.contains("URI=\"audio.m3u8?token=x\"\n") && text.contains("\nvideo.m3u8?token=x\n"), "{text}");
    }
}
