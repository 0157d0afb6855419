//! TLS and HTTP/2, with clients that others wrote.

use callgate_testkit::{Authority, RawClient, ScriptedUpstream, TestGate, eventually, reply, tools};
use tempfile::TempDir;

use crate::setup::{api, check, gate_yaml, public_shop, shop};

/// A folder with two certificates and the authority that signed them.
fn certificates() -> (TempDir, Authority, String) {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    authority.certificate(&["one.example.com", "localhost", "127.0.0.1"]).write(folder.path(), "one");
    authority.certificate(&["two.example.com", "*.two.example.com"]).write(folder.path(), "two");
    let ca = authority.write(folder.path()).display().to_string();
    (folder, authority, ca)
}

const BOTH: &str = "listen:\n  - { address: 127.0.0.1:0, tls: [{ certificate: one.pem, key: one.key }, { certificate: two.pem, key: two.key }] }\n";

#[test]
fn certificates_are_chosen_by_name() {
    let upstream = ScriptedUpstream::answering("ok");
    let (folder, authority, _) = certificates();
    let gate = TestGate::start_in(folder, &gate_yaml(BOTH, &api("shop", &upstream.url(), "access: public")));
    assert!(gate.ready_line().contains("https://127.0.0.1:"), "{}", gate.ready_line());
    for name in ["one.example.com", "two.example.com", "a.two.example.com"] {
        let mut client = RawClient::connect_tls(gate.address(), name, &authority);
        assert_eq!(client.alpn().as_deref(), Some("http/1.1"));
        client.send(format!("GET /shop/a HTTP/1.1\r\nHost: {name}\r\n\r\n"));
        assert_eq!(client.answer().summary(), "200", "{name}");
    }
    assert_eq!(upstream.last().field("x-forwarded-proto"), Some("https"));
    // An unknown name gets the first certificate, which does not fit it.
    let stranger = RawClient::try_connect_tls(gate.address(), "three.example.com", &authority);
    let error = stranger.unwrap_err();
    assert!(error.contains("not valid for name") && error.contains("one.example.com"), "{error}");
}

#[test]
fn a_call_for_a_host_that_is_not_served_here_is_misdirected() {
    let upstream = ScriptedUpstream::answering("ok");
    let (folder, authority, _) = certificates();
    let apis = api("shop", &upstream.url(), "access: public\nhost: one.example.com")
        + &api("bank", &upstream.url(), "access: public\nhost: two.example.com");
    let gate = TestGate::start_in(folder, &gate_yaml(BOTH, &apis));
    let mut client = RawClient::connect_tls(gate.address(), "one.example.com", &authority);
    client.send("GET /shop/a HTTP/1.1\r\nHost: three.example.com\r\n\r\n");
    assert_eq!(client.answer().summary(), "421 misdirected");
}

#[test]
fn curl_speaks_http_2_over_tls_and_both_in_the_clear() {
    let upstream = ScriptedUpstream::responding(|request| reply("200 OK", &request.body));
    let (folder, _, ca) = certificates();
    let yaml =
        gate_yaml(&format!("{BOTH}  - {{ address: 127.0.0.1:0 }}\n"), &api("shop", &upstream.url(), "access: public"));
    let gate = TestGate::start_in(folder, &yaml);
    let secure = format!("https://localhost:{}/shop/a", gate.address().port());
    let clear = format!("http://{}/shop/a", gate.addresses()[1]);
    for (url, flag, version) in [
        (&secure, "--http2", "2"),
        (&secure, "--http1.1", "1.1"),
        (&clear, "--http2-prior-knowledge", "2"),
        (&clear, "--http1.1", "1.1"),
        (&clear, "--http1.0", "1"),
    ] {
        let output = tools::curl(&[flag, "--cacert", &ca, "-d", "hello", "-w", " %{http_version} %{http_code}", url]);
        assert_eq!(output.stdout, format!("hello {version} 200"), "{flag} {url}: {output}");
    }
}

#[test]
fn http_2_calls_are_judged_like_any_other() {
    let upstream = ScriptedUpstream::echoing();
    let gate = shop(&upstream, "access: key\nbody_max: 1KiB");
    let key = gate.new_key("ada").text;
    let url = |path: &str| format!("{}{path}", gate.url());
    let h2 = |arguments: &[&str]| {
        let head = ["--http2-prior-knowledge", "-w", "\n%{http_code} %header{callgate-refused}"];
        let output = tools::curl(&[&head[..], arguments].concat());
        output.stdout.lines().last().unwrap_or_else(|| panic!("{output}")).trim().to_owned()
    };
    let with = format!("X-API-Key: {key}");
    assert_eq!(h2(&[&url("/shop/a")]), "401 credential_missing");
    assert_eq!(h2(&["-H", &with, &url("/shop/a")]), "200");
    assert_eq!(h2(&["-H", &with, &url("/nowhere")]), "404 no_such_route");
    assert_eq!(h2(&["-H", &with, &url("/shop/..%2fadmin")]), "400 malformed_request");
    assert_eq!(h2(&["-H", &with, "-H", "X_Forwarded_For: 1.2.3.4", &url("/shop/a")]), "400 malformed_request");
    assert_eq!(h2(&["-H", &with, "-X", "TRACE", &url("/shop/a")]), "501 method_unsupported");
    assert_eq!(h2(&["-H", &with, "-d", &"x".repeat(2000), &url("/shop/a")]), "413 body_too_large");
    assert_eq!(h2(&["-H", &with, "-H", "Host: two.example.com", &url("/shop/a")]), "200");
    let record = eventually("the record of a call that passed", || {
        gate.records().into_iter().find(|record| record["http.response.status_code"] == 200)
    });
    assert_eq!(record["network.protocol.version"], "2", "{record}");
    let received = upstream.last();
    assert!(received.line.ends_with("HTTP/1.1"), "{received}");
    assert_eq!(received.fields_named("host").len(), 1, "{received}");
}

#[test]
fn ten_thousand_http_2_calls_on_a_few_connections() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = public_shop(&upstream);
    let output = tools::h2load(&["-n", "10000", "-c", "10", "-m", "50", &format!("{}/shop/a", gate.url())]);
    assert!(output.stdout.contains("10000 succeeded, 0 failed, 0 errored"), "{output}");
    assert_eq!(upstream.count(), 10_000);
}

#[test]
fn a_large_answer_passes_http_2_flow_control() {
    let upstream = ScriptedUpstream::replying(reply("200 OK", vec![b'y'; 8 * 1024 * 1024]));
    let gate = public_shop(&upstream);
    let url = format!("{}/shop/a", gate.url());
    let output = tools::curl(&["--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{size_download}", &url]);
    assert_eq!(output.stdout, "8388608", "{output}");
}

#[test]
fn credentials_in_clear_pass_from_loopback_only() {
    let upstream = ScriptedUpstream::answering("ok");
    // A proxy on loopback that says where the caller is, and how it came.
    let gate = crate::setup::shop_with(
        &upstream,
        "trusted_proxies: { ips: [127.0.0.1], header: x-forwarded-for }",
        "access: key",
    );
    let key = gate.new_key("ada");
    let from = |proto: &str| {
        gate.call("GET /shop/a").key(&key).field("X-Forwarded-For", "203.0.113.9").field("X-Forwarded-Proto", proto)
    };
    check(&gate.call("GET /shop/a").key(&key), "200");
    check(&from("https"), "200");
    let allowed = "listen: { address: 127.0.0.1:0, cleartext: allow }\ntrusted_proxies: { ips: [127.0.0.1], header: x-forwarded-for }";
    let gate = crate::setup::shop_with(&upstream, allowed, "access: key");
    let key = gate.new_key("ada");
    let call =
        gate.call("GET /shop/a").key(&key).field("X-Forwarded-For", "203.0.113.9").field("X-Forwarded-Proto", "http");
    check(&call, "200");
}

#[test]
fn http_is_sent_to_https() {
    let upstream = ScriptedUpstream::answering("ok");
    let (folder, _, _) = certificates();
    let listen = format!("{BOTH}  - {{ address: 127.0.0.1:0, redirect: {{ https: 8443 }} }}\n");
    let gate = TestGate::start_in(folder, &gate_yaml(&listen, &api("shop", &upstream.url(), "access: key")));
    let call = callgate_testkit::Call::new(gate.addresses()[1], "POST /shop/a?x=1").field("Host", "one.example.com:80");
    let answer = call.body("text/plain", "x").send();
    assert_eq!(answer.status, 308, "the method stays: {answer}");
    assert_eq!(answer.field("location"), Some("https://one.example.com:8443/shop/a?x=1"), "{answer}");
    assert_eq!(upstream.count(), 0);
}

#[test]
fn plain_http_on_a_tls_port_hears_that_it_is_one() {
    let (folder, _, _) = certificates();
    let gate = TestGate::start_in(folder, &gate_yaml(BOTH, &api("shop", "http://127.0.0.1:9", "access: public")));
    let answer = gate.call("GET /shop/a").send();
    assert_eq!(answer.summary(), "400 malformed_request");
    assert!(answer.json()["detail"].as_str().unwrap().contains("https://"), "{answer}");
    // A body that is still coming does not take the answer away.
    let output = tools::curl(&["-d", &"x".repeat(3000), "-w", " %{http_code}", &format!("{}/shop/a", gate.url())]);
    assert!(output.stdout.ends_with(" 400"), "{output}");
    // Anything else is left to TLS, which answers with an alert.
    let mut client = RawClient::connect(gate.address());
    client.send([0x80, 1, 2, 3, 4, 5, 6, 7]);
    assert!(!client.rest().starts_with(b"HTTP"));
}

#[test]
fn a_certificate_that_does_not_fit_its_key_is_found_before_anything_starts() {
    let (folder, _, _) = certificates();
    std::fs::copy(folder.path().join("two.key"), folder.path().join("one.key")).unwrap();
    let yaml = gate_yaml(BOTH, &api("shop", "http://127.0.0.1:9", "access: public"));
    let output = TestGate::refuses_to_start(folder.path(), &yaml);
    assert!(output.code == Some(1) && output.stderr.contains("one.pem"), "{output}");
    std::fs::write(folder.path().join("one.key"), "not a key").unwrap();
    let output = TestGate::refuses_to_start(folder.path(), &yaml);
    assert!(output.code == Some(1) && output.stderr.contains("one.key"), "{output}");
}
