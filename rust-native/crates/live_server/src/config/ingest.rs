//! Where else publishers may come in: RTMP and SRT, each off until it is given an address.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use media::Secret;
use serde::Deserialize;

/// `[rtmp]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RtmpSettings {
    /// Where RTMP listens, `0.0.0.0:1935` say; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// Where RTMP over TLS listens; needs `certificate` and `private_key`, or shows the certificate of `[https]`.
    pub tls_listen: Option<SocketAddr>,
    /// A PEM file with the certificate and those that lead to its root.
    pub certificate: Option<PathBuf>,
    /// A PEM file with its key.
    pub private_key: Option<PathBuf>,
}

/// `[srt]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SrtSettings {
    /// Where SRT listens for callers, `0.0.0.0:9000` say; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// Encrypts the line (AES-128): 10 to 79 characters that every publisher needs beside its key.
    pub passphrase: Option<Secret>,
    /// How long a lost packet may take to be sent again, milliseconds; the publisher may ask for more.
    pub latency_ms: u32,
}

impl Default for SrtSettings {
    fn default() -> Self {
        // SRT's own default: four round trips of 30 ms.
        Self { listen: None, passphrase: None, latency_ms: 120 }
    }
}

impl RtmpSettings {
    /// What is wrong with it, where HTTPS is on or not.
    pub(crate) fn check(&self, https: bool) -> Result<(), String> {
        match (self.tls_listen, &self.certificate, &self.private_key) {
            (Some(_), None, None) if https => Ok(()),
            (Some(_), None, _) | (Some(_), _, None) => Err("rtmp.tls_listen needs rtmp.certificate and \
                rtmp.private_key, or https.listen, whose certificate it shows without them"
                .to_owned()),
            _ => Ok(()),
        }
    }
}

impl SrtSettings {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        // The protocol's own bounds for a passphrase; 20 s are more than any buffer here holds.
        if self.passphrase.as_ref().is_some_and(|secret| !(10..=79).contains(&secret.expose().len())) {
            return Err("srt.passphrase must have 10 to 79 characters".to_owned());
        }
        if !(20..=8000).contains(&self.latency_ms) {
            return Err("srt.latency_ms must lie between 20 and 8000".to_owned());
        }
        Ok(())
    }

    pub(crate) fn latency(&self) -> Duration {
        Duration::from_millis(u64::from(self.latency_ms))
    }
}
