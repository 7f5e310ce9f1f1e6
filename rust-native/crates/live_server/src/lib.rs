//! live_server
