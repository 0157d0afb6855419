//! The OpenAPI document of the admin API, generated from the handlers. It is committed; a test fails when it drifts.

use axum::http::StatusCode;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::extract::Answer;
use crate::problem::{AdminCode, AdminError};
use crate::routes::{
    admin_tokens, audit, calls, clients, consumers, follow, gate, issuers, keys, signing_keys, tokens, upgrade, users,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Callgate admin API",
        description = "Over the admin socket, whose peer's uid is the audited actor; over TCP, where configured, with an \
                       admin token. Moments that end in `_ms` are Unix milliseconds. Every error is \
                       `application/problem+json` with a stable `code`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        gate::status, gate::plans, gate::upstreams, gate::reload, gate::backup, upgrade::upgrade,
        consumers::list, consumers::create, consumers::show, consumers::set_plan, consumers::remove,
        keys::list, keys::create, keys::import, keys::show, keys::revoke, keys::rotate,
        clients::list, clients::create, clients::show, clients::rotate_secret, clients::remove,
        users::list, users::create, users::password, users::disable, users::enable, users::remove,
        users::sessions, users::sign_out,
        tokens::list, tokens::inspect, tokens::revoke, signing_keys::list, signing_keys::rotate, issuers::list,
        audit::list, audit::verify,
        calls::find, follow::follow, calls::show, calls::usage, calls::stats,
        admin_tokens::list, admin_tokens::create, admin_tokens::remove,
    ),
    components(schemas(AdminError, AdminCode)),
    security(("token" = [])),
    modifiers(&Finish)
)]
struct Document;

/// What holds for every operation: the token, and the shape of errors.
struct Finish;

impl Modify for Finish {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        if let Some(components) = &mut document.components {
            let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
            components.add_security_scheme("token", bearer);
        }
        for item in document.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                for (status, response) in &mut operation.responses.responses {
                    describe(status, response);
                }
                operation.responses.responses.insert("default".to_owned(), problem().into());
            }
        }
    }
}

/// A response must have a description (OpenAPI 3.1 section 4.8.17).
fn describe(status: &str, response: &mut utoipa::openapi::RefOr<utoipa::openapi::Response>) {
    if let utoipa::openapi::RefOr::T(response) = response {
        response.description = if status == "201" { "Made" } else { "Done" }.to_owned();
    }
}

fn problem() -> utoipa::openapi::Response {
    let schema = utoipa::openapi::Ref::from_schema_name("AdminError");
    let content = utoipa::openapi::ContentBuilder::new().schema(Some(schema)).build();
    utoipa::openapi::ResponseBuilder::new()
        .description("What stood in the way, as a problem document (RFC 9457)")
        .content("application/problem+json", content)
        .build()
}

/// The document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// This document.
pub(crate) async fn show() -> Answer<utoipa::openapi::OpenApi> {
    Answer(StatusCode::OK, document())
}
