//! Hop-by-hop fields (RFC 9110 section 7.6.1): what is said to the gate alone and goes no further.

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, TE};

use crate::octets;

/// End-to-end fields that somebody on the way relies on. Naming one in Connection has one use: to make the gate drop what
/// it checked, or what tells the back end who calls.
const PROTECTED: [&str; 26] = [
    "accept",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "forwarded",
    "host",
    "location",
    "origin",
    "ratelimit",
    "ratelimit-policy",
    "referer",
    "retry-after",
    "set-cookie",
    "traceparent",
    "tracestate",
    "vary",
    "via",
    "www-authenticate",
    "x-real-ip",
];

const PROTECTED_PREFIXES: [&str; 4] = ["access-control-", "callgate-", "sec-", "x-forwarded-"];

/// Fields beside those that must not come in a trailer (RFC 9110 section 6.5.1): they would be merged behind checks that
/// have already passed.
const NOT_IN_TRAILERS: [&str; 14] = [
    "age",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "pragma",
    "range",
    "te",
    "trailer",
    "warning",
    "x-api-key",
];

/// Removes the hop-by-hop fields, what Connection names, and what `also` names. `protected` names further fields that
/// Connection can't remove, beside those of [`is_protected`]: the header that carries the key, for one.
///
/// Looks once over the fields that are there: a map asked for every name that might be costs more than all the rest of
/// forwarding a call.
pub fn strip(headers: &mut HeaderMap, protected: impl Fn(&HeaderName) -> bool, also: impl Fn(&HeaderName) -> bool) {
    let (mut has_connection, mut has_te) = (false, false);
    let mut wrong: Vec<HeaderName> = Vec::new();
    for name in headers.keys() {
        has_te |= *name == TE;
        if is_hop_by_hop(name) || also(name) {
            has_connection |= *name == CONNECTION;
            wrong.push(name.clone());
        }
    }
    if has_connection {
        let nominations: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
        for nomination in &nominations {
            remove_nominated(headers, nomination, &protected);
        }
    }
    for name in wrong {
        headers.remove(name);
    }
    if has_te {
        keep_trailers_alone(headers);
    }
}

/// Removes from a trailer section what belongs into a head alone.
pub fn strip_trailers(trailers: &mut HeaderMap) {
    let is_wrong =
        |name: &HeaderName| is_protected(name) || is_hop_by_hop(name) || NOT_IN_TRAILERS.contains(&name.as_str());
    let wrong: Vec<HeaderName> = trailers.keys().filter(|name| is_wrong(name)).cloned().collect();
    for name in wrong {
        trailers.remove(name);
    }
}

/// Whether a field speaks about one connection, whether Connection names it or not. TE is apart: `trailers` stays. Trailer
/// stays: trailers are forwarded.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "transfer-encoding"
            | "upgrade"
            | "keep-alive"
            | "proxy-connection"
            | "http2-settings"
    )
}

/// Whether a field is one that Connection can never remove.
#[must_use]
pub fn is_protected(name: &HeaderName) -> bool {
    let name = name.as_str();
    PROTECTED.contains(&name) || PROTECTED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn remove_nominated(headers: &mut HeaderMap, connection: &HeaderValue, protected: &impl Fn(&HeaderName) -> bool) {
    for option in connection.as_bytes().split(|byte| *byte == b',').map(octets::trim) {
        // The two options that nearly every request carries are no field that a map could hold.
        if option.eq_ignore_ascii_case(b"keep-alive") || option.eq_ignore_ascii_case(b"close") {
            continue;
        }
        // TE is nominated by whoever asks for trailers, and is judged on its own.
        if let Ok(name) = HeaderName::from_bytes(option)
            && name != TE
            && !is_protected(&name)
            && !protected(&name)
        {
            headers.remove(name);
        }
    }
}

fn keep_trailers_alone(headers: &mut HeaderMap) {
    let mut codings = headers.get_all(TE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    if codings.any(|coding| octets::trim(coding).eq_ignore_ascii_case(b"trailers")) {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    } else {
        headers.remove(TE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &str) -> HeaderMap {
        let fields = lines.lines().filter_map(|line| line.trim().split_once(": "));
        fields.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn names(headers: &HeaderMap) -> String {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names.join(" ")
    }

    fn check(lines: &str, expect: &str) {
        let mut headers = headers(lines);
        strip(&mut headers, |name| name == "x-key", |name| name == "x-also");
        assert_eq!(names(&headers), expect, "{lines}");
    }

    #[test]
    fn hop_by_hop_fields_go() {
        check(
            "Connection: keep-alive\nKeep-Alive: 5\nProxy-Connection: x\nProxy-Authorization: x\nProxy-Authenticate: x
            TE: gzip\nTransfer-Encoding: chunked\nUpgrade: h2c\nHTTP2-Settings: x\nTrailer: x-sum\nAccept: a/b",
            "accept trailer",
        );
    }

    #[test]
    fn what_else_is_named_goes_too() {
        check("X-Also: 1\nAccept: a/b\nX-Also: 2\nConnection: x-also, x-hop\nX-Hop: 1", "accept");
    }

    #[test]
    fn what_connection_names_goes_unless_the_gate_relies_on_it() {
        check(
            "Connection: X-Hop, x-other\nConnection: close, X-Third\nX-Hop: 1\nX-Other: 1\nX-Third: 1\nX-Stay: 1",
            "x-stay",
        );
        check("Connection: x-hop\nX-Hop: 1\nX-Hop: 2", "");
        let relied_on = "Host: a\nContent-Length: 1\nAuthorization: x\nX-Key: k\nX-Forwarded-For: 1.2.3.4\nCookie: c
            Callgate-Consumer: me\nForwarded: for=1.2.3.4\nContent-Type: a/b\nAccess-Control-Allow-Origin: x";
        let all = names(&headers(relied_on));
        let nominated = all.replace(' ', ", ");
        check(&format!("Connection: {nominated}\n{relied_on}"), &all);
        check("Connection: ,, x y, \"q\", \nX-Y: 1", "x-y");
    }

    #[test]
    fn te_keeps_trailers_alone() {
        let mut headers = headers("Connection: TE\nTE: gzip;q=0.5, Trailers\nTE: deflate");
        strip(&mut headers, |_| false, |_| false);
        assert_eq!(headers.get_all(TE).iter().collect::<Vec<_>>(), ["trailers"]);
    }

    #[test]
    fn trailers_hold_no_head_fields() {
        let mut trailers = headers(
            "Content-Length: 5\nTransfer-Encoding: x\nHost: a\nAuthorization: x\nCallgate-Consumer: x
            Grpc-Status: 0\nServer-Timing: a\nX-Forwarded-For: 1\nX-Sum: 1\nRange: x",
        );
        strip_trailers(&mut trailers);
        assert_eq!(names(&trailers), "grpc-status server-timing x-sum");
    }
}
