//! Signing in, agreeing, and what comes of it; and what does not.

use callgate_identity::TokenFault;
use callgate_model::Secret;
use http::header::{CONTENT_SECURITY_POLICY, COOKIE, LOCATION, ORIGIN, RETRY_AFTER, SET_COOKIE, X_FRAME_OPTIONS};

use super::*;

const PASSWORD: &str = "correct horse battery";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Of the verifier: both are from RFC 7636 appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const BACK: &str = "https://app.example.com/back";

/// A person's browser: keeps its cookie, follows nothing by itself.
struct Person<'a> {
    house: &'a House,
    cookie: Option<String>,
    /// Sent with each form.
    origin: Option<&'static str>,
}

/// A page, or where it leads.
struct Page {
    status: u16,
    html: String,
    response: Response<Bytes>,
}

async fn people() -> House {
    let house = house().await;
    let request = ClientRequest {
        name: "app".to_owned(),
        grants: vec![Grant::AuthorizationCode, Grant::RefreshToken],
        scopes: vec!["orders:read".to_owned(), "orders:write".to_owned()],
        redirects: vec![BACK.to_owned()],
        public: true,
        ..ClientRequest::default()
    };
    house.issuer.registry.create_client(&Actor::Local, request).await.unwrap();
    house.issuer.registry.create_user(&Actor::Local, "alice", &Secret::new(PASSWORD)).await.unwrap();
    house
}

/// A request of `app` for authorization, with some parameters changed; an empty value leaves one out.
fn asked(changes: &[(&str, &str)]) -> String {
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", BACK),
        ("scope", "orders:read"),
        ("state", "a state & more"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        parameters.retain(|(known, _)| known != name);
        parameters.push((name, value));
    }
    parameters.retain(|(_, value)| !value.is_empty());
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

// === impl House ===

impl House {
    fn person(&self) -> Person<'_> {
        Person { house: self, cookie: None, origin: Some("https://id.example.com") }
    }

    /// A code that `alice` gave `app`.
    async fn code(&self) -> String {
        let mut alice = self.person();
        alice.sign_in(&asked(&[])).await;
        let page = alice.open(&asked(&[])).await;
        // From the second time on nobody is asked.
        let page = if page.status == 303 { page } else { alice.decide(&asked(&[]), "allow").await };
        page.told("code").unwrap()
    }

    /// What `app` hears at the token endpoint.
    async fn ask(&self, form: &str) -> Told {
        self.send(posted(TOKEN, &format!("client_id=app&{form}"))).await
    }

    async fn redeem(&self, code: &str) -> Told {
        self.ask(&format!("grant_type=authorization_code&code={code}&code_verifier={VERIFIER}&redirect_uri={BACK}"))
            .await
    }

    async fn refresh(&self, token: &str) -> Told {
        self.ask(&format!("grant_type=refresh_token&refresh_token={token}")).await
    }

    fn is_alive(&self, token: &str) -> bool {
        match self.issuer.registry.tokens().verify(token, self.clock.unix_ms()) {
            Ok(_) => true,
            Err(TokenFault::Revoked(_)) => false,
            Err(other) => panic!("{other:?}"),
        }
    }
}

// === impl Told ===

impl Told {
    #[track_caller]
    fn text(&self, name: &str) -> String {
        self.said[name].as_str().unwrap_or_else(|| panic!("{}", self.said)).to_owned()
    }
}

// === impl Person ===

impl Person<'_> {
    async fn send(&mut self, mut request: Request<String>) -> Page {
        if let Some(cookie) = &self.cookie {
            request.headers_mut().insert(COOKIE, format!("other=1; {cookie}; more=2").parse().unwrap());
        }
        let response = self.house.issuer.answer(request.map(Bytes::from), visitor()).await;
        if let Some(set) = response.headers().get(SET_COOKIE) {
            let (pair, attributes) = set.to_str().unwrap().split_once("; ").unwrap();
            assert!(attributes.ends_with("Path=/; Secure; HttpOnly; SameSite=Lax"), "{attributes}");
            self.cookie = Some(pair.to_owned()).filter(|_| !attributes.contains("Max-Age=0"));
        }
        let html = String::from_utf8(response.body().to_vec()).unwrap();
        if response.status() != 303 {
            let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
            assert_eq!(response.headers()[X_FRAME_OPTIONS], "DENY");
            assert!(!html.contains("<script"), "{html}");
        }
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        Page { status: response.status().as_u16(), html, response }
    }

    async fn open(&mut self, query: &str) -> Page {
        self.send(Request::get(format!("{AUTHORIZE}?{query}")).body(String::new()).unwrap()).await
    }

    async fn post(&mut self, parameters: &[(&str, &str)]) -> Page {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let mut request = posted(AUTHORIZE, &form);
        if let Some(origin) = self.origin {
            request.headers_mut().insert(ORIGIN, origin.parse().unwrap());
        }
        self.send(request).await
    }

    /// Opens the page and sends its form with these.
    async fn fill(&mut self, query: &str, with: &[(&str, &str)]) -> Page {
        let page = self.open(query).await;
        let proof = page.hidden("proof");
        let mut parameters = vec![("request", query), ("proof", proof.as_str())];
        parameters.extend_from_slice(with);
        self.post(&parameters).await
    }

    async fn try_password(&mut self, query: &str, password: &str) -> Page {
        self.fill(query, &[("act", "sign-in"), ("name", "alice"), ("password", password)]).await
    }

    async fn sign_in(&mut self, query: &str) {
        let page = self.try_password(query, PASSWORD).await;
        assert_eq!((page.status, page.location()), (303, format!("{AUTHORIZE}?{query}")), "{}", page.html);
    }

    async fn decide(&mut self, query: &str, act: &str) -> Page {
        self.fill(query, &[("act", act)]).await
    }
}

// === impl Page ===

impl Page {
    #[track_caller]
    fn hidden(&self, name: &str) -> String {
        let (_, rest) =
            self.html.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{}", self.html));
        rest.split('"').next().unwrap().to_owned()
    }

    #[track_caller]
    fn location(&self) -> String {
        let location = self.response.headers().get(LOCATION).unwrap_or_else(|| panic!("{}", self.html));
        location.to_str().unwrap().to_owned()
    }

    /// A parameter that the client gets.
    #[track_caller]
    fn told(&self, name: &str) -> Option<String> {
        let location = self.location();
        let query = location.strip_prefix(&format!("{BACK}?")).unwrap_or_else(|| panic!("{location}"));
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }
}

#[tokio::test]
async fn somebody_signs_in_agrees_and_the_client_acts_for_them() {
    let house = people().await;
    let mut alice = house.person();
    let query = asked(&[]);
    let page = alice.open(&query).await;
    assert_eq!(page.status, 200);
    for part in
        ["<label for=\"name\">", "<label for=\"password\">", "autocomplete=\"current-password\"", "<h1>Sign in</h1>"]
    {
        assert!(page.html.contains(part), "{}", page.html);
    }
    let before = alice.cookie.clone().unwrap();
    alice.sign_in(&query).await;
    assert_ne!(alice.cookie.as_ref().unwrap(), &before, "another cookie when somebody signs in");
    assert!(before.starts_with("__Host-callgate="), "{before}");

    let page = alice.open(&query).await;
    assert!(page.html.contains("<code>orders:read</code>") && !page.html.contains("orders:write"), "{}", page.html);
    assert!(page.html.contains("<strong>alice</strong>") && page.html.contains("https://app.example.com"));
    let policy = page.response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("form-action 'self' https://app.example.com;"), "{policy}");

    let page = alice.decide(&query, "allow").await;
    assert_eq!(page.told("state").as_deref(), Some("a state & more"));
    assert_eq!(page.told("iss").as_deref(), Some("https://id.example.com"));
    let told = house.redeem(&page.told("code").unwrap()).await;
    assert_eq!(
        (told.status, &told.said["token_type"], &told.said["scope"]),
        (200, &"Bearer".into(), &"orders:read".into())
    );
    assert_eq!(told.response.headers()[CACHE_CONTROL], "no-store");
    let entry = house.issuer.registry.tokens().verify(&told.text("access_token"), house.clock.unix_ms()).unwrap();
    assert_eq!((&*entry.subject, &*entry.client.name, entry.user.is_some()), ("alice", "app", true));

    let refreshed = house.refresh(&told.text("refresh_token")).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.said);
    assert_ne!(refreshed.said["refresh_token"], told.said["refresh_token"]);
    let form = format!("grant_type=refresh_token&refresh_token={}&scope=orders:write", refreshed.text("refresh_token"));
    assert_eq!(house.ask(&form).await.said["error"], "invalid_scope", "more than was granted");

    // Asked once, and again only for more.
    let page = alice.open(&query).await;
    assert_eq!((page.status, page.told("code").is_some()), (303, true), "{}", page.html);
    let more = asked(&[("scope", "orders:read orders:write")]);
    assert_eq!(alice.open(&more).await.status, 200);
    house.issuer.registry.revoke_tokens_of_user(&Actor::Local, "alice").await.unwrap();
    assert_eq!(alice.open(&query).await.status, 200, "what was agreed to is forgotten");
    assert!(!house.is_alive(&refreshed.text("access_token")));
}

#[tokio::test]
async fn somebody_denies_or_is_somebody_else() {
    let house = people().await;
    let mut alice = house.person();
    let query = asked(&[]);
    alice.sign_in(&query).await;
    let page = alice.decide(&query, "deny").await;
    assert_eq!((page.told("error").as_deref(), page.told("code")), (Some("access_denied"), None));
    assert_eq!(page.told("state").as_deref(), Some("a state & more"));
    let page = alice.decide(&query, "switch").await;
    assert_eq!((page.status, alice.cookie.as_deref()), (303, None));
    assert!(alice.open(&query).await.html.contains("<h1>Sign in</h1>"));
}

#[tokio::test]
async fn a_wrong_password_is_told_and_slowed_down() {
    let house = people().await;
    let mut alice = house.person();
    let query = asked(&[]);
    let page = alice.try_password(&query, "<b>wrong</b>").await;
    assert_eq!(page.status, 403);
    assert!(
        page.html.contains("<p role=\"alert\" id=\"alert\">The name or the password is wrong.</p>"),
        "{}",
        page.html
    );
    assert!(page.html.contains("value=\"alice\"") && !page.html.contains("wrong</b>"), "{}", page.html);
    for _ in 0..9 {
        assert_eq!(alice.try_password(&query, "wrong").await.status, 403);
    }
    let page = alice.try_password(&query, PASSWORD).await;
    assert_eq!((page.status, page.response.headers()[RETRY_AFTER].to_str().unwrap()), (429, "31"), "{}", page.html);
    house.clock.advance_ms(30_000);
    alice.sign_in(&query).await;
}

/// Nobody is sent anywhere before it is known that the address is the client's.
#[tokio::test]
async fn no_link_makes_this_an_open_redirector() {
    let house = people().await;
    let mut person = house.person();
    for changes in [
        [("redirect_uri", "https://evil.example/back")],
        [("redirect_uri", "https://app.example.com/back/")],
        [("redirect_uri", "https://app.example.com/back?x=1")],
        [("redirect_uri", "https://app.example.com.evil.example/back")],
        [("redirect_uri", "https://app.example.com/back/../evil")],
        [("redirect_uri", "javascript:alert(1)")],
        [("redirect_uri", "//evil.example")],
        [("client_id", "nobody")],
        [("client_id", "shop")],
        [("client_id", "")],
    ] {
        let page = person.open(&asked(&changes)).await;
        assert_eq!((page.status, page.response.headers().get(LOCATION)), (400, None), "{changes:?}");
        assert!(page.html.contains("role=\"alert\""), "{}", page.html);
    }
    let twice = format!("{}&redirect_uri=https://evil.example/back", asked(&[]));
    assert_eq!(person.open(&twice).await.status, 400);
    let long = "x".repeat(1_025);
    assert_eq!(person.open(&asked(&[("state", &long)])).await.status, 400);
    let page = person.open(&asked(&[("redirect_uri", "")])).await;
    assert_eq!(page.status, 200, "the only one that it has: {}", page.html);
}

/// From then on the client is told, in a way that it can't take for another issuer's.
#[tokio::test]
async fn what_is_wrong_is_told_to_the_client() {
    let house = people().await;
    let mut person = house.person();
    let mut check = async |changes: &[(&str, &str)], error: &str| {
        let page = person.open(&asked(changes)).await;
        assert_eq!((page.status, page.told("error").as_deref()), (303, Some(error)), "{changes:?} {}", page.html);
        assert_eq!(page.told("state").as_deref(), Some("a state & more"));
        assert_eq!(page.told("iss").as_deref(), Some("https://id.example.com"));
        assert!(person.cookie.is_none());
    };
    check(&[("response_type", "")], "invalid_request").await;
    check(&[("response_type", "token")], "unsupported_response_type").await;
    check(&[("response_type", "code token")], "unsupported_response_type").await;
    check(&[("response_mode", "fragment")], "invalid_request").await;
    check(&[("scope", "orders:read admin")], "invalid_scope").await;
    check(&[("resource", "relative/a")], "invalid_target").await;
    check(&[("request", "eyJ")], "request_not_supported").await;
    check(&[("request_uri", "urn:x")], "request_uri_not_supported").await;
    // No way down from S256 (RFC 9700 section 2.1.1).
    check(&[("code_challenge", "")], "invalid_request").await;
    check(&[("code_challenge_method", "")], "invalid_request").await;
    check(&[("code_challenge_method", "plain"), ("code_challenge", VERIFIER)], "invalid_request").await;
    check(&[("code_challenge", "short")], "invalid_request").await;
}

#[tokio::test]
async fn a_code_used_twice_ends_what_came_of_it() {
    let house = people().await;
    let code = house.code().await;
    let told = house.redeem(&code).await;
    let (access, refresh) = (told.text("access_token"), told.text("refresh_token"));
    assert!(house.is_alive(&access));
    let again = house.redeem(&code).await;
    assert_eq!((again.status, &again.said["error"]), (400, &"invalid_grant".into()));
    assert!(!house.is_alive(&access));
    assert_eq!(house.refresh(&refresh).await.said["error"], "invalid_grant");
}

#[tokio::test]
async fn a_code_is_worth_nothing_without_its_verifier() {
    let house = people().await;
    let check = async |form: &str, error: &str| {
        let code = house.code().await;
        let told = house.ask(&format!("grant_type=authorization_code&code={code}&{form}")).await;
        assert_eq!((told.status, &told.said["error"]), (400, &error.into()), "{form}: {}", told.said);
    };
    check("", "invalid_request").await;
    check("code_verifier=short", "invalid_request").await;
    check(&format!("code_verifier={CHALLENGE}"), "invalid_grant").await;
    check(&format!("code_verifier={VERIFIER}&redirect_uri=https://app.example.com/other"), "invalid_grant").await;
    check(&format!("code_verifier={VERIFIER}&resource=https://api.example.com"), "invalid_grant").await;
    let told = house.ask(&format!("grant_type=authorization_code&code=cgac_nonsense&code_verifier={VERIFIER}")).await;
    assert_eq!(told.said["error"], "invalid_grant");
    // OAuth 2.1: without redirect_uri, too.
    let code = house.code().await;
    let told = house.ask(&format!("grant_type=authorization_code&code={code}&code_verifier={VERIFIER}")).await;
    assert_eq!(told.status, 200, "{}", told.said);
    // Another client's code is nobody's.
    let code = house.code().await;
    let form = format!("grant_type=authorization_code&code={code}&code_verifier={VERIFIER}");
    let told = house.post(TOKEN, &form).await;
    assert_eq!(told.said["error"], "unauthorized_client", "it has not that grant");
    house.clock.advance_ms(60_000);
    assert_eq!(house.redeem(&code).await.said["error"], "invalid_grant", "a minute later");
}

#[tokio::test]
async fn a_form_counts_only_from_the_page_that_was_shown() {
    let house = people().await;
    let query = asked(&[]);
    let mut alice = house.person();
    alice.sign_in(&query).await;
    let proof = alice.open(&query).await.hidden("proof");
    let form = [("request", query.as_str()), ("proof", proof.as_str()), ("act", "allow")];

    // Another site's page, with all that it could guess.
    let cookie = alice.cookie.clone();
    for origin in ["https://evil.example", "https://app.example.com", "null"] {
        alice.origin = Some(origin);
        let page = alice.post(&form).await;
        assert_eq!((page.status, page.response.headers().get(LOCATION)), (403, None), "{origin}");
        assert!(page.html.contains("Begin again"), "{}", page.html);
    }
    alice.origin = None;
    assert_eq!(alice.post(&form[..1]).await.status, 403, "without the proof");
    assert_eq!(alice.post(&[form[0], ("proof", "x"), form[2]]).await.status, 403);

    // The proof of a browser that somebody else has, or had before they signed in.
    let mut mallory = house.person();
    let other = mallory.open(&query).await.hidden("proof");
    assert_eq!(alice.post(&[form[0], ("proof", &other), form[2]]).await.status, 403);
    assert_eq!(mallory.post(&form).await.status, 403);
    alice.cookie = None;
    assert_eq!(alice.post(&form).await.status, 403, "no cookie");
    alice.cookie = cookie;
    assert!(alice.post(&form).await.told("code").is_some(), "and by the page it is taken");
}

/// A cookie that somebody planted in a browser before is worth nothing after its owner signed in.
#[tokio::test]
async fn a_session_is_nobodys_who_knew_the_cookie_before() {
    let house = people().await;
    let query = asked(&[]);
    let mut mallory = house.person();
    mallory.open(&query).await;
    let mut alice = house.person();
    alice.cookie = mallory.cookie.clone();
    alice.sign_in(&query).await;
    assert_ne!(alice.cookie, mallory.cookie);
    assert!(mallory.open(&query).await.html.contains("<h1>Sign in</h1>"));
    // Two of one name: one was planted, and neither is believed.
    let both = format!("{}; {}", alice.cookie.clone().unwrap(), mallory.cookie.clone().unwrap());
    alice.cookie = Some(both);
    assert!(alice.open(&query).await.html.contains("<h1>Sign in</h1>"));
}

#[tokio::test]
async fn nothing_from_a_link_is_markup() {
    let house = people().await;
    let query =
        asked(&[("state", "\"><script>alert(1)</script>"), ("resource", "https://api.example.com/\"onclick='x")]);
    let mut alice = house.person();
    assert!(!alice.open(&query).await.html.contains("<script"));
    alice.sign_in(&query).await;
    let page = alice.open(&query).await;
    assert!(page.html.contains("/&quot;onclick=&#39;x</code>") && !page.html.contains("<script"), "{}", page.html);
    let page = alice.decide(&query, "allow").await;
    assert_eq!(page.told("state").as_deref(), Some("\"><script>alert(1)</script>"));
}

#[tokio::test]
async fn a_refresh_token_is_its_clients_business() {
    let house = people().await;
    let told = house.redeem(&house.code().await).await;
    let (access, refresh) = (told.text("access_token"), told.text("refresh_token"));
    let told = house.post(INTROSPECT, &format!("token={refresh}")).await;
    assert_eq!(told.said, serde_json::json!({ "active": false }), "another client's");
    let told = house.post(INTROSPECT, &format!("token={access}")).await;
    assert_eq!((&told.said["active"], &told.said["sub"]), (&true.into(), &"alice".into()));
    let told = house.send(posted(INTROSPECT, &format!("client_id=app&token={access}"))).await;
    assert_eq!((told.status, &told.said["error"]), (401, &"invalid_client".into()), "who has no secret asks nothing");

    assert_eq!(house.post(REVOKE, &format!("token={refresh}")).await.status, 200);
    assert!(house.is_alive(&access), "another client's word counts nothing");
    assert_eq!(house.send(posted(REVOKE, &format!("client_id=app&token={refresh}"))).await.status, 200);
    assert!(!house.is_alive(&access), "the access tokens of its family, too");
    assert_eq!(house.refresh(&refresh).await.said["error"], "invalid_grant");
    let form = "client_id=shop&grant_type=refresh_token&refresh_token=x";
    assert_eq!(house.send(posted(TOKEN, form)).await.said["error"], "invalid_client", "shop has a secret to show");
}

/// A client with a secret, which then says what becomes of its refresh tokens.
#[tokio::test]
async fn a_confidential_client_shows_its_secret() {
    let house = people().await;
    let request = ClientRequest {
        name: "web".to_owned(),
        grants: vec![Grant::AuthorizationCode, Grant::RefreshToken],
        redirects: vec![BACK.to_owned()],
        ..ClientRequest::default()
    };
    let (_, secret) = house.issuer.registry.create_client(&Actor::Local, request).await.unwrap();
    let query = asked(&[("client_id", "web"), ("scope", "")]);
    let mut alice = house.person();
    alice.sign_in(&query).await;
    let code = alice.decide(&query, "allow").await.told("code").unwrap();
    let form = format!("client_id=web&grant_type=authorization_code&code={code}&code_verifier={VERIFIER}");
    assert_eq!(house.send(posted(TOKEN, &form)).await.said["error"], "invalid_client");
    let form = format!("{form}&client_secret={}", secret.unwrap().expose());
    let told = house.send(posted(TOKEN, &form)).await;
    assert_eq!(told.status, 200, "{}", told.said);
    let form = form.split_once("&client_secret=").unwrap().1;
    let form = format!("client_id=web&client_secret={form}&token={}", told.text("refresh_token"));
    let told = house.send(posted(INTROSPECT, &form)).await;
    assert_eq!((&told.said["active"], &told.said["token_type"]), (&true.into(), &"refresh_token".into()));
    assert_eq!(alice.open(&query).await.status, 303, "agreed to before, for no scope at all");
}
