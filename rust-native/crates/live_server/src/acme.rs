//! Certificates by ACME (RFC 8555): fetched when there is none, renewed when two thirds of its life are over.
//!
//! The authority looks at our own HTTPS port (TLS-ALPN-01, RFC 8737), so that no other port has to be open. Until the
//! first certificate is there a self-signed one answers, whose warning no browser can overlook. A failure is logged with
//! the authority's words and tried again, slowly: authorities count.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, OrderStatus,
    RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use crate::admin::write_private;
use crate::config::AcmeSettings;
use crate::tls::{Certificate, Loaded, load, provider};

/// How often it is looked whether the certificate is due.
const LOOK: Duration = Duration::from_secs(6 * 3600);
/// After a failure: authorities allow five an hour for one name.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// What one order may take: the authority looks from several places.
const ORDER: Duration = Duration::from_secs(180);
const POLLS: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).timeout(Duration::from_secs(90));

/// What went wrong, for the log.
#[derive(Debug, thiserror::Error)]
enum AcmeError {
    #[error("the authority: {0}")]
    Authority(#[from] instant_acme::Error),
    #[error("the authority offers no TLS-ALPN-01 for {0}")]
    NoChallenge(String),
    #[error("the authority did not get the right answer from here for the names (order {0})")]
    NotValidated(String),
    #[error("the authority did not answer in time")]
    TooSlow,
    #[error("the folder of certificates: {0}")]
    Folder(#[from] io::Error),
    #[error("a certificate can't be made: {0}")]
    Making(String),
}

impl AcmeError {
    /// Stable, `snake_case`.
    fn code(&self) -> &'static str {
        match self {
            Self::Authority(_) => "acme_refused",
            Self::NoChallenge(_) => "acme_no_challenge",
            Self::NotValidated(_) => "acme_not_validated",
            Self::TooSlow => "acme_no_answer",
            Self::Folder(_) => "acme_folder",
            Self::Making(_) => "acme_certificate",
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Authority(_) => "Read the authority's words; https.acme.directory names it.",
            Self::NoChallenge(_) => "Take an authority that knows TLS-ALPN-01, or put a certificate into files.",
            Self::NotValidated(_) => {
                "Each name must lead to this server, and port 443 to https.listen, with no TLS proxy between."
            }
            Self::TooSlow => "Check that this machine reaches the authority.",
            Self::Folder(_) => "https.acme.cache must be a folder in which this program may write.",
            Self::Making(_) => "Tell whoever maintains this program.",
        }
    }
}

/// Key and chain in one file, so that the two always belong together.
fn file(settings: &AcmeSettings) -> PathBuf {
    settings.cache.join("certificate.pem")
}

/// What HTTPS shows at first: the certificate of the last run, or a self-signed one.
///
/// # Errors
/// Why neither can be had.
pub(crate) fn first(settings: &AcmeSettings) -> Result<Loaded, String> {
    let file = file(settings);
    if file.exists() {
        match load("https", Some(&file), Some(&file)) {
            Ok(loaded) => return Ok(loaded),
            Err(reason) => tracing::warn!(reason, "the certificate of the last run can't be used"),
        }
    }
    let made = self_signed(&settings.domains, Vec::new()).map_err(|error| error.to_string())?;
    Ok(Loaded::new(made))
}

fn self_signed(names: &[String], extensions: Vec<CustomExtension>) -> Result<Arc<CertifiedKey>, AcmeError> {
    let making = |error: &dyn std::fmt::Display| AcmeError::Making(error.to_string());
    let key = KeyPair::generate().map_err(|error| making(&error))?;
    let mut params = CertificateParams::new(names.to_vec()).map_err(|error| making(&error))?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = extensions;
    let certificate = params.self_signed(&key).map_err(|error| making(&error))?;
    let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| making(&error))?;
    let key = provider().key_provider.load_private_key(private).map_err(|error| making(&error))?;
    // Without rustls's look at whether the two belong together: it refuses the challenge's critical extension.
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
}

/// Fetches and renews until it is told to stop.
pub(crate) async fn run(settings: AcmeSettings, certificate: Certificate, mut stopped: watch::Receiver<bool>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let wait = if is_due(&settings, SystemTime::now()) {
            let ordered = tokio::time::timeout(ORDER, order(&settings, &certificate)).await;
            certificate.clear_challenges();
            match ordered.unwrap_or(Err(AcmeError::TooSlow)) {
                Ok(()) => {
                    tracing::info!(domains = ?settings.domains, "there is a new certificate");
                    pause = FIRST_PAUSE;
                    LOOK
                }
                Err(error) => {
                    let (code, hint, again) = (error.code(), error.hint(), pause.as_secs());
                    tracing::error!(%error, code, hint, again_in_seconds = again, "there is no new certificate");
                    let longer = (pause * 2).min(LONGEST_PAUSE);
                    std::mem::replace(&mut pause, longer)
                }
            }
        } else {
            LOOK
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

/// Whether another certificate is needed: there is none, it is for other names, or two thirds of its life are over.
fn is_due(settings: &AcmeSettings, now: SystemTime) -> bool {
    let Ok(leaf) = CertificateDer::from_pem_file(file(settings)) else { return true };
    let Ok((_, read)) = x509_parser::parse_x509_certificate(&leaf) else { return true };
    let names: Vec<&str> = read
        .subject_alternative_name()
        .ok()
        .flatten()
        .into_iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| match name {
            x509_parser::extensions::GeneralName::DNSName(name) => Some(*name),
            _ => None,
        })
        .collect();
    if settings.domains.iter().any(|domain| !names.contains(&domain.as_str())) {
        return true;
    }
    let (from, to) = (read.validity().not_before.timestamp(), read.validity().not_after.timestamp());
    let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    now >= from + (to - from) / 3 * 2
}

/// One certificate, from the order to the file.
async fn order(settings: &AcmeSettings, certificate: &Certificate) -> Result<(), AcmeError> {
    let account = account(settings).await?;
    let names: Vec<Identifier> = settings.domains.iter().map(|name| Identifier::Dns(name.clone())).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = match authorization.identifier().identifier {
            Identifier::Dns(name) => name.clone(),
            other => return Err(AcmeError::NoChallenge(format!("{other:?}"))),
        };
        let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
            return Err(AcmeError::NoChallenge(name));
        };
        let proof = challenge.key_authorization();
        let extension = CustomExtension::new_acme_identifier(proof.digest().as_ref());
        certificate.challenge(&name, self_signed(std::slice::from_ref(&name), vec![extension])?);
        challenge.set_ready().await?;
    }
    let status = order.poll_ready(&POLLS).await?;
    if status != OrderStatus::Ready {
        return Err(AcmeError::NotValidated(format!("{status:?}")));
    }
    let key = KeyPair::generate().map_err(|error| AcmeError::Making(error.to_string()))?;
    let mut params =
        CertificateParams::new(settings.domains.clone()).map_err(|error| AcmeError::Making(error.to_string()))?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key).map_err(|error| AcmeError::Making(error.to_string()))?;
    order.finalize_csr(request.der()).await?;
    let chain = order.poll_certificate(&POLLS).await?;
    let file = file(settings);
    write_private(&file, &format!("{}{chain}", key.serialize_pem()))?;
    certificate.replace(load("https", Some(&file), Some(&file)).map_err(AcmeError::Making)?);
    Ok(())
}

/// The account of the last run, or a new one.
async fn account(settings: &AcmeSettings) -> Result<Account, AcmeError> {
    let builder = || match &settings.directory_root {
        Some(root) => Account::builder_with_root(root),
        None => Account::builder(),
    };
    // One for each authority.
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, settings.directory.as_bytes());
    let short: String = digest.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let file = settings.cache.join(format!("account-{short}.json"));
    if let Ok(kept) = std::fs::read(&file)
        && let Ok(credentials) = serde_json::from_slice::<AccountCredentials>(&kept)
    {
        return Ok(builder()?.from_credentials(credentials).await?);
    }
    let contact: Vec<String> = settings.contact.iter().map(|mail| format!("mailto:{mail}")).collect();
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder()?.create(&wanted, settings.directory.clone(), None).await?;
    let kept = serde_json::to_string(&credentials).map_err(io::Error::other)?;
    write_private(&file, &kept)?;
    Ok(account)
}
