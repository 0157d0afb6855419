//! TLS: the system's certificates, or any at all.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Http, Sending};
use crate::error::CallError;
use crate::url::Url;

/// The handshake with the URL's host.
pub(super) async fn handshake(
    url: &Url,
    stream: TcpStream,
    sending: &Sending,
) -> Result<TlsStream<TcpStream>, CallError> {
    let config = client_config(sending).map_err(|source| CallError::TlsSetup { source })?;
    let failed = |source| CallError::Tls { authority: url.authority(), source };
    let name = ServerName::try_from(url.host.clone())
        .map_err(|cause| failed(std::io::Error::new(std::io::ErrorKind::InvalidInput, cause)))?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(failed)
}

fn client_config(sending: &Sending) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let mut config = if sending.insecure {
        let verifier = Arc::new(AcceptsAnyCertificate { provider });
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
    } else {
        builder.with_root_certificates(system_roots()).with_no_client_auth()
    };
    config.alpn_protocols = match sending.http {
        Http::Negotiated => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Http::One => vec![b"http/1.1".to_vec()],
        Http::Two => vec![b"h2".to_vec()],
    };
    Ok(config)
}

/// The system's list, or that of SSL_CERT_FILE and SSL_CERT_DIR. With a list that can't be read no server is trusted,
/// which the handshake then says.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// `-k`: whoever answers is believed. It is encryption without knowing to whom, so it is for tests, and nothing but the
/// option makes one.
#[derive(Debug)]
struct AcceptsAnyCertificate {
    provider: Arc<CryptoProvider>,
}

// === impl AcceptsAnyCertificate ===

impl ServerCertVerifier for AcceptsAnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    // A signature proves that the server has the certificate's key. Where any certificate will do, that is worth
    // nothing, and checking it would refuse the odd certificates that `-k` is for.
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
