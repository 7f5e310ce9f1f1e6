//! The server against publishers and viewers that no one here wrote. One program for all of them: what they take of the
//! crates below is compiled once.

#![allow(clippy::print_stderr, reason = "figures for who reads the tests' output")]

mod common;
mod files;
mod reader;
mod rig;
#[cfg(target_os = "linux")]
mod s3;
mod studio;

mod access;
#[cfg(target_os = "linux")]
mod acme;
mod admin;
mod alerts;
#[cfg(target_os = "linux")]
mod deploy;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod forward;
mod hls;
#[cfg(target_os = "linux")]
mod hls_cache;
#[cfg(target_os = "linux")]
mod hls_load;
mod https;
#[cfg(target_os = "linux")]
mod ingest_files;
mod joins;
#[cfg(target_os = "linux")]
mod ladder;
mod media;
#[cfg(target_os = "linux")]
mod metrics;
#[cfg(target_os = "linux")]
mod play;
#[cfg(target_os = "linux")]
mod players;
mod program;
mod protocol;
mod publishers;
#[cfg(target_os = "linux")]
mod pull;
#[cfg(target_os = "linux")]
mod recording;
mod reload;
#[cfg(target_os = "linux")]
mod rtmp_in;
#[cfg(target_os = "linux")]
mod simulcast;
#[cfg(target_os = "linux")]
mod srt_in;
