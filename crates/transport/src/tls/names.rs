//! Which certificate is for which name.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Certificates by the names in them. Which one a client gets is chosen by the name it asks for: an exact name first, then
/// a wildcard for its first label, else the first certificate of the configuration.
#[derive(Debug)]
pub struct ByName {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    first: Arc<CertifiedKey>,
}

// === impl ByName ===

impl ByName {
    pub(super) fn new(first: Arc<CertifiedKey>) -> ByName {
        ByName { exact: HashMap::new(), wildcard: HashMap::new(), first }
    }

    /// Of two certificates with the same name the one added first is used, as the operator wrote them.
    pub(super) fn add(&mut self, name: &str, key: &Arc<CertifiedKey>) {
        let name = name.to_ascii_lowercase();
        let (names, name) = match name.strip_prefix("*.") {
            Some(parent) => (&mut self.wildcard, parent.to_owned()),
            None => (&mut self.exact, name),
        };
        names.entry(name).or_insert_with(|| key.clone());
    }

    pub(super) fn find(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        name.and_then(|name| self.named(name)).unwrap_or(&self.first)
    }

    /// Whether a call for `host` belongs to a connection that was opened for `server_name`: yes when one certificate names
    /// both, no when another one names the host, and nothing when none does (RFC 9110 section 7.4, RFC 9113 section 9.1.1).
    #[must_use]
    pub fn belongs(&self, server_name: &str, host: &str) -> Option<bool> {
        self.named(host).map(|certificate| Arc::ptr_eq(certificate, self.find(Some(server_name))))
    }

    fn named(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        // RFC 6125 section 6.4.3: a wildcard stands for exactly one label.
        let by_wildcard = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
        self.exact.get(&name).or_else(by_wildcard)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.find(hello.server_name()).clone())
    }
}
