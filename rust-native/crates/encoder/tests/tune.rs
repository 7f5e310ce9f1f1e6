//! Choices of the encode that are not its size, rate or bitrate.
#![cfg(feature = "gpl")]

use std::time::Duration;

use encoder::{Preset, Tune, VideoConfig, open, open_except, open_named};
use media::{AccessUnit, Picture};

mod common;

use common::{START, config, draw_hard};

fn encode(config: &VideoConfig, pictures: u32, asked_at: Option<u32>) -> Vec<AccessUnit> {
    let mut encoder = open_named("libx264", config).expect("libx264");
    let mut picture = Picture::black(config.size);
    let mut units = Vec::new();
    for step in 0..pictures {
        draw_hard(&mut picture, step);
        let pts = START + config.frame_rate.interval() * step;
        units.extend(encoder.encode(&picture, pts, asked_at == Some(step)).expect("encoded"));
    }
    units
}

fn idrs(units: &[AccessUnit]) -> Vec<usize> {
    (0..units.len()).filter(|n| units[*n].keyframe).collect()
}

#[test]
fn intra_refresh_spreads_what_a_keyframe_would_cost_and_still_gives_one_on_demand() {
    let gop = Duration::from_secs(1);
    let plain = VideoConfig { gop, ..config(320, 180, 30, 1500) };
    let spread = VideoConfig { tune: Tune { intra_refresh: true, ..Tune::default() }, ..plain };
    let with_idrs = encode(&plain, 120, None);
    assert_eq!(idrs(&with_idrs), [0, 30, 60, 90]);
    let without = encode(&spread, 120, Some(75));
    assert_eq!(idrs(&without), [0, 75], "at the start and where one was asked for");
    let unevenness = |units: &[AccessUnit]| {
        let sizes: Vec<usize> = units[10..70].iter().map(|unit| unit.payload.len()).collect();
        *sizes.iter().max().expect("some") as f64 / (sizes.iter().sum::<usize>() as f64 / sizes.len() as f64)
    };
    let (even, uneven) = (unevenness(&without), unevenness(&with_idrs));
    println!("largest picture over the mean: {even:.2} with intra refresh, {uneven:.2} without");
    assert!(even < uneven * 0.8, "{even:.2} and {uneven:.2}");
}

#[test]
fn another_preset_is_another_encoder() {
    let least = config(320, 180, 30, 600);
    let more = VideoConfig { tune: Tune { preset: Preset::Veryfast, ..Tune::default() }, ..least };
    let mut encoder = open_named("libx264", &least).expect("libx264");
    assert!(encoder.abilities().presets);
    assert!(!encoder.reconfigure(&more).expect("possible"), "not in place");
    assert!(encoder.reconfigure(&least).expect("possible"));
    assert!(!encode(&more, 10, None).is_empty());
}

#[test]
fn an_encoder_that_is_barred_is_passed_over_with_its_reason() {
    let config = config(320, 180, 30, 600);
    let first = open(&config).expect("some").encoder.name();
    let opened = open_except(&config, &[first]).expect("another");
    assert_ne!(opened.encoder.name(), first);
    let refused = opened.refused.iter().find(|refusal| refusal.name == first).expect("named");
    assert!(refused.reason.contains("failed"), "{refused}");
}
