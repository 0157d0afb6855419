//! Content types, both ways: 415, 406, bodies that are not what they say, answers of another type.

use callgate_testkit::{Call, ScriptedUpstream, TestGate};

use crate::setup::{check, check_problem, shop};

const UNSUPPORTED: &str = "415 unsupported_content_type";
const NOT_WELL_FORMED: &str = "400 body_malformed";

fn post(gate: &TestGate, content_type: &str, body: &str) -> Call {
    gate.call("POST /shop/a").body(content_type, body)
}

#[test]
fn types_are_compared_as_http_says() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public\naccepts: [application/json, \"application/*+json\", \"text/*\"]");
    for good in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"utf-8\" ; x=y",
        "application/vnd.api+json",
        "text/plain",
        "text/csv; header=present",
    ] {
        check(&post(&gate, good, "{}"), "200");
    }
    for wrong in [
        "application/xml",
        "application/jsonx",
        "application/json+xml",
        "application/+json",
        "image/png",
        "json",
        "application/",
        "/json",
        "application/json, text/plain",
        "application / json",
        "*/*",
        "",
    ] {
        check(&post(&gate, wrong, "{}"), UNSUPPORTED);
    }
    let refused = check(&gate.call("POST /shop/a").untyped_body("{}"), UNSUPPORTED);
    let accept = refused.field("accept").unwrap_or_else(|| panic!("415 says what is taken: {refused}"));
    assert!(accept.contains("application/json") && accept.contains("text/*"), "{accept}");
    check_problem(&refused);
    let twice = post(&gate, "application/json", "{}").field("Content-Type", "text/plain");
    assert!(matches!(twice.send().status, 400 | 415), "two types are no type");
}

#[test]
fn a_call_without_a_body_needs_no_type() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public\naccepts: [application/json]");
    check(&gate.call("GET /shop/a"), "200");
    check(&gate.call("POST /shop/a"), "200");
    check(&gate.call("DELETE /shop/a"), "200");
}

#[test]
fn a_route_takes_other_types_than_its_api() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(
        &upstream,
        "access: public\naccepts: [application/json]\nroutes:\n  - \"* /**\": {}\n  - POST /xml: { accepts: [application/xml] }",
    );
    check(&gate.call("POST /shop/xml").body("application/xml", "<a/>"), "200");
    check(&gate.call("POST /shop/xml").body("application/json", "{}"), UNSUPPORTED);
    check(&gate.call("POST /shop/a").body("application/xml", "<a/>"), UNSUPPORTED);
}

#[test]
fn json_must_be_json_where_the_api_says_so() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public\nwell_formed: true");
    let deep = "[".repeat(100) + &"]".repeat(100);
    for good in ["{}", "[1,2.5e3,\"\\u00e9\",null,true]", " {\"a\":{\"b\":[]}}\n", "\"text\"", "0", deep.as_str()] {
        check(&post(&gate, "application/json", good), "200");
        assert_eq!(upstream.last().body, good.as_bytes(), "the very bytes are forwarded");
    }
    let too_deep = "[".repeat(5000);
    for wrong in [
        "{",
        "{}}",
        "{\"a\":1,}",
        "[1 2]",
        "{'a':1}",
        "nul",
        "01",
        "+1",
        "1.",
        "\"\\x\"",
        "\"a\nb\"",
        "{\"a\" 1}",
        "NaN",
        "[1]//",
        "\u{feff}{}",
        too_deep.as_str(),
        "{} {}",
    ] {
        let refused = check(&post(&gate, "application/json; charset=utf-8", wrong), NOT_WELL_FORMED);
        check_problem(&refused);
    }
    check(&post(&gate, "application/problem+json", "{"), NOT_WELL_FORMED);
    check(&post(&gate, "text/plain", "{"), "200");
    let refused = check(&gate.call("POST /shop/a").body("application/json", b"{\"a\":\"\xff\"}"), NOT_WELL_FORMED);
    assert!(check_problem(&refused)["detail"].as_str().unwrap().contains('6'), "it says where: {refused}");
    check(&post(&gate, "application/json", &format!("[{}1]", "1,".repeat(100_000))).chunked(), "200");
}

#[test]
fn xml_must_be_xml_where_the_api_says_so() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public\nwell_formed: true");
    for good in ["<a/>", "<?xml version=\"1.0\"?><a b=\"c\"><d>&amp;</d><!-- x --></a>"] {
        check(&post(&gate, "application/xml", good), "200");
    }
    let too_deep = "<a>".repeat(5000) + &"</a>".repeat(5000);
    let bomb = "<!DOCTYPE l [<!ENTITY a \"b\"><!ENTITY c \"&a;&a;\">]><l>&c;</l>";
    let external = "<!DOCTYPE l [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><l>&a;</l>";
    for wrong in
        ["text", "<a>", "<a></b>", "<a/><b/>", "<a b=c/>", "<a b=\"1\" b=\"2\"/>", too_deep.as_str(), bomb, external]
    {
        check(&post(&gate, "application/xml", wrong), NOT_WELL_FORMED);
        check(&post(&gate, "application/soap+xml", wrong), NOT_WELL_FORMED);
    }
}

#[test]
fn callers_that_accept_nothing_made_here_hear_406() {
    let upstream =
        ScriptedUpstream::replying("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
    let gate = shop(&upstream, "access: public\nproduces: [application/json]");
    let get = |accept: &str| gate.call("GET /shop/a").field("Accept", accept);
    check(&gate.call("GET /shop/a"), "200");
    for good in ["*/*", "application/json", "application/*;q=0.1", "text/html, application/json;q=0.5", ""] {
        check(&get(good), "200");
    }
    for wrong in ["text/html", "application/json;q=0", "application/xml, text/*", "*/*;q=0"] {
        let refused = check(&get(wrong), "406 not_acceptable");
        assert!(refused.body.len() > 20, "{refused}");
    }
}

#[test]
fn an_answer_of_another_type_becomes_502() {
    let upstream = ScriptedUpstream::responding(|request| {
        let kind = match request.target() {
            "/html" => "text/html",
            "/problem" => "application/problem+json",
            "/none" => return b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec(),
            "/empty" => return b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            _ => "application/json; charset=utf-8",
        };
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: 6\r\n\r\nsecret").into_bytes()
    });
    let gate = shop(&upstream, "access: public\nproduces: [application/json]");
    check(&gate.call("GET /shop/json"), "200");
    check(&gate.call("GET /shop/problem"), "200");
    check(&gate.call("GET /shop/empty"), "200".replace("200", "204").as_str());
    let refused = check(&gate.call("GET /shop/html"), "502 response_violated");
    assert_eq!(refused.field("callgate-upstream-status"), Some("200"), "{refused}");
    assert!(!refused.text().contains("secret"), "{refused}");
    check(&gate.call("GET /shop/none"), "502 response_violated");

    let watching = shop(&upstream, "access: public\nproduces: [application/json]\nobserve: [produces]");
    let answer = check(&watching.call("GET /shop/html"), "200");
    assert_eq!(watching.record(&answer.call_id())["callgate.would_refuse"][0], "response_violated");
}

#[test]
fn sniffing_is_forbidden_to_browsers() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public");
    for call in ["GET /shop/a", "GET /nowhere"] {
        assert_eq!(gate.call(call).send().fields_named("x-content-type-options"), ["nosniff"], "{call}");
    }
}

#[test]
fn a_refusal_is_plain_text_for_callers_that_accept_no_json() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "");
    for accept in ["text/plain", "text/html, text/*;q=0.5"] {
        let refused = check(&gate.call("GET /shop/a").field("Accept", accept), "401 credential_missing");
        assert!(refused.field("content-type").unwrap().starts_with("text/plain"), "{accept}: {refused}");
        assert!(refused.text().contains("credential_missing"), "{refused}");
    }
    for accept in ["*/*", "application/json", "application/problem+json"] {
        let refused = check(&gate.call("GET /shop/a").field("Accept", accept), "401 credential_missing");
        check_problem(&refused);
    }
}
