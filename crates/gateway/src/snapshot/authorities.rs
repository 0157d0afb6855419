//! The authorities that a listener asks for certificates by, and whom their certificates are of.

use std::collections::HashMap;
use std::sync::Arc;

use callgate_config as config;
use callgate_identity::{Grants, NameDigest};
use callgate_transport::tls::{Authority, ClientCertificate, NotVouched, TlsError};

use super::Cells;
use crate::caller::CertificateCaller;
use crate::policy::limits::fingerprint;

/// One authority of the configuration.
#[derive(Debug)]
pub struct KnownAuthority {
    /// For chains.
    pub authority: Authority,
    callers: HashMap<Box<str>, Arc<CertificateCaller>>,
    /// Differs when its certificates or its callers do.
    fingerprint: u64,
}

/// Those that one listener asks by.
#[derive(Debug)]
pub struct Asked {
    authorities: Vec<Arc<KnownAuthority>>,
    /// Differs when what a certificate comes to may differ.
    pub fingerprint: u64,
}

/// What a certificate comes to.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// A caller's.
    Known(Arc<CertificateCaller>),
    /// Nobody's: why, as the end of a sentence about it.
    Unknown(String),
}

// === impl KnownAuthority ===

impl KnownAuthority {
    /// Reads its certificates. Cells that the previous snapshot knows keep their state.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub(super) fn compile(
        authority: &config::Authority,
        earlier: Option<&Cells>,
        cells: &mut Cells,
    ) -> Result<KnownAuthority, TlsError> {
        let read = Authority::read(&authority.ca)?;
        let compile = |caller: &config::CertificateCaller| {
            let number = fingerprint(&("certificate", &authority.name, &caller.name));
            let compiled = CertificateCaller {
                name: caller.name.as_str().into(),
                consumer: NameDigest::of(&caller.consumer),
                grants: Grants {
                    scopes: caller.scopes.iter().map(|scope| scope.as_str().into()).collect(),
                    scopes_text: caller.scopes.join(" ").into(),
                    ..Grants::default()
                },
                cells: cells.caller(earlier, number),
                number,
                subject: format!("certificate:{}:{}", authority.name, caller.name).into(),
            };
            (caller.name.as_str().into(), Arc::new(compiled))
        };
        let callers = authority.callers.iter().map(compile).collect();
        let fingerprint = fingerprint(&(read.fingerprint(), &authority.name, &authority.callers));
        Ok(KnownAuthority { authority: read, callers, fingerprint })
    }
}

// === impl Asked ===

impl Asked {
    pub(super) fn new(authorities: Vec<Arc<KnownAuthority>>) -> Asked {
        let all: Vec<u64> = authorities.iter().map(|authority| authority.fingerprint).collect();
        Asked { authorities, fingerprint: fingerprint(&all) }
    }

    /// For the handshake.
    pub(super) fn authorities(&self) -> Vec<&Authority> {
        self.authorities.iter().map(|known| &known.authority).collect()
    }

    /// Whose a certificate is at this moment. A name counts only under the authority that vouches for it: what one partner's
    /// authority issues must not pass for another partner.
    #[must_use]
    pub fn judge(&self, certificate: &ClientCertificate, now_ms: i64) -> Verdict {
        let mut found: Vec<&Arc<CertificateCaller>> = Vec::new();
        let (mut why, mut is_vouched_for, mut has_names) = (NotVouched::UnknownIssuer, false, false);
        for known in &self.authorities {
            match certificate.judge(&known.authority, now_ms) {
                Ok(vouched) => {
                    is_vouched_for = true;
                    has_names |= !vouched.names.is_empty();
                    found.extend(vouched.names.iter().filter_map(|name| known.callers.get(name)));
                }
                Err(NotVouched::UnknownIssuer) => {}
                // What the authority that issued it says counts for more than that others did not.
                Err(other) => why = other,
            }
        }
        match found.as_slice() {
            [first, others @ ..] if others.iter().all(|other| Arc::ptr_eq(first, other)) => {
                Verdict::Known(Arc::clone(first))
            }
            [_, ..] => Verdict::Unknown("its names are those of several callers".to_owned()),
            [] if !is_vouched_for => Verdict::Unknown(why.to_string()),
            [] if !has_names => Verdict::Unknown("it has no subject alternative name".to_owned()),
            [] => Verdict::Unknown("none of its names is of a caller that is known here".to_owned()),
        }
    }
}
