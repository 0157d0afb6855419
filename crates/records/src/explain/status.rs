//! Teaches status codes: the five ranges, and single ones with the gate's codes that use them.

use callgate_model::Code;

use super::code::code_in_short;
use super::page::{Page, Row, Section};

/// Explains a status, known or not, from 100 to 599.
#[must_use]
pub fn status(status: u16) -> Option<Page> {
    let range = range(u8::try_from(status / 100).ok()?)?;
    let known = KNOWN.iter().find(|known| known.status == status);
    let (title, meaning) = match known {
        Some(known) => (format!("{status} {}", known.name), known.meaning.to_owned()),
        None => (
            format!("{status}, one of {}", range.name),
            format!("HTTP gives {status} no meaning of its own; clients treat it like {}00.", status / 100),
        ),
    };
    let codes: Vec<Code> = Code::ALL.iter().copied().filter(|code| code.status() == status).collect();
    let gate = if codes.is_empty() {
        "The gate never answers with it by itself: it came from the upstream (or from a `respond` of the configuration)."
    } else {
        "When the gate itself says it, the answer has a `Callgate-Refused` field with one of these codes; without that field, it came from the upstream."
    };
    Some(Page {
        title,
        sections: vec![
            Section::new(
                "Meaning",
                vec![
                    Row::text(meaning),
                    Row::text(format!("{}xx, {}: {}", status / 100, range.name, range.meaning_of(status))),
                ],
            ),
            Section::new("At the gate", vec![Row::text(gate)]),
            list("Codes of the gate", &codes),
        ],
    })
}

/// Explains a range of statuses: 1 to 5.
#[must_use]
pub fn class(class: u8) -> Option<Page> {
    let range = range(class)?;
    let known = KNOWN.iter().filter(|known| known.status / 100 == u16::from(class));
    let codes: Vec<Code> = Code::ALL.iter().copied().filter(|code| code.status() / 100 == u16::from(class)).collect();
    Some(Page {
        title: format!("{class}xx, {}", range.name),
        sections: vec![
            Section::new("Meaning", vec![Row::text(range.meaning), Row::text(range.advice)]),
            Section::new("The known ones", known.map(|known| Row::fact(known.text, known.name)).collect()),
            list("Codes of the gate", &codes),
        ],
    })
}

fn list(heading: &'static str, codes: &[Code]) -> Section {
    Section::new(heading, codes.iter().map(|code| Row::fact(code.name(), code_in_short(*code))).collect())
}

struct Range {
    name: &'static str,
    meaning: &'static str,
    advice: &'static str,
}

// === impl Range ===

impl Range {
    /// What the range says of one of its statuses. Some are about the moment, not about the call.
    fn meaning_of(&self, status: u16) -> &'static str {
        match status {
            408 | 425 | 429 => "the call came at the wrong time or too slowly; the same call passes later.",
            503 => "the call may be fine, the server is not at the moment; the same call passes later.",
            _ => self.meaning,
        }
    }
}

fn range(class: u8) -> Option<Range> {
    Some(match class {
        1 => Range {
            name: "informational",
            meaning: "an interim word before the real answer (RFC 9110 section 15.2).",
            advice: "A client reads on: the final status follows on the same call.",
        },
        2 => Range {
            name: "successful",
            meaning: "the call was received, understood and accepted (RFC 9110 section 15.3).",
            advice: "Which one says what came of it: a body, a new resource, or nothing to send.",
        },
        3 => Range {
            name: "redirection",
            meaning: "something more is to be done, mostly a call to the address in Location (RFC 9110 section 15.4).",
            advice: "307 and 308 keep method and body; 301 and 302 may turn a POST into a GET; 303 does so on purpose.",
        },
        4 => Range {
            name: "client errors",
            meaning: "the call itself is at fault; the same call gets the same answer (RFC 9110 section 15.5).",
            advice: "Change the call before repeating it. The exceptions say so: 408, 425 and 429 may be repeated later.",
        },
        5 => Range {
            name: "server errors",
            meaning: "the call may be fine, the server is not (RFC 9110 section 15.6).",
            advice: "Repeat it later, with growing pauses, and only if its method is safe to repeat: after 502 and 504 it may have taken effect.",
        },
        _ => return None,
    })
}

struct Known {
    status: u16,
    text: &'static str,
    name: &'static str,
    meaning: &'static str,
}

macro_rules! known {
    ($($status:literal $name:literal $meaning:literal;)*) => {
        const KNOWN: &[Known] =
            &[$(Known { status: $status, text: stringify!($status), name: $name, meaning: $meaning },)*];
    };
}

known! {
    100 "Continue" "The head is fine, send the body. The gate says so itself, once every check before the body has passed.";
    101 "Switching Protocols" "The connection goes on in another protocol, such as WebSocket.";
    103 "Early Hints" "Fields that the final answer will probably have, so that a browser can load ahead.";
    200 "OK" "The call worked; the body is what it asked for.";
    201 "Created" "Something new exists; Location says where.";
    202 "Accepted" "The work was taken on and is not done yet.";
    204 "No Content" "It worked, and there is nothing to send.";
    206 "Partial Content" "The part that the Range field asked for.";
    301 "Moved Permanently" "It has a new address for good; clients may turn a POST into a GET.";
    302 "Found" "It is at another address for now; clients may turn a POST into a GET.";
    303 "See Other" "The answer is at another address, to be fetched with GET.";
    304 "Not Modified" "What the client has kept is still current; no body.";
    307 "Temporary Redirect" "The same call, with method and body, to another address for now.";
    308 "Permanent Redirect" "The same call, with method and body, to another address for good.";
    400 "Bad Request" "The server does not understand the call as it was sent.";
    401 "Unauthorized" "The call lacks a valid credential; WWW-Authenticate says which kind is wanted.";
    402 "Payment Required" "Reserved for payments; APIs use it when an account has no credit.";
    403 "Forbidden" "The call was understood and is refused; another credential or place may be needed.";
    404 "Not Found" "Nothing is at this address, or its existence is not shown.";
    405 "Method Not Allowed" "The address exists, but not for this method; Allow lists those that work.";
    406 "Not Acceptable" "Nothing here fits the Accept fields of the call.";
    408 "Request Timeout" "The request did not arrive in time.";
    409 "Conflict" "It does not fit the present state, such as an edit of something that changed meanwhile.";
    410 "Gone" "It was here and will not come back.";
    411 "Length Required" "The body's length must be declared.";
    412 "Precondition Failed" "An If-… field of the call does not hold.";
    413 "Content Too Large" "The body is larger than the server takes.";
    414 "URI Too Long" "Path and query are longer than the server takes.";
    415 "Unsupported Media Type" "The body is of a type that is not taken here.";
    416 "Range Not Satisfiable" "The range asked for is not there.";
    417 "Expectation Failed" "The Expect field asks for something that is not offered.";
    418 "I'm a Teapot" "A joke from 1998 that is kept so that nobody gives the number a meaning.";
    421 "Misdirected Request" "This connection is not for that host; open another.";
    422 "Unprocessable Content" "Well-formed, but its meaning is wrong: a field out of range, a rule broken.";
    423 "Locked" "The resource is locked.";
    425 "Too Early" "The call came before the handshake was safe from replay; repeat it.";
    426 "Upgrade Required" "Another protocol is wanted, named in Upgrade.";
    428 "Precondition Required" "The call must be conditional (If-Match), so that no update is lost.";
    429 "Too Many Requests" "Too many calls in a time; Retry-After says when to come back.";
    431 "Request Header Fields Too Large" "The fields, one or all of them, are too large.";
    451 "Unavailable For Legal Reasons" "Not shown because a law or a court says so.";
    500 "Internal Server Error" "The server failed in a way that it has no better word for.";
    501 "Not Implemented" "The server does not know this method at all.";
    502 "Bad Gateway" "The server in front reached the one behind, and got no valid answer from it.";
    503 "Service Unavailable" "The server cannot answer now; Retry-After says when it may.";
    504 "Gateway Timeout" "The server in front waited for the one behind, in vain.";
    505 "HTTP Version Not Supported" "The server does not speak this version of HTTP.";
    507 "Insufficient Storage" "There is no room to store what was sent.";
    511 "Network Authentication Required" "The network itself wants a login, as in a hotel.";
}
