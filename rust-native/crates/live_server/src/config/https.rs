//! `[https]`: HTTP over TLS, by certificates in files.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// `[https]`. What listens at `http` goes on without TLS: for this machine, or a proxy.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpsSettings {
    /// Where HTTPS listens, `0.0.0.0:443` say; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// A PEM file with the certificate and those that lead to its root.
    pub certificate: Option<PathBuf>,
    /// A PEM file with its key.
    pub private_key: Option<PathBuf>,
}

impl HttpsSettings {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.listen.is_some() && (self.certificate.is_none() || self.private_key.is_none()) {
            return Err("https.listen needs https.certificate and https.private_key".to_owned());
        }
        Ok(())
    }
}
