//! The gate's own authorization server, as configured.

use callgate_model::SigningAlgorithm;

use crate::config::Api;

/// Where its endpoints stand, whatever the URL: nothing else may answer below these on its host.
pub const ISSUER_PATHS: [&str; 3] = ["/oauth", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"];

/// The name under which its calls are recorded: that of an API.
pub const ISSUER_API: &str = "issuer";

/// Where an API that takes tokens says whose it takes (RFC 9728 section 3); the API's own path follows.
pub const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";

/// `issuer:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// Its identifier, exactly as it stands in tokens: no slash at the end.
    pub url: String,
    /// The host in it, lower case, an IPv6 address in brackets.
    pub host: String,
    /// Whether that is this machine alone. Elsewhere nothing but the issuer answers on the host.
    pub is_loopback: bool,
    /// What its tokens are signed by.
    pub algorithm: SigningAlgorithm,
}

// === impl Api ===

impl Api {
    /// What clients call this API when they ask for a token (RFC 8707): its audience, its public URL, or its own address beside
    /// the gate's own issuer. None where that is not known: away from this machine, an API of every host has none; nor where
    /// others issue its tokens for something that is no URL.
    #[must_use]
    pub fn resource(&self, issuer: Option<&Issuer>) -> Option<String> {
        let is_url = |named: &&String| named.starts_with("https://") || named.starts_with("http://");
        if let Some(named) = self.tokens.audience.iter().chain(&self.public_url).find(is_url) {
            return Some(named.clone());
        }
        let issuer = issuer?;
        let path = self.path.trim_end_matches('/');
        match &self.host {
            Some(host) if !host.starts_with('*') => {
                Some(format!("{}{path}", issuer.url.replacen(&issuer.host, host, 1)))
            }
            _ if issuer.is_loopback => Some(format!("{}{path}", issuer.url)),
            _ => None,
        }
    }
}

/// Where a resource says whose tokens it takes, below its host (RFC 9728 section 3.1); none for what is no URL.
#[must_use]
pub fn resource_metadata_path(resource: &str) -> Option<String> {
    let (_, rest) = resource.split_once("://")?;
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
    Some(format!("{RESOURCE_METADATA}{}", path.trim_end_matches('/')))
}
