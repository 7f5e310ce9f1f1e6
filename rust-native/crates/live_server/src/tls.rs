//! Certificates for HTTPS and RTMPS, from files: read at the start, and again with the configuration, without a
//! connection's end. What `acme` fetches is shown here, too.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::config::{Config, HttpsSettings, RtmpSettings};
use crate::error::{ConfigProblem, ServerError};

/// A certificate with its key, which another may replace for those who come next. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Certificate(Arc<Shown>);

#[derive(Debug)]
struct Shown {
    usual: RwLock<Arc<CertifiedKey>>,
    /// By name, what an authority must see (RFC 8737).
    challenges: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

/// The protocol by which an authority asks for its challenge (RFC 8737, section 6.2).
const ACME_TLS: &[u8] = b"acme-tls/1";

/// One that was read and checked, and is in nobody's use yet.
#[derive(Debug)]
pub(crate) struct Loaded(Arc<CertifiedKey>);

impl Loaded {
    /// One that was made here.
    pub(crate) fn new(made: Arc<CertifiedKey>) -> Self {
        Self(made)
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Reads a certificate and its key from PEM files, which the table `table` names.
///
/// # Errors
/// Which of the two can't be used, and why.
pub(crate) fn load(table: &str, certificate: Option<&Path>, key: Option<&Path>) -> Result<Loaded, String> {
    let (Some(certificate), Some(key)) = (certificate, key) else {
        return Err(format!("{table}.certificate and {table}.private_key are needed"));
    };
    let problem =
        |what: &str, path: &Path, why: &dyn std::fmt::Display| format!("{table}.{what} {}: {why}", path.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|error| problem("certificate", certificate, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| problem("private_key", key, &error))?;
    // With a look at whether the two belong together.
    let whole = CertifiedKey::from_der(chain, private, &provider())
        .map_err(|error| problem("certificate", certificate, &error))?;
    Ok(Loaded(Arc::new(whole)))
}

impl Certificate {
    pub(crate) fn new(loaded: Loaded) -> Self {
        Self(Arc::new(Shown { usual: RwLock::new(loaded.0), challenges: RwLock::default() }))
    }

    /// Shows an authority that asks for that name what it wants to see.
    pub(crate) fn challenge(&self, name: &str, answer: Arc<CertifiedKey>) {
        self.0.challenges.write().insert(name.to_owned(), answer);
    }

    /// No authority asks any more.
    pub(crate) fn clear_challenges(&self) {
        self.0.challenges.write().clear();
    }

    /// Whoever comes next gets that one.
    pub(crate) fn replace(&self, loaded: Loaded) {
        *self.0.usual.write() = loaded.0;
    }

    /// Greets TLS clients.
    ///
    /// # Errors
    /// When the provider knows no protocol version that is safe.
    pub(crate) fn acceptor(&self, protocols: &[&str]) -> Result<TlsAcceptor, String> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        if !config.alpn_protocols.is_empty() {
            config.alpn_protocols.push(ACME_TLS.to_vec());
        }
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.alpn().is_some_and(|mut protocols| protocols.any(|protocol| protocol == ACME_TLS)) {
            return self.0.challenges.read().get(hello.server_name()?).cloned();
        }
        Some(self.0.usual.read().clone())
    }
}

/// Those in use, to be replaced when the configuration is read again.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    pub(crate) https: Option<Certificate>,
    pub(crate) rtmps: Option<Certificate>,
}

fn bad(reason: String) -> ServerError {
    ServerError::BadConfig(ConfigProblem { line: None, reason })
}

impl Certificates {
    /// # Errors
    /// [`ServerError::BadConfig`], as with the others.
    pub(crate) fn of_https(config: &Config) -> Result<Loaded, ServerError> {
        let HttpsSettings { certificate, private_key, .. } = &config.https;
        load("https", certificate.as_deref(), private_key.as_deref()).map_err(bad)
    }

    pub(crate) fn of_rtmp(config: &Config) -> Result<Loaded, ServerError> {
        let RtmpSettings { certificate, private_key, .. } = &config.rtmp;
        load("rtmp", certificate.as_deref(), private_key.as_deref()).map_err(bad)
    }

    /// Reads the files again; what comes of it replaces those in use once it is called. All of them are good, or none
    /// is taken.
    pub(crate) fn reload(&self, config: &Config) -> Result<impl FnOnce() + use<>, ServerError> {
        // One that was fetched is not in the configuration's files.
        let https = self.https.clone().filter(|_| config.https.acme.is_none());
        let https = https.map(|used| Ok((used, Self::of_https(config)?))).transpose()?;
        let rtmps = self.rtmps.clone().map(|used| Ok((used, Self::of_rtmp(config)?))).transpose()?;
        Ok(move || [https, rtmps].into_iter().flatten().for_each(|(used, loaded)| used.replace(loaded)))
    }
}
