//! The pages that a person sees: plain HTML, made here, that needs no script and loads nothing.
//!
//! The policy of each page allows its one style, by its hash, and forms to this origin; nothing else, and no frame around it.
//! Whatever comes from outside goes through [`html::text`].

mod html;

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_FRAME_OPTIONS};
use http::{HeaderValue, Response, StatusCode};

use crate::AUTHORIZE;
use crate::authorize::Asked;
use html::text;

/// What stands above the sign-in form.
pub(crate) enum Alert {
    /// The name or the password was wrong; the name is kept in its field.
    Wrong(String),
    /// So many seconds to wait.
    TooOften(i64),
    /// Too many people at once.
    Busy,
    /// The session ended between two pages.
    SignedOut,
}

const STYLE: &str = include_str!("pages/style.css");

/// The hash of the style, as a policy names it (CSP 3 section 2.3.1).
static STYLE_HASH: LazyLock<String> =
    LazyLock::new(|| format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, STYLE.as_bytes()))));

/// The form to sign in by.
pub(crate) fn sign_in(asked: &Asked, alert: Option<&Alert>, proof: &str) -> Response<Bytes> {
    let (status, said, name) = match alert {
        None => (StatusCode::OK, None, ""),
        Some(Alert::Wrong(name)) => {
            (StatusCode::FORBIDDEN, Some("The name or the password is wrong.".to_owned()), &**name)
        }
        Some(Alert::TooOften(seconds)) => {
            let wait = format!("Too many tries failed. Try again in {seconds} seconds.");
            (StatusCode::TOO_MANY_REQUESTS, Some(wait), "")
        }
        Some(Alert::Busy) => {
            let wait = "Too many people sign in at this moment. Try again.".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, Some(wait), "")
        }
        Some(Alert::SignedOut) => (StatusCode::OK, Some("Your session is over. Sign in again.".to_owned()), ""),
    };
    let alert = said.map_or_else(String::new, |said| format!("<p role=\"alert\" id=\"alert\">{}</p>\n", text(&said)));
    let described = if alert.is_empty() { "" } else { " aria-describedby=\"alert\"" };
    // Whoever mistyped a password need not write the name again.
    let (focus_name, focus_password) = if name.is_empty() { (" autofocus", "") } else { ("", " autofocus") };
    let body = format!(
        "<h1>Sign in</h1>\n<p>to go on to <strong>{client}</strong></p>\n{alert}{form}\
         <label for=\"name\">Name</label>\n\
         <input id=\"name\" name=\"name\" value=\"{name}\" autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" required{focus_name}{described}>\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required{focus_password}{described}>\n\
         <button name=\"act\" value=\"sign-in\">Sign in</button>\n</form>\n",
        client = text(&asked.client.name),
        form = form(asked, proof),
        name = text(name),
    );
    page(status, "Sign in", &body, Some(&asked.redirect))
}

/// The question whether a client may act for somebody.
pub(crate) fn consent(asked: &Asked, user: &str, proof: &str) -> Response<Bytes> {
    let scopes: String = asked.scopes.iter().map(|scope| format!("<li><code>{}</code></li>\n", text(scope))).collect();
    let wants = match scopes.as_str() {
        "" => "<p>It asks for nothing but to know that it is you.</p>\n".to_owned(),
        scopes => format!("<p id=\"wants\">It asks for:</p>\n<ul aria-labelledby=\"wants\">\n{scopes}</ul>\n"),
    };
    let at = asked.audience.as_deref().map_or_else(String::new, |at| format!("<p>At <code>{}</code>.</p>\n", text(at)));
    let body = format!(
        "<h1>Let <strong>{client}</strong> act for you?</h1>\n{wants}{at}\
         <p>You go on to <code>{to}</code>.</p>\n{form}\
         <p class=\"choice\"><button name=\"act\" value=\"allow\" autofocus>Allow</button>\n\
         <button name=\"act\" value=\"deny\" class=\"quiet\">Deny</button></p>\n\
         <p class=\"who\">Signed in as <strong>{user}</strong>.\n\
         <button name=\"act\" value=\"switch\" class=\"link\">Use another account</button></p>\n</form>\n",
        client = text(&asked.client.name),
        to = text(place(&asked.redirect)),
        form = form(asked, proof),
        user = text(user),
    );
    page(StatusCode::OK, "Allow access", &body, Some(&asked.redirect))
}

/// Why nothing can be done; with a link to begin again, where there is one.
pub(crate) fn fault(status: StatusCode, said: &str, again: Option<&str>) -> Response<Bytes> {
    let again = again.map_or_else(
        || "<p>Go back to the program that sent you here.</p>\n".to_owned(),
        |link| format!("<p><a href=\"{}\">Begin again</a></p>\n", text(link)),
    );
    page(
        status,
        "Not possible",
        &format!("<h1>That did not work</h1>\n<p role=\"alert\">{}</p>\n{again}", text(said)),
        None,
    )
}

fn form(asked: &Asked, proof: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{AUTHORIZE}\">\n<input type=\"hidden\" name=\"request\" value=\"{}\">\n\
         <input type=\"hidden\" name=\"proof\" value=\"{}\">\n",
        text(&asked.query),
        text(proof),
    )
}

/// A page under its policy. `leads_to` is where its form may send the browser in the end: browsers hold `form-action` against
/// every redirect that follows, too (CSP 3 section 6.4.1).
fn page(status: StatusCode, title: &str, body: &str, leads_to: Option<&str>) -> Response<Bytes> {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    );
    let source = leads_to.map_or_else(String::new, |redirect| format!(" {}", source(redirect)));
    let policy = format!(
        "default-src 'none'; style-src {}; form-action 'self'{source}; frame-ancestors 'none'; base-uri 'none'",
        *STYLE_HASH
    );
    let mut response = Response::new(Bytes::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Old browsers know no frame-ancestors.
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // `no-referrer` would take `Origin` away from our own forms, too.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy).unwrap_or(nothing));
    response
}

/// Scheme and authority of a redirect: what a person can judge, and what a policy names.
fn place(redirect: &str) -> &str {
    match redirect.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            redirect.get(..scheme.len() + 3 + authority.len()).unwrap_or(redirect)
        }
        None => redirect.split_once(':').map_or(redirect, |(scheme, _)| scheme),
    }
}

/// As a policy names it. Its grammar has neither IPv6 nor a semicolon: what it can't name is allowed by its scheme.
fn source(redirect: &str) -> String {
    let place = place(redirect);
    let is_nameable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'/' | b'.' | b'-');
    match place.split_once("://") {
        Some(_) if place.bytes().all(is_nameable) => place.to_owned(),
        Some((scheme, _)) => format!("{scheme}:"),
        None => format!("{place}:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_where_a_form_leads() {
        let check = |redirect: &str, expect: &str| assert_eq!(source(redirect), expect);
        check("https://app.example.com/back?x=1", "https://app.example.com");
        check("https://app.example.com:8443", "https://app.example.com:8443");
        check("http://127.0.0.1:5123/back", "http://127.0.0.1:5123");
        check("http://[::1]:5123/back", "http:");
        check("com.example.app:/back", "com.example.app:");
    }
}
