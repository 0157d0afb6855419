//! Issuers that are not this gate, as the configuration has them.

use std::sync::Arc;

use callgate_config::KnownIssuer;
use callgate_identity::foreign::ForeignIssuer;
use rustls::ClientConfig;

use super::Snapshot;

/// One of them.
#[derive(Debug, Clone)]
pub struct CompiledIssuer {
    /// What the file says.
    pub setting: KnownIssuer,
    /// Its keys.
    pub issuer: Arc<ForeignIssuer>,
    /// How it is spoken to over TLS; none where this machine trusts nobody.
    pub tls: Option<Arc<ClientConfig>>,
}

// === impl CompiledIssuer ===

impl CompiledIssuer {
    /// What is known of its keys is kept where nothing changed of what they are and where they come from.
    pub(super) fn new(
        setting: &KnownIssuer,
        tls: Option<Arc<ClientConfig>>,
        previous: Option<&Snapshot>,
    ) -> CompiledIssuer {
        let same = |known: &&CompiledIssuer| {
            let (one, other) = (&known.setting, setting);
            one.url == other.url && one.profile == other.profile && one.jwks == other.jwks
        };
        let known = previous.and_then(|previous| previous.issuers.iter().find(same));
        let issuer = match known {
            Some(known) => Arc::clone(&known.issuer),
            None => Arc::new(ForeignIssuer::new(&setting.url, setting.profile)),
        };
        CompiledIssuer { setting: setting.clone(), issuer, tls }
    }

    /// Whether its word counts for the consumer with this name.
    #[must_use]
    pub fn may_name(&self, consumer: &str) -> bool {
        self.setting.consumers.is_empty() || self.setting.consumers.iter().any(|own| own == consumer)
    }

    /// Whether it can't be asked without TLS.
    pub(super) fn needs_tls(setting: &KnownIssuer) -> bool {
        let is_tls = |url: &str| url.starts_with("https:");
        is_tls(&setting.url) || setting.jwks.as_deref().is_some_and(is_tls)
    }
}
