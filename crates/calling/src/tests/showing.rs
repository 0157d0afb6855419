//! What is seen of a call, on a terminal and in a pipe, and how the process ends.

use std::path::Path;

use callgate_model::Clock;

use super::server::{Server, json, reply};
use super::verb;
use crate::{Arguments, Exit, LastFailure, Prepared, Streams, make};

/// What a call puts out.
struct Seen {
    out: String,
    notes: String,
    exit: Exit,
}

async fn see(prepared: &Prepared, last: Option<&Path>) -> Seen {
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let clock = Clock::manual(1_700_000_000_000);
    let exit = make(prepared, last, &clock, &mut Streams { out: &mut out, notes: &mut notes }).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Seen { out: text(out), notes: text(notes), exit }
}

/// As on a terminal without colours.
fn formatted(arguments: Arguments) -> Prepared {
    let mut prepared = arguments.prepare().unwrap();
    prepared.showing.formatted = true;
    prepared
}

const BOOK: &str = r#"{"id":7,"title":"Emma","price":9.90,"tags":[]}"#;

#[tokio::test]
async fn a_pipe_gets_the_body_and_nothing_else() {
    let server = Server::replying([json("200 OK", BOOK), json("404 Not Found", "no")]).await;
    let seen = see(&verb("GET", &[&server.url("/")]).prepare().unwrap(), None).await;
    assert_eq!((seen.out.as_str(), seen.notes.as_str(), seen.exit), (BOOK, "", Exit::Success));
    let seen = see(&verb("GET", &[&server.url("/")]).prepare().unwrap(), None).await;
    assert_eq!((seen.out.as_str(), seen.notes.as_str(), seen.exit), ("no", "", Exit::ClientError));
}

#[tokio::test]
async fn a_terminal_gets_head_and_indented_body() {
    let server = Server::replying([json("200 OK", BOOK)]).await;
    let seen = see(&formatted(verb("GET", &[&server.url("/")])), None).await;
    insta::assert_snapshot!(seen.out, @r#"
    HTTP/1.1 200 OK
    content-type: application/json
    content-length: 46

    {
      "id": 7,
      "title": "Emma",
      "price": 9.90,
      "tags": []
    }
    "#);
    assert_eq!(seen.notes, "");
}

#[tokio::test]
async fn colours_are_there_when_asked_for() {
    let server = Server::replying([json("200 OK", "[1]")]).await;
    let mut prepared = formatted(verb("GET", &[&server.url("/")]));
    prepared.showing.colour_out = true;
    let seen = see(&prepared, None).await;
    insta::assert_snapshot!(seen.out.replace('\x1b', "^"), @r#"
    ^[2mHTTP/1.1^[0m ^[1m^[32m200 OK^[0m
    ^[36mcontent-type^[0m: application/json
    ^[36mcontent-length^[0m: 3

    [
      ^[33m1^[0m
    ]
    "#);
}

#[tokio::test]
async fn verbose_shows_the_request_without_its_credentials() {
    let server = Server::replying([json("200 OK", "1"), json("200 OK", "1")]).await;
    let url = server.url("/x?api_key=abcdef&q=1");
    let arguments = Arguments {
        verbose: true,
        user: Some("ada:pass".to_owned()),
        ..verb("POST", &[&url, "a=1", "X-API-Key:k1", "Cookie:s=1"])
    };
    let seen = see(&formatted(arguments.clone()), None).await;
    let request = seen.out.split("HTTP/1.1").next().unwrap();
    let request = request.replace(&server.addr.to_string(), "HOST").replace(env!("CARGO_PKG_VERSION"), "N");
    insta::assert_snapshot!(request, @r#"
    POST /x?api_key=[redacted]&q=1
    host: HOST
    user-agent: callgate/N
    accept: application/json, */*;q=0.5
    authorization: Basic [redacted]
    content-type: application/json
    x-api-key: [redacted]
    cookie: [redacted]

    {
      "a": "1"
    }
    "#);
    assert!(seen.notes.starts_with("dns 0.") && seen.notes.contains("total"), "{}", seen.notes);
    let seen = see(&formatted(Arguments { show_secrets: true, ..arguments }), None).await;
    assert!(seen.out.contains("api_key=abcdef") && seen.out.contains("x-api-key: k1"), "{}", seen.out);
}

#[tokio::test]
async fn a_refusal_ends_with_a_hint_and_is_remembered_without_the_key() {
    let problem = r#"{"type":"urn:callgate:refusal:credential_unknown","title":"The credential is not known here.","status":401,"detail":"got cg_live_abcdefgh","code":"credential_unknown","hint":"Check that it was copied whole.","call_id":"c1"}"#;
    let refused = reply(
        "401 Unauthorized",
        &["content-type: application/problem+json", "callgate-refused: credential_unknown", "callgate-call-id: c1"],
        problem,
    );
    let server = Server::replying([refused.clone(), refused]).await;
    let folder = tempfile::tempdir().unwrap();
    let last = folder.path().join("state/callgate/last.json");
    let prepared = verb("GET", &[&server.url("/orders?key=q1w2e3"), "X-API-Key:cg_live_abcdefgh"]).prepare().unwrap();
    let seen = see(&prepared, Some(&last)).await;
    assert_eq!(seen.out, problem, "what a pipe gets is what was sent");
    assert_eq!(seen.exit, Exit::ClientError);
    insta::assert_snapshot!(seen.notes, @r#"The gate refused this call (credential_unknown). Check that it was copied whole. More: callgate explain --last"#);
    let kept = std::fs::read_to_string(&last).unwrap();
    assert!(!kept.contains("abcdefgh") && !kept.contains("q1w2e3"), "{kept}");
    let kept = LastFailure::load(&last).unwrap().unwrap();
    assert_eq!(kept.origin, server.url(""));
    assert_eq!((kept.method.as_str(), kept.path.as_str(), kept.status), ("GET", "/orders", Some(401)));
    assert_eq!((kept.code.as_deref(), kept.call_id.as_deref()), (Some("credential_unknown"), Some("c1")));
    assert_eq!(kept.problem.unwrap()["detail"], "got [redacted]");

    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&last), mode(last.parent().unwrap())), (0o600, 0o700));
}

#[tokio::test]
async fn a_failure_without_an_answer_is_remembered_too() {
    let server = Server::replying(["rubbish\r\n\r\n"]).await;
    let folder = tempfile::tempdir().unwrap();
    let last = folder.path().join("last.json");
    let seen = see(&verb("GET", &[&server.url("/")]).prepare().unwrap(), Some(&last)).await;
    assert_eq!((seen.out.as_str(), seen.exit), ("", Exit::NoAnswer));
    insta::assert_snapshot!(seen.notes.replace(&server.addr.to_string(), "HOST"), @r#"
    error: HOST answered something that is not HTTP: invalid HTTP version parsed
      hint: does the server speak TLS there? then write https://
    "#);
    let kept = LastFailure::load(&last).unwrap().unwrap();
    assert!(kept.status.is_none() && kept.error.unwrap().contains("not HTTP"));
    assert_eq!(LastFailure::load(&folder.path().join("none.json")).unwrap(), None);
}

#[tokio::test]
async fn text_of_a_server_cannot_steer_the_terminal() {
    let body = "plain \x1b]0;title\x07 text";
    let server = Server::replying([reply("200 OK", &["content-type: text/plain", "x: a\x1bb"], body)]).await;
    // hyper refuses such a field by itself; whoever shows it must not depend on that.
    let seen = see(&formatted(verb("GET", &[&server.url("/")])), None).await;
    assert!(!seen.out.contains('\x1b') && !seen.notes.contains('\x1b'), "{:?}", seen.out);
}

#[tokio::test]
async fn bodies_are_shown_as_what_they_are() {
    for (content_type, body, expect) in [
        ("content-type: text/plain", "a\nb", "a\nb\n"),
        ("content-type: text/plain", "a\x1b[2J", "a␛[2J\n"),
        ("content-type: application/problem+json; charset=utf-8", r#"{"a":1}"#, "{\n  \"a\": 1\n}\n"),
        ("content-type: application/json", "{broken", "{broken\n"),
        ("content-type: image/png", "\u{89}PNG", "(5 bytes of image/png, not shown; -o FILE saves it)\n"),
        ("content-type: text/plain", "a\0b", "(3 bytes of text/plain, not shown; -o FILE saves it)\n"),
        ("x: y", "hello", "hello\n"),
        ("x: y", "a\0b", "(3 bytes of an unsaid type, not shown; -o FILE saves it)\n"),
        ("content-type: text/event-stream", "data: 1\n\n", "data: 1\n\n"),
        ("x: y", "", ""),
    ] {
        let server = Server::replying([reply("200 OK", &[content_type], body)]).await;
        let seen = see(&formatted(verb("GET", &[&server.url("/")])), None).await;
        assert_eq!(seen.out.split_once("\n\n").unwrap().1, expect, "{content_type} {body:?}");
    }
}

/// Keeps what is written, and says when it was an event.
struct Watch {
    seen: Vec<u8>,
    event: Option<tokio::sync::oneshot::Sender<()>>,
}

impl std::io::Write for Watch {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.seen.extend_from_slice(bytes);
        if bytes.starts_with(b"data: ")
            && let Some(event) = self.event.take()
        {
            event.send(()).unwrap();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_event_is_shown_before_the_next_one_exists() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (event, shown) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_buf(&mut Vec::with_capacity(65_536)).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n").await.unwrap();
        shown.await.unwrap();
        stream.write_all(b"data: 2\n\n").await.unwrap();
    });
    let mut out = Watch { seen: Vec::new(), event: Some(event) };
    let prepared = formatted(verb("GET", &[&url]));
    let mut streams = Streams { out: &mut out, notes: &mut Vec::new() };
    assert_eq!(make(&prepared, None, &Clock::manual(0), &mut streams).await, Exit::Success);
    assert!(out.seen.ends_with(b"data: 1\n\ndata: 2\n\n"));
}

#[tokio::test]
async fn json_past_the_bound_is_shown_as_it_comes() {
    let body = format!("[\"{}\"]", "x".repeat(crate::show::FORMATTED_BYTES_MAX));
    let server = Server::replying([json("200 OK", &body)]).await;
    let seen = see(&formatted(verb("GET", &[&server.url("/")])), None).await;
    assert!(seen.out.ends_with(&format!("\n\n{body}\n")), "neither cut nor indented");
}

#[tokio::test]
async fn a_body_goes_into_the_named_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("book.json");
    let server = Server::replying([json("200 OK", BOOK)]).await;
    let arguments = Arguments { output: Some(path.clone()), ..verb("GET", &[&server.url("/")]) };
    let seen = see(&arguments.prepare().unwrap(), None).await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), BOOK);
    let said = format!("{} bytes of application/json saved to {}\n", BOOK.len(), path.display());
    assert_eq!((seen.out.as_str(), seen.notes), ("", said));
}

#[tokio::test]
async fn a_head_in_a_pipe_is_as_on_the_wire() {
    let server = Server::replying([json("503 Service Unavailable", "1")]).await;
    let arguments = Arguments { include: true, ..verb("GET", &[&server.url("/")]) };
    let seen = see(&arguments.prepare().unwrap(), None).await;
    assert_eq!(
        seen.out,
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n1"
    );
    assert_eq!(seen.exit, Exit::ServerError);
}

#[tokio::test]
async fn a_report_is_one_line_of_json() {
    let body = "{ \"z\": 1.10,\n \"a\": \"\\u00e9\" }";
    let server = Server::replying([json("200 OK", body)]).await;
    let arguments = Arguments { report: true, ..verb("GET", &[&server.url("/?token=t"), "X-API-Key:k"]) };
    let seen = see(&arguments.prepare().unwrap(), None).await;
    let (before, timings) = seen.out.split_once(r#","remote":"#).unwrap();
    let before = before.replace(&server.addr.to_string(), "HOST").replace(env!("CARGO_PKG_VERSION"), "N");
    insta::assert_snapshot!(before, @r#"{"request":{"method":"GET","url":"http://HOST/?token=[redacted]","headers":[{"name":"host","value":"HOST"},{"name":"user-agent","value":"callgate/N"},{"name":"accept","value":"*/*"},{"name":"x-api-key","value":"[redacted]"}]},"response":{"status":200,"version":"HTTP/1.1","headers":[{"name":"content-type","value":"application/json"},{"name":"content-length","value":"29"}],"body":{"z":1.10,"a":"\u00e9"}},"redirects":[]"#);
    assert!(timings.contains(r#""timings_ms":{"dns":"#) && timings.ends_with("\"exit\":0}\n"), "{timings}");
    let parsed: serde_json::Value = serde_json::from_str(&seen.out).unwrap();
    assert_eq!(parsed["response"]["body"]["a"], "é");

    let server = Server::replying([reply("400 Bad Request", &[], "a\"b")]).await;
    let arguments = Arguments { report: true, ..verb("GET", &[&server.url("/")]) };
    let seen = see(&arguments.prepare().unwrap(), None).await;
    let parsed: serde_json::Value = serde_json::from_str(&seen.out).unwrap();
    assert_eq!((&parsed["response"]["body"], &parsed["exit"]), (&"a\"b".into(), &4.into()));

    let arguments = Arguments { report: true, ..verb("GET", &["http://a..b.invalid/"]) };
    let seen = see(&arguments.prepare().unwrap(), None).await;
    let parsed: serde_json::Value = serde_json::from_str(&seen.out).unwrap();
    assert_eq!((&parsed["error"]["kind"], &parsed["exit"]), (&"resolve".into(), &6.into()));
}

#[tokio::test]
async fn followed_redirects_are_told() {
    let server = Server::replying([reply("302 Found", &["location: /b?token=t"], ""), json("200 OK", "1")]).await;
    let arguments = Arguments { follow: true, ..verb("GET", &[&server.url("/")]) };
    let seen = see(&arguments.prepare().unwrap(), None).await;
    assert_eq!(seen.notes, format!("302 redirected to {}\n", server.url("/b?token=[redacted]")));
    assert_eq!(seen.out, "1");
}

#[tokio::test]
async fn a_closed_pipe_is_no_error() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let server = Server::replying([json("200 OK", BOOK)]).await;
    let prepared = verb("GET", &[&server.url("/")]).prepare().unwrap();
    let mut notes = Vec::new();
    let mut streams = Streams { out: &mut Closed, notes: &mut notes };
    assert_eq!(make(&prepared, None, &Clock::manual(0), &mut streams).await, Exit::Success);
    assert!(notes.is_empty());
}
