//! A source that is read by HLS: playlists, and segments of MPEG-TS or fragmented MP4, three segments behind their newest,
//! as players do. Sound that has a playlist of its own is read beside the picture's.

use std::collections::VecDeque;
use std::time::Duration;

use media::MediaTime;
use publish::Failure;
use reqwest::Url;
use tokio::time::sleep_until;

use super::hls_reader::Reader;
use super::rendition::{Lines, Rendition};
use super::run::{Pull, bad_address, failure, silent, taken_over};
use crate::ingest::desk::Desk;
use crate::ingest::unit::Unit;

/// One rendition's units wait for the other's no longer than this: it may be silent for good.
const APART: Duration = Duration::from_secs(10);

pub(super) async fn run(pull: &Pull) -> Failure {
    match read(pull).await {
        Ok(never) => match never {},
        Err(failure) => failure,
    }
}

/// A rendition and what was read of it.
struct Reading {
    rendition: Rendition,
    units: VecDeque<(MediaTime, Unit)>,
}

impl Reading {
    async fn open(reader: &Reader, address: Url) -> Result<Self, Failure> {
        Ok(Self { rendition: Rendition::open(reader, address).await?, units: VecDeque::new() })
    }

    fn take(&mut self, units: Vec<Unit>) {
        // What has no time belongs to what comes after it.
        let timed = units.into_iter().map(|unit| (unit.at().unwrap_or(MediaTime::ZERO), unit));
        self.units.extend(timed);
    }

    fn spans(&self) -> Duration {
        let times = || self.units.iter().map(|(at, _)| *at).filter(|at| *at > MediaTime::ZERO);
        times().max().zip(times().min()).map_or(Duration::ZERO, |(last, first)| last.since(first))
    }
}

/// The next unit in order of time, as long as it is known to be the next.
fn merged(readings: &mut [Reading]) -> Option<Unit> {
    let all = readings.iter().all(|reading| !reading.units.is_empty() || reading.rendition.is_over());
    if !all && readings.iter().all(|reading| reading.spans() < APART) {
        return None;
    }
    let first = readings.iter_mut().filter(|reading| !reading.units.is_empty());
    let first = first.min_by_key(|reading| reading.units.front().map(|(at, _)| *at));
    first?.units.pop_front().map(|(_, unit)| unit)
}

async fn read(pull: &Pull) -> Result<std::convert::Infallible, Failure> {
    let home = Url::parse(pull.settings.url.expose()).map_err(|_| bad_address())?;
    let mut reader = Reader::new(&home, pull.settings.key.clone())?;
    let (picture, sound) = reader.find().await?;
    let mut readings = vec![Reading::open(&reader, picture).await?];
    if let Some(sound) = sound {
        readings.push(Reading::open(&reader, sound).await?);
    }
    let (mut desk, mut lines) = (None::<Desk>, Lines::new());
    loop {
        for reading in &mut readings {
            reading.rendition.look(&reader).await?;
            if reading.units.is_empty() {
                let units = reading.rendition.read(&mut reader, &mut lines).await?;
                reading.take(units);
            }
        }
        let mut any = false;
        while let Some(unit) = merged(&mut readings) {
            any = true;
            let desk = match &mut desk {
                Some(desk) => desk,
                none => {
                    let desk = none.insert(Desk::new(pull.open(None).await?, &pull.hall).in_heaps());
                    pull.is_live();
                    desk
                }
            };
            desk.take(unit).await.map_err(|_| taken_over())?;
        }
        if any {
            continue;
        }
        if readings.iter().all(|reading| reading.rendition.is_over()) {
            return Err(over());
        }
        if readings.iter().any(|reading| reading.rendition.is_still()) {
            return Err(silent());
        }
        if let Some(due) = readings.iter().filter_map(|reading| reading.rendition.due()).min() {
            sleep_until(due).await;
        }
    }
}

fn over() -> Failure {
    failure("stream_over", "the source's stream is over", "Start it there again; it comes by itself then.")
}
