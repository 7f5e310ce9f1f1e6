//! A block through everything an input can have takes no memory: a page fault or a lock in the allocator would be
//! heard.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use sound::{Chain, Effect, Filter, Gain, Limiter, Loudness, Meter, SILENCE, Strip};

struct Counting;

thread_local! {
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.with(|taken| taken.set(taken.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(effects: &[Effect]) -> u64 {
    let filters: Vec<Filter> = effects.iter().map(|effect| Filter { enabled: true, effect: *effect }).collect();
    let mut strip = Strip::new();
    strip.set_chain(Box::new(Chain::new(&filters).expect("valid")));
    strip.set_delay(4800);
    strip.set_gain_db(-3.0);
    let (mut meter, mut master, mut limiter, mut loudness) =
        (Meter::default(), Gain::new(1.0), Limiter::default(), Loudness::new());
    let mut run = |blocks: usize| {
        for block in 0..blocks {
            let mut samples = SILENCE;
            for (index, sample) in samples.iter_mut().enumerate() {
                *sample = ((block * 480 + index) as f32 * 0.3).sin() * 0.7;
            }
            strip.set_audible(block % 7 != 0);
            strip.process(&mut samples);
            meter.add(&samples);
            strip.fade_for_mix(&mut samples);
            master.apply(&mut samples);
            limiter.process(&mut samples);
            loudness.add(&samples);
        }
    };
    run(500);
    let before = TAKEN.with(Cell::get);
    run(2000);
    TAKEN.with(Cell::get) - before
}

#[test]
fn a_block_through_every_filter_takes_no_memory() {
    let all = [
        Effect::NoiseSuppression,
        Effect::Gate { threshold_db: -50.0, attack_ms: 5.0, hold_ms: 100.0, release_ms: 150.0 },
        Effect::Compressor { threshold_db: -20.0, ratio: 4.0, attack_ms: 5.0, release_ms: 100.0, makeup_db: 3.0 },
        Effect::Equalizer { low_db: 3.0, mid_db: -3.0, high_db: 3.0 },
        Effect::Limiter { ceiling_db: -1.0, release_ms: 100.0 },
    ];
    for effect in all {
        assert_eq!(allocations(&[effect]), 0, "{effect:?}");
    }
    assert_eq!(allocations(&all), 0);
}
