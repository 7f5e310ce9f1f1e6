//! Links what the static FFmpeg was configured with, and refuses builds that would run slowly or under another
//! licence than the one that was asked for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The shared libraries a minimal FFmpeg may need, each with a symbol of it.
///
/// Linkers drop a library (`--as-needed`) that nothing before it on the command line refers to, and libavcodec.a
/// comes after this crate's libraries; so this crate refers to one symbol of each (src/av/linked.rs).
const SHARED: &[&str] = &["x264", "va", "va-drm", "drm", "mfx"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=FFMPEG_DIR");
    for name in SHARED {
        println!("cargo:rustc-check-cfg=cfg(links_{})", name.replace('-', "_"));
    }
    println!("cargo:rustc-check-cfg=cfg(links_svtav1)");
    require_nasm();
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => link_static_ffmpeg(),
        Ok("windows" | "macos") => link_foreign_ffmpeg(),
        _ => {}
    }
}

/// Without nasm openh264 builds in silence and takes 40 ms instead of 14 ms for a 1080p picture.
fn require_nasm() {
    println!("cargo:rerun-if-env-changed=OPENH264_NO_ASM");
    if !matches!(env::var("CARGO_CFG_TARGET_ARCH").as_deref(), Ok("x86_64" | "x86")) {
        return;
    }
    if env::var_os("OPENH264_NO_ASM").is_some() {
        println!("cargo:warning=OPENH264_NO_ASM is set: openh264 is built three times slower than it can be");
        return;
    }
    if !Command::new("nasm").arg("-v").output().is_ok_and(|output| output.status.success()) {
        fail("nasm is missing: openh264 would be three times slower. Install it, clean openh264-sys2, build again.");
    }
}

fn link_static_ffmpeg() {
    let Some(prefix) = env::var_os("FFMPEG_DIR").map(PathBuf::from) else {
        fail("FFMPEG_DIR is not set. Run cargo below rust-native (its .cargo/config.toml sets it).");
    };
    let stamp = prefix.join("stamp");
    println!("cargo:rerun-if-changed={}", stamp.display());
    let libraries = needed_libraries(&prefix);
    let has_x264 = libraries.iter().any(|library| library == "x264");
    let gpl = env::var_os("CARGO_FEATURE_GPL").is_some();
    if gpl && !has_x264 {
        fail("the feature gpl is on, but FFmpeg has no x264. Run ffmpeg/build, or build with --no-default-features.");
    }
    if !gpl && has_x264 {
        fail("the feature gpl is off, but FFmpeg has x264 in it. Run ffmpeg/build --no-gpl.");
    }
    // Built beside FFmpeg and linked whole, as Debian has it shared only. Without it AV1 is refused by its reason.
    if prefix.join("lib/libSvtAv1Enc.a").exists() {
        println!("cargo:rustc-link-search=native={}", prefix.join("lib").display());
        println!("cargo:rustc-link-lib=static=SvtAv1Enc");
        println!("cargo:rustc-cfg=links_svtav1");
    }
    for library in &libraries {
        println!("cargo:rustc-link-lib=dylib={library}");
        if SHARED.contains(&library.as_str()) {
            println!("cargo:rustc-cfg=links_{}", library.replace('-', "_"));
        }
    }
}

/// An FFmpeg from elsewhere (vcpkg, Homebrew): what its pkg-config files say that a static one needs. A dynamic one
/// brings it along by itself, and naming it twice does no harm; one without such files is taken as dynamic.
fn link_foreign_ffmpeg() {
    let Some(prefix) = env::var_os("FFMPEG_DIR").map(PathBuf::from) else { return };
    println!("cargo:rustc-link-search=native={}", prefix.join("lib").display());
    let mut named: Vec<String> = Vec::new();
    for name in ["libavformat", "libavcodec", "libavutil", "libswresample"] {
        let file = prefix.join("lib/pkgconfig").join(name).with_extension("pc");
        println!("cargo:rerun-if-changed={}", file.display());
        let text = fs::read_to_string(&file).unwrap_or_default();
        for line in text.lines() {
            let Some(flags) = line.strip_prefix("Libs:").or_else(|| line.strip_prefix("Libs.private:")) else {
                continue;
            };
            let mut words = flags.split_whitespace();
            while let Some(word) = words.next() {
                let library = match word {
                    "-framework" => words.next().map(|name| format!("framework={name}")),
                    _ => word
                        .strip_prefix("-l")
                        .or_else(|| word.strip_suffix(".lib"))
                        .map(|name| format!("dylib={name}")),
                };
                // FFmpeg's own are named by ffmpeg-sys-next, the C library by rustc.
                let own = ["dylib=avcodec", "dylib=avformat", "dylib=avutil", "dylib=swresample", "dylib=m", "dylib=c"];
                if let Some(library) = library.filter(|name| !own.contains(&name.as_str()) && !named.contains(name)) {
                    named.push(library);
                }
            }
        }
    }
    // x264 stands in "Requires.private" under a name of its own, and its file has another one on Windows.
    for (file, name) in [("libx264.a", "x264"), ("libx264.lib", "libx264"), ("x264.lib", "x264")] {
        if prefix.join("lib").join(file).exists() {
            named.push(format!("dylib={name}"));
        }
    }
    for library in named {
        println!("cargo:rustc-link-lib={library}");
    }
}

/// The `-l` flags of FFmpeg's pkg-config files that are not FFmpeg's own, in their order, once each.
fn needed_libraries(prefix: &Path) -> Vec<String> {
    let mut libraries = Vec::new();
    for name in ["libavfilter", "libavformat", "libavcodec", "libavutil"] {
        let file = prefix.join("lib/pkgconfig").join(name).with_extension("pc");
        println!("cargo:rerun-if-changed={}", file.display());
        let Ok(text) = fs::read_to_string(&file) else {
            fail("the minimal FFmpeg is not built yet. Run ffmpeg/build.");
        };
        let flags = text.lines().filter_map(|line| line.strip_prefix("Libs:")).flat_map(str::split_whitespace);
        for library in flags.filter_map(|flag| flag.strip_prefix("-l")) {
            if !library.starts_with("av") && !libraries.iter().any(|known| known == library) {
                libraries.push(library.to_owned());
            }
        }
    }
    libraries
}

fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    std::process::exit(1);
}
