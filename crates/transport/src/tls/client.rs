//! Whom we trust when we call.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::TlsError;

/// The settings for connections to upstream servers: verified against the machine's certificate authorities and, if named,
/// those in `extra_ca` (PEM). HTTP/1.1.
///
/// # Errors
/// [`TlsError`], which names the file.
pub fn client_config(extra_ca: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(%error, "a trusted certificate authority of this machine was skipped");
    }
    roots.add_parsable_certificates(native.certs);
    if let Some(path) = extra_ca {
        let read = |source| TlsError::Read { path: path.to_owned(), source };
        let mut found = false;
        for certificate in CertificateDer::pem_file_iter(path).map_err(read)? {
            found = true;
            roots
                .add(certificate.map_err(read)?)
                .map_err(|error| TlsError::Certificate { path: path.to_owned(), reason: error.to_string() })?;
        }
        if !found {
            return Err(TlsError::NoCertificateIn { path: path.to_owned() });
        }
    }
    if roots.is_empty() {
        return Err(TlsError::NoAuthorities);
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
