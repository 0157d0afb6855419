//! How a gate elsewhere proves who it is.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::problem::{AdminCode, AdminError};

/// The system's certificate authorities, and those of a PEM file besides.
///
/// # Errors
/// The file can't be read or holds no certificate.
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, AdminError> {
    let mut roots = RootCertStore::empty();
    let (_taken, _passed_over) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca_file {
        let unfit = |why: String| AdminError::new(AdminCode::RequestUnfit, format!("`{}` {why}", file.display()));
        let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let certificates = certificates.map_err(|error| unfit(format!("can't be read as certificates: {error}")))?;
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(unfit("holds no certificate in PEM form".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| AdminError::new(AdminCode::Internal, format!("TLS can't be set up: {error}")))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
