//! Players that are sent a stream for as long as it lasts: HTTP-FLV, RTMP and SRT. One room for what they share; each
//! protocol moves its own bytes.
//!
//! A player is let in by the rules that hold for WHEP, begins at the newest keyframe with what came since, and has a
//! bounded queue of its own that skips to a keyframe: who reads slowly loses pictures, and nobody else does. Units come
//! from the stream's packager (`chunks`), which makes AAC while somebody here needs it.

mod seats;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use media::AccessUnit;
use rtmp::{Metadata, Muxer};
use stream::{Lanes, Reader};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};

use crate::chunks::{Joined, Shelf};
use crate::figures::StreamInfo;
use crate::http::{Problem, Site};
use crate::relay::{Refusal, Role, SessionId};
pub(crate) use seats::Seats;
use seats::{Newcomer, Place};

/// Units that may wait for one player: four seconds of 30 pictures and 47 sounds.
const QUEUE: usize = 320;
/// The packager lets somebody in within its tick of 20 ms, after the AAC of ten seconds at the most.
const LET_IN: Duration = Duration::from_secs(5);
/// How often it is asked whether the stream is over; also keeps its packager at work.
const LOOK: Duration = Duration::from_secs(1);
/// A stream's second track comes this long after its first packet, or not at all.
const TRACKS_COME: Duration = Duration::from_secs(2);
const LOOK_FOR_TRACKS: Duration = Duration::from_millis(20);
/// AAC's bitrate as players are told it.
const AUDIO_KBPS: u32 = 160;

/// One player's seat. It is given back when this is dropped.
pub(crate) struct Seat {
    /// Only as long as the server is there: a player must not keep it.
    site: Weak<Site>,
    place: Place,
    shelf: Weak<Shelf>,
    backlog: VecDeque<AccessUnit>,
    units: Reader<AccessUnit>,
    look: Interval,
    /// What it can count on to come.
    pub(crate) pictures: bool,
    pub(crate) sound: bool,
    metadata: Metadata,
}

impl Site {
    /// Gives somebody a seat before a stream, who has the right to it. `protocol` is for the figures.
    ///
    /// # Errors
    /// Those of WHEP, and [`Problem::NotOnAir`].
    pub(crate) async fn seat(
        self: &Arc<Self>,
        stream: &str,
        token: Option<&str>,
        from: IpAddr,
        protocol: &'static str,
    ) -> Result<Seat, Problem> {
        let grant = self.authorize_token(Role::View, stream, token, from).await?;
        let session = SessionId::random();
        let key = self.admit(Role::View, stream, (&session, from), grant).await?;
        let info = self.tracks_of(stream).await?;
        let newcomer = Newcomer { stream: stream.to_owned(), session, from, protocol, key };
        let place = self.take_place(newcomer)?;
        let shelf = self.shelf(stream).ok_or(Problem::NotOnAir)?;
        let joined = timeout(LET_IN, shelf.join(Lanes::VIDEO_AND_AAC, QUEUE)).await;
        let Ok(Ok(Joined { backlog, units })) = joined else { return Err(Problem::Busy) };
        if backlog.is_empty() && info.video_codec.is_some() {
            shelf.wish_keyframe();
        }
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let metadata = Metadata {
            fps: info.fps.round().clamp(0.0, 240.0) as u32,
            video_kbps: info.bitrate_kbps.clamp(0.0, 1e6) as u32,
            audio_kbps: if info.audio_codec.is_some() { AUDIO_KBPS } else { 0 },
            ..Metadata::default()
        };
        tracing::info!(stream, protocol, session = place.session().public(), "a player begins");
        Ok(Seat {
            site: Arc::downgrade(self),
            place,
            shelf: Arc::downgrade(&shelf),
            backlog: backlog.into(),
            units,
            look,
            pictures: info.video_codec.is_some(),
            sound: info.audio_codec.is_some(),
            metadata,
        })
    }

    /// What a live stream consists of. Players are told it at the beginning and believe it, so that who comes with the
    /// first packets waits until both tracks are there, or the stream is so old that the other won't come.
    async fn tracks_of(&self, stream: &str) -> Result<StreamInfo, Problem> {
        let begun = Instant::now();
        loop {
            let info = self.stream_info(stream).filter(|info| info.live).ok_or(Problem::NotOnAir)?;
            let since =
                info.since_ms.map_or(SystemTime::now(), |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
            let old = since.elapsed().is_ok_and(|age| age >= TRACKS_COME) || begun.elapsed() >= TRACKS_COME;
            if old || (info.video_codec.is_some() && info.audio_codec.is_some()) {
                return Ok(info);
            }
            sleep(LOOK_FOR_TRACKS).await;
        }
    }

    /// A place for one more player, if the limits leave one.
    fn take_place(self: &Arc<Self>, newcomer: Newcomer) -> Result<Place, Problem> {
        let limits = self.config().limits.clone();
        let others = self.all_streams().iter().map(|info| info.viewers as usize).sum::<usize>();
        let seats = self.seats();
        if seats.count() + others >= limits.viewers as usize {
            return Err(Problem::Refused(Refusal::Full));
        }
        let neighbours = limits.viewers_per_address as usize;
        if neighbours > 0 && seats.of_address(newcomer.from) >= neighbours {
            return Err(Problem::Refused(Refusal::FullAddress));
        }
        if newcomer.key.as_ref().is_some_and(|key| key.is_full(seats.with_key(&key.id))) {
            return Err(Problem::Refused(Refusal::FullKey));
        }
        Ok(Place::new(self, newcomer))
    }
}

impl Seat {
    /// What makes messages of the units.
    pub(crate) fn muxer(&self) -> Muxer {
        let muxer = Muxer::new(self.metadata, false);
        if self.pictures { muxer } else { muxer.without_pictures() }
    }

    /// The next unit; `None` when the stream is over, or the player was sent away. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<AccessUnit> {
        if let Some(unit) = self.backlog.pop_front() {
            return Some(unit);
        }
        loop {
            tokio::select! {
                unit = self.units.recv() => return unit.ok(),
                () = self.place.sent_away() => return None,
                _ = self.look.tick() => {
                    let shelf = self.site.upgrade()?.shelf(self.place.stream())?;
                    if !Weak::ptr_eq(&self.shelf, &Arc::downgrade(&shelf)) {
                        return None;
                    }
                }
            }
        }
    }

    /// The same, of what is there already.
    pub(crate) fn next_now(&mut self) -> Option<AccessUnit> {
        self.backlog.pop_front().or_else(|| self.units.try_recv()?.ok())
    }
}
