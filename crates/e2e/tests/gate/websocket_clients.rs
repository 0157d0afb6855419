//! WebSockets between programs that others wrote: Python's `websockets` at the server's end; that, node's `ws`, and `ws` on a
//! stream of node's HTTP/2 at the client's.

use std::process::Command;

use callgate_testkit::{Authority, Output, Program, TestGate, tools, wait_for};

use crate::setup::{api, gate_yaml};

/// A running `server.py`; ends with the test.
struct Server {
    _program: Program,
    url: String,
}

/// Who opens the WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    Python,
    Node,
    NodeOverHttp2,
}

const ALL: [Client; 3] = [Client::Python, Client::Node, Client::NodeOverHttp2];

// === impl Server ===

impl Server {
    #[track_caller]
    fn start() -> Server {
        let mut command = Command::new(tools::python_with_websockets());
        let mut program = Program::start(command.args(["-c", include_str!("websocket_clients/server.py")]));
        let port = program.line("the server's port", |line| line.strip_prefix("port ").map(str::to_owned));
        Server { _program: program, url: format!("http://127.0.0.1:{port}") }
    }
}

// === impl Client ===

impl Client {
    /// Opens a WebSocket with this key, and gives a line for each of the steps.
    #[track_caller]
    fn steps(self, gate: &TestGate, path: &str, key: &str, steps: &[&str]) -> Vec<String> {
        let [clear, secure] = [0, 1].map(|listener| gate.addresses()[listener].port());
        let mut command = match self {
            Client::Python => {
                let mut command = Command::new(tools::python_with_websockets());
                let url = format!("ws://localhost:{clear}{path}");
                command.args(["-c", include_str!("websocket_clients/client.py"), &url, key]);
                command
            }
            Client::Node | Client::NodeOverHttp2 => {
                let (url, authority) = match self {
                    Client::NodeOverHttp2 => (format!("https://localhost:{secure}{path}"), "ca.pem"),
                    _ => (format!("ws://localhost:{clear}{path}"), "-"),
                };
                let mut command = tools::node_with_ws();
                command.args(["--eval", include_str!("websocket_clients/client.js"), "--", &url, authority, key]);
                command
            }
        };
        let output = Output::of(command.args(steps).current_dir(gate.folder()), b"");
        assert_eq!(output.code, Some(0), "{self:?}: {output}");
        output.stdout.lines().map(str::to_owned).collect()
    }
}

/// A gate with a listener in the clear and one over TLS.
fn gate(server: &Server, lines: &str) -> TestGate {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    authority.certificate(&["localhost"]).write(folder.path(), "one");
    drop(authority.write(folder.path()));
    let top = "listen:\n  - { address: 127.0.0.1:0 }\n  - { address: 127.0.0.1:0, tls: { certificate: one.pem, key: one.key } }\n";
    TestGate::start_in(folder, &gate_yaml(top, &api("shop", &server.url, lines)))
}

#[test]
fn messages_of_every_kind_come_back_as_they_were() {
    let server = Server::start();
    let gate = gate(&server, "websocket: allow");
    let key = gate.new_key("ada");
    let steps = ["agreed", "text:1", "text:100000", "text:0", "bytes:3000", "pieces:500", "ping", "close:4321"];
    let expect = [
        "agreed chat -",
        "echo 1 true",
        "echo 100000 true",
        "echo 0 true",
        "echo 3000 true",
        "echo 500 true",
        "pong",
        "closed 4321 done",
    ];
    for client in ALL {
        assert_eq!(client.steps(&gate, "/shop/live", &key.text, &steps), expect, "{client:?}");
    }
    wait_for("their records", || gate.records().len() == ALL.len());
    for record in gate.records() {
        assert_eq!(
            (&record["callgate.end"], &record["callgate.websocket.close_code"]),
            (&"complete".into(), &4321.into())
        );
        assert_eq!(record["callgate.websocket.messages_in"], 5, "{record}");
        assert_eq!(record["callgate.websocket.messages_out"], 5, "{record}");
    }
}

#[test]
fn whoever_ends_it_is_heard_with_a_code() {
    let server = Server::start();
    let gate = gate(&server, "websocket: { message_max: 64KiB }");
    let key = gate.new_key("ada");
    for client in ALL {
        let steps = |steps: &[&str]| client.steps(&gate, "/shop/live", &key.text, steps);
        assert_eq!(steps(&["ask:3333"]), ["closed 3333 -"], "{client:?}: the server closes");
        assert_eq!(steps(&["flood:65537"]), ["closed 1009 a message is too large"], "{client:?}: the gate closes");
    }
}

#[test]
fn a_refusal_is_an_answer_that_they_can_read() {
    let server = Server::start();
    let gate = gate(&server, "routes:\n  - GET /live: { websocket: allow, scopes: [live] }\n  - GET /plain: {}");
    let key = gate.new_key("ada");
    for client in ALL {
        let refused = |path: &str, key: &str| client.steps(&gate, path, key, &["agreed"]).join("\n");
        assert_eq!(refused("/shop/live", "none"), "refused 401 credential_unknown", "{client:?}");
        assert_eq!(refused("/shop/live", &key.text), "refused 403 scope_missing", "{client:?}");
        assert_eq!(refused("/shop/plain", &key.text), "refused 403 upgrade_refused", "{client:?}");
    }
}
