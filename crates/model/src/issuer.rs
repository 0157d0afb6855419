//! Issuers of access tokens that are not this gate.

use serde::{Deserialize, Serialize};

/// Whose habits an issuer's access tokens have: which claims say what, and what tells an access token from an ID token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The standard (RFC 9068).
    #[default]
    Rfc9068,
    /// Keycloak.
    Keycloak,
    /// Microsoft Entra ID, tokens of version 1.0 and 2.0.
    Entra,
    /// Auth0, with the access tokens that it makes by default.
    Auth0,
    /// User pools of Amazon Cognito.
    Cognito,
}

// === impl Profile ===

impl Profile {
    /// Every profile, the default first.
    pub const ALL: [Profile; 5] =
        [Profile::Rfc9068, Profile::Keycloak, Profile::Entra, Profile::Auth0, Profile::Cognito];

    /// Its name in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Profile::Rfc9068 => "rfc9068",
            Profile::Keycloak => "keycloak",
            Profile::Entra => "entra",
            Profile::Auth0 => "auth0",
            Profile::Cognito => "cognito",
        }
    }

    /// The profile with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Profile> {
        Profile::ALL.into_iter().find(|profile| profile.name() == name)
    }
}
