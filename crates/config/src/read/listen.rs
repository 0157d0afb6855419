//! Listeners and certificates.

use crate::config::{Certificate, Cleartext, Listen};
use crate::read::gate::section;
use crate::read::guards;
use crate::settings::ROOT;
use crate::tree::{Entry, Node, Span};
use crate::walk::{Fields, Walk};

/// What `redirect` says, before the listeners are known as a whole.
#[derive(Clone, Copy)]
enum Redirect {
    ToFirstTls(Span),
    To(u16),
}

/// `proxied` is whether the file trusts any proxy.
pub(super) fn listeners(walk: &mut Walk<'_>, entry: &Entry, proxied: bool) -> Option<Vec<Listen>> {
    let nodes = walk.many(entry);
    let read: Vec<_> = nodes.iter().map(|node| listener(walk, node, entry, proxied)).collect();
    let secure =
        read.iter().flatten().find(|(listen, _)| !listen.tls.is_empty()).map(|(listen, _)| listen.address.port());
    let complete = !nodes.is_empty() && read.iter().all(Option::is_some);
    let listen = read.into_iter().flatten().map(|(mut listen, redirect)| {
        listen.redirect_https = match redirect {
            Some(Redirect::To(port)) => Some(port),
            Some(Redirect::ToFirstTls(span)) => {
                let port = secure.filter(|port| *port != 0);
                if port.is_none() && complete {
                    let help = "write the port that callers use: `redirect: { https: 443 }`";
                    walk.error(
                        span,
                        "no listener has `tls` and a port of its own, so the redirect leads nowhere",
                        help,
                    );
                }
                port
            }
            None => None,
        };
        listen
    });
    let listen = listen.collect();
    complete.then_some(listen)
}

fn listener(walk: &mut Walk<'_>, node: &Node, parent: &Entry, proxied: bool) -> Option<(Listen, Option<Redirect>)> {
    let at = if parent.value.items().is_empty() { parent.key_span } else { node.span };
    let fields = walk.fields(node, at, section(&ROOT, "listen")?)?;
    let address = fields.read(walk, "address", Walk::address);
    let tls = fields.read(walk, "tls", |walk, entry| {
        let nodes = walk.many(entry);
        Some(nodes.into_iter().filter_map(|node| certificate(walk, node, entry.key_span)).collect())
    });
    let words = [("local", Cleartext::Local), ("allow", Cleartext::Allow)];
    let client_certificates = fields.read(walk, "client_certificates", |walk, entry| {
        let nodes = walk.many(entry);
        Some(nodes.into_iter().filter_map(|node| Some(walk.text(entry, node)?.to_owned())).collect::<Vec<_>>())
    });
    let cleartext = fields.read(walk, "cleartext", |walk, entry| walk.choice(entry, &entry.value, &words));
    let redirect = fields.read(walk, "redirect", redirect);
    let ip = fields.read(walk, "ip", guards::ip).unwrap_or_default();
    let proxy_protocol = fields.read(walk, "proxy_protocol", Walk::flag).unwrap_or(false);
    if proxy_protocol && !proxied {
        let message = "`proxy_protocol` is believed from `trusted_proxies` alone, and there are none";
        let help = "write the balancer's addresses: `trusted_proxies: { ips: [10.1.2.3] }`";
        walk.error(fields.place("proxy_protocol"), message, help);
    }
    ineffective(walk, &fields);
    let listen = Listen {
        address: address?,
        tls: tls.unwrap_or_default(),
        client_certificates: client_certificates.unwrap_or_default(),
        cleartext: cleartext.unwrap_or_default(),
        redirect_https: None,
        proxy_protocol,
        ip,
    };
    Some((listen, redirect))
}

/// Settings of a listener that another one leaves without any effect.
fn ineffective(walk: &mut Walk<'_>, fields: &Fields<'_>) {
    if fields.has("tls") {
        for name in ["cleartext", "redirect"] {
            if fields.has(name) {
                let message = format!("`{name}` has no effect on a listener with `tls`");
                walk.error(fields.place(name), message, "leave it out, or write it on a listener without `tls`");
            }
        }
        return;
    }
    if fields.has("client_certificates") {
        let message = "`client_certificates` has no effect on a listener without `tls`";
        walk.error(fields.place("client_certificates"), message, "write `tls` beside it, or leave it out");
    }
    if fields.has("redirect") && fields.has("cleartext") {
        let message = "`cleartext` has no effect where every call is redirected";
        walk.error(fields.place("cleartext"), message, "leave one of the two out");
    }
}

/// A certificate and its key. Whether they belong together is seen when they are loaded.
pub(super) fn certificate(walk: &mut Walk<'_>, node: &Node, at: Span) -> Option<Certificate> {
    let listen = section(&ROOT, "listen")?;
    let fields = walk.fields(node, at, section(listen, "tls")?)?;
    let certificate = fields.read(walk, "certificate", Walk::file);
    let key = fields.read(walk, "key", Walk::file);
    Some(Certificate { certificate: certificate?, key: key? })
}

fn redirect(walk: &mut Walk<'_>, entry: &Entry) -> Option<Redirect> {
    if entry.value.text().is_some() {
        return walk.choice(entry, &entry.value, &[("https", Redirect::ToFirstTls(entry.key_span))]);
    }
    let listen = section(&ROOT, "listen")?;
    let fields = walk.fields(&entry.value, entry.key_span, section(listen, "redirect")?)?;
    let port = fields.read(walk, "https", |walk, entry| walk.count(entry, 1, 65535));
    u16::try_from(port?).ok().map(Redirect::To)
}
