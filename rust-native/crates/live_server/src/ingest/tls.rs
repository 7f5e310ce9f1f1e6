//! The certificate of RTMPS.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::RtmpSettings;
use crate::error::ConfigProblem;

/// Greets TLS clients.
pub(super) type Acceptor = TlsAcceptor;

/// Reads certificate and key.
pub(super) fn acceptor(settings: &RtmpSettings) -> Result<Acceptor, ConfigProblem> {
    let problem = |what: &str, path: &Path, why: &dyn std::fmt::Display| ConfigProblem {
        line: None,
        reason: format!("{what} {}: {why}", path.display()),
    };
    let (Some(certificate), Some(key)) = (&settings.certificate, &settings.private_key) else {
        return Err(ConfigProblem { line: None, reason: "rtmp.tls_listen needs a certificate and its key".to_owned() });
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|error| problem("rtmp.certificate", certificate, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| problem("rtmp.private_key", key, &error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| problem("rtmp.certificate", certificate, &error))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| problem("rtmp.certificate", certificate, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
