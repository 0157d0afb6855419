//! The demo's calls: each a real one, each with the answer that it should get.

use anyhow::{Result, anyhow};
use callgate_calling::{Arguments, send};

use super::Keys;
use crate::terminal;

/// A call that was made.
#[derive(Debug)]
pub(super) struct Made {
    expect: (u16, Option<&'static str>),
    status: u16,
    /// `Callgate-Refused`.
    pub(super) code: Option<String>,
    /// `Callgate-Call-Id`.
    pub(super) call_id: Option<String>,
}

/// A call to make.
struct Planned<'a> {
    title: &'static str,
    method: &'static str,
    path: &'static str,
    key: Option<&'a str>,
    /// Content type and body.
    body: Option<(&'static str, &'static str)>,
    expect: (u16, Option<&'static str>),
}

// === impl Made ===

impl Made {
    /// Whether status and code are what they should be.
    pub(super) fn as_expected(&self) -> bool {
        self.expect.0 == self.status && self.expect.1 == self.code.as_deref()
    }
}

/// Makes every call and shows each with its status and reason.
pub(super) async fn make(gate: &str, keys: &Keys) -> Result<Vec<Made>> {
    let mut made = Vec::new();
    for planned in plan(keys) {
        let (call, detail) = one(gate, &planned).await?;
        let mark = if call.as_expected() { "✓" } else { "✗ NOT AS EXPECTED" };
        let reason = match &call.code {
            Some(code) => format!("{code}: {detail}"),
            None => "forwarded to the bookshop".to_owned(),
        };
        terminal::say(&format!(
            "{mark} {:<31} {:<6} {:<18} {}  {reason}",
            planned.title, planned.method, planned.path, call.status
        ));
        made.push(call);
    }
    Ok(made)
}

fn plan(keys: &Keys) -> Vec<Planned<'_>> {
    const ORDER: &str = r#"{"items": [{"book": 1, "quantity": 1}]}"#;
    let get = |title, path, key, expect| Planned { title, method: "GET", path, key, body: None, expect };
    let order = |title, key, body, expect| Planned {
        title,
        method: "POST",
        path: "/shop/orders",
        key,
        body: Some(body),
        expect,
    };
    let (ada, json) = (Some(keys.ada.as_str()), "application/json");
    let mut calls = vec![
        get("a good call", "/shop/books", ada, (200, None)),
        order("an order", ada, (json, ORDER), (201, None)),
        get("a public route", "/shop/health", None, (200, None)),
        get("without a key", "/shop/books", None, (401, Some("credential_missing"))),
        get("with a mistyped key", "/shop/books", Some("cg_live_thisIsNotAKey"), (401, Some("credential_unknown"))),
        get("with a revoked key", "/shop/books", Some(&keys.revoked), (401, Some("credential_revoked"))),
        order("a key without the scope", Some(&keys.reader), (json, ORDER), (403, Some("scope_missing"))),
        get("from a denied address", "/shop/admin/stats", ada, (403, Some("ip_denied"))),
        order("a wrong content type", ada, ("text/csv", "1,1"), (415, Some("unsupported_content_type"))),
        order("a body that is not JSON", ada, (json, "{\"items\": "), (400, Some("body_malformed"))),
        Planned {
            title: "a wrong method",
            method: "DELETE",
            path: "/shop/books",
            key: ada,
            body: None,
            expect: (405, Some("method_not_allowed")),
        },
        get("no such route", "/shop/secrets", ada, (404, Some("no_such_route"))),
        get("a path that hides another", "/shop/..%2fadmin", ada, (400, Some("malformed_request"))),
    ];
    calls.extend((0..3).map(|_| get("three reads a minute", "/shop/books/1", ada, (200, None))));
    calls.push(get("the fourth", "/shop/books/1", ada, (429, Some("rate_limited"))));
    calls
}

async fn one(gate: &str, planned: &Planned<'_>) -> Result<(Made, String)> {
    let mut arguments = Arguments {
        method: Some(planned.method.to_owned()),
        url: format!("{gate}{}", planned.path),
        ..Arguments::default()
    };
    arguments.headers.extend(planned.key.map(|key| format!("X-API-Key: {key}")));
    if let Some((content_type, body)) = planned.body {
        arguments.headers.push(format!("Content-Type: {content_type}"));
        arguments.data.push(body.to_owned());
    }
    let prepared = arguments.prepare().map_err(|problems| anyhow!("{problems:?}"))?;
    let mut answer = send(&prepared.request, &prepared.sending).await?;
    let field = |name: &str| answer.field(name).map(str::to_owned);
    let (status, code, call_id) = (answer.status.as_u16(), field("callgate-refused"), field("callgate-call-id"));
    let mut body = Vec::new();
    while let Some(piece) = answer.piece().await? {
        body.extend_from_slice(&piece);
    }
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let detail = problem.get("detail").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    Ok((Made { expect: planned.expect, status, code, call_id }, detail))
}
