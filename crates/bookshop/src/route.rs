//! Which operation a request is for: the whole API in one table. A test holds it and `openapi.json` together.

use http::header::{ALLOW, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::answer::{self, Answer, Body};
use crate::ask::Ask;
use crate::problem::Problem;
use crate::shop::Shop;
use crate::{admin, books, customers, echo, events, headers, health, login, openapi, orders, slow};

/// An operation of the OpenAPI document; its `operationId` is the name in lower camel case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    ListBooks,
    GetBook,
    ListOrders,
    CreateOrder,
    GetOrder,
    GetCustomer,
    Login,
    Health,
    AdminStats,
    OpenapiDocument,
    Events,
    Echo,
    Headers,
    Slow,
}

/// Method, path template, operation.
pub(crate) const ROUTES: &[(Method, &str, Operation)] = &[
    (Method::GET, "/books", Operation::ListBooks),
    (Method::GET, "/books/{id}", Operation::GetBook),
    (Method::GET, "/orders", Operation::ListOrders),
    (Method::POST, "/orders", Operation::CreateOrder),
    (Method::GET, "/orders/{id}", Operation::GetOrder),
    (Method::GET, "/customers/{id}", Operation::GetCustomer),
    (Method::POST, "/login", Operation::Login),
    (Method::GET, "/health", Operation::Health),
    (Method::GET, "/admin/stats", Operation::AdminStats),
    (Method::GET, "/openapi.json", Operation::OpenapiDocument),
    (Method::GET, "/events", Operation::Events),
    (Method::POST, "/echo", Operation::Echo),
    (Method::GET, "/headers", Operation::Headers),
    (Method::GET, "/slow", Operation::Slow),
];

/// Answers one request, whatever happens.
pub(crate) async fn serve(shop: &Shop, request: Request<Incoming>) -> Response<Body> {
    shop.count_call();
    match answer(shop, request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn answer(shop: &Shop, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let on_path = || ROUTES.iter().filter_map(|route| Some((route, matches(route.1, path)?)));
    // A HEAD is a GET whose body the HTTP library leaves out (RFC 9110 section 9.3.2).
    let method = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
    let Some(((_, _, operation), id)) = on_path().find(|((taken, _, _), _)| taken == method) else {
        return without_operation(on_path().map(|((taken, _, _), _)| taken), &parts.method, path);
    };
    let id = id.to_owned();
    let ask = Ask { method: parts.method, uri: parts.uri, id, headers: parts.headers, body };
    match operation {
        Operation::ListBooks => books::list(shop, &ask),
        Operation::GetBook => books::get(shop, &ask),
        Operation::ListOrders => orders::list(shop, &ask),
        Operation::CreateOrder => orders::create(shop, ask).await,
        Operation::GetOrder => orders::get(shop, &ask),
        Operation::GetCustomer => customers::get(shop, &ask),
        Operation::Login => login::login(shop, ask).await,
        Operation::Health => health::get(),
        Operation::AdminStats => admin::stats(shop, &ask),
        Operation::OpenapiDocument => openapi::get(),
        Operation::Events => events::get(&ask),
        Operation::Echo => echo::post(ask),
        Operation::Headers => headers::get(&ask),
        Operation::Slow => slow::get(&ask).await,
    }
}

/// What stands for `{id}` when the path fits the template; empty where the template has no parameter.
fn matches<'path>(template: &str, path: &'path str) -> Option<&'path str> {
    match template.strip_suffix("{id}") {
        None => (template == path).then_some(""),
        Some(before) => path.strip_prefix(before).filter(|id| !id.is_empty() && !id.contains('/')),
    }
}

/// No operation: 204 for OPTIONS, 405 where the path exists, else 404.
fn without_operation<'a>(taken: impl Iterator<Item = &'a Method>, method: &Method, path: &str) -> Answer {
    let mut allow: Vec<&str> = Vec::new();
    for taken in taken {
        allow.push(taken.as_str());
        if taken == Method::GET {
            allow.push("HEAD");
        }
    }
    if allow.is_empty() {
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("Nothing is at {path}; see /openapi.json.")));
    }
    allow.push("OPTIONS");
    let allow = HeaderValue::from_str(&allow.join(", ")).map_err(|cause| Problem::internal(&cause))?;
    if method == Method::OPTIONS {
        let mut response = Response::new(answer::nothing());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response.headers_mut().insert(ALLOW, allow);
        return Ok(response);
    }
    let detail = format!("{path} does not take {method}; the Allow field lists what it takes.");
    Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).with_field(ALLOW, allow))
}
