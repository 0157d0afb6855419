//! The options of curl that are known here, in one table.

use super::data::Kind;
use crate::send::Http;

/// One option.
pub(super) struct Known {
    /// With its dashes.
    pub(super) name: &'static str,
    pub(super) letter: Option<char>,
    pub(super) wants: Wants,
    pub(super) act: Act,
}

/// Whether a value follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    Nothing,
    Value,
}

/// What an option does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Url,
    Method,
    User,
    Bearer,
    Header,
    /// Sets this field.
    Field(&'static str),
    Cookie,
    Data(Kind),
    Get,
    Head,
    Insecure,
    Follow,
    /// curl asks for compression and undoes it. What is seen is the same without either.
    Compressed,
    Http(Http),
    MaxTime,
    ConnectTimeout,
    Output,
    RemoteName,
    Include,
    Verbose,
    Silent,
    ShowError,
    Fail,
    /// Changes nothing here: it is so anyway.
    Nothing,
    /// Known, and what to do without it.
    NotYet(&'static str),
}

const fn flag(name: &'static str, letter: Option<char>, act: Act) -> Known {
    Known { name, letter, wants: Wants::Nothing, act }
}

const fn value(name: &'static str, letter: Option<char>, act: Act) -> Known {
    Known { name, letter, wants: Wants::Value, act }
}

/// Every option. Those that this client is by itself (no progress bar, paths as written) are taken and do nothing.
pub(super) const KNOWN: &[Known] = &[
    value("--url", None, Act::Url),
    value("--request", Some('X'), Act::Method),
    value("--header", Some('H'), Act::Header),
    value("--user", Some('u'), Act::User),
    value("--oauth2-bearer", None, Act::Bearer),
    value("--user-agent", Some('A'), Act::Field("user-agent")),
    value("--referer", Some('e'), Act::Field("referer")),
    value("--cookie", Some('b'), Act::Cookie),
    value("--data", Some('d'), Act::Data(Kind::Text)),
    value("--data-ascii", None, Act::Data(Kind::Text)),
    value("--data-raw", None, Act::Data(Kind::Raw)),
    value("--data-binary", None, Act::Data(Kind::Binary)),
    value("--data-urlencode", None, Act::Data(Kind::Encoded)),
    value("--json", None, Act::Data(Kind::Json)),
    flag("--get", Some('G'), Act::Get),
    flag("--head", Some('I'), Act::Head),
    flag("--insecure", Some('k'), Act::Insecure),
    flag("--location", Some('L'), Act::Follow),
    flag("--compressed", None, Act::Compressed),
    flag("--http1.1", None, Act::Http(Http::One)),
    flag("--http2", None, Act::Http(Http::Negotiated)),
    flag("--http2-prior-knowledge", None, Act::Http(Http::Two)),
    value("--max-time", Some('m'), Act::MaxTime),
    value("--connect-timeout", None, Act::ConnectTimeout),
    value("--output", Some('o'), Act::Output),
    flag("--remote-name", Some('O'), Act::RemoteName),
    flag("--include", Some('i'), Act::Include),
    flag("--show-headers", None, Act::Include),
    flag("--verbose", Some('v'), Act::Verbose),
    flag("--silent", Some('s'), Act::Silent),
    flag("--show-error", Some('S'), Act::ShowError),
    flag("--fail", Some('f'), Act::Fail),
    flag("--no-progress-meter", None, Act::Nothing),
    flag("--no-buffer", Some('N'), Act::Nothing),
    flag("--path-as-is", None, Act::Nothing),
    flag("--globoff", Some('g'), Act::Nothing),
    flag("--basic", None, Act::Nothing),
    flag("--progress-bar", Some('#'), Act::Nothing),
    value("--form", Some('F'), Act::NotYet("send a file as the body with --data-binary @FILE, or use curl itself")),
    value("--upload-file", Some('T'), Act::NotYet("write -X PUT --data-binary @FILE")),
    value("--proxy", Some('x'), Act::NotYet("call the server itself")),
    value("--cert", Some('E'), Act::NotYet("use curl itself for calls with a client certificate")),
    value("--key", None, Act::NotYet("use curl itself for calls with a client certificate")),
    value("--cacert", None, Act::NotYet("name the file in SSL_CERT_FILE")),
    value("--capath", None, Act::NotYet("name the folder in SSL_CERT_DIR")),
    value("--resolve", None, Act::NotYet("call the address itself, with -H 'Host: NAME'")),
    value("--connect-to", None, Act::NotYet("call the address itself, with -H 'Host: NAME'")),
    value("--unix-socket", None, Act::NotYet("call a TCP address")),
    value("--write-out", Some('w'), Act::NotYet("`callgate get --report json` has status and timings")),
    value("--dump-header", Some('D'), Act::NotYet("-i shows the head before the body")),
    value("--cookie-jar", Some('c'), Act::NotYet("send cookies with -b 'name=value'")),
    value("--config", Some('K'), Act::NotYet("write the options on the command line")),
    value("--range", Some('r'), Act::NotYet("write -H 'Range: bytes=…'")),
    value("--retry", None, Act::NotYet("call again; only you know whether that is safe")),
    value("--aws-sigv4", None, Act::NotYet("use curl itself for signed calls")),
    flag("--digest", None, Act::NotYet("only Basic and Bearer are sent")),
    flag("--negotiate", None, Act::NotYet("only Basic and Bearer are sent")),
    flag("--ntlm", None, Act::NotYet("only Basic and Bearer are sent")),
    flag("--netrc", Some('n'), Act::NotYet("write -u NAME:PASSWORD")),
    flag("--http3", None, Act::NotYet("leave it out: HTTP/2 or HTTP/1.1 is agreed on")),
    flag("--http1.0", Some('0'), Act::NotYet("write --http1.1")),
    flag("--location-trusted", None, Act::NotYet("-L follows, and keeps credentials from other origins")),
    flag("--ipv4", Some('4'), Act::NotYet("call the IPv4 address itself")),
    flag("--ipv6", Some('6'), Act::NotYet("call the IPv6 address itself")),
];

pub(super) fn by_name(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

pub(super) fn by_letter(letter: char) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.letter == Some(letter))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::KNOWN;

    #[test]
    fn names_and_letters_are_there_once() {
        let names: BTreeSet<_> = KNOWN.iter().map(|known| known.name).collect();
        let letters: Vec<_> = KNOWN.iter().filter_map(|known| known.letter).collect();
        assert_eq!(names.len(), KNOWN.len());
        assert_eq!(letters.iter().collect::<BTreeSet<_>>().len(), letters.len());
    }
}
