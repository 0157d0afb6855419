//! Single settings of an API: their forms, and what is wrong with others.

mod health;
mod idempotency_key;
mod websocket;

use std::path::Path;

use callgate_config::{Config, parse};

/// A file with one API `a`, of which these are the lines; or what is wrong with it.
fn read(lines: &[&str]) -> Result<Config, Vec<String>> {
    let lines: String = lines.iter().map(|line| format!("    {line}\n")).collect();
    let text = format!("version: 1\nlisten: {{ address: 127.0.0.1:8080 }}\napis:\n  a:\n{lines}");
    match parse(&text, Path::new("/nowhere"), &|_| None) {
        Ok(read) => Ok(read.config),
        Err(report) => Err(report.diagnostics.iter().map(|one| one.message.clone()).collect()),
    }
}
