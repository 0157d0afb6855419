//! Certificates over time: renewed under a running gate, ending, and not fitting.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use callgate_testkit::{Authority, Certificate, RawClient, ScriptedUpstream, TestGate, tools, wait_for};
use tempfile::TempDir;

use crate::setup::{api, gate_yaml};

const LISTEN: &str = "listen: { address: 127.0.0.1:0, tls: { certificate: tls/own.pem, key: tls/own.key } }\n";

fn gate(folder: TempDir, upstream: &ScriptedUpstream) -> TestGate {
    let top = format!("{LISTEN}health: 127.0.0.1:0\n");
    TestGate::start_in(folder, &gate_yaml(&top, &api("shop", &upstream.url(), "access: public")))
}

/// Puts files in place as tools for renewal do: written beside, and moved over.
fn replace(folder: &Path, file: &str, content: &str) {
    fs::write(folder.join(".new"), content).unwrap();
    fs::rename(folder.join(".new"), folder.join(file)).unwrap();
}

/// Waits until new connections are shown this certificate.
#[track_caller]
fn wait_until_shown(gate: &TestGate, authority: &Authority, certificate: &Certificate) {
    wait_for("the renewed certificate", || shown(gate, authority) == certificate.der);
}

/// The certificate that a new connection is shown.
fn shown(gate: &TestGate, authority: &Authority) -> Vec<u8> {
    RawClient::connect_tls(gate.address(), "localhost", authority).peer_certificate().unwrap()
}

#[test]
fn a_renewed_certificate_is_taken_under_a_running_gate() {
    let upstream = ScriptedUpstream::answering("ok");
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let tls = folder.path().join("tls");
    fs::create_dir(&tls).unwrap();
    let (first, second) = (authority.certificate(&["localhost"]), authority.certificate(&["localhost"]));
    first.write(&tls, "own");
    let gate = gate(folder, &upstream);
    let mut early = RawClient::connect_tls(gate.address(), "localhost", &authority);
    // The certificate is there before its key: the last good pair stays.
    replace(&tls, "own.pem", &second.chain_pem);
    wait_for("word of the half pair", || gate.said().contains("does not fit the certificate"));
    assert!(gate.said().contains("--> ") && gate.said().contains("key: tls/own.key"), "with its line: {}", gate.said());
    assert_eq!(shown(&gate, &authority), first.der);
    replace(&tls, "own.key", &second.key_pem);
    wait_until_shown(&gate, &authority, &second);
    // A connection that began with the old one goes on.
    early.send("GET /shop/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(early.answer().summary(), "200");
}

#[test]
fn so_is_that_of_the_administration_api() {
    let upstream = ScriptedUpstream::answering("ok");
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let (first, second) = (authority.certificate(&["localhost"]), authority.certificate_valid(&["localhost"], 0, 90));
    first.write(folder.path(), "admin");
    let top = "admin: { address: 127.0.0.1:0, tls: { certificate: admin.pem, key: admin.key } }\nhealth: 127.0.0.1:0\n";
    let gate = TestGate::start_in(folder, &gate_yaml(top, &api("shop", &upstream.url(), "access: public")));
    let address = gate.ready_line().split_once("admin https://").unwrap().1.trim().parse().unwrap();
    let shown = || RawClient::connect_tls(address, "localhost", &authority).peer_certificate().unwrap();
    assert_eq!(shown(), first.der);
    replace(gate.folder(), "admin.pem", &second.chain_pem);
    wait_for("word of the half pair", || gate.said().contains("key: admin.key"));
    replace(gate.folder(), "admin.key", &second.key_pem);
    wait_for("the renewed certificate", || shown() == second.der);
    let metrics = tools::curl(&[&format!("http://{}/metrics", gate.health())]).stdout;
    assert!(metrics.contains("callgate_certificate_ends_seconds{listener=\"admin\",name=\"localhost\"} "), "{metrics}");
    assert!(!gate.said().contains("a restart is needed"), "{}", gate.said());
}

#[test]
fn a_certificate_behind_links_is_followed() {
    let upstream = ScriptedUpstream::answering("ok");
    let (folder, elsewhere, authority) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Authority::new());
    // As certbot lays them out: what is configured is a link to what is renewed.
    let (live, archive) = (elsewhere.path().join("live"), elsewhere.path().join("archive"));
    fs::create_dir(&live).unwrap();
    fs::create_dir(&archive).unwrap();
    symlink(&live, folder.path().join("tls")).unwrap();
    let pairs: Vec<Certificate> = (0..3).map(|_| authority.certificate(&["localhost"])).collect();
    pairs[0].write(&archive, "own");
    for file in ["own.pem", "own.key"] {
        symlink(format!("../archive/{file}"), live.join(file)).unwrap();
    }
    let gate = gate(folder, &upstream);
    // What the links lead to is replaced.
    replace(&archive, "own.key", &pairs[1].key_pem);
    replace(&archive, "own.pem", &pairs[1].chain_pem);
    wait_until_shown(&gate, &authority, &pairs[1]);
    // A folder above is another one now, of which no watcher is told.
    let next = elsewhere.path().join("next");
    fs::create_dir(&next).unwrap();
    pairs[2].write(&next, "own");
    fs::rename(&live, elsewhere.path().join("gone")).unwrap();
    fs::rename(&next, &live).unwrap();
    wait_until_shown(&gate, &authority, &pairs[2]);
}

#[test]
fn when_they_end_is_a_metric_that_follows_the_files() {
    let upstream = ScriptedUpstream::answering("ok");
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let tls = folder.path().join("tls");
    fs::create_dir(&tls).unwrap();
    authority.certificate_valid(&["localhost"], -80, 10).write(&tls, "own");
    let gate = gate(folder, &upstream);
    let days_left = || {
        let metrics = tools::curl(&[&format!("http://{}/metrics", gate.health())]).stdout;
        let line = metrics.lines().find(|line| line.starts_with("callgate_certificate_ends_seconds{")).unwrap();
        assert!(line.contains("{listener=\"127.0.0.1:0\",name=\"localhost\"} "), "{line}");
        let ends: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        ((ends - now) / 86_400.0).round()
    };
    assert_eq!(days_left(), 10.0);
    assert!(gate.said().contains("warning: the certificate for `localhost` ends "), "{}", gate.said());
    let renewed = authority.certificate_valid(&["localhost"], 0, 90);
    replace(&tls, "own.key", &renewed.key_pem);
    replace(&tls, "own.pem", &renewed.chain_pem);
    wait_for("the renewed certificate's end", || days_left() == 90.0);
}

#[test]
fn check_shows_what_is_wrong_with_them_at_their_line() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let check = |pem: &Certificate, key: &Certificate| {
        fs::create_dir_all(folder.path().join("tls")).unwrap();
        fs::write(folder.path().join("tls/own.pem"), &pem.chain_pem).unwrap();
        fs::write(folder.path().join("tls/own.key"), &key.key_pem).unwrap();
        let yaml = gate_yaml(LISTEN, &api("shop", "http://127.0.0.1:9", "access: public"));
        fs::write(folder.path().join("callgate.yaml"), yaml).unwrap();
        let run =
            |more: &str| tools::shell(folder.path(), &format!("{} check {more}", callgate_testkit::binary().display()));
        (run(""), run("--json"))
    };
    let good = authority.certificate(&["localhost"]);
    let (told, _) = check(&good, &good);
    assert!(told.code == Some(0) && told.stderr.is_empty(), "{told}");

    for (from, to, expect) in [
        (-80, 10, "warning: the certificate for `localhost` ends "),
        (-90, -1, "warning: the certificate for `localhost` ended "),
        (1, 90, "warning: the certificate for `localhost` is valid from "),
    ] {
        let pair = authority.certificate_valid(&["localhost"], from, to);
        let (told, json) = check(&pair, &pair);
        let shown = told.stderr.contains(expect) && told.stderr.contains("certificate: tls/own.pem");
        assert!(told.code == Some(0) && shown && told.stderr.contains("^^^^^^^^^^^"), "{told}");
        let report = &json.json()["report"];
        assert_eq!((&report["warnings"], &report["diagnostics"][0]["line"]), (&1.into(), &3.into()), "{report}");
    }

    let (told, json) = check(&good, &authority.certificate(&["localhost"]));
    assert!(told.code == Some(1) && told.stderr.contains("tls/own.key") && told.stderr.contains("^^^^"), "{told}");
    assert_eq!(json.code, Some(1), "{json}");
    let report = json.json();
    let message = report["diagnostics"][0]["message"].as_str().unwrap();
    assert!(message.contains("does not fit the certificate"), "{report}");
    assert_eq!(report["diagnostics"][0]["line"], 3, "{report}");
}
