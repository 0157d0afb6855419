//! The browser: its cookie, and whether a form comes from one of our own pages.

use callgate_identity::{Registry, RegistryError};
use callgate_model::user::{LOOPBACK_SESSION_COOKIE, SESSION_COOKIE};
use callgate_model::{Secret, User};
use http::HeaderMap;
use http::header::{COOKIE, ORIGIN};

/// The browser of a request.
pub(super) struct Browser {
    /// The value of its cookie, whoever is signed in by it; none where it has no cookie or an odd one.
    pub(super) cookie: Option<Secret>,
    /// How its cookie is written.
    pub(super) kind: CookieKind,
}

/// How a session's cookie is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CookieKind {
    /// Over TLS, bound to the host.
    Host,
    /// On loopback in the clear.
    Loopback,
}

/// See `Registry::new_cookie`.
const COOKIE_CHARS: usize = 43;

// === impl Browser ===

impl Browser {
    pub(super) fn of(registry: &Registry, headers: &HeaderMap) -> Browser {
        let is_secure = registry.tokens().issuer().is_some_and(|issuer| issuer.starts_with("https:"));
        let kind = if is_secure { CookieKind::Host } else { CookieKind::Loopback };
        let crumbs = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
        let pairs = crumbs.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut own = pairs.filter(|(name, _)| *name == kind.name()).map(|(_, value)| value);
        // Two of one name: one of them was planted.
        let only = own.next().filter(|_| own.next().is_none());
        let has_form =
            |value: &&str| value.len() == COOKIE_CHARS && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
        Browser { cookie: only.filter(has_form).map(Secret::new), kind }
    }

    /// Who is signed in.
    pub(super) async fn user(&self, registry: &Registry) -> Result<Option<User>, RegistryError> {
        match &self.cookie {
            Some(cookie) => registry.signed_in(cookie).await,
            None => Ok(None),
        }
    }
}

// === impl CookieKind ===

impl CookieKind {
    fn name(self) -> &'static str {
        match self {
            CookieKind::Host => SESSION_COOKIE,
            CookieKind::Loopback => LOOPBACK_SESSION_COOKIE,
        }
    }

    /// A field that sets the cookie; it ends with the browser, at the latest with the session. Lax, since a client's page
    /// leads here by a link.
    pub(super) fn holds(self, value: &Secret) -> String {
        format!("{}={}; {}", self.name(), value.expose(), self.attributes())
    }

    /// A field that takes it away.
    pub(super) fn forgets(self) -> String {
        format!("{}=; Max-Age=0; {}", self.name(), self.attributes())
    }

    fn attributes(self) -> &'static str {
        match self {
            CookieKind::Host => "Path=/; Secure; HttpOnly; SameSite=Lax",
            CookieKind::Loopback => "Path=/oauth; HttpOnly; SameSite=Lax",
        }
    }
}

/// Whether a form was sent by a page of this very origin, as far as the browser says.
pub(super) fn is_own_page(headers: &HeaderMap, authority: &str) -> bool {
    let text = |name: &http::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let site = text(&http::HeaderName::from_static("sec-fetch-site"));
    let origin = text(&ORIGIN);
    let is_same_site = site.is_none_or(|site| site == "same-origin");
    let is_same_origin = origin.is_none_or(|origin| match origin.split_once("://") {
        Some((scheme, other)) => {
            let port = if scheme == "https" { ":443" } else { ":80" };
            let bare = |authority: &str| authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase();
            bare(other) == bare(authority)
        }
        // `null`: a page that hides where it is from.
        None => false,
    });
    is_same_site && is_same_origin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_of_this_origin_may_send_a_form() {
        let check = |origin: Option<&str>, site: Option<&str>, expect: bool| {
            let mut headers = HeaderMap::new();
            for (name, value) in [("origin", origin), ("sec-fetch-site", site)] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            assert_eq!(is_own_page(&headers, "id.example.com"), expect, "{origin:?} {site:?}");
        };
        check(None, None, true);
        check(Some("https://id.example.com"), Some("same-origin"), true);
        check(Some("https://id.example.com:443"), None, true);
        check(Some("https://ID.example.com"), None, true);
        check(Some("https://evil.example"), None, false);
        check(Some("https://id.example.com.evil.example"), None, false);
        check(Some("https://id.example.com:8443"), None, false);
        check(Some("null"), None, false);
        check(Some("https://id.example.com"), Some("same-site"), false);
        check(None, Some("cross-site"), false);
        check(None, Some("none"), false);
    }
}
