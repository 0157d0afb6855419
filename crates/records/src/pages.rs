//! The pages of `docs/` that are generated from this crate's tables.

use callgate_model::Code;

use crate::explain;

/// `docs/metrics.md`.
#[must_use]
pub fn metrics() -> String {
    crate::metrics::page()
}

/// `docs/refusals.md`.
#[must_use]
pub fn refusals() -> String {
    let mut page = String::from(REFUSALS_HEAD);
    for code in Code::ALL {
        let (name, status, phase) = (code.name(), code.status(), code.phase().name());
        let grpc = code.grpc_status().name();
        page.push_str(&format!(
            "| [`{name}`](#{name}) | {status} | {grpc} | {phase} | {} | {} |\n",
            code.title(),
            code.hint()
        ));
    }
    for code in Code::ALL {
        let lesson = explain::lesson(*code);
        page.push_str(&format!(
            "\n## {}\n\n**{} in `{}`.** {} {}\n\n- **Caller:** {}\n- **Operator:** {}\n- **Example:** {}\n",
            code.name(),
            code.status(),
            code.phase().name(),
            code.title(),
            lesson.when,
            lesson.caller,
            lesson.operator,
            lesson.example,
        ));
    }
    page
}

const REFUSALS_HEAD: &str = "# Refusals

<!-- Generated from `crates/model/src/refusal.rs` and `crates/records/src/explain/lessons.rs`;
     `CALLGATE_UPDATE=1 cargo test -p callgate-records` writes it anew. -->

A refusal is the gate's own answer to a call that it did not forward, or whose answer it did not let through. It is
`application/problem+json` (RFC 9457), or plain text where the caller accepts no JSON:

- `type` is `urn:callgate:refusal:<code>`, `code` the code alone, and the field `Callgate-Refused: <code>` is on every one of
  them: an answer without that field came from the upstream.
- `detail` names the setting and the caller's own numbers, `hint` says what the caller can do, `call_id` is the same as in
  `Callgate-Call-Id`.
- `callgate explain <call-id>` shows the operator's side; `callgate explain <code>` shows what is below.

A code keeps its name and its status. A rule in observe mode refuses nothing: its code is recorded as \"would refuse\".

A call whose content type is `application/grpc` hears HTTP 200 with `grpc-status` in the head and no message (\"Trailers-Only\"):
the status that the table names, and in `grpc-message` the code, the detail and the hint. gRPC-Web hears the same. Records
and metrics keep the HTTP status.

| code | status | gRPC | phase | meaning | what the caller can do |
|---|---|---|---|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares a committed page with what is generated, or writes it when asked to.
    fn check(name: &str, generated: &str) {
        let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("CALLGATE_UPDATE").is_some() {
            std::fs::write(&path, generated).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == generated,
            "docs/{name} is out of date: run CALLGATE_UPDATE=1 cargo test -p callgate-records"
        );
    }

    #[test]
    fn the_committed_pages_are_current() {
        check("metrics.md", &metrics());
        check("refusals.md", &refusals());
    }
}
