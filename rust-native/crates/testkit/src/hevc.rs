//! HEVC as another program's encoder makes it (libx265 in ffmpeg): without a graphics card there is none of ours.

use media::Size;

use crate::scratch::{Folder, output_of};

/// A start code and an access unit delimiter's header (ITU-T H.265, section 7.3.1.2).
const DELIMITER: &[u8] = &[0, 0, 0, 1, 0x46, 1];

/// Each picture of `i420` as an access unit (Annex B, without a delimiter, parameter sets before each IDR), and whether it
/// is an IDR: at the least each half second. BT.709 in limited range, no B-frames.
///
/// # Panics
/// When ffmpeg is missing or complains.
pub fn encode(size: Size, fps: u32, i420: &[u8]) -> Vec<(bool, Vec<u8>)> {
    let folder = Folder::new("hevc");
    let file = folder.file("pictures");
    std::fs::write(&file, i420).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (size, rate, keyint) = (size.to_string().replace('×', "x"), fps.to_string(), (fps / 2).max(1));
    let colours = "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=limited";
    let gop = format!("keyint={keyint}:min-keyint={keyint}:scenecut=0:open-gop=0:bframes=0");
    let parameters = format!("log-level=none:aud=1:repeat-headers=1:info=0:{gop}:{colours}");
    let input =
        ["-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", &size, "-r", &rate, "-i", "FILE"];
    let coded = ["-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-x265-params", &parameters];
    let stream = output_of("ffmpeg", &[&input[..], &coded, &["-f", "hevc", "-"]].concat(), &file);
    let starts: Vec<_> = (0..stream.len()).filter(|at| stream[*at..].starts_with(DELIMITER)).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    // The delimiter is left to whoever needs it: seven bytes.
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| (is_idr(&stream[*start..end]), stream[start + 7..end].to_vec()))
        .collect()
}

/// Whether there is a slice of an IDR picture in it (table 7-1).
fn is_idr(unit: &[u8]) -> bool {
    unit.windows(4).any(|bytes| bytes[..3] == [0, 0, 1] && matches!(bytes[3] >> 1 & 0x3f, 19 | 20))
}
