//! A recording as one MP4 that any player opens: its chunks one after the other, joined as they are read, so that an
//! evening's recording takes no more memory than two chunks.
//!
//! One run of the publisher is one file: the next may have other parameter sets, which a file's header can't say.

use bytes::Bytes;
use container::{begins, earlier, joined_header};
use futures_util::stream::{self, Stream};

use super::book::{chunk_name, chunks_of, header_name};
use super::store::Store;
use super::{Recordings, StoreError};
use crate::chunks::Kind;

/// What is still to be given.
struct Joining {
    store: Store,
    place: (String, String),
    /// Each track, and by how many ticks its clock begins earlier.
    tracks: Vec<(Kind, u64)>,
    /// Chunks and tracks, in order.
    left: std::vec::IntoIter<(usize, usize)>,
}

impl Joining {
    async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        let (number, track) = self.left.next()?;
        let (kind, ticks) = *self.tracks.get(track)?;
        let place = (self.place.0.as_str(), self.place.1.as_str());
        let read = self.store.get(place, &chunk_name(kind, number), None).await;
        Some(read.map(|(chunk, ..)| earlier(&chunk, ticks)))
    }
}

impl Recordings {
    /// A run of a recording, counted from 0, as one file: of one that is being written, what there is by now.
    ///
    /// # Errors
    /// [`StoreError`]. What fails later ends the file early.
    pub(crate) async fn download(
        &self,
        (rule, stream, id): (&str, &str, &str),
        run: usize,
    ) -> Result<impl Stream<Item = Result<Bytes, StoreError>> + use<>, StoreError> {
        let store = self.rule(rule)?.store.clone();
        let (mut headers, mut tracks) = (Vec::new(), Vec::new());
        for kind in Kind::ALL {
            match store.get((stream, id), &header_name(kind, run), None).await {
                Ok((header, ..)) => {
                    headers.push(header);
                    tracks.push(kind);
                }
                Err(StoreError::Missing) => {}
                Err(error) => return Err(error),
            }
        }
        let first = *tracks.first().ok_or(StoreError::Missing)?;
        let playlist = self.read((rule, stream, id), &format!("{}.m3u8", first.name()), None).await?.0;
        let numbers = chunks_of(&String::from_utf8_lossy(&playlist), run);
        let head = *numbers.first().ok_or(StoreError::Missing)?;
        let mut starts = Vec::new();
        for kind in &tracks {
            let (chunk, ..) = store.get((stream, id), &chunk_name(*kind, head), None).await?;
            starts.push(begins(&chunk).unwrap_or_default() as f64 / f64::from(kind.rate()));
        }
        let start = starts.into_iter().fold(f64::INFINITY, f64::min);
        let tracks: Vec<_> =
            tracks.iter().map(|kind| (*kind, (start * f64::from(kind.rate())).round() as u64)).collect();
        let header = joined_header(&headers).map_err(|error| StoreError::Failed(error.to_string()))?;
        let left: Vec<_> =
            numbers.into_iter().flat_map(|number| (0..tracks.len()).map(move |track| (number, track))).collect();
        let joining = Joining { store, place: (stream.to_owned(), id.to_owned()), tracks, left: left.into_iter() };
        let chunks = stream::unfold(joining, |mut joining| async move { Some((joining.next().await?, joining)) });
        Ok(futures_util::StreamExt::chain(stream::once(std::future::ready(Ok(header))), chunks))
    }
}
