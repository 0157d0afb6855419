//! Why no answer came, or not the whole of it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::exit::Exit;

/// What went wrong between here and the server. `Display` says what happened; [`CallError::hint`] what to do.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The name leads to no address.
    #[error("the name {host} leads to no address")]
    Resolve {
        /// As in the URL.
        host: String,
        /// What the system's resolver says.
        source: io::Error,
    },
    /// Every address refused.
    #[error("{authority} refused the connection")]
    Refused {
        /// Host and port.
        authority: String,
        /// The last refusal.
        source: io::Error,
    },
    /// No connection for another reason.
    #[error("no connection to {authority}")]
    Connect {
        /// Host and port.
        authority: String,
        /// The last attempt's.
        source: io::Error,
    },
    /// TLS was not agreed on.
    #[error("no TLS with {authority}")]
    Tls {
        /// Host and port.
        authority: String,
        /// What rustls says.
        source: io::Error,
    },
    /// The server agreed on HTTP/2 and does not speak it, or the other way round.
    #[error("{authority} does not speak the protocol that was agreed on")]
    Protocol {
        /// Host and port.
        authority: String,
        /// What hyper says.
        source: hyper::Error,
    },
    /// A step took too long.
    #[error("timed out after {} while {}", seconds(*after), step.name())]
    TimedOut {
        /// In which step.
        step: Step,
        /// After how long.
        after: Duration,
    },
    /// What came back is not HTTP.
    #[error("{authority} answered something that is not HTTP")]
    NotHttp {
        /// Host and port.
        authority: String,
        /// What hyper says.
        source: hyper::Error,
    },
    /// More header fields, or longer ones, than anything sensible sends.
    #[error("the head of the answer from {authority} is too large")]
    HeadTooLarge {
        /// Host and port.
        authority: String,
        /// What hyper says.
        source: hyper::Error,
    },
    /// The connection ended in the middle.
    #[error("the connection broke while {}", step.name())]
    Broken {
        /// In which step.
        step: Step,
        /// What hyper says.
        source: hyper::Error,
    },
    /// More redirects than are followed.
    #[error("more than {followed} redirects, the last to {last}")]
    Redirects {
        /// How many were followed.
        followed: usize,
        /// Where the next would have led, without key-like parameters.
        last: String,
    },
    /// A redirect that leads nowhere.
    #[error("the redirect to `{location}` can't be followed")]
    Location {
        /// The field as it came, shortened.
        location: String,
    },
    /// The request can't be written as HTTP.
    #[error("the request can't be sent as HTTP")]
    Unsendable {
        /// What http says.
        source: http::Error,
    },
    /// The file for the request's body.
    #[error("reading {}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file for the answer's body.
    #[error("writing {}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Standard output.
    #[error("writing the answer out")]
    Show {
        /// What the system says.
        source: io::Error,
    },
    /// The list of certificates or the TLS library itself.
    #[error("TLS can't be set up here")]
    TlsSetup {
        /// What rustls says.
        source: rustls::Error,
    },
}

/// A step of a call, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Name to address.
    Resolve,
    /// TCP.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Sending the request and waiting for the answer's head.
    Head,
    /// Reading the answer's body.
    Body,
}

// === impl Step ===

impl Step {
    /// For people, after "while".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Step::Resolve => "looking up the address",
            Step::Connect => "connecting",
            Step::Tls => "agreeing on TLS",
            Step::Head => "waiting for the answer",
            Step::Body => "reading the answer's body",
        }
    }
}

// === impl CallError ===

impl CallError {
    /// A stable word for machines.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            CallError::Resolve { .. } => "resolve",
            CallError::Refused { .. } => "refused",
            CallError::Connect { .. } => "connect",
            CallError::Tls { .. } | CallError::TlsSetup { .. } => "tls",
            CallError::Protocol { .. } | CallError::NotHttp { .. } | CallError::HeadTooLarge { .. } => "not_http",
            CallError::TimedOut { .. } => "timeout",
            CallError::Broken { .. } => "broken",
            CallError::Redirects { .. } | CallError::Location { .. } => "redirect",
            CallError::Unsendable { .. } | CallError::Input { .. } => "request",
            CallError::Output { .. } | CallError::Show { .. } => "output",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            CallError::Resolve { host, .. } => format!("is `{host}` spelled right, and is this machine online?"),
            CallError::Refused { authority, .. } => format!("is the server running on {authority}?"),
            CallError::Connect { .. } => "is there a way to it from this network (VPN, firewall)?".to_owned(),
            CallError::Tls { source, .. } => tls_hint(&source.to_string()).to_owned(),
            CallError::TlsSetup { .. } => "see SSL_CERT_FILE, or use -k for a test".to_owned(),
            CallError::Protocol { .. } => "try --http1.1".to_owned(),
            CallError::TimedOut { step: Step::Resolve | Step::Connect | Step::Tls, .. } => {
                "is there a way to it from this network (VPN, firewall)? --connect-timeout waits longer".to_owned()
            }
            CallError::TimedOut { .. } => {
                "the call may have taken effect: check before repeating it; --max-time waits longer".to_owned()
            }
            CallError::NotHttp { .. } => "does the server speak TLS there? then write https://".to_owned(),
            CallError::HeadTooLarge { .. } => "does the server set a cookie again and again?".to_owned(),
            CallError::Broken { .. } => "the call may have taken effect: check before repeating it".to_owned(),
            CallError::Redirects { .. } => "do they go in a circle? -v shows each".to_owned(),
            CallError::Location { .. } => "look at the answer itself, without -L".to_owned(),
            CallError::Unsendable { .. } => "look at the URL for odd characters".to_owned(),
            CallError::Input { .. } => "was the file changed while it was sent?".to_owned(),
            CallError::Output { .. } | CallError::Show { .. } => {
                "is there room, and may you write there? What came before is kept".to_owned()
            }
        }
    }

    /// The process's exit code for it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            CallError::TimedOut { .. } => Exit::TimedOut,
            CallError::Unsendable { .. }
            | CallError::Input { .. }
            | CallError::Output { .. }
            | CallError::Show { .. }
            | CallError::TlsSetup { .. } => Exit::Usage,
            _ => Exit::NoAnswer,
        }
    }

    /// What happened with all its causes, in one line.
    #[must_use]
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let said = error.to_string();
            // Some libraries repeat their cause in their own text.
            if !text.ends_with(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = error.source();
        }
        text
    }
}

/// rustls tells what was wrong with a certificate in its text alone, once it went through an `io::Error`.
fn tls_hint(said: &str) -> &'static str {
    if said.contains("InvalidContentType") || said.contains("corrupt message") {
        "does the server speak clear text there? then write http://"
    } else if said.contains("UnknownIssuer") || said.contains("CaUsedAsEndEntity") {
        "its issuer is not trusted here: add it to the system's list, name it in SSL_CERT_FILE, or use -k for a test"
    } else if said.contains("not valid for name") || said.contains("NotValidForName") {
        "the certificate is for another name: call it by that one, or use -k for a test"
    } else if said.contains("expired") || said.contains("Expired") {
        "the certificate has expired: the server's operator has to renew it"
    } else {
        "-k takes any certificate, for a test"
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}
