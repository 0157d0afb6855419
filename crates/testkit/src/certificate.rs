//! Certificates for tests: an authority of the test's own, and what it signs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate authority that only this test trusts.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
    /// The certificates between it and the authority that others trust; empty when that is itself.
    between_pem: String,
}

/// A TLS client. Connections made by the same one resume sessions.
#[derive(Debug, Clone)]
pub struct TlsClient(pub(crate) Arc<rustls::ClientConfig>);

/// A certificate chain and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The chain, leaf first.
    pub chain_pem: String,
    /// The private key.
    pub key_pem: String,
    /// The leaf in DER, as a handshake shows it.
    pub der: Vec<u8>,
}

// === impl Authority ===

impl Authority {
    /// A new authority.
    #[must_use]
    pub fn new() -> Authority {
        let (params, key) = (authority_params(), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        Authority { issuer: Issuer::new(params, key), certificate, between_pem: String::new() }
    }

    /// An authority that this one vouches for; its chains begin with a leaf and lead to this one.
    #[must_use]
    pub fn intermediate(&self) -> Authority {
        let (params, key) = (authority_params(), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let between_pem = certificate.pem() + &self.between_pem;
        Authority { issuer: Issuer::new(params, key), certificate, between_pem }
    }

    /// A certificate for a client of these names: hosts, or URIs. None of them makes one without alternative names.
    #[must_use]
    pub fn client_certificate(&self, names: &[&str]) -> Certificate {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.contains(':') {
                true => SanType::URI((*name).try_into().unwrap()),
                false => SanType::DnsName((*name).try_into().unwrap()),
            })
            .collect();
        self.sign(&params)
    }

    /// A certificate that is for servers alone.
    #[must_use]
    pub fn server_certificate(&self, names: &[&str]) -> Certificate {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params)
    }

    /// A client that trusts this authority alone, and shows this certificate when it is asked for one.
    #[must_use]
    pub fn client(&self, certificate: Option<&Certificate>) -> TlsClient {
        let mut config = self.client_config();
        if let Some(certificate) = certificate {
            let chain = CertificateDer::pem_slice_iter(certificate.chain_pem.as_bytes());
            let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes()).unwrap();
            let certified = rustls::sign::CertifiedKey::new(
                chain.collect::<Result<_, _>>().unwrap(),
                rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap(),
            );
            config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(certified));
        }
        TlsClient(Arc::new(config))
    }

    /// A certificate for these names or addresses.
    #[must_use]
    pub fn certificate(&self, names: &[&str]) -> Certificate {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.sign(&CertificateParams::new(names).unwrap())
    }

    /// The same, valid from and until so many days from now; negative ones are past.
    #[must_use]
    pub fn certificate_valid(&self, names: &[&str], from_days: i64, to_days: i64) -> Certificate {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        (params.not_before, params.not_after) = (in_days(from_days), in_days(to_days));
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Certificate {
            chain_pem: leaf.pem() + &self.between_pem,
            key_pem: key.serialize_pem(),
            der: leaf.der().to_vec(),
        }
    }

    /// The authority's own certificate, in PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Writes the authority's certificate to `folder/ca.pem`, for `curl --cacert` and `upstream.tls.ca`.
    #[must_use]
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("ca.pem");
        std::fs::write(&path, self.pem()).unwrap();
        path
    }

    /// A TLS client that trusts this authority alone, and speaks HTTP/1.1.
    pub(crate) fn client_config(&self) -> rustls::ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config
    }
}

fn authority_params() -> CertificateParams {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    // A name of its own: OpenSSL takes a leaf whose subject equals its issuer's for self-signed, and of two authorities
    // with one name nobody could tell who issued a certificate.
    let name = format!("the test's authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// Generic, because rcgen's type of a moment is another crate's.
fn in_days<T: From<SystemTime>>(days: i64) -> T {
    const DAY_S: u64 = 24 * 3600;
    let now = UNIX_EPOCH + UNIX_EPOCH.elapsed().unwrap();
    let apart = Duration::from_secs(days.unsigned_abs() * DAY_S);
    T::from(if days < 0 { now - apart } else { now + apart })
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Authority")
    }
}

// === impl Certificate ===

impl Certificate {
    /// Writes `NAME.pem` and `NAME.key` into a folder.
    pub fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(format!("{name}.pem")), &self.chain_pem).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), &self.key_pem).unwrap();
    }
}
