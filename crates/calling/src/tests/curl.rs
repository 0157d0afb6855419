//! curl's command lines: what each sends, and what is said about those that can't be read.

use std::io::Write as _;

use super::{request_text, words};
use crate::curl_args;

fn check(line: &[&str], expect: &str) {
    let text = request_text(curl_args(&words(line)));
    let usual = ["host: a", "user-agent: callgate/N", "accept: */*"];
    let shown: Vec<&str> = text.lines().filter(|line| !usual.contains(line)).collect();
    assert_eq!(shown.join("\n"), expect, "{line:?}");
}

const FORM: &str = "content-type: application/x-www-form-urlencoded";

#[test]
fn a_line_as_browsers_copy_it() {
    let line = [
        "https://shop.example/orders",
        "-X",
        "POST",
        "-H",
        "Accept-Encoding: gzip, br",
        "-H",
        "content-type: application/json",
        "-b",
        "a=1; b=2",
        "--data-raw",
        r#"{"items":[]}"#,
        "--compressed",
    ];
    insta::assert_snapshot!(request_text(curl_args(&words(&line))), @r#"
    POST https://shop.example/orders
    host: shop.example
    user-agent: callgate/N
    accept: */*
    content-type: application/json
    cookie: a=1; b=2

    {"items":[]}
    "#);
}

#[test]
fn data_makes_a_post_of_a_form() {
    check(&["a", "-d", "x=1", "-dy=2"], &format!("POST https://a/\n{FORM}\n\nx=1&y=2"));
    check(&["a", "-G", "-d", "x=1 2", "--data-urlencode", "y=&"], "GET https://a/?x=1%202&y=%26");
    check(&["a", "-XPUT", "--data-raw", "@x"], &format!("PUT https://a/\n{FORM}\n\n@x"));
    check(&["a", "--data-urlencode", "=a b"], &format!("POST https://a/\n{FORM}\n\na%20b"));
    check(&["a", "-d", "x", "-H", "Content-Type: text/plain"], "POST https://a/\ncontent-type: text/plain\n\nx");
    check(
        &["a", "--json", "[1,", "--json", "2]"],
        "POST https://a/\naccept: application/json\ncontent-type: application/json\n\n[1,2]",
    );
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"a\r\nb\n").unwrap();
    let at = format!("@{}", file.path().display());
    check(&["a", "-d", &at], &format!("POST https://a/\n{FORM}\n\nab"));
    let whole = request_text(curl_args(&words(&["a", "--data-binary", &at])));
    assert!(whole.ends_with("\n\na\r\nb\n\n"), "{whole:?}");
}

#[test]
fn the_length_of_a_body_is_counted() {
    check(&["a", "-d", "x=1", "-H", "content-length: 3"], &format!("POST https://a/\n{FORM}\n\nx=1"));
    check(
        &["a", "-d", "x=1", "-H", "Content-Length: 2", "-H", "Transfer-Encoding: gzip"],
        "! Content-Length `2`, and the body has 3 bytes: leave the field out: it is counted\n! Transfer-Encoding `gzip`: write `chunked`, or leave it out",
    );
}

#[test]
fn letters_stand_together() {
    let prepared = curl_args(&words(&["-sSkLiv", "-m2.5", "-oout", "-uada:x", "-Ame", "http://a"])).unwrap();
    assert!(prepared.sending.insecure && prepared.sending.follow);
    assert_eq!(prepared.sending.total.unwrap().as_millis(), 2_500);
    let showing = &prepared.showing;
    assert!(showing.silent && showing.show_error && showing.include_head && showing.verbose);
    assert_eq!(showing.output.as_deref().unwrap(), "out");
    check(&["-I", "http://a"], "HEAD http://a/");
    check(&["-uada:x", "-Ame", "http://a"], "GET http://a/\nuser-agent: me\nauthorization: Basic YWRhOng=");
    check(&["-H", "User-Agent:", "-H", "X-A;", "--url", "http://a"], "GET http://a/\nx-a: ");
    let named = curl_args(&words(&["-O", "http://a/b/c.json?d"])).unwrap();
    assert_eq!(named.showing.output.as_deref().unwrap(), "c.json");
}

#[test]
fn what_cannot_be_read_is_said_all_at_once() {
    let line = [
        "--inscure",
        "-Q",
        "--form",
        "a=b",
        "--max-time",
        "soon",
        "-H",
        "x",
        "-b",
        "jar.txt",
        "http://a",
        "http://b",
        "--user",
    ];
    insta::assert_snapshot!(request_text(curl_args(&words(&line))), @r#"
    ! --inscure is not known here: did you mean --insecure?
    ! -Q is not known here: see `callgate curl --help` for the options that it takes
    ! --form is not there yet: send a file as the body with --data-binary @FILE, or use curl itself
    ! --max-time `soon`: write seconds, for example 2.5
    ! `x` has no value: `x: value` sends it, `x;` sends it empty, `x:` leaves a default out
    ! -b jar.txt names a cookie file, which is not there yet: write the cookies themselves, `-b 'name=value'`
    ! --user stands at the end: write its value after it
    ! there are 2 URLs: http://a http://b: write one; quote it where it has a `&` or a space
    "#);
    check(&[], "! there is no URL: write one, for example https://example.com/");
    check(&["-O", "http://a/.."], "! -O, and the path /.. ends in no name: name the file with -o");
    check(&["-I", "-d", "x", "http://a"], "! -I asks for a head, and -d sends a body: keep one, or add -G");
    check(
        &["-d", "@/nowhere", "a"],
        "! reading /nowhere: No such file or directory (os error 2): check the path, it is relative to the current folder",
    );
}
