//! What a listener with TLS needs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ProducesTickets;
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use super::clients::Asking;
use super::names::ByName;
use super::{Authority, TlsError, Validity};

/// What a listener with TLS is made of.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// For handshakes.
    pub config: Arc<ServerConfig>,
    /// The certificates by the names in them.
    pub names: Arc<ByName>,
    /// The certificates in their order.
    pub certificates: Vec<CertificateFacts>,
}

/// What there is to know of one certificate.
#[derive(Debug, Clone)]
pub struct CertificateFacts {
    /// Its file.
    pub path: PathBuf,
    /// The first host that it is for; the file's name when it names none.
    pub name: String,
    /// From when to when it holds.
    pub validity: Validity,
}

/// Reads what a listener needs: pairs of a chain in PEM and its key in PEM. The first one is for clients that name no host,
/// or one that no certificate is for. Clients are asked for a certificate of these authorities, if there are any. TLS 1.2
/// and 1.3, HTTP/2 before HTTP/1.1.
///
/// # Errors
/// [`TlsError`], which names the files.
pub fn server_tls(
    pairs: &[(PathBuf, PathBuf)],
    authorities: &[&Authority],
    tickets: Arc<dyn ProducesTickets>,
) -> Result<ServerTls, TlsError> {
    let provider = Arc::new(default_provider());
    let mut names: Option<ByName> = None;
    let mut certificates = Vec::with_capacity(pairs.len());
    for (chain, key) in pairs {
        let certified = Arc::new(certified_key(chain, key, &provider)?);
        let by_name = names.get_or_insert_with(|| ByName::new(certified.clone()));
        let own_names = names_in(&certified, chain)?;
        for name in &own_names {
            by_name.add(name, &certified);
        }
        certificates.push(facts(&certified, chain, own_names)?);
    }
    let names = Arc::new(names.ok_or(TlsError::NoCertificate)?);
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match authorities {
        [] => builder.with_no_client_auth(),
        _ => builder.with_client_cert_verifier(Arc::new(Asking::of(authorities))),
    };
    let mut config = builder.with_cert_resolver(names.clone());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = tickets;
    Ok(ServerTls { config: Arc::new(config), names, certificates })
}

fn facts(certified: &CertifiedKey, chain: &Path, names: Vec<String>) -> Result<CertificateFacts, TlsError> {
    let validity = certified.cert.first().and_then(|leaf| Validity::of(leaf));
    let unread = || TlsError::Certificate { path: chain.to_owned(), reason: "its validity is not readable".to_owned() };
    let file = || chain.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(CertificateFacts {
        path: chain.to_owned(),
        name: names.into_iter().next().unwrap_or_else(file),
        validity: validity.ok_or_else(unread)?,
    })
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
