//! The authorization endpoint (RFC 6749 section 3.1): a person signs in, agrees, and is sent back to the client with a code.
//!
//! Everything works without a script, and nothing is kept between two pages but the session: the client's request travels in
//! the form, and is judged anew each time. Start reading at [`show`]; then [`asked`], where it is decided whether the browser
//! may be sent anywhere at all.

mod asked;
mod browser;

use bytes::Bytes;
use callgate_identity::registry::{Grantable, SignIn, SignInFault};
use callgate_identity::{Registry, RegistryError};
use callgate_model::{Secret, User, redirect};
use callgate_store::StoreError;
use http::header::{RETRY_AFTER, SET_COOKIE, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode};

use crate::form::Form;
use crate::pages::{self, Alert};
use crate::{AUTHORIZE, Visitor};
use asked::Wrong;
use browser::Browser;

pub(crate) use asked::Asked;

/// What was decided on a page.
const SIGN_IN: &str = "sign-in";
const ALLOW: &str = "allow";
const DENY: &str = "deny";
const SWITCH: &str = "switch";

/// Answers the page that a client sends somebody to.
pub(crate) async fn show(registry: &Registry, request: &Request<Bytes>) -> Response<Bytes> {
    let query = request.uri().query().unwrap_or_default();
    let outcome = async {
        let asked = Asked::read(registry.tokens(), query)?;
        let browser = Browser::of(registry, request.headers());
        match browser.user(registry).await? {
            Some(user) => go_on(registry, &browser, &asked, user).await,
            None => sign_in_page(registry, &browser, &asked, None),
        }
    };
    outcome.await.unwrap_or_else(Stop::answer)
}

/// Answers a form of these pages.
pub(crate) async fn decide(registry: &Registry, request: &Request<Bytes>, visitor: &Visitor) -> Response<Bytes> {
    decided(registry, request, visitor).await.unwrap_or_else(Stop::answer)
}

async fn decided(registry: &Registry, request: &Request<Bytes>, visitor: &Visitor) -> Result<Response<Bytes>, Stop> {
    let form = Form::of(request).map_err(|_| Stop::Page(StatusCode::BAD_REQUEST, "The form can't be read."))?;
    let asked = Asked::read(registry.tokens(), form.get("request").unwrap_or_default())?;
    let browser = Browser::of(registry, request.headers());
    // Another site's page can send this form, but it is not this origin, and it does not know the proof.
    let is_ours = browser::is_own_page(request.headers(), &visitor.authority);
    let Some(cookie) = browser.cookie.as_ref().filter(|_| is_ours) else { return Err(Stop::Again(asked.query)) };
    if !form.get("proof").is_some_and(|proof| registry.is_form_of(cookie, proof)) {
        return Err(Stop::Again(asked.query));
    }
    match form.get("act").unwrap_or_default() {
        SIGN_IN => sign_in(registry, request, visitor, &browser, &asked, &form).await,
        ALLOW => match browser.user(registry).await? {
            Some(user) => send_code(registry, &asked, &user, true).await,
            None => sign_in_page(registry, &browser, &asked, Some(&Alert::SignedOut)),
        },
        DENY => Ok(asked.back(&[("error", "access_denied")])),
        SWITCH => {
            registry.sign_out(cookie).await?;
            Ok(reload(&asked, &browser.kind.forgets()))
        }
        _ => Err(Stop::Page(StatusCode::BAD_REQUEST, "The form does not say what was decided.")),
    }
}

async fn sign_in(
    registry: &Registry,
    request: &Request<Bytes>,
    visitor: &Visitor,
    browser: &Browser,
    asked: &Asked,
    form: &Form,
) -> Result<Response<Bytes>, Stop> {
    let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let name = form.get("name").unwrap_or_default();
    let asking = SignIn {
        name: name.to_owned(),
        password: Secret::new(form.get("password").unwrap_or_default()),
        address: visitor.address,
        agent: agent.to_owned(),
        before: browser.cookie.clone(),
    };
    let alert = match registry.sign_in(asking).await {
        // A page of its own again, so that going back or reloading sends no password a second time.
        Ok((_, cookie)) => return Ok(reload(asked, &browser.kind.holds(&cookie))),
        Err(SignInFault::Wrong) => Alert::Wrong(name.to_owned()),
        Err(SignInFault::TooOften(wait_ms)) => Alert::TooOften(wait_ms.div_euclid(1_000) + 1),
        Err(SignInFault::Busy) => Alert::Busy,
        Err(SignInFault::Failed(error)) => return Err(error.into()),
    };
    sign_in_page(registry, browser, asked, Some(&alert))
}

/// Somebody is signed in: straight back, if they agreed before, or the question.
async fn go_on(registry: &Registry, browser: &Browser, asked: &Asked, user: User) -> Result<Response<Bytes>, Stop> {
    // Where any program of the machine could stand, nobody is sent without being asked (RFC 8252 section 8.6).
    if !redirect::is_anybodys(&asked.redirect) {
        let agreed = registry.consented(user.id, &asked.client).await?;
        if agreed.is_some_and(|agreed| asked.scopes.iter().all(|scope| agreed.contains(scope))) {
            return send_code(registry, asked, &user, false).await;
        }
    }
    let Some(cookie) = &browser.cookie else { return sign_in_page(registry, browser, asked, None) };
    Ok(pages::consent(asked, &user.name, &registry.form_proof(cookie)))
}

fn sign_in_page(
    registry: &Registry,
    browser: &Browser,
    asked: &Asked,
    alert: Option<&Alert>,
) -> Result<Response<Bytes>, Stop> {
    let (cookie, is_new) = match &browser.cookie {
        Some(cookie) => (cookie.clone(), false),
        None => (registry.new_cookie()?, true),
    };
    let mut response = pages::sign_in(asked, alert, &registry.form_proof(&cookie));
    if is_new {
        put(&mut response, &browser.kind.holds(&cookie));
    }
    if let Some(Alert::TooOften(seconds)) = alert
        && let Ok(seconds) = HeaderValue::from_str(&seconds.to_string())
    {
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    Ok(response)
}

async fn send_code(registry: &Registry, asked: &Asked, user: &User, agreed: bool) -> Result<Response<Bytes>, Stop> {
    let grantable = Grantable {
        client: asked.client.clone(),
        user_id: user.id,
        redirect: asked.redirect.clone(),
        challenge: asked.challenge.clone(),
        scopes: asked.scopes.clone(),
        audience: asked.audience.clone(),
        agreed,
    };
    match registry.issue_code(grantable).await {
        Ok(code) => Ok(asked.back(&[("code", code.expose())])),
        // The account or the client went in this very moment.
        Err(RegistryError::Store(StoreError::NotFound { .. })) => Ok(asked.back(&[("error", "access_denied")])),
        Err(error) => Err(error.into()),
    }
}

/// The same page again, by GET, with another cookie.
fn reload(asked: &Asked, cookie: &str) -> Response<Bytes> {
    let mut response = asked::see_other(&format!("{AUTHORIZE}?{}", asked.query));
    put(&mut response, cookie);
    response
}

fn put(response: &mut Response<Bytes>, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// Why there is no page and no code.
enum Stop {
    /// Said on a page: it is not known where the browser could be sent.
    Page(StatusCode, &'static str),
    /// The client is told.
    Back(Box<Response<Bytes>>),
    /// A form that was not made for this browser, or long ago: the page again, by this query.
    Again(String),
    /// The store failed.
    Failed(RegistryError),
}

// === impl Stop ===

impl Stop {
    fn answer(self) -> Response<Bytes> {
        match self {
            Stop::Page(status, text) => pages::fault(status, text, None),
            Stop::Back(response) => *response,
            Stop::Again(query) => pages::fault(
                StatusCode::FORBIDDEN,
                "This form was not made for this browser, or cookies are switched off.",
                Some(&format!("{AUTHORIZE}?{query}")),
            ),
            Stop::Failed(error) => {
                tracing::warn!("the issuer could not do what it was asked: {error}");
                pages::fault(StatusCode::SERVICE_UNAVAILABLE, "This can't be done at the moment. Try again.", None)
            }
        }
    }
}

impl From<Wrong> for Stop {
    fn from(wrong: Wrong) -> Stop {
        match wrong {
            Wrong::Untold(text) => Stop::Page(StatusCode::BAD_REQUEST, text),
            Wrong::Told(response) => Stop::Back(response),
        }
    }
}

impl From<RegistryError> for Stop {
    fn from(error: RegistryError) -> Stop {
        Stop::Failed(error)
    }
}
