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

criterion_group! {
    name = all;
    config = Criterion::default().sample_size(30);
    targets = hot_paths
}
criterion_main!(all);
