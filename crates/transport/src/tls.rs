//! TLS, both ways: our certificates for clients and theirs for us, and our trust in upstream servers.

mod client;
mod clients;
mod names;
mod pair;
mod server;
mod tickets;
mod validity;

use std::path::{Path, PathBuf};

pub use self::client::{ClientTls, ClientTlsSet};
pub use self::clients::{Authority, ClientCertificate, NotVouched, Vouched};
pub use self::names::ByName;
pub use self::pair::CertificateFacts;
pub use self::server::{ServerTls, server_tls};
pub use self::tickets::Tickets;
pub use self::validity::{Standing, Validity};

/// Why TLS can't be set up. Every text names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A listener with TLS and no certificate.
    #[error("there is no certificate: name at least one certificate and its key")]
    NoCertificate,
    /// A file can't be read as PEM.
    #[error("{} could not be read as PEM", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A PEM file without a certificate.
    #[error("{} holds no certificate: it should begin with -----BEGIN CERTIFICATE-----", path.display())]
    NoCertificateIn {
        /// The file.
        path: PathBuf,
    },
    /// A certificate that is none.
    #[error("the first certificate in {} could not be read ({reason})", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
    /// A key of a kind that is not known.
    #[error("the key in {} is of a kind that can't sign: use RSA (2048 bits or more), ECDSA P-256/P-384 or Ed25519", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What the cryptography said.
        #[source]
        source: rustls::Error,
    },
    /// The two files don't belong together.
    #[error(
        "the key in {} does not fit the certificate in {}: they are from different pairs",
        key.display(),
        certificate.display()
    )]
    KeyDoesNotFit {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// No certificate authority is known, so no upstream could be verified.
    #[error(
        "this machine has no trusted certificate authorities: install its ca-certificates package, or name a file with the upstream's authority"
    )]
    NoAuthorities,
    /// Anything else that rustls refuses.
    #[error("TLS could not be set up")]
    Other(#[from] rustls::Error),
}

// === impl TlsError ===

impl TlsError {
    /// The file that is meant, where it is one; of a pair that does not fit, the key's.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            TlsError::Read { path, .. }
            | TlsError::NoCertificateIn { path }
            | TlsError::Certificate { path, .. }
            | TlsError::Key { path, .. }
            | TlsError::KeyDoesNotFit { key: path, .. } => Some(path),
            TlsError::NoCertificate | TlsError::NoAuthorities | TlsError::Other(_) => None,
        }
    }
}
