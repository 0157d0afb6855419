//! gRPC through the gate: Google's own library at both ends.

use callgate_testkit::{Authority, GrpcServer, Output, ScriptedUpstream, TestGate, grpc_client, tools, wait_for};

use crate::setup::gate_yaml;

/// An API for everything, before this server.
pub(crate) fn books(server: &str, lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    format!("  books:\n    upstream: {{ server: \"{server}\", protocol: http2 }}\n{lines}")
}

fn gate(server: &GrpcServer, lines: &str) -> TestGate {
    TestGate::start(&gate_yaml("", &books(&server.url(), lines)))
}

/// Makes calls with the real client, and gives what it printed. `-` for no authority, and for no key.
#[track_caller]
fn client(address: &str, authority: &str, key: &str, calls: &[&str]) -> String {
    let output = Output::of(grpc_client(address, authority, key).args(calls), b"");
    assert_eq!(output.code, Some(0), "{output:?}");
    output.stdout
}

#[track_caller]
fn check(gate: &TestGate, key: &str, calls: &[&str], expect: &str) {
    let said = client(&gate.address().to_string(), "-", key, calls);
    assert_eq!(said.trim_end(), expect, "{:?}", gate.records());
}

#[test]
fn every_kind_of_call_passes() {
    let server = GrpcServer::start();
    let gate = gate(&server, "access: public\nbody_max: 100MiB");
    check(
        &gate,
        "-",
        &["get:one", "list:1000", "put:3:5", "put:200:65536", "chat:a:b:c:bye"],
        "get:one -> book one []\n\
         list:1000 -> [shelf=a] 1000 books, book 0 to book 999 [checksum=42]\n\
         put:3:5 -> 3 messages, 15 bytes\n\
         put:200:65536 -> 200 messages, 13107200 bytes\n\
         chat:a:b:c:bye -> re: a, re: b, re: c then OK",
    );
    wait_for("all calls to have ended", || gate.records().len() == 5);
}

#[test]
fn over_tls_too() {
    let server = GrpcServer::start();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let ca = authority.write(folder.path());
    authority.certificate(&["localhost", "127.0.0.1"]).write(folder.path(), "leaf");
    let listen = "listen: { address: 127.0.0.1:0, tls: { certificate: leaf.pem, key: leaf.key } }";
    let gate = TestGate::start_in(folder, &gate_yaml(listen, &books(&server.url(), "access: public")));
    let address = format!("localhost:{}", gate.address().port());
    let said = client(&address, &ca.display().to_string(), "-", &["get:one", "chat:a:bye"]);
    assert_eq!(said, "get:one -> book one []\nchat:a:bye -> re: a then OK\n");
}

#[test]
fn statuses_and_metadata_come_back_and_forged_trailers_do_not() {
    let server = GrpcServer::start();
    let gate = gate(&server, "access: public");
    check(
        &gate,
        "-",
        &["get:missing", "get:forge"],
        "get:missing -> NOT_FOUND no such book: ü 100 % []\n\
         get:forge -> book forge [honest=1]",
    );
}

#[test]
fn a_key_comes_as_metadata_and_goes_no_further() {
    let server = GrpcServer::start();
    let gate = gate(&server, "access: key");
    let key = gate.new_key("ada");
    check(&gate, &key.text, &["get:who", "get:key"], "get:who -> callgate-consumer=ada []\nget:key -> no key []");
}

#[test]
fn refusals_are_statuses_of_grpc() {
    let server = GrpcServer::start();
    let gate =
        gate(&server, "access: key\nlimits: [\"1/min burst 2 per key\"]\nroutes: [\"POST /shop.Books/Get\": {}]");
    let key = gate.new_key("ada");
    check(
        &gate,
        "-",
        &["get:one"],
        "get:one -> UNAUTHENTICATED credential_missing: API `books` needs a key; send it in the header `x-api-key` or \
         `Authorization: Bearer`. Send the credential in the place that the API names. [callgate-refused=credential_missing]",
    );
    let said = client(&gate.address().to_string(), "-", &key.text, &["get:1", "get:2", "get:3", "list:1"]);
    let said: Vec<_> = said.lines().collect();
    assert_eq!(said[..2], ["get:1 -> book 1 []", "get:2 -> book 2 []"]);
    assert!(said[2].starts_with("get:3 -> RESOURCE_EXHAUSTED rate_limited: "), "{said:?}");
    assert!(said[3].starts_with("list:1 -> UNIMPLEMENTED no_such_route: "), "{said:?}");
    // What is kept of a refused call is what any other caller would have heard.
    wait_for("the refusals' records", || gate.records().len() == 5);
    let mut statuses: Vec<_> =
        gate.records().iter().map(|record| record["http.response.status_code"].to_string()).collect();
    statuses.sort();
    assert_eq!(statuses, ["200", "200", "401", "404", "429"]);
}

#[test]
fn a_server_that_is_down_is_unavailable() {
    let nobody = format!("http://{}", ScriptedUpstream::nobody());
    let gate = TestGate::start(&gate_yaml("", &books(&nobody, "access: public")));
    let said = client(&gate.address().to_string(), "-", "-", &["get:one"]);
    assert!(said.starts_with("get:one -> UNAVAILABLE upstream_unreachable: "), "{said}");
}

#[test]
fn a_callers_deadline_reaches_the_server() {
    let mut server = GrpcServer::start();
    let gate = gate(&server, "access: public");
    let said = client(&gate.address().to_string(), "-", "-", &["get:slow:0.5"]);
    assert!(said.starts_with("get:slow:0.5 -> DEADLINE_EXCEEDED"), "{said}");
    server.program.line("the call to be given up", |line| (line == "slow call ended").then_some(()));
}

/// What curl hears of a call that speaks gRPC: status line and fields, in lower case.
#[track_caller]
fn by_hand(gate: &TestGate, fields: &[&str]) -> String {
    let url = format!("{}/shop.Books/Get", gate.url());
    // Without a body: curl 7.88 forgets an answer's end that comes before it has sent its own, and waits for the connection's.
    let mut arguments = vec!["--http2-prior-knowledge", "--include", "--request", "POST"];
    for field in fields {
        arguments.extend(["--header", field]);
    }
    arguments.push(&url);
    tools::curl(&arguments).stdout.to_ascii_lowercase()
}

#[test]
fn the_gate_keeps_a_deadline_itself_and_only_shortens_what_the_file_says() {
    let silent = ScriptedUpstream::start(|connection| {
        if connection.request().is_some() {
            connection.hold();
        }
    });
    let shop = |lines: &str| {
        let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
        TestGate::start(&gate_yaml(
            "",
            &format!("  books:\n    upstream: {}\n    access: public\n{lines}", silent.url()),
        ))
    };
    let grpc = "content-type: application/grpc+proto";
    let gate = shop("");
    let heard = by_hand(&gate, &[grpc, "grpc-timeout: 200m"]);
    assert!(heard.starts_with("http/2 200") && heard.contains("grpc-status: 4\r\n"), "{heard}");
    assert!(
        heard.contains("content-type: application/grpc\r\n") && heard.contains("200 ms that the caller"),
        "{heard}"
    );
    let heard = by_hand(&gate, &[grpc, "grpc-timeout: soon"]);
    assert!(heard.contains("grpc-status: 3\r\n") && heard.contains("callgate-refused: malformed_request"), "{heard}");
    // It means nothing on a call that does not speak gRPC, and lengthens nothing on one that does.
    for lines in ["total: 300ms", "timeout: 300ms"] {
        let gate = shop(lines);
        let heard = by_hand(&gate, &[grpc, "grpc-timeout: 1H"]);
        assert!(heard.contains("grpc-status: 4\r\n") && heard.contains("(setting"), "{lines}: {heard}");
        let heard = by_hand(&gate, &["content-type: text/plain", "grpc-timeout: 1m"]);
        assert!(heard.starts_with("http/2 504") && heard.contains("(setting"), "{lines}: {heard}");
    }
}

#[test]
fn a_stream_on_which_nobody_says_anything_ends_when_the_route_says() {
    let mut server = GrpcServer::start();
    let gate = gate(&server, "access: public\nidle: 1s");
    let said = client(&gate.address().to_string(), "-", "-", &["quiet"]);
    assert!(said.starts_with("quiet -> ") && !said.contains("ended") && !said.contains("DEADLINE"), "{said}");
    server.program.line("the stream to be given up", |line| (line == "quiet stream ended").then_some(()));
    wait_for("its record", || gate.records().len() == 1);
}
