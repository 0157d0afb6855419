//! How we speak to upstream servers: whom we trust, and who we are.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};

use super::TlsError;
use super::pair::{CertificateFacts, Pair};

/// What a connection to an upstream server with TLS needs.
#[derive(Debug, Clone)]
pub struct ClientTls {
    /// For handshakes.
    pub config: Arc<ClientConfig>,
    /// The certificate that servers see when they ask for one.
    pub certificate: Option<CertificateFacts>,
}

/// What the upstreams of one configuration need, each set of authorities with each certificate once. Whoever finds the same
/// in the files after a reload gets the very same [`ClientConfig`]: it is by this that servers know each other again, so
/// open connections stay in use and TLS sessions are resumed. Where a file says something else, nothing is taken along: what
/// was agreed on with another certificate, or on another authority's word, must not serve calls any more.
#[derive(Clone, Default)]
pub struct ClientTlsSet {
    /// By the digest of everything that goes into it.
    made: HashMap<[u8; 32], Arc<ClientConfig>>,
    /// The machine's own authorities, read once a configuration.
    system: Option<Arc<[CertificateDer<'static>]>>,
}

// === impl ClientTlsSet ===

impl ClientTlsSet {
    /// Servers are verified against the machine's certificate authorities and, if named, those in the file `ca`; to those
    /// that ask we show the certificate of `pair`, a chain and its key. All in PEM. HTTP/1.1, unless a connection offers more.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub fn of(
        &mut self,
        earlier: Option<&ClientTlsSet>,
        ca: Option<&Path>,
        pair: Option<(&Path, &Path)>,
    ) -> Result<ClientTls, TlsError> {
        let provider = Arc::new(default_provider());
        let extra = ca.map(authorities).transpose()?.unwrap_or_default();
        let pair = pair.map(|(chain, key)| Pair::read(chain, key, &provider)).transpose()?;
        let system = Arc::clone(self.system.get_or_insert_with(of_the_system));
        // A key fits its certificate, so that the chain stands for both.
        let own = pair.as_ref().map(|pair| pair.certified.cert.as_slice()).unwrap_or_default();
        let which = digest_of(&[&system, &extra, own]);
        let known = self.made.get(&which).or_else(|| earlier.and_then(|earlier| earlier.made.get(&which)));
        let config = match known {
            Some(known) => Arc::clone(known),
            None => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(system.iter().cloned());
                for certificate in extra {
                    let path = ca.unwrap_or(Path::new("")).to_owned();
                    let broken = |error: rustls::Error| TlsError::Certificate { path, reason: error.to_string() };
                    roots.add(certificate).map_err(broken)?;
                }
                if roots.is_empty() {
                    return Err(TlsError::NoAuthorities);
                }
                let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
                let mut config = builder.with_root_certificates(roots).with_no_client_auth();
                if let Some(pair) = &pair {
                    let certified = pair.certified.as_ref().clone();
                    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
                }
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                Arc::new(config)
            }
        };
        self.made.insert(which, Arc::clone(&config));
        Ok(ClientTls { config, certificate: pair.map(|pair| pair.facts) })
    }
}

impl fmt::Debug for ClientTlsSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ClientTlsSet({})", self.made.len())
    }
}

fn of_the_system() -> Arc<[CertificateDer<'static>]> {
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(%error, "a trusted certificate authority of this machine was skipped");
    }
    let mut found = native.certs;
    // A folder's files come in any order.
    found.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
    found.into()
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |source| TlsError::Read { path: path.to_owned(), source };
    let found = CertificateDer::pem_file_iter(path).map_err(read)?.collect::<Result<Vec<_>, _>>().map_err(read)?;
    if found.is_empty() {
        return Err(TlsError::NoCertificateIn { path: path.to_owned() });
    }
    Ok(found)
}

/// Of lists of certificates. Each is preceded by its length, so that nothing can pass from one list to the next unnoticed.
fn digest_of(lists: &[&[CertificateDer<'static>]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for list in lists {
        context.update(&(list.len() as u64).to_be_bytes());
        for certificate in *list {
            context.update(&(certificate.len() as u64).to_be_bytes());
            context.update(certificate);
        }
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn pem(folder: &Path, name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
        let made = rcgen::generate_simple_self_signed(vec![format!("{name}.example")]).unwrap();
        let (chain, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        fs::write(&chain, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (chain, key)
    }

    #[test]
    fn what_is_made_of_the_same_is_the_same_over_reloads() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (pem(folder.path(), "one"), pem(folder.path(), "two"));
        let copy = folder.path().join("copy.pem");
        fs::copy(&one.0, &copy).unwrap();
        let mut first = ClientTlsSet::default();
        let mut ask = |ca: Option<&Path>, pair: Option<&(std::path::PathBuf, std::path::PathBuf)>| {
            let pair = pair.map(|(chain, key)| (chain.as_path(), key.as_path()));
            let before = first.of(None, ca, pair).unwrap();
            let again = first.of(None, ca, pair).unwrap();
            let after = ClientTlsSet::default().of(Some(&first), ca, pair).unwrap();
            assert!(Arc::ptr_eq(&before.config, &again.config) && Arc::ptr_eq(&before.config, &after.config));
            before
        };
        let (by_one, by_copy, by_two) = (ask(Some(&one.0), None), ask(Some(&copy), None), ask(Some(&two.0), None));
        assert!(Arc::ptr_eq(&by_one.config, &by_copy.config), "what counts is what the file says");
        let all = [by_one, by_two, ask(Some(&one.0), Some(&one)), ask(Some(&one.0), Some(&two))];
        for (at, here) in all.iter().enumerate() {
            for other in all.iter().skip(at + 1) {
                assert!(!Arc::ptr_eq(&here.config, &other.config));
            }
        }
        assert_eq!(all[3].certificate.as_ref().unwrap().name, "two.example");
        // Renewed in place: another certificate is another identity.
        let (renewed, key) = pem(folder.path(), "two");
        let after = ClientTlsSet::default().of(Some(&first), Some(&one.0), Some((&renewed, &key))).unwrap();
        assert!(!Arc::ptr_eq(&after.config, &all[3].config));
    }
}
