//! Upstream servers by name: names that move while calls run, and names that nobody knows any more.
//!
//! The gate runs with an `/etc/hosts` of its own, in a mount namespace (`unshare`).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use callgate_testkit::{Call, Nginx, ScriptedUpstream, TestGate, reply, wait_for};
use tempfile::TempDir;

use crate::setup::{api, check, gate_yaml};

const NAME: &str = "shop.callgate.test";

/// A gate for which this address has the name, until the file says something else.
fn gate_where(address: Ipv4Addr, port: u16, more: &str) -> TestGate {
    let folder = tempfile::tempdir().unwrap();
    know(&folder, &format!("{address} {NAME}\n"));
    let upstream = format!("{{ server: \"http://{NAME}:{port}\"{more} }}");
    let yaml = gate_yaml("health: 127.0.0.1:0\n", &api("shop", &upstream, "access: public"));
    let wrapper = "exec unshare --mount --map-root-user sh -c 'mount --bind hosts /etc/hosts && \"$@\"' sh ";
    TestGate::start_wrapped(folder, &yaml, wrapper)
}

/// Written in place: what is mounted is this file.
fn know(folder: &TempDir, hosts: &str) {
    write(folder.path(), hosts);
}

fn write(folder: &Path, hosts: &str) {
    std::fs::write(folder.join("hosts"), hosts).unwrap();
}

fn lookups_failed(gate: &TestGate) -> u64 {
    let page = Call::new(gate.health(), "GET /metrics").send().text();
    let line = page.lines().find_map(|line| line.strip_prefix("callgate_name_lookups_failed_total ")).unwrap();
    line.parse().unwrap()
}

/// Two servers on one port, at two addresses.
fn two_places() -> (ScriptedUpstream, ScriptedUpstream) {
    let answer = |text: &'static str| {
        move |connection: &mut callgate_testkit::Connection| {
            while connection.request().is_some() {
                connection.send(reply("200 OK", text));
            }
        }
    };
    let old = ScriptedUpstream::start(answer("old"));
    let new = ScriptedUpstream::start_at(SocketAddr::from(([127, 0, 0, 2], old.address().port())), answer("new"));
    (old, new)
}

/// One connection is enough for calls one after the other, so none of them ever needs a look-up.
#[test]
fn calls_follow_a_name_that_moves_although_the_old_server_answers_on() {
    let (old, new) = two_places();
    let gate = gate_where(Ipv4Addr::LOCALHOST, old.address().port(), "");
    let mut client = gate.call("GET /shop/a").open();
    assert_eq!(client.answer().text(), "old");
    let mut ask = || {
        client.send(gate.call("GET /shop/a").bytes());
        let answer = client.answer();
        assert_eq!(answer.status, 200, "{answer}");
        answer.text()
    };
    for _ in 0..100 {
        assert_eq!(ask(), "old");
    }
    write(gate.folder(), &format!("127.0.0.2 {NAME}\n"));
    wait_for("the new place", || ask() == "new");
    // Whatever was kept for the old one is not used any more.
    for _ in 0..100 {
        assert_eq!(ask(), "new");
    }
    assert!(new.count() > 100);
}

#[test]
fn connections_that_calls_share_follow_it_too() {
    let place = |address: &str, text: &str| {
        Nginx::start(&format!("listen {address}:PORT http2; location / {{ return 200 {text}; }}"))
    };
    let old = place("127.0.0.1", "old");
    let port = old.address().port();
    let folder = tempfile::tempdir().unwrap();
    let new = Nginx::start_in(
        folder,
        &format!("listen 127.0.0.1:PORT; listen 127.0.0.2:{port} http2; location / {{ return 200 new; }}"),
    );
    let gate = gate_where(Ipv4Addr::LOCALHOST, port, ", protocol: http2");
    assert_eq!(check(&gate.call("GET /shop/a"), "200").text(), "old");
    write(gate.folder(), &format!("127.0.0.2 {NAME}\n"));
    wait_for("the new place", || check(&gate.call("GET /shop/a"), "200").text() == "new");
    drop((old, new));
}

#[test]
fn without_a_name_service_the_last_addresses_serve() {
    // Each call needs a connection of its own, and an address for it.
    let upstream = ScriptedUpstream::replying("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    let gate = gate_where(Ipv4Addr::LOCALHOST, upstream.address().port(), "");
    check(&gate.call("GET /shop/a"), "200");
    assert_eq!(lookups_failed(&gate), 0);
    write(gate.folder(), "");
    wait_for("look-ups to fail", || {
        check(&gate.call("GET /shop/a"), "200");
        lookups_failed(&gate) > 1
    });
    check(&gate.call("GET /shop/a"), "200");
    assert!(gate.said().contains("is not found; its last addresses serve"), "{}", gate.said());

    write(gate.folder(), &format!("127.0.0.1 {NAME}\n"));
    wait_for("word that it is found", || {
        check(&gate.call("GET /shop/a"), "200");
        gate.said().contains("the name of an upstream server is found again")
    });
}

#[test]
fn a_name_that_nobody_ever_knew_is_told_at_once() {
    let gate = gate_where(Ipv4Addr::LOCALHOST, 9, "");
    write(gate.folder(), "");
    check(&gate.call("GET /shop/a"), "502 upstream_unreachable");
    wait_for("the count", || lookups_failed(&gate) > 0);
}
