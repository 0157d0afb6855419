//! `issuer`, `access: token`, `tokens`: what goes together and what does not.

use std::path::Path;

use callgate_config::{Access, Config, Credential, parse, resource_metadata_path};

fn read(yaml: &str) -> Result<Config, Vec<(String, String)>> {
    parse(yaml, Path::new("/nowhere"), &|_| None).map(|loaded| loaded.config).map_err(|report| {
        report.diagnostics.into_iter().map(|one| (one.message, one.help.unwrap_or_default())).collect()
    })
}

/// `expect` is the only complaint; nothing means that there is none.
#[track_caller]
fn check(top: &str, api: &str, expect: &str) {
    let yaml = format!(
        "version: 1\nlisten: {{ address: 127.0.0.1:8080 }}\n{top}\napis:\n  shop: {{ upstream: \"http://127.0.0.1:9000\", {api} }}\n"
    );
    let said: Vec<String> = read(&yaml).err().unwrap_or_default().into_iter().map(|(message, _)| message).collect();
    let expect: Vec<&str> = Some(expect).filter(|expect| !expect.is_empty()).into_iter().collect();
    assert_eq!(said, expect, "{yaml}");
}

const LOCAL: &str = "issuer: { url: \"http://127.0.0.1:8080\" }";
const OUTSIDE: &str = "issuer: { url: \"https://id.example.com\" }";

#[test]
fn an_issuers_url_has_one_spelling() {
    for good in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:8080", "https://id.example.com:8443"] {
        check(&format!("issuer: {{ url: \"{good}\" }}"), "path: /shop", "");
    }
    let said = |url: &str, expect: &str| check(&format!("issuer: {{ url: \"{url}\" }}"), "path: /shop", expect);
    said("http://id.example.com", "an issuer that others can reach needs https");
    said("https://id.example.com/tenant", "the issuer's URL has a path");
    said("https://id.example.com/", "`https://id.example.com/` can be written in a shorter way");
    said("https://ID.example.com", "`https://ID.example.com` can be written in a shorter way");
    said("https://id.example.com:443", "`https://id.example.com:443` can be written in a shorter way");
    for wrong in
        ["https://a@id.example.com", "https://id.example.com?x=1", "https://id.example.com#x", "id.example.com"]
    {
        said(wrong, &format!("`{wrong}` is not the URL of a server"));
    }
}

#[test]
fn tokens_need_somebody_who_issues_them() {
    check("", "access: token", "`shop` takes tokens, and there is nobody who issues any");
    check("", "access: [key, token]", "`shop` takes tokens, and there is nobody who issues any");
    check("", "routes: [{\"GET /a\": {access: token}}]", "`shop` takes tokens, and there is nobody who issues any");
    check(LOCAL, "path: /shop, access: token, tokens: { audience: \"https://api.example.com\" }", "");
    check(
        LOCAL,
        "path: /shop, tokens: { audience: \"https://a.b\" }",
        "`tokens` has no effect: no `access` here takes a token",
    );
    check(LOCAL, "path: /shop, access: token, tokens: { issuers: [self] }", "");
}

#[test]
fn access_is_a_set() {
    let access = |text: &str| {
        let yaml = format!(
            "version: 1\nlisten: {{ address: 127.0.0.1:8080 }}\n{LOCAL}\napis: {{ shop: {{ path: /shop, upstream: \"http://127.0.0.1:9000\", access: {text} }} }}\n"
        );
        read(&yaml).map(|config| config.apis[0].guards.access)
    };
    assert_eq!(access("[token, key]"), Ok(Some(Access::any(&[Credential::Key, Credential::Token]))));
    assert_eq!(access("{ all: [token, key] }"), Ok(Some(Access::all(&[Credential::Key, Credential::Token]))));
    check(
        LOCAL,
        "path: /shop, access: { all: [token] }",
        "`all` needs two or three different credentials, and these are not",
    );
    check(
        LOCAL,
        "path: /shop, access: { all: [key, key] }",
        "`all` needs two or three different credentials, and these are not",
    );
    check(
        LOCAL,
        "path: /shop, access: { all: [key, public] }",
        "`all` needs two or three different credentials, and these are not",
    );
    check(LOCAL, "path: /shop, access: [token, token]", "`access` names something twice");
    check(
        LOCAL,
        "path: /shop, access: [token, public]",
        "`public` lets everybody in, so what is beside it has no effect",
    );
}

#[test]
fn nobody_else_answers_where_the_issuer_does() {
    check(OUTSIDE, "host: id.example.com", "`shop` answers on `id.example.com`, which is the issuer's host");
    check(OUTSIDE, "path: /oauth", "");
    check(OUTSIDE, "host: \"*.example.com\"", "");
    check(LOCAL, "path: /oauth", "`shop` answers at `/oauth`, where the gate itself does (`/oauth`)");
    check(LOCAL, "path: /oauth/x", "`shop` answers at `/oauth/x`, where the gate itself does (`/oauth`)");
    check(LOCAL, "path: /oauths", "");
    let about = "/.well-known/oauth-protected-resource";
    let message = format!("`shop` answers at `{about}`, where the gate itself does (`{about}`)");
    check(LOCAL, &format!("path: {about}, access: token"), &message);
    check(OUTSIDE, &format!("host: a.example.com, path: {about}, access: token"), &message);
    check(LOCAL, &format!("path: {about}, access: key"), "");
    check(LOCAL, "path: /oauth, host: shop.example.com", "");
    check(LOCAL, "routes: [GET /oauth/token]", "no call reaches `/oauth/token`: the gate itself answers at `/oauth`");
    let yaml = format!(
        "version: 1\nlisten: {{ address: 127.0.0.1:8080 }}\n{LOCAL}\napis: {{ issuer: {{ path: /shop, upstream: \"http://127.0.0.1:9000\" }} }}\n"
    );
    assert_eq!(read(&yaml).unwrap_err()[0].0, "`issuer` is the name of the gate's own API");
}

/// RFC 9728 section 3: what a client asked under is what the document must name.
#[test]
fn a_resource_is_called_as_its_callers_know_it() {
    let check = |top: &str, api: &str, resource: Option<&str>, metadata: &str| {
        let yaml = format!(
            "version: 1\nlisten: {{ address: 127.0.0.1:8080 }}\n{top}\napis:\n  shop: {{ upstream: \"http://127.0.0.1:9000\", access: token, {api} }}\n"
        );
        let loaded = parse(&yaml, Path::new("/nowhere"), &|_| None).unwrap();
        let found = loaded.config.apis[0].resource(loaded.config.issuer.as_ref());
        assert_eq!(found.as_deref(), resource, "{yaml}");
        let path = found.and_then(|found| resource_metadata_path(&found)).unwrap_or_default();
        assert_eq!(path.trim_start_matches("/.well-known/oauth-protected-resource"), metadata, "{yaml}");
        let told =
            loaded.report.diagnostics.iter().any(|one| one.message.contains("can't be told how `shop` is called"));
        assert_eq!(told, resource.is_none(), "{yaml}");
    };
    check(LOCAL, "path: /shop", Some("http://127.0.0.1:8080/shop"), "/shop");
    check(LOCAL, "path: /shop, host: shop.local", Some("http://shop.local:8080/shop"), "/shop");
    check(
        OUTSIDE,
        "path: /inner, public_url: \"https://api.example.com/v2\"",
        Some("https://api.example.com/v2"),
        "/v2",
    );
    check(OUTSIDE, "path: /a, tokens: { audience: \"https://api.example.com\" }", Some("https://api.example.com"), "");
    check(OUTSIDE, "path: /a, host: api.example.com", Some("https://api.example.com/a"), "/a");
    check(OUTSIDE, "path: /a", None, "");
    check(OUTSIDE, "path: /a, host: \"*.example.com\"", None, "");
}
