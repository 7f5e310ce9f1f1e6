//! webrtc_transport
