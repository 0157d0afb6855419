//! `issuers`, `tokens`: whose tokens count, and what must be said of them.

use std::path::Path;

use callgate_config::{Config, parse};
use callgate_model::Profile;

fn read(top: &str, api: &str) -> Result<Config, Vec<(String, String)>> {
    let yaml = format!(
        "version: 1\nlisten: {{ address: 127.0.0.1:8080 }}\n{top}\napis:\n  shop: {{ path: /shop, upstream: \"http://127.0.0.1:9000\", {api} }}\n"
    );
    parse(&yaml, Path::new("/nowhere"), &|_| None).map(|loaded| loaded.config).map_err(|report| {
        report.diagnostics.into_iter().map(|one| (one.message, one.help.unwrap_or_default())).collect()
    })
}

/// `expect` is the only complaint; nothing means that there is none.
#[track_caller]
fn check(top: &str, api: &str, expect: &str) {
    let said: Vec<String> = read(top, api).err().unwrap_or_default().into_iter().map(|(message, _)| message).collect();
    let expect: Vec<&str> = Some(expect).filter(|expect| !expect.is_empty()).into_iter().collect();
    assert_eq!(said, expect, "{top}\n{api}");
}

const OWN: &str = "issuer: { url: \"http://127.0.0.1:8080\" }";
const TAKES: &str =
    "access: token, tokens: { issuers: [\"https://id.example.org\"], audience: \"https://api.example.com\" }";

#[test]
fn an_api_names_whose_tokens_it_takes() {
    let config = read("", TAKES).unwrap();
    let known = &config.issuers[0];
    assert_eq!((&*known.url, known.profile, known.ips.len()), ("https://id.example.org", Profile::Rfc9068, 0));
    let rules = &config.apis[0].tokens;
    assert_eq!(
        (rules.own, &*rules.foreign[0], rules.consumer_claim.as_deref()),
        (false, "https://id.example.org", None)
    );
    let both = "access: [key, token], tokens: { issuers: [self, \"https://id.example.org/\"], audience: \"https://api.example.com\", consumer: { claim: azp } }";
    let config = read(OWN, both).unwrap();
    let rules = &config.apis[0].tokens;
    assert_eq!(
        (rules.own, &*config.issuers[0].url, rules.consumer_claim.as_deref()),
        (true, "https://id.example.org/", Some("azp"))
    );
    check("", both, "`shop` takes tokens, and there is nobody who issues any");
}

#[test]
fn what_is_known_of_an_issuer_stands_at_the_top() {
    let top = "issuers: [{ url: \"https://id.example.org\", profile: keycloak, jwks: \"https://10.1.2.3/keys\", ips: 10.9.0.0/16 }]";
    let config = read(top, TAKES).unwrap();
    let known = &config.issuers[0];
    let ips: Vec<String> = known.ips.iter().map(ToString::to_string).collect();
    assert_eq!(
        (config.issuers.len(), known.profile, ips.as_slice()),
        (1, Profile::Keycloak, &["10.9.0.0/16".to_owned(), "10.1.2.3/32".to_owned()][..])
    );
    check("issuers: [\"https://id.example.org\"]", TAKES, "");
    check("issuers: \"https://id.example.org\"", TAKES, "");
    check(
        "issuers: [\"https://id.example.org\", \"https://id.example.org\"]",
        TAKES,
        "`https://id.example.org` is there twice",
    );
    check(
        "issuers: [\"https://id.example.org\", \"https://other.example.org\"]",
        TAKES,
        "`https://other.example.org` has no effect: no API takes its tokens",
    );
    check(
        "issuers: [\"https://id.example.org/\"]",
        TAKES,
        "`https://id.example.org/` has no effect: no API takes its tokens",
    );
    let said = read("issuers: [{ url: \"https://id.example.org\", profile: okta }]", TAKES).unwrap_err();
    assert_eq!(said[0].0, "`profile` can't be `okta`");
    check("issuers: [{ profile: entra }]", TAKES, "`url` is missing in `issuers[]`");
    let of = |names: &str| format!("issuers: [{{ url: \"https://id.example.org\", consumers: {names} }}]");
    assert_eq!(read(&of("[acme, b]"), TAKES).unwrap().issuers[0].consumers, ["acme", "b"]);
    check(&of("-a"), TAKES, "`-a` is not a name");
}

#[test]
fn keys_come_over_tls_or_from_this_machine() {
    let of = |url: &str| format!("access: token, tokens: {{ issuers: \"{url}\", audience: shop }}");
    for good in
        ["http://127.0.0.1:8081", "http://localhost:8081/realms/shop", "http://[::1]", "https://id.example.org/a/b/"]
    {
        check("", &of(good), "");
    }
    let ips =
        |url: &str| read("", &of(url)).unwrap().issuers[0].ips.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(ips("http://127.0.0.2:1"), ["127.0.0.2/32"]);
    assert_eq!(ips("http://localhost:1"), ["127.0.0.1/32", "::1/128"]);
    assert_eq!(ips("https://10.0.0.1"), ["10.0.0.1/32"]);
    check("", &of("http://id.example.org"), "keys that come in clear text are anybody's who stands in between");
    for wrong in
        ["id.example.org", "https://a@id.example.org", "https://id.example.org?x=1", "https://id.example.org#x"]
    {
        check("", &of(wrong), &format!("`{wrong}` is not the URL of a server"));
    }
    let top = "issuers: [{ url: \"https://id.example.org\", jwks: \"http://keys.example.org\" }]";
    check(top, TAKES, "keys that come in clear text are anybody's who stands in between");
}

#[test]
fn tokens_are_for_somebody() {
    let takes = |more: &str| format!("access: token, tokens: {{ issuers: \"https://id.example.org\"{more} }}");
    check("", &takes(""), "`shop` takes tokens of other issuers, whomever they are for");
    check("", &format!("public_url: \"https://api.example.com\", {}", takes("")), "");
    check("", &takes(", audience: \"api://11-22\""), "");
    check("", &takes(", audience: \"a b\""), "`a b` is not an audience");
    // Clients of the gate's own issuer name it in `resource`, which is a URL.
    let own = "access: token, tokens: { issuers: [self, \"https://id.example.org\"], audience: shop }";
    check(OWN, own, "`shop` is not the URL of a server");
}

#[test]
fn what_can_have_no_effect_is_a_mistake() {
    let own = "access: token, tokens: { consumer: { claim: azp } }";
    check(
        OWN,
        own,
        "`consumer` has no effect: a token of the gate's own issuer is its client's, which belongs to a consumer",
    );
    check(
        "",
        "access: key, tokens: { issuers: \"https://id.example.org\", audience: shop }",
        "`tokens` has no effect: no `access` here takes a token",
    );
    let twice = "access: token, tokens: { issuers: [self, self] }";
    check(OWN, twice, "`self` is there twice");
    let itself = "access: token, tokens: { issuers: \"http://127.0.0.1:8080\", audience: shop }";
    check(OWN, itself, "`http://127.0.0.1:8080` is this gate's own issuer");
    check(
        "",
        "access: token, tokens: { issuers: \"https://id.example.org\", audience: shop, consumer: {} }",
        "`claim` is missing in `apis.shop.tokens.consumer`",
    );
}

#[test]
fn wide_networks_are_a_weak_spot() {
    let weak = |ips: &str| {
        let top = format!("issuers: [{{ url: \"https://id.example.org\", ips: {ips} }}]");
        let found = callgate_config::security(&read(&top, TAKES).unwrap());
        found.into_iter().any(|weakness| weakness.place == "issuers[0].ips")
    };
    assert!(weak("10.0.0.0/8") && weak("fd00::/8") && !weak("10.1.2.0/24"));
}

#[test]
fn an_issuer_that_can_pass_for_others_callers_is_a_weak_spot() {
    let weak = |consumers: &str, api: &str| {
        let top = format!("{OWN}\nissuers: [{{ url: \"https://id.example.org\"{consumers} }}]");
        let found = callgate_config::security(&read(&top, api).unwrap());
        found.into_iter().any(|weakness| weakness.place == "issuers[0].consumers")
    };
    let alone = "access: token, tokens: { issuers: \"https://id.example.org\", audience: shop }";
    let beside_own =
        "access: token, tokens: { issuers: [self, \"https://id.example.org\"], audience: \"https://a.b\" }";
    let beside_keys = "access: [key, token], tokens: { issuers: \"https://id.example.org\", audience: shop }";
    assert!(!weak("", alone) && weak("", beside_own) && weak("", beside_keys));
    assert!(!weak(", consumers: acme", beside_own));
}

#[test]
fn the_mapping_says_whose_tokens_count() {
    let rules = |api: &str| callgate_config::mapping(&read(OWN, api).unwrap()).remove(0).rules;
    let both = "access: token, tokens: { issuers: [self, \"https://id.example.org\"], audience: \"https://a.b\" }";
    assert!(rules(both).contains(&"tokens of self, https://id.example.org".to_owned()));
    assert!(!rules("access: token").iter().any(|rule| rule.starts_with("tokens of")));
}
