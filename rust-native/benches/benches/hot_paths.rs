//! The work on a picture, piece by piece, by the clock: `cargo bench --workspace --profile dev --bench hot_paths`, with the
//! profile and the features that the app is built with.

use criterion::{Criterion, criterion_group, criterion_main};
use encoder::Preset;
use tidecast_bench::hot_paths::{PATHS, x264};

fn hot_paths(criterion: &mut Criterion) {
    for (name, make) in PATHS {
        let mut path = make().unwrap_or_else(|error| panic!("{name}: {error}"));
        criterion.bench_function(name, |bench| bench.iter(&mut path));
    }
    for preset in [Preset::Ultrafast, Preset::Superfast, Preset::Veryfast] {
        let name = format!("x264-{}-720p", preset.name());
        let mut path = x264(preset).unwrap_or_else(|error| panic!("{name}: {error}"));
        criterion.bench_function(&name, |bench| bench.iter(&mut path));
    }
}

/// Our own time of a grab: that of the clock is mostly waiting.
#[cfg(target_os = "linux")]
fn grab(criterion: &mut Criterion) {
    let size = media::Size { width: 1920, height: 1080 };
    let mut grabs = tidecast_bench::grab::Grabs::start(size).unwrap_or_else(|error| panic!("grab-1080p: {error}"));
    criterion.bench_function("grab-1080p", |bench| {
        bench.iter_custom(|times| grabs.spend(times).unwrap_or_else(|error| panic!("grab-1080p: {error}")));
    });
}

#[cfg(not(target_os = "linux"))]
fn grab(_: &mut Criterion) {}

criterion_group! {
    name = all;
    config = Criterion::default().sample_size(30);
    targets = hot_paths, grab
}
criterion_main!(all);
