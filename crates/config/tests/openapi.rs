//! `init --from`: an OpenAPI document becomes a configuration that the reader takes.

#![expect(clippy::panic, reason = "helpers of tests stop the test")]

use std::path::Path;

use callgate_config::{from_openapi_text, parse};

const BOOKSHOP: &str = r##"
openapi: 3.1.0
info: { title: "The Book Shop, v2", version: "2" }
servers:
  - url: "https://{stage}.example.com/v2/"
    variables: { stage: { default: api } }
security: [{ key: [] }]
paths:
  x-note: ignored
  books: { get: {} }
  /books:
    get: { responses: {} }
    parameters: []
  /books/{book-id}:
    get: { security: [] }
  /books/{other}:
    get: {}
  /orders:
    post:
      requestBody: { $ref: "#/components/requestBodies/order" }
    trace: {}
  /files/{name}.{ext}:
    put: { requestBody: { content: { "text/plain; charset=utf-8": {}, "*/*": {} } } }
  "/a/../b": { get: {} }
  "/caf\u00e9: odd": { get: {} }
components:
  requestBodies:
    order: { content: { application/json: {}, application/xml: {} } }
"##;

#[track_caller]
fn written(text: &str) -> String {
    written_for(text, "http://127.0.0.1:9000")
}

#[track_caller]
fn written_for(text: &str, upstream: &str) -> String {
    let written = match from_openapi_text(text, Path::new("docs/bookshop.yaml"), upstream) {
        Ok(written) => written,
        Err(report) => panic!("{report}"),
    };
    match parse(&written, Path::new("/nowhere"), &|_| None) {
        Ok(loaded) => assert!(loaded.report.diagnostics.is_empty(), "{written}\n{}", loaded.report),
        Err(report) => panic!("{written}\n{report}"),
    }
    written
}

fn refused(text: &str, expect: &str) {
    let report = from_openapi_text(text, Path::new("a.yaml"), "http://127.0.0.1:9000")
        .unwrap_or_else(|report| report.to_string());
    assert!(report.contains(expect), "{report}");
}

#[test]
fn the_bookshop() {
    insta::assert_snapshot!(written(BOOKSHOP), @r#"
    # Made from bookshop.yaml. Every setting: docs/configuration.md. Check it: callgate check
    version: 1
    listen: { address: 127.0.0.1:8080 }
    data_dir: ./callgate-data

    plans:
      free: { limits: [10/s], quota: 1000/day }

    apis:
      the-book-shop-v2:
        # the document's server; if callers should come to the gate, this must be the address behind it
        upstream: https://api.example.com/v2
        access: key
        limits: [50/s per ip]
        body_max: 1MiB
        unlisted: refuse    # calls that the document does not describe
        # `open`: the document asks for no credential there; `access: public` on the route would let everybody call
        routes:
          # left out, because its path does not begin with `/`: GET books
          - GET /books: {}
          # in the document: /books/{book-id}
          - GET /books/{book_id}: {}    # open
          # left out, because a route above matches the same calls: GET /books/{other}
          - POST /orders: { accepts: [application/json, application/xml] }
          # left out, because the gate never forwards it: TRACE /orders
          # in the document: /files/{name}.{ext}
          - PUT /files/{name}: { accepts: [text/plain, "*/*"] }
          # left out, because the gate never forwards it: GET /a/../b
          - "GET /café: odd": {}
    "#);
}

#[test]
fn json_with_tabs_and_surrogates_and_no_server() {
    let text = "{\n\t\"openapi\": \"3.0.3\", \"info\": {\"title\": \"\\ud83d\\ude00\"},\n\t\"paths\": {\"/a\": {\"get\": {}}}\n}";
    let written = written(text);
    assert!(written.contains("  api:\n    # the document names no server"), "{written}");
    assert!(written.contains("access: key") && !written.contains("{ access: public"), "{written}");
}

#[test]
fn a_relative_server_and_one_that_is_no_url() {
    let document =
        |url: &str| format!("openapi: 3.0.0\nservers: [{{ url: {url:?} }}]\npaths: {{ /a: {{ get: {{}} }} }}");
    assert!(written(&document("/v1")).contains("upstream: http://127.0.0.1:9000/v1\n"));
    assert!(written(&document("ftp://x\ny: z")).contains("upstream: http://127.0.0.1:9000\n"));
    let upstream = |url: &str, assumed: &str| {
        let written = written_for(&document(url), assumed);
        written.lines().find_map(|line| line.strip_prefix("    upstream: ").map(str::to_owned)).unwrap_or_default()
    };
    assert_eq!(upstream("/v1", "http://10.0.0.7:3000/base/"), "http://10.0.0.7:3000/base/v1");
    assert_eq!(upstream("", "http://10.0.0.7:3000"), "http://10.0.0.7:3000");
    assert_eq!(upstream("/", "http://10.0.0.7:3000"), "http://10.0.0.7:3000");
    assert_eq!(upstream("//other/x", "http://10.0.0.7:3000"), "http://10.0.0.7:3000");
    assert_eq!(upstream("https://api.example.com", "http://10.0.0.7:3000"), "https://api.example.com");
    assert!(written(&document("")).contains("# the document names no server"));
}

#[test]
fn a_server_on_the_port_that_the_gate_would_take() {
    let text = "openapi: 3.0.0\nservers: [{ url: http://localhost:8080 }]\npaths: { /a: { get: {} } }";
    assert!(written(text).contains("address: 127.0.0.1:8000"));
}

#[test]
fn nothing_in_a_document_escapes_into_the_file() {
    let text = "openapi: 3.0.0\ninfo: { title: \"x:\\n  y\" }\npaths:\n  \"/a\\n    - GET /b: { access: public }\": { get: {} }\n  \"/c#d\": { get: {} }\n  \"/e\\\"f\": { get: { requestBody: { content: { \"a/b], access: public\": {} } } } }";
    let written = written(text);
    assert!(!written.lines().any(|line| line.trim_start().starts_with("- GET /b")), "{written}");
}

#[test]
fn what_is_not_such_a_document() {
    refused("swagger: '2.0'", "this is a Swagger 2.0 document");
    refused("openapi: 4.0.0", "OpenAPI 4.0.0 is not known");
    refused("a: b", "this is not an OpenAPI document: `openapi` is missing");
    refused("openapi: 3.0.0\npaths: {}", "the document has no operations");
    refused("openapi: 3.0.0\npaths: { \"/a;b\": { get: {} } }", "no operation that the gate could forward");
    refused("openapi: 3.0.0\npaths: { books: { get: {} } }", "its paths should begin with `/`");
    refused("{ \"openapi\": ", "this is not JSON");
    refused("openapi: [", "this is not YAML");
}
