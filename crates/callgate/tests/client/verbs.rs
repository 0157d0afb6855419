//! `callgate get|post|put|patch|delete|head|options|call`.

use std::process::Stdio;

use callgate_testkit::{ScriptedUpstream, reply, wait_for};

use crate::setup::{Folder, fine};

/// What a command line sends: request line, the fields that are not on every request, and the body.
#[track_caller]
fn check(arguments: &[&str], stdin: &[u8], expect: &str) {
    let (upstream, folder) = (fine(), Folder::new());
    folder.write("book.json", r#"{"title":"Emma"}"#);
    let port = upstream.address().port().to_string();
    let arguments: Vec<String> = arguments.iter().map(|word| word.replace("PORT", &port)).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = folder.run_with(&arguments, stdin);
    assert_eq!(output.code, Some(0), "{output}");
    let sent = upstream.last();
    let mut text = sent.line.clone();
    for (name, value) in &sent.fields {
        let usual = ["host", "user-agent", "accept", "content-length"];
        if !usual.contains(&name.to_ascii_lowercase().as_str()) {
            text.push_str(&format!("\n{name}: {value}"));
        }
    }
    if !sent.body.is_empty() {
        text.push_str(&format!("\n\n{}", String::from_utf8_lossy(&sent.body)));
    }
    assert_eq!(text, expect);
}

#[test]
fn items_and_options_become_a_request() {
    let json = "content-type: application/json";
    check(
        &["get", ":PORT/a", "q==x y", "X-One:1", "-H", "X-Two: 2"],
        b"",
        "GET /a?q=x%20y HTTP/1.1\nx-one: 1\nx-two: 2",
    );
    check(
        &["put", ":PORT/a", "title=Emma", "count:=2"],
        b"",
        &format!("PUT /a HTTP/1.1\n{json}\n\n{}", r#"{"title":"Emma","count":2}"#),
    );
    check(
        &["post", "--form", ":PORT/a", "b=c d"],
        b"",
        "POST /a HTTP/1.1\ncontent-type: application/x-www-form-urlencoded; charset=utf-8\n\nb=c+d",
    );
    check(&["post", ":PORT/a", "@book.json"], b"", &format!("POST /a HTTP/1.1\n{json}\n\n{}", r#"{"title":"Emma"}"#));
    check(&["patch", ":PORT/a", "-j", "-d", "@-"], b"[1]", &format!("PATCH /a HTTP/1.1\n{json}\n\n[1]"));
    check(&["delete", ":PORT/a", "-u", "me:pw"], b"", "DELETE /a HTTP/1.1\nauthorization: Basic bWU6cHc=");
    check(&["get", ":PORT/a", "-XSEARCH"], b"", "SEARCH /a HTTP/1.1");
    check(&["head", ":PORT/a"], b"", "HEAD /a HTTP/1.1");
    check(&["options", ":PORT/a"], b"", "OPTIONS /a HTTP/1.1");
}

#[test]
fn call_takes_a_method_or_finds_one() {
    check(&["call", "PURGE", ":PORT/a"], b"", "PURGE /a HTTP/1.1");
    check(&["call", "delete", ":PORT/a"], b"", "DELETE /a HTTP/1.1");
    check(&["call", ":PORT/a"], b"", "GET /a HTTP/1.1");
    check(&["call", "localhost:PORT", "a=1"], b"", "POST / HTTP/1.1\ncontent-type: application/json\n\n{\"a\":\"1\"}");
}

#[test]
fn a_pipe_is_the_body_where_one_is_usual_and_nothing_else_gives_it() {
    let sent = |body: &str| format!("POST /a HTTP/1.1\ncontent-type: application/json\n\n{body}");
    check(&["post", ":PORT/a"], b"{\"from\":\"pipe\"}", &sent("{\"from\":\"pipe\"}"));
    check(&["call", ":PORT/a"], b"{}", &sent("{}"));
    check(&["post", ":PORT/a", "a=1"], b"{}", &sent("{\"a\":\"1\"}"));
    check(&["post", ":PORT/a", "--ignore-stdin"], b"{}", "POST /a HTTP/1.1");
    check(&["get", ":PORT/a"], b"{}", "GET /a HTTP/1.1");
    check(&["get", ":PORT/a", "@-"], b"{}", "GET /a HTTP/1.1\ncontent-type: application/json\n\n{}");
}

#[test]
fn a_pipe_that_nobody_writes_to_holds_no_get_up() {
    let (upstream, folder) = (fine(), Folder::new());
    let mut command = folder.command(&["get", &upstream.url()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    wait_for("the end of the call", || child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
}

#[test]
fn every_mistake_is_told_at_once() {
    let output = Folder::new().run(&[
        "call",
        "get",
        "ftp://example.com",
        "title",
        "@missing.json",
        "tags:=[",
        "--form",
        "--json",
        "--http2",
        "--http1.1",
        "--max-time",
        "soon",
        "-H",
        "no field",
    ]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output}");
    insta::assert_snapshot!(output.stderr, @"
    callgate: 8 mistakes keep this call from being made:
      --form and --json name two types for one body: keep one of them
      --http1.1 and --http2 exclude each other: keep one of them
      --max-time `soon`: write seconds, for example 2.5
      `title` has no separator: write name=value, name:=json, name==value, Name:value or @file
      `tags:=…` is JSON, and --form has none: write `tags=…`, or leave --form out
      `no field` is no header field: a header field is `Name: value`, its name of letters, digits and `-`
      reading missing.json: No such file or directory (os error 2): check the path, it is relative to the current folder
      `ftp://` in `ftp://example.com`: calls go over http:// or https://
    ");
    let one = Folder::new().run(&["get", ""]);
    insta::assert_snapshot!(one.stderr, @"
    callgate: the URL is empty: write one, for example :8080/health or https://example.com/
    ");
}

#[test]
fn the_shell_sees_what_came_of_it() {
    let folder = Folder::new();
    let statuses = ScriptedUpstream::responding(|request| {
        reply(&format!("{} Status", request.target().trim_start_matches('/')), "")
    });
    let nobody = format!("http://{}", ScriptedUpstream::nobody());
    for (url, expect) in [("200", 0), ("304", 0), ("404", 4), ("503", 5)] {
        let output = folder.run(&["get", &format!("{}/{url}", statuses.url())]);
        assert_eq!(output.code, Some(expect), "{url}: {output}");
    }
    assert_eq!(folder.run(&["get", &nobody]).code, Some(6));
    let silent = ScriptedUpstream::start(|connection| {
        connection.request();
        connection.hold();
    });
    assert_eq!(folder.run(&["get", &silent.url(), "--max-time", "0.2"]).code, Some(7));
    assert_eq!(folder.run(&["get", "ftp://example.com"]).code, Some(1));
    assert_eq!(folder.run(&["get", "--no-such-option", &nobody]).code, Some(2));
}

#[test]
fn what_is_shown_is_what_was_asked_for() {
    let (upstream, folder) = (fine(), Folder::new());
    let url = upstream.url();
    assert_eq!(folder.run(&["get", &url]).stdout, "ok");
    let head = folder.run(&["head", &url]).stdout;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let included = folder.run(&["get", "-i", &url]).stdout;
    assert!(included.starts_with("HTTP/1.1 200 OK\r\n") && included.ends_with("\r\n\r\nok"), "{included}");
    let _ = folder.run(&["get", &url, "-o", "answer.txt"]).expect_success();
    assert_eq!(std::fs::read_to_string(folder.path().join("answer.txt")).unwrap(), "ok");
    assert_eq!(folder.run(&["get", &url, "-o", "-"]).stdout, "ok");
    let report = folder.run(&["get", &url, "--report", "json"]).json();
    assert_eq!((&report["response"]["status"], &report["exit"]), (&200.into(), &0.into()), "{report}");
}

#[test]
fn credentials_are_shown_only_when_that_is_asked_for() {
    let (upstream, folder) = (fine(), Folder::new());
    let arguments = ["get", &upstream.url(), "-v", "X-API-Key:hunter2"];
    let careful = folder.run(&arguments);
    assert!(careful.stderr.contains("x-api-key: [redacted]"), "{careful}");
    assert!(!careful.stderr.contains("hunter2") && !careful.stdout.contains("hunter2"), "{careful}");
    let open = folder.run(&[&arguments[..], &["--show-secrets"]].concat());
    assert!(open.stderr.contains("x-api-key: hunter2"), "{open}");
}

#[test]
fn h_is_help() {
    let help = Folder::new().run(&["call", "-h"]).expect_success().stdout;
    insta::assert_snapshot!(help, @r#"
    Make a call with any method

    Usage: callgate call [OPTIONS] [METHOD] URL [ITEM]...

    Arguments:
      <WORD>...  The method (GET unless written, or POST with a body), the URL, and what to send

    Options:
      -X, --request <METHOD>           Another method than the verb's
      -H, --header <FIELD>             A header field, 'Name: value'
      -d, --data <DATA>                The body as text, @FILE, or @- for standard input; several are
                                       joined by &
      -j, --json                       The body is JSON; so are items anyway
      -f, --form                       The items are the fields of a form
      -u, --user <NAME:PASSWORD>       Name and password for Basic
      -L, --follow                     Follow redirects [alias: --location]
      -k, --insecure                   Take any certificate
      -m, --max-time <SECONDS>         Seconds for the whole call [alias: --timeout]
          --connect-timeout <SECONDS>  Seconds until there is a connection, 10 unless written
          --http2                      HTTP/2 alone, over clear text too
          --http1.1                    HTTP/1.1 alone
      -o, --output <FILE>              The answer's body goes into this file; `-` is standard output
      -i, --include                    The answer's head too, in a pipe as well [alias: --show-headers]
      -v, --verbose                    The request and the timings too
          --report <json>              A report about the call instead of the answer: one JSON object
          --show-secrets               Credentials of the request are shown as they are
          --ignore-stdin               Never take the body from standard input
      -h, --help                       Print help
      -V, --version                    Print version

    ITEMs say by their separator what they are:
      name=value   a string of the JSON body, or a field of the form
      name:=json   other JSON of the body: count:=3  tags:='["a"]'
      name=@FILE   the same from a file, as text; name:=@FILE as JSON
      name==value  a parameter of the query
      Name:value   a header field; `Name:` leaves a default out
      @FILE        the file is the body; @- is standard input
    A backslash makes a separator a letter of the name: a\=b=c

    A body that comes in by a pipe is sent where nothing else gives one, but not by
    get, head, delete and options: write @- for those.

    A URL without a scheme is https://, or http:// where it is this machine:
    :8080/x is http://localhost:8080/x

    Exit codes: 0 an answer below 400 · 4 an answer of 4xx · 5 an answer of 5xx
                6 no answer · 7 timed out · 1, 2 a mistake on the command line
    "#);
}
