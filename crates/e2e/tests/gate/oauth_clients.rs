//! The issuer and what others wrote: the clients `openid-client` for node (on `oauth4webapi`) and `authlib` for Python, and
//! Apache's `mod_oauth2` as another server that takes its tokens.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use callgate_testkit::{Call, Output, Program, ScriptedUpstream, TestGate, tools, wait_for};
use tempfile::TempDir;

use crate::setup::{api, gate_yaml};

/// A gate that issues tokens under the very address that it listens on, and a client of it.
struct Issuing {
    gate: TestGate,
    issuer: String,
    id: String,
    secret: String,
    _upstream: ScriptedUpstream,
}

// === impl Issuing ===

impl Issuing {
    #[track_caller]
    fn start() -> Issuing {
        let upstream = ScriptedUpstream::answering("books");
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let top =
            format!("listen: {{ address: \"{address}\" }}\nissuer: {{ url: \"http://{address}\" }}\nlockout: off\n");
        let yaml = gate_yaml(&top, &api("shop", &upstream.url(), "access: token"));
        let gate = TestGate::start_on(tempfile::tempdir().unwrap(), &yaml, &socket);
        let made = gate.run_json(&["clients", "create", "reports", "--scope", "orders:read"]);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let (id, secret) = (text("client_id"), text("client_secret"));
        Issuing { gate, issuer: format!("http://{address}"), id, secret, _upstream: upstream }
    }

    /// What a client says, run with these arguments before the issuer's address and the client's own words.
    #[track_caller]
    fn lines(&self, command: &mut Command) -> String {
        let resource = format!("{}/shop", self.issuer);
        let output = Output::of(command.args([&self.issuer, &self.id, &self.secret, &resource]), b"");
        assert_eq!(output.code, Some(0), "{output}\n{}", self.gate.said());
        output.stdout
    }
}

#[test]
fn openid_client_finds_asks_looks_revokes_and_proves() {
    let issuing = Issuing::start();
    let (mut node, library) = tools::node_with_openid_client();
    node.args(["--input-type=module", "--eval", include_str!("oauth_clients/openid_client.js"), "--", "script.mjs"]);
    let told = issuing.lines(node.arg(library));
    let by_secret = |method: &str| {
        format!(
            "{method} bearer true orders:read\ncall 200\nintrospection true reports true\nintrospection false\n\
             call 401 invalid_token\n"
        )
    };
    let bound = |algorithm: &str| {
        format!(
            "{algorithm} dpop\nbound call 200\nbound call 200\nbound call 200\nstolen 401 token_unproven\nby another key 401\n"
        )
    };
    let expect = [by_secret("ClientSecretBasic"), by_secret("ClientSecretPost"), bound("ES256"), bound("Ed25519")];
    assert_eq!(told, expect.concat());
}

#[test]
fn authlib_asks_looks_and_revokes() {
    let issuing = Issuing::start();
    let mut python = Command::new(tools::python_with_authlib());
    let told = issuing.lines(python.args(["-c", include_str!("oauth_clients/authlib_client.py")]));
    let by =
        |method: &str| format!("{method} Bearer orders:read\ncall 200\nintrospection True\nrevocation 200\ncall 401\n");
    assert_eq!(told, [by("client_secret_basic"), by("client_secret_post")].concat());
}

/// A running Apache; ends with the test.
struct Apache {
    _program: Program,
    _folder: TempDir,
    address: SocketAddr,
}

// === impl Apache ===

impl Apache {
    #[track_caller]
    fn start(issuer: &str) -> Apache {
        let folder = tempfile::tempdir().unwrap();
        // Its workers are another user.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(folder.path().join("pages")).unwrap();
        fs::write(folder.path().join("pages/index.html"), "for holders of tokens").unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let here = folder.path().display().to_string();
        let conf = include_str!("oauth_clients/apache.conf").replace("FOLDER", &here).replace("ISSUER", issuer);
        let conf = conf.replace("MODULES", "/usr/lib/apache2/modules").replace("PORT", &address.port().to_string());
        let file = folder.path().join("apache.conf");
        fs::write(&file, conf).unwrap();
        let program = Program::start(Command::new("/usr/sbin/apache2").args(["-D", "FOREGROUND", "-f"]).arg(&file));
        wait_for("Apache", || TcpStream::connect(address).is_ok());
        Apache { _program: program, _folder: folder, address }
    }

    fn status(&self, token: &str) -> u16 {
        let call = Call::new(self.address, "GET /index.html").field("Authorization", format!("Bearer {token}"));
        call.field("Connection", "close").send().status
    }
}

#[test]
fn another_server_takes_the_tokens_by_the_published_keys() {
    let issuing = Issuing::start();
    let apache = Apache::start(&issuing.issuer);
    let form = format!("grant_type=client_credentials&client_id={}&client_secret={}", issuing.id, issuing.secret);
    let ask = || {
        let answer = issuing.gate.call("POST /oauth/token").body("application/x-www-form-urlencoded", &form).send();
        answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    let token = ask();
    assert_eq!(apache.status(&token), 200);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let forged: String = signature.chars().rev().collect();
    assert_eq!(apache.status(&format!("{signed}.{forged}")), 401);
    assert_eq!(apache.status("nonsense"), 401);
    issuing.gate.run(&["signing-keys", "rotate"]).expect_success();
    assert_eq!(apache.status(&ask()), 200, "the next key was published before it signed");
    assert_eq!(apache.status(&token), 200);
}
