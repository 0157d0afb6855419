//! What a listener with TLS needs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use super::TlsError;
use super::names::ByName;

/// The settings of a listener with these certificates: pairs of a chain in PEM and its key in PEM. The first one is for
/// clients that name no host, or one that no certificate is for. TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1.
///
/// # Errors
/// [`TlsError`], which names the files.
pub fn server_config(certificates: &[(PathBuf, PathBuf)]) -> Result<Arc<ServerConfig>, TlsError> {
    server_config_with_names(certificates).map(|(config, _)| config)
}

/// The same, with the certificates by name.
///
/// # Errors
/// [`TlsError`], which names the files.
pub fn server_config_with_names(
    certificates: &[(PathBuf, PathBuf)],
) -> Result<(Arc<ServerConfig>, Arc<ByName>), TlsError> {
    let provider = Arc::new(default_provider());
    let mut names: Option<ByName> = None;
    for (chain, key) in certificates {
        let certified = Arc::new(certified_key(chain, key, &provider)?);
        let names = names.get_or_insert_with(|| ByName::new(certified.clone()));
        for name in names_in(&certified, chain)? {
            names.add(&name, &certified);
        }
    }
    let names = Arc::new(names.ok_or(TlsError::NoCertificate)?);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(names.clone());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Resumption without memory per client; its keys rotate every few hours.
    config.ticketer = Ticketer::new()?;
    Ok((Arc::new(config), names))
}

fn certified_key(chain: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| TlsError::Read { path: chain.to_owned(), source })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificateIn { path: chain.to_owned() });
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::Read { path: key.to_owned(), source })?;
    let signing = provider
        .key_provider
        .load_private_key(secret)
        .map_err(|source| TlsError::Key { path: key.to_owned(), source })?;
    let certified = CertifiedKey::new(certificates, signing);
    match certified.keys_match() {
        // A key whose public half is not known can't be compared; a handshake will show.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::KeyDoesNotFit { certificate: chain.to_owned(), key: key.to_owned() })
        }
        Err(error) => Err(TlsError::Certificate { path: chain.to_owned(), reason: error.to_string() }),
    }
}

fn names_in(certified: &CertifiedKey, chain: &Path) -> Result<Vec<String>, TlsError> {
    let broken = |reason: String| TlsError::Certificate { path: chain.to_owned(), reason };
    let end_entity = certified.end_entity_cert().map_err(|error| broken(error.to_string()))?;
    let parsed = EndEntityCert::try_from(end_entity).map_err(|error| broken(error.to_string()))?;
    Ok(parsed.valid_dns_names().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests;
