//! For tests and the bench only: real screens, sound and network faults on a machine that has none, and the
//! time pattern by which pictures are told apart. Nothing that ships depends on this crate.

pub mod fuzz;
pub mod hevc;
pub mod nginx_rtmp;
pub mod port;
pub mod scratch;
#[cfg(target_os = "linux")]
pub mod shared_screen;
pub mod sine;
#[cfg(target_os = "linux")]
pub mod small_disk;
#[cfg(target_os = "linux")]
pub mod sound;
#[cfg(target_os = "linux")]
pub mod threads;
pub mod time_pattern;
#[cfg(target_os = "linux")]
pub mod xvfb;
