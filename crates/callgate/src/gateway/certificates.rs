//! What only the files beside a configuration can tell, told at the setting that names them.

use std::error::Error;

use callgate_config::{Report, Severity};
use callgate_gateway::Snapshot;
use callgate_gateway::snapshot::CompileError;
use callgate_transport::tls::{CertificateFacts, Standing, TlsError};

use crate::moment::Moments;

/// Why a configuration that was read does not compile, at its place in the file.
#[must_use]
pub fn refused(mut report: Report, error: &CompileError) -> Report {
    let mut message = String::new();
    let mut next: Option<&dyn Error> = error.source();
    while let Some(error) = next {
        message.push_str(if message.is_empty() { "" } else { ": " });
        message.push_str(&error.to_string());
        next = error.source();
    }
    let (CompileError::Listener { source, .. }
    | CompileError::Admin { source, .. }
    | CompileError::Authority { source, .. }
    | CompileError::Issuer { source, .. }
    | CompileError::Tls { source, .. }) = error;
    let help = match source {
        TlsError::KeyDoesNotFit { .. } => "name the key that this certificate was made with",
        _ => "write the path of a PEM file that holds it, and that this user may read",
    };
    report.add(Severity::Error, &error.place(), &message, help);
    report
}

/// Certificates that ended, or soon do, as warnings at their places.
pub fn warn(snapshot: &Snapshot, report: &mut Report, moments: Moments) {
    for (listener, policy) in snapshot.listeners.iter().enumerate() {
        for (pair, certificate) in policy.certificates.iter().enumerate() {
            let place = ["listen", &listener.to_string(), "tls", &pair.to_string(), "certificate"];
            warn_of(certificate, "clients", &place, report, moments);
        }
    }
    for certificate in snapshot.admin.iter().flat_map(|tls| &tls.certificates) {
        warn_of(certificate, "clients", &["admin", "tls", "certificate"], report, moments);
    }
    for (api, certificate) in &snapshot.own_certificates {
        warn_of(certificate, "servers", &["apis", api, "upstream", "tls", "certificate"], report, moments);
    }
}

/// `others` are those who are shown it.
fn warn_of(certificate: &CertificateFacts, others: &str, place: &[&str], report: &mut Report, moments: Moments) {
    let (name, validity) = (&certificate.name, certificate.validity);
    let (from, to) = (moments.tell(validity.not_before_s * 1000), moments.tell(validity.not_after_s * 1000));
    let message = match validity.standing(moments.now_ms().div_euclid(1000)) {
        Standing::Good => return,
        Standing::NotYet => format!("the certificate for `{name}` is valid from {from}: {others} refuse it"),
        Standing::EndsSoon => format!("the certificate for `{name}` ends {to}"),
        Standing::Ended => format!("the certificate for `{name}` ended {to}: {others} refuse it"),
    };
    report.add(Severity::Warning, place, &message, "renew it; a changed file is taken without a restart");
}
