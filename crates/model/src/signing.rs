//! What access tokens are signed by.

/// An algorithm, by the name that stands in a token's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4): short, and known everywhere.
    #[default]
    Es256,
    /// RSA with 2048 bits, PKCS #1 1.5 with SHA-256 (section 3.3): for resource servers that know nothing else.
    Rs256,
    /// EdDSA on Curve25519, under the name that says so (RFC 9864 section 2.2).
    Ed25519,
}

// === impl SigningAlgorithm ===

impl SigningAlgorithm {
    /// Every algorithm.
    pub const ALL: [SigningAlgorithm; 3] =
        [SigningAlgorithm::Es256, SigningAlgorithm::Rs256, SigningAlgorithm::Ed25519];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SigningAlgorithm::Es256 => "ES256",
            SigningAlgorithm::Rs256 => "RS256",
            SigningAlgorithm::Ed25519 => "Ed25519",
        }
    }

    /// The algorithm with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<SigningAlgorithm> {
        SigningAlgorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}
