//! The other side of the admin API: asks a gate over its socket or over TCP, or the same router inside this process.

mod acts;
mod exchange;
mod follow;
mod people;
mod tls;
mod upgrade;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use callgate_model::Secret;
use http::Uri;

pub use follow::Following;
pub use tls::client_config;
pub use upgrade::upgrade;

use crate::problem::{AdminCode, AdminError, with_sources};
use crate::socket;

/// Asks for acts; one method each, named as on the command line.
#[derive(Debug, Clone)]
pub struct AdminClient {
    way: Way,
}

/// How a gate is reached.
#[derive(Clone)]
enum Way {
    /// The admin socket of this data folder.
    Socket(PathBuf),
    /// The admin address of a gate elsewhere.
    Tcp(Arc<Remote>),
    /// No gate: the router itself, its requests already marked with who asks.
    Inside(Router),
}

/// A gate elsewhere.
struct Remote {
    host: String,
    port: u16,
    /// As in the URL, for the Host field.
    authority: String,
    token: Secret,
    /// Nothing for clear text, which only loopback has.
    tls: Option<Arc<rustls::ClientConfig>>,
}

// === impl AdminClient ===

impl AdminClient {
    /// The gate that runs on a data folder; nothing when none does.
    ///
    /// # Errors
    /// Its socket is there and may not be used.
    pub async fn over_socket(data_dir: &Path) -> Result<Option<AdminClient>, AdminError> {
        let connected = socket::connect(data_dir).await;
        let found = connected.map_err(|error| AdminError::new(AdminCode::GateUnreachable, with_sources(&error)))?;
        Ok(found.map(|_stream| AdminClient { way: Way::Socket(data_dir.to_owned()) }))
    }

    /// A gate elsewhere: `https://host[:port]`, or `http://` on loopback. `tls` as [`client_config`] makes it.
    ///
    /// # Errors
    /// The URL is not one of these, or the token would go over clear text.
    pub fn over_tcp(url: &str, token: Secret, tls: Arc<rustls::ClientConfig>) -> Result<AdminClient, AdminError> {
        let unfit = |why: &str| AdminError::new(AdminCode::RequestUnfit, format!("`{url}` {why}"));
        let uri: Uri = url.parse().map_err(|_| unfit("is no URL: write `https://host:port`"))?;
        let Some((scheme, authority)) = uri.scheme_str().zip(uri.authority()) else {
            return Err(unfit("names no place: write `https://host:port`"));
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(unfit("has more than a host and a port: write `https://host:port`"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let (tls, default_port) = match scheme {
            "https" => (Some(tls), 443),
            "http" if is_loopback(&host) => (None, 80),
            "http" => return Err(unfit("would send the admin token in clear text: write `https://`")),
            _ => return Err(unfit("has a scheme that is not spoken here: write `https://host:port`")),
        };
        let port = authority.port_u16().unwrap_or(default_port);
        let remote = Remote { host, port, authority: authority.to_string(), token, tls };
        Ok(AdminClient { way: Way::Tcp(Arc::new(remote)) })
    }

    /// A router inside this process; `router` must mark every request with its peer.
    pub(crate) fn inside(router: Router) -> AdminClient {
        AdminClient { way: Way::Inside(router) }
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl std::fmt::Debug for Way {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Way::Socket(data_dir) => write!(formatter, "Socket({})", data_dir.display()),
            Way::Tcp(remote) => write!(formatter, "Tcp({})", remote.authority),
            Way::Inside(_) => formatter.write_str("Inside"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_token_may_go() {
        let tls = client_config(None).unwrap();
        let check = |url: &str, expect: &str| {
            let got = match AdminClient::over_tcp(url, Secret::new("cga_x"), Arc::clone(&tls)) {
                Ok(client) => format!("{client:?}"),
                Err(error) => error.detail,
            };
            assert!(got.contains(expect), "{url}: {got}");
        };
        check("https://gate.example.com", "Tcp(gate.example.com)");
        check("http://127.0.0.1:8081/", "Tcp(127.0.0.1:8081)");
        check("http://[::1]:8081", "Tcp([::1]:8081)");
        check("http://gate.example.com:8081", "in clear text");
        check("https://gate.example.com/v1/keys", "more than a host");
        check("https://user@gate.example.com", "more than a host");
        check("ftp://localhost", "a scheme");
        check("gate.example.com", "names no place");
        check("", "is no URL");
    }
}
