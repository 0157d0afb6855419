//! A call to paste, with the new key in it.

use callgate_admin::views::{KeyCreated, Status};
use callgate_config::{Access, Api, Config};

use crate::which::Which;

/// Where keys are looked for unless the configuration says otherwise.
const HEADER: &str = "X-API-Key";

/// A curl line for the first API that the key may call. What runs knows its ports, the configuration knows the rest;
/// where neither can be asked, the place is left to fill in.
pub(super) fn curl(made: &KeyCreated, status: Option<Status>, which: &Which) -> String {
    let gate = status.and_then(|status| status.gate);
    let config = which.config();
    let listening = gate.as_ref().and_then(|gate| gate.listeners.first().cloned());
    let listening = listening.or_else(|| config.as_ref().and_then(listens)).map(|address| reachable(&address));
    let takes = |name: &String| made.record.apis.is_empty() || made.record.apis.contains(name);
    let api = config.as_ref().and_then(|config| {
        let mut apis = config.apis.iter().filter(|api| takes(&api.name));
        apis.clone().find(|api| api.guards.access != Some(Access::PUBLIC)).or_else(|| apis.next())
    });
    let credential = credential(api, &made.key.0);
    let (host, path) = match (api, gate.as_ref().and_then(|gate| gate.apis.iter().find(|api| takes(&api.name)))) {
        (Some(Api { public_url: Some(url), .. }), _) => {
            return format!("curl {credential} {}/", url.trim_end_matches('/'));
        }
        (Some(api), _) => (api.host.as_deref(), api.path.as_str()),
        (None, Some(api)) => (api.host.as_deref(), api.path.as_str()),
        (None, None) => (None, "/"),
    };
    let host = host.map(|host| host.replacen('*', "www", 1));
    format!("curl {credential}{}/", place(host.as_deref(), listening.as_deref(), path.trim_end_matches('/')))
}

/// Where to: options and the URL, without the slash at its end.
fn place(host: Option<&str>, listening: Option<&str>, path: &str) -> String {
    let listening = listening.unwrap_or("http://GATE");
    let Some(host) = host else { return format!(" {listening}{path}") };
    // Over TLS the name stands in the handshake, before any field: a Host field alone gets the wrong certificate.
    match listening.strip_prefix("https://").and_then(|address| address.rsplit_once(':')) {
        Some((address, port)) => format!(" --resolve {host}:{port}:{address} https://{host}:{port}{path}"),
        None => format!(" -H 'Host: {host}' {listening}{path}"),
    }
}

fn credential(api: Option<&Api>, key: &str) -> String {
    match api.map(|api| &api.keys) {
        Some(places) if places.header.is_none() && places.bearer => format!("-H 'Authorization: Bearer {key}'"),
        Some(places) => match &places.header {
            Some(header) if !header.eq_ignore_ascii_case(HEADER) => format!("-H '{header}: {key}'"),
            _ => format!("-H '{HEADER}: {key}'"),
        },
        None => format!("-H '{HEADER}: {key}'"),
    }
}

fn listens(config: &Config) -> Option<String> {
    // Only the running gate knows which port it was given instead of 0.
    let listen = config.listen.first().filter(|listen| listen.address.port() != 0)?;
    let scheme = if listen.tls.is_empty() { "http" } else { "https" };
    Some(format!("{scheme}://{}", listen.address))
}

/// A gate that listens on every address is reached on loopback from here.
fn reachable(address: &str) -> String {
    address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_over_tls_is_asked_by_its_name() {
        let check = |host, listening, expect: &str| assert_eq!(place(host, listening, "/shop"), expect);
        check(None, None, " http://GATE/shop");
        check(None, Some("https://127.0.0.1:8443"), " https://127.0.0.1:8443/shop");
        check(Some("a.test"), Some("http://127.0.0.1:80"), " -H 'Host: a.test' http://127.0.0.1:80/shop");
        let resolved = " --resolve a.test:8443:127.0.0.1 https://a.test:8443/shop";
        check(Some("a.test"), Some("https://127.0.0.1:8443"), resolved);
        let resolved = " --resolve a.test:8443:[::1] https://a.test:8443/shop";
        check(Some("a.test"), Some("https://[::1]:8443"), resolved);
    }
}
