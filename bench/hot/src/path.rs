//! Path normalisation, as the read phase does it for every call.

use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use callgate_wire::path::{PathRules, normalize};

/// What callers send, with what becomes of it. Three of four are normal already, as nearly all are.
const PATHS: [(&str, &str); 4] = [
    ("/shop/books/1984/reviews", "/shop/books/1984/reviews"),
    ("/", "/"),
    (
        "/v2/customers/0b0f6f5e-2f1c-4a37-9d5c-2a4f3c1f8d11/orders",
        "/v2/customers/0b0f6f5e-2f1c-4a37-9d5c-2a4f3c1f8d11/orders",
    ),
    ("/shop/./books//caf%c3%a9/%7Eann", "/shop/books/caf%C3%A9/~ann"),
];

/// Normalises `times` paths.
pub(crate) fn run(times: u64) -> Result<()> {
    // The rules of the read phase: the API that is found says afterwards what it lets through.
    let rules = PathRules { encoded_separators: true, semicolons: true };
    for (raw, normal) in PATHS.iter().cycle().take(usize::try_from(times)?) {
        let path = normalize(black_box(raw), &rules).with_context(|| format!("normalising {raw}"))?;
        ensure!(path == *normal, "{raw} became {path}, not {normal}");
    }
    Ok(())
}
