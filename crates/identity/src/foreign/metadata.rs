//! What an issuer says of itself: where its keys are (RFC 8414, OpenID Connect Discovery 1.0).

use callgate_model::Profile;
use serde_json::Value;

use super::json;

/// Where the metadata of an issuer may stand, in the order in which they are tried.
#[must_use]
pub fn places(issuer: &str, profile: Profile) -> Vec<String> {
    // RFC 8414 section 3.1 puts the well-known part between host and path, OpenID behind the path.
    let bare = issuer.strip_suffix('/').unwrap_or(issuer);
    let after_scheme = bare.find("://").map_or(0, |at| at + 3);
    let path = bare.get(after_scheme..).and_then(|rest| rest.find('/')).map_or(bare.len(), |at| after_scheme + at);
    let (host, path) = bare.split_at_checked(path).unwrap_or((bare, ""));
    let openid = format!("{bare}/.well-known/openid-configuration");
    match profile {
        Profile::Rfc9068 => vec![format!("{host}/.well-known/oauth-authorization-server{path}"), openid],
        Profile::Keycloak | Profile::Entra | Profile::Auth0 | Profile::Cognito => vec![openid],
    }
}

/// The address of the key set in an issuer's metadata.
///
/// # Errors
/// Why it can't be used, as a sentence's end: `the metadata …`.
pub fn key_set_of(bytes: &[u8], issuer: &str) -> Result<String, String> {
    let metadata = json::object(bytes)?;
    // RFC 8414 section 3.3: letter by letter, or one issuer could speak for another.
    match metadata.get("issuer").and_then(Value::as_str) {
        Some(own) if own == issuer => {}
        Some(own) => {
            let own: String = own.chars().filter(|one| !one.is_control()).take(200).collect();
            return Err(format!("is of issuer `{own}`, not of `{issuer}`"));
        }
        None => return Err("names no `issuer`".to_owned()),
    }
    let keys = metadata.get("jwks_uri").and_then(Value::as_str);
    keys.map(str::to_owned).ok_or_else(|| "has no `jwks_uri`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_metadata_stands() {
        let check = |issuer: &str, expect: [&str; 2]| assert_eq!(places(issuer, Profile::Rfc9068), expect);
        check(
            "https://id.example.com",
            [
                "https://id.example.com/.well-known/oauth-authorization-server",
                "https://id.example.com/.well-known/openid-configuration",
            ],
        );
        check(
            "http://127.0.0.1:8080/realms/shop/",
            [
                "http://127.0.0.1:8080/.well-known/oauth-authorization-server/realms/shop",
                "http://127.0.0.1:8080/realms/shop/.well-known/openid-configuration",
            ],
        );
        assert_eq!(
            places("https://a.auth0.com/", Profile::Auth0),
            ["https://a.auth0.com/.well-known/openid-configuration"]
        );
    }

    #[test]
    fn the_issuer_must_be_the_very_one() {
        let read = |text: &str| key_set_of(text.as_bytes(), "https://id.example.com");
        let good = r#"{"issuer":"https://id.example.com","jwks_uri":"https://keys.example.com/jwks"}"#;
        assert_eq!(read(good), Ok("https://keys.example.com/jwks".to_owned()));
        let check = |text: &str, expect: &str| assert_eq!(read(text), Err(expect.to_owned()), "{text}");
        check(
            r#"{"issuer":"https://id.example.com/","jwks_uri":"https://a.b"}"#,
            "is of issuer `https://id.example.com/`, not of `https://id.example.com`",
        );
        check(r#"{"jwks_uri":"https://a.b"}"#, "names no `issuer`");
        check(r#"{"issuer":"https://id.example.com"}"#, "has no `jwks_uri`");
        check(
            r#"{"issuer":"https://id.example.com","issuer":"https://id.example.com"}"#,
            "is not JSON, or names a member twice",
        );
        check("<html>", "is not JSON, or names a member twice");
    }
}
