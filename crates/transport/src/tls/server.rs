//! What a listener with TLS needs.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::ProducesTickets;

use super::clients::Asking;
use super::names::ByName;
use super::pair::{CertificateFacts, Pair};
use super::{Authority, TlsError};

/// What a listener with TLS is made of.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// For handshakes.
    pub config: Arc<ServerConfig>,
    /// The certificates by the names in them.
    pub names: Arc<ByName>,
    /// The certificates in their order.
    pub certificates: Vec<CertificateFacts>,
}

/// Reads what a listener needs: pairs of a chain in PEM and its key in PEM. The first one is for clients that name no host,
/// or one that no certificate is for. Clients are asked for a certificate of these authorities, if there are any. TLS 1.2
/// and 1.3, HTTP/2 before HTTP/1.1.
///
/// # Errors
/// [`TlsError`], which names the files.
pub fn server_tls(
    pairs: &[(PathBuf, PathBuf)],
    authorities: &[&Authority],
    tickets: Arc<dyn ProducesTickets>,
) -> Result<ServerTls, TlsError> {
    let provider = Arc::new(default_provider());
    let mut names: Option<ByName> = None;
    let mut certificates = Vec::with_capacity(pairs.len());
    for (chain, key) in pairs {
        let Pair { certified, names: own_names, facts } = Pair::read(chain, key, &provider)?;
        let by_name = names.get_or_insert_with(|| ByName::new(certified.clone()));
        for name in &own_names {
            by_name.add(name, &certified);
        }
        certificates.push(facts);
    }
    let names = Arc::new(names.ok_or(TlsError::NoCertificate)?);
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match authorities {
        [] => builder.with_no_client_auth(),
        _ => builder.with_client_cert_verifier(Arc::new(Asking::of(authorities))),
    };
    let mut config = builder.with_cert_resolver(names.clone());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = tickets;
    Ok(ServerTls { config: Arc::new(config), names, certificates })
}

#[cfg(test)]
mod tests;
