//! HLS playlists as far as a live source needs them (RFC 8216). Pure; what is not understood is refused by its name.

use publish::Failure;

use super::run::failure;

/// A day of seconds: more is no live playlist.
const MOST_LINES: usize = 200_000;

/// What a playlist says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Playlist {
    /// The address of the rendition to read.
    Multivariant(String),
    Media(Media),
}

/// The segments that there are now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Media {
    /// Number of the first one.
    pub(super) first: u64,
    /// Seconds; never 0.
    pub(super) target: u64,
    pub(super) segments: Vec<Segment>,
    pub(super) over: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Segment {
    pub(super) address: String,
    /// Its clock is not that of the one before.
    pub(super) discontinuity: bool,
}

/// Reads one.
///
/// # Errors
/// What in it can't be used.
pub(super) fn read(text: &str) -> Result<Playlist, Failure> {
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).take(MOST_LINES);
    if lines.next() != Some("#EXTM3U") {
        let hint = "Check the address: it must be that of an .m3u8 playlist.";
        return Err(failure("not_hls", "what the address gives is no HLS playlist", hint));
    }
    let (mut media, mut best, mut bandwidth) = (Media { target: 1, ..Media::default() }, None, None);
    let mut discontinuity = false;
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name {
            "#EXT-X-STREAM-INF" => bandwidth = Some(rank(value)?),
            "#EXT-X-TARGETDURATION" => media.target = value.parse().unwrap_or(1).clamp(1, 60),
            // Bounded, so that no number behind it overflows.
            "#EXT-X-MEDIA-SEQUENCE" => media.first = value.parse().unwrap_or(0).min(u64::MAX / 2),
            "#EXT-X-DISCONTINUITY" => discontinuity = true,
            "#EXT-X-ENDLIST" => media.over = true,
            "#EXT-X-KEY" if attribute(value, "METHOD") != Some("NONE") => return Err(cant("it is encrypted")),
            "#EXT-X-MAP" => return Err(cant("its segments are MP4")),
            "#EXT-X-BYTERANGE" => return Err(cant("its segments are parts of one file")),
            "" => {}
            _ if line.starts_with('#') => {}
            _ => match bandwidth.take() {
                Some(rank) => {
                    if best.as_ref().is_none_or(|(than, _)| rank > *than) {
                        best = Some((rank, line.to_owned()));
                    }
                }
                None => {
                    let discontinuity = std::mem::take(&mut discontinuity);
                    media.segments.push(Segment { address: line.to_owned(), discontinuity });
                }
            },
        }
    }
    Ok(best.map_or(Playlist::Media(media), |(_, address)| Playlist::Multivariant(address)))
}

/// How good a rendition is: one that is H.264, or says nothing, first; then by its rate.
fn rank(attributes: &str) -> Result<(bool, u64), Failure> {
    if attribute(attributes, "AUDIO").is_some() {
        return Err(cant("its sound lies in a playlist of its own"));
    }
    let usable = attribute(attributes, "CODECS").is_none_or(|codecs| codecs.contains("avc1"));
    Ok((usable, attribute(attributes, "BANDWIDTH").and_then(|rate| rate.parse().ok()).unwrap_or(0)))
}

/// One of `NAME=value,NAME="value, too"` (section 4.2).
fn attribute<'a>(list: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = list;
    loop {
        let (name, tail) = rest.split_once('=')?;
        let (value, next) = match tail.strip_prefix('"') {
            Some(quoted) => {
                let (value, next) = quoted.split_once('"')?;
                (value, next.trim_start_matches(','))
            }
            None => tail.split_once(',').unwrap_or((tail, "")),
        };
        if name.trim() == wanted {
            return Some(value);
        }
        rest = next;
    }
}

fn cant(what: &str) -> Failure {
    let hint =
        "Take a source whose HLS is MPEG-TS with picture and sound together, or one that speaks RTMP, SRT or WHEP.";
    Failure { is_final: true, ..failure("hls_not_supported", format!("the source's HLS can't be read: {what}"), hint) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> &'static str {
        read(text).expect_err("refused").code
    }

    #[test]
    fn a_live_playlist_is_its_segments_with_their_numbers() {
        let text = "#EXTM3U\r\n#EXT-X-VERSION:3\r\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:41\n#EXTINF:2.0,\n\
                    a.ts?x=1\n#EXT-X-DISCONTINUITY\n#EXTINF:2.0,\n\nb.ts\n#EXTINF:2,\nc.ts\n";
        let Ok(Playlist::Media(media)) = read(text) else { panic!("a media playlist") };
        assert_eq!((media.first, media.target, media.over), (41, 2, false));
        let shown: Vec<_> = media.segments.iter().map(|one| (one.address.as_str(), one.discontinuity)).collect();
        assert_eq!(shown, [("a.ts?x=1", false), ("b.ts", true), ("c.ts", false)]);
        assert!(matches!(read(&format!("{text}#EXT-X-ENDLIST")), Ok(Playlist::Media(media)) if media.over));
    }

    #[test]
    fn the_best_rendition_that_is_h264_is_taken() {
        let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=900,CODECS=\"avc1.42e01f,mp4a.40.2\"\nlow.m3u8\n\
                    #EXT-X-STREAM-INF:CODECS=\"hvc1.1,mp4a.40.2\",BANDWIDTH=9000\nhevc.m3u8\n\
                    #EXT-X-STREAM-INF:BANDWIDTH=4000,CODECS=\"avc1.42e01f,mp4a.40.2\"\nhigh.m3u8\n";
        assert_eq!(read(text), Ok(Playlist::Multivariant("high.m3u8".to_owned())));
    }

    #[test]
    fn any_playlist_is_borne() {
        let corpus = [
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n",
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9,CODECS=\"avc1,mp4a\",X=\"a=b,c\"\nhigh.m3u8\n#EXT-X-KEY:METHOD=NONE\n",
        ];
        let corpus: Vec<Vec<u8>> = corpus.iter().map(|text| text.as_bytes().to_vec()).collect();
        let count = testkit::fuzz::run(&corpus, 23, std::time::Duration::from_millis(500), |sample, _| {
            if let Ok(Playlist::Media(media)) = read(&String::from_utf8_lossy(sample)) {
                assert!((1..=60).contains(&media.target) && media.segments.len() <= sample.len());
            }
        });
        assert!(count > 100, "{count} samples");
    }

    #[test]
    fn what_cant_be_read_is_refused_by_its_name() {
        assert_eq!(code("<html>"), "not_hls");
        for line in ["#EXT-X-MAP:URI=\"a.mp4\"", "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"", "#EXT-X-STREAM-INF:AUDIO=\"a\""]
        {
            assert_eq!(code(&format!("#EXTM3U\n{line}\n")), "hls_not_supported");
        }
        assert!(read("#EXTM3U\n#EXT-X-KEY:METHOD=NONE\n").is_ok());
    }
}
