//! The table of settings, what is made from it, and the reader: none may drift from the others.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests stop the test")]

use std::path::{Path, PathBuf};

use callgate_config::settings::{Kind, ROOT, Section, Setting};
use callgate_config::{parse, reference, schema, write};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a committed file with what it is made from; with CALLGATE_UPDATE=1, writes it.
#[track_caller]
fn check_generated(path: &str, expect: &str) {
    let path = repository().join(path);
    if std::env::var_os("CALLGATE_UPDATE").is_some() {
        std::fs::write(&path, expect).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == expect, "{} is stale: run CALLGATE_UPDATE=1 cargo test -p callgate-config", path.display());
}

#[test]
fn the_schema_is_current() {
    check_generated("docs/callgate.schema.json", &format!("{:#}\n", schema::schema()));
}

#[test]
fn the_reference_is_current() {
    check_generated("docs/configuration.md", &reference::reference());
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("tls")).unwrap();
    for name in ["cert.pem", "key.pem", "ca.pem", "partners.pem", "gate.pem", "gate.key"] {
        std::fs::write(folder.path().join("tls").join(name), "-").unwrap();
    }
    folder
}

fn environment(name: &str) -> Option<String> {
    (name == "UPSTREAM_TOKEN").then(|| "Bearer x".to_owned())
}

/// A file in which certificates of callers are asked for, known and needed; the rest stands as it is given.
fn file_with_certificates(own: &str, setting: &Setting, section: &Section) -> Option<String> {
    let caller = match (section.name, setting.name) {
        ("certificate_caller", "name") => format!("{own}, consumer: ada"),
        ("certificate_caller", "consumer") => format!("name: a.example, {own}"),
        ("certificate_caller", _) => format!("name: a.example, consumer: ada, {own}"),
        _ => "name: a.example, consumer: ada".to_owned(),
    };
    let authority = match (section.name, setting.name) {
        ("authority", "ca") => format!("{own}, callers: {{ {caller} }}"),
        ("authority", _) => format!("ca: tls/ca.pem, {own}"),
        _ => format!("ca: tls/ca.pem, callers: {{ {caller} }}"),
    };
    let authorities = match setting.name {
        "authorities" => own.to_owned(),
        _ => format!("authorities: {{ partners: {{ {authority} }} }}"),
    };
    let access = if section.name == "access_all" { format!("{{ {own} }}") } else { "certificate".to_owned() };
    let is_about_them = matches!(section.name, "authority" | "certificate_caller" | "access_all")
        || matches!(setting.name, "authorities" | "client_certificates");
    let tls = "tls: { certificate: tls/cert.pem, key: tls/key.pem }, client_certificates: partners";
    is_about_them.then(|| {
        format!(
            "version: 1\nlisten: {{ address: 127.0.0.1:8001, {tls} }}\n{authorities}\n\
             apis: {{ bookshop: {{ upstream: \"http://127.0.0.1:9000\", access: {access} }} }}\n"
        )
    })
}

/// Somebody who issues tokens.
const ISSUER: &str = "issuer: { url: \"http://127.0.0.1:8080\" }";

/// A file in which tokens of another issuer count.
fn file_with_issuers(own: &str, setting: &Setting, section: &Section) -> Option<String> {
    const NAMED: &str = "https://id.example.org";
    let top = match (section.name, setting.name) {
        ("callgate", "issuers") => own.to_owned(),
        ("known_issuer", "url") => format!("issuers: {{ {own} }}"),
        ("known_issuer", _) => format!("issuers: {{ url: \"{NAMED}\", {own} }}"),
        _ => String::new(),
    };
    let tokens = match (section.name, setting.name) {
        ("callgate", "issuers") => {
            format!("issuers: [\"{NAMED}\", \"https://login.example.com/realms/shop\"], audience: shop")
        }
        ("known_issuer", _) => format!("issuers: \"{NAMED}\", audience: shop"),
        ("tokens", "issuers") => format!("{own}, audience: \"https://api.example.com\""),
        ("tokens", "consumer") => format!("issuers: \"{NAMED}\", audience: shop, {own}"),
        ("tokens_consumer", _) => format!("issuers: \"{NAMED}\", audience: shop, consumer: {{ {own} }}"),
        _ => return None,
    };
    Some(format!(
        "version: 1\nlisten: {{ address: 127.0.0.1:8001 }}\nissuer: {{ url: \"http://127.0.0.1:8001\" }}\n{top}\n\
         apis: {{ bookshop: {{ path: /shop, upstream: \"http://127.0.0.1:9000\", access: token, tokens: {{ {tokens} }} }} }}\n"
    ))
}

/// A whole file with this text as the value of a section that `path` leads to.
fn file_with(section: &Section, setting: &Setting) -> String {
    let own = format!("{}: {}", setting.name, setting.example);
    let rest = |known: &[(&str, &str)]| -> String {
        known
            .iter()
            .filter(|(name, _)| *name != setting.name)
            .map(|(name, value)| format!(", {name}: {value}"))
            .collect()
    };
    if let Some(whole) = file_with_certificates(&own, setting, section) {
        return whole;
    }
    if let Some(whole) = file_with_issuers(&own, setting, section) {
        return whole;
    }
    let pem = [("certificate", "tls/cert.pem"), ("key", "tls/key.pem")];
    let beside = match setting.name {
        "observe" => ", limits: 10/s",
        "unlisted" => ", routes: [GET /a]",
        _ => "",
    };
    let (listen, api, top) = match section.name {
        "callgate" => (String::new(), String::new(), own),
        "listener" if setting.name == "redirect" => {
            (format!("{{ address: 127.0.0.1:8001, {own} }}"), String::new(), String::new())
        }
        "listener" if setting.name == "proxy_protocol" => {
            let top = "trusted_proxies: { ips: [10.1.2.3] }".to_owned();
            (format!("{{ address: 127.0.0.1:8001, {own} }}"), String::new(), top)
        }
        "listener" => (format!("{{ {own}{} }}", rest(&[("address", "127.0.0.1:8001")])), String::new(), String::new()),
        "certificate" => {
            (format!("{{ address: 127.0.0.1:8001, tls: {{ {own}{} }} }}", rest(&pem)), String::new(), String::new())
        }
        "redirect" => (format!("{{ address: 127.0.0.1:8001, redirect: {{ {own} }} }}"), String::new(), String::new()),
        "trusted_proxies" => {
            (String::new(), String::new(), format!("trusted_proxies: {{ {own}{} }}", rest(&[("ips", "10.1.2.3")])))
        }
        "log" if setting.name == "rotate" => {
            (String::new(), String::new(), format!("log: {{ access: access.log, {own} }}"))
        }
        "rotate" => (String::new(), String::new(), format!("log: {{ access: access.log, rotate: {{ {own} }} }}")),
        "log" | "lockout" | "drain" => (String::new(), String::new(), format!("{}: {{ {own} }}", section.name)),
        "issuer" => {
            let url = rest(&[("url", "\"http://127.0.0.1:8080\"")]);
            (String::new(), "path: /shop".to_owned(), format!("issuer: {{ {own}{url} }}"))
        }
        "tokens" => (String::new(), format!("path: /shop, access: token, tokens: {{ {own} }}"), ISSUER.to_owned()),
        "admin" => {
            (String::new(), String::new(), format!("admin: {{ {own}{} }}", rest(&[("address", "127.0.0.1:8081")])))
        }
        "plan" if setting.name == "mode" => {
            (String::new(), String::new(), format!("plans: {{ p: {{ {own}, limits: 10/s }} }}"))
        }
        "plan" => (String::new(), String::new(), format!("plans: {{ p: {{ {own} }} }}")),
        "api" if setting.name == "tokens" => {
            (String::new(), format!("path: /shop, access: token, {own}"), ISSUER.to_owned())
        }
        "api" => (String::new(), format!("{own}{beside}"), String::new()),
        "route" => {
            let path = if setting.name == "rewrite" { "/**" } else { "/a" };
            (String::new(), format!("routes: [\"GET {path}\": {{ {own}{beside} }}]"), String::new())
        }
        "upstream" => {
            let server = if setting.name.starts_with("server") { "" } else { ", server: \"https://h\"" };
            (String::new(), format!("upstream: {{ {own}{server} }}"), String::new())
        }
        "upstream_server" => {
            let own = format!("{own}{}", rest(&[("url", "\"http://h\"")]));
            (String::new(), format!("upstream: {{ servers: [{{ {own} }}, \"http://i\"] }}"), String::new())
        }
        "upstream_tls" => {
            let pair = [("certificate", "tls/gate.pem"), ("key", "tls/gate.key")];
            let own = if setting.name == "ca" { own } else { own + &rest(&pair) };
            (String::new(), format!("upstream: {{ server: \"https://h\", tls: {{ {own} }} }}"), String::new())
        }
        "upstream_health" => {
            let own = if setting.name == "path" { own } else { own + &rest(&[("path", "/healthz")]) };
            (String::new(), format!("upstream: {{ server: \"http://h\", health: {{ {own} }} }}"), String::new())
        }
        "keys" | "ip" | "paths" | "websocket" => {
            (String::new(), format!("{}: {{ {own} }}", section.name), String::new())
        }
        "headers" => (String::new(), format!("headers: {{ {own} }}"), String::new()),
        "cors" => (
            String::new(),
            format!("cors: {{ {own}{} }}", rest(&[("origins", "\"https://a.example\"")])),
            String::new(),
        ),
        "header_changes" => (String::new(), format!("headers: {{ request: {{ {own} }} }}"), String::new()),
        "respond" => {
            let location = if setting.name == "status" { ", headers: { Location: / }" } else { "" };
            (String::new(), format!("routes: [GET /a: {{ respond: {{ {own}{location} }} }}]"), String::new())
        }
        other => panic!("say here where a `{other}` stands"),
    };
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        if !top.starts_with(&format!("{name}:")) {
            text.push_str(&format!("{name}: {value}\n"));
        }
    };
    line("version", "1".to_owned());
    let more = if listen.is_empty() { String::new() } else { format!(", {listen}") };
    line("listen", format!("[{{ address: 127.0.0.1:8000 }}{more}]"));
    let upstream = if api.starts_with("upstream") { "" } else { "upstream: \"http://127.0.0.1:9000\", " };
    line("apis", format!("{{ bookshop: {{ {upstream}{api} }} }}"));
    text + &top + "\n"
}

/// Every example of the reference is read, without a word.
#[test]
fn every_example_is_read() {
    let folder = folder();
    let mut count = 0;
    for section in ROOT.below() {
        for setting in section.settings() {
            let text = file_with(section, setting);
            match parse(&text, folder.path(), &environment) {
                Ok(loaded) => assert!(loaded.report.diagnostics.is_empty(), "{text}\n{}", loaded.report),
                Err(report) => panic!("{}.{}\n{text}\n{report}", section.name, setting.name),
            }
            count += 1;
        }
    }
    assert!(count > 70, "{count} settings");
}

/// Every word that the table offers is one that the reader takes.
#[test]
fn every_word_of_a_choice_is_read() {
    for section in ROOT.below() {
        for setting in section.settings().filter(|setting| setting.name != "observe") {
            for word in words(&setting.kind) {
                // The example is replaced by the word; everything around it stays.
                let setting = Setting { example: word, ..*setting };
                let text = file_with(section, &setting);
                let folder = folder();
                if let Err(report) = parse(&text, folder.path(), &environment) {
                    let unknown = report.diagnostics.iter().any(|one| one.message.contains("can't be"));
                    assert!(!unknown, "{}.{}: {word}\n{report}", section.name, setting.name);
                }
            }
        }
    }
}

fn words(kind: &Kind) -> Vec<&'static str> {
    match kind {
        Kind::Choice(words) => words.to_vec(),
        Kind::Many(kind) => words(kind),
        Kind::Either(kinds) => kinds.iter().flat_map(words).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_setting_is_told() {
    for section in ROOT.below() {
        assert!(section.doc.ends_with('.'), "{}", section.name);
        for setting in section.settings() {
            let told = setting.doc.ends_with('.') && !setting.example.is_empty();
            assert!(told, "{}.{} has no sentence or no example", section.name, setting.name);
        }
    }
}

#[test]
fn what_we_write_is_what_we_read() {
    let minimal = write::Minimal {
        api: "app".to_owned(),
        upstream: "http://localhost:3000".to_owned(),
        listen: "127.0.0.1:8080".parse().unwrap(),
        data_dir: "./callgate-data".to_owned(),
        log: None,
        limits: vec!["50/s burst 100 per ip".to_owned(), "login: 20/s per key".to_owned()],
        plan: Some(("default".to_owned(), vec!["20/s".to_owned()])),
        observe: true,
    };
    insta::assert_snapshot!(write::minimal(&minimal), @r#"
    # What `callgate guard` did, as a file. Check it: callgate check. Serve it: callgate serve
    version: 1
    mode: observe    # nothing is refused, only recorded as "would refuse"; remove this line to enforce
    listen: { address: 127.0.0.1:8080 }
    data_dir: ./callgate-data    # keys, counters, records

    # A consumer is on a plan; its limits count all keys of the consumer together unless they say `per key`.
    plans:
      default: { limits: [20/s] }

    apis:
      app:
        upstream: http://localhost:3000
        access: key          # `public` lets everybody call
        limits: [50/s burst 100 per ip, "login: 20/s per key"]
        # routes:            # without routes, every path is forwarded
        #   - GET /health: { access: public }
    "#);
    for text in [
        write::minimal(&minimal),
        write::starter("http://[::1]:3000/x"),
        write::starter("http://localhost:8080"),
        write::SMALLEST.to_owned(),
    ] {
        match parse(&text, Path::new("/nowhere"), &|_| None) {
            Ok(loaded) => assert!(loaded.report.diagnostics.is_empty(), "{text}\n{}", loaded.report),
            Err(report) => panic!("{text}\n{report}"),
        }
    }
}

/// With the values of `callgate guard http://localhost:3000` (`crates/callgate/src/command/guard.rs`).
#[test]
fn the_example_of_guard_is_what_guard_saves() {
    let guard = write::Minimal {
        api: "upstream".to_owned(),
        upstream: "http://localhost:3000".to_owned(),
        listen: "127.0.0.1:8080".parse().unwrap(),
        data_dir: "./callgate-data".to_owned(),
        log: Some("./callgate-data/access.log".to_owned()),
        limits: vec!["50/s burst 100 per ip".to_owned(), "20/s burst 40 per key".to_owned()],
        plan: None,
        observe: false,
    };
    check_generated("examples/guard.yaml", &write::minimal(&guard));
}

/// The committed examples, with the certificates that one of them asks for.
#[test]
fn the_examples_load() {
    let folder = folder();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(repository().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            match parse(&text, folder.path(), &|_| None) {
                Ok(loaded) => assert!(loaded.report.diagnostics.is_empty(), "{}\n{}", path.display(), loaded.report),
                Err(report) => panic!("{}\n{report}", path.display()),
            }
            names.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    for name in ["bookshop.yaml", "guard.yaml", "tls.yaml", "two-apis.yaml"] {
        assert!(names.iter().any(|found| found == name), "{name} is missing");
    }
}
