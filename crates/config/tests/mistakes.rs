//! A file with ten mistakes: all ten at once, each with its line, a caret and what to write.

use std::path::Path;

use callgate_config::{Severity, parse};

const TEN: &str = r#"version: 1
mode: obsrve
listen:
  - { address: localhost:8080 }
plans:
  free: { limits: [10/sec], quota: 1000/day }
apis:
  bookshop:
    path: /shop
    upstream: 127.0.0.1:9000
    acess: key
    ip: { allow: [10.0.0.1/8] }
    timeout: soon
    limits: [5/s per header:X-Tenant]
    routes:
      - GET /orders/{id}: {}
      - GET /orders/{key}: {}
      - POST /login: { access: public, limits: [5/s per key] }
"#;

#[test]
fn all_ten_at_once() {
    let report = parse(TEN, Path::new("/nowhere"), &|_| None).unwrap_err();
    assert_eq!(report.count(Severity::Error), 10);
    insta::assert_snapshot!(report.render(false), @r"
    error: `mode` can't be `obsrve`
     --> callgate.yaml:2:7
      |
    2 | mode: obsrve
      |       ^^^^^^
      |
      = help: did you mean `observe`? It is `enforce` or `observe`

    error: `address` can't be `localhost:8080`
     --> callgate.yaml:4:16
      |
    4 |   - { address: localhost:8080 }
      |                ^^^^^^^^^^^^^^
      |
      = help: write the address instead of its name: `127.0.0.1:8080`

    error: `10/sec` is not a limit
     --> callgate.yaml:6:20
      |
    6 |   free: { limits: [10/sec], quota: 1000/day }
      |                    ^^^^^^
      |
      = help: `/sec` is not a period: write a limit as `[name:] N/s|min|h|day [burst B] [per key|consumer|ip|api|route|header:NAME]`, for example `10/s burst 20 per key`

    error: `127.0.0.1:9000` is not the URL of a server
      --> callgate.yaml:10:15
       |
    10 |     upstream: 127.0.0.1:9000
       |               ^^^^^^^^^^^^^^
       |
       = help: write the scheme too: `http://127.0.0.1:9000`

    error: there is no setting `acess` in `apis.bookshop`
      --> callgate.yaml:11:5
       |
    11 |     acess: key
       |     ^^^^^
       |
       = help: did you mean `access`?

    error: `10.0.0.1/8` has digits behind the network's part
      --> callgate.yaml:12:19
       |
    12 |     ip: { allow: [10.0.0.1/8] }
       |                   ^^^^^^^^^^
       |
       = help: write `10.0.0.0/8` for the network, or `10.0.0.1` for the one address

    error: `timeout` can't be `soon`
      --> callgate.yaml:13:14
       |
    13 |     timeout: soon
       |              ^^^^
       |
       = help: write a duration such as `500ms`, `10s`, `5m`, `1h` or `30d`

    error: callers choose the value of `x-tenant`, so this limit alone bounds nobody
      --> callgate.yaml:14:14
       |
    14 |     limits: [5/s per header:X-Tenant]
       |              ^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: add another limit beside it, for example `50/s per ip`

    error: `GET /orders/{key}` and the route on line 16 match the same calls
      --> callgate.yaml:17:9
       |
    17 |       - GET /orders/{key}: {}
       |         ^^^^^^^^^^^^^^^^^
       |
       = help: the most specific route counts, and neither is: make one of the two

    error: a limit per key has no effect on public calls: nobody shows a key
      --> callgate.yaml:18:49
       |
    18 |       - POST /login: { access: public, limits: [5/s per key] }
       |                                                 ^^^^^^^^^^^
       |
       = help: write `per ip`, or `access: key`

    callgate.yaml: 10 errors
    ");
}

#[test]
fn the_same_for_machines() {
    let report = parse("version: 1\nlisten: { adress: 1 }\napis: {}\n", Path::new("/nowhere"), &|_| None).unwrap_err();
    insta::assert_snapshot!(serde_json::to_string_pretty(&report.json()).unwrap(), @r#"
    {
      "file": "callgate.yaml",
      "errors": 2,
      "warnings": 0,
      "diagnostics": [
        {
          "severity": "error",
          "line": 2,
          "column": 11,
          "len": 6,
          "message": "there is no setting `adress` in `listen[]`",
          "help": "did you mean `address`?"
        },
        {
          "severity": "error",
          "line": 3,
          "column": 1,
          "len": 4,
          "message": "`apis` is empty",
          "help": "write at least one: `bookshop: { upstream: \"http://127.0.0.1:9000\" }`"
        }
      ]
    }
    "#);
}

#[test]
fn in_colour_the_text_is_the_same() {
    let report = parse(TEN, Path::new("/nowhere"), &|_| None).unwrap_err();
    let mut plain = String::new();
    let mut inside = false;
    for character in report.render(true).chars() {
        match character {
            '\u{1b}' => inside = true,
            'm' if inside => inside = false,
            _ if !inside => plain.push(character),
            _ => {}
        }
    }
    assert_eq!(plain, report.render(false));
}

#[test]
fn a_file_that_is_not_there() {
    let report = callgate_config::load(Path::new("/nowhere/callgate.yaml")).unwrap_err();
    insta::assert_snapshot!(report.render(false), @r"
    error: /nowhere/callgate.yaml is not readable: there is no such file
     |
     = help: name another file with `-c FILE`, or write one with `callgate init`

    /nowhere/callgate.yaml: 1 error
    ");
}

/// The text printed in the design is read to its end: only what later versions bring is named, and each once.
#[test]
fn the_design_is_readable() {
    let text = include_str!("design.yaml");
    let report = parse(text, Path::new("/nowhere"), &|_| None).unwrap_err();
    let said: Vec<&str> = report.diagnostics.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(
        said,
        [
            "`tls/cert.pem` is not readable: there is no such file",
            "`tls/key.pem` is not readable: there is no such file",
            "this version does not read `contract` yet",
            "`bookshop` takes tokens, and there is nobody who issues any",
        ]
    );
}
