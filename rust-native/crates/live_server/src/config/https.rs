//! `[https]`: HTTP over TLS, by certificates in files or fetched by ACME.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::AcmeSettings;

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
    /// Instead of both: a certificate that is fetched and renewed.
    pub acme: Option<AcmeSettings>,
}

impl HttpsSettings {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        let files = self.certificate.is_some() && self.private_key.is_some();
        if let Some(acme) = &self.acme {
            if self.certificate.is_some() || self.private_key.is_some() {
                return Err("https.acme takes the place of https.certificate and https.private_key".to_owned());
            }
            acme.check()?;
        }
        if self.listen.is_some() && !files && self.acme.is_none() {
            return Err("https.listen needs https.certificate and https.private_key, or https.acme".to_owned());
        }
        Ok(())
    }
}
