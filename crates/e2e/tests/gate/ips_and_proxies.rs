//! Where a call comes from: lists at every level, and proxies that are believed or not.

use callgate_testkit::{ScriptedUpstream, TestGate};

use crate::setup::{api, check, check_problem, gate_yaml, public_shop, shop, shop_with};

const DENIED: &str = "403 ip_denied";

#[test]
fn lists_on_listener_api_and_route_all_apply() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop_with(
        &upstream,
        "listen: { address: 127.0.0.1:0, ip: { deny: [127.0.0.66] } }",
        r#"
access: public
ip: { allow: [127.0.0.0/24], deny: [127.0.0.13] }
routes:
  - "* /**": {}
  - "* /admin/**": { ip: { allow: [127.0.0.9] } }
"#
        .trim(),
    );
    for (path, source, expect) in [
        ("/a", "127.0.0.1", "200"),
        ("/a", "127.0.0.13", DENIED),
        ("/a", "127.0.0.66", DENIED),
        ("/a", "127.0.1.1", DENIED),
        ("/admin", "127.0.0.9", "200"),
        ("/admin/x", "127.0.0.1", DENIED),
        ("/admin/x", "127.0.0.13", DENIED),
    ] {
        check(&gate.call(&format!("GET /shop{path}")).from(source), expect);
    }
    let refused = check(&gate.call("GET /shop/a").from("127.0.0.13"), DENIED);
    let problem = check_problem(&refused).to_string();
    assert!(
        !problem.contains("127.0.0.0/24") && !problem.contains("deny["),
        "the lists are nobody's business: {problem}"
    );
}

#[test]
fn a_denied_address_hears_of_no_credential() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key\nip: { deny: [127.0.0.13] }");
    let key = gate.new_key("ada");
    check(&gate.call("GET /shop/a").from("127.0.0.13"), DENIED);
    check(&gate.call("GET /shop/a").key("wrong").from("127.0.0.13"), DENIED);
    check(&gate.call("GET /shop/a").key(&key).from("127.0.0.13"), DENIED);
    check(&gate.call("GET /shop/a").key(&key), "200");
}

#[test]
fn without_trusted_proxies_no_field_is_believed() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = public_shop(&upstream);
    let answer = check(
        &gate.call("GET /shop/a").field("X-Forwarded-For", "203.0.113.9").field("Forwarded", "for=203.0.113.9"),
        "200",
    );
    assert_eq!(gate.record(&answer.call_id())["client.address"], "127.0.0.1");
    assert_eq!(upstream.last().fields_named("x-forwarded-for"), ["127.0.0.1"]);
}

/// The client's address that the gate took, for these values of the field.
#[track_caller]
fn client(gate: &TestGate, field: &str, value: &str, expect: &str) {
    let answer = check(&gate.call("GET /shop/a").field(field, value).from("127.0.0.2"), "200");
    assert_eq!(gate.record(&answer.call_id())["client.address"], expect, "{field}: {value}");
}

#[test]
fn a_trusted_proxys_field_is_walked_from_right_to_left() {
    let upstream = ScriptedUpstream::answering("ok");
    let top = "trusted_proxies: { ips: [127.0.0.2, 10.0.0.0/8], header: x-forwarded-for }";
    let gate = shop_with(&upstream, top, "access: public");
    for (value, expect) in [
        ("203.0.113.9", "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9", "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
        ("2001:db8::7", "2001:db8::7"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        // Never loopback, link-local, or a proxy's own: these would open doors that are for the inside.
        ("127.0.0.1", "127.0.0.2"),
        ("::1", "127.0.0.2"),
        ("169.254.1.1", "127.0.0.2"),
        ("10.1.1.1", "127.0.0.2"),
        ("::ffff:127.0.0.1", "127.0.0.2"),
        ("garbage", "127.0.0.2"),
        ("203.0.113.9, garbage", "127.0.0.2"),
        ("", "127.0.0.2"),
    ] {
        client(&gate, "X-Forwarded-For", value, expect);
    }
    client(&gate, "Forwarded", "for=203.0.113.9", "127.0.0.2");
    // Two fields are one list.
    let call = gate
        .call("GET /shop/a")
        .from("127.0.0.2")
        .field("X-Forwarded-For", "1.2.3.4")
        .field("X-Forwarded-For", "203.0.113.9");
    assert_eq!(gate.record(&check(&call, "200").call_id())["client.address"], "203.0.113.9");
    // The same field from somebody else is a forgery.
    let answer = check(&gate.call("GET /shop/a").field("X-Forwarded-For", "203.0.113.9").from("127.0.0.3"), "200");
    assert_eq!(gate.record(&answer.call_id())["client.address"], "127.0.0.3");
}

#[test]
fn forwarded_is_read_where_it_is_the_one_header() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop_with(&upstream, "trusted_proxies: { ips: [127.0.0.2], header: forwarded }", "access: public");
    for (value, expect) in [
        ("for=203.0.113.9", "203.0.113.9"),
        ("For=\"[2001:db8::7]:4711\";proto=https, for=203.0.113.9", "203.0.113.9"),
        ("for=\"[2001:db8::7]\"", "2001:db8::7"),
        ("for=unknown", "127.0.0.2"),
        ("for=_hidden", "127.0.0.2"),
        ("for=127.0.0.1", "127.0.0.2"),
        ("for=\"unterminated", "127.0.0.2"),
    ] {
        client(&gate, "Forwarded", value, expect);
    }
    client(&gate, "X-Forwarded-For", "203.0.113.9", "127.0.0.2");
}

#[test]
fn rules_see_the_forwarded_address() {
    let upstream = ScriptedUpstream::answering("ok");
    let top = "trusted_proxies: { ips: [127.0.0.2] }";
    let gate = shop_with(
        &upstream,
        top,
        "access: public\nip: { allow: [203.0.113.0/24, \"2001:db8::/32\"] }\nlimits: [1/h per ip]",
    );
    let from = |address: &str| gate.call("GET /shop/a").field("X-Forwarded-For", address).from("127.0.0.2");
    check(&from("203.0.113.9"), "200");
    check(&from("203.0.113.9"), "429 rate_limited");
    check(&from("203.0.113.10"), "200");
    check(&from("198.51.100.1"), DENIED);
    // One IPv6 customer has a whole /64.
    check(&from("2001:db8::1"), "200");
    check(&from("2001:db8::2"), "429 rate_limited");
    check(&from("2001:db8:0:1::1"), "200");
    assert_eq!(upstream.last().field("x-forwarded-for"), Some("2001:db8:0:1::1, 127.0.0.2"));
}

#[test]
fn an_ipv6_listener_and_mapped_addresses() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = TestGate::start(&gate_yaml(
        "listen: { address: \"[::1]:0\" }",
        &api("shop", &upstream.url(), "access: public\nip: { allow: [\"::1\"] }"),
    ));
    assert!(gate.ready_line().contains("http://[::1]:"), "{}", gate.ready_line());
    let answer = check(&gate.call("GET /shop/a"), "200");
    assert_eq!(gate.record(&answer.call_id())["client.address"], "::1");
}
