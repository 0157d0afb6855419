use super::*;

/// The proxies of these tests: 10.0.0.0/8 and loopback.
fn trusted(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 10) || ip.is_loopback()
}

fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
    values
        .iter()
        .map(|value| (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap()))
        .collect()
}

fn check_x(peer: &str, values: &[&str], expect: &str) {
    let client = from_x_forwarded(&headers("x-forwarded-for", values), peer.parse().unwrap(), trusted);
    assert_eq!(client.ip.to_string(), expect, "{peer} says {values:?}");
}

fn check_forwarded(values: &[&str], expect: &str) {
    let client = from_forwarded(&headers("forwarded", values), "10.0.0.1".parse().unwrap(), trusted);
    let scheme = if client.https { "https" } else { "http" };
    assert_eq!(format!("{scheme} {}", client.ip), expect, "{values:?}");
}

#[test]
fn x_forwarded_for_is_walked_from_the_right() {
    check_x("1.1.1.1", &["9.9.9.9"], "1.1.1.1");
    check_x("10.0.0.1", &[], "10.0.0.1");
    check_x("10.0.0.1", &["9.9.9.9"], "9.9.9.9");
    check_x("10.0.0.1", &["6.6.6.6, 9.9.9.9"], "9.9.9.9");
    check_x("10.0.0.1", &["6.6.6.6, 9.9.9.9, 10.0.0.2"], "9.9.9.9");
    check_x("10.0.0.1", &["6.6.6.6", "9.9.9.9", "10.0.0.2, 10.0.0.3"], "9.9.9.9");
    check_x("10.0.0.1", &["9.9.9.9,,10.0.0.2 , "], "9.9.9.9");
    check_x("10.0.0.1", &["\u{fc}, 9.9.9.9"], "9.9.9.9");
    check_x("127.0.0.1", &["9.9.9.9"], "9.9.9.9");
    check_x("::ffff:10.0.0.1", &["::ffff:9.9.9.9"], "9.9.9.9");
    check_x("::ffff:1.1.1.1", &["9.9.9.9"], "1.1.1.1");
}

#[test]
fn nobody_becomes_the_machine_itself() {
    for forged in [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "::ffff:127.0.0.1",
        "[::1]:80",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "169.254.1.1",
        "fe80::1",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "10.0.0.9",
        "unknown",
        "_hidden",
        "localhost",
        "9.9.9",
        "9.9.9.9.9",
        "0x9.9.9.9",
        "9.9.9.9:",
        "9.9.9.9:x",
        "9.9.9.9:123456",
        "9.9.9.9 8.8.8.8",
        "[9.9.9.9]",
        "fe80::1%eth0",
        "\"9.9.9.9",
        "9.9.9.9\"",
        "\u{fc}",
    ] {
        check_x("10.0.0.1", &[forged], "10.0.0.1");
        // And nothing to the left of it is believed.
        let expect = if forged == "10.0.0.9" || trusted_text(forged) { "6.6.6.6" } else { "10.0.0.1" };
        check_x("10.0.0.1", &[&format!("6.6.6.6, {forged}")], expect);
    }
}

fn trusted_text(text: &str) -> bool {
    parse_address(text).is_some_and(trusted)
}

#[test]
fn nodes() {
    for (text, expect) in [
        ("1.2.3.4", "1.2.3.4"),
        (" 1.2.3.4:80 ", "1.2.3.4"),
        ("1.2.3.4:_p", "1.2.3.4"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("\"[2001:db8::1]:4711\"", "2001:db8::1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
    ] {
        assert_eq!(parse_address(text).unwrap().to_string(), expect, "{text}");
    }
}

#[test]
fn forwarded_is_walked_from_the_right() {
    check_forwarded(&["for=9.9.9.9"], "http 9.9.9.9");
    check_forwarded(&["FOR=9.9.9.9;Proto=HTTPS;by=10.0.0.1"], "https 9.9.9.9");
    check_forwarded(&["for=6.6.6.6, for=\"[2001:db8::1]:80\", for=10.0.0.2;proto=https"], "https 2001:db8::1");
    check_forwarded(&["for=6.6.6.6;proto=https, for=9.9.9.9"], "http 9.9.9.9");
    check_forwarded(&["for=6.6.6.6", "for=9.9.9.9"], "http 9.9.9.9");
    check_forwarded(&["for=\"9.9.9.9:80\";host=\"a,b;for=1.1.1.1\""], "http 9.9.9.9");
    check_forwarded(&["for=9.9.9.9;host=\"a\\\", for=1.1.1.1\""], "http 9.9.9.9");
    check_forwarded(&["for=\", for=9.9.9.9"], "http 9.9.9.9");
    check_forwarded(&["for=\", for=\"9.9.9.9\""], "http 9.9.9.9");
    check_forwarded(&["host=\"\\\\\", for=9.9.9.9"], "http 9.9.9.9");
    check_forwarded(&["for=\u{fc}, for=9.9.9.9"], "http 9.9.9.9");
    check_forwarded(&["for=\"\\, for=\"[2001:db8::1]\""], "http 2001:db8::1");
    check_forwarded(&["for=9.9.9.9, for=unknown"], "http 10.0.0.1");
    check_forwarded(&["for=9.9.9.9, for=_x;proto=https"], "https 10.0.0.1");
    check_forwarded(&["for=9.9.9.9, proto=https"], "https 10.0.0.1");
    check_forwarded(&["for=9.9.9.9;for=1.1.1.1"], "http 10.0.0.1");
    check_forwarded(&["for=9.9.9.9, for=127.0.0.1"], "http 9.9.9.9");
    check_forwarded(&["garbage"], "http 10.0.0.1");
    check_forwarded(&[""], "http 10.0.0.1");
}

#[test]
fn the_scheme_is_the_neighbours_word() {
    let scheme = |peer: &str, values: &[&str]| {
        let mut headers = headers("x-forwarded-proto", values);
        headers.insert("x-forwarded-for", HeaderValue::from_static("9.9.9.9"));
        from_x_forwarded(&headers, peer.parse().unwrap(), trusted).https
    };
    assert!(
        scheme("10.0.0.1", &["https"])
            && scheme("10.0.0.1", &["http, HTTPS"])
            && scheme("10.0.0.1", &["http", "https"])
    );
    assert!(
        !scheme("1.1.1.1", &["https"])
            && !scheme("10.0.0.1", &["https, http"])
            && !scheme("10.0.0.1", &["https", "http"])
    );
    assert!(!scheme("10.0.0.1", &[]) && !scheme("10.0.0.1", &["httpsx"]));
}

#[test]
fn hops_are_bounded() {
    let hops = vec!["10.0.0.2"; bounds::FORWARD_HOPS_MAX].join(", ");
    check_x("10.0.0.1", &[&format!("9.9.9.9, {hops}")], "10.0.0.1");
    check_x("10.0.0.1", &[&format!("9.9.9.9, {}", hops.replacen("10.0.0.2, ", "", 1))], "9.9.9.9");
}

#[test]
fn what_the_gate_says() {
    let say = |client: &str, peer: &str, host| {
        let (client, peer) = (client.parse().unwrap(), peer.parse().unwrap());
        let outgoing = Outgoing { client, peer, host, scheme: "https" };
        String::from_utf8([outgoing.x_forwarded_for(), outgoing.forwarded()].join(&b'\n')).unwrap()
    };
    insta::assert_snapshot!(say("9.9.9.9", "9.9.9.9", "a.example:8443"), @r#"
    9.9.9.9
    for=9.9.9.9;host="a.example:8443";proto=https
    "#);
    insta::assert_snapshot!(say("2001:db8::1", "::ffff:10.0.0.1", "a\"b"), @r#"
    2001:db8::1, 10.0.0.1
    for="[2001:db8::1]", for=10.0.0.1;proto=https
    "#);
}
