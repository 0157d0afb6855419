//! Balancers that relay connections and say whom for, in the header of the PROXY protocol.

use std::net::{IpAddr, SocketAddr};

use callgate_testkit::{Authority, Haproxy, RawClient, ScriptedUpstream, TestGate, tools, wait_for};

use crate::setup::{api, gate_yaml, shop_with};

const TOP: &str = "listen: { address: 127.0.0.1:0, proxy_protocol: true }\n\
                   trusted_proxies: { ips: [127.0.0.2, 10.0.0.0/8] }\n";
const BALANCER: [u8; 4] = [127, 0, 0, 2];
const CALL: &str = "GET /shop/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn connect(gate: &TestGate, from: [u8; 4]) -> RawClient {
    RawClient::connect_from(IpAddr::from(from), gate.address())
}

/// A header of version 2 for a client at this IPv4 address.
fn v2(command: u8, client: [u8; 4]) -> Vec<u8> {
    let extension = [0x04, 0, 2, 0, 0];
    let addresses = [&client[..], &[192, 0, 2, 1], &[0x12, 0x67, 1, 187], &extension].concat();
    let fixed = [0x20 | command, 0x11, 0, u8::try_from(addresses.len()).unwrap()];
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &fixed, &addresses].concat()
}

#[test]
fn the_client_is_whom_the_balancer_names() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop_with(&upstream, TOP, "access: public\nip: { deny: [203.0.113.66] }");
    for (header, expect) in [
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n".to_vec(), "203.0.113.9"),
        (b"PROXY TCP6 2001:db8::9 2001:db8::1 4711 443\r\n".to_vec(), "2001:db8::9"),
        (v2(1, [203, 0, 113, 9]), "203.0.113.9"),
        // The balancer's own, or from nowhere that a client can be.
        (v2(0, [203, 0, 113, 9]), "127.0.0.2"),
        (v2(1, [127, 0, 0, 1]), "127.0.0.2"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.2"),
        (b"PROXY TCP4 127.0.0.1 192.0.2.1 4711 443\r\n".to_vec(), "127.0.0.2"),
    ] {
        // Header and request in one packet, and a byte at a time: what follows the header is the request, whole.
        let mut client = connect(&gate, BALANCER);
        client.send([&header[..], CALL.as_bytes()].concat());
        let answer = client.answer();
        assert_eq!(answer.summary(), "200", "{header:?}");
        let record = gate.record(&answer.call_id());
        assert_eq!(record["client.address"], expect, "{record}");
        assert_eq!(record["network.peer.address"], "127.0.0.2", "{record}");
        assert_eq!(upstream.last().fields_named("x-forwarded-for"), [expect]);
        let mut slow = connect(&gate, BALANCER);
        for byte in [&header[..], CALL.as_bytes()].concat().chunks(1) {
            slow.send(byte);
        }
        assert_eq!(slow.answer().summary(), "200", "{header:?}");
    }
    let mut denied = connect(&gate, BALANCER);
    denied.send([&v2(1, [203, 0, 113, 66])[..], CALL.as_bytes()].concat());
    assert_eq!(denied.answer().summary(), "403 ip_denied");
}

#[test]
fn a_connection_without_a_header_from_a_trusted_proxy_is_closed() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop_with(&upstream, &format!("{TOP}health: 127.0.0.1:0\n"), "access: public");
    let line = "PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n";
    for (from, bytes) in [
        // Anybody can write the header; past the balancer nobody is served, with one or without.
        ([127, 0, 0, 1], format!("{line}{CALL}")),
        ([127, 0, 0, 1], CALL.to_owned()),
        (BALANCER, CALL.to_owned()),
        (BALANCER, format!("PROXY TCP4 203.0.113.9\r\n{CALL}")),
        (BALANCER, format!("PROXY TCP4 203.0.113.9 {}", "x".repeat(5000))),
        (BALANCER, format!("{}{line}{CALL}", "\r\n")),
    ] {
        let mut client = connect(&gate, from);
        client.send(&bytes);
        assert_eq!(String::from_utf8_lossy(&client.rest()), "", "{bytes:?}");
    }
    assert_eq!(upstream.count(), 0);
    let told = "a connection to a listener with `proxy_protocol` was closed";
    wait_for("word of it", || gate.said().contains(told) && gate.said().contains("trusted_proxies.ips"));
    // Six connections, told at the first, second and fourth: a balancer that is set up wrongly must not fill the log.
    assert_eq!(gate.said().matches(told).count(), 3, "{}", gate.said());
    let metrics = tools::curl(&[&format!("http://{}/metrics", gate.health())]).stdout;
    assert!(metrics.contains("callgate_connections_refused_total{bound=\"relay\"} 6\n"), "{metrics}");
    // A second header is no header: the request begins with it, and is refused.
    let mut twice = connect(&gate, BALANCER);
    twice.send(format!("{line}{line}{CALL}"));
    assert_eq!(twice.answer().summary(), "400 malformed_request");
}

#[test]
fn forwarding_fields_are_believed_only_from_a_trusted_client_behind_it() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop_with(&upstream, TOP, "access: public");
    for (relayed, expect) in [([203, 0, 113, 9], "203.0.113.9"), ([10, 1, 1, 1], "198.51.100.7")] {
        let mut client = connect(&gate, BALANCER);
        let call = "GET /shop/a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n";
        client.send([&v2(1, relayed)[..], call.as_bytes()].concat());
        let answer = client.answer();
        assert_eq!(gate.record(&answer.call_id())["client.address"], expect, "{answer}");
    }
}

#[test]
fn haproxy_relays_tls_and_http_2() {
    let upstream = ScriptedUpstream::answering("ok");
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    authority.certificate(&["localhost", "127.0.0.1"]).write(folder.path(), "own");
    let ca = authority.write(folder.path()).display().to_string();
    let listen =
        "listen: { address: 127.0.0.1:0, proxy_protocol: true, tls: { certificate: own.pem, key: own.key } }\n";
    let top = format!("{listen}trusted_proxies: {{ ips: [127.0.0.2] }}\n");
    let gate = TestGate::start_in(folder, &gate_yaml(&top, &api("shop", &upstream.url(), "access: public")));
    let clients = "tcp-request connection set-src str(203.0.113.9)";
    for version in ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn"] {
        let balancer = Haproxy::relaying(gate.address(), clients, &format!("{version} source 127.0.0.2"));
        let url = |address: SocketAddr| format!("https://{address}/shop/a");
        let shown = ["--http2", "--cacert", &ca, "-w", " %{http_version} %header{callgate-call-id}"];
        let output = tools::curl(&[&shown[..], &[&url(balancer.address())]].concat());
        let id = output.stdout.strip_prefix("ok 2 ").unwrap_or_else(|| panic!("{version}: {output}"));
        assert_eq!(gate.record(id.trim())["client.address"], "203.0.113.9", "{version}");
    }
    // HAProxy's health check is a header and nothing else; it is no call.
    assert_eq!(gate.records().len(), 3);
}
