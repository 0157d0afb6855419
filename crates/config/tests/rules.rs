//! Every rule of the file format: a text as a user would write it, and what the reader says.

#![expect(clippy::panic, reason = "helpers of tests stop the test")]

use std::path::Path;

use callgate_config::{Config, Severity, parse};

fn environment(name: &str) -> Option<String> {
    match name {
        "UPSTREAM_TOKEN" => Some("s3cret".to_owned()),
        "BROKEN" => Some("line\nbreak".to_owned()),
        _ => None,
    }
}

/// The text, completed to a whole file where it leaves the top out. `API` lines stand below `apis: bookshop:`.
fn whole(text: &str) -> String {
    let mut whole = String::new();
    if !text.contains("version:") {
        whole.push_str("version: 1\n");
    }
    if !text.contains("listen:") {
        whole.push_str("listen: { address: 127.0.0.1:8080 }\n");
    }
    whole.push_str(text);
    whole.push('\n');
    if !text.contains("apis:") {
        whole.push_str("apis: { bookshop: { upstream: \"http://127.0.0.1:9000\" } }\n");
    }
    whole
}

/// The text below one API that has an upstream.
fn api(text: &str) -> String {
    let upstream = if text.starts_with("upstream:") { "" } else { "    upstream: http://127.0.0.1:9000\n" };
    let indented: String = text.lines().map(|line| format!("    {line}\n")).collect();
    format!("apis:\n  bookshop:\n{upstream}{indented}")
}

/// All messages, one a line: `line:column severity message | help`. Empty means that the file is taken without a word.
fn said(text: &str) -> String {
    let report = match parse(&whole(text), Path::new("/nowhere"), &environment) {
        Ok(loaded) => loaded.report,
        Err(report) => *report,
    };
    let lines = report.diagnostics.iter().map(|one| {
        let severity = if one.severity == Severity::Error { "error" } else { "warning" };
        let place = report.source.get(one.range()).unwrap_or("?");
        format!("{severity} at `{place}`: {} | {}", one.message, one.help.as_deref().unwrap_or_default())
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Exactly one thing is said, and it contains all of `expect`; nothing is said if that is empty.
#[track_caller]
fn check(text: &str, expect: &[&str]) {
    let got = said(text);
    let count = got.lines().count();
    assert!(count == usize::from(!expect.is_empty()), "{text}\n→ {count} messages:\n{got}");
    for part in expect {
        assert!(got.contains(part), "{text}\n→ {got}\nlacks: {part}");
    }
}

#[track_caller]
fn check_api(text: &str, expect: &[&str]) {
    check(&api(text), expect);
}

#[track_caller]
fn config(text: &str) -> Config {
    match parse(&whole(text), Path::new("/nowhere"), &environment) {
        Ok(loaded) => loaded.config,
        Err(report) => panic!("{report}"),
    }
}

#[test]
fn yaml_itself() {
    check("mode: enforce\nmode: observe", &["at `mode`: `mode` is written twice", "the first is on line 3"]);
    check("plans: &a {}", &["an anchor (`&name`) is not read here"]);
    check("plans: !x {}", &["a tag (`!name`) is not read here"]);
    check(&api("routes:\n  - * /admin/**: {}"), &["this is not YAML", "begins with `*`"]);
    check("plans: {\n", &["this is not YAML"]);
    check("plans:\n\t- a", &["this is not YAML"]);
    check("mode: observe\n---\nmode: observe", &["a second document"]);
    check("? [a, b]\n: c\n", &["a key must be a plain text"]);
    let deep = format!("plans: {}{}", "[".repeat(80), "]".repeat(80));
    check(&deep, &["more than 64 levels"]);
    check(&api("keep_override_headers: yes"), &["`keep_override_headers` can't be `yes`", "write `true` or `false`"]);
    check(&api("keep_override_headers: \"true\""), &["write `true` or `false`"]);
}

#[test]
fn places_are_right_beside_characters_of_several_bytes_and_crlf() {
    check(
        "# h\u{f6}h\u{f6} \u{1f980}\r\nmode: \"\u{fc}\"\r\nworkers: 1",
        &["at `\"\u{fc}\"`: `mode` can't be `\u{fc}`"],
    );
}

#[test]
fn the_top_level() {
    check("", &[]);
    check("version: 2", &["`version` can't be `2`", "write `version: 1`"]);
    check("# version:", &["`version` is missing in the file"]);
    check("mode: watch", &["`mode` can't be `watch`", "write `enforce` or `observe`"]);
    check("mode: obsrve", &["did you mean `observe`?"]);
    check("workers: 0", &["`workers` can't be `0`", "from 1 to 1024"]);
    check("limits: [10/s]", &["there is no setting `limits` in the file", "`limits` belongs under `plans.NAME`"]);
    check("ilsten: {}", &["did you mean `listen`?"]);
    check("potato: 1", &["the file takes version, mode, listen"]);
    check("health: 9901", &["`health` can't be `9901`", "write `127.0.0.1:9901` for this machine alone"]);
    check("health: 127.0.0.1:8080", &["`health` can't use 127.0.0.1:8080: `listen` already has 127.0.0.1:8080"]);
    check("key_brand: Acme", &["`key_brand` can't be `Acme`"]);
    check("data_dir:", &["`data_dir` has no value"]);
    check("apis: {}", &["`apis` is empty"]);
    check("apis: []", &["`apis` can't be a list"]);
    check("apis: { a b: { upstream: \"http://h\" } }", &["`a b` is not a name"]);
    check("log: { format: text }", &["`format` can't be `text`", "write `json`"]);
    check("log: { access: access.log, rotate: {} }", &[]);
    check("log: { access: access.log, rotate: { size: 1GiB, keep: 100 } }", &[]);
    check("log: { access: access.log, rotate: { size: 1KiB } }", &["`size` can't be `1KiB`", "write `128KiB` or more"]);
    check("log: { access: access.log, rotate: { keep: 101 } }", &["`keep` can't be `101`", "from 1 to 100"]);
    check("log: { rotate: { keep: 3 } }", &["at `rotate`: `rotate` has no effect: the access log is not a file"]);
    check("memory: 64MiB", &[]);
    check("memory: off", &[]);
    check("memory: 1MiB", &["`memory` can't be `1MiB`", "write `64MiB` or more"]);
    check("memory: lots", &["`memory` can't be `lots`", "write a size such as"]);
    check("lockout: on", &["`lockout` can't be `on`", "write `off`"]);
    check("lockout: { failures: 0 }", &["`failures` can't be `0`"]);
    check("trusted_proxies: { header: forwarded }", &["`ips` is missing in `trusted_proxies`"]);
    check("trusted_proxies: { ips: [0.0.0.0/0] }", &["warning at `ips`: `0.0.0.0/0` believes anybody"]);
    let balanced = "listen: { address: 127.0.0.1:8080, proxy_protocol: true }";
    check(balanced, &["`proxy_protocol` is believed from `trusted_proxies` alone, and there are none"]);
    check(&format!("{balanced}\ntrusted_proxies: {{ ips: [10.1.2.3] }}"), &[]);
    check("listen: { address: 127.0.0.1:8080, proxy_protocol: v2 }", &["`proxy_protocol` can't be `v2`"]);
    check("admin: { address: 0.0.0.0:8081 }", &["needs `tls`"]);
    check("admin: { address: 127.0.0.1:8081 }", &[]);
    check("drain: { delay: 0s, timeout: 1h }", &[]);
    check("drain: { timeout: 2h }", &["`timeout` can't be `2h`", "at most an hour"]);
    check("drain: 30s", &["`drain` is a mapping", "write `{ delay: …, timeout: … }`"]);
}

#[test]
fn defaults_are_safe() {
    let config = config("");
    let api = &config.apis[0];
    assert_eq!(api.guards.access, Some(callgate_config::Access::KEY));
    assert_eq!((api.path.as_str(), api.keys.bearer, api.keys.query.is_none()), ("/", true, true));
    assert_eq!(config.lockout.map(|lockout| lockout.failures), Some(20));
    assert_eq!((config.health, config.admin.is_none(), config.key_brand.as_str()), (None, true, "cg"));
    assert_eq!(config.data_dir, Path::new("/nowhere/callgate-data"));
}

#[test]
fn client_certificates() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["cert.pem", "key.pem", "ca.pem"] {
        std::fs::write(folder.path().join(name), "-").unwrap();
    }
    let check = |asked: &str, authorities: &str, access: &str, expect: &str| {
        let text = format!(
            "version: 1\nlisten: {{ address: 127.0.0.1:8443, tls: {{ certificate: cert.pem, key: key.pem }}{asked} }}\n\
             {authorities}\napis: {{ shop: {{ upstream: \"http://127.0.0.1:9000\", access: {access} }} }}\n"
        );
        let report = match parse(&text, folder.path(), &environment) {
            Ok(loaded) => loaded.report,
            Err(report) => *report,
        };
        let said: Vec<_> = report.diagnostics.iter().map(|one| one.message.as_str()).collect();
        assert_eq!(said.join(" | "), expect, "{text}{report}");
    };
    let (asked, caller) = (", client_certificates: partners", "{ name: a.example.com, consumer: ada }");
    let with = |callers: &str| format!("authorities: {{ partners: {{ ca: ca.pem, callers: {callers} }} }}");
    let good = with(caller);
    check(asked, &good, "certificate", "");
    check(asked, &good, "[certificate, key]", "");
    check(asked, &good, "{ all: [certificate, key] }", "");
    check(asked, &with("{ name: \"spiffe://a/b\", consumer: ada, scopes: [x] }"), "certificate", "");
    check(asked, &good, "key", "`client_certificates` has no effect: no `access` takes a certificate");
    check("", "", "certificate", "`shop` takes certificates, and no listener asks for any");
    let unused = "`partners` has no effect: no listener asks for its certificates";
    check("", &good, "key", unused);
    check(", client_certificates: others", &good, "certificate", &format!("there is no authority `others` | {unused}"));
    check(asked, &with(&format!("[{caller}, {caller}]")), "certificate", "`a.example.com` is there twice");
    for name in ["\"*.example.com\"", "\"CN=a\"", "\"a b:c\"", "\"spiffe:\"", "\"http://a b\""] {
        let expect = format!("`name` can't be `{}`", name.trim_matches('"'));
        check(asked, &with(&format!("{{ name: {name}, consumer: ada }}")), "certificate", &expect);
    }
    check(asked, &with("{ name: a.example.com, consumer: a b }"), "certificate", "`consumer` can't be `a b`");
    check(
        asked,
        &with("{ name: a.example.com }"),
        "certificate",
        "`consumer` is missing in `authorities.partners.callers[]`",
    );
    let keys = "certificate, keys: { query: k }";
    check(asked, &good, keys, "`keys` has no effect: no `access` here takes a key");
}

#[test]
fn listeners() {
    check("listen: []", &["`listen` is an empty list"]);
    for (written, address) in [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("0.0.0.0:80", "0.0.0.0:80"),
        ("\"[::1]:81\"", "\"[::1]:81\""),
        ("8082", "127.0.0.1:8082"),
        ("localhost:http", "127.0.0.1:8080"),
    ] {
        check(&format!("listen: {written}"), &[&format!("| write `{{ address: {address} }}`")]);
        check(&format!("listen: [{written}]"), &[&format!("| write `{{ address: {address} }}`")]);
    }
    check("listen: { address: \"localhost:http\" }", &["instead of its name: `127.0.0.1:8080`"]);
    check("listen: { address: \"localhost:81\" }", &["instead of its name: `127.0.0.1:81`"]);
    check("listen: [{ address: 127.0.0.1:0 }, { address: 127.0.0.1:0 }]", &[]);
    check("listen: [{ address: 127.0.0.1:80 }, { address: 0.0.0.0:80 }]", &["`listen` can't use 0.0.0.0:80"]);
    check("listen: { cleartext: allow }", &["`address` is missing in `listen[]`"]);
    check("listen: { address: \":8080\" }", &["or `0.0.0.0:8080` for all addresses"]);
    check("listen: { address: 127.0.0.1:80, cleartext: true }", &["`cleartext` can't be `true`", "`local` or `allow`"]);
    check("listen: { address: 127.0.0.1:80, redirect: { https: 443 } }", &["every listener redirects"]);
    check(
        "listen: [{ address: 127.0.0.1:80, redirect: https }, { address: 127.0.0.1:81 }]",
        &["no listener has `tls`", "`redirect: { https: 443 }`"],
    );
    check(
        "listen: [{ address: 127.0.0.1:80, redirect: { https: 443 }, cleartext: allow }, { address: 127.0.0.1:81 }]",
        &["`cleartext` has no effect"],
    );
    check("listen: { address: 127.0.0.1:80, ip: {} }", &["`ip` says nothing"]);
    let tls = |text: &str| said(&format!("listen: {{ address: 127.0.0.1:80, tls: {{ {text} }} }}"));
    let missing = tls("certificate: a.pem, key: /dev/null");
    assert!(
        missing.contains("`a.pem` is not readable: there is no such file | looked for /nowhere/a.pem"),
        "{missing}"
    );
    assert!(missing.contains("`/dev/null` is not a file"), "{missing}");
    assert!(tls("certificate: /dev/null").contains("`key` is missing in `listen[].tls`"));
}

#[test]
fn plans() {
    let plan = |text: &str| format!("plans: {{ free: {{ {text} }} }}");
    check(&plan("limits: [10/s, 5/s per key], quota: 1000/day, concurrent: 5"), &[]);
    check(&plan("limits: 10/s, quota: [1000/day, 10k/month]"), &[]);
    check("plans:\n  free:\n    limits:\n      - login: 5/min\n      - 10/s", &[]);
    check(&plan("limits: [10/s per ip]"), &["can't be per ip", "move this limit to the API"]);
    check(&plan("limits: [10/s per route]"), &["can't be per route"]);
    check(&plan("limits: [10/s per header:x]"), &["can't be per header:x"]);
    check(&plan("limits: [10/s, 10/s]"), &["two limits here are called `10-s-consumer`"]);
    check(&plan("quota: [10/day, 10/day per key]"), &["two quotas of this plan are called `10-day`"]);
    check(&plan("quota: 10/s"), &["`10/s` is not a quota"]);
    check(&plan("limits: [10/week]"), &["`10/week` is not a limit", "`/week` is not a period"]);
    check(&plan("mode: observe"), &["`mode` has no effect on a plan without limits"]);
    check(&plan("concurrent: 0"), &["`concurrent` can't be `0`"]);
}

#[test]
fn where_an_api_is() {
    let two = |one: &str, other: &str| {
        format!("apis: {{ a: {{ upstream: \"http://h\", {one} }}, b: {{ upstream: \"http://h\", {other} }} }}")
    };
    check(&two("path: /x", "path: /y"), &[]);
    check(&two("path: /x", "path: /x"), &["`b` answers in the same place as `a`: every host, /x"]);
    check(&two("host: A.example", "host: a.example"), &["same place as `a`: a.example/"]);
    check(&two("host: a.example", "path: /"), &[]);
    check_api("path: shop", &["`shop` is not a path prefix", "does not begin with `/`"]);
    check_api("path: /shop/", &["without the slash at the end: `/shop`"]);
    check_api("path: /shop/{id}", &["a prefix has no names"]);
    check_api("path: /a/../b", &["`..` never occurs"]);
    check_api("host: https://a.example", &["write the name alone"]);
    check_api("host: a.example:8080", &["without the port", "`a.example`"]);
    check_api("host: \"a.*.example\"", &["one whole label at the beginning"]);
    check_api("host: \"*.example.com\"", &[]);
    check_api("host: b\u{fc}cher.example", &["Punycode"]);
    check_api("public_url: shop.example", &["write the scheme too"]);
}

#[test]
fn upstreams() {
    check("apis: { a: {} }", &["`upstream` is missing in `apis.a`", "`upstream: http://127.0.0.1:9000`"]);
    check_api("upstream: 127.0.0.1:9000", &["write the scheme too: `http://127.0.0.1:9000`"]);
    check_api("upstream: ftp://h", &["`ftp` is not spoken to upstreams"]);
    check_api("upstream: http://u:p@h", &["only scheme, host, port and path"]);
    check_api("upstream: http://h:0", &["`0` is not a port"]);
    check_api("upstream: http://h:99999", &["`99999` is not a port"]);
    check_api("upstream: http://[::1", &["both brackets"]);
    check_api("upstream: http:///x", &["the host is missing"]);
    check_api("upstream: \"http://[::1]:9000/base/\"", &[]);
    check_api("upstream: http://localhost:8080", &["the gate itself, which listens on 127.0.0.1:8080"]);
    check_api("upstream: { servers: [\"http://a\", { url: \"http://b\", weight: 19 }] }", &[]);
    check_api(
        "upstream: { servers: [\"http://a\", \"https://b\"] }",
        &["at `\"https://b\"`", "over TLS and some are not"],
    );
    check_api("upstream: { servers: [\"http://a\", \"http://b/v2\"] }", &["different paths: none and `/v2`"]);
    check_api("upstream: { servers: [\"http://a\", \"http://A:80\"] }", &["`a:80` is in the list twice"]);
    check_api("upstream: { servers: [{ url: \"http://a\", weight: 0 }] }", &["`weight` can't be `0`", "1 to 1000"]);
    check_api("upstream: { servers: [{ weight: 2 }] }", &["`url` is missing in `apis.bookshop.upstream.servers[]`"]);
    check_api("upstream: { servers: [] }", &["`servers` is an empty list"]);
    let many: Vec<String> = (0..=64).map(|number| format!("\"http://s{number}\"")).collect();
    check_api(&format!("upstream: {{ servers: [{}] }}", many.join(", ")), &["has 65 entries", "at most 64"]);
    check_api("upstream: { servers: [\"http://a\", \"http://127.0.0.1:8080\"] }", &["the gate itself"]);
    check_api("upstream: { host: caller }", &["`server` is missing in `apis.bookshop.upstream`"]);
    check_api("upstream: { server: \"http://a\", servers: [\"http://a\"] }", &["say the same"]);
    check_api("upstream: { server: \"https://a\", tls: { ca: x.pem } }", &["`x.pem` is not readable"]);
    check_api("upstream: { server: \"https://a\", tls: { ca: /dev/null } }", &["`/dev/null` is not a file"]);
}

#[test]
fn access_and_keys() {
    check_api("access: [key]", &[]);
    check_api("access: token", &["`bookshop` takes tokens, and there is nobody who issues any", "write `issuer:"]);
    check_api("access: [key, token]", &["at `[key, token]`"]);
    check_api("access: { all: [key, token] }", &["there is nobody who issues any"]);
    check_api("access: { all: [key, public] }", &["`all` needs two or three different credentials, and these are not"]);
    check_api("access: { all: key }", &["write `{ all: [key, token] }`, or one word alone"]);
    check_api("access: [public, key]", &["`public` lets everybody in, so what is beside it has no effect"]);
    check_api("access: [key, key]", &["`access` names something twice"]);
    check_api("access: open", &["`access` can't be `open`", "`key`, `token`, `certificate` or `public`"]);
    check_api("contract: { openapi: a.yaml }", &["does not read `contract` yet"]);
    check_api("access: public\nkeys: { query: k }", &["`keys` has no effect: everything here is public"]);
    check_api("access: public\nkeys: { query: k }\nroutes: [GET /a: { access: key }]", &[]);
    check_api("keys: { header: false, bearer: false }", &["no place left where a key could stand"]);
    check_api("keys: { header: Authorization }", &["`bearer: true` reads"]);
    check_api("keys: { header: \"X Key\" }", &["`X Key` is not a header name"]);
    check_api("keys: { query: true }", &["`query` can't be `true`"]);
    check_api("access: public\nscopes: [a]", &["`scopes` has no effect with `access: public`"]);
    check_api("scopes: [\"a b\"]", &["`a b` is not a scope"]);
    check_api("access: public\nroutes: [GET /a: { scopes: [a] }]", &["`scopes` has no effect on public calls"]);
}

#[test]
fn limits_that_can_never_act() {
    check_api("limits: [10/s per key]", &[]);
    check_api("access: public\nlimits: [10/s per key]", &["a limit per key has no effect on public calls"]);
    check_api("access: public\nlimits: [10/s per key]\nroutes: [GET /a: { access: key }, GET /b: {}]", &[]);
    check_api(
        "routes: [GET /a: { access: public, limits: [1/s per consumer] }]",
        &["a limit per consumer has no effect"],
    );
    check_api("routes: [GET|HEAD /a: { access: public, limits: [1/s per key] }]", &["a limit per key has no effect"]);
    check_api("limits: [10/s per header:X-T]", &["callers choose the value of `x-t`", "`50/s per ip`"]);
    check_api("limits: [10/s per header:X-T, 50/s per ip]", &[]);
    check_api("limits: [50/s per ip]\nroutes: [GET /a: { limits: [1/s per header:x] }]", &[]);
    check_api("routes: [GET /a: { limits: [1/s per header:x] }]", &["bounds nobody"]);
    check_api("limits: [10/s per route]", &["a limit per route belongs to a route"]);
    check_api("routes: [GET /a: { limits: [1/s per api] }]", &["a limit per api belongs to the API"]);
    check_api("limits: [10/s per user]", &["needs access tokens"]);
    check_api("limits: {a: 10/s}", &[]);
    check_api("limits: {a: 10/s, b: 20/s}", &["`limits` is a list of texts"]);
}

#[test]
fn guards() {
    check_api("ip: { allow: [10.0.0.1/8] }", &["write `10.0.0.0/8` for the network"]);
    check_api("ip: { allow: [example.com] }", &["`example.com` is not an address or network"]);
    check_api("ip: { allow: 10.1.2.3, deny: [10.0.0.0/8] }", &["`deny` takes back with 10.0.0.0/8"]);
    check_api(
        "ip: { allow: [10.0.0.0/8] }\nroutes: [GET /a: { ip: { allow: 192.168.0.1 } }]",
        &["nobody can call this route"],
    );
    check_api("ip: { allow: [10.0.0.0/8] }\nroutes: [GET /a: { ip: { allow: 10.9.0.0/16 } }]", &[]);
    check_api("accepts: [json]", &["`json` is not a media type"]);
    check_api("accepts: [\"application/json; charset=utf-8\"]", &["has parameters"]);
    check_api("accepts: [\"*/json\"]", &["is not a media type"]);
    check_api("accepts: [application/*+json, text/*, \"*/*\"]", &[]);
    check_api("accepts: []", &["`accepts` is an empty list"]);
    check_api("accepts: [text/plain]\nwell_formed: true", &["`well_formed` has no effect"]);
    check_api("timeout: 0s", &["`timeout` can't be zero"]);
    check_api("timeout: 10", &["`timeout` can't be `10`", "write a duration such as"]);
    check_api("timeout: 10s\ntotal: 5s", &["`timeout` has no effect: `total` ends the call before it"]);
    check_api("total: off", &[]);
    check_api("body_max: 1 potato", &["write a size such as"]);
    check_api("observe: [limits]", &["there is no `limits` here to observe"]);
    check_api("observe: [limits, ip]\nlimits: 10/s\nip: { deny: 10.6.6.6 }", &[]);
    check_api("observe: [body_max, unlisted]", &[]);
    check_api("observe: access\nmode: observe", &["`observe` has no effect beside `mode: observe`"]);
    check_api("routes: [GET /a: { observe: unlisted }]", &["a rule of the API, not of a route"]);
    check_api("observe: [limts]\nlimits: 10/s", &["did you mean `limits`?"]);
    check_api("unlisted: refuse", &["`unlisted` has no effect without `routes`"]);
    check_api("unlisted: forward\nroutes: [\"* /**\": {}]", &["`unlisted` has no effect beside the route `* /**`"]);
}

#[test]
fn headers_and_cors() {
    check_api("headers: { request: { set: { X-A: env:UPSTREAM_TOKEN } } }", &[]);
    check_api(
        "headers: { request: { set: { X-A: env:NOT_THERE } } }",
        &["at `env:NOT_THERE`: the environment has no `NOT_THERE`"],
    );
    check_api("headers: { request: { set: { X-A: env:BROKEN } } }", &["can't be sent in a header"]);
    check_api("headers: { request: { set: { X-A: file:none.txt } } }", &["`none.txt` is not readable"]);
    check_api("headers: { request: { set: { X-A: 7, X-B: true } } }", &[]);
    check_api("headers: { request: { set: { X-A: } } }", &["`X-A` can't be nothing"]);
    check_api("headers: { request: { set: { X-A: a, x-a: b } } }", &["`x-a` is written twice"]);
    check_api("headers: { request: { set: { X-A: a }, remove: [x-a] } }", &["`x-a` is both set and removed"]);
    check_api("headers: { request: { set: { Host: a } } }", &["`host` can't be changed by hand", "host: caller"]);
    check_api(
        "headers: { response: { remove: [Transfer-Encoding] } }",
        &["`transfer-encoding` can't be changed by hand"],
    );
    check_api("headers: { request: { set: { Callgate-Consumer: a } } }", &["`callgate-consumer` belongs to the gate"]);
    check_api("headers: { request: { remove: [\"a b\"] } }", &["`a b` is not a header name"]);
    check_api("headers: { set: { A: b } }", &["there is no setting `set` in `headers`", "belongs under"]);
    check_api("cors: { origins: [shop.example] }", &["write the scheme too: `https://shop.example`"]);
    check_api("cors: { origins: [\"https://shop.example/\"] }", &["browsers send it as `https://shop.example`"]);
    check_api("cors: { origins: [\"https://shop.example:443\"] }", &["leave the default port out"]);
    check_api("cors: { origins: [\"https://*.example\"] }", &["each one named"]);
    check_api("cors: { origins: \"null\" }", &["sandboxed pages"]);
    check_api("cors: { origins: [\"*\", \"https://a.example\"] }", &["the others have no effect"]);
    check_api("cors: { origins: \"*\", credentials: true }", &["can't go with every origin"]);
    check_api("cors: {}", &["`origins` is missing in `cors`"]);
    check_api("cors: { origins: \"*\" }\nkeys: { query: k }", &["warning at `cors`", "any page"]);
}

#[test]
fn routes() {
    let routes = |text: &str| format!("routes: [{text}]");
    check_api("routes:\n  - GET /a\n  - POST /orders/{id}:\n      scopes: [a]\n  - \"* /admin/**\": {}", &[]);
    check_api("routes:\n  GET /a: {}", &["`routes` can't be a mapping", "write a list"]);
    check_api("routes:\n  - GET /a: {}\n    access: public", &["`access` stands beside the route instead of in it"]);
    check_api(&routes("/a: {}"), &["write the method before it: `GET /a`"]);
    check_api(&routes("get /a: {}"), &["write `GET`"]);
    check_api(&routes("TRACE /a: {}"), &["TRACE is never forwarded"]);
    check_api(&routes("GET|* /a: {}"), &["the others have no effect"]);
    check_api(&routes("GET a: {}"), &["does not begin with `/`"]);
    check_api(&routes("\"GET /a/**/b\": {}"), &["`**` has a `*` in a segment"]);
    check_api(&routes("\"GET /a/v{x}\": {}"), &["a name stands for a whole segment"]);
    check_api(&routes("\"GET /a/{x}\": {}, \"GET /a/{y}\": {}"), &["match the same calls"]);
    check_api(&routes("\"GET|HEAD /a\": {}, \"HEAD /a\": {}"), &["match the same calls"]);
    check_api(&routes("\"* /a\": {}, \"GET /a\": {}, \"GET /a/**\": {}, \"GET /a/\": {}"), &[]);
    check_api(&routes("\"GET /a;b\": {}"), &["paths with `;` are refused"]);
    check_api("paths: { semicolons: allow }\nroutes: [\"GET /a;b\": {}]", &[]);
    check_api(&routes("\"GET /a%2fb\": {}"), &["paths with `%2F` or `%5C` are refused"]);
    check_api(
        "path: /shop\nroutes: [GET /shop/a: {}]",
        &["warning", "callers find this route at `/shop/shop/a`", "write `/a`"],
    );
    check_api(&routes("\"GET /a/{x}\": { rewrite: \"/b/{x}\" }"), &[]);
    check_api(&routes("\"GET /a/{x}\": { rewrite: \"/b/{y}\" }"), &["the route has no `{y}`"]);
    check_api(&routes("\"GET /a\": { rewrite: \"/b/{**}\" }"), &["this route has none"]);
    check_api(&routes("GET /a: { respond: { status: 308 } }"), &["a 308 needs a `Location`"]);
    check_api(&routes("GET /a: { respond: { status: 204, body: x } }"), &["a 204 has no body"]);
    check_api(&routes("GET /a: { respond: { status: 100 } }"), &["`status` can't be `100`"]);
    check_api(&routes("GET /a: { respond: {}, rewrite: /b }"), &["`rewrite` has no effect beside `respond`"]);
    check_api(
        &routes("GET /a: { upstream: \"http://x\" }"),
        &["there is no setting `upstream`", "belongs under `apis.bookshop`"],
    );
    check_api("routes: []", &["`routes` is an empty list"]);
    check_api("paths: { semicolons: true }", &["`refuse` or `allow`"]);
}

#[test]
fn a_secret_is_resolved_and_never_printed() {
    let config = config(&api("headers: { request: { set: { Authorization: env:UPSTREAM_TOKEN } } }"));
    let (name, value) = &config.apis[0].guards.headers.request_set[0];
    assert_eq!((name.as_str(), value.expose()), ("authorization", "s3cret"));
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn several_methods_become_several_routes() {
    let config = config(&api("routes: [\"GET|HEAD /a/{x}/**\": {}]"));
    let methods: Vec<_> = config.apis[0].routes.iter().map(|route| route.method.as_deref()).collect();
    assert_eq!(methods, [Some("GET"), Some("HEAD")]);
}

#[test]
fn a_protocol_fits_its_server() {
    check(&api("upstream: { server: \"http://127.0.0.1:9000\", protocol: http2 }"), &[]);
    let http2 = |scheme: &str, lines: &str| {
        api(&format!("upstream: {{ server: \"{scheme}://127.0.0.1:9000\", protocol: http2 }}\n{lines}"))
    };
    let no_effect = "at `websocket`: `websocket` has no effect with `protocol: http2`";
    check(&http2("http", "websocket: allow"), &[no_effect, "an API of their own, with `protocol: http1`"]);
    check(&http2("https", "routes: [GET /a: { websocket: { idle: 1m } }]"), &[no_effect, "write `protocol: auto`"]);
    check(&http2("http", "websocket: refuse"), &[]);
    check(&api("upstream: { server: \"https://books.example.com\", protocol: auto }"), &[]);
    check(
        &api("upstream: { server: \"http://127.0.0.1:9000\", protocol: auto }"),
        &["error at `protocol`", "agreed on in the TLS handshake", "write `http1` or `http2`"],
    );
    check(
        &api("upstream: { server: \"http://127.0.0.1:9000\", protocol: h2 }"),
        &["error at `h2`", "`protocol` can't be `h2`", "`http1`, `http2` or `auto`"],
    );
}
