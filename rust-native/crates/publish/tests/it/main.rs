//! Destinations against peers that no one here wrote. One program for all of them: what they take of the crates below is
//! compiled once.

#[path = "../../../webrtc_transport/tests/receiver/mod.rs"]
mod receiver;
mod whip_server;

#[cfg(target_os = "linux")]
mod codecs;
#[cfg(target_os = "linux")]
mod cost;
mod destination;
#[cfg(target_os = "linux")]
mod hard_paths;
#[cfg(target_os = "linux")]
mod mpeg_ts;
#[cfg(target_os = "linux")]
mod network_change;
#[cfg(target_os = "linux")]
mod rig;
#[cfg(target_os = "linux")]
mod rtmp;
#[cfg(target_os = "linux")]
mod rtmps;
#[cfg(target_os = "linux")]
mod rtp;
#[cfg(target_os = "linux")]
mod simulcast;
#[cfg(target_os = "linux")]
mod srt_hostile;
#[cfg(target_os = "linux")]
mod together;
#[cfg(target_os = "linux")]
mod webrtc_faults;
#[cfg(target_os = "linux")]
mod webrtc_peers;
