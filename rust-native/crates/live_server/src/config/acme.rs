//! `[https] acme`: a certificate that is fetched by ACME (RFC 8555) and renewed by itself.

use std::path::PathBuf;

use serde::Deserialize;

/// `[https] acme = { domains = ["…"], contact = "…", cache = "…" }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcmeSettings {
    /// The names that the certificate is for. Each must lead to this server's HTTPS, at port 443 for public authorities
    /// (TLS-ALPN-01, RFC 8737).
    pub domains: Vec<String>,
    /// A mail address for the authority's warnings.
    #[serde(default)]
    pub contact: Option<String>,
    /// The authority's directory; Let's Encrypt's without it.
    #[serde(default = "lets_encrypt")]
    pub directory: String,
    /// A folder for the account and the certificate, which this program's user alone may read.
    pub cache: PathBuf,
    /// A PEM file with the root by which an authority of one's own is trusted.
    #[serde(default)]
    pub directory_root: Option<PathBuf>,
}

fn lets_encrypt() -> String {
    "https://acme-v02.api.letsencrypt.org/directory".to_owned()
}

/// Authorities take no more names in one certificate.
const MOST_DOMAINS: usize = 100;

impl AcmeSettings {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.domains.is_empty() || self.domains.len() > MOST_DOMAINS {
            return Err(format!("https.acme needs 1 to {MOST_DOMAINS} domains"));
        }
        let good = |domain: &String| {
            let of_names = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
            (1..=253).contains(&domain.len()) && domain.bytes().all(of_names) && !domain.starts_with('.')
        };
        if let Some(bad) = self.domains.iter().find(|domain| !good(domain)) {
            return Err(format!(
                "https.acme can't get a certificate for {bad:?}: names are lower case, without wildcards"
            ));
        }
        if self.contact.as_ref().is_some_and(|contact| !contact.contains('@') || contact.contains(':')) {
            return Err("https.acme takes a mail address as contact, without mailto:".to_owned());
        }
        if !self.directory.starts_with("https://") {
            return Err("https.acme takes a directory that begins with https://".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(domain: &str) -> AcmeSettings {
        let domains = vec![domain.to_owned()];
        AcmeSettings { domains, contact: None, directory: lets_encrypt(), cache: PathBuf::new(), directory_root: None }
    }

    #[test]
    fn names_that_no_certificate_can_hold_are_refused() {
        assert_eq!(settings("live.example.org").check(), Ok(()));
        for domain in ["", "*.example.org", "Live.example.org", "a b", ".org"] {
            assert!(settings(domain).check().is_err(), "{domain}");
        }
        let settings = settings("a.example");
        assert!(AcmeSettings { directory: "http://a".to_owned(), ..settings.clone() }.check().is_err());
        assert!(AcmeSettings { contact: Some("mailto:a@b".to_owned()), ..settings.clone() }.check().is_err());
        assert!(AcmeSettings { domains: Vec::new(), ..settings }.check().is_err());
    }
}
