//! Callers known by a certificate: asked for in the handshake, judged by each API.

use std::fs;

use callgate_testkit::{
    Answer, Authority, Certificate, RawClient, ScriptedUpstream, TestGate, TlsClient, tools, wait_for,
};
use tempfile::TempDir;

use crate::setup::{api, check_problem, gate_yaml};

const NAME: &str = "spiffe://example.com/billing";

/// A folder with the gate's own certificate, and its authority; `partners.pem` is another one's.
struct House {
    folder: TempDir,
    /// Of the gate.
    own: Authority,
    /// Of the callers.
    partners: Authority,
    upstream: ScriptedUpstream,
}

impl House {
    fn new() -> House {
        let (own, partners, folder) = (Authority::new(), Authority::new(), tempfile::tempdir().unwrap());
        own.certificate(&["localhost", "127.0.0.1"]).write(folder.path(), "own");
        fs::write(folder.path().join("partners.pem"), partners.pem()).unwrap();
        let _ = own.write(folder.path());
        House { folder, own, partners, upstream: ScriptedUpstream::answering("ok") }
    }

    /// A file in which `shop` has these lines, beside the public API `open`.
    fn yaml(&self, top: &str, shop: &str) -> String {
        let apis = api("shop", &self.upstream.url(), shop) + &api("open", &self.upstream.url(), "access: public");
        gate_yaml(&format!("{LISTEN}{top}"), &apis)
    }

    fn start(self, top: &str, shop: &str) -> Running {
        let yaml = self.yaml(top, shop);
        let House { folder, own, partners, upstream } = self;
        let gate = TestGate::start_in(folder, &yaml);
        gate.consumer("ada");
        Running { gate, own, partners, upstream }
    }
}

struct Running {
    gate: TestGate,
    own: Authority,
    partners: Authority,
    upstream: ScriptedUpstream,
}

impl Running {
    fn connect(&self, certificate: Option<&Certificate>) -> RawClient {
        self.connect_as(&self.own.client(certificate))
    }

    fn connect_as(&self, client: &TlsClient) -> RawClient {
        RawClient::connect_as(self.gate.address(), "localhost", client)
    }

    /// One call on a connection of its own.
    fn call(&self, certificate: Option<&Certificate>, path: &str, fields: &str) -> Answer {
        call(&mut self.connect(certificate), path, fields)
    }
}

const LISTEN: &str =
    "listen: { address: 127.0.0.1:0, tls: { certificate: own.pem, key: own.key }, client_certificates: partners }\n";
const BILLING: &str = "authorities: { partners: { ca: partners.pem, callers: [{ name: \"spiffe://example.com/billing\", consumer: ada }] } }\n";

fn call(client: &mut RawClient, path: &str, fields: &str) -> Answer {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"));
    client.answer()
}

#[test]
fn each_api_judges_the_certificate_of_the_connection() {
    let house = House::new().start(BILLING, "access: certificate");
    let billing = house.partners.client_certificate(&[NAME]);
    assert_eq!(house.call(None, "/open/a", "").summary(), "200");
    assert_eq!(house.call(Some(&billing), "/open/a", "").summary(), "200");
    let refused = house.call(None, "/shop/a", "");
    assert_eq!(refused.summary(), "401 certificate_missing");
    assert_eq!(refused.field("www-authenticate"), Some("ClientCertificate realm=\"shop\""));
    let _ = check_problem(&refused);

    let mut client = house.connect(Some(&billing));
    // Nobody outside may say who calls.
    let answer = call(&mut client, "/shop/a", "Callgate-Consumer: eve\r\nCallgate-Certificate: eve\r\n");
    assert_eq!(answer.summary(), "200");
    let forwarded = house.upstream.last();
    assert_eq!(forwarded.fields_named("callgate-consumer"), ["ada"]);
    assert_eq!(forwarded.fields_named("callgate-certificate"), [NAME]);
    assert_eq!(forwarded.field("callgate-key-id"), None);
    let record = house.gate.record(&answer.call_id());
    assert_eq!(record["callgate.consumer"], "ada", "{record}");
    // Where no certificate is asked for, it names nobody.
    assert_eq!(call(&mut client, "/open/a", "").summary(), "200");
    assert_eq!(house.upstream.last().field("callgate-consumer"), None);
    // A key does not help here, and a consumer that is gone calls no more, also on an open connection.
    let key = house.gate.key("ada", &[]).text;
    assert_eq!(house.call(None, "/shop/a", &format!("X-API-Key: {key}\r\n")).summary(), "401 certificate_missing");
    let _ = house.gate.run(&["consumers", "remove", "ada"]).expect_success();
    assert_eq!(call(&mut client, "/shop/a", "").summary(), "401 certificate_unknown");
}

#[test]
fn certificates_that_do_not_count() {
    let house = House::new().start(BILLING, "access: certificate");
    let (partners, host) = (&house.partners, "client.example.com");
    for (certificate, why) in [
        (Authority::new().client_certificate(&[NAME]), "no authority that is trusted here has issued it"),
        (house.own.client_certificate(&[NAME]), "no authority that is trusted here has issued it"),
        (partners.certificate_valid(&[host], -30, -1), "it has expired"),
        (partners.certificate_valid(&[host], 1, 30), "it is not valid yet"),
        (partners.server_certificate(&[host]), "it is not for authenticating clients"),
        (partners.client_certificate(&[]), "it has no subject alternative name"),
        (partners.client_certificate(&[host]), "none of its names is of a caller that is known here"),
        (partners.client_certificate(&["spiffe://example.com/billing/x"]), "none of its names is of a caller"),
        (partners.client_certificate(&["spiffe://example.com/BILLING"]), "none of its names is of a caller"),
    ] {
        let mut client = house.connect(Some(&certificate));
        let answer = call(&mut client, "/shop/a", "");
        assert_eq!(answer.summary(), "401 certificate_unknown", "{why}");
        let problem = check_problem(&answer);
        assert!(problem["detail"].as_str().unwrap().contains(why), "{why}: {problem}");
        // It is the API's to judge: this one lets everybody in.
        assert_eq!(call(&mut client, "/open/a", "").summary(), "200", "{why}");
    }
    // An authority between is the client's to send.
    let between = house.partners.intermediate();
    assert_eq!(house.call(Some(&between.client_certificate(&[NAME])), "/shop/a", "").summary(), "200");
    let mut alone = between.client_certificate(&[NAME]);
    alone.chain_pem = alone.chain_pem.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap().to_owned();
    assert_eq!(house.call(Some(&alone), "/shop/a", "").summary(), "401 certificate_unknown");
    // A chain that never ends is not kept in memory.
    let mut endless = between.client_certificate(&[NAME]);
    endless.chain_pem = endless.chain_pem.clone() + &partners.pem().repeat(60);
    let refused = RawClient::try_connect_as(house.gate.address(), "localhost", &house.own.client(Some(&endless)));
    let outcome = refused.map(|mut client| {
        client.send("GET /open/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.rest()
    });
    assert!(outcome.as_ref().map_or(true, Vec::is_empty), "{outcome:?}");
}

#[test]
fn a_name_counts_only_under_its_own_authority() {
    let house = House::new();
    let others = Authority::new();
    fs::write(house.folder.path().join("others.pem"), others.pem()).unwrap();
    let top = "authorities:\n  partners: { ca: partners.pem, callers: { name: a.example.com, consumer: ada } }\n  \
               others: { ca: others.pem, callers: [{ name: b.example.com, consumer: bob }, { name: A.Other.example, consumer: bob }] }\n";
    let yaml =
        house.yaml(top, "access: certificate").replace("certificates: partners", "certificates: [partners, others]");
    let House { folder, own, partners, upstream } = house;
    let gate = TestGate::start_in(folder, &yaml);
    gate.consumer("ada");
    gate.consumer("bob");
    let house = Running { gate, own, partners, upstream };
    let check = |certificate: &Certificate, expect: &str| {
        assert_eq!(house.call(Some(certificate), "/shop/a", "").summary(), expect);
    };
    check(&house.partners.client_certificate(&["a.example.com"]), "200");
    check(&others.client_certificate(&["b.example.com"]), "200");
    assert_eq!(house.upstream.last().field("callgate-consumer"), Some("bob"));
    check(&others.client_certificate(&["a.other.EXAMPLE"]), "200");
    check(&others.client_certificate(&["a.example.com"]), "401 certificate_unknown");
    check(&house.partners.client_certificate(&["b.example.com"]), "401 certificate_unknown");
    // Two names of two callers: which one it is would be a guess.
    check(&others.client_certificate(&["b.example.com", "a.other.example"]), "401 certificate_unknown");
    check(&others.client_certificate(&["b.example.com", "c.example.com"]), "200");
}

#[test]
fn a_key_or_a_certificate_and_a_key_with_a_certificate() {
    let house = House::new();
    let apis = api("either", &house.upstream.url(), "access: [key, certificate]")
        + &api("both", &house.upstream.url(), "access: { all: [key, certificate] }");
    let yaml = gate_yaml(&format!("{LISTEN}{BILLING}"), &apis);
    let House { folder, own, partners, upstream } = house;
    let gate = TestGate::start_in(folder, &yaml);
    let (ada, bob) = (gate.new_key("ada").text, gate.new_key("bob").text);
    let house = Running { gate, own, partners, upstream };
    let billing = house.partners.client_certificate(&[NAME]);
    let stranger = Authority::new().client_certificate(&[NAME]);
    for (path, certificate, key, expect) in [
        ("/either/a", None, None, "401 credential_missing"),
        ("/either/a", None, Some(&ada), "200"),
        ("/either/a", Some(&billing), None, "200"),
        ("/either/a", Some(&stranger), None, "401 certificate_unknown"),
        ("/either/a", Some(&stranger), Some(&ada), "200"),
        // A wrong key is wrong, whatever else is there.
        ("/either/a", Some(&billing), Some(&"wrong".to_owned()), "401 credential_unknown"),
        ("/both/a", None, None, "401 credential_missing"),
        ("/both/a", None, Some(&ada), "401 certificate_missing"),
        ("/both/a", Some(&billing), None, "401 credential_missing"),
        ("/both/a", Some(&stranger), Some(&ada), "401 certificate_unknown"),
        ("/both/a", Some(&billing), Some(&ada), "200"),
        // A stolen key with somebody else's certificate.
        ("/both/a", Some(&billing), Some(&bob), "403 not_allowed"),
    ] {
        let fields = key.map_or_else(String::new, |key| format!("X-API-Key: {key}\r\n"));
        let answer = house.call(certificate, path, &fields);
        assert_eq!(answer.summary(), expect, "{path} {} {key:?}", certificate.is_some());
    }
}

#[test]
fn limits_scopes_and_plans_hold_for_certificates() {
    let house = House::new().start(
        "plans: { tight: { limits: [3/h per consumer] } }\n\
         authorities:\n  partners:\n    ca: partners.pem\n    callers:\n      \
         - { name: a.example.com, consumer: ada, scopes: [orders:write] }\n      - { name: b.example.com, consumer: ada }\n",
        "access: certificate\nroutes:\n  - GET /a: { limits: [1/h per key] }\n  - GET /b: {}\n  - GET /orders: { scopes: [orders:write] }",
    );
    let (one, other) =
        (house.partners.client_certificate(&["a.example.com"]), house.partners.client_certificate(&["b.example.com"]));
    // A certificate is its holder's key; two of one consumer count apart, and each over all its connections.
    assert_eq!(house.call(Some(&one), "/shop/a", "").summary(), "200");
    assert_eq!(house.call(Some(&one), "/shop/a", "").summary(), "429 rate_limited");
    assert_eq!(house.call(Some(&other), "/shop/a", "").summary(), "200");
    assert_eq!(house.call(Some(&other), "/shop/orders", "").summary(), "403 scope_missing");
    assert_eq!(house.call(Some(&one), "/shop/orders", "").summary(), "200");
    assert_eq!(house.upstream.last().field("callgate-scopes"), Some("orders:write"));
    // Its cells outlive a reload.
    house.gate.write(&fs::read_to_string(house.gate.file()).unwrap().replace("  - GET /b: {}", "  - GET /c: {}"));
    wait_for("the reload", || house.gate.said().contains("taken over"));
    assert_eq!(house.call(Some(&one), "/shop/a", "").summary(), "429 rate_limited");
    // The plan is the consumer's.
    let _ = house.gate.run(&["consumers", "plan", "ada", "tight"]).expect_success();
    for expect in ["200", "200", "200", "429 rate_limited"] {
        assert_eq!(house.call(Some(&one), "/shop/c", "").summary(), expect);
    }
}

#[test]
fn another_set_of_authorities_holds_at_once_for_open_and_resumed_connections() {
    let house = House::new().start(BILLING, "access: certificate");
    let client = house.own.client(Some(&house.partners.client_certificate(&[NAME])));
    let mut open = house.connect_as(&client);
    assert_eq!(call(&mut open, "/shop/a", "").summary(), "200");
    let mut resumed = house.connect_as(&client);
    assert!(resumed.is_resumed());
    assert_eq!(call(&mut resumed, "/shop/a", "").summary(), "200", "a resumed session still has its certificate");

    // A reload of something else: sessions go on.
    let yaml = fs::read_to_string(house.gate.file()).unwrap();
    house.gate.write(&(yaml + "    limits: [1000/s per ip]\n"));
    wait_for("the reload", || house.gate.said().matches("taken over").count() == 1);
    let mut resumed = house.connect_as(&client);
    assert!(resumed.is_resumed(), "tickets are kept over a reload");
    assert_eq!(call(&mut resumed, "/shop/a", "").summary(), "200");

    // One more authority: nobody is lost.
    let (file, next) = (house.gate.folder().join("partners.pem"), Authority::new());
    fs::write(&file, house.partners.pem() + &next.pem()).unwrap();
    wait_for("the reload", || house.gate.said().matches("taken over").count() == 2);
    assert_eq!(call(&mut open, "/shop/a", "").summary(), "200");
    let mut again = house.connect_as(&client);
    assert!(!again.is_resumed(), "another set of authorities has tickets of its own");
    assert_eq!(call(&mut again, "/shop/a", "").summary(), "200");
    let mut resumed = house.connect_as(&client);
    assert!(resumed.is_resumed());
    assert_eq!(call(&mut resumed, "/shop/a", "").summary(), "200");

    // The first one is taken out: its certificates count no more, wherever they were shown.
    fs::write(&file, next.pem()).unwrap();
    wait_for("the reload", || house.gate.said().matches("taken over").count() == 3);
    for client in [&mut open, &mut again, &mut resumed, &mut house.connect_as(&client)] {
        assert_eq!(call(client, "/shop/a", "").summary(), "401 certificate_unknown");
    }
    let renewed = next.client_certificate(&[NAME]);
    assert_eq!(house.call(Some(&renewed), "/shop/a", "").summary(), "200");
}

#[test]
fn a_session_from_before_certificates_were_asked_for_is_not_resumed() {
    let house = House::new();
    let before = gate_yaml(
        "listen: { address: 127.0.0.1:0, tls: { certificate: own.pem, key: own.key } }\n",
        &api("shop", &house.upstream.url(), "access: public"),
    );
    let after = house.yaml(BILLING, "access: certificate");
    let House { folder, own, partners, upstream } = house;
    let gate = TestGate::start_in(folder, &before);
    gate.consumer("ada");
    let house = Running { gate, own, partners, upstream };
    let client = house.own.client(Some(&house.partners.client_certificate(&[NAME])));
    assert_eq!(call(&mut house.connect_as(&client), "/shop/a", "").summary(), "200");
    assert!(house.connect_as(&client).is_resumed());
    house.gate.write(&after);
    wait_for("the reload", || house.gate.said().contains("taken over"));
    let mut asked = house.connect_as(&client);
    assert!(!asked.is_resumed());
    assert_eq!(call(&mut asked, "/shop/a", "").summary(), "200");
}

#[test]
fn curl_shows_its_certificate_over_both_versions_of_tls_and_http() {
    let house = House::new().start(BILLING, "access: certificate");
    let folder = house.gate.folder();
    house.partners.client_certificate(&[NAME]).write(folder, "client");
    let path = |file: &str| folder.join(file).display().to_string();
    let url = format!("https://localhost:{}/shop/a", house.gate.address().port());
    let always = ["--cacert", &path("ca.pem"), "-o", "/dev/null", "-w", "%{http_code} %header{callgate-refused}", &url];
    let with = ["--cert", &path("client.pem"), "--key", &path("client.key")];
    for version in [["--http2", "--tlsv1.3"], ["--http1.1", "--tls-max"]] {
        let version = [&version[..], if version[1] == "--tls-max" { &["1.2"] } else { &[] }].concat();
        let output = tools::curl(&[&version[..], &with, &always].concat());
        assert_eq!(output.stdout.trim(), "200", "{version:?}: {output}");
        let output = tools::curl(&[&version[..], &always].concat());
        assert_eq!(output.stdout.trim(), "401 certificate_missing", "{version:?}: {output}");
    }
}

#[test]
fn authorities_that_are_none_are_told_at_their_line() {
    let house = House::new();
    let yaml = house.yaml(BILLING, "access: certificate");
    fs::write(house.folder.path().join("partners.pem"), "nothing of the kind").unwrap();
    let output = TestGate::refuses_to_start(house.folder.path(), &yaml);
    let told =
        output.stderr.contains("partners.pem holds no certificate") && output.stderr.contains("callgate.yaml:4:");
    assert!(output.code == Some(1) && told && output.stderr.contains("^^^^^^^^^^^^"), "{output}");
}

#[test]
fn what_only_a_proxy_in_front_may_say_of_a_certificate_is_dropped_from_others() {
    let upstream = ScriptedUpstream::answering("ok");
    let top = "trusted_proxies: { ips: [127.0.0.2] }";
    let gate = crate::setup::shop_with(&upstream, top, "access: public");
    let fields = ["Client-Cert", "Client-Cert-Chain", "X-Forwarded-Client-Cert"];
    let from = |source: &str| {
        let call = fields.iter().fold(gate.call("GET /shop/a").from(source), |call, name| call.field(name, ":AAAA:"));
        crate::setup::check(&call, "200");
        fields.map(|name| upstream.last().fields_named(name).len())
    };
    assert_eq!(from("127.0.0.1"), [0, 0, 0]);
    assert_eq!(from("127.0.0.2"), [1, 1, 1]);
}
