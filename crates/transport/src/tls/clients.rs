//! Certificates that clients show: asked for in the handshake, judged afterwards.
//!
//! The handshake proves that the client holds the key of the certificate it shows, and nothing else: whether an authority
//! vouches for it is asked by whoever needs to know, with [`ClientCertificate::judge`]. So a client with a certificate that
//! nobody here knows still gets an answer in HTTP that says so, a public API answers it as anybody, and a session that is
//! resumed, or a connection that stays open, is judged by the authorities of today, never by those of its handshake.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use callgate_model::bounds;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use webpki::EndEntityCert;

use super::{TlsError, Validity};

/// Certificate authorities that vouch for clients: those of one PEM file.
#[derive(Debug, Clone)]
pub struct Authority {
    verifier: Arc<dyn ClientCertVerifier>,
    subjects: Vec<DistinguishedName>,
    /// Differs when the file's certificates do.
    fingerprint: u64,
}

/// The certificate of one connection, with what its client sent to vouch for it.
#[derive(Debug)]
pub struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
}

/// What a certificate that an authority vouches for says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// Its names: hosts in lower case, and URIs as they are. Only subject alternative names count (RFC 9525 section 2).
    pub names: Vec<Box<str>>,
    /// From when to when it holds.
    pub validity: Validity,
}

/// Why no authority vouches for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotVouched {
    /// It, or one that vouches for it, has ended.
    #[error("it has expired")]
    Expired,
    /// It begins later.
    #[error("it is not valid yet")]
    NotYetValid,
    /// The chain leads to no authority that is asked.
    #[error("no authority that is trusted here has issued it")]
    UnknownIssuer,
    /// It is for other uses, as a server's is.
    #[error("it is not for authenticating clients")]
    OtherPurpose,
    /// Anything else: a broken signature, a constraint that it breaks, no certificate at all.
    #[error("it can't be verified")]
    Broken,
}

/// Asks for a certificate, takes none too, and lets every one through whose key the client holds.
#[derive(Debug)]
pub(super) struct Asking {
    /// Hints for the client, which may have several.
    subjects: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

// === impl Authority ===

impl Authority {
    /// Reads the authorities' own certificates from a PEM file.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub fn read(path: &Path) -> Result<Authority, TlsError> {
        let read = |source| TlsError::Read { path: path.to_owned(), source };
        let mut roots = RootCertStore::empty();
        let mut hasher = DefaultHasher::new();
        for certificate in CertificateDer::pem_file_iter(path).map_err(read)? {
            let certificate = certificate.map_err(read)?;
            certificate.as_ref().hash(&mut hasher);
            let broken =
                |error: rustls::Error| TlsError::Certificate { path: path.to_owned(), reason: error.to_string() };
            roots.add(certificate).map_err(broken)?;
        }
        if roots.is_empty() {
            return Err(TlsError::NoCertificateIn { path: path.to_owned() });
        }
        let subjects = roots.subjects();
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
        let broken = |error: rustls::client::VerifierBuilderError| TlsError::Certificate {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        Ok(Authority { verifier: builder.build().map_err(broken)?, subjects, fingerprint: hasher.finish() })
    }

    /// Differs when the file's certificates do.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

// === impl ClientCertificate ===

impl ClientCertificate {
    /// The first one is the client's own.
    #[must_use]
    pub fn new(chain: Vec<CertificateDer<'static>>) -> ClientCertificate {
        ClientCertificate { chain }
    }

    /// The client's own, as it was sent.
    #[must_use]
    pub fn der(&self) -> Option<&[u8]> {
        self.chain.first().map(AsRef::as_ref)
    }

    /// What it says, if this authority vouches for it at this moment. Takes a fraction of a millisecond, so whoever asks
    /// remembers the answer.
    ///
    /// # Errors
    /// [`NotVouched`].
    pub fn judge(&self, authority: &Authority, now_ms: i64) -> Result<Vouched, NotVouched> {
        let (leaf, intermediates) = self.chain.split_first().ok_or(NotVouched::Broken)?;
        let since = Duration::from_millis(u64::try_from(now_ms).unwrap_or_default());
        let now = UnixTime::since_unix_epoch(since);
        authority.verifier.verify_client_cert(leaf, intermediates, now).map_err(|error| NotVouched::of(&error))?;
        let parsed = EndEntityCert::try_from(leaf).map_err(|_| NotVouched::Broken)?;
        let hosts = parsed.valid_dns_names().map(|name| name.to_ascii_lowercase().into_boxed_str());
        let names = hosts.chain(parsed.valid_uri_names().map(Box::from)).collect();
        Ok(Vouched { names, validity: Validity::of(leaf).ok_or(NotVouched::Broken)? })
    }
}

// === impl NotVouched ===

impl NotVouched {
    fn of(error: &rustls::Error) -> NotVouched {
        let rustls::Error::InvalidCertificate(error) = error else { return NotVouched::Broken };
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => NotVouched::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => NotVouched::NotYetValid,
            CertificateError::UnknownIssuer => NotVouched::UnknownIssuer,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                NotVouched::OtherPurpose
            }
            _ => NotVouched::Broken,
        }
    }
}

// === impl Asking ===

impl Asking {
    pub(super) fn of(authorities: &[&Authority]) -> Asking {
        let subjects = authorities.iter().flat_map(|authority| authority.subjects.iter().cloned()).collect();
        Asking { subjects, algorithms: default_provider().signature_verification_algorithms }
    }
}

impl ClientCertVerifier for Asking {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // Kept as long as the connection, and in every ticket: so it has a bound, whoever issued it.
        let bytes = intermediates.iter().map(|certificate| certificate.len()).sum::<usize>() + end_entity.len();
        if bytes > bounds::CLIENT_CHAIN_BYTES_MAX {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
