//! Signatures that count: asymmetric ones, of a strength that holds.

use std::fmt;

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with PKCS #1 padding.
    Rs256,
    /// RSA with PSS padding.
    Ps256,
    /// ECDSA on P-256.
    Es256,
    /// Ed25519. `EdDSA` is its older name, which does not say the curve (RFC 9864 section 2.2).
    Ed25519,
}

// === impl Algorithm ===

impl Algorithm {
    /// The one with this name; none for `none`, for those with a shared secret, and for those that nobody needs.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Algorithm> {
        Some(match name {
            "RS256" => Algorithm::Rs256,
            "PS256" => Algorithm::Ps256,
            "ES256" => Algorithm::Es256,
            "Ed25519" | "EdDSA" => Algorithm::Ed25519,
            _ => return None,
        })
    }

    /// Its name (RFC 7518 section 3.1, RFC 9864 section 2.2).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Ps256 => "PS256",
            Algorithm::Es256 => "ES256",
            Algorithm::Ed25519 => "Ed25519",
        }
    }

    /// The same for the library.
    pub(super) const fn of_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
            Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::Ed25519 => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
