//! `callgate auth`: a token for calls, from signing in to signing out.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use callgate_testkit::{Call, Program};

use super::*;

/// Somebody's machine: a home of its own.
struct Machine<'a> {
    signing: &'a Signing,
    home: tempfile::TempDir,
}

// === impl Machine ===

impl Machine<'_> {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(callgate_testkit::binary());
        command.arg("auth").args(words).env("HOME", self.home.path()).env_remove("XDG_CONFIG_HOME");
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        Output::of(&mut self.command(words), b"")
    }

    fn file(&self) -> std::path::PathBuf {
        self.home.path().join(".config/callgate/auth.json")
    }

    #[track_caller]
    fn token(&self) -> String {
        self.run(&["token"]).expect_success().stdout.trim().to_owned()
    }

    /// Signs in as `alice` where the command says; gives what it said in the end.
    #[track_caller]
    fn log_in(&self) -> String {
        let resource = format!("{}/shop", self.signing.issuer);
        let words =
            ["login", &self.signing.issuer, "--client", "app", "--scope", "orders:read", "--resource", &resource];
        let mut login = Program::start(&mut self.command(&words));
        let address = login.line("the address to open", |line| line.trim().strip_prefix("http://").map(str::to_owned));
        let query = address.split_once('?').unwrap().1.to_owned();
        let mut visit = Visit { signing: self.signing, cookie: None, query };
        visit.fill(&[("act", "sign-in"), ("name", "alice"), ("password", PASSWORD)]);
        let page = visit.fill(&[("act", "allow")]);
        let back = page.field("location").unwrap_or_else(|| panic!("{page}")).to_owned();
        let (to, target) = back.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let to = to.parse().unwrap();
        // Other programs of the machine may knock, and know no state.
        let other = Call::new(to, "GET /back?code=planted&state=other").send();
        assert!(other.text().contains("did not work"), "{other}");
        let page = Call::new(to, &format!("GET /{target}")).send();
        assert!(page.text().contains("You are signed in"), "{page}");
        assert_eq!(login.wait().code(), Some(0), "{:?}", login.lines());
        login.lines().join("\n")
    }

    /// As if the access token had ended.
    fn let_it_end(&self) {
        let mut kept: Value = serde_json::from_slice(&std::fs::read(self.file()).unwrap()).unwrap();
        kept[0]["expires_ms"] = 0.into();
        std::fs::write(self.file(), kept.to_string()).unwrap();
    }
}

#[test]
fn a_person_logs_in_calls_and_logs_out() {
    let signing = Signing::where_it_says(ScriptedUpstream::answering("books"));
    let machine = Machine { signing: &signing, home: tempfile::tempdir().unwrap() };
    let refused = machine.run(&["token"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("no token is kept"), "{refused}");
    let said = machine.log_in();
    let first = machine.token();
    assert!(!said.contains(&first) && said.contains("orders:read"), "{said}");
    signing.calls(&first, "200");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&machine.file()), mode(machine.file().parent().unwrap())), (0o600, 0o700));
    assert_eq!(machine.token(), first, "as long as it is good");

    machine.let_it_end();
    let several: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..4).map(|_| scope.spawn(|| machine.token())).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(several.iter().all(|token| *token == several[0] && *token != first), "one of them asked: {several:?}");
    signing.calls(&several[0], "200");
    let status = machine.run(&["status", "--json"]).expect_success();
    let kept = &status.json()["kept"][0];
    assert_eq!((&kept["client_id"], &kept["refreshable"]), (&"app".into(), &true.into()));
    assert!(!status.stdout.contains(&several[0]) && !machine.run(&["status"]).stdout.contains("cgrt_"));

    machine.run(&["logout"]).expect_success();
    signing.calls(&several[0], "401 credential_revoked");
    assert_eq!(machine.run(&["status"]).stdout.trim(), "no token is kept");

    machine.log_in();
    std::fs::set_permissions(machine.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = machine.run(&["token"]);
    assert!(refused.stderr.contains("can be read by other users"), "{refused}");
}

#[test]
fn a_client_logs_in_by_its_secret() {
    let signing = Signing::where_it_says(ScriptedUpstream::answering("books"));
    let made = signing.gate.run_json(&["clients", "create", "reports", "--scope", "orders:read"]);
    let secret = made["client_secret"].as_str().unwrap();
    let machine = Machine { signing: &signing, home: tempfile::tempdir().unwrap() };
    let log_in = |secret: &str| {
        Output::of(
            &mut machine.command(&["login", &signing.issuer, "--client", "reports", "--secret-stdin"]),
            secret.as_bytes(),
        )
    };
    let refused = log_in("wrong");
    assert!(refused.code == Some(1) && refused.stderr.contains("invalid_client"), "{refused}");
    log_in(secret).expect_success();
    let first = machine.token();
    signing.calls(&first, "200");
    machine.let_it_end();
    let second = machine.token();
    assert_ne!(first, second);
    signing.calls(&second, "200");
}

/// An issuer's own documents can't send a secret elsewhere.
#[test]
fn no_secret_is_sent_to_another_origin() {
    let other = ScriptedUpstream::answering("{}");
    let evil = ScriptedUpstream::start({
        let other = other.url();
        move |connection| {
            while let Some(request) = connection.request() {
                let issuer = format!("http://{}", request.field("host").unwrap());
                let body = format!(r#"{{"issuer":"{issuer}","token_endpoint":"{other}/token"}}"#);
                connection.send(callgate_testkit::reply("200 OK", &body));
            }
        }
    });
    let signing = Signing::where_it_says(ScriptedUpstream::answering("books"));
    let machine = Machine { signing: &signing, home: tempfile::tempdir().unwrap() };
    let log_in = |issuer: &str| {
        Output::of(&mut machine.command(&["login", issuer, "--client", "reports", "--secret-stdin"]), b"hunter2")
    };
    let refused = log_in(&evil.url());
    assert!(refused.stderr.contains("at another origin"), "{refused}");
    assert!(other.received().is_empty());
    let refused = log_in("http://id.example.com");
    assert!(refused.stderr.contains("is not https"), "{refused}");
}
