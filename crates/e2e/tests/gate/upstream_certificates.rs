//! Upstreams with TLS: whom the gate shows which certificate, and what of that outlives a reload.

use std::fs;
use std::path::Path;

use callgate_testkit::{Authority, Certificate, Haproxy, Nginx, ScriptedUpstream, TestGate, tools, wait_for};
use tempfile::TempDir;

use crate::setup::{api, check, gate_yaml};

/// An nginx with a certificate of this authority, and with these lines.
fn nginx(authority: &Authority, lines: &str) -> Nginx {
    let folder = tempfile::tempdir().unwrap();
    let _ = authority.write(folder.path());
    authority.certificate(&["localhost"]).write(folder.path(), "leaf");
    let server = "ssl_certificate FOLDER/leaf.pem; ssl_certificate_key FOLDER/leaf.key;";
    Nginx::start_in(folder, &format!("listen 127.0.0.1:PORT ssl; {server} {lines}"))
}

/// A file of one worker, with one public API before this server.
fn yaml(port: u16, tls: &str, lines: &str) -> String {
    let upstream = format!("{{ server: \"https://localhost:{port}\", idle: 60s, tls: {{ {tls} }} }}");
    let api = api("shop", &upstream, &format!("access: public\n{lines}"));
    gate_yaml("health: 127.0.0.1:0\n", &api).replace("workers: 2", "workers: 1")
}

/// Puts files in place as tools for renewal do: written beside, and moved over.
fn replace(folder: &Path, file: &str, content: &str) {
    fs::write(folder.join(".new"), content).unwrap();
    fs::rename(folder.join(".new"), folder.join(file)).unwrap();
}

fn in_folder(authority: &Authority, pairs: &[(&str, &Certificate)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let _ = authority.write(folder.path());
    for (name, pair) in pairs {
        pair.write(folder.path(), name);
    }
    folder
}

#[test]
fn connections_outlive_a_reload_that_leaves_the_files_as_they_were() {
    let authority = Authority::new();
    let nginx = nginx(&authority, "location / { return 200 $connection; }");
    let folder = in_folder(&authority, &[]);
    let yaml = |lines: &str| yaml(nginx.address().port(), "ca: ca.pem", lines);
    let gate = TestGate::start_in(folder, &yaml(""));
    let connection = || check(&gate.call("GET /shop/a"), "200").text();
    let first = connection();
    for number in 1..=3 {
        gate.write(&yaml(&format!("timeout: {number}s")));
        wait_for("the file", || gate.said().matches("taken over").count() >= number);
        assert_eq!(connection(), first, "after {number} reloads");
    }
    // Another authority beside it is another trust: what the old one agreed on serves no calls any more.
    let more = authority.pem() + &Authority::new().pem();
    replace(gate.folder(), "ca.pem", &more);
    wait_for("the file", || gate.said().matches("taken over").count() >= 4);
    assert_ne!(connection(), first);
}

#[test]
fn a_server_sees_the_certificate_and_its_renewal() {
    let authority = Authority::new();
    let lines = "ssl_client_certificate FOLDER/ca.pem; ssl_verify_client on; \
                 location / { return 200 \"$ssl_client_verify $ssl_client_fingerprint\"; }";
    let nginx = nginx(&authority, lines);
    let (first, second) = (authority.client_certificate(&["gate.example"]), authority.client_certificate(&[]));
    let folder = in_folder(&authority, &[("own", &first)]);
    let tls = "ca: ca.pem, certificate: own.pem, key: own.key";
    let gate = TestGate::start_in(folder, &yaml(nginx.address().port(), tls, ""));
    let shown = || check(&gate.call("GET /shop/a"), "200").text();
    let before = shown();
    assert!(before.starts_with("SUCCESS "), "{before}");
    // The certificate is there before its key: the last good pair stays.
    replace(gate.folder(), "own.pem", &second.chain_pem);
    wait_for("word of the half pair", || gate.said().contains("does not fit the certificate"));
    assert!(gate.said().contains("key: own.key"), "with its line: {}", gate.said());
    assert_eq!(shown(), before);
    replace(gate.folder(), "own.key", &second.key_pem);
    wait_for("the renewed certificate", || shown() != before);
    // Not a call more goes over a connection that was agreed on with the old one.
    for _ in 0..10 {
        assert_ne!(shown(), before);
    }
}

#[test]
fn a_server_whose_certificate_does_not_count_is_told_nothing() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let host = &["localhost"];
    let cases = [
        ("ended", authority.certificate_valid(host, -9, -1), "expired"),
        ("early", authority.certificate_valid(host, 1, 9), "not valid yet"),
        ("strange", stranger.certificate(host), "UnknownIssuer"),
        ("nameless", authority.certificate(&[]), "not valid for name"),
        ("client", authority.client_certificate(host), "does not allow extended key usage"),
    ];
    let upstream = ScriptedUpstream::answering("secret");
    let folder = in_folder(&authority, &[]);
    let (mut apis, mut servers) = (String::new(), Vec::new());
    for (name, certificate, _) in &cases {
        let path = folder.path().join(format!("{name}.pem"));
        fs::write(&path, certificate.chain_pem.clone() + &certificate.key_pem).unwrap();
        let server = Haproxy::taking_tls_off(upstream.address(), &format!("crt {}", path.display()));
        let url = format!("https://localhost:{}", server.address().port());
        apis += &api(name, &format!("{{ server: \"{url}\", tls: {{ ca: ca.pem }} }}"), "access: public");
        servers.push(server);
    }
    let gate = TestGate::start_in(folder, &gate_yaml("", &apis));
    for (name, _, why) in cases {
        let refused = check(&gate.call(&format!("GET /{name}/a")), "502 upstream_unreachable");
        let told = gate.run(&["explain", &refused.call_id()]).expect_success().stdout;
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(why), "{name}: {told}");
    }
    assert_eq!(upstream.count(), 0, "nothing of a call was sent");
}

#[test]
fn a_server_that_does_not_take_the_certificate_is_told_apart() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let folder = in_folder(
        &authority,
        &[
            ("good", &authority.client_certificate(&["gate.example"])),
            ("strange", &stranger.client_certificate(&["gate.example"])),
            ("ended", &authority.certificate_valid(&["gate.example"], -9, -1)),
        ],
    );
    let leaf = authority.certificate(&["localhost"]);
    fs::write(folder.path().join("leaf.pem"), leaf.chain_pem + &leaf.key_pem).unwrap();
    let upstream = ScriptedUpstream::answering("secret");
    let here = folder.path().display();
    let tls = format!("crt {here}/leaf.pem ca-file {here}/ca.pem verify required alpn h2,http/1.1");
    let haproxy = Haproxy::taking_tls_off(upstream.address(), &tls);
    let long = |more: &str| {
        let port = haproxy.address().port();
        format!("{{ server: \"https://localhost:{port}\"{more} }}")
    };
    let shown = |name: &str| format!(", tls: {{ ca: ca.pem, certificate: {name}.pem, key: {name}.key }}");
    let apis = api("good", &long(&shown("good")), "access: public")
        + &api("strange", &long(&shown("strange")), "access: public")
        + &api("ended", &long(&shown("ended")), "access: public")
        + &api("none", &long(", tls: { ca: ca.pem }"), "access: public")
        + &api("two", &long(&format!(", protocol: http2{}", shown("strange"))), "access: public");
    let gate = TestGate::start_in(folder, &gate_yaml("", &apis));
    assert_eq!(check(&gate.call("GET /good/a"), "200").text(), "secret");
    for name in ["strange", "ended", "none", "two"] {
        let refused = check(&gate.call(&format!("GET /{name}/a")), "502 upstream_unreachable");
        assert!(!refused.text().contains("secret") && !refused.text().contains("alert"), "{refused}");
        let told = gate.run(&["explain", &refused.call_id()]).expect_success().stdout;
        assert!(told.contains("no TLS connection to the upstream came about"), "{name}: {told}");
        // Over HTTP/2 the first write may fail before the word is read.
        assert!(told.contains("alert") || name == "two", "why, in the server's word: {name}: {told}");
    }
    assert_eq!(upstream.count(), 1);
    assert!(gate.said().contains("warning: the certificate for `gate.example` ended "), "{}", gate.said());
}

#[test]
fn check_shows_what_is_wrong_with_it_at_its_line_and_a_metric_when_it_ends() {
    let authority = Authority::new();
    let (short, other) =
        (authority.certificate_valid(&["gate.example"], -80, 10), authority.certificate(&["a.example"]));
    let folder = in_folder(&authority, &[("own", &short), ("other", &other)]);
    let run = |tls: &str| {
        fs::write(folder.path().join("callgate.yaml"), yaml(9, tls, "")).unwrap();
        tools::shell(folder.path(), &format!("{} check", callgate_testkit::binary().display()))
    };
    let told = run("certificate: own.pem, key: own.key");
    assert!(
        told.code == Some(0) && told.stderr.contains("warning: the certificate for `gate.example` ends "),
        "{told}"
    );
    assert!(told.stderr.contains("certificate: own.pem") && told.stderr.contains("^^^^^^^"), "{told}");
    for (tls, expect) in [
        ("certificate: own.pem, key: other.key", "does not fit the certificate"),
        ("certificate: own.key, key: own.key", "holds no certificate"),
        ("ca: own.key", "holds no certificate"),
        ("certificate: own.pem", "`certificate` without `key` is of no use"),
        ("key: own.key", "`key` without `certificate` is of no use"),
        ("", "`tls` says nothing"),
    ] {
        let told = run(tls);
        assert!(told.code == Some(1) && told.stderr.contains(expect) && told.stderr.contains("^^"), "{tls}: {told}");
    }
    let gate = TestGate::start_in(folder, &yaml(9, "certificate: own.pem, key: own.key", ""));
    let metrics = tools::curl(&[&format!("http://{}/metrics", gate.health())]).stdout;
    let line = metrics.lines().find(|line| line.starts_with("callgate_upstream_certificate_ends_seconds{")).unwrap();
    assert!(line.contains("{api=\"shop\",name=\"gate.example\"} "), "{line}");
    let ends: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert_eq!(((ends - now) / 86_400.0).round(), 10.0);
}
