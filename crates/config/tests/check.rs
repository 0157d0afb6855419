//! What `callgate check` tells about a configuration that is right: the mapping, and the weak spots.

#![expect(clippy::panic, reason = "helpers of tests stop the test")]

use std::path::Path;

use callgate_config::{Config, mapping, parse, security};

#[track_caller]
fn config(text: &str) -> Config {
    match parse(text, Path::new("/nowhere"), &|_| None) {
        Ok(loaded) => loaded.config,
        Err(report) => panic!("{report}"),
    }
}

fn mapped(text: &str) -> String {
    mapping(&config(text)).iter().map(|line| format!("{line}\n")).collect()
}

fn weak(text: &str) -> String {
    let found = security(&config(text));
    found.iter().map(|one| format!("{}: {}\n    → {}\n", one.place, one.text, one.remedy)).collect()
}

#[test]
fn the_mapping_of_the_bookshop() {
    insta::assert_snapshot!(mapped(include_str!("../../../examples/bookshop.yaml")), @r"
    bookshop: /shop/** → http://127.0.0.1:9000  key  50/s per ip, 1000/s per api, accepts application/json, body up to 1MiB, timeout 10s
      GET /shop/books → http://127.0.0.1:9000/books  key
      GET /shop/books/{id} → http://127.0.0.1:9000/books/{id}  key
      POST /shop/orders → http://127.0.0.1:9000/orders  key  5/s per key, scopes orders:write
      GET /shop/orders/{id} → http://127.0.0.1:9000/orders/{id}  key
      GET /shop/customers/{id} → http://127.0.0.1:9000/customers/{id}  key
      POST /shop/login → http://127.0.0.1:9000/login  public  login: 5/min per ip, body up to 4KiB
      GET /shop/health → http://127.0.0.1:9000/health  public
      * /shop/admin/** → http://127.0.0.1:9000/admin/**  key  allow 10.9.0.0/16
    ");
}

#[test]
fn the_mapping_of_two_apis() {
    insta::assert_snapshot!(mapped(include_str!("../../../examples/two-apis.yaml")), @r"
    books: api.example.com/books/** → http://127.0.0.1:9000  key  50/s per ip, produces application/json
      GET api.example.com/books/** → http://127.0.0.1:9000/**  key
      HEAD api.example.com/books/** → http://127.0.0.1:9000/**  key
      POST api.example.com/books/v1/{id} → http://127.0.0.1:9000/books/{id}  key  scopes books:write
      GET api.example.com/books/old/** → answer 308  public
    reports: *.reports.example.com/** → http://127.0.0.1:9001/base  key  10/s per ip, deny 192.0.2.0/24, observed, everything below is forwarded
    ");
}

#[test]
fn the_bookshop_is_not_weak() {
    assert_eq!(weak(include_str!("../../../examples/bookshop.yaml")), "");
}

#[test]
fn everything_that_is_weak() {
    let text = r#"
version: 1
mode: observe
listen: { address: 0.0.0.0:8080, cleartext: allow }
health: 0.0.0.0:9901
trusted_proxies: { ips: [10.0.0.0/8] }
lockout: off
log: { access: off }
apis:
  open:
    path: /open
    upstream: http://10.1.2.3:9000
    access: public
    cors: { origins: "*" }
    body_max: 1GiB
  watched:
    path: /watched
    upstream: http://127.0.0.1:9000
    keys: { query: api_key }
    mode: observe
    routes:
      - GET /files/**: { access: public }
      - GET /a: { limits: [1/s], observe: [limits] }
"#;
    insta::assert_snapshot!(weak(text), @r"
    mode: the whole gate only watches: nothing is refused
        → write `mode: enforce`, or leave it out
    trusted_proxies.ips: 10.0.0.0/8 is wide: everybody in it chooses the address that limits and ip lists see
        → name the proxies' own addresses
    lockout: wrong keys are never slowed down
        → leave `lockout: off` out
    health: metrics are open to whoever reaches 0.0.0.0:9901: they name APIs, routes and their traffic
        → bind it to an inner address
    log.access: there is no access log to look into after an attack
        → write `access: stdout` or a file
    plans: no plan and no limit bounds what one key may do
        → write a plan: `plans: { free: { limits: [10/s], quota: 1000/day } }`
    listen[0].cleartext: keys travel unencrypted to 0.0.0.0:8080: whoever sees the traffic has them
        → add `tls`, and leave `cleartext: allow` out
    apis.open.limits: no limit per ip: one address can try keys, and call, as fast as it likes
        → write a limit such as `50/s per ip`
    apis.open.access: everybody may call, and nothing bounds how fast
        → write a limit such as `50/s per ip`, or `access: key`
    apis.open.upstream: calls go unencrypted to 10.1.2.3, which is another machine
        → write `https` in its URL, or keep that network closed to others
    apis.open.cors.origins: every page of every site may call this from its visitors' browsers
        → name the origins that need it
    apis.open.body_max: bodies of up to 1024 MiB are taken
        → write a smaller size, and a larger one on the routes that need it
    apis.watched.limits: no limit per ip: one address can try keys, and call, as fast as it likes
        → write a limit such as `50/s per ip`
    apis.watched.keys.query: keys in the query (`api_key`) are kept by browsers, proxies and logs on the way
        → write `query: false`, and let callers send the header
    apis.watched.body_max: the size of bodies was not thought about: 10 MiB are taken
        → write the largest body that this API needs, such as `64KiB`
    apis.watched.mode: the rules here only watch
        → write `mode: enforce`, or leave it out
    apis.watched.routes[GET /files/**].access: everybody may call this route, and nothing bounds how fast
        → write a limit such as `10/s per ip`
    apis.watched.routes[GET /files/**].access: everything below this path is public, also what is added to the upstream later
        → name the public paths one by one
    apis.watched.routes[GET /a].observe: `limits` only watches here
        → take it out of `observe` once its records look right
    ");
}

#[test]
fn the_smallest_file_has_only_what_nobody_thought_about() {
    insta::assert_snapshot!(weak(callgate_config::write::SMALLEST), @r"
    apis.bookshop.body_max: the size of bodies was not thought about: 10 MiB are taken
        → write the largest body that this API needs, such as `64KiB`
    ");
}
