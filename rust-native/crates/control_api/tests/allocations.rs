//! A picture on its way takes no memory: from the grab to the access unit everything lies in buffers that were there.
//!
//! Counted are the calls of Rust's allocator; x264's own are C's, and beside the point.
#![cfg(target_os = "linux")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use control_api::{Command, Engine, EngineOptions, Event, Reply, VideoSettings};
use tokio::sync::mpsc::unbounded_channel;

mod game;
mod rig;

use game::Game;
use rig::{DEADLINE, SETTINGS, screen};

struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static ENCODE: AtomicU64 = AtomicU64::new(0);
static CAPTURE: AtomicU64 = AtomicU64::new(0);
static LARGE: AtomicU64 = AtomicU64::new(0);
/// More than an answer of the X server, less than a row of pictures.
const LARGEST: usize = 16 * 1024;

// SAFETY: every call goes to the system's allocator unchanged; counting takes no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.load(Ordering::Relaxed) {
            count(layout.size());
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn count(size: usize) {
    let mut name = [0_u8; 16];
    // SAFETY: the call writes at most 16 bytes (prctl(2)).
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    let of = match &name {
        name if name.starts_with(b"encode-video") => &ENCODE,
        name if name.starts_with(b"capture-video") => &CAPTURE,
        _ => return,
    };
    of.fetch_add(1, Ordering::Relaxed);
    if size >= LARGEST {
        LARGE.fetch_add(1, Ordering::Relaxed);
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Pictures in some seconds, and what was taken for them: by the encode, by the capture, large pieces by either.
async fn taken(settings: VideoSettings) -> (f64, [u64; 3]) {
    let (send, mut events) = unbounded_channel();
    let emit = move |event| {
        let _ = send.send(event);
    };
    let engine = Engine::start(EngineOptions::default(), emit).await.expect("engine");
    let Ok(Reply::Sources(sources)) = engine.dispatch(Command::ListSources).await else { panic!("no sources") };
    let source_id = sources.video.iter().find(|source| source.kind == "monitor").expect("a monitor").id.clone();
    engine.dispatch(Command::StartCapture { source_id, settings, cursor: false }).await.expect("captured");
    // Long enough that each buffer has been needed once, also those of a slow moment.
    let (mut seconds, mut pictures) = (0, 0.0);
    while seconds < 9 {
        let event = tokio::time::timeout(DEADLINE, events.recv()).await.expect("figures").expect("the engine lives");
        let Event::Stats(stats) = event else { continue };
        seconds += 1;
        match seconds {
            ..5 => {}
            5 => COUNTS.store(true, Ordering::Relaxed),
            _ => pictures += stats.fps_encoded,
        }
    }
    COUNTS.store(false, Ordering::Relaxed);
    let counts = [&ENCODE, &CAPTURE, &LARGE].map(|count| count.swap(0, Ordering::Relaxed));
    engine.shutdown().await;
    assert!(pictures > 30.0, "only {pictures} pictures");
    (pictures, counts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_from_the_screen_to_its_access_unit_takes_no_memory() {
    screen();
    let _game = Game::start();
    let (pictures, [encode, capture, large]) = taken(VideoSettings { width: 800, height: 600, ..SETTINGS }).await;
    println!(
        "{pictures:.0} pictures as they are: {encode} pieces in the encode, {capture} in the capture, {large} large"
    );
    assert_eq!(encode, 0, "the encode took memory for {pictures} pictures");
    assert_eq!(large, 0, "memory as large as a picture's was taken");
    // The X server's answers are small vectors of the library that reads them.
    assert!(capture as f64 <= pictures * 24.0, "{capture} in the capture for {pictures} pictures");
    // The library that scales keeps the weights of each row and column in a vector of its own, anew for each picture.
    let (pictures, [encode, ..]) = taken(SETTINGS).await;
    println!("{pictures:.0} scaled pictures: {encode} pieces in the encode");
    assert!(encode as f64 <= pictures * 2500.0, "{encode} for {pictures} scaled pictures");
}
