//! `--report json`: one object about the call, for programs.

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::body::{self, Kept};
use super::json::{self, Layout};
use super::{Showing, Streams, head, write};
use crate::draft::base64;
use crate::error::CallError;
use crate::exit::Exit;
use crate::intake::HELD_BYTES_MAX;
use crate::request::Request;
use crate::secrecy;
use crate::send::{Answer, Timings};

/// What became of the body.
enum Body {
    /// Its bytes; `false` when there were more than are held.
    Held(Vec<u8>, bool),
    /// In the file that `-o` named.
    Saved(u64),
}

/// Reads the whole answer, then writes the report.
pub(super) async fn answer(
    answer: &mut Answer,
    showing: &Showing,
    streams: &mut Streams<'_>,
) -> Result<Kept, CallError> {
    let mut kept = Kept::of(answer);
    let body = match &showing.output {
        Some(path) => Body::Saved(body::into_file(answer, path, &mut kept).await?),
        None => held(answer, &mut kept).await?,
    };
    let redirects: Vec<Value> = answer
        .hops
        .iter()
        .map(|hop| json!({ "status": hop.status.as_u16(), "to": secrecy::target(&hop.to.to_string()) }))
        .collect();
    let mut response = json!({
        "status": answer.status.as_u16(),
        "version": head::version(answer.version),
        "headers": fields(&answer.fields),
    });
    if let (Body::Saved(bytes), Some(members)) = (&body, response.as_object_mut()) {
        members.insert("saved_bytes".to_owned(), (*bytes).into());
    }
    let mut report = vec![
        ("request", request_value(&answer.request, showing).to_string()),
        ("response", with_body(&response, answer, &body)),
        ("redirects", Value::from(redirects).to_string()),
        ("remote", Value::from(answer.remote.to_string()).to_string()),
        ("timings_ms", timings(&answer.timings).to_string()),
        ("exit", Exit::of_status(answer.status).code().to_string()),
    ];
    let text = object(&mut report, showing);
    write(streams.out, text.as_bytes())?;
    Ok(kept)
}

/// The report of a call without an answer.
pub(super) fn error(error: &CallError, request: &Request, showing: &Showing) -> String {
    let facts = json!({ "kind": error.kind(), "message": error.in_full(), "hint": error.hint() });
    let mut report = vec![
        ("request", request_value(request, showing).to_string()),
        ("error", facts.to_string()),
        ("exit", error.exit().code().to_string()),
    ];
    object(&mut report, showing)
}

/// An object of members whose values are JSON already.
fn object(members: &mut Vec<(&str, String)>, showing: &Showing) -> String {
    let members: Vec<String> = members.drain(..).map(|(name, value)| format!("\"{name}\":{value}")).collect();
    let text = format!("{{{}}}", members.join(","));
    let laid_out = showing.formatted.then(|| json::laid_out(&text, Layout::Indented, showing.out_paint())).flatten();
    laid_out.unwrap_or(text) + "\n"
}

/// Adds the body: a JSON body as JSON, in its own text; other text as a string; other bytes in base64.
fn with_body(response: &Value, answer: &Answer, body: &Body) -> String {
    let text = response.to_string();
    let Body::Held(bytes, whole) = body else { return text };
    if answer.request.method == Method::HEAD {
        return text;
    }
    let is_json = answer.field("content-type").is_some_and(body::is_json);
    let plain = super::paint::Paint { on: false };
    let member = match std::str::from_utf8(bytes) {
        Ok(body) => {
            let compact = if is_json { json::laid_out(body, Layout::Compact, plain) } else { None };
            format!("\"body\":{}", compact.unwrap_or_else(|| Value::from(body).to_string()))
        }
        Err(_) => format!("\"body_base64\":\"{}\"", base64(bytes)),
    };
    let cut = if *whole { "" } else { ",\"body_truncated\":true" };
    let open = text.strip_suffix('}').unwrap_or(&text);
    format!("{open},{member}{cut}}}")
}

async fn held(answer: &mut Answer, kept: &mut Kept) -> Result<Body, CallError> {
    let bound = usize::try_from(HELD_BYTES_MAX).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    while let Some(piece) = answer.piece().await? {
        kept.add(&piece);
        let room = bound - bytes.len();
        let fitting: Bytes = piece.slice(..piece.len().min(room));
        bytes.extend_from_slice(&fitting);
        if fitting.len() < piece.len() {
            return Ok(Body::Held(bytes, false));
        }
    }
    Ok(Body::Held(bytes, true))
}

fn request_value(request: &Request, showing: &Showing) -> Value {
    let url = request.url.to_string();
    let url = if showing.show_secrets { url } else { secrecy::target(&url) };
    let fields: Vec<Value> = request
        .fields
        .iter()
        .map(|(name, value)| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let shown = if showing.show_secrets { text } else { secrecy::field(name, &text) };
            json!({ "name": name.as_str(), "value": shown })
        })
        .collect();
    json!({ "method": request.method.as_str(), "url": url, "headers": fields })
}

fn fields(fields: &HeaderMap) -> Value {
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| json!({ "name": name.as_str(), "value": String::from_utf8_lossy(value.as_bytes()) });
    fields.iter().map(field).collect()
}

/// Milliseconds with three places.
fn timings(timings: &Timings) -> Value {
    let rounded = |time: std::time::Duration| (time.as_secs_f64() * 1_000_000.0).round() / 1_000.0;
    json!({
        "dns": rounded(timings.dns),
        "connect": rounded(timings.connect),
        "tls": timings.tls.map(rounded),
        "first_byte": rounded(timings.first_byte),
        "total": timings.total.map(rounded),
    })
}
