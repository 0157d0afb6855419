//! `callgate curl`.

use crate::setup::{Folder, fine};

#[test]
fn a_curl_command_line_is_taken_as_it_is() {
    let (upstream, folder) = (fine(), Folder::new());
    let url = format!("{}/a?b=c", upstream.url());
    let line =
        ["curl", "-sSL", "-X", "PUT", "-H", "X-One: 1", "-d", "-1", "--data-raw", "--x", "-u", "me:pw", &url, "-i"];
    let output = folder.run(&line).expect_success();
    assert!(output.stdout.starts_with("HTTP/1.1 200 OK\r\n") && output.stderr.is_empty(), "{output}");
    let sent = upstream.last();
    assert_eq!((sent.line.as_str(), sent.body.as_slice()), ("PUT /a?b=c HTTP/1.1", &b"-1&--x"[..]));
    assert_eq!((sent.field("x-one"), sent.field("authorization")), (Some("1"), Some("Basic bWU6cHc=")));
}

#[test]
fn every_mistake_is_told_at_once() {
    let output =
        Folder::new().run(&["curl", "--heder", "a: b", "-F", "a=b", "-m", "soon", "https://example.com", "-H"]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output}");
    insta::assert_snapshot!(output.stderr, @"
    callgate: 5 mistakes keep this call from being made:
      --heder is not known here: did you mean --header?
      --form is not there yet: send a file as the body with --data-binary @FILE, or use curl itself
      --max-time `soon`: write seconds, for example 2.5
      -H stands at the end: write its value after it
      there are 2 URLs: a: b https://example.com: write one; quote it where it has a `&` or a space
    ");
}

#[test]
fn h_is_help_here_too() {
    let help = Folder::new().run(&["curl", "-h"]).expect_success().stdout;
    insta::assert_snapshot!(help, @"
    Make a call from a curl command line, pasted as it is

    Usage: callgate curl [CURL'S OPTIONS] URL

    Arguments:
      <WORD>...  Curl's options and the URL

    Options:
      -h, --help     Print help
      -V, --version  Print version

    What differs from curl: a URL without a scheme is https:// unless it is this
    machine, and paths go out as they are written. An option that would change the
    call and is not known here is said to be a mistake, never ignored.

    Exit codes: 0 an answer below 400 · 4 an answer of 4xx · 5 an answer of 5xx
                6 no answer · 7 timed out · 1, 2 a mistake on the command line
    ");
}
