//! What a client must know before it asks: RFC 8414, and the keys.

use bytes::Bytes;
use callgate_identity::Registry;
use callgate_identity::tokens::proof::ALGORITHMS;
use callgate_model::Grant;
use http::Response;
use serde_json::json;

use crate::reply::{Fault, public};
use crate::{AUTHORIZE, INTROSPECT, JWKS, REVOKE, TOKEN};

/// The next key is published as long as there is a current one: nobody needs to ask more often.
const KEYS_LAST_S: u32 = 600;
const METADATA_LASTS_S: u32 = 3_600;

pub(crate) fn metadata(registry: &Registry) -> Response<Bytes> {
    let Some(issuer) = registry.tokens().issuer() else { return Fault::unavailable().reply() };
    let at = |path: &str| format!("{issuer}{path}");
    let methods = ["client_secret_basic", "client_secret_post"];
    let methods_and_none = ["client_secret_basic", "client_secret_post", "none"];
    let document = json!({
        "issuer": &*issuer,
        "authorization_endpoint": at(AUTHORIZE),
        "token_endpoint": at(TOKEN),
        "jwks_uri": at(JWKS),
        "introspection_endpoint": at(INTROSPECT),
        "revocation_endpoint": at(REVOKE),
        "grant_types_supported": Grant::ALL.map(Grant::name),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "token_endpoint_auth_methods_supported": methods_and_none,
        "dpop_signing_alg_values_supported": ALGORITHMS,
        "introspection_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods_and_none,
    });
    public(&document, METADATA_LASTS_S)
}

pub(crate) fn jwks(registry: &Registry) -> Response<Bytes> {
    public(&registry.tokens().jwks(), KEYS_LAST_S)
}
