//! HLS playlists as far as a live source needs them (RFC 8216). Pure; what is not understood is refused by its name.

use std::collections::BTreeMap;
use std::sync::Arc;

use publish::Failure;

use super::byte_range::ByteRange;
use super::run::failure;

/// A day of seconds: more is no live playlist.
const MOST_LINES: usize = 200_000;

/// What a playlist says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Playlist {
    Multivariant(Chosen),
    Media(Media),
}

/// The addresses of what is to be read of several renditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) picture: String,
    /// Where the sound does not lie with the picture.
    pub(super) sound: Option<String>,
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
    /// What of the address it is; all of it where nothing is said.
    pub(super) range: Option<ByteRange>,
    /// Its clock is not that of the one before.
    pub(super) discontinuity: bool,
    /// What its decoder needs first: it is fragmented MP4, else MPEG-TS.
    pub(super) map: Option<Arc<Map>>,
    pub(super) key: Option<Arc<Key>>,
}

/// Where a header is (section 4.3.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Map {
    pub(super) address: String,
    pub(super) range: Option<ByteRange>,
}

/// What segments are encrypted with: AES-128 in CBC mode (section 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) address: String,
    /// The segment's number, where it is left out.
    pub(super) iv: Option<[u8; 16]>,
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
    let (mut media, mut variant) = (Media { target: 1, ..Media::default() }, None);
    let mut best: Option<(Rank, String, Option<String>)> = None;
    let (mut sounds, mut discontinuity) = (BTreeMap::new(), false);
    let (mut map, mut key, mut range) = (None, None, None);
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name {
            "#EXT-X-STREAM-INF" => variant = Some((rank(value), attribute(value, "AUDIO").map(str::to_owned))),
            "#EXT-X-MEDIA" => take_sound(value, &mut sounds),
            "#EXT-X-TARGETDURATION" => media.target = value.parse().unwrap_or(1).clamp(1, 60),
            // Bounded, so that no number behind it overflows.
            "#EXT-X-MEDIA-SEQUENCE" => media.first = value.parse().unwrap_or(0).min(u64::MAX / 2),
            "#EXT-X-DISCONTINUITY" => discontinuity = true,
            "#EXT-X-ENDLIST" => media.over = true,
            "#EXT-X-KEY" => key = key_of(value)?.map(Arc::new),
            "#EXT-X-MAP" => map = Some(Arc::new(map_of(value)?)),
            "#EXT-X-BYTERANGE" => range = Some(value.to_owned()),
            "" => {}
            _ if line.starts_with('#') => {}
            _ => match variant.take() {
                Some((rank, sound)) => {
                    if best.as_ref().is_none_or(|(than, ..)| rank > *than) {
                        best = Some((rank, line.to_owned(), sound));
                    }
                }
                None => {
                    let discontinuity = std::mem::take(&mut discontinuity);
                    let (map, key) = (map.clone(), key.clone());
                    let range = range.take().map(|range| range_of(&range, line, media.segments.last())).transpose()?;
                    media.segments.push(Segment { address: line.to_owned(), range, discontinuity, map, key });
                }
            },
        }
    }
    Ok(best.map_or(Playlist::Media(media), |(_, picture, sound)| {
        let sound = sound.and_then(|group| sounds.remove(&group)).and_then(|(_, address)| address);
        Playlist::Multivariant(Chosen { picture, sound })
    }))
}

type Rank = (bool, u64);

/// How good a rendition is: one that is H.264, or says nothing, first; then by its rate.
fn rank(attributes: &str) -> Rank {
    let usable =
        attribute(attributes, "CODECS").is_none_or(|codecs| codecs.contains("avc1") || codecs.contains("avc3"));
    (usable, attribute(attributes, "BANDWIDTH").and_then(|rate| rate.parse().ok()).unwrap_or(0))
}

/// By group: whether it is the default one, and its address, which it has where it does not lie with the picture (section
/// 4.3.4.1).
type Sounds = BTreeMap<String, (bool, Option<String>)>;

fn take_sound(attributes: &str, sounds: &mut Sounds) {
    let (Some("AUDIO"), Some(group)) = (attribute(attributes, "TYPE"), attribute(attributes, "GROUP-ID")) else {
        return;
    };
    let usual = attribute(attributes, "DEFAULT") == Some("YES");
    if sounds.get(group).is_none_or(|(is, _)| usual && !is) {
        sounds.insert(group.to_owned(), (usual, attribute(attributes, "URI").map(str::to_owned)));
    }
}

fn map_of(attributes: &str) -> Result<Map, Failure> {
    let address = attribute(attributes, "URI").ok_or_else(|| cant("a header has no address"))?.to_owned();
    // No segment comes before it: a header of which only the length is known is the file's beginning.
    let range = attribute(attributes, "BYTERANGE").map(|range| ByteRange::read(range, Some(0)).ok_or_else(no_part));
    Ok(Map { address, range: range.transpose()? })
}

/// Section 4.3.2.2: what says no beginning begins where the segment before it ended, in the same file.
fn range_of(text: &str, address: &str, before: Option<&Segment>) -> Result<ByteRange, Failure> {
    let next = before.filter(|before| before.address == address).and_then(|before| before.range).map(ByteRange::end);
    ByteRange::read(text, next).ok_or_else(no_part)
}

fn no_part() -> Failure {
    cant("it does not say which part of a file a segment is")
}

fn key_of(attributes: &str) -> Result<Option<Key>, Failure> {
    let identity = attribute(attributes, "KEYFORMAT").is_none_or(|format| format == "identity");
    match attribute(attributes, "METHOD") {
        Some("NONE") => Ok(None),
        Some("AES-128") if identity => {
            let address = attribute(attributes, "URI").ok_or_else(|| cant("a key has no address"))?.to_owned();
            let iv = attribute(attributes, "IV").map(|iv| hexadecimal(iv).ok_or_else(|| cant("a key has no good IV")));
            Ok(Some(Key { address, iv: iv.transpose()? }))
        }
        _ => Err(cant("it is encrypted for players that have a licence")),
    }
}

/// 128 bits (section 4.2).
fn hexadecimal(text: &str) -> Option<[u8; 16]> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let good = !digits.is_empty() && digits.len() <= 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    good.then(|| u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes))?
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
    let hint = "Take another of the source's addresses, or one that speaks RTMP, SRT or WHEP.";
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
        let chosen = Chosen { picture: "high.m3u8".to_owned(), sound: None };
        assert_eq!(read(text), Ok(Playlist::Multivariant(chosen)));
    }

    #[test]
    fn sound_that_lies_elsewhere_is_found_by_its_group() {
        let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Other\",URI=\"other.m3u8\"\n\
                    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Sound\",DEFAULT=YES,URI=\"sound.m3u8\"\n\
                    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"With it\"\n\
                    #EXT-X-STREAM-INF:BANDWIDTH=900,AUDIO=\"b\"\nlow.m3u8\n";
        let best = "#EXT-X-STREAM-INF:BANDWIDTH=4000,AUDIO=\"a\"\nhigh.m3u8\n";
        let chosen = |text: &str| match read(text) {
            Ok(Playlist::Multivariant(Chosen { picture, sound })) => (picture, sound),
            other => panic!("{other:?}"),
        };
        assert_eq!(chosen(text), ("low.m3u8".to_owned(), None));
        assert_eq!(chosen(&format!("{text}{best}")), ("high.m3u8".to_owned(), Some("sound.m3u8".to_owned())));
    }

    #[test]
    fn keys_and_headers_hold_for_the_segments_after_them() {
        let text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nplain.ts\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x1f\n\
                    #EXTINF:2,\nsecret.ts\n#EXT-X-KEY:METHOD=NONE\n#EXT-X-MAP:URI=\"head.mp4\"\n#EXTINF:2,\na.m4s\n";
        let Ok(Playlist::Media(media)) = read(text) else { panic!("a media playlist") };
        let [plain, secret, fragment] = &media.segments[..] else { panic!("{media:?}") };
        assert_eq!((&plain.map, &plain.key), (&None, &None));
        let key = secret.key.as_deref().expect("a key");
        assert_eq!((key.address.as_str(), key.iv.map(u128::from_be_bytes)), ("k", Some(0x1f)));
        let head = Map { address: "head.mp4".to_owned(), range: None };
        assert_eq!((fragment.map.as_deref(), &fragment.key), (Some(&head), &None));
    }

    #[test]
    fn parts_of_one_file_say_where_they_begin_or_follow_the_one_before() {
        let text = "#EXTM3U\n#EXT-X-MAP:URI=\"a.mp4\",BYTERANGE=\"9@0\"\n#EXT-X-BYTERANGE:100@9\n#EXTINF:2,\na.mp4\n\
                    #EXTINF:2,\n#EXT-X-BYTERANGE:50\na.mp4\n#EXTINF:2,\nb.mp4\n";
        let Ok(Playlist::Media(media)) = read(text) else { panic!("a media playlist") };
        let range = |start, length| Some(ByteRange { start, length });
        let shown: Vec<_> = media.segments.iter().map(|one| one.range).collect();
        assert_eq!(shown, [range(9, 100), range(109, 50), None]);
        assert_eq!(media.segments[2].map.as_ref().and_then(|map| map.range), range(0, 9));
        for (before, line) in [("a.mp4", "5"), ("b.mp4", "5"), ("a.mp4", "0@5"), ("a.mp4", "x@5")] {
            let text = format!("#EXTM3U\n#EXT-X-BYTERANGE:9@1\n{before}\nb.mp4\n#EXT-X-BYTERANGE:{line}\na.mp4\n");
            assert_eq!(
                code(&text),
                "hls_not_supported",
                "{before} {line}: what lies before it is no part of the same file"
            );
        }
    }

    fn borne(lasts: std::time::Duration) {
        let corpus = [
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n",
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9,CODECS=\"avc1,mp4a\",X=\"a=b,c\"\nhigh.m3u8\n#EXT-X-KEY:METHOD=NONE\n",
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",URI=\"b\"\n#EXT-X-MAP:URI=\"m\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x1\na\n",
            "#EXTM3U\n#EXT-X-MAP:URI=\"m\",BYTERANGE=\"7@0\"\n#EXT-X-BYTERANGE:5@7\na\n#EXT-X-BYTERANGE:18446744073709551615\na\n",
        ];
        let corpus: Vec<Vec<u8>> = corpus.iter().map(|text| text.as_bytes().to_vec()).collect();
        testkit::fuzz::run(&corpus, 23, lasts, |sample, _| match read(&String::from_utf8_lossy(sample)) {
            Ok(Playlist::Media(media)) => {
                assert!((1..=60).contains(&media.target) && media.segments.len() <= sample.len());
                // What is asked for by it, and which number the next segment has.
                let _ = media.first + media.segments.len() as u64;
                let maps = media.segments.iter().filter_map(|segment| segment.map.as_ref()?.range);
                let ranges = media.segments.iter().filter_map(|segment| segment.range).chain(maps);
                ranges.for_each(|range| assert!(range.length > 0 && range.asked().starts_with("bytes=")));
            }
            Ok(Playlist::Multivariant(chosen)) => assert!(!chosen.picture.is_empty()),
            Err(failure) => assert!(!failure.code.is_empty()),
        });
    }

    #[test]
    fn any_playlist_is_borne() {
        borne(testkit::fuzz::QUICK);
    }

    #[test]
    #[ignore = "ten minutes: test:long"]
    fn any_playlist_is_borne_for_long() {
        borne(testkit::fuzz::LONG);
    }

    #[test]
    fn what_cant_be_read_is_refused_by_its_name() {
        assert_eq!(code("<html>"), "not_hls");
        for line in [
            "#EXT-X-MAP:URI=\"a.mp4\",BYTERANGE=\"@0\"",
            "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"",
            "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",KEYFORMAT=\"com.example\"",
            "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0xyz",
            "#EXT-X-BYTERANGE:9\na.ts",
        ] {
            assert_eq!(code(&format!("#EXTM3U\n{line}\n")), "hls_not_supported");
        }
        assert!(read("#EXTM3U\n#EXT-X-KEY:METHOD=NONE\n").is_ok());
    }
}
