//! One stream's way into recordings: what is whole on the shelf is put into the store, some segments at a time.
//!
//! It is one more reader of the stream's files: what it is too slow for falls out of the window, and nobody else
//! notices. A store that fails is tried again for as long as there is something to be written.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use media::Size;
use tokio::sync::watch;

use super::book::{Book, Track, Weight, chunk_name, header_name};
use super::store::{META, Store, StoreError};
use super::{Rule, State};
use crate::chunks::{Kind, Shelf, Window};
use crate::http::Site;

/// So much of a live stream is one file: fewer, larger objects, and what a kill of the server costs at most.
const CHUNK: Duration = Duration::from_secs(6);
/// Between two looks at whether the stream is live.
const LOOK: Duration = Duration::from_millis(500);
/// Between two attempts at a store that fails.
const AGAIN: Duration = Duration::from_secs(2);
/// At the end, the packager gets so long for its last segment.
const LAST_SEGMENT: Duration = Duration::from_millis(1500);

/// A live segment of every track.
#[derive(Debug, Clone)]
struct Piece {
    number: u64,
    at: SystemTime,
    bodies: Vec<(Kind, f64, Bytes)>,
}

/// The headers of a run.
#[derive(Debug, Clone)]
struct Head {
    /// Its first segment's number: no other run has it.
    run: u64,
    tracks: Vec<Track>,
    size: Option<Size>,
    headers: Vec<(Kind, Bytes)>,
}

/// The runs since number `next`, each with its segments that are whole in every track.
fn whole(window: &Window, next: u64) -> Vec<(Head, Vec<Piece>)> {
    let mut found = Vec::new();
    for run in &window.runs {
        // What is made of the source while somebody watches is nothing to keep.
        let published = run.headers.iter().filter(|header| Kind::ALL.contains(&header.kind));
        let kinds: Vec<Kind> = published.clone().map(|header| header.kind).collect();
        let Some(first) = kinds.first() else { continue };
        let mut pieces = Vec::new();
        for segment in window.rendition(*first).segments.iter().filter(|segment| segment.run == run.index) {
            let bodies: Vec<_> = kinds
                .iter()
                .filter_map(|kind| {
                    let segment = window.rendition(*kind).segment(segment.number)?;
                    let seconds = segment.ticks() as f64 / f64::from(kind.rate());
                    Some((*kind, seconds, segment.body.clone()?))
                })
                .collect();
            if segment.number >= next && bodies.len() == kinds.len() {
                let start = Duration::from_secs_f64(segment.start as f64 / f64::from(first.rate()));
                pieces.push(Piece { number: segment.number, at: window.origin + start, bodies });
            }
        }
        let tracks = published.clone().map(|header| Track { kind: header.kind, codecs: header.what.codecs() });
        let headers = published.map(|header| (header.kind, header.body.clone()));
        if !pieces.is_empty() {
            let head = Head {
                run: run.number,
                tracks: tracks.collect(),
                size: run.size(Kind::Video),
                headers: headers.collect(),
            };
            found.push((head, pieces));
        }
    }
    found
}

/// Records one stream by one rule until it is told to stop.
pub(super) struct Writer {
    rule: Arc<Rule>,
    state: Arc<State>,
    stream: String,
    book: Option<Book>,
    /// The run whose headers are stored, and the number of the next segment in it.
    run: Option<(u64, u64)>,
    /// No segment before it is taken any more.
    next: u64,
    pending: Vec<Piece>,
}

impl Writer {
    pub(super) fn new(rule: Arc<Rule>, state: Arc<State>, stream: &str) -> Self {
        Self { rule, state, stream: stream.to_owned(), book: None, run: None, next: 0, pending: Vec::new() }
    }

    pub(super) async fn run(mut self, site: Arc<Site>, mut stop: watch::Receiver<bool>) {
        loop {
            // A server that was dropped has told nobody.
            if *stop.borrow_and_update() || stop.has_changed().is_err() {
                break;
            }
            let Some(shelf) = site.shelf(&self.stream) else {
                self.end().await;
                let _ = tokio::time::timeout(LOOK, stop.wait_for(|stop| *stop)).await;
                continue;
            };
            let mut news = shelf.watch();
            if let Err(error) = self.take(&shelf).await {
                self.complain(&error);
                let _ = tokio::time::timeout(AGAIN, stop.wait_for(|stop| *stop)).await;
                continue;
            }
            if shelf.window().over {
                self.end().await;
            }
            tokio::select! {
                _ = tokio::time::timeout(LOOK, news.changed()) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
        // The publisher is sent away at the same time: its last segment is still to come.
        if let Some(shelf) = site.shelves().get(&self.stream).filter(|_| self.book.is_some()) {
            let mut news = shelf.watch();
            let over = async { while !shelf.window().over && news.changed().await.is_ok() {} };
            let _ = tokio::time::timeout(LAST_SEGMENT, over).await;
            if let Err(error) = self.take(&shelf).await {
                self.complain(&error);
            }
        }
        self.end().await;
    }

    fn complain(&self, error: &StoreError) {
        if self.rule.fail(error.to_string()) {
            tracing::error!(rule = self.rule.name, stream = self.stream, %error, "a recording can't be written");
        }
    }

    /// Takes what has become whole.
    async fn take(&mut self, shelf: &Shelf) -> Result<(), StoreError> {
        // What waits stays as small as it is while the store takes nothing.
        if self.is_enough() {
            self.flush().await?;
        }
        let next = self.pending.last().map_or(self.next, |last| last.number + 1);
        let found = whole(&shelf.window(), next);
        for (head, pieces) in found {
            if self.run.is_none_or(|(run, _)| run != head.run) {
                self.flush().await?;
                self.begin(&head).await?;
            }
            for piece in pieces {
                self.pending.push(piece);
                if self.is_enough() {
                    self.flush().await?;
                    let long = self.book.as_ref().is_some_and(|book| book.duration() >= self.rule.settings.split());
                    if long {
                        self.end().await;
                        self.begin(&head).await?;
                    }
                }
            }
        }
        Ok(())
    }

    fn is_enough(&self) -> bool {
        self.pending.iter().map(length).sum::<f64>() >= CHUNK.as_secs_f64()
    }

    /// Another run, in the same recording where that has the same tracks.
    async fn begin(&mut self, head: &Head) -> Result<(), StoreError> {
        if self.book.as_ref().is_some_and(|book| !book.has(&head.tracks)) {
            self.end().await;
        }
        let mut book = match &self.book {
            Some(book) => book.clone(),
            None => Book::new(&self.stream, SystemTime::now(), head.tracks.clone(), head.size),
        };
        let run = book.run(head.headers.iter().map(|(_, body)| body.len()).sum());
        for (kind, body) in &head.headers {
            let place = (self.stream.as_str(), book.meta.id.as_str());
            self.put(place, &header_name(*kind, run), body.clone()).await?;
        }
        self.run = Some((head.run, 0));
        self.book = Some(book);
        Ok(())
    }

    fn store(&self) -> &Store {
        &self.rule.store
    }

    /// Media, which is counted.
    async fn put(&self, place: (&str, &str), name: &str, body: Bytes) -> Result<(), StoreError> {
        let bytes = body.len() as u64;
        self.store().put(place, name, body).await?;
        self.rule.written.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// What waits becomes one more chunk. Where that fails it waits on.
    async fn flush(&mut self) -> Result<(), StoreError> {
        let (Some(book), Some((run, expected)), Some(first), Some(last)) =
            (&self.book, self.run, self.pending.first(), self.pending.last())
        else {
            return Ok(());
        };
        let mut book = book.clone();
        let place = (self.stream.clone(), book.meta.id.clone());
        let place = (place.0.as_str(), place.1.as_str());
        let number = book.next();
        let mut weights = Vec::new();
        for kind in book.kinds().collect::<Vec<_>>() {
            let bodies = self.pending.iter().flat_map(|piece| &piece.bodies).filter(|(of, ..)| *of == kind);
            let (mut all, mut seconds) = (BytesMut::new(), 0.0);
            for (_, length, body) in bodies {
                all.extend_from_slice(body);
                seconds += length;
            }
            weights.push(Weight { kind, seconds, bytes: all.len() });
            self.put(place, &chunk_name(kind, number), all.freeze()).await?;
        }
        // A run's first chunk has nothing before it; a later one may lack what the store was too slow for.
        let missed = first.number.saturating_sub(expected);
        let gap = expected > 0 && missed > 0;
        if gap {
            book.meta.lost_seconds += missed as f64 * length(first);
            tracing::warn!(
                stream = self.stream,
                segments = missed,
                "a recording lacks what the store was too slow for"
            );
        }
        book.chunk(first.at, expected == 0 || gap, &weights);
        for kind in book.kinds() {
            self.store().put(place, &format!("{}.m3u8", kind.name()), book.media(kind, true)).await?;
        }
        if number == 1 {
            self.store().put(place, "index.m3u8", book.multivariant()).await?;
        }
        let meta = serde_json::to_vec_pretty(&book.meta).map_err(|error| StoreError::Failed(error.to_string()))?;
        self.store().put(place, META, meta).await?;
        let next = last.number + 1;
        (self.run, self.next) = (Some((run, next)), next);
        self.pending.clear();
        self.rule.succeed();
        self.state.note(&self.rule, &book.meta, Some(&book));
        if number == 1 {
            tracing::info!(rule = self.rule.name, stream = self.stream, id = book.meta.id, "a recording begins");
        }
        self.book = Some(book);
        Ok(())
    }

    /// The recording is over.
    async fn end(&mut self) {
        if self.book.is_none() {
            return;
        }
        // One more attempt; what can't be written then is lost.
        if let Err(error) = self.flush().await {
            self.complain(&error);
            if let Some(last) = self.pending.last() {
                self.next = last.number + 1;
            }
            self.pending.clear();
        }
        self.run = None;
        if let Some(book) = self.book.take().filter(|book| book.next() > 1) {
            // The peak is known now.
            let place = (self.stream.as_str(), book.meta.id.as_str());
            if let Err(error) = self.store().put(place, "index.m3u8", book.multivariant()).await {
                self.complain(&error);
            }
            self.state.note(&self.rule, &book.meta, None);
            tracing::info!(
                rule = self.rule.name,
                stream = self.stream,
                id = book.meta.id,
                seconds = book.meta.duration_ms / 1000,
                "a recording has ended"
            );
        }
    }
}

fn length(piece: &Piece) -> f64 {
    piece.bodies.first().map_or(0.0, |(_, seconds, _)| *seconds)
}
