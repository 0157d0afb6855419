//! People through the real binary: accounts by the command line, the pages in a real browser by keys alone and without a
//! script, and a client that others wrote.

mod auth;

use std::net::TcpListener;

use callgate_testkit::{Answer, Output, ScriptedUpstream, TestGate, tools};
use serde_json::Value;

use crate::setup::{api, check, gate_yaml};

const FORM: &str = "application/x-www-form-urlencoded";
const PASSWORD: &str = "correct horse battery";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Of the verifier: both are from RFC 7636 appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A gate that issues tokens; `alice` may sign in, and `app` is a public client.
struct Signing {
    gate: TestGate,
    /// What clients know the issuer by.
    issuer: String,
    upstream: ScriptedUpstream,
}

/// A browser without pages: what it is shown, and its cookie.
struct Visit<'a> {
    signing: &'a Signing,
    cookie: Option<String>,
    /// What the client asks for.
    query: String,
}

// === impl Signing ===

impl Signing {
    #[track_caller]
    fn start(upstream: ScriptedUpstream) -> Signing {
        let issuer = "http://127.0.0.1:8080";
        let top = format!("issuer: {{ url: \"{issuer}\" }}\nlog: {{ access: ./access.log }}\n");
        let gate = TestGate::start(&gate_yaml(&top, &shop(&upstream)));
        Signing::with(gate, issuer.to_owned(), upstream)
    }

    /// Under the very address that it listens on, as a browser needs it.
    #[track_caller]
    fn where_it_says(upstream: ScriptedUpstream) -> Signing {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let top = format!("listen: {{ address: \"{address}\" }}\nissuer: {{ url: \"http://{address}\" }}\n");
        let yaml = gate_yaml(&top, &shop(&upstream));
        let gate = TestGate::start_on(tempfile::tempdir().unwrap(), &yaml, &socket);
        Signing::with(gate, format!("http://{address}"), upstream)
    }

    #[track_caller]
    fn with(gate: TestGate, issuer: String, upstream: ScriptedUpstream) -> Signing {
        let signing = Signing { gate, issuer, upstream };
        signing.user("alice", PASSWORD);
        let words =
            ["clients", "create", "app", "--public", "--grant", "authorization_code", "--grant", "refresh_token"];
        let more = ["--redirect", "http://127.0.0.1/back", "--scope", "orders:read"];
        let made = signing.gate.run_json(&[&words[..], &more].concat());
        assert_eq!(
            (&made["client_id"], &made["client_secret"], &made["public"]),
            (&"app".into(), &Value::Null, &true.into())
        );
        signing
    }

    #[track_caller]
    fn user(&self, name: &str, password: &str) {
        self.fed(password, &format!("users create {name} --password-stdin")).expect_success();
    }

    /// Runs a command with a secret at its standard input.
    #[track_caller]
    fn fed(&self, secret: &str, words: &str) -> Output {
        let line =
            format!("printf '%s\\n' '{secret}' | {} {words} -c callgate.yaml", callgate_testkit::binary().display());
        tools::shell(self.gate.folder(), &line)
    }

    /// A code that somebody gave `app`.
    #[track_caller]
    fn code(&self, name: &str, password: &str) -> String {
        let mut visit = Visit { signing: self, cookie: None, query: query() };
        let page = visit.fill(&[("act", "sign-in"), ("name", name), ("password", password)]);
        assert_eq!(page.summary(), "303", "{page}");
        let page = visit.fill(&[("act", "allow")]);
        let location = page.field("location").unwrap_or_else(|| panic!("{page}"));
        let (_, rest) = location.split_once("code=").unwrap_or_else(|| panic!("{location}"));
        rest.split('&').next().unwrap().to_owned()
    }

    #[track_caller]
    fn ask(&self, form: &str) -> Answer {
        self.gate.call("POST /oauth/token").body(FORM, format!("client_id=app&{form}")).send()
    }

    /// The access token and the refresh token of somebody.
    #[track_caller]
    fn tokens(&self, name: &str, password: &str) -> (String, String) {
        let code = self.code(name, password);
        let answer = self.ask(&format!("grant_type=authorization_code&code={code}&code_verifier={VERIFIER}"));
        assert_eq!(answer.summary(), "200", "{answer}");
        let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        (text("access_token"), text("refresh_token"))
    }

    #[track_caller]
    fn calls(&self, token: &str, expect: &str) {
        check(&self.gate.call("GET /shop/books").field("Authorization", format!("Bearer {token}")), expect);
    }
}

fn shop(upstream: &ScriptedUpstream) -> String {
    api("shop", &upstream.url(), "access: token\nroutes: [\"* /**\", {\"GET /open\": { access: public }}]")
}

fn query() -> String {
    format!(
        "response_type=code&client_id=app&redirect_uri=http://127.0.0.1:5123/back&scope=orders:read&state=s\
         &code_challenge={CHALLENGE}&code_challenge_method=S256"
    )
}

// === impl Visit ===

impl Visit<'_> {
    #[track_caller]
    fn open(&mut self) -> Answer {
        let mut call = self.signing.gate.call(&format!("GET /oauth/authorize?{}", self.query));
        if let Some(cookie) = &self.cookie {
            call = call.field("Cookie", cookie);
        }
        let page = call.send();
        self.keep(&page);
        page
    }

    /// Sends the form of the page with these.
    #[track_caller]
    fn fill(&mut self, with: &[(&str, &str)]) -> Answer {
        let text = self.open().text();
        let (_, rest) = text.split_once("name=\"proof\" value=\"").unwrap_or_else(|| panic!("{text}"));
        let proof = rest.split('"').next().unwrap();
        let escaped = |text: &str| text.replace('%', "%25").replace('&', "%26").replace('+', "%2B").replace(' ', "+");
        let mut form = format!("request={}&proof={proof}", escaped(&self.query));
        for (name, value) in with {
            form.push_str(&format!("&{name}={}", escaped(value)));
        }
        let call = self.signing.gate.call("POST /oauth/authorize").body(FORM, form);
        let call = call.field("Cookie", self.cookie.as_deref().unwrap()).field("Origin", self.signing.gate.url());
        let page = call.send();
        self.keep(&page);
        page
    }

    fn keep(&mut self, page: &Answer) {
        if let Some(set) = page.field("set-cookie") {
            assert!(set.ends_with("; Path=/oauth; HttpOnly; SameSite=Lax"), "{set}");
            self.cookie = set.split(';').next().map(str::to_owned);
        }
    }
}

/// Chromium with the keyboard alone, its scripts switched off, between a client that uses node's `openid-client` and the gate.
#[test]
fn a_person_signs_in_by_keys_alone_and_without_a_script() {
    let signing = Signing::where_it_says(ScriptedUpstream::answering("books"));
    let (mut node, library) = tools::node_with_openid_client();
    node.args(["--input-type=module", "--eval", include_str!("people/browser.js"), "--", "script.mjs"]);
    node.arg(library).args([&signing.issuer, PASSWORD]);
    let output = Output::of(&mut node, b"");
    assert_eq!(output.code, Some(0), "{output}\n{}", signing.gate.said());
    insta::assert_snapshot!(output.stdout, @r#"
    sign in: heading "Sign in"
      focus: textbox "Name"
    wrong password: heading "Sign in", alert "The name or the password is wrong."
      focus: textbox "Password"
    consent: heading "Let app act for you?"
      focus: button "Allow"
    second choice: heading "Let app act for you?"
      focus: button "Deny"
    third choice: heading "Let app act for you?"
      focus: button "Use another account"
    back: code state iss
    tokens: bearer true orders:read true
    call: 200
    refreshed: true 200
    refreshed again: 200
    an old one: invalid_grant 401
    "#);
    let sessions = signing.gate.run_json(&["users", "sessions", "alice"]);
    let agent = sessions["sessions"][0]["agent"].as_str().unwrap();
    assert!(agent.contains("Chrome"), "{sessions}");
}

#[test]
fn accounts_by_the_command_line() {
    let signing = Signing::start(ScriptedUpstream::answering("books"));
    let refused = signing.fed("short", "users create bob --password-stdin");
    assert!(refused.code == Some(1) && refused.stderr.contains("write 12 to 256"), "{refused}");
    signing.user("bob", "another long word");
    let refused = signing.fed(PASSWORD, "users create app --password-stdin");
    assert!(refused.stderr.contains("the same subject"), "{refused}");

    let (access, refresh) = signing.tokens("alice", PASSWORD);
    signing.calls(&access, "200");
    let received = signing.upstream.last();
    assert_eq!(["callgate-client", "callgate-subject"].map(|name| received.field(name)), [Some("app"), Some("alice")]);
    signing.gate.run(&["users", "disable", "alice"]).expect_success();
    signing.calls(&access, "401 credential_revoked");
    assert_eq!(
        signing.ask(&format!("grant_type=refresh_token&refresh_token={refresh}")).json()["error"],
        "invalid_grant"
    );
    let listed = signing.gate.run_json(&["users", "list"]);
    let names: Vec<_> =
        listed["users"].as_array().unwrap().iter().map(|user| (&user["name"], &user["disabled"])).collect();
    assert_eq!(names, [(&"alice".into(), &true.into()), (&"bob".into(), &false.into())]);
    signing.gate.run(&["users", "enable", "alice"]).expect_success();
    signing.calls(&access, "401 credential_revoked");

    let (access, _) = signing.tokens("alice", PASSWORD);
    signing.fed("a third long word", "users password alice --password-stdin").expect_success();
    signing.calls(&access, "401 credential_revoked");
    let (access, _) = signing.tokens("alice", "a third long word");
    let told = signing.gate.run(&["users", "sign-out", "alice"]).expect_success();
    assert_eq!(told.stdout.trim(), "sessions of `alice` that were ended: 1");
    signing.calls(&access, "200");
    signing.gate.run(&["tokens", "revoke", "--user", "alice"]).expect_success();
    signing.calls(&access, "401 credential_revoked");

    let (bobs, _) = signing.tokens("bob", "another long word");
    signing.gate.run(&["users", "remove", "bob"]).expect_success();
    signing.calls(&bobs, "401 credential_revoked");
    let acts = signing.gate.run_json(&["audit", "list"]).to_string();
    for act in [
        "user.create",
        "user.disable",
        "user.enable",
        "user.password",
        "user.sign_in",
        "user.agree",
        "user.sign_out",
        "user.remove",
    ] {
        assert!(acts.contains(&format!("\"{act}\"")), "{act}: {acts}");
    }
}

/// Sessions, families and their ends are on the disk before anybody hears of them.
#[test]
fn what_was_issued_and_revoked_outlives_kill_9() {
    let mut signing = Signing::start(ScriptedUpstream::answering("books"));
    let (first, refresh) = signing.tokens("alice", PASSWORD);
    let (second, other) = signing.tokens("alice", PASSWORD);
    let revoked = signing.gate.call("POST /oauth/revoke").body(FORM, format!("client_id=app&token={other}")).send();
    assert_eq!(revoked.summary(), "200", "{revoked}");
    signing.gate.kill();
    signing.gate.start_again();
    signing.calls(&first, "200");
    signing.calls(&second, "401 credential_revoked");
    let answer = signing.ask(&format!("grant_type=refresh_token&refresh_token={refresh}"));
    assert_eq!(answer.summary(), "200", "{answer}");
    assert_eq!(
        signing.ask(&format!("grant_type=refresh_token&refresh_token={other}")).json()["error"],
        "invalid_grant"
    );
}

/// On loopback the issuer shares its host with APIs: none of them sees its cookie, and none can plant one.
#[test]
fn the_issuers_cookie_is_between_it_and_the_browser() {
    let fields = "Set-Cookie: callgate-session=planted; Path=/oauth\r\nSet-Cookie: =callgate-session=x\r\n\
                  Set-Cookie: __host-callgate=planted; Secure; Path=/\r\nSet-Cookie: own=1\r\n";
    let answer = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok");
    let upstream = ScriptedUpstream::start(move |connection| {
        while connection.request().is_some() {
            connection.send(answer.as_bytes());
        }
    });
    let signing = Signing::start(upstream);
    let call = signing
        .gate
        .call("GET /shop/open")
        .field("Cookie", "a=1; callgate-session=secret; __Host-callgate=secret; b=2");
    let answer = check(&call, "200");
    assert_eq!(answer.fields_named("set-cookie"), ["own=1"]);
    assert_eq!(signing.upstream.last().field("cookie"), Some("a=1; b=2"));
    check(&signing.gate.call("GET /shop/open").field("Cookie", "callgate-session=secret"), "200");
    assert_eq!(signing.upstream.last().field("cookie"), None);
}

/// A password is slow on purpose: who asks for many at once is told to wait, and everybody else's calls go on.
#[test]
fn passwords_have_a_queue() {
    let signing = Signing::start(ScriptedUpstream::answering("books"));
    let mut visit = Visit { signing: &signing, cookie: None, query: query() };
    visit.open();
    let text = visit.open().text();
    let (_, rest) = text.split_once("name=\"proof\" value=\"").unwrap();
    let proof = rest.split('"').next().unwrap();
    let form = |nth: usize| {
        let request = query().replace('&', "%26");
        format!("request={request}&proof={proof}&act=sign-in&name=user{nth}&password=x")
    };
    let clients: Vec<_> = (0..60)
        .map(|nth| {
            let call =
                signing.gate.call("POST /oauth/authorize").body(FORM, form(nth)).from(&format!("127.0.0.{}", nth + 2));
            call.field("Cookie", visit.cookie.as_deref().unwrap())
        })
        .collect();
    let answers: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = clients.iter().map(|call| scope.spawn(|| call.send().summary())).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let count = |status: &str| answers.iter().filter(|answer| *answer == status).count();
    assert_eq!(count("403") + count("503"), 60, "{answers:?}");
    assert!(count("403") >= 18, "{answers:?}");
    check(&signing.gate.call("GET /shop/open"), "200");
}

/// Nothing that a person or a client keeps secret is in what the gate prints and logs.
#[test]
fn no_log_holds_a_secret() {
    let signing = Signing::start(ScriptedUpstream::answering("books"));
    let code = signing.code("alice", PASSWORD);
    let answer = signing.ask(&format!("grant_type=authorization_code&code={code}&code_verifier={VERIFIER}"));
    let (access, refresh) = (answer.json()["access_token"].clone(), answer.json()["refresh_token"].clone());
    signing.calls(access.as_str().unwrap(), "200");
    // Used twice: it is told to the operator, and not what it was.
    signing.ask(&format!("grant_type=authorization_code&code={code}&code_verifier={VERIFIER}"));
    signing.ask(&format!("grant_type=refresh_token&refresh_token={}", refresh.as_str().unwrap()));
    let mut said = signing.gate.said();
    let found = || std::fs::read_to_string(signing.gate.folder().join("access.log")).unwrap_or_default();
    callgate_testkit::wait_for("the log", || found().contains("/oauth/token"));
    said.push_str(&found());
    said.push_str(&signing.gate.run(&["log"]).stdout);
    said.push_str(&signing.gate.run(&["audit", "list"]).stdout);
    for secret in [PASSWORD, &code, access.as_str().unwrap(), refresh.as_str().unwrap(), VERIFIER] {
        assert!(!said.contains(secret), "{secret} in\n{said}");
    }
}
