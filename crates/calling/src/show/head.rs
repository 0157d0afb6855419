//! Heads: status line and fields of an answer, request line and fields of a request, the timings.

use std::time::Duration;

use http::Version;

use super::json::{self, Layout};
use super::{Showing, plain};
use crate::request::{Payload, Request};
use crate::send::{Answer, Timings};

/// Bytes of a request's body that `-v` shows.
const REQUEST_BODY_SHOWN: usize = 16 * 1024;

/// The answer's head with the empty line after it.
pub(super) fn answer(answer: &Answer, showing: &Showing) -> String {
    let status = answer.status.as_u16();
    let reason = answer.status.canonical_reason().unwrap_or("");
    let version = version(answer.version);
    if !showing.formatted {
        // As it would stand on the wire, for programs that look for its end.
        let mut text = format!("{version} {status} {reason}").trim_end().to_owned() + "\r\n";
        for (name, value) in &answer.fields {
            text.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes())));
        }
        return text + "\r\n";
    }
    let paint = showing.out_paint();
    let line = format!("{status} {reason}");
    let mut text = format!("{} {}\n", paint.faint(version), paint.status(status, line.trim_end()));
    for (name, value) in &answer.fields {
        let value = plain::line(&String::from_utf8_lossy(value.as_bytes()));
        text.push_str(&format!("{}: {value}\n", paint.name(name.as_str())));
    }
    text + "\n"
}

/// The request's head and the beginning of its body, for `-v`.
pub(super) fn request(request: &Request, showing: &Showing) -> String {
    let paint = if showing.formatted { showing.out_paint() } else { showing.notes_paint() };
    let head = request.head_text(showing.show_secrets);
    let mut text = String::new();
    for (at, line) in head.lines().enumerate() {
        let line = plain::line(line);
        match line.split_once(if at == 0 { " " } else { ": " }) {
            Some((method, target)) if at == 0 => text.push_str(&format!("{} {target}\n", paint.word(method))),
            Some((name, value)) => text.push_str(&format!("{}: {value}\n", paint.name(name))),
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text.push('\n');
    match &request.payload {
        Payload::Nothing => return text,
        Payload::File { path, length } => text.push_str(&format!("({length} bytes of {})", path.display())),
        Payload::Whole(bytes) if bytes.len() > REQUEST_BODY_SHOWN => {
            text.push_str(&format!("({} bytes)", bytes.len()));
        }
        Payload::Whole(bytes) => match std::str::from_utf8(bytes) {
            Err(_) => text.push_str(&format!("({} bytes)", bytes.len())),
            Ok(body) => {
                let laid_out = json::laid_out(body, Layout::Indented, paint);
                text.push_str(&laid_out.unwrap_or_else(|| plain::text(body)));
            }
        },
    }
    text + "\n\n"
}

/// `HTTP/1.1`.
pub(super) fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// One line of all the steps.
pub(super) fn timings(timings: &Timings) -> String {
    let tls = timings.tls.map(|tls| format!("tls {}, ", milliseconds(tls))).unwrap_or_default();
    let total = timings.total.map(|total| format!(", total {}", milliseconds(total))).unwrap_or_default();
    format!(
        "dns {}, connect {}, {tls}first byte {}{total}",
        milliseconds(timings.dns),
        milliseconds(timings.connect),
        milliseconds(timings.first_byte),
    )
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}
