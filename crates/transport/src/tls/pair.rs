//! A certificate of ours and its key, from two files in PEM.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use super::{TlsError, Validity};

/// A chain and its key, which fit each other.
pub(super) struct Pair {
    pub(super) certified: Arc<CertifiedKey>,
    /// The hosts that it is for.
    pub(super) names: Vec<String>,
    pub(super) facts: CertificateFacts,
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

// === impl Pair ===

impl Pair {
    /// Reads the two files.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub(super) fn read(chain: &Path, key: &Path, provider: &CryptoProvider) -> Result<Pair, TlsError> {
        let certified = certified_key(chain, key, provider)?;
        let names = names_in(&certified, chain)?;
        let facts = facts(&certified, chain, names.first())?;
        Ok(Pair { certified: Arc::new(certified), names, facts })
    }
}

fn facts(certified: &CertifiedKey, chain: &Path, name: Option<&String>) -> Result<CertificateFacts, TlsError> {
    let validity = certified.cert.first().and_then(|leaf| Validity::of(leaf));
    let unread = || TlsError::Certificate { path: chain.to_owned(), reason: "its validity is not readable".to_owned() };
    let file = || chain.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(CertificateFacts {
        path: chain.to_owned(),
        name: name.cloned().unwrap_or_else(file),
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
