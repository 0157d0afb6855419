//! Writing a `callgate.yaml` for somebody: `init`, `guard --save`. What is written here is what the reader takes, and the
//! comments say what a newcomer would look up.

/// The smallest useful file; the reference shows it.
pub const SMALLEST: &str = "\
version: 1
listen: { address: 127.0.0.1:8080 }
plans:
  free: { limits: [10/s], quota: 1000/day }
apis:
  bookshop:
    upstream: http://127.0.0.1:9000
    limits: [50/s per ip]
";

/// What `guard` decided, to be written as the file that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minimal {
    /// The API's name.
    pub api: String,
    /// The upstream's URL.
    pub upstream: String,
    /// Where calls arrive.
    pub listen: std::net::SocketAddr,
    /// The data folder, as it should be written.
    pub data_dir: String,
    /// The access log's file, as it should be written; none writes it to standard output.
    pub log: Option<String>,
    /// Limits of the API, as an operator writes them.
    pub limits: Vec<String>,
    /// The plan of the consumer that was made: its name and its limits.
    pub plan: Option<(String, Vec<String>)>,
    /// Whether nothing is refused.
    pub observe: bool,
}

/// The file that stands for a `guard` without one.
#[must_use]
pub fn minimal(values: &Minimal) -> String {
    let mut text = String::from(
        "# What `callgate guard` did, as a file. Check it: callgate check. Serve it: callgate serve\nversion: 1\n",
    );
    if values.observe {
        text.push_str(
            "mode: observe    # nothing is refused, only recorded as \"would refuse\"; remove this line to enforce\n",
        );
    }
    text.push_str(&format!("listen: {{ address: {} }}\n", quoted(&values.listen.to_string())));
    text.push_str(&format!("data_dir: {}    # keys, counters, records\n", quoted(&values.data_dir)));
    if let Some(log) = &values.log {
        text.push_str(&format!("log: {{ access: {} }}\n", quoted(log)));
    }
    if let Some((name, limits)) = &values.plan {
        text.push_str("\n# A consumer is on a plan; its limits count all keys of the consumer together unless they say `per key`.\n");
        text.push_str(&format!("plans:\n  {}: {{ limits: {} }}\n", quoted(name), list(limits)));
    }
    text.push_str(&format!("\napis:\n  {}:\n", quoted(&values.api)));
    text.push_str(&format!("    upstream: {}\n", quoted(&values.upstream)));
    text.push_str("    access: key          # `public` lets everybody call\n");
    if !values.limits.is_empty() {
        text.push_str(&format!("    limits: {}\n", list(&values.limits)));
    }
    text.push_str("    # routes:            # without routes, every path is forwarded\n");
    text.push_str("    #   - GET /health: { access: public }\n");
    text
}

/// What `init` writes for an upstream that nothing else is known about.
#[must_use]
pub fn starter(upstream: &str) -> String {
    // A gate on its own upstream's port would call itself.
    let port = if upstream.contains(":8080") { 8000 } else { 8080 };
    format!(
        "\
# The gate's configuration. Every setting: docs/configuration.md. Check it: callgate check. Serve it: callgate serve
version: 1
# mode: observe                      # refuses nothing and records what it would have refused

listen:
  - address: 127.0.0.1:{port}          # 0.0.0.0:8443 for everybody, with `tls: {{ certificate: …, key: … }}`
# health: 127.0.0.1:9901             # /livez /readyz /metrics
data_dir: ./callgate-data            # keys, counters, records

plans:                               # `callgate consumers create NAME --plan free`
  free: {{ limits: [10/s], quota: 1000/day }}
  gold: {{ limits: [100/s burst 200], quota: 1M/month }}

apis:
  api:
    path: /                          # callers' prefix: with /shop, GET /shop/orders reaches the upstream as GET /orders
    upstream: {}
    access: key                      # holders of a key; `public` lets everybody call
    limits: [50/s per ip]
    body_max: 1MiB
    # routes:                        # without routes, every path is forwarded
    #   - GET /health: {{ access: public }}
    #   - POST /orders: {{ scopes: [orders:write], accepts: [application/json] }}
    #   - \"* /admin/**\": {{ ip: {{ allow: [10.0.0.0/8] }} }}
",
        quoted(upstream)
    )
}

fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", quoted.join(", "))
}

/// A scalar that reads back as this text wherever it stands: plain where that is safe, else in double quotes.
pub(crate) fn quoted(text: &str) -> String {
    let safe = text.starts_with(|first: char| first.is_ascii_alphanumeric() || matches!(first, '/' | '.'))
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "-._/:+ ".contains(character))
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "null");
    if safe { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
