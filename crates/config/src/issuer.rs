//! The gate's own authorization server, as configured.

/// Where its endpoints stand, whatever the URL: nothing else may answer below these on its host.
pub const ISSUER_PATHS: [&str; 3] = ["/oauth", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"];

/// The name under which its calls are recorded: that of an API.
pub const ISSUER_API: &str = "issuer";

/// `issuer:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// Its identifier, exactly as it stands in tokens: no slash at the end.
    pub url: String,
    /// The host in it, lower case, an IPv6 address in brackets.
    pub host: String,
    /// Whether that is this machine alone. Elsewhere nothing but the issuer answers on the host.
    pub is_loopback: bool,
}
