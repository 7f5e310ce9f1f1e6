//! `udta`: chapter marks and the names of tracks, for players that look there.

use bytes::{BufMut, BytesMut};
use mp4_atom::{Chpl, ChplEntry};

use super::boxes::{INPUT_ID, encoded, place};
use crate::{Chapter, ContainerError, InputTrack};

/// `udta` with the marks and, up to `room` bytes in all, free space.
pub(super) fn user_data(chapters: &[Chapter], room: usize) -> Result<BytesMut, ContainerError> {
    let entry =
        |chapter: &Chapter| ChplEntry { start: (chapter.at.as_nanos() / 100) as u64, title: shortened(&chapter.title) };
    let mut body = BytesMut::new();
    if !chapters.is_empty() {
        let marks = Chpl { entries: chapters.iter().map(entry).collect() };
        if chapters.len() > 255 {
            return Err(ContainerError::ChaptersFull);
        }
        body = encoded(&marks)?;
    }
    let size = room.max(body.len() + 8);
    // Free space is a box itself, of eight bytes at the least.
    match size - 8 - body.len() {
        0 => {}
        1..8 => return Err(ContainerError::ChaptersFull),
        _ if room > 0 && body.len() + 16 > room => return Err(ContainerError::ChaptersFull),
        free => {
            body.put_u32(free as u32);
            body.put_slice(b"free");
            body.put_bytes(0, free - 8);
        }
    }
    if room > 0 && size > room {
        return Err(ContainerError::ChaptersFull);
    }
    let mut out = BytesMut::new();
    out.put_u32(size as u32);
    out.put_slice(b"udta");
    out.extend_from_slice(&body);
    Ok(out)
}

/// As much of a title as fits into a mark, never half a character.
pub(crate) fn shortened(title: &str) -> String {
    const MOST: usize = 120;
    let end = (0..=title.len().min(MOST)).rev().find(|end| title.is_char_boundary(*end)).unwrap_or(0);
    title[..end].to_owned()
}

/// Appends it as the last box within `moov`; returns where it stands there.
pub(super) fn append_user_data(
    moov: &mut BytesMut,
    chapters: &[Chapter],
    room: usize,
) -> Result<usize, ContainerError> {
    let at = moov.len();
    moov.extend_from_slice(&user_data(chapters, room)?);
    let size = u32::try_from(moov.len()).map_err(|_| ContainerError::Unwritable("a moov of 4 GB".to_owned()))?;
    moov[..4].copy_from_slice(&size.to_be_bytes());
    Ok(at)
}

/// The same `moov` with each input's name as its track's title too (`udta/name`, as QuickTime has it): many players
/// show no handler's name.
pub(super) fn named(moov: &BytesMut, inputs: &[InputTrack]) -> Result<BytesMut, ContainerError> {
    if inputs.is_empty() {
        return Ok(moov.clone());
    }
    let too_large = || ContainerError::Unwritable("a moov that is not one".to_owned());
    let mut out = BytesMut::from(&moov[..8]);
    let (mut rest, mut tracks) = (&moov[8..], 0_usize);
    while let Some(size) = rest.first_chunk::<4>().map(|size| u32::from_be_bytes(*size) as usize) {
        let (one, others) = rest.split_at_checked(size.max(8)).ok_or_else(too_large)?;
        rest = others;
        if one[4..8] != *b"trak" {
            out.extend_from_slice(one);
            continue;
        }
        let name = tracks.checked_sub(place(INPUT_ID)).and_then(|input| inputs.get(input));
        let title = name.map(|input| shortened(&input.name)).unwrap_or_default();
        tracks += 1;
        let more = if title.is_empty() { 0 } else { title.len() + 16 };
        out.put_u32((one.len() + more) as u32);
        out.extend_from_slice(&one[4..]);
        if more > 0 {
            out.put_u32(more as u32);
            out.put_slice(b"udta");
            out.put_u32(more as u32 - 8);
            out.put_slice(b"name");
            out.put_slice(title.as_bytes());
        }
    }
    let size = u32::try_from(out.len()).map_err(|_| too_large())?;
    out[..4].copy_from_slice(&size.to_be_bytes());
    Ok(out)
}
