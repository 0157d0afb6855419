//! HTTPie's letters: what each command line sends.

use std::io::Write as _;

use super::{request_text, verb};
use crate::Arguments;

/// All but the fields that every request has.
fn check(arguments: Arguments, expect: &str) {
    let text = request_text(arguments.prepare());
    let usual = ["host: localhost:8080", "user-agent: callgate/N", "accept: */*"];
    let shown: Vec<&str> = text.lines().filter(|line| !usual.contains(line)).collect();
    assert_eq!(shown.join("\n"), expect);
}

#[test]
fn a_request_in_full() {
    let text = request_text(verb("POST", &["example.com/orders", "book=Emma", "count:=2"]).prepare());
    insta::assert_snapshot!(text, @r#"
    POST https://example.com/orders
    host: example.com
    user-agent: callgate/N
    accept: application/json, */*;q=0.5
    content-type: application/json

    {"book":"Emma","count":2}
    "#);
}

#[test]
fn items_become_query_fields_and_body() {
    check(verb("GET", &[":8080/x", "q==a b&c", "page==2"]), "GET http://localhost:8080/x?q=a%20b%26c&page=2");
    check(verb("GET", &[":8080/x?a=1", "b==2"]), "GET http://localhost:8080/x?a=1&b=2");
    let accept_json = "accept: application/json, */*;q=0.5\ncontent-type: application/json";
    check(
        verb("PUT", &[":8080/x", "a=\"é\"", "b:=[1.10, {\"c\": 1e400}]", "a=2"]),
        &format!("PUT http://localhost:8080/x\n{accept_json}\n\n{}", r#"{"a":"2","b":[1.10, {"c": 1e400}]}"#),
    );
    check(
        verb("GET", &[":8080/", "X-A:1", "X-A:2", "Accept:text/csv", "User-Agent:", "X-B;"]),
        "GET http://localhost:8080/\naccept: text/csv\nx-a: 1\nx-a: 2\nx-b: ",
    );
    check(verb("GET", &[":8080/", "Host:shop.example"]), "GET http://localhost:8080/\nhost: shop.example");
}

#[test]
fn call_takes_its_method_from_the_body() {
    check(verb("CALL", &[":8080/"]), "GET http://localhost:8080/");
    let data = vec![r#"{"a":1}"#.to_owned()];
    check(
        Arguments { data, ..verb("CALL", &[":8080/"]) },
        "POST http://localhost:8080/\ncontent-type: application/json\n\n{\"a\":1}",
    );
}

#[test]
fn a_form_is_encoded_as_one() {
    check(
        Arguments { form: true, ..verb("POST", &[":8080/", "a=b c&", "é=1", "a=2"]) },
        "POST http://localhost:8080/\ncontent-type: application/x-www-form-urlencoded; charset=utf-8\n\na=b+c%26&%C3%A9=1&a=2",
    );
    check(
        Arguments { form: true, ..verb("POST", &[":8080/", "a:=1"]) },
        "! `a:=…` is JSON, and --form has none: write `a=…`, or leave --form out",
    );
}

#[test]
fn data_says_by_itself_whether_it_is_json() {
    let data = |texts: &[&str]| Arguments {
        data: texts.iter().map(|text| (*text).to_owned()).collect(),
        ..verb("POST", &[":8080/"])
    };
    let form = "content-type: application/x-www-form-urlencoded; charset=utf-8";
    check(data(&["a=1", "b=2"]), &format!("POST http://localhost:8080/\n{form}\n\na=1&b=2"));
    check(data(&["{a"]), &format!("POST http://localhost:8080/\n{form}\n\n{{a"));
    check(data(&[" [1]"]), "POST http://localhost:8080/\ncontent-type: application/json\n\n [1]");
    check(Arguments { form: true, ..data(&["[1]"]) }, &format!("POST http://localhost:8080/\n{form}\n\n[1]"));
    check(
        Arguments { json: true, ..data(&["3"]) },
        "POST http://localhost:8080/\naccept: application/json, */*;q=0.5\ncontent-type: application/json\n\n3",
    );
}

#[test]
fn a_user_becomes_basic_authorization() {
    let expect = "GET http://localhost:8080/\nauthorization: Basic YWRhOnMzOmNyZXQ=";
    check(Arguments { user: Some("ada:s3:cret".to_owned()), ..verb("GET", &[":8080/"]) }, expect);
    check(verb("GET", &["http://ada:s3:cret@localhost:8080/"]), expect);
}

#[test]
fn what_came_by_a_pipe_is_the_body_unless_there_is_one() {
    let stdin = Some("{}".into());
    check(
        Arguments { stdin: stdin.clone(), ..verb("POST", &[":8080/"]) },
        "POST http://localhost:8080/\ncontent-type: application/json\n\n{}",
    );
    check(
        Arguments { stdin, ..verb("POST", &[":8080/", "a=1"]) },
        "POST http://localhost:8080/\naccept: application/json, */*;q=0.5\ncontent-type: application/json\n\n{\"a\":\"1\"}",
    );
}

#[test]
fn files_become_bodies_and_members() {
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    file.write_all(b"[1, 2]\n").unwrap();
    let path = file.path().to_str().unwrap();
    check(
        verb("POST", &[":8080/", &format!("@{path}")]),
        "POST http://localhost:8080/\ncontent-type: text/csv\n\n(7 bytes of a file)",
    );
    check(
        verb("POST", &[":8080/", &format!("a=@{path}"), &format!("b:=@{path}")]),
        "POST http://localhost:8080/\naccept: application/json, */*;q=0.5\ncontent-type: application/json\n\n{\"a\":\"[1, 2]\\n\",\"b\":[1, 2]}",
    );
}

#[test]
fn every_mistake_is_said_at_once() {
    let arguments = Arguments {
        headers: vec!["nothing".to_owned()],
        data: vec!["x".to_owned()],
        method: Some("GE T".to_owned()),
        ..verb("GET", &["ftp://x", "plain", "a:=nul", "b=@/nowhere/at/all", "c=1", "X:a\nb", "d@f"])
    };
    insta::assert_snapshot!(request_text(arguments.prepare()), @r#"
    ! `plain` has no separator: write name=value, name:=json, name==value, Name:value or @file
    ! `a:=` is followed by what is no JSON (EOF while parsing a value at line 1 column 3): write JSON, or `a=…` for a string
    ! reading /nowhere/at/all: No such file or directory (os error 2): check the path, it is relative to the current folder
    ! `d@f` would send a file as a part of a form, which is not there yet: `@f` sends it as the body, `d=@f` puts its text into a member
    ! `nothing` has no value: `nothing: value` sends it, `nothing;` sends it empty, `nothing:` leaves a default out
    ! the body is given in 2 ways: items, -d: keep one of them
    ! `ftp://` in `ftp://x`: calls go over http:// or https://
    ! method `GE T`: write a word such as GET or PATCH
    ! header value `a\nb`: leave out line breaks and other control characters
    "#);
}

#[test]
fn a_secret_in_a_header_that_cannot_be_sent_is_cut() {
    let arguments = verb("GET", &[":8080/", "Authorization:Bearer abcdefghijklmnopqrstuvwxyz\n"]);
    assert!(arguments.prepare().is_ok(), "blanks at the ends are no part of a value");
    let problems = verb("GET", &[":8080/", "Authorization:Bearer abcdefghijklmnop\nqrstuvwxyz"]).prepare().unwrap_err();
    assert!(!problems[0].to_string().contains("qrstuv"), "{}", problems[0]);
}
