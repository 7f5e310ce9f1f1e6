//! Canvases beside the main one, with generated sources and real encoders; the session is driven by hand.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use encoder::EncoderError;
use media::Track;
use parking_lot::Mutex;
use stream::{LagPolicy, Reader, RecvError};
use tokio::sync::mpsc;

use super::*;
use crate::canvas_cost::Measured;
use crate::{CanvasRoom, Command, Destination, Held, Reply};

/// Far above what anything here takes, on a machine that builds something else besides.
const DEADLINE: Duration = Duration::from_secs(30);
const MOVING: &str = "pattern:bars";
const STILL: &str = "color:2060c0ff";
const WIDE: VideoSettings = VideoSettings { width: 320, height: 180, fps: 30, kbps: 500, gop_seconds: 20.0 };

struct Rig {
    session: Session,
    inbox: mpsc::UnboundedReceiver<Order>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Rig {
    fn new(opener: fn() -> Opener) -> Self {
        let (orders, inbox) = mpsc::unbounded_channel();
        let (_, connections) = mpsc::channel(1);
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let told = Arc::clone(&events);
        let mut session =
            Session::new(orders, connections, Arc::new(move |event| told.lock().push(event)), Held::default())
                .expect("a session");
        session.canvases.opener = Box::new(opener);
        Self { session, inbox, events }
    }

    async fn send(&mut self, command: Command) -> Result<Reply, Problem> {
        self.session.carry_out(command).await
    }

    async fn start(&mut self, source_id: &str) {
        let start = Command::StartCapture { source_id: source_id.to_owned(), settings: WIDE, cursor: false };
        self.send(start).await.expect("captured");
    }

    async fn set(&mut self, sources: &[&str]) -> Result<Reply, Problem> {
        self.send(Command::SetCanvas { canvas: tall(sources), force: true }).await
    }

    fn canvas(&self) -> &Further {
        self.session.canvases.get("tall").expect("it was added")
    }

    fn sources(&self) -> Vec<(u64, &str)> {
        let capture = self.session.capture.as_ref().expect("captured");
        capture.sources.iter().map(|source| (source.id, source.source_id.as_str())).collect()
    }

    /// Obeys what devices and encodes say until that is so.
    async fn until(&mut self, what: &str, mut test: impl FnMut(&Session) -> bool) {
        let begun = Instant::now();
        while !test(&self.session) {
            assert!(begun.elapsed() < DEADLINE, "never: {what}");
            while let Ok(order) = self.inbox.try_recv() {
                self.session.obey(order).await;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// That many pictures of a canvas, and how many of them were keyframes.
    async fn pictures(&mut self, reader: &mut Reader<AccessUnit>, wanted: u32) -> u32 {
        let (mut pictures, mut keyframes) = (0, 0);
        self.until("pictures", |_| {
            while let Some(unit) = reader.try_recv() {
                let unit = unit.expect("the reader never lags and is never closed");
                pictures += u32::from(unit.track == Track::Video);
                keyframes += u32::from(unit.track == Track::Video && unit.keyframe);
            }
            pictures >= wanted
        })
        .await;
        keyframes
    }
}

fn tall(sources: &[&str]) -> CanvasSettings {
    let item = |(at, source): (usize, &&str)| serde_json::json!({ "id": at.to_string(), "source": source, "x": 0, "y": 160 * at, "width": 180, "height": 160 });
    let items: Vec<_> = sources.iter().enumerate().map(item).collect();
    let scene = serde_json::json!({ "name": "Tall", "canvas": { "width": 180, "height": 320 }, "items": items });
    CanvasSettings {
        id: "tall".to_owned(),
        name: "For telephones".to_owned(),
        scene: scene.to_string(),
        settings: WIDE,
        codec: VideoCodec::H264,
    }
}

fn real() -> Opener {
    Box::new(encoder::open_except)
}

fn reader(hub: &Broadcast<AccessUnit>) -> Reader<AccessUnit> {
    hub.subscribe(10_000, LagPolicy::Fail)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_canvases_show_one_capture_and_the_end_of_one_is_not_the_others() {
    let mut rig = Rig::new(real);
    rig.start(MOVING).await;
    let mut main = reader(&rig.session.hub);
    rig.set(&[MOVING, STILL]).await.expect("a canvas");
    assert_eq!((rig.canvas().settings.width, rig.canvas().settings.height), (180, 320), "its scene's aspect");
    let captured: Vec<_> = rig.sources().into_iter().map(|(_, name)| name.to_owned()).collect();
    assert_eq!(captured, [MOVING, STILL], "each once");
    let mut other = reader(&rig.canvas().hub);
    assert_eq!(rig.pictures(&mut main, 15).await, 1);
    rig.pictures(&mut other, 15).await;
    let state = rig.session.canvases.states().remove(0);
    assert!(state.live && state.encoder.is_some() && state.problem.is_none(), "{state:?}");
    let (frames, _) = rig.session.capture.as_ref().expect("captured").frames(MAIN);
    let composed = rig.session.pipeline.counters().composed.load(Ordering::Relaxed);
    assert!(frames < composed * 2, "{frames} frames for {composed} pictures: two captures would give twice as many");

    rig.send(Command::RemoveCanvas { id: "tall".to_owned() }).await.expect("removed");
    assert_eq!(
        rig.sources().iter().map(|(_, name)| *name).collect::<Vec<_>>(),
        [MOVING],
        "what nobody shows is closed"
    );
    assert_eq!(rig.pictures(&mut main, 15).await, 0, "the main encoder was not disturbed");
    rig.until("the end of its stream", |_| {
        loop {
            match other.try_recv() {
                Some(Ok(_)) => {}
                end => break matches!(end, Some(Err(RecvError::Closed))),
            }
        }
    })
    .await;
    let unknown = rig.send(Command::RemoveCanvas { id: "tall".to_owned() }).await.expect_err("it is gone");
    assert_eq!(unknown.code, "unknown_canvas");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_goes_on_while_any_canvas_shows_it_and_a_still_one_is_seen_by_who_comes_late() {
    let mut rig = Rig::new(real);
    rig.start(STILL).await;
    let mut main = reader(&rig.session.hub);
    rig.pictures(&mut main, 3).await;
    // The colour lies there since the start, and is never drawn by its source again.
    rig.set(&[STILL]).await.expect("a canvas");
    let mut other = reader(&rig.canvas().hub);
    rig.pictures(&mut other, 2).await;
    let before = rig.sources()[0].0;
    rig.start(MOVING).await;
    let after: Vec<_> = rig.sources().into_iter().map(|(id, name)| (id, name.to_owned())).collect();
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(after.contains(&(before, STILL.to_owned())), "it was not opened anew: {after:?}");
    rig.pictures(&mut main, 10).await;
    assert_eq!(rig.canvas().problem, None);
    rig.send(Command::StopCapture).await.expect("stopped");
    assert!(!rig.session.canvases.any_live());
    // And with the next start it is there again.
    rig.start(MOVING).await;
    rig.pictures(&mut other, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slower_canvas_takes_its_own_rate_of_a_source_that_another_takes_more_of() {
    let mut rig = Rig::new(real);
    rig.start(MOVING).await;
    let slow = CanvasSettings { settings: VideoSettings { fps: 10, ..WIDE }, ..tall(&[MOVING]) };
    rig.send(Command::SetCanvas { canvas: slow, force: true }).await.expect("a canvas");
    let mut other = reader(&rig.canvas().hub);
    let mut times = Vec::new();
    rig.until("pictures", |_| {
        while let Some(Ok(unit)) = other.try_recv() {
            times.extend((unit.track == Track::Video).then_some(unit.pts));
        }
        times.len() >= 40
    })
    .await;
    // The first ones are those of a capture that is just told its rate.
    let (first, last) = (times[5], times[times.len() - 1]);
    let rate = (times.len() - 6) as f64 / last.since(first).as_secs_f64();
    assert!(rate < 11.5, "{rate:.1} pictures a second");
}

static BROKEN: AtomicBool = AtomicBool::new(true);

fn broken() -> Opener {
    Box::new(|config, except| {
        if BROKEN.load(Ordering::SeqCst) {
            return Err(EncoderError::EncodeFailed { name: "broken", reason: "the device is lost".to_owned() });
        }
        encoder::open_except(config, except)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canvas_without_an_encoder_fails_alone_and_comes_back_when_it_is_set_again() {
    let mut rig = Rig::new(broken);
    rig.start(MOVING).await;
    let mut main = reader(&rig.session.hub);
    assert_eq!(rig.pictures(&mut main, 10).await, 1);
    rig.set(&[MOVING]).await.expect("a canvas");
    rig.until("its failure", |session| session.canvases.states()[0].problem.is_some()).await;
    assert!(!rig.canvas().problem.as_ref().expect("why").code.is_empty() && !rig.session.canvases.any_live());
    let told = |event: &Event| matches!(event, Event::Warning(problem) if problem.message.contains("For telephones"));
    assert!(rig.events.lock().iter().any(told));
    let destination = Destination::MpegTs { url: "udp://127.0.0.1:9".to_owned() };
    let (id, canvas) = ("a".to_owned(), Some("tall".to_owned()));
    let add = Command::AddDestination { id: id.clone(), name: String::new(), destination, canvas };
    rig.send(add).await.expect("added");
    assert!(rig.send(Command::StartDestination { id }).await.is_err(), "nothing would come there");
    assert_eq!(rig.pictures(&mut main, 15).await, 0, "the main encoder was not disturbed");
    BROKEN.store(false, Ordering::SeqCst);
    rig.set(&[MOVING]).await.expect("set again");
    let mut other = reader(&rig.canvas().hub);
    rig.pictures(&mut other, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_main_encoder_the_other_canvases_go_on() {
    let mut rig = Rig::new(real);
    rig.start(MOVING).await;
    rig.set(&[MOVING]).await.expect("a canvas");
    let mut other = reader(&rig.canvas().hub);
    rig.pictures(&mut other, 5).await;
    let error = EncoderError::EncodeFailed { name: "main", reason: "the device is lost".to_owned() };
    rig.session.obey(Order::Pipeline(MAIN, PipelineEvent::Dead(error))).await;
    assert_eq!(rig.pictures(&mut other, 15).await, 0, "its encoder was not disturbed");
    let mut main = reader(&rig.session.hub);
    rig.start(MOVING).await;
    rig.session.pipeline.control().request_keyframe();
    rig.pictures(&mut main, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_machine_has_no_room_for_is_refused_unless_it_is_wanted_all_the_same() {
    let mut rig = Rig::new(real);
    let ask = Command::EstimateCanvas { canvas: tall(&[MOVING]) };
    assert_eq!(rig.send(ask.clone()).await.expect_err("nothing was measured").code, "not_measured");
    *rig.session.measured.lock() = Some(Measured::of_probe(3600.0));
    let Ok(Reply::CanvasCost(cost)) = rig.send(ask).await else { panic!("no cost") };
    assert!((cost.ms_per_picture - 100.0).abs() < 0.01 && cost.room == CanvasRoom::PictureTooSlow, "{cost:?}");
    let add = |force| Command::SetCanvas { canvas: tall(&[MOVING]), force };
    let refused = rig.send(add(false)).await.expect_err("no room");
    assert_eq!(refused.code, "no_room_for_canvas");
    assert!(rig.session.canvases.get("tall").is_none());
    rig.send(add(true)).await.expect("all the same");
    for (bad, code) in [
        (CanvasSettings { id: "a b".to_owned(), ..tall(&[MOVING]) }, "bad_value"),
        (CanvasSettings { scene: "{".to_owned(), ..tall(&[MOVING]) }, "scene_unreadable"),
        (CanvasSettings { settings: VideoSettings { kbps: 1, ..WIDE }, ..tall(&[MOVING]) }, "bad_value"),
    ] {
        assert_eq!(rig.send(Command::SetCanvas { canvas: bad, force: true }).await.expect_err("refused").code, code);
    }
    for id in ["b", "c"] {
        let canvas = CanvasSettings { id: id.to_owned(), ..tall(&[MOVING]) };
        rig.send(Command::SetCanvas { canvas, force: true }).await.expect("room for three");
    }
    let fourth = CanvasSettings { id: "d".to_owned(), ..tall(&[MOVING]) };
    let refused = rig.send(Command::SetCanvas { canvas: fourth, force: true }).await.expect_err("four");
    assert_eq!(refused.code, "too_many_canvases");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_not_there_costs_a_canvas_its_place_alone() {
    let mut rig = Rig::new(real);
    rig.start(MOVING).await;
    let gone = "image:/nowhere/at/all.png";
    rig.set(&[gone, MOVING]).await.expect("a canvas");
    let told = |event: &Event| matches!(event, Event::SourceWarning { source_id, .. } if source_id == gone);
    assert!(rig.events.lock().iter().any(told));
    let mut other = reader(&rig.canvas().hub);
    rig.pictures(&mut other, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canvas_has_a_codec_of_its_own_and_keeps_it_while_it_is_sent() {
    let mut rig = Rig::new(real);
    rig.start(MOVING).await;
    let coded = |codec| Command::SetCanvas { canvas: CanvasSettings { codec, ..tall(&[MOVING]) }, force: true };
    rig.send(coded(VideoCodec::Av1)).await.expect("SVT-AV1 is built in");
    let mut av1 = rig.canvas().hub.subscribe_to(stream::Lanes::AV1, 10_000, LagPolicy::Fail);
    rig.until("a picture as AV1", |_| {
        std::iter::from_fn(|| av1.try_recv()).any(|unit| unit.is_ok_and(|unit| unit.track == Track::Av1))
    })
    .await;
    let add = |destination: Destination| Command::AddDestination {
        id: "out".to_owned(),
        name: String::new(),
        destination,
        canvas: Some("tall".to_owned()),
    };
    // Nobody answers there: it goes on trying.
    let rtmp = Destination::Rtmp { url: "rtmp://127.0.0.1:9/app/name".to_owned(), key: None, prefer_opus: false };
    rig.send(add(rtmp)).await.expect("added");
    rig.send(Command::StartDestination { id: "out".to_owned() }).await.expect("started");
    let refused = rig.send(coded(VideoCodec::H264)).await.map_err(|problem| problem.code);
    assert_eq!(refused, Err("not_now".to_owned()));
    rig.send(Command::StopDestination { id: "out".to_owned() }).await.expect("stopped");
    rig.send(coded(VideoCodec::H264)).await.expect("nothing is sent");
    let mut h264 = reader(&rig.canvas().hub);
    assert!(rig.pictures(&mut h264, 2).await >= 1);
    assert_eq!(rig.session.canvases.states()[0].codec, VideoCodec::H264);
}
